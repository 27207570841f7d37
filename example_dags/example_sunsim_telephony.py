"""Order a callback from SunSim and wait for it, load a week's calls, and edit settings of the virtual PBX.

Needs the connection `sunsim_default`. The callback is charged as an incoming call on `number`; everything
else costs nothing. There is one file of calls per day; existing recordings are not downloaded again. The
settings are read, edited in a file, and set only if nobody has changed them since.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import ObjectStoragePath, Param, chain, dag, task

from airflow_provider_telecom.operators.sunsim import (
    SunSimCreateCallbackOperator,
    SunSimGetVatsSettingsOperator,
    SunSimSetVatsSettingsOperator,
)
from airflow_provider_telecom.sensors.sunsim import SunSimCallHappenedSensor
from airflow_provider_telecom.transfers.sunsim_to_object_storage import (
    SunSimCallsToObjectStorageOperator,
    SunSimRecordingsToObjectStorageOperator,
)

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
SETTINGS = "{{ params.output }}/{{ run_id }}/settings.json"


@dag(
    schedule=None,
    tags=["telecom", "sunsim"],
    params={
        "number": Param("+79000000000", type="string", description="A number of the contract"),
        "phone_to": Param("+79000000009", type="string", description="The number to connect"),
        "dial_seconds": Param(45, type="integer", minimum=1, maximum=90, description="Seconds to ring"),
        "output": Param(
            OUTPUT, type="string", description="Folder of the files; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_sunsim_telephony() -> None:
    call_back = SunSimCreateCallbackOperator(
        task_id="call_back",
        phone_from="{{ params.number }}",
        phone_to="{{ params.phone_to }}",
        on_unknown="fail",  # a duplicate would call both people again
    )

    happened = SunSimCallHappenedSensor(
        task_id="call_happened",  # a call is listed when it has ended
        phone_from="{{ params.number }}",
        phone_to="{{ params.phone_to }}",
        since="{{ dag_run.run_after | ds }}",  # with `vendor_timezone` in the connection also a time
        poke_interval=30,
        timeout=3600,
        deferrable=True,
    )
    chain(call_back, happened)

    week: dict[str, Any] = {  # whole days in the vendor's zone
        "numbers": ["{{ params.number }}"],
        "start": "{{ macros.ds_add(dag_run.run_after | ds, -7) }}",
        "end": "{{ macros.ds_add(dag_run.run_after | ds, -1) }}",
    }
    calls = SunSimCallsToObjectStorageOperator(
        task_id="load_calls", path="{{ params.output }}/sunsim_calls", **week
    )
    recordings = SunSimRecordingsToObjectStorageOperator(
        task_id="load_recordings",
        path="{{ params.output }}/sunsim_recordings",
        **week,
        on_missing="report",  # the index names missing recordings
    )

    read = SunSimGetVatsSettingsOperator(
        task_id="read_settings",
        numbers=["{{ params.number }}"],
        path=SETTINGS,
        multiple_outputs=True,
    )

    @task
    def edit_settings(path: str, params: Any = None) -> None:
        """Set how long each redirect number rings."""
        file = ObjectStoragePath(path)
        settings = json.loads(file.read_text(encoding="utf-8"))
        for profile in settings[0]["profiles"]:
            for block in profile["scheduleBlocks"]:
                for redirect in block["redirectNums"]:
                    redirect["dialTime"] = params["dial_seconds"]
        file.write_text(json.dumps(settings, ensure_ascii=False), encoding="utf-8")

    set_ = SunSimSetVatsSettingsOperator(
        task_id="set_settings", path=SETTINGS, expected_hash=read.output["hash"]
    )
    chain(calls, recordings)
    chain(read, edit_settings(read.output["path"]), set_)


example_sunsim_telephony()
