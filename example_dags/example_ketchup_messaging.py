"""A campaign through KetchUp: Viber messages, then an SMS to those whom Viber certainly did not reach.

Needs the connection `ketchup_loyalty_default`. Each run costs what the task `price` returns, one Viber
message for each recipient, and an SMS for each that is not delivered. Nothing is sent if either costs more
than `max_cost`. A killed or retried task sends nothing twice: each message has an idempotency key.

Nobody gets the text twice: the file `undelivered.jsonl` has only recipients whose Viber message was refused
or has ended without delivery. A message without a final state may still arrive: its recipient gets no SMS,
and the log and the report count it as unknown. `validity_seconds` ends the attempts to deliver, so that most
have a final state when the wait ends.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, chain, dag, task

from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpSendBulkSmsOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsTaskFinishedSensor

RECIPIENTS = str(Path(__file__).parent / "data" / "recipients.csv")
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
FOLDER = "{{ params.output }}/{{ run_id }}"


@dag(
    schedule=None,
    tags=["telecom", "ketchup", "campaign"],
    params={
        "recipients": Param(RECIPIENTS, type="string", description="CSV with msisdn and name; a path or URL"),
        "text": Param("{name}, дякуємо, що ви з нами! Ваш подарунок чекає.", type="string"),
        "viber_sender": Param("test", type="string", description="Viber sender agreed with the vendor"),
        "originator": Param("test", type="string", maxLength=14, description="SMS sender agreed as well"),
        "max_cost": Param("50", type="string", description="Maximum cost of each, in the account's currency"),
        "output": Param(
            OUTPUT, type="string", description="Folder of results; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_ketchup_messaging() -> None:
    campaign: dict[str, Any] = {"text": "{{ params.text }}", "max_cost": "{{ params.max_cost }}"}
    message: dict[str, Any] = {
        "recipients": "{{ params.recipients }}",
        "sender": "{{ params.viber_sender }}",
        "promotional": True,
        "validity_seconds": 3600,
        **campaign,
    }
    price = KetchUpSendViberOperator(task_id="price", dry_run=True, **message)
    viber = KetchUpSendViberOperator(
        task_id="viber",
        results_path=f"{FOLDER}/viber.jsonl",
        rejects_path=f"{FOLDER}/rejects.csv",
        undelivered_path=f"{FOLDER}/undelivered.jsonl",
        result_columns=["name"],
        wait_for_completion=True,
        wait_timeout=7200,
        on_wait_timeout="succeed",
        poll_interval=60,
        deferrable=True,
        multiple_outputs=True,
        **message,
    )
    sms = KetchUpSendBulkSmsOperator(
        task_id="sms",
        recipients=f"{FOLDER}/undelivered.jsonl",
        on_no_recipients="skip",
        originator="{{ params.originator }}",
        results_path=f"{FOLDER}/sms.jsonl",
        multiple_outputs=True,
        **campaign,
    )
    wait = KetchUpSmsTaskFinishedSensor(
        task_id="wait_for_receipts",
        sms_task_ids=sms.output["task_ids"],
        expected=sms.output["accepted"],
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=5),
        timeout=timedelta(days=4),
    )

    @task(trigger_rule="none_failed")
    def report(viber: dict[str, Any], sms: dict[str, Any] | None, received: dict[str, Any] | None) -> None:
        """Print a table into the task's log. No SMS was sent if Viber has reached everybody."""
        sms, received = sms or {}, received or {}
        rows = {
            "recipients": f"{viber['recipients']:,}",
            "Viber delivered": f"{viber['delivered']:,}",
            "Viber unknown": f"{viber['unknown']:,}",
            "SMS sent": f"{sms.get('accepted', 0) + sms.get('known_before', 0):,}",
            "SMS delivered": f"{received.get('delivered', 0):,}",
            "paid for Viber": f"{viber['price']} {viber['currency']}",
            "paid for SMS": f"{sms.get('price', '0')} {sms.get('currency') or viber['currency']}",
        }
        print("+-----------------+--------------+")
        for name, value in rows.items():
            print(f"| {name:<15} | {value:>12} |")
        print("+-----------------+--------------+")

    chain(price, viber, sms)
    report(viber.output, sms.output, wait.output)


example_ketchup_messaging()
