"""Originating calls: once, or an error."""

from __future__ import annotations

from collections.abc import Callable
from threading import Timer
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_fmc import KyivstarFmcOriginateCallOperator
from airflow_provider_telecom.simulator.kyivstar_fmc import VendorState
from airflow_provider_telecom.tasks import verification
from tests.running import Run

CALLED, CALLING = "+380 67 000 02 00", "0670000201"
ORIGINATE = "originate"


@pytest.fixture
def ring(hook_for: Callable[..., Any]) -> Callable[..., KyivstarFmcOriginateCallOperator]:
    hook_for("kyivstar_fmc")

    def make(**arguments: Any) -> KyivstarFmcOriginateCallOperator:
        given = {"task_id": "ring", "called_number": CALLED, "calling_number": CALLING, **arguments}
        return KyivstarFmcOriginateCallOperator(**given)

    return make


def rung(simulator: Any) -> int:
    return len(simulator.state.ledger.of("kyivstar_fmc", "call"))


def test_a_retried_task_rings_once(telecom_simulator: Any, ring: Any) -> None:
    run = Run()
    assert run.execute(ring()) == run.execute(ring()) == {"started": True}
    (call,) = telecom_simulator.state.ledger.of("kyivstar_fmc", "call")
    assert call.facts == {"calling": "0670000201", "called": "0670000200"}


def test_the_connections_subscriber_is_rung_unless_one_is_given(
    telecom_simulator: Any, hook_for: Callable[..., Any], ring: Any
) -> None:
    with pytest.raises(TelecomInputError, match="calling_number: must be given"):
        Run().execute(ring(calling_number=None))
    assert not telecom_simulator.state.requests
    hook_for("kyivstar_fmc", calling_number="380670000202")
    Run().execute(ring(calling_number=None))
    (call,) = telecom_simulator.state.ledger.of("kyivstar_fmc", "call")
    assert call.facts["calling"] == "0670000202"


def test_an_unknown_outcome_fails_loudly_and_stays_so(telecom_simulator: Any, ring: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_fmc", path=ORIGINATE)
    run = Run()
    for _ in range(2):
        with pytest.raises(OutcomeUnknownError) as caught:
            run.execute(ring())
        assert isinstance(caught.value, AirflowFailException)
    assert rung(telecom_simulator) == 1


def test_resend_and_assume_sent(telecom_simulator: Any, ring: Any) -> None:
    telecom_simulator.fault("reset_after", "kyivstar_fmc", path=ORIGINATE, times=2)
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(ring(on_unknown="resend"))
    assert run.execute(ring(on_unknown="assume_sent")) == {"assumed_sent": True}
    assert rung(telecom_simulator) == 1
    with pytest.raises(TelecomUnknownError):
        run.execute(ring(on_unknown="resend", dedupe_key="2"))
    assert run.execute(ring(on_unknown="resend", dedupe_key="2")) == {"started": True}
    assert rung(telecom_simulator) == 3


def test_what_was_not_sent_is_sent_by_the_next_try(telecom_simulator: Any, ring: Any) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(ring())
    run.execute(ring())
    assert rung(telecom_simulator) == 1


def test_a_refusal_is_no_unknown_outcome(telecom_simulator: Any, ring: Any) -> None:
    vendor_state, run = telecom_simulator.state.vendor_state("kyivstar_fmc", VendorState), Run()
    vendor_state.activated = False
    with pytest.raises(TelecomAuthError):
        run.execute(ring())
    vendor_state.activated = True
    run.execute(ring())
    assert rung(telecom_simulator) == 1


def test_wrong_numbers_send_nothing(telecom_simulator: Any, ring: Any) -> None:
    for wrong in ({"called_number": "12"}, {"calling_number": "nobody"}):
        with pytest.raises(TelecomInputError, match=next(iter(wrong))):
            Run().execute(ring(**wrong))
    assert not telecom_simulator.state.requests


@pytest.mark.parametrize("seconds", [-1, 1.5, True, 21_601])
def test_a_wrong_time_to_look_is_refused_when_the_dag_is_parsed(ring: Any, seconds: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"^verify_within_seconds: "):
        ring(verify_within_seconds=seconds)


def test_airflow_stores_no_number(ring: Any) -> None:
    from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

    operator, run = ring(called_number="{{ params.whom }}"), Run()
    run.execute(operator, params={"whom": CALLED})
    shown = str(_serialize_rendered_fields(operator)) + str(run.stores["ring"].texts)
    for number in ("70000200", "70000201", "000 02 00"):
        assert number not in shown


class TestProof:
    """The call records show a call once it has ended: here 30 seconds after it began."""

    def test_a_record_proves_it(
        self,
        telecom_simulator: Any,
        ring: Any,
        caplog: pytest.LogCaptureFixture,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setattr(verification, "_MAX_POLL_INTERVAL", 0.1)
        telecom_simulator.fault("reset_after", "kyivstar_fmc", path=ORIGINATE)
        ending = Timer(0.5, telecom_simulator.state.clock.advance, [31])
        ending.start()
        run = Run()
        facts = run.execute(ring(verify_within_seconds=600))  # it ends with the proof
        ending.join()
        assert facts == {"started": True, "verified_by_records": True}
        assert run.execute(ring()) == facts
        assert rung(telecom_simulator) == 1
        assert "70000200" not in caplog.text

    @pytest.mark.parametrize(
        ("calling", "called", "seconds_ago"),
        [("0670000201", "0670000200", 60), ("0670000200", "0670000201", 0), ("0670000201", "0670000209", 0)],
    )
    def test_no_other_call_does(
        self, telecom_simulator: Any, ring: Any, calling: str, called: str, seconds_ago: int
    ) -> None:
        from datetime import timedelta

        vendor_state = telecom_simulator.state.vendor_state("kyivstar_fmc", VendorState)
        telecom_simulator.fault("reset_before", "kyivstar_fmc", path=ORIGINATE)
        start = telecom_simulator.state.clock.now() - timedelta(seconds=seconds_ago)
        vendor_state.add_call(start, 0, calling, called)
        run = Run()
        for _ in range(2):
            with pytest.raises(OutcomeUnknownError):
                run.execute(ring(verify_within_seconds=1))
        assert rung(telecom_simulator) == 0

    def test_without_the_option_nobody_looks(self, telecom_simulator: Any, ring: Any) -> None:
        telecom_simulator.fault("reset_after", "kyivstar_fmc", path=ORIGINATE)
        with pytest.raises(OutcomeUnknownError):
            Run().execute(ring())
        assert len(telecom_simulator.state.requests) == 1

    def test_records_that_cannot_be_read_prove_nothing(self, telecom_simulator: Any, ring: Any) -> None:
        telecom_simulator.fault("reset_after", "kyivstar_fmc", path=ORIGINATE)
        telecom_simulator.fault("status", "kyivstar_fmc", path="callstat", status=403, times=9)
        with pytest.raises(OutcomeUnknownError):
            Run().execute(ring(verify_within_seconds=10))
        assert len(telecom_simulator.state.requests) == 2
