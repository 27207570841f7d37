"""Escalations in a real Airflow: through restarts, to a person's answer, and to recovery."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.system.browser import browser
from tests.system.running import ROOT, RunningAirflow, Shape, component, kill_component, running_airflow

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
SHARED = """
from datetime import timedelta
from airflow_provider_telecom.notifications.escalation import EscalatingNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier

CALL = KyivstarFmcCallNotifier(msisdn="380670000201", calling_number="380670000100")
on_call = EscalatingNotifier(
    KyivstarSmsNotifier(msisdn="380670000200", sender="messagedesk"),
    then=[(timedelta(minutes=1), CALL)],
    dag_id="alerts",
    poll_interval=5,
    keep_open=timedelta(minutes=1),
)
patient = EscalatingNotifier(
    KyivstarSmsNotifier(msisdn="380670000200", sender="messagedesk"),
    then=[(timedelta(hours=12), CALL)],
    dag_id="patient",
    poll_interval=5,
)
"""
DAGS = """
from airflow.sdk import DAG, task
from escalation_shared import on_call, patient

for dag_id in ("first", "second", "third"):
    with DAG(dag_id, schedule=None, on_failure_callback=patient if dag_id == "third" else None) as dag:
        @task(on_failure_callback=on_call if dag_id != "third" else None)
        def load():
            raise RuntimeError("boom")
        load()
"""
ESCALATION = """
# Airflow reads only files with the words "airflow" and "dag".
from escalation_shared import on_call, patient

on_call.dag()
patient.dag()
"""


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    (dags / "escalation_shared.py").write_text(SHARED)
    (dags / "jobs.py").write_text(DAGS)
    example = "example_alert_escalation.py"
    (dags / example).write_text((ROOT / "example_dags" / example).read_text())
    (dags / "escalation.py").write_text(ESCALATION)
    environment = telecom_simulator_server.environment()
    with running_airflow(home, dags, Shape(parallelism=2), **environment) as deployment:
        yield deployment


SUBJECT = "1 run of 1 Dag failed"
RUNS = "select run_id, state from dag_run where dag_id = :dag_id order by id"
STATE = "select state from task_instance where dag_id = :dag_id and run_id = :run_id"
OPEN = "select count(*) from variable where key like 'telecom_alert.%.open.%'"


def sms(simulator: Any) -> list[str]:
    return [effect.facts["text"] for effect in simulator.state.ledger.of("kyivstar_open_telecom", "sms")]


def calls(simulator: Any) -> int:
    return len(simulator.state.ledger.of("kyivstar_fmc", "call"))


def new_incident(airflow: RunningAirflow, before: set[str], dag_id: str = "alerts") -> str:
    """Wait until a new run waits for an answer, and return its id."""

    def found() -> list[str]:
        return [
            run_id
            for run_id in runs(airflow, dag_id)
            if run_id not in before and airflow.value(STATE, dag_id=dag_id, run_id=run_id) == "deferred"
        ]

    assert airflow.wait_until(found), f"{runs(airflow, dag_id)}\n{airflow.task_logs(dag_id)[-3000:]}"
    return found()[0]


def runs(airflow: RunningAirflow, dag_id: str = "alerts") -> set[str]:
    return {run_id for run_id, _ in airflow.rows(RUNS, dag_id=dag_id)}


def ended(airflow: RunningAirflow, run_id: str, dag_id: str = "alerts") -> str:
    """Wait until a run of the escalation has ended, and return its state."""
    reached = airflow.wait_until(lambda: airflow.state(dag_id, run_id) in ("success", "failed"))
    assert reached, airflow.task_logs(dag_id, run_id)[-3000:]
    return airflow.state(dag_id, run_id)


def outcome(airflow: RunningAirflow, run_id: str, dag_id: str = "alerts") -> dict[str, Any]:
    path = f"/api/v2/dags/{dag_id}/dagRuns/{run_id}/taskInstances/escalate/xcomEntries/return_value"
    value = airflow.ask(quote(path))["value"]
    found: dict[str, Any] = json.loads(value) if isinstance(value, str) else value
    return found


def test_a_person_ends_it_in_the_browser_and_nobody_is_called(
    airflow: RunningAirflow, telecom_simulator: Any, tmp_path: Path
) -> None:
    """The callback is that of a Dag, in the dag-processor."""
    airflow.start_run("third", "answered")
    run_id = new_incident(airflow, set(), "patient")
    with browser(tmp_path) as page:
        page.open(f"{airflow.url}/dags/patient/required_actions")  # the link in the messages of steps
        page.wait_for("document.body.innerText.includes('third failed in run answered')")
        page.screenshot(tmp_path / "question.png")
        assert SUBJECT in page.evaluate("document.body.innerText")
        page.click("Acknowledge")
        assert ended(airflow, run_id, "patient") == "success", airflow.task_logs("patient")[-3000:]
    found = outcome(airflow, run_id, "patient")
    assert (found["outcome"], found["alerts"]) == ("acknowledged", 1)
    assert found["by"]
    (text,) = sms(telecom_simulator)
    assert "third failed" in text
    assert calls(telecom_simulator) == 0
    assert airflow.wait_until(lambda: not airflow.value(OPEN))


def test_it_ends_by_itself_when_the_task_is_marked_as_success(
    airflow: RunningAirflow, telecom_simulator: Any
) -> None:
    before = runs(airflow)
    airflow.start_run("first", "recovers")
    run_id = new_incident(airflow, before)
    path = "/api/v2/dags/first/dagRuns/recovers/taskInstances/load"
    assert airflow.value("select state from task_instance where dag_id = 'first'") == "failed"
    airflow.ask(path, {"new_state": "success"}, method="PATCH")
    assert ended(airflow, run_id) == "success", airflow.task_logs("alerts", run_id)[-3000:]
    assert outcome(airflow, run_id) == {"outcome": "recovered", "alerts": 1}
    assert (len(sms(telecom_simulator)), calls(telecom_simulator)) == (1, 0)


def test_the_example_recovers_and_calls_nobody(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    """Its alert is that of a retry."""
    name = "example_alert_escalation"
    assert airflow.run_to_end(name, "once") == "success", airflow.task_logs(name)[-3000:]
    state = "select state from dag_run where dag_id = :dag_id"
    on_call = f"{name}_on_call"
    assert airflow.wait_until(lambda: airflow.value(state, dag_id=on_call) in ("success", "failed"))
    assert airflow.value(state, dag_id=on_call) == "success", airflow.task_logs(on_call)[-3000:]
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")) == 1
    assert calls(telecom_simulator) == 0


def test_it_escalates_after_a_restart_of_scheduler_and_triggerer(
    airflow: RunningAirflow, telecom_simulator: Any
) -> None:
    before = runs(airflow)
    for dag_id in ("first", "second"):
        airflow.start_run(dag_id, "restart")
    run_id = new_incident(airflow, before)
    assert airflow.wait_until(lambda: len(sms(telecom_simulator)) == 2)
    assert calls(telecom_simulator) == 0
    with ExitStack() as stack:
        for name in ("scheduler", "triggerer"):
            kill_component(airflow, name)
        for name in ("scheduler", "triggerer"):
            stack.enter_context(component(airflow, name))
        assert airflow.wait_until(lambda: calls(telecom_simulator)), airflow.task_logs("alerts", run_id)
        assert ended(airflow, run_id) == "failed", "nobody has acknowledged it"
        assert airflow.wait_until(lambda: not airflow.value(OPEN))
    assert (len(sms(telecom_simulator)), calls(telecom_simulator)) == (2, 1)
    assert runs(airflow) == before | {run_id}, "all alerts are one incident"
