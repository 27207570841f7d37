"""Check a number in five ways, one task each, and print the answers.

`example_fraud_gate` decides about a payout by such checks. Then two checks of all numbers in a file, whose
answers go into another file.

Needs the connection `kyivstar_open_telecom_default`. Each check is billed on the vendor's live server: a run
costs five checks, and two for each number in the file. A retry of a task that checks one number is billed
again; the task that checks a file goes on after the numbers that are checked. An answer that is not known
(not a Kyivstar number, nothing that settles the question, a check that failed) is never taken for a safe one.
"""

from __future__ import annotations

import os
from datetime import timedelta
from pathlib import Path
from typing import Any

from airflow.sdk import Param, dag, task

from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarCheckDeviceOperator,
    KyivstarCheckLifetimeOperator,
    KyivstarCheckSimCountOperator,
    KyivstarCheckSubscribersOperator,
    KyivstarScoreOperator,
    KyivstarVerifySimOperator,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import OtherDevice, SimChanged

PAYEES = str(Path(__file__).parent / "data" / "payees.csv")
OUTPUT = str(Path(os.environ.get("AIRFLOW_HOME", "~/airflow")).expanduser() / "telecom")


@dag(
    schedule=None,
    tags=["telecom", "kyivstar", "fraud"],
    params={
        "msisdn": Param("380670000200", type="string", description="The number of the payee"),
        "payees": Param(PAYEES, type="string", description="CSV with msisdn and imei; a path or URL"),
        "output": Param(
            OUTPUT, type="string", description="Folder of results; a path, or a URL like s3://..."
        ),
    },
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

    @task(trigger_rule="all_done")
    def show(ti: Any = None) -> None:
        """Print the answers. A check without an answer counts as unknown."""
        for name in names:
            print(f"{name:<13} {(ti.xcom_pull(task_ids=name) or {}).get('answer', 'unknown')}")

    checks >> show()

    # Many numbers: one task, with several checks each.
    check_file = KyivstarCheckSubscribersOperator(
        task_id="check_file",
        recipients="{{ params.payees }}",
        checks=[SimChanged(activation_hours=72), OtherDevice(imei_column="imei")],
        results_path="{{ params.output }}/{{ run_id }}/checked.jsonl",
        max_checks=1_000,
    )

    @task
    def report(found: dict[str, Any]) -> None:
        """Print how often each answer was given."""
        for check, answers in found["answers"].items():
            print(f"{check:<15} {answers}")
        print(f"the answers are in {found['results']}")

    report(check_file.output)


example_kyivstar_fraud_check()
