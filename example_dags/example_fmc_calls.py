"""Load the calls of a Kyivstar FMC virtual PBX into Parquet, query them with SQL, and originate a call.

The last task waits until the call is in the records.

Needs the connection `kyivstar_fmc_default`, and the packages `pyarrow` and `duckdb`. Loading costs
nothing: the last two days are loaded again each night, since a call is listed when it has ended. The call
is charged: `calling_number`, a subscriber of the PBX, is called first and then connected with
`called_number`.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import Param, chain, dag, task
from airflow.sdk.exceptions import AirflowSkipException

from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator
from airflow_provider_telecom.sensors.kyivstar_fmc import KyivstarFmcCallHappenedSensor
from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=None,
    tags=["telecom", "fmc"],
    params={
        "output": Param(
            OUTPUT, type="string", description="Folder of the files; a path, or a URL like s3://..."
        ),
        "called_number": Param("380670000200", type="string", description="The number to connect"),
        "calling_number": Param(
            "380670000100", type="string", description="The subscriber who is called first"
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_fmc_calls() -> None:
    @task(multiple_outputs=True)
    def last_two_days(dag_run: Any = None) -> dict[str, str]:
        """Return the last two days in Kyiv; the transfer loads both completely."""
        today = pendulum.instance(dag_run.run_after).in_timezone("Europe/Kyiv")
        return {
            "start": today.subtract(days=2).to_date_string(),
            "end": today.subtract(days=1).to_date_string(),
        }

    days: Any = last_two_days()
    load = KyivstarFmcCallsToObjectStorageOperator(
        task_id="load",
        path="{{ params.output }}/fmc_calls",
        start=days["start"],
        end=days["end"],
        source_format="json",
        names=True,
        output_format="parquet",
    )

    @task
    def ask(loaded: dict[str, Any]) -> list[dict[str, Any]]:
        """Count calls and minutes per day. The result has no telephone numbers, so it may go to an XCom."""
        try:
            import duckdb
        except ImportError:
            raise AirflowSkipException("to ask in SQL, install duckdb") from None
        query = """
            SELECT strftime(date, '%Y-%m-%d') AS day,
                   count(*)::INTEGER AS calls,
                   count(DISTINCT calling_number)::INTEGER AS callers,
                   ceil(sum(duration_seconds) / 60)::INTEGER AS minutes
            FROM read_parquet($files, hive_partitioning = true)
            GROUP BY date
            ORDER BY date
        """
        files = [file["path"] for file in loaded["files"]]
        result = duckdb.execute(query, {"files": files})
        names = [column[0] for column in result.description]
        days = [dict(zip(names, row, strict=True)) for row in result.fetchall()]
        print(*days, sep="\n")
        return days

    call = KyivstarFmcOriginateCallOperator(
        task_id="call",
        called_number="{{ params.called_number }}",
        calling_number="{{ params.calling_number }}",
        on_unknown="fail",  # a duplicate would call both people again
    )
    happened = KyivstarFmcCallHappenedSensor(
        task_id="call_happened",  # a call is in the records when it has ended
        called_number="{{ params.called_number }}",
        calling_number="{{ params.calling_number }}",
        since="{{ dag_run.run_after.isoformat() }}",
        direction="outgoing",
        poke_interval=30,
        timeout=3600,
        deferrable=True,
    )
    chain(load, [ask(load.output), call])
    chain(call, happened)


example_fmc_calls()
