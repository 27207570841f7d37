"""What all sensors share: waiting in a worker and in the triggerer end alike, whatever is asked for."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from airflow.sdk.exceptions import (
    AirflowNotFoundException,
    AirflowSensorTimeout,
    AirflowSkipException,
    TaskDeferralError,
)

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomServerError,
)
from airflow_provider_telecom.sensors.ketchup_loyalty import KetchUpSmsDeliveredSensor
from airflow_provider_telecom.tasks.retry import POLICY
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run

both_ways = pytest.mark.parametrize("deferrable", [False, True])
KINDS: dict[str, dict[str, bool]] = {"plain": {}, "soft": {"soft_fail": True}, "never": {"never_fail": True}}
each_kind = pytest.mark.parametrize("kind", KINDS)


@pytest.fixture
def sms(
    hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., KetchUpSmsDeliveredSensor]:
    hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")

    def make(**arguments: Any) -> KetchUpSmsDeliveredSensor:
        settings = {"task_id": "wait", "reference": "a1", "poke_interval": 0.01, "tolerated_errors": 0}
        return KetchUpSmsDeliveredSensor(**{**settings, **arguments})

    return make


def waited(sensor: KetchUpSmsDeliveredSensor) -> Any:
    return Run().execute(sensor)


def timed_out(sensor: KetchUpSmsDeliveredSensor) -> Any:
    """Wait too long: in the triggerer Airflow itself checks the time, and resumes the task to fail."""
    if sensor.deferrable:
        return sensor.resume_execution("__fail__", {"error": "Trigger timeout"}, {})
    return waited(sensor)


@both_ways
def test_it_returns_the_facts(telecom_simulator: Any, sms: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 1)
    found = waited(sms(deferrable=deferrable))
    assert found["status"] == "delivered"
    assert set(found) == {"message_id", "status", "price", "currency"}


FAULTS: dict[str, tuple[dict[str, Any], type[Exception]]] = {
    "refused": ({"kind": "status", "status": 403}, TelecomAuthError),
    "their server": ({"kind": "status", "status": 503, "times": 9}, TelecomServerError),
    "no answer": ({"kind": "close_after", "times": 9}, TelecomNoAnswerError),
}


@both_ways
@each_kind
@pytest.mark.parametrize("fault", FAULTS)
def test_errors_end_alike(telecom_simulator: Any, sms: Any, deferrable: bool, kind: str, fault: str) -> None:
    """`soft_fail` is for what never came, not for errors: so it is with Airflow's own sensors in a worker."""
    options, error = FAULTS[fault]
    telecom_simulator.fault(vendor="ketchup_loyalty", path="sms/reference", **options)
    with pytest.raises(AirflowSkipException if kind == "never" else error) as caught:
        waited(sms(deferrable=deferrable, **KINDS[kind]))
    assert kind == "never" or type(caught.value) is error


@both_ways
def test_an_error_is_told_in_the_same_words(telecom_simulator: Any, sms: Any, deferrable: bool) -> None:
    telecom_simulator.fault("status", "ketchup_loyalty", path="sms/reference", status=503, times=9)
    with pytest.raises(TelecomServerError) as caught:
        waited(sms(deferrable=deferrable))
    assert caught.value.status == 503
    assert caught.value.call == "GET /rest/sms/reference/{reference}"


@both_ways
@each_kind
def test_a_refused_connection_ends_alike(
    telecom_simulator: Any, sms: Any, deferrable: bool, kind: str
) -> None:
    with (
        telecom_simulator.refusing(),
        pytest.raises(AirflowSkipException if kind == "never" else TelecomNotSentError),
    ):
        waited(sms(deferrable=deferrable, **KINDS[kind]))


NOT_YET = {"kind": "body", "vendor": "ketchup_loyalty", "path": "sms/reference", "body": '{"error": "20"}'}


@both_ways
def test_errors_that_pass_are_borne(telecom_simulator: Any, sms: Any, deferrable: bool) -> None:
    telecom_simulator.fault(**NOT_YET, times=2)
    assert waited(sms(deferrable=deferrable, tolerated_errors=2))["status"] == "delivered"


