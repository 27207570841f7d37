"""A first SMS campaign: read an audience, send each person a text of their own, wait, report.

It needs one connection, `ketchup_loyalty_default`. `make demo` runs it against the simulator; with a real
API key and originator in the connection it sends real messages, which cost money.
"""

from __future__ import annotations

import csv
import hashlib
import time
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, get_current_context, task

AUDIENCE = str(Path(__file__).parent / "data" / "recipients.csv")
CHUNK = 500


def say(text: str) -> None:
    """Show a line of progress in the task's log."""
    print(f"[campaign] {text}")


def reference(run_id: str, msisdn: str, text: str) -> str:
    """Return KetchUp's key for one message: the same run, person and text always give the same key.

    Sending a chunk again with the same keys is harmless: KetchUp answers that they exist already.
    """
    return "t" + hashlib.sha256(f"{run_id}|{msisdn}|{text}".encode()).hexdigest()[:31]


@dag(
    schedule=None,
    params={
        "audience": Param(AUDIENCE, type="string", description="CSV: msisdn, name"),
        "text": Param("{name}, дякуємо, що ви з нами! Ваш подарунок чекає.", type="string"),
        "originator": Param("test", type="string", description="Sender, at most 14 characters"),
    },
    tags=["telecom", "ketchup"],
)
def first_campaign() -> None:
    """Send a personal SMS to everybody in a CSV file through KetchUp and report what became of them."""

    @task
    def send() -> dict[str, Any]:
        """Send in chunks of 500; return how many were accepted and the ids of KetchUp's tasks."""
        from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import IndividualSms

        context = get_current_context()
        params, run_id = context["params"], context["run_id"]
        with Path(params["audience"]).open(encoding="utf-8", newline="") as file:
            people = list(csv.DictReader(file))
        hook = KetchUpHook()
        tasks: list[str] = []
        accepted = 0
        for start in range(0, len(people), CHUNK):
            messages = []
            for person in people[start : start + CHUNK]:
                text = params["text"].format(name=person["name"])
                messages.append(
                    IndividualSms(
                        msisdn=person["msisdn"],
                        text=text,
                        originator=params["originator"],
                        reference=reference(run_id, person["msisdn"], text),
                    )
                )
            batch = hook.send_individual_sms(messages)
            tasks += [batch.task_id] if batch.task_id else []
            accepted += sum(result.accepted for result in batch.results)
            say(f"sent {start + len(messages):,} of {len(people):,}, accepted {accepted:,}")
        return {"accepted": accepted, "tasks": tasks}

    @task(execution_timeout=timedelta(hours=1))
    def wait(sent: dict[str, Any]) -> dict[str, str]:
        """Ask every second until every accepted message has its final receipt; return the counts."""
        from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook

        hook, accepted = KetchUpHook(), sent["accepted"]
        if not accepted:
            raise ValueError("KetchUp accepted none of the messages")
        while True:
            states = [hook.get_sms_task(task_id) for task_id in sent["tasks"]]
            final = sum(state.final for state in states)
            say(f"final receipts: {final:,} of {accepted:,}")
            if final >= accepted:
                price, currency = sum(state.total_price for state in states), states[0].currency
                return {
                    "accepted": f"{accepted:,}",
                    "delivered": f"{sum(state.delivered for state in states):,}",
                    "undelivered": f"{sum(state.undelivered for state in states):,}",
                    "price": f"{price} {currency}",
                }
            time.sleep(1)

    @task
    def report(counts: dict[str, str]) -> None:
        """Print the table."""
        say("+-------------+------------+")
        for name, value in counts.items():
            say(f"| {name:<11} | {value:>10} |")
        say("+-------------+------------+")

    report(wait(send()))


first_campaign()
