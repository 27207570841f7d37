"""Calls to many people, whose process is killed: see `tests.system.killing`."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcBulkCallOperator
from airflow_provider_telecom.operators.sunsim import SunSimBulkCallbackOperator
from tests.system.killing import FOLDER, arm

PEOPLE_EACH = 8
"""How many people a run calls. The run's id ends with the number of the first one."""
KINDS: dict[str, tuple[type[Any], dict[str, str]]] = {
    "bulk_call": (KyivstarFmcBulkCallOperator, {"calling_number": "0670000100"}),
    "bulk_callback": (SunSimBulkCallbackOperator, {"phone_from": "9000000000"}),
}


def people(run_id: str) -> list[str]:
    """Return whom a run calls."""
    first = int(run_id.rpartition("-")[2])
    return [str(first + place) for place in range(PEOPLE_EACH)]


for dag_id, (operator, caller) in KINDS.items():
    with DAG(
        dag_id,
        schedule=None,
        max_active_runs=100,
        max_active_tasks=100,
        render_template_as_native_obj=True,
        user_defined_macros={"people": people},
    ):
        operator(
            task_id="call",
            recipients="{{ people(run_id) }}",
            on_unknown="assume_sent",
            results_path=f"{os.environ.get(FOLDER, '')}/{{{{ run_id }}}}.jsonl",
            retries=2,
            retry_delay=timedelta(seconds=1),
            pre_execute=arm,
            **caller,
        )
