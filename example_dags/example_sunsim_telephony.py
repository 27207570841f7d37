"""Call back through SunSim, list a week's calls to a file, and edit settings of the virtual PBX.

Needs the connection `sunsim_default`. The call-back is charged as an incoming call on `number`; everything
else costs nothing. The settings are read, edited in a file, and set only if nobody has changed them since.
"""

from __future__ import annotations

import json
import os
from datetime import timedelta
from pathlib import Path
from typing import Any

import pendulum
from airflow.sdk import ObjectStoragePath, Param, chain, dag, task

from airflow_provider_telecom.operators.sunsim import (
    SunSimCreateCallbackOperator,
    SunSimGetVatsSettingsOperator,
    SunSimSetVatsSettingsOperator,
)

OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
SETTINGS = "{{ params.output }}/{{ run_id }}/settings.json"


@dag(
    schedule=None,
    tags=["telecom", "sunsim"],
    params={
        "number": Param("+79000000000", type="string", description="A number of the contract"),
        "phone_to": Param("+79000000009", type="string", description="Whom to connect it with"),
        "dial_seconds": Param(45, type="integer", minimum=1, maximum=90, description="How long to ring"),
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
        on_unknown="fail",  # a copy would ring both phones again
    )

    @task
    def list_calls(params: Any = None, dag_run: Any = None) -> dict[str, Any]:
        """Write the calls of a week as JSON lines. The file holds numbers; the XCom does not."""
        from airflow_provider_telecom.hooks.sunsim import SunSimHook

        hook = SunSimHook()
        zone = hook.options.vendor_timezone  # without it the vendor wants its own time, and says not which
        end = pendulum.instance(dag_run.run_after).in_timezone(zone or "Europe/Moscow")
        end = end if zone else end.naive()
        found = hook.list_calls([params["number"]], end.subtract(weeks=1), end)
        file = ObjectStoragePath(params["output"]) / f"calls-{end:YYYY-MM-DD}.jsonl"
        file.parent.mkdir(parents=True, exist_ok=True)
        with file.open("w", encoding="utf-8") as lines:
            lines.writelines(json.dumps(call.row, ensure_ascii=False) + "\n" for call in found.calls)
        return {"calls": len(found.calls), "path": str(file)}

    read = SunSimGetVatsSettingsOperator(
        task_id="read_settings",
        numbers=["{{ params.number }}"],
        path=SETTINGS,
        multiple_outputs=True,
    )

    @task
    def edit_settings(path: str, params: Any = None) -> None:
        """Let every number to which calls are redirected ring as long as wanted."""
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
    chain(call_back, list_calls())
    chain(read, edit_settings(read.output["path"]), set_)


example_sunsim_telephony()
