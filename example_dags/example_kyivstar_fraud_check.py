"""Check a number before a payout: pay if all answers are safe, refuse if one is risky, else ask a person.

Needs the connection `kyivstar_open_telecom_default`. Each check is billed on the vendor's live server, and so
is each retry of it: a run costs five checks. An answer that is not known (not a Kyivstar number, nothing that
settles the question, a check that failed) is never taken for a safe one.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckDeviceOperator,
    KyivstarCheckLifetimeOperator,
    KyivstarCheckSimCountOperator,
    KyivstarScoreOperator,
    KyivstarVerifySimOperator,
)


@dag(
    schedule=None,
    tags=["telecom", "kyivstar", "fraud"],
    params={"msisdn": Param("380670000200", type="string", description="The number of the payee")},
    default_args={"retries": 1, "retry_delay": timedelta(seconds=30)},
    doc_md=__doc__,
)
def example_kyivstar_fraud_check() -> None:
    # The risky answer to each question is "yes".
    who: dict[str, Any] = {"msisdn": "{{ params.msisdn }}"}
    checks = [
        KyivstarVerifySimOperator(task_id="sim_changed", activation_hours=72, **who),
        KyivstarCheckSimCountOperator(task_id="many_sims", days=30, max_count=2, **who),
        KyivstarCheckDeviceOperator(task_id="many_devices", days_period=30, max_count=3, **who),
        KyivstarCheckLifetimeOperator(task_id="young_sim", min_months=1, **who),
        KyivstarScoreOperator(task_id="low_score", min_score=300, **who),
    ]
    names = [check.task_id for check in checks]

    @task.branch(trigger_rule="all_done")
    def decide(ti: Any = None) -> str:
        """Return the next task. A check without an answer counts as unknown."""
        answers = [(ti.xcom_pull(task_ids=name) or {}).get("answer", "unknown") for name in names]
        print(dict(zip(names, answers, strict=True)))
        if "yes" in answers:
            return "refuse"
        return "pay_out" if set(answers) == {"no"} else "ask_a_person"

    @task
    def pay_out() -> None:
        """Pay: put your own payout here."""
        print("all checks are safe: paid")

    @task
    def refuse() -> None:
        """Do not pay."""
        print("a check is risky: not paid")

    @task
    def ask_a_person() -> None:
        """Leave it to a person: put a ticket, or a human-in-the-loop operator, here."""
        print("not all answers are known: somebody has to decide")

    checks >> decide() >> [pay_out(), refuse(), ask_a_person()]


example_kyivstar_fraud_check()
