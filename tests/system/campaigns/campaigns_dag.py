"""Campaigns: two variants and a holdout over two time zones, a send that is killed, and six for one budget.

The Dag run's conf has the quiet hours, and where the process is killed (`tests.system.killing`).
"""

from __future__ import annotations

import os
from datetime import timedelta
from decimal import Decimal
from typing import Any

from airflow.sdk import DAG

from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty.bulk import KetchUpSendBulkSmsOperator
from tests.system.killing import FOLDER, arm

FOLDER_OF_FILES = os.environ.get("TELECOM_CAMPAIGN_FILES", "")
PEOPLE = [f"380670000{number:03d}" for number in range(300, 360)]
EARLY, LATE = "Europe/Kyiv", "Europe/Warsaw"
PRICE = Decimal("0.02")
TEAMS, TEAM_SIZE, TEAMS_ALLOWED = 6, 5, 3
SEND: dict[str, Any] = {
    "text": {"A": "A {{ run_id }}", "B": "B {{ run_id }}"},
    "chunk_size": 10,
    "retries": 2,
    "retry_delay": timedelta(seconds=1),
}


def prepare() -> PrepareAudienceOperator:
    """Return a task that prepares an audience of the file of people."""
    return PrepareAudienceOperator(
        task_id="audience",
        recipients=f"{FOLDER_OF_FILES}/people.csv",
        columns={"msisdn": "msisdn", "timezone": "zone"},
        variants={"A": 40, "B": 40, "holdout": 20},
        salt="spring",
        output=FOLDER_OF_FILES + "/{{ run_id }}/audience",
    )


with DAG("campaign", schedule=None):
    KetchUpSendBulkSmsOperator(
        task_id="send",
        recipients=prepare().output,
        quiet_hours="{{ dag_run.conf['quiet_hours'] }}",
        deferrable=True,
        budget=Budget("spring", "EUR", per_day="100"),
        results_path=FOLDER_OF_FILES + "/{{ run_id }}/outcomes.jsonl",
        **SEND,
    )

with DAG("killed_campaign", schedule=None, max_active_runs=20, max_active_tasks=20):
    KetchUpSendBulkSmsOperator(
        task_id="send",
        recipients=prepare().output,
        budget=Budget("killed", "EUR", per_day="100"),
        pre_execute=arm if FOLDER in os.environ else None,
        **SEND,
    )

with DAG("teams", schedule=None, max_active_tasks=TEAMS):
    KetchUpSendBulkSmsOperator.partial(
        task_id="send",
        text="{{ run_id }}",
        budget=Budget("teams", "EUR", per_day=TEAMS_ALLOWED * TEAM_SIZE * PRICE),
    ).expand(recipients=[PEOPLE[place * TEAM_SIZE : (place + 1) * TEAM_SIZE] for place in range(TEAMS)])
