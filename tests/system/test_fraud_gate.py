"""The example with the fraud gate in a real Airflow: its three branches, a person's answer, and "Clear"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.system.running import ROOT, RunningAirflow, Shape, running_airflow

DAG_ID = "example_fraud_gate"
SAFE, SWAPPED, FOREIGN = "380670000202", "380670000200", "380500000000"
STATES = "select task_id, state from task_instance where dag_id = :dag_id and run_id = :run_id"
pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    (dags / f"{DAG_ID}.py").write_text((ROOT / "example_dags" / f"{DAG_ID}.py").read_text())
    (dags / "data").symlink_to(ROOT / "example_dags" / "data")
    environment = telecom_simulator_server.environment()
    with running_airflow(home, dags, Shape(parallelism=2), **environment) as deployment:
        yield deployment


def states(airflow: RunningAirflow, run_id: str) -> dict[str, str]:
    return dict(airflow.rows(STATES, dag_id=DAG_ID, run_id=run_id))


def ended(airflow: RunningAirflow, run_id: str, **expected: str) -> None:
    """Wait until the run has ended, and compare the states of some tasks."""
    reached = airflow.wait_until(lambda: airflow.state(DAG_ID, run_id) in ("success", "failed"))
    found = states(airflow, run_id)
    assert reached, f"{found}\n{airflow.task_logs(DAG_ID, run_id)[-3000:]}"
    assert {task: found[task] for task in expected} == expected


def billed_of(simulator: Any, number: str) -> Counter[str]:
    effects = simulator.state.ledger.of("kyivstar_open_telecom", "billed_check", msisdn=number)
    return Counter(effect.facts["check"] for effect in effects)


def answer(airflow: RunningAirflow, run_id: str, option: str) -> None:
    """Answer as a person does on the page "Required Actions"."""
    waits = airflow.wait_until(lambda: states(airflow, run_id).get("ask_a_person") == "awaiting_input")
    assert waits, f"{states(airflow, run_id)}\n{airflow.task_logs(DAG_ID, run_id)[-3000:]}"
    assert states(airflow, run_id)["pay_out"] is None, "nothing is paid before the answer"
    path = f"/api/v2/dags/{DAG_ID}/dagRuns/{run_id}/taskInstances/ask_a_person/-1/hitlDetails"
    detail = airflow.ask(path)
    assert "not_a_subscriber" in detail["body"]
    assert FOREIGN not in str(detail)

    def is_decided() -> bool:
        """Answer again if Airflow asks again: it retries a task that is answered right when it parks."""
        if states(airflow, run_id)["ask_a_person"] == "awaiting_input":
            airflow.ask(path, {"chosen_options": [option], "params_input": {}}, method="PATCH")
        return airflow.state(DAG_ID, run_id) in ("success", "failed")

    assert airflow.wait_until(is_decided), states(airflow, run_id)


def test_a_safe_payee_is_paid_and_clear_asks_nothing_again(
    airflow: RunningAirflow, telecom_simulator: Any
) -> None:
    airflow.start_run(DAG_ID, "safe", msisdn=SAFE)
    ended(airflow, "safe", gate="success", pay_out="success", ask_a_person="skipped", refuse="skipped")
    before = billed_of(telecom_simulator, SAFE)
    body = {"dry_run": False, "dag_run_id": "safe", "task_ids": ["gate"], "only_failed": False}
    airflow.ask(f"/api/v2/dags/{DAG_ID}/clearTaskInstances", {**body, "include_downstream": True})
    tries = "select try_number from task_instance where run_id = 'safe' and task_id = 'gate'"
    assert airflow.wait_until(lambda: airflow.value(tries) == 2)
    ended(airflow, "safe", gate="success", pay_out="success", ask_a_person="skipped", refuse="skipped")
    assert billed_of(telecom_simulator, SAFE) == before
    xcom = airflow.ask(f"/api/v2/dags/{DAG_ID}/dagRuns/safe/taskInstances/gate/xcomEntries/return_value")
    assert '"requests": 0' in str(xcom["value"]) or xcom["value"]["requests"] == 0


def test_a_suspicious_payee_is_refused(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    airflow.start_run(DAG_ID, "swapped", msisdn=SWAPPED)
    ended(airflow, "swapped", gate="success", pay_out="skipped", ask_a_person="skipped", refuse="success")
    assert billed_of(telecom_simulator, SWAPPED) == {"verify-sim": 1}


@pytest.mark.parametrize(
    ("option", "paid", "refused"),
    [
        ("Pay", "success", "skipped"),
        ("Refuse", "skipped", "success"),
    ],
)
def test_a_person_decides_about_a_review(
    airflow: RunningAirflow, telecom_simulator: Any, option: str, paid: str, refused: str
) -> None:
    run_id = f"review_{option}"
    airflow.start_run(DAG_ID, run_id, msisdn=FOREIGN)
    answer(airflow, run_id, option)
    ended(airflow, run_id, gate="success", ask_a_person="success", pay_out=paid, refuse=refused)
