"""A campaign from a file to a report: whom may we write to, what will it cost, send it, who was reached.

Needs the connection `ketchup_loyalty_default` and the extra `campaigns`. Each run costs a Viber message for
each recipient, and an SMS for each whom Viber does not reach; `preview` says what the first part costs.
`BUDGET` limits what a task and what all runs of a day may spend. A killed or retried task sends nothing
twice: each message has an idempotency key.

`audience` leaves out duplicates, the stop list, and a control group of 10 % that gets no message (the
holdout). The same number is always in the same group, as long as `salt` is the same. `excluded.parquet` in
the folder of the run has everybody who is left out, with the reason. `preview` has the table to show before a
campaign is approved: texts, prices, what is left of the budget.

`spring` is a ladder: Viber first, then an SMS to those whom Viber certainly did not reach. Nobody whose
message may still arrive gets a second one. `report` says for each recipient by which channel they were
reached and what it cost. The folder `outcomes` has what became of each message.

For a real campaign add `quiet_hours=("21:00", "09:00")` to the ladder, so that nobody is woken at night, and
the folder of all outcomes as `history` with `frequency_cap="2/7d"` to `audience`, so that nobody gets too
many messages.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path

from airflow.sdk import Param, chain, dag

from airflow_provider_telecom.campaigns import Budget, SmsRung, ViberRung, message_ladder
from airflow_provider_telecom.operators.audience import PrepareAudienceOperator
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendViberOperator

DATA = Path(__file__).parent / "data"
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
FOLDER = "{{ params.output }}/{{ run_id }}"
BUDGET = Budget("example_campaign", "EUR", per_task="50", per_day="2000", timezone="Europe/Kyiv")
VIBER = {"A": "{{ params.text_a }}", "B": "{{ params.text_b }}"}


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
        "sms": Param("{name}, ваш подарунок чекає до 31.12.", type="string"),
        "salt": Param("spring", type="string", description="Another one makes other groups"),
        "viber_sender": Param("test", type="string", description="Viber sender agreed with the vendor"),
        "originator": Param("test", type="string", maxLength=14, description="SMS sender agreed as well"),
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
    preview = KetchUpSendViberOperator(
        task_id="preview",
        dry_run=True,
        recipients=audience.output,
        text=VIBER,
        sender="{{ params.viber_sender }}",
        budget=BUDGET,
    )
    ladder = message_ladder(
        "spring",
        audience,
        [
            ViberRung(VIBER, sender="{{ params.viber_sender }}", wait=timedelta(hours=1), poll_interval=5),
            SmsRung("{{ params.sms }}", originator="{{ params.originator }}", poll_interval=5),
        ],
        outcomes=f"{FOLDER}/outcomes",
        report=f"{FOLDER}/report.csv",
        budget=BUDGET,
        max_segments=2,
        deferrable=True,
    )
    chain(audience, preview, ladder)


example_campaign()
