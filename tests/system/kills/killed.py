"""Four sends whose process is killed: see `tests.system.killing`. The run's id is the text."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import DAG, BaseOperator

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.ketchup_loyalty.bulk import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCreatePromoOperator,
    KyivstarSendSmsOperator,
)
from tests.system.killing import arm

PEOPLE = [f"380670000{number:03d}" for number in range(200, 450)]
MANY: dict[str, Any] = {"recipients": PEOPLE, "chunk_size": 100}
KINDS: dict[str, tuple[type[BaseOperator], dict[str, Any]]] = {
    "kyivstar_sms": (KyivstarSendSmsOperator, {"msisdn": PEOPLE[0]}),
    "ketchup_sms": (KetchUpSendSmsOperator, {"msisdn": PEOPLE[0]}),
    "ketchup_bulk": (KetchUpSendBulkSmsOperator, MANY),
    "kyivstar_promo": (KyivstarCreatePromoOperator, {**MANY, "start": True}),
}

for dag_id, (operator, arguments) in KINDS.items():
    with DAG(dag_id, schedule=None, max_active_runs=100, max_active_tasks=100):
        operator(
            task_id="send",
            text="{{ run_id }}",
            retries=2,
            retry_delay=timedelta(seconds=1),
            pre_execute=arm,
            **arguments,
        )
