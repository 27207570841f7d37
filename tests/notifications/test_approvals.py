"""Human-in-the-loop operators call notifiers: one SMS with subject and link, and the task always waits."""

from __future__ import annotations

from typing import Any

import pytest
from airflow.providers.standard.operators.hitl import (
    ApprovalOperator,
    HITLBranchOperator,
    HITLEntryOperator,
    HITLOperator,
)
from airflow.sdk.exceptions import TaskAwaitingInput
from pytest_mock import MockerFixture

from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.notifications.ketchup_loyalty import KetchUpSmsNotifier, KetchUpViberNotifier
from airflow_provider_telecom.notifications.kyivstar_fmc import KyivstarFmcCallNotifier
from airflow_provider_telecom.notifications.kyivstar_open_telecom import KyivstarSmsNotifier
from airflow_provider_telecom.notifications.novaconnect import NovaConnectSmsNotifier
from tests.notifications.contexts import BASE_URL, NUMBER, RUN_ID, a_dag, in_worker, sent

pytestmark = pytest.mark.usefixtures("every_hook")
RUN = f"{BASE_URL}/dags/nightly/runs/{RUN_ID}"
LINK = f"{RUN}/tasks/approve/required_actions"
SUBJECT = "Надіслати кампанію дванадцяти тисячам клієнтів сьогодні ввечері?"


@pytest.fixture(autouse=True)
def _stored(mocker: MockerFixture) -> None:
    """Let Airflow accept what the operator asks, as it does in a worker."""
    mocker.patch("airflow.providers.standard.operators.hitl.upsert_hitl_detail")


def ask(notifiers: Any, operator: Any = ApprovalOperator, try_number: int = 1, **arguments: Any) -> None:
    """Run the operator until it waits for the answer."""
    task = operator(task_id="approve", **{"subject": "Send the campaign?", **arguments}, notifiers=notifiers)
    context = in_worker(dag=a_dag(), state="running", task_id="approve", try_number=try_number)
    context["ti"].id = "11"
    with pytest.raises(TaskAwaitingInput):
        task.execute({**context, "task": task})


def text_of(simulator: Any, vendor: str = "ketchup_loyalty", kind: str = "sms") -> str:
    (message,) = sent(simulator, vendor, kind)
    return str(message["text"])


@pytest.mark.parametrize(
    ("operator", "arguments"),
    [
        (ApprovalOperator, {}),
        (HITLOperator, {"options": ["Now", "Later"]}),
        (HITLBranchOperator, {"options": ["load"]}),
        (HITLEntryOperator, {"params": {"code": 1}}),
    ],
)
def test_each_operator_sends_subject_and_link(telecom_simulator: Any, operator: Any, arguments: Any) -> None:
    ask(KetchUpSmsNotifier(msisdn=NUMBER), operator, **arguments)
    assert text_of(telecom_simulator) == f"Send the campaign? {LINK}"


@pytest.mark.parametrize(
    ("notifier", "vendor"),
    [
        (KetchUpSmsNotifier(msisdn=NUMBER), "ketchup_loyalty"),
        (KyivstarSmsNotifier(msisdn=NUMBER), "kyivstar_open_telecom"),
        (NovaConnectSmsNotifier(sim_ids=1001), "novaconnect"),
    ],
    ids=["ketchup", "kyivstar", "novaconnect"],
)
def test_a_long_cyrillic_subject_is_cut_and_has_a_shorter_link(
    telecom_simulator: Any, notifier: Any, vendor: str
) -> None:
    ask(notifier, subject=SUBJECT)
    text = text_of(telecom_simulator, vendor)
    assert text == f"Надіслати кампанію дванадця.. {BASE_URL}/required_actions"
    assert sms_segments(text) == 1


def test_a_long_latin_subject_is_cut_and_has_the_link_of_the_task(telecom_simulator: Any) -> None:
    ask(KetchUpSmsNotifier(msisdn=NUMBER), subject="Send it? " * 40)
    text = text_of(telecom_simulator)
    assert text.endswith(f".. {LINK}")
    assert sms_segments(text) == 1


def test_viber_has_room_for_both(telecom_simulator: Any) -> None:
    ask(KetchUpViberNotifier(msisdn=NUMBER), subject=SUBJECT)
    assert text_of(telecom_simulator, kind="viber") == f"{SUBJECT} {LINK}"


def test_if_no_link_leaves_room_for_a_subject_the_link_stays_whole(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    address = f"https://{'a' * 40}.example"
    monkeypatch.setenv("AIRFLOW__API__BASE_URL", address)
    ask(KetchUpSmsNotifier(msisdn=NUMBER), subject=SUBJECT)
    assert text_of(telecom_simulator) == f".. {LINK.replace(BASE_URL, address)}"


def test_texts_of_ones_own_know_the_question(telecom_simulator: Any) -> None:
    ask(
        KetchUpSmsNotifier(msisdn=NUMBER, text="{{ task.options | join('/') }}: {{ summary }} {{ link }}"),
        subject="Send it?",
    )
    assert text_of(telecom_simulator) == f"Approve/Reject: Send it? {LINK}"


def test_calls_ring(telecom_simulator: Any) -> None:
    ask(KyivstarFmcCallNotifier(msisdn=NUMBER))
    assert len(sent(telecom_simulator, "kyivstar_fmc", "call")) == 1


def test_each_try_asks_once(telecom_simulator: Any) -> None:
    """An answer to an earlier try no longer counts: whoever answered it must know."""
    for try_number in (1, 1, 2):
        ask(KetchUpSmsNotifier(msisdn=NUMBER), try_number=try_number)
    assert len(sent(telecom_simulator, "ketchup_loyalty")) == 2


def test_a_suppressed_question_is_counted_in_the_next(telecom_simulator: Any, time_machine: Any) -> None:
    time_machine.move_to("2026-11-21T08:00:00Z", tick=True)
    notifier = KetchUpSmsNotifier(msisdn=NUMBER, max_per_hour=1)
    for try_number in (1, 2):
        ask(notifier, try_number=try_number)
    time_machine.move_to("2026-11-21T09:01:00Z", tick=True)
    ask(notifier, try_number=3)
    assert sent(telecom_simulator, "ketchup_loyalty")[-1]["text"] == f"Send the campaign? +1 more {LINK}"


@pytest.mark.parametrize("fault", ["status", "reset_after", "garbage"])
def test_a_failing_vendor_lets_the_task_wait(telecom_simulator: Any, fault: str, caplog: Any) -> None:
    telecom_simulator.fault(fault, "kyivstar_open_telecom", path="/sms", times=9)
    ask(KyivstarSmsNotifier(msisdn=NUMBER))
    assert "is not sent again" in caplog.text


@pytest.mark.parametrize("wrong", [{"conn_id": "no"}, {"msisdn": "{{ 1 / 0 }}"}, {"msisdn": "{{ none }}"}])
def test_an_alert_that_cannot_be_made_lets_the_task_wait(wrong: Any, caplog: Any) -> None:
    ask(KyivstarSmsNotifier(**{"msisdn": NUMBER, **wrong}))
    assert "no alert sent" in caplog.text


def test_a_silent_vendor_lets_the_task_wait(telecom_simulator: Any, caplog: Any) -> None:
    telecom_simulator.fault("silence", "kyivstar_open_telecom", path="/sms", seconds=30)
    ask(KyivstarSmsNotifier(msisdn=NUMBER, deadline_seconds=1))
    assert "not sent again" in caplog.text
