"""What all operators share, tested with one that has no idempotency key."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendSmsOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarSendSmsOperator
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsDeliveredSensor
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import RateLimit, VendorState
from tests.running import Run

NUMBER, OTHER, TEXT = "+380 67 000 02 00", "380670000201", "Your code is 1234"


@pytest.fixture
def sms(hook_for: Callable[..., Any]) -> Callable[..., KyivstarSendSmsOperator]:
    hook_for("kyivstar_open_telecom")

    def make(**arguments: Any) -> KyivstarSendSmsOperator:
        return KyivstarSendSmsOperator(**{"task_id": "send", "msisdn": NUMBER, "text": TEXT, **arguments})

    return make


def paid(simulator: Any) -> int:
    return len(simulator.state.ledger.of("kyivstar_open_telecom", "sms"))


@pytest.mark.parametrize(
    "wrong",
    [{"poll_interval": 0}, {"poll_interval": -1}, {"wait_timeout": float("inf")}, {"wait_timeout": "1"}],
)
def test_wrong_times_are_refused_when_the_dag_is_parsed(sms: Any, wrong: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError, match=next(iter(wrong))):
        sms(wait_for_completion=True, **wrong)


def test_a_retried_task_sends_nothing_twice(telecom_simulator: Any, sms: Any) -> None:
    run = Run()
    first = run.execute(sms())
    assert first["message_id"]
    assert run.execute(sms()) == first
    assert paid(telecom_simulator) == 1


@pytest.mark.parametrize("how", ["reset_after", "two_lengths"])
def test_an_unknown_outcome_fails_loudly_and_stays_so(telecom_simulator: Any, sms: Any, how: str) -> None:
    telecom_simulator.fault(how, "kyivstar_open_telecom", path="/sms", times=99)
    run = Run()
    for _ in range(3):
        with pytest.raises(OutcomeUnknownError, match="on_unknown='assume_sent'") as caught:
            run.execute(sms())
        assert str(caught.value).count("connection kyivstar_open_telecom_default, host 127.0.0.1") == 1
        assert isinstance(caught.value, AirflowFailException)
    assert paid(telecom_simulator) == 1


def test_resend_sends_again(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/sms")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(sms(on_unknown="resend"))
    assert run.execute(sms(on_unknown="resend"))["message_id"]
    assert paid(telecom_simulator) == 2


def test_a_resent_sms_that_does_not_leave_settles_nothing(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/sms")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(sms(on_unknown="resend"))
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(sms(on_unknown="resend"))
    with pytest.raises(OutcomeUnknownError):
        run.execute(sms())
    assert paid(telecom_simulator) == 1


def test_assume_sent_goes_on_without_an_id(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/sms")
    assert Run().execute(sms(on_unknown="assume_sent", wait_for_completion=True)) == {"assumed_sent": True}
    assert paid(telecom_simulator) == 1


def test_what_was_not_sent_is_sent_by_the_next_try(telecom_simulator: Any, sms: Any) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(sms())
    assert run.execute(sms())["message_id"]
    assert paid(telecom_simulator) == 1


def use_up_the_quota(simulator: Any, operator: KyivstarSendSmsOperator, seconds: float) -> None:
    """Make a call whose answer says that the quota is used up."""
    simulator.state.vendor_state("kyivstar_open_telecom", VendorState).rate_limit = RateLimit(
        1, period_seconds=seconds
    )
    operator.hook.list_promos()


def test_nothing_is_written_down_while_the_quota_is_used_up(telecom_simulator: Any, sms: Any) -> None:
    run, operator = Run(), sms()
    use_up_the_quota(telecom_simulator, operator, 3600)
    with pytest.raises(TelecomThrottledError) as caught:
        run.execute(operator)
    assert 3500 < (caught.value.retry_after or 0) <= 3600
    assert (run.stores["send"].texts, paid(telecom_simulator)) == ({}, 0)


def test_a_task_that_is_killed_while_it_waits_for_the_quota_has_sent_nothing(
    telecom_simulator: Any, sms: Any
) -> None:
    run, operator = Run(), sms()
    use_up_the_quota(telecom_simulator, operator, 200)
    blocking = operator.hook._client().sync_transport

    def kill(seconds: float) -> None:
        assert 190 < seconds <= 200
        raise KeyboardInterrupt

    sleep, blocking._sleep = blocking._sleep, kill
    with pytest.raises(KeyboardInterrupt):
        run.execute(operator)
    assert run.stores["send"].texts == {}
    blocking._sleep = sleep
    telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).rate_limit = None
    operator.hook.account.limits._next_turn = 0  # the time has passed
    assert run.execute(sms())["message_id"]
    assert paid(telecom_simulator) == 1


def test_a_task_that_is_killed_while_it_fetches_a_token_has_sent_nothing(
    telecom_simulator: Any, sms: Any
) -> None:
    run, operator = Run(), sms()

    def kill(seconds: float) -> None:
        raise KeyboardInterrupt

    telecom_simulator.fault("status", "kyivstar_open_telecom", path="token", status=503, times=9)
    operator.hook._client().sync_transport._sleep = kill  # in the pause before the token is asked for again
    with pytest.raises(KeyboardInterrupt):
        run.execute(operator)
    assert run.stores["send"].texts == {}


def test_a_changed_text_is_not_taken_for_the_one_that_was_sent(telecom_simulator: Any, sms: Any) -> None:
    run = Run()
    run.execute(sms())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(sms(text="Another text"))
    assert run.execute(sms(text="Another text", dedupe_key="2"))["message_id"]
    assert paid(telecom_simulator) == 2


def test_airflow_stores_neither_number_nor_text(telecom_simulator: Any, sms: Any) -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    operator, run = sms(text="{{ params.what }}"), Run()
    run.execute(operator, params={"what": TEXT})
    shown = str(_serialize_rendered_fields(operator)) + str(run.stores["send"].texts)
    assert "0000200" not in shown
    assert "1234" not in shown
    assert telecom_simulator.state.ledger.of("kyivstar_open_telecom", "sms")[0].facts["text"] == TEXT


@pytest.mark.parametrize("lost", [0, 4])
def test_an_sms_with_a_key_that_changes_between_tries_is_not_a_second_one(
    telecom_simulator: Any, hook_for: Callable[..., Any], lost: int
) -> None:
    """Another text, or another account, would not recognise the key; and nobody is forgotten."""
    hook_for("ketchup_loyalty")
    telecom_simulator.fault(
        "reset_after", "ketchup_loyalty", path="/sms/create", times=lost
    ) if lost else None

    def sms(number: str, text: str, **more: Any) -> Any:
        return KetchUpSendSmsOperator(task_id="send", msisdn=number, text=text, **more)

    run = Run()
    with suppress(TelecomUnknownError):
        run.execute(sms(NUMBER, TEXT))
    for number, text in ((NUMBER, "Another text"), (OTHER, TEXT)):
        with pytest.raises(TelecomInputError, match="dedupe_key"):
            run.execute(sms(number, text))
    run.execute(sms(NUMBER, TEXT))
    run.execute(sms(OTHER, TEXT, dedupe_key="2"))
    recipients = [
        effect.facts["msisdn"] for effect in telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    ]
    assert recipients == ["380670000200", "380670000201"]


def test_an_sms_with_a_key_in_doubt_does_not_go_through_another_account(
    telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook_for("ketchup_loyalty")
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT"])
    telecom_simulator.fault("reset_after", "ketchup_loyalty", path="/sms/create", times=4)

    def sms(conn_id: str | None = None) -> Any:
        return KetchUpSendSmsOperator(task_id="send", conn_id=conn_id, msisdn=NUMBER, text=TEXT)

    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(sms())
    with pytest.raises(TelecomInputError, match="connection"):
        run.execute(sms("other"))
    assert run.execute(sms())["known_before"]


@pytest.mark.parametrize("policy", ["fail", "resend", "assume_sent"])
@pytest.mark.parametrize("how", ["reset_after", None])
def test_another_connection_is_other_content(
    telecom_simulator: Any, sms: Any, monkeypatch: pytest.MonkeyPatch, policy: Any, how: Any
) -> None:
    monkeypatch.setenv("AIRFLOW_CONN_OTHER", os.environ["AIRFLOW_CONN_KYIVSTAR_OPEN_TELECOM_DEFAULT"])
    telecom_simulator.fault(how, "kyivstar_open_telecom", path="/sms") if how else None
    run = Run()
    with suppress(TelecomUnknownError):
        run.execute(sms(on_unknown="resend"))
    with pytest.raises(TelecomInputError, match="connection"):
        run.execute(sms(conn_id="other", on_unknown=policy))
    assert run.execute(sms(conn_id="other", dedupe_key="2"))["message_id"]
    assert paid(telecom_simulator) == 2


# Places of a mapped list. What is upstream ran again between two tries, and the list has changed.


@pytest.mark.parametrize("policy", ["fail", "resend", "assume_sent"])
@pytest.mark.parametrize("how", ["reset_after", "reset_before"])
def test_a_place_in_doubt_sends_to_nobody_else(
    telecom_simulator: Any, sms: Any, how: str, policy: Any
) -> None:
    """Else the one who stood there is forgotten, and the task is green."""
    telecom_simulator.fault(how, "kyivstar_open_telecom", path="/sms")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(sms(on_unknown="resend"), map_index=0)
    sent = paid(telecom_simulator)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(sms(msisdn=OTHER, on_unknown=policy), map_index=0)
    assert paid(telecom_simulator) == sent
    assert run.execute(sms(on_unknown="resend"), map_index=0)["message_id"]
    assert run.execute(sms(msisdn=OTHER), map_index=1)["message_id"]


def test_a_row_that_was_taken_out_moves_nobody_to_a_second_sms(telecom_simulator: Any, sms: Any) -> None:
    """The first of two was refused and is taken out, so that the second is the first now."""
    telecom_simulator.fault("status", "kyivstar_open_telecom", path="/sms", status=422)
    run = Run()
    with pytest.raises(TelecomRejectedError):
        run.execute(sms(), map_index=0)
    run.execute(sms(msisdn=OTHER), map_index=1)
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(sms(msisdn=OTHER), map_index=0)
    assert paid(telecom_simulator) == 1


def test_a_row_that_failed_before_it_was_sent_moves_nobody_to_a_second_sms(
    telecom_simulator: Any, sms: Any
) -> None:
    """Each place notes what it holds before anything can fail."""
    operator, run = sms(), Run()
    use_up_the_quota(telecom_simulator, operator, 3600)
    with pytest.raises(TelecomThrottledError):
        run.execute(operator, map_index=0)
    operator.hook.account.limits._next_turn = 0.0
    telecom_simulator.state.vendor_state("kyivstar_open_telecom", VendorState).rate_limit = None
    run.execute(sms(msisdn=OTHER), map_index=1)
    with pytest.raises(TelecomInputError, match="dedupe_key: this place of the mapped list"):
        run.execute(sms(msisdn=OTHER), map_index=0)
    assert run.execute(sms(), map_index=0)["message_id"]
    assert paid(telecom_simulator) == 2


def test_places_with_keys_may_move(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    """Keys come from number and text: somebody in front moves all others, and each gets one."""
    hook_for("ketchup_loyalty")
    run, numbers = Run(), ["380670000201", "380670000202"]

    def at(place: int, number: str) -> dict[str, Any]:
        operator = KetchUpSendSmsOperator(task_id="send", msisdn=number, text=TEXT)
        found: dict[str, Any] = run.execute(operator, map_index=place)
        return found

    for place, number in enumerate(numbers):
        assert not at(place, number)["known_before"]
    known = [at(place, number)["known_before"] for place, number in enumerate([NUMBER, *numbers])]
    assert known == [False, True, True]
    recipients = [
        effect.facts["msisdn"] for effect in telecom_simulator.state.ledger.of("ketchup_loyalty", "sms")
    ]
    assert sorted(recipients) == ["380670000200", *numbers]


@pytest.mark.parametrize("text", ["48151623", "380670000999"])
def test_a_text_of_digits_is_not_shown_either(sms: Any, text: str) -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    operator, run = sms(text=text, dedupe_key=text), Run()
    run.execute(operator)
    shown = str(_serialize_rendered_fields(operator)) + str(run.stores["send"].texts)
    assert text[:5] not in shown


def test_a_text_that_changed_is_not_assumed_to_have_been_sent(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path="/sms")
    run = Run()
    with pytest.raises(OutcomeUnknownError):
        run.execute(sms())
    with pytest.raises(TelecomInputError, match="dedupe_key"):
        run.execute(sms(text="Another text", on_unknown="assume_sent"))


@pytest.mark.parametrize("value", [2, "2", 0])
@pytest.mark.parametrize("operator", [KyivstarSendSmsOperator, KetchUpSendSmsOperator])
def test_a_dedupe_key_may_be_a_number(
    telecom_simulator: Any, hook_for: Callable[..., Any], operator: Any, value: Any
) -> None:
    """A template makes one of `{{ params.n }}` in a Dag that renders native objects."""
    hook_for("kyivstar_open_telecom")
    hook_for("ketchup_loyalty")
    vendor, run = operator.__module__.split(".")[2], Run()
    for key in ("", value, str(value)):
        run.execute(operator(task_id="send", msisdn=NUMBER, text=TEXT, dedupe_key=key))
    assert len(telecom_simulator.state.ledger.of(vendor, "sms")) == 2


@pytest.mark.parametrize("value", [True, 1.5, ["a"]])
def test_a_dedupe_key_is_nothing_else(sms: Any, value: Any) -> None:
    with pytest.raises(TelecomInputError, match="dedupe_key: must be"):
        Run().execute(sms(dedupe_key=value))


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_too_long_ends_alike(telecom_simulator: Any, sms: Any, deferrable: bool) -> None:
    """A worker's own time-out, and Airflow's for a trigger, which arrives as a failure to resume with."""
    telecom_simulator.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 10_000)
    operator = sms(wait_for_completion=True, poll_interval=0.05, wait_timeout=0.1)
    failed: dict[str, Any] = {"error": "Trigger timeout"}

    def too_long() -> Any:
        if deferrable:
            return operator.resume_execution("__fail__", failed, {})
        return Run().execute(operator)

    with pytest.raises(AirflowSensorTimeout, match="still waiting after"):
        too_long()


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_for_the_receipt(telecom_simulator: Any, sms: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 1)
    operator = sms(wait_for_completion=True, deferrable=deferrable, poll_interval=0.01)
    assert Run().execute(operator)["status"] == "delivered"


@pytest.mark.parametrize("deferrable", [False, True])
def test_a_sensor(telecom_simulator: Any, hook_for: Callable[..., Any], deferrable: bool) -> None:
    hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
    sensor = KetchUpSmsDeliveredSensor(
        task_id="wait", reference="a1", deferrable=deferrable, poke_interval=0.01
    )
    assert Run().execute(sensor)["status"] == "delivered"
