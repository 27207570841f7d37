"""Messages and look-ups that KetchUp has had before: nothing is sent, and every operator says so."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpHlrLookupOperator,
    KetchUpSendBulkSmsOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
from tests.operators.ketchup_loyalty.evidence import killed
from tests.running import Run

A, B = "380670000201", "380670000202"
TASKS = {
    "sms": lambda: KetchUpSendSmsOperator(task_id="send", msisdn=A, text="Hi"),
    "viber": lambda: KetchUpSendViberOperator(task_id="send", recipients=[A, B], text="Hi"),
    "hlr_one": lambda: KetchUpHlrLookupOperator(task_id="send", msisdns=[A]),
    "hlr": lambda: KetchUpHlrLookupOperator(task_id="send", msisdns=[A, B]),
    "bulk": lambda: KetchUpSendBulkSmsOperator(task_id="send", recipients=[A, B], text="Hi"),
    "bulk_personal": lambda: KetchUpSendBulkSmsOperator(
        task_id="send", recipients=[{"msisdn": A, "name": "Ada"}], text="Hi {name}"
    ),
}


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", viber_sender="Shop")


def warnings(caplog: pytest.LogCaptureFixture, words: str) -> int:
    return sum(one.levelname == "WARNING" and words in one.getMessage() for one in caplog.records)


@pytest.mark.usefixtures("telecom_simulator")
@pytest.mark.parametrize("task", TASKS)
def test_what_was_known_before_is_warned_of(task: str, caplog: pytest.LogCaptureFixture) -> None:
    run = Run()
    first = run.execute(TASKS[task]())
    assert first.get("accepted", not first["known_before"])
    assert "KetchUp already knows" not in caplog.text
    run.stores["send"].texts.clear()  # as after `clear_on_success`
    assert run.execute(TASKS[task]())["known_before"]
    assert warnings(caplog, "KetchUp already knows") == 1


def test_a_scheduled_sms_that_is_refused_and_known_is_warned_of(
    telecom_simulator: Any, caplog: pytest.LogCaptureFixture
) -> None:
    at, run = datetime.now(UTC) + timedelta(hours=1), Run()
    run.execute(KetchUpSendSmsOperator(task_id="send", msisdn=A, text="Hi", schedule_at=at))
    killed(run, "send")
    body = '{"error": "10", "errorDescription": "Incorrect send_time"}'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/sms/create", body=body)
    again = run.execute(KetchUpSendSmsOperator(task_id="send", msisdn=A, text="Hi", schedule_at=at))
    assert again["known_before"]
    assert warnings(caplog, "had it before") == 1
