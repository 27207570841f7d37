"""A ladder whose second rung is slow: its connection may send one request a second. And a send that fails."""

from __future__ import annotations

import os
from datetime import timedelta
from typing import Any

from airflow.sdk import DAG

from airflow_provider_telecom.campaigns import Budget, SmsRung, ViberRung, message_ladder
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator

FILES = os.environ.get("TELECOM_CAMPAIGN_FILES", "")
WAIT: dict[str, Any] = {"wait": timedelta(hours=1), "poll_interval": 2, "min_final_percent": 95}

with DAG("spring_sale", schedule=None):
    audience = PrepareAudienceOperator(
        task_id="audience", recipients=f"{FILES}/people.csv", output=FILES + "/{{ run_id }}/audience"
    )
    message_ladder(
        group_id="spring",
        audience=audience.output,
        outcomes=FILES + "/{{ run_id }}/outcomes",
        budget=Budget("marketing", "EUR", per_day="40"),
        rungs=[
            ViberRung("Sale until Sunday.", sender="Shop", options={"chunk_size": 50}, **WAIT),
            SmsRung(
                "Sale until Sunday.",
                conn_id="slow_sms",
                originator="Shop",
                options={"chunk_size": 10},
                **WAIT,
            ),
        ],
    )

with DAG("broken_sale", schedule=None):
    KetchUpSendBulkSmsOperator(task_id="send", recipients=f"{FILES}/missing.csv", text="Sale", retries=1)
