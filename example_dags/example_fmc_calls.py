"""Fetch yesterday's calls of a Kyivstar FMC virtual PBX to a file, and ring two phones together.

Needs the connection `kyivstar_fmc_default`. Fetching costs nothing. The call rings `calling_number`, a
subscriber of the PBX, and once they answer `called_number`; it costs what a call costs.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import ObjectStoragePath, Param, dag, task

from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=None,
    tags=["telecom", "fmc"],
    params={
        "output": Param(
            OUTPUT, type="string", description="Folder of the file; a path, or a URL like s3://..."
        ),
        "called_number": Param("380670000200", type="string", description="Who is called"),
        "calling_number": Param(
            "380670000100", type="string", description="The subscriber who is rung first"
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_fmc_calls() -> None:
    @task
    def fetch_yesterday(params: Any = None, dag_run: Any = None) -> dict[str, Any]:
        """Stream the calls as CSV, as the vendor sends them. The file holds numbers; the XCom does not."""
        from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook

        today = pendulum.instance(dag_run.run_after).in_timezone("Europe/Kyiv").start_of("day")
        yesterday = today.subtract(days=1)
        file = ObjectStoragePath(params["output"]) / f"calls-{yesterday:YYYY-MM-DD}.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        return {
            "bytes": KyivstarFmcHook().download_call_records(file, yesterday, today),
            "path": str(file),
        }

    call = KyivstarFmcOriginateCallOperator(
        task_id="call",
        called_number="{{ params.called_number }}",
        calling_number="{{ params.calling_number }}",
        on_unknown="fail",  # a copy would ring both phones again
    )
    fetch_yesterday() >> call


example_fmc_calls()
