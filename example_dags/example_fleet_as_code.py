"""Fleet as code: bring a fleet of NovaConnect SIMs into the state that a file describes.

Needs the connection `novaconnect_default` with an administrator's token. `plan` compares the fleet with the
file, logs a table of what would change, and stores the plan; it changes nothing. `apply` executes the plan
if the SIMs of the file are still as they were: blocks first, then groups, limits and tariffs, then
unblocking, then names. It refuses more changes than it may make, and whatever takes SIMs offline or may be
paid for unless `allow` contains it. A killed or cleared `apply` continues, and pays for nothing twice.
`drift` ends the run: nothing differs any more.

The file with this Dag, `data/fleet.yaml`, blocks one SIM (it goes offline) and changes no tariff, so nothing
is paid for. Its first line names the JSON schema beside it, which editors use to complete and check fields.

Put a person between the two with `ApprovalOperator` of the standard provider, or run `apply` in a Dag of its
own. A Dag with `drift` alone and a schedule watches a fleet: Dags scheduled on the asset
`NOVACONNECT_FLEET_DRIFT` start when somebody has changed it by hand.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import Param, chain, dag

from airflow_provider_telecom.operators.novaconnect import NovaConnectFleetOperator

DATA = Path(__file__).parent / "data"
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
FOLDER = "{{ params.output }}/{{ run_id }}"


@dag(
    schedule=None,
    tags=["telecom", "novaconnect"],
    params={
        "fleet": Param(
            str(DATA / "fleet.yaml"),
            type="string",
            description="The desired state: YAML or CSV; a path or URL",
        ),
        "output": Param(
            OUTPUT, type="string", description="Folder of plans and results; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 2, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_fleet_as_code() -> None:
    plan = NovaConnectFleetOperator(
        task_id="plan",
        mode="plan",
        desired="{{ params.fleet }}",
        plan_path=f"{FOLDER}/plan.json",
        allow=["disconnect"],
    )
    apply = NovaConnectFleetOperator(
        task_id="apply",
        mode="apply",
        plan_path=f"{FOLDER}/plan.json",
        results_path=f"{FOLDER}/results.jsonl",
        allow=["disconnect"],
        max_changes=10,
        require_unchanged="planned",  # SIMs that the file does not name may change meanwhile
        poll_interval=2,
        deferrable=True,
    )
    drift = NovaConnectFleetOperator(task_id="drift", mode="drift", desired="{{ params.fleet }}")
    chain(plan, apply, drift)


example_fleet_as_code()
