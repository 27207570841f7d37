"""Load the statistics of yesterday's and today's messages from KetchUp into a folder, one file a day.

Needs the connection `ketchup_loyalty_default`. Nothing here is paid for. `load` does everything in one task:
it requests an export of SMS, waits for its file in the triggerer, writes the messages by day, and deletes the
export, since an account has five at most. The other tasks do the same with a sensor, for Viber; that export
is deleted even if they fail. Days are in the vendor's local time; with `vendor_timezone` in the connection
the times below need a zone as well (+02:00).
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, chain, dag, task

from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCreateStatExportOperator,
    KetchUpDeleteStatExportOperator,
)
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpStatFileReadySensor
from airflow_provider_telecom.transfers.ketchup_loyalty_to_object_storage import (
    KetchUpStatsToObjectStorageOperator,
)

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")

FOLDER = "{{ params.output }}/ketchup_messages"
TWO_DAYS: dict[str, Any] = {
    "time_in_from": "{{ macros.ds_add(dag_run.run_after | ds, -1) }}T00:00:00",
    "time_in_to": "{{ dag_run.run_after | ds }}T23:59:59",
}


@dag(
    schedule=None,
    tags=["telecom", "ketchup"],
    params={
        "output": Param(
            OUTPUT, type="string", description="Folder of the files; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_ketchup_statistics() -> None:
    load = KetchUpStatsToObjectStorageOperator(
        task_id="load",
        path=FOLDER,
        **TWO_DAYS,
        message_type="sms",
        output_format="csv",
        deferrable=True,
        poll_interval=1,
    )

    create = KetchUpCreateStatExportOperator(
        task_id="create", **TWO_DAYS, message_type="viber", multiple_outputs=True
    )
    file_key: Any = create.output["file_key"]
    ready = KetchUpStatFileReadySensor(
        task_id="wait_for_file",
        file_key=file_key,
        callback_key=create.output["callback_key"],  # with a receiver, KetchUp's webhook wakes the sensor
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=1),
        timeout=timedelta(hours=6),
    )
    load_viber = KetchUpStatsToObjectStorageOperator(
        task_id="load_viber", path=FOLDER, file_key=file_key, **TWO_DAYS, message_type="viber"
    )
    delete = KetchUpDeleteStatExportOperator(task_id="delete", file_key=file_key, missing_ok=True)
    chain(create, ready, load_viber, delete.as_teardown(setups=create))

    @task
    def report(sms: dict[str, Any], viber: dict[str, Any]) -> None:
        """Print the numbers of messages. The messages themselves are in the files."""
        print(f"{sms['rows']} SMS, {viber['rows']} Viber messages in {len(sms['files'])} days")

    report(load.output, load_viber.output)


example_ketchup_statistics()
