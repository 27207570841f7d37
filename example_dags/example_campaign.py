"""A campaign from a file to a report: whom may we write to, what will it send, what does it cost, send it.

Needs the connection `ketchup_loyalty_default` and the extra `campaigns`. Each run costs what the task
`preview` returns. Nothing is sent if that is more than `max_cost`, or if a text takes more than
`max_segments` SMS. A killed or retried task sends nothing twice: each message has an idempotency key.

`audience` leaves out duplicates, the stop list, and a control group of 10 % that gets no message (the
holdout). The same number is always in the same group, as long as `salt` is the same. `excluded.parquet` in
the folder of the run has everybody who is left out, with the reason. `preview` is the same task as `send`
with `dry_run=True`: its log has the table to show before a campaign is approved. `BUDGET` limits what all
runs together may spend in a day. The folder `outcomes` has a file for each run: what became of each message.

For a real campaign add `quiet_hours=("21:00", "09:00")` to `message`, so that nobody is woken at night, and
that folder as `history` with `frequency_cap="2/7d"` to `audience`, so that nobody gets too many messages.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, chain, dag, task

from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsTaskFinishedSensor

DATA = Path(__file__).parent / "data"
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
FOLDER = "{{ params.output }}/{{ run_id }}"
BUDGET = Budget("example_campaign", "EUR", per_task="50", per_day="200", timezone="Europe/Kyiv")


@dag(
    schedule=None,
    tags=["telecom", "ketchup", "campaign"],
    params={
        "recipients": Param(
            str(DATA / "recipients.csv"), type="string", description="CSV with msisdn and name; a path or URL"
        ),
        "stop_list": Param(
            str(DATA / "stop_list.csv"), type="string", description="CSV with msisdn: who must get nothing"
        ),
        "text_a": Param("{name}, ваш подарунок чекає. Завітайте до 31.12!", type="string"),
        "text_b": Param("{name}, завітайте до 31.12 і оберіть подарунок.", type="string"),
        "salt": Param("spring", type="string", description="Another one makes other groups"),
        "originator": Param("test", type="string", maxLength=14, description="Sender agreed with the vendor"),
        "max_cost": Param("50", type="string", description="Maximum cost, in the account's currency"),
        "output": Param(
            OUTPUT, type="string", description="Folder of results; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 3, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_campaign() -> None:
    audience = PrepareAudienceOperator(
        task_id="audience",
        recipients="{{ params.recipients }}",
        columns={"msisdn": "msisdn", "name": "name"},
        suppress=["{{ params.stop_list }}"],
        allow_prefixes=["380"],
        variants={"A": 45, "B": 45, "holdout": 10},
        salt="{{ params.salt }}",
        output=f"{FOLDER}/audience",
    )
    message: dict[str, Any] = {
        "recipients": audience.output,
        "text": {"A": "{{ params.text_a }}", "B": "{{ params.text_b }}"},
        "originator": "{{ params.originator }}",
        "max_segments": 2,
        "max_cost": "{{ params.max_cost }}",
        "budget": BUDGET,
    }
    preview = KetchUpSendBulkSmsOperator(task_id="preview", dry_run=True, **message)
    send = KetchUpSendBulkSmsOperator(
        task_id="send",
        results_path="{{ params.output }}/outcomes/{{ run_id }}.jsonl",
        multiple_outputs=True,
        **message,
    )
    wait = KetchUpSmsTaskFinishedSensor(
        task_id="wait_for_receipts",
        sms_task_ids=send.output["task_ids"],
        expected=send.output["accepted"],
        deferrable=True,
        poke_interval=1,
        exponential_backoff=True,
        max_wait=timedelta(minutes=5),
        timeout=timedelta(days=4),
    )

    @task
    def report(audience: dict[str, Any], sent: dict[str, Any], received: dict[str, Any]) -> None:
        """Print a table into the task's log."""
        rows = {
            "rows": f"{audience['rows']:,}",
            **{f"left out: {reason}": f"{count:,}" for reason, count in audience["excluded"].items()},
            **{f"variant {name}": f"{count:,}" for name, count in audience["variants"].items()},
            "sent": f"{sent['accepted'] + sent['known_before']:,}",
            "delivered": f"{received['delivered']:,}",
            "paid": f"{sent['price']} {sent['currency']}",
        }
        width = max(map(len, rows))
        for name, value in rows.items():
            print(f"| {name:<{width}} | {value:>12} |")

    chain(audience, preview, send)
    report(audience.output, send.output, wait.output)


example_campaign()