@both_ways
def test_one_error_too_many_is_not(telecom_simulator: Any, sms: Any, deferrable: bool) -> None:
    telecom_simulator.fault(**NOT_YET, times=3)
    with pytest.raises(TelecomNotFoundError):
        waited(sms(deferrable=deferrable, tolerated_errors=2))


def test_a_worker_waits_as_long_as_the_vendor_asks(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.state.requests.clear()
    telecom_simulator.fault("status", "ketchup_loyalty", times=99, headers={"Retry-After": "400"})
    with pytest.raises(AirflowSensorTimeout):
        waited(sms(tolerated_errors=99, timeout=0.3))
    assert len(telecom_simulator.state.requests) <= 2


@both_ways
@each_kind
def test_what_is_not_there_ends_alike(sms: Any, deferrable: bool, kind: str) -> None:
    with pytest.raises(AirflowSkipException if kind == "never" else TelecomNotFoundError):
        waited(sms(deferrable=deferrable, reference="unknown", **KINDS[kind]))


@both_ways
@each_kind
def test_what_was_missed_ends_alike(sms: Any, hook_for: Any, deferrable: bool, kind: str) -> None:
    hook_for("ketchup_loyalty").send_sms("380670000208", "Hi", reference="a8")  # these expire
    with pytest.raises(TelecomFailedError if kind == "plain" else AirflowSkipException):
        waited(sms(reference="a8", deferrable=deferrable, **KINDS[kind]))


@both_ways
@each_kind
def test_waiting_too_long_ends_alike(telecom_simulator: Any, sms: Any, deferrable: bool, kind: str) -> None:
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 10_000)
    with pytest.raises(AirflowSensorTimeout if kind == "plain" else AirflowSkipException):
        timed_out(sms(deferrable=deferrable, timeout=0.05, **KINDS[kind]))


@each_kind
def test_what_breaks_in_the_triggerer_is_no_soft_failure(sms: Any, kind: str) -> None:
    """A connection that is not there, say: in a worker `soft_fail` would not hide it either."""
    with pytest.raises(AirflowSkipException if kind == "never" else TaskDeferralError):
        sms(deferrable=True, **KINDS[kind]).resume_execution("__fail__", {"error": "KeyError"}, {})
    with pytest.raises(AirflowSkipException if kind == "never" else AirflowNotFoundException):
        waited(sms(conn_id="nobody", **KINDS[kind]))


# silent_fail.


def test_silent_fail_goes_on_in_a_worker(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.fault("status", "ketchup_loyalty", path="sms/reference", status=403, times=3)
    assert waited(sms(silent_fail=True))["status"] == "delivered"


@pytest.mark.parametrize("way", [{"deferrable": True}, {"start_from_trigger": True}])
def test_silent_fail_is_refused_where_nobody_would_be_silent(sms: Any, way: Any) -> None:
    with pytest.raises(TelecomInputError, match=r"silent_fail.*tolerated_errors"):
        sms(silent_fail=True, **way)


# What a task is made with.


def test_a_deferred_sensor_keeps_to_its_timeout(sms: Any) -> None:
    from airflow.sdk.exceptions import TaskDeferred

    with pytest.raises(TaskDeferred) as caught:
        sms(deferrable=True, timeout=77, poke_interval=5).execute({})
    assert caught.value.timeout == timedelta(seconds=77)
    assert caught.value.method_name == "execute_complete"


@pytest.mark.parametrize(
    "count", [-1, 1.5, "3", None, True], ids=["negative", "half", "text", "none", "a truth"]
)
def test_a_count_of_errors_is_a_whole_number(sms: Any, count: Any) -> None:
    with pytest.raises(TelecomInputError, match="tolerated_errors"):
        sms(tolerated_errors=count)


def test_the_errors_say_when_to_try_again(sms: Any) -> None:
    assert sms().retry_policy is POLICY
    assert sms(retry_policy=None).retry_policy is None


def test_parsing_the_dag_sends_nothing(telecom_simulator: Any, sms: Any) -> None:
    telecom_simulator.state.requests.clear()
    sms(deferrable=True, start_from_trigger=True)
    assert not telecom_simulator.state.requests
