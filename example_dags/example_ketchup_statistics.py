"""Order the statistics of yesterday's and today's SMS from KetchUp, wait for the file, download, delete it.

Needs the connection `ketchup_loyalty_default`. Nothing here is paid for, but the vendor keeps five exports at
most: this one is deleted whatever becomes of the download. Days are the vendor's own; with `vendor_timezone`
in the connection the two times below need a zone as well (+02:00).
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath, Param, chain, dag, task

from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCreateStatExportOperator,
    KetchUpDeleteStatExportOperator,
)
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpStatFileReadySensor

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=None,
    tags=["telecom", "ketchup"],
    params={
        "output": Param(
            OUTPUT, type="string", description="Folder of the file; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_ketchup_statistics() -> None:
    create = KetchUpCreateStatExportOperator(
        task_id="create",
        time_in_from="{{ macros.ds_add(dag_run.run_after | ds, -1) }}T00:00:00",
        time_in_to="{{ dag_run.run_after | ds }}T23:59:59",
        message_type="sms",
        multiple_outputs=True,
    )
    file_key: Any = create.output["file_key"]
    ready = KetchUpStatFileReadySensor(
        task_id="wait_for_file",
        file_key=file_key,
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=1),
        timeout=timedelta(hours=6),
    )

    @task
    def download(key: str, params: Any = None, run_id: Any = None) -> dict[str, Any]:
        """Stream the file. It holds numbers and texts; the XCom does not. An empty export has no file."""
        from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

        file = ObjectStoragePath(params["output"]) / run_id / "statistics.csv"
        file.parent.mkdir(parents=True, exist_ok=True)
        return {"bytes": KetchUpHook().download_statistics(key, file, "csv"), "path": str(file)}

    delete = KetchUpDeleteStatExportOperator(task_id="delete", file_key=file_key, missing_ok=True)
    chain(create, ready, download(file_key), delete.as_teardown(setups=create))


example_ketchup_statistics()
