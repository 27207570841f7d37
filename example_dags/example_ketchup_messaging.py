"""An SMS campaign through KetchUp: price it, send it, wait until enough messages are delivered, report.

Needs the connection `ketchup_loyalty_default`. Each run costs what the task `price` returns: one SMS or more
for each recipient. Nothing is sent if that is more than `max_cost`. A killed or retried task sends nothing
twice: each message has an idempotency key.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, chain, dag, task

from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsTaskFinishedSensor

RECIPIENTS = str(Path(__file__).parent / "data" / "recipients.csv")
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=None,
    tags=["telecom", "ketchup", "campaign"],
    params={
        "recipients": Param(RECIPIENTS, type="string", description="CSV with msisdn and name; a path or URL"),
        "text": Param("{name}, дякуємо, що ви з нами! Ваш подарунок чекає.", type="string"),
        "originator": Param("test", type="string", maxLength=14, description="Sender agreed with the vendor"),
        "max_cost": Param("50", type="string", description="Maximum cost, in the account's currency"),
        "output": Param(
            OUTPUT, type="string", description="Folder of results; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_ketchup_messaging() -> None:
    campaign: dict[str, Any] = {
        "recipients": "{{ params.recipients }}",
        "text": "{{ params.text }}",
        "originator": "{{ params.originator }}",
        "max_cost": "{{ params.max_cost }}",
    }
    price = KetchUpSendBulkSmsOperator(task_id="price", dry_run=True, **campaign)
    send = KetchUpSendBulkSmsOperator(
        task_id="send",
        results_path="{{ params.output }}/{{ run_id }}/results.jsonl",
        rejects_path="{{ params.output }}/{{ run_id }}/rejects.csv",
        multiple_outputs=True,
        **campaign,
    )
    wait = KetchUpSmsTaskFinishedSensor(
        task_id="wait_for_receipts",
        sms_task_ids=send.output["task_ids"],
        expected=send.output["accepted"],
        min_delivered_percent=75,
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=5),
        timeout=timedelta(days=4),
    )

    @task
    def report(sent: dict[str, Any], received: dict[str, Any]) -> None:
        """Print a table into the task's log."""
        rows = {
            "recipients": f"{sent['recipients']:,}",
            "sent": f"{sent['accepted'] + sent['known_before']:,}",
            "delivered": f"{received['delivered']:,}",
            "not delivered": f"{received['undelivered']:,}",
            "no receipt yet": f"{sent['accepted'] - received['delivered'] - received['undelivered']:,}",
            "paid": f"{sent['price']} {sent['currency']}",
        }
        print("+----------------+--------------+")
        for name, value in rows.items():
            print(f"| {name:<14} | {value:>12} |")
        print("+----------------+--------------+")

    chain(price, send)
    report(send.output, wait.output)


example_ketchup_messaging()
