"""Decide about a payout: several checks of the payee in one task, then pay, ask a person, or refuse.

The gate asks the cheapest check first and stops when it is decided. What is not known (not a Kyivstar number,
nothing that settles a question, a lost answer) is never taken for safe: a person decides in Airflow's UI,
under "Required Actions", and without an answer within a day the payout is refused. Try 380670000202 (paid),
380670000200 (its SIM was changed: refused) and 380500000000 (not Kyivstar's: a person is asked).

Then the same rules decide about all numbers of a file.

Needs the connection `kyivstar_open_telecom_default`. Each check is billed on the vendor's live server: at
most four for the number, and for each number of the file. A retry, and "Clear" within an hour, do not pay
again.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.providers.standard.operators.hitl import HITLBranchOperator
from airflow.sdk import Param, dag, task

from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckSubscribersOperator,
    KyivstarFraudGateOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import (
    AllOf,
    AnyOf,
    Lifetime,
    Score,
    SimChanged,
    SimCount,
)

PAYEES = str(Path(__file__).parent / "data" / "payees.csv")
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")
RULES = AllOf(
    SimChanged(hours=72),
    SimCount(days=30, most=2),
    AnyOf(Lifetime(months=6), Score(least=300)),
)
PRICES = {"sim_changed": "0.50", "younger_sim": "0.50", "more_sims": "0.60", "lower_score": "2.00"}
BODY = """Not all answers are known, or they do not agree:

{% for each in ti.xcom_pull(task_ids='gate')['evidence'] -%}
- {{ each['question'] }}: {{ each['answer'] }} {{ '(' ~ each['reason'] ~ ')' if each['reason'] else '' }}
{% endfor %}
"yes" is the risky answer."""


@dag(
    schedule=None,
    tags=["telecom", "kyivstar", "fraud"],
    params={
        "msisdn": Param("380670000202", type="string", description="The number of the payee"),
        "payees": Param(PAYEES, type="string", description="CSV with msisdn; a path or URL"),
        "output": Param(
            OUTPUT, type="string", description="Folder of results; a path, or a URL like s3://..."
        ),
    },
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_fraud_gate() -> None:
    gate = KyivstarFraudGateOperator(
        task_id="gate",
        msisdn="{{ params.msisdn }}",
        rules=RULES,
        prices=PRICES,
        pay="pay_out",
        review="ask_a_person",
        refuse="refuse",
        evidence_max_age=timedelta(hours=1),
        evidence_path="{{ params.output }}/{{ run_id }}/evidence.json",
    )
    ask_a_person = HITLBranchOperator(
        task_id="ask_a_person",
        subject="Pay this payee?",
        body=BODY,
        options=["Pay", "Refuse"],
        options_mapping={"Pay": "pay_out", "Refuse": "refuse"},
        defaults="Refuse",
        response_timeout=timedelta(days=1),
    )

    # The gate or the person chooses one of these: so they wait for both, and run if one of them leads here.
    @task(trigger_rule="none_failed_min_one_success")
    def pay_out() -> None:
        """Pay: put your own payout here."""
        print("paid")

    @task(trigger_rule="none_failed_min_one_success")
    def refuse() -> None:
        """Do not pay."""
        print("not paid")

    ends = [pay_out(), refuse()]
    gate >> [ask_a_person, *ends]
    ask_a_person >> ends

    # Many numbers: one task, a decision for each in a file.
    decide_file = KyivstarCheckSubscribersOperator(
        task_id="decide_file",
        recipients="{{ params.payees }}",
        rules=RULES,
        prices=PRICES,
        results_path="{{ params.output }}/{{ run_id }}/decided.jsonl",
        max_checks=4_000,
    )

    @task
    def report(found: dict[str, Any]) -> None:
        """Print how often each decision was made."""
        for decision, count in found["decisions"].items():
            print(f"{decision:<8} {count}")
        print(f"the decisions are in {found['results']}")

    report(decide_file.output)


example_fraud_gate()
