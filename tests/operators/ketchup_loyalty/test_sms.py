"""KetchUp's operator for one SMS: once, whatever happens to answers and workers."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.ketchup_loyalty.results import wait_until_found
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.operators.ketchup_loyalty.evidence import killed, paid, shown
from tests.running import Run

WAIT = {"wait_for_completion": True, "deferrable": True, "poll_interval": 0.01}
NUMBER, TEXT = "+380 67 000 02 01", "Your code is 1234"


def sms(**arguments: Any) -> KetchUpSendSmsOperator:
    return KetchUpSendSmsOperator(**{"task_id": "send", "msisdn": NUMBER, "text": TEXT, **arguments})


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", originator="test")


def vendor_state(simulator: Any) -> VendorState:
    found: VendorState = simulator.state.vendor_state("ketchup_loyalty", VendorState)
    return found


def test_one_sms_and_what_is_returned_of_it(telecom_simulator: Any) -> None:
    found = Run().execute(sms(originator="other", validity_hours=5, tariff=3))
    (message,) = paid(telecom_simulator, "sms")
    assert found == {
        "message_id": message["id"],
        "reference": message["reference"],
        "price": "0.02",
        "currency": "EUR",
        "known_before": False,
    }
    assert message["msisdn"] == "380670000201"
    assert (message["originator"], message["tariff"], message["validity_hours"]) == ("other", 3, 5)


def test_a_retried_task_sends_nothing_twice(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(sms())
    telecom_simulator.state.requests.clear()
    assert run.execute(sms()) == {**first}
    assert telecom_simulator.state.requests == []
    assert run.execute(sms(dedupe_key="2"))["reference"] != first["reference"]
    assert len(paid(telecom_simulator, "sms")) == 2


def test_a_killed_task_finds_what_it_has_sent(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(sms())
    killed(run, "send")
    assert run.execute(sms()) == {**first, "known_before": True}
    assert len(paid(telecom_simulator, "sms")) == 1


def test_the_key_is_of_the_message_and_not_of_the_way_it_is_written(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(sms())
    assert run.execute(sms(msisdn="0670000201")) == first
    for changed in ({"text": "Another"}, {"originator": "other"}, {"msisdn": "380670000202"}):
        with pytest.raises(TelecomInputError, match="dedupe_key"):
            run.execute(sms(**changed))
    references = {Run("2").execute(sms())["reference"], Run().execute(sms(text="Another"))["reference"]}
    references |= {Run().execute(sms(msisdn="380670000202"))["reference"], first["reference"]}
    references.add(Run().execute(sms(originator="other"))["reference"])
    assert len(references) == 5


def test_a_lost_answer_is_asked_for_by_the_key(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create")
    telecom_simulator.fault(
        "body",
        "ketchup_loyalty",
        path="/sms/reference",
        body='{"error": 20, "errorDescription": "SMS not found"}',
    )
    found = Run().execute(sms())
    (message,) = paid(telecom_simulator, "sms")
    assert found["message_id"] == message["id"]
    assert found["known_before"] is True
    assert found["price"] == "0.02"


def test_answers_that_never_come_leave_the_task_to_a_later_try(telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=4)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(sms())
    assert run.execute(sms())["known_before"] is True
    assert len(paid(telecom_simulator, "sms")) == 1


def test_what_was_not_sent_is_sent_by_the_next_try(telecom_simulator: Any) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(sms())
    assert run.execute(sms())["known_before"] is False
    assert len(paid(telecom_simulator, "sms")) == 1


def test_a_status_without_an_id_will_do(telecom_simulator: Any) -> None:
    vendor_state(telecom_simulator).switches.turn_on("no_id")
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create")
    found = Run().execute(sms(wait_for_completion=True, poll_interval=0.01))
    assert found["message_id"] is None
    assert found["status"] == "delivered"


def test_an_answer_without_an_id_is_no_copy(telecom_simulator: Any, hook: Any) -> None:
    run = Run()
    reference = run.execute(sms())["reference"]
    body = f'{{"error": 0, "reference": "{reference}"}}'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/sms/create", body=body)
    run.stores.clear()
    found = run.execute(sms())
    assert found["known_before"] is False
    assert found["message_id"] == paid(telecom_simulator, "sms")[0]["id"]


def test_what_the_vendor_has_but_does_not_show_is_an_error_in_the_end() -> None:
    attempts = []

    def find() -> None:
        attempts.append(1)
        raise TelecomNotFoundError("SMS not found", code="20")

    with pytest.raises(TelecomNotFoundError):
        wait_until_found(find, seconds=1.0)
    assert len(attempts) == 2


def test_a_scheduled_sms_whose_time_passes_between_two_tries(telecom_simulator: Any) -> None:
    at = datetime.now(UTC) + timedelta(hours=1)
    run = Run()
    first = run.execute(sms(schedule_at="{{ params.at }}"), params={"at": at})
    assert paid(telecom_simulator, "sms")[0]["send_at"] == at.replace(microsecond=0)
    killed(run, "send")
    telecom_simulator.state.clock.advance(7200)
    telecom_simulator.fault("body", "ketchup_loyalty", path="/sms/create", body='{"error": 10}')
    assert run.execute(sms(schedule_at=at)) == {**first, "known_before": True}
    with pytest.raises(TelecomRejectedError, match="vendor code 10"):
        Run("2").execute(sms(schedule_at=at))


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("text", {"text": " "}),
        ("originator", {"originator": "x" * 15}),
        ("validity_hours", {"validity_hours": 73}),
        ("tariff", {"tariff": 10}),
        ("tariff", {"tariff": "1"}),
        ("schedule_at", {"schedule_at": "tomorrow"}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        sms(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("text", {"text": "{{ params.what }}"}),
        ("originator", {"originator": "{{ params.what }}"}),
        ("msisdn", {"msisdn": "{{ params.what }}"}),
        ("schedule_at", {"schedule_at": "{{ params.what }}"}),
        ("schedule_at", {"schedule_at": "2126-01-01T00:00:00"}),
    ],
)
def test_what_is_refused_before_anything_is_sent(
    telecom_simulator: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        Run().execute(sms(**arguments), params={"what": " "})
    assert caught.value.field == field
    assert telecom_simulator.state.requests == []


def test_without_a_sender_nothing_is_sent(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    hook_for("ketchup_loyalty", originator=None)
    with pytest.raises(TelecomInputError, match="originator"):
        Run().execute(sms())
    assert telecom_simulator.state.requests == []


def test_a_refusal_is_final_and_leaves_no_doubt(telecom_simulator: Any) -> None:
    run = Run()
    with pytest.raises(TelecomRejectedError, match="vendor code 32"):
        run.execute(sms(originator="forbidden"))
    vendor_state(telecom_simulator).balance *= 0
    with pytest.raises(TelecomFundsError):
        run.execute(sms())
    vendor_state(telecom_simulator).balance += 1
    assert run.execute(sms())["known_before"] is False


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_for_the_receipt(telecom_simulator: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
    wait = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": 0.01}
    found = Run().execute(sms(**wait))
    assert found["status"] == "delivered"
    assert found["reference"]
    with pytest.raises(TelecomFailedError, match="undeliverable"):
        Run().execute(sms(**wait, msisdn="380670000209"))


def test_airflow_stores_neither_number_nor_text(telecom_simulator: Any) -> None:
    operator, run = sms(text="{{ params.what }}", **WAIT), Run()
    found = run.execute(operator, params={"what": TEXT})
    for private in ("0000201", "67 000", "1234"):
        assert private not in shown(operator, run, found)
    assert paid(telecom_simulator, "sms")[0]["text"] == TEXT
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize(
    ("body", "error"),
    [
        ('{"error": 11, "errorDescription": "Too many simultaneous"}', TelecomThrottledError),
        ('{"error": 1, "errorDescription": "Wrong key"}', TelecomAuthError),
    ],
)
def test_a_look_up_that_fails_does_not_make_the_sms_one_that_was_not_sent(
    telecom_simulator: Any, body: str, error: type[Exception]
) -> None:
    """KetchUp knows the key, so the recipient has the text: another text would be the second one."""
    run = Run()
    run.execute(sms())
    run.stores["send"].texts.clear()
    telecom_simulator.fault("body", "ketchup_loyalty", path="/sms/reference", body=body, times=9)
    with pytest.raises(error):
        run.execute(sms())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(sms(text="Another"))
    telecom_simulator.state.faults.clear()
    assert run.execute(sms())["known_before"]
    assert len(paid(telecom_simulator, "sms")) == 1


def test_an_sms_that_the_vendor_has_and_does_not_show_is_sent(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from airflow_provider_telecom.operators.ketchup_loyalty import sms as module

    monkeypatch.setattr(module, "wait_until_found", lambda find: wait_until_found(find, seconds=0.0))
    run = Run()
    first = run.execute(sms())
    run.stores["send"].texts.clear()
    body = '{"error": 20, "errorDescription": "SMS not found"}'
    telecom_simulator.fault("body", "ketchup_loyalty", path="/sms/reference", body=body, times=9)
    again = run.execute(sms())
    assert (again["message_id"], again["known_before"]) == (None, True)
    assert again["reference"] == first["reference"]
    assert "does not find it by its key" in caplog.text
