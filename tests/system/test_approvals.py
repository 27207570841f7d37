"""The example of an approval in a real Airflow and a real browser: from the SMS to the answer."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.segments import sms_segments
from tests.system.browser import Page, browser
from tests.system.running import ROOT, RunningAirflow, Shape, running_airflow

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
DAG_ID = "example_approval_by_sms"
APPROVER = "380670000200"
MAPPED_DAG = f"""
from airflow.providers.standard.operators.hitl import ApprovalOperator
from airflow.sdk import DAG

from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier

with DAG("mapped", schedule=None):
    ApprovalOperator.partial(
        task_id="ask", notifiers=KetchUpSmsNotifier(msisdn="{APPROVER}", originator="test")
    ).expand(subject=["Pay the first bill?", "Сплатити другий рахунок?"])
"""
STATES = "select task_id, map_index, state from task_instance where dag_id = :dag_id and run_id = :run_id"


@pytest.fixture(scope="module")
def airflow(
    telecom_simulator_server: Any, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[RunningAirflow]:
    home, dags = tmp_path_factory.mktemp("airflow"), tmp_path_factory.mktemp("dags")
    (dags / f"{DAG_ID}.py").write_text((ROOT / "example_dags" / f"{DAG_ID}.py").read_text())
    (dags / "data").symlink_to(ROOT / "example_dags" / "data")
    (dags / "mapped.py").write_text(MAPPED_DAG)
    environment = telecom_simulator_server.environment()
    with running_airflow(home, dags, Shape(parallelism=2), **environment) as deployment:
        yield deployment


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Page]:
    with browser(tmp_path / "browser") as tab:
        tab.set_window(width=1280, height=900)
        yield tab


@pytest.fixture
def pictured(page: Page, tmp_path: Path) -> Callable[[str], None]:
    """Return a function that takes a picture."""
    folder = Path(os.environ.get("TELECOM_SCREENSHOTS") or tmp_path)
    folder.mkdir(parents=True, exist_ok=True)
    return lambda name: page.screenshot(folder / f"{name}.png")


def states(airflow: RunningAirflow, dag_id: str, run_id: str) -> dict[tuple[str, int], str]:
    rows = airflow.rows(STATES, dag_id=dag_id, run_id=run_id)
    return {(task_id, map_index): state for task_id, map_index, state in rows}


def questions(simulator: Any) -> list[str]:
    """Return the texts of the SMS that ask, and not those of the campaign."""
    effects = simulator.state.ledger.of("ketchup_loyalty", "sms")
    texts = [effect.facts["text"] for effect in effects if "http" in effect.facts["text"]]
    assert all(sms_segments(text) == 1 for text in texts)
    return texts


def link_of(text: str) -> str:
    """Return the link at the end of an SMS."""
    found = re.search(r" (https?://\S+)$", text)
    assert found, text
    return found[1]


def waits(airflow: RunningAirflow, dag_id: str, run_id: str, task_id: str, map_index: int = -1) -> None:
    """Wait until a task waits for its answer."""
    shown = airflow.wait_until(lambda: airflow.waits_for_a_person(dag_id, run_id, task_id, map_index))
    assert shown, f"{states(airflow, dag_id, run_id)}\n{airflow.task_logs(dag_id, run_id)[-3000:]}"


def test_a_person_follows_the_link_in_the_sms_and_approves(
    airflow: RunningAirflow, telecom_simulator: Any, page: Page, pictured: Callable[[str], None]
) -> None:
    airflow.start_run(DAG_ID, "spring")
    waits(airflow, DAG_ID, "spring", "approve")
    (text,) = questions(telecom_simulator)
    assert text.startswith("Send 1000 SMS for 20.00 EUR? ")
    assert link_of(text) == f"{airflow.url}/dags/{DAG_ID}/runs/spring/tasks/approve/required_actions"
    page.open(link_of(text))
    page.wait_for("document.body.innerText.includes('Send 1000 SMS for 20.00 EUR?')")
    page.wait_for("[...document.querySelectorAll('button')].some(one => one.innerText.trim() === 'Approve')")
    pictured("approval")
    page.click("Approve")
    ended = airflow.wait_until(lambda: airflow.state(DAG_ID, "spring") in ("success", "failed"))
    found = states(airflow, DAG_ID, "spring")
    assert ended, f"{found}\n{airflow.task_logs(DAG_ID, 'spring')[-3000:]}"
    assert set(found.values()) == {"success"}
    assert len(questions(telecom_simulator)) == 1
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")) == 1001
    page.open(f"{airflow.url}/dags/{DAG_ID}/runs/spring")
    page.evaluate("localStorage.setItem('default_dag_view', '\"graph\"')")
    page.open(f"{airflow.url}/dags/{DAG_ID}/runs/spring")
    page.wait_for("document.querySelectorAll('.react-flow__node').length >= 3")
    pictured("graph")


def test_mapped_tasks_have_links_of_their_own(
    airflow: RunningAirflow, telecom_simulator: Any, page: Page, pictured: Callable[[str], None]
) -> None:
    airflow.start_run("mapped", "bills")
    for map_index in (0, 1):
        waits(airflow, "mapped", "bills", "ask", map_index)
    first, second = sorted(questions(telecom_simulator))
    assert link_of(first) == f"{airflow.url}/dags/mapped/runs/bills/tasks/ask/mapped/0/required_actions"
    assert second == f"Сплатити другий рахунок? {airflow.url}/required_actions"
    page.open(link_of(first))
    page.wait_for("document.body.innerText.includes('Pay the first bill?')")
    pictured("approval-mapped")
    page.click("Reject")
    assert airflow.wait_until(lambda: states(airflow, "mapped", "bills")["ask", 0] == "success")
    assert states(airflow, "mapped", "bills")["ask", 1] == "awaiting_input"
    page.open(link_of(second))
    page.wait_for("document.body.innerText.includes('Сплатити другий рахунок?')")
    pictured("approvals")


def test_a_cleared_question_is_asked_again(airflow: RunningAirflow, telecom_simulator: Any) -> None:
    airflow.start_run("mapped", "cleared")
    for map_index in (0, 1):
        waits(airflow, "mapped", "cleared", "ask", map_index)
    assert len(questions(telecom_simulator)) == 2
    body = {"dry_run": False, "dag_run_id": "cleared", "task_ids": [["ask", 0]], "only_failed": False}
    airflow.ask("/api/v2/dags/mapped/clearTaskInstances", body)
    assert airflow.wait_until(lambda: len(questions(telecom_simulator)) == 3)
    waits(airflow, "mapped", "cleared", "ask", 0)
