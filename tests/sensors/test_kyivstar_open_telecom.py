"""Kyivstar's sensors, in a worker and in the triggerer."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.sensors.kyivstar_open_telecom import (
    KyivstarMultichannelDeliveredSensor,
    KyivstarPromoFinishedSensor,
    KyivstarSmsDeliveredSensor,
    KyivstarViberDeliveredSensor,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent
from tests.running import Run

NUMBER = "380670000200"
PROMO_ID = "00000000-0000-4000-8000-000000000000"
both_ways = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("kyivstar_open_telecom")


@pytest.fixture
def promo(hook: Any) -> str:
    made: str = hook.create_promo("Hello").id
    hook.add_promo_audience(made, [f"38067000020{digit}" for digit in range(8)])
    return made


def waiting(kind: Any, deferrable: bool, **arguments: Any) -> Any:
    return kind(task_id="wait", deferrable=deferrable, poke_interval=0.01, **arguments)


def vendor_state(simulator: Any) -> Any:
    return simulator.state.vendor_state("kyivstar_open_telecom", VendorState)


@both_ways
def test_an_sms_is_waited_for(telecom_simulator: Any, hook: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 2)
    message_id, run = hook.send_sms(NUMBER, "Hi").message_id, Run()
    found = run.execute(waiting(KyivstarSmsDeliveredSensor, deferrable, message_id=message_id))
    assert found["status"] == "delivered"
    assert found["date"]
    assert message_id not in str(run.events)


@both_ways
def test_code_1040_means_wait(telecom_simulator: Any, hook: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 2)
    message_id = hook.send_sms(NUMBER, "Hi").message_id
    vendor_state(telecom_simulator).switches.turn_on("late_status")
    sensor = waiting(KyivstarSmsDeliveredSensor, deferrable, message_id=message_id, tolerated_errors=0)
    assert Run().execute(sensor)["status"] == "delivered"


def test_one_that_never_arrives_times_out(telecom_simulator: Any, hook: Any) -> None:
    books_of = hook.fetch_token() and vendor_state(telecom_simulator)
    books_of.unreachable.add(NUMBER)
    message_id = hook.send_sms(NUMBER, "Hi").message_id
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(waiting(KyivstarSmsDeliveredSensor, False, message_id=message_id, timeout=0.05))


@both_ways
@pytest.mark.parametrize("switch", ["new_state", "late_status"])
def test_a_multichannel_message_is_waited_for(
    telecom_simulator: Any, hook_for: Callable[..., Any], switch: str, deferrable: bool
) -> None:
    """Neither a channel that has expired nor a state that nobody knows ends the wait."""
    hook = hook_for("kyivstar_open_telecom", api_version="v1")
    hook.fetch_token()
    vendor_state(telecom_simulator).switches.turn_on(switch)
    vendor_state(telecom_simulator).without_viber.add(NUMBER)
    telecom_simulator.state.set_transition("kyivstar_open_telecom.multichannel", "after_polls", 2)
    message_id = hook.send_multichannel(NUMBER, [ViberContent("a"), SmsContent("b")]).message_id
    run = Run()
    found = run.execute(waiting(KyivstarMultichannelDeliveredSensor, deferrable, message_id=message_id))
    assert (found["status"], found["bearer_type"]) == ("delivered", "sms")
    assert [(report["bearer_type"], report["state"]) for report in found["reports"]] == [
        ("viber", "expired"),
        ("sms", "delivered"),
    ]
    assert message_id not in str(run.events)


@both_ways
def test_a_multichannel_message_that_expires_fails(
    telecom_simulator: Any, hook_for: Callable[..., Any], deferrable: bool
) -> None:
    hook = hook_for("kyivstar_open_telecom", api_version="v1")
    hook.fetch_token()
    vendor_state(telecom_simulator).switches.turn_on("expired")
    vendor_state(telecom_simulator).unreachable.add(NUMBER)
    message_id = hook.send_multichannel(NUMBER, [SmsContent("b")]).message_id
    arguments = {"message_id": message_id, "last_channel": "sms"}
    with pytest.raises(TelecomFailedError, match="expired"):
        Run().execute(waiting(KyivstarMultichannelDeliveredSensor, deferrable, **arguments))


@both_ways
@pytest.mark.parametrize("last_channel", [None, "sms"])
@pytest.mark.parametrize("shown", [{}, {"reports": [{"bearerType": "viber", "state": "expired"}]}])
def test_a_multichannel_message_whose_first_channel_has_expired_may_still_come(
    telecom_simulator: Any, hook_for: Callable[..., Any], shown: Any, last_channel: Any, deferrable: bool
) -> None:
    """Whoever sends once more then has sent twice."""
    hook = hook_for("kyivstar_open_telecom", api_version="v1")
    message_id = hook.send_multichannel(NUMBER, [ViberContent("a"), SmsContent("b")]).message_id
    body = {"multiMsgId": message_id, "status": "expired", "bearerType": "viber", "date": "x", **shown}
    telecom_simulator.fault(
        "status",
        "kyivstar_open_telecom",
        path="/messaging/multichannel/",
        status=200,
        body=json.dumps(body),
        times=2,
    )
    arguments = {"message_id": message_id, "last_channel": last_channel}
    found = Run().execute(waiting(KyivstarMultichannelDeliveredSensor, deferrable, **arguments))
    assert found["status"] == "delivered"


@both_ways
@pytest.mark.parametrize("until", ["delivered", "seen"])
def test_a_viber_message_is_waited_for(
    telecom_simulator: Any, hook: Any, until: str, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.viber", "after_polls", 1)
    message_id = hook.send_viber_transaction(NUMBER, "Your code is 1").message_id
    found = Run().execute(
        waiting(KyivstarViberDeliveredSensor, deferrable, message_id=message_id, until=until)
    )
    assert found["status"] == until


@both_ways
def test_a_promo_is_waited_for(telecom_simulator: Any, hook: Any, promo: str, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1)
    hook.start_promo(promo)
    vendor_state(telecom_simulator).unreachable.add(NUMBER)
    found = Run().execute(waiting(KyivstarPromoFinishedSensor, deferrable, promo_id=promo))
    assert found["status"] == "COMPLETED"
    assert (found["sent_count"], found["deliveries_count"], found["undelivered_count"]) == (8, 7, 1)


@both_ways
@pytest.mark.parametrize(
    ("least", "enough"),
    [(87.5, True), ("87.5", True), (87, True), ("87.50000000000000000001", False), (88, False)],
)
def test_the_threshold_is_exact(
    telecom_simulator: Any, hook: Any, promo: str, least: Any, enough: bool, deferrable: bool
) -> None:
    hook.start_promo(promo)
    vendor_state(telecom_simulator).unreachable.add(NUMBER)
    sensor = waiting(KyivstarPromoFinishedSensor, deferrable, promo_id=promo, min_delivered_percent=least)
    if enough:
        assert Run().execute(sensor)["deliveries_count"] == 7
    else:
        with pytest.raises(TelecomFailedError, match="deliveries_count: 7"):
            Run().execute(sensor)


def test_a_suspended_promo_is_waited_for(
    telecom_simulator: Any, hook: Any, promo: str, caplog: pytest.LogCaptureFixture
) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1_000_000)
    hook.start_promo(promo)
    hook.suspend_promo(promo)
    with caplog.at_level("INFO"), pytest.raises(AirflowSensorTimeout):
        Run().execute(waiting(KyivstarPromoFinishedSensor, False, promo_id=promo, timeout=0.05))
    assert "suspended; waiting until it continues" in caplog.text


@both_ways
def test_a_suspended_promo_ends_the_waiting_if_asked_to(
    hook: Any, telecom_simulator: Any, promo: str, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("kyivstar_open_telecom.promo", "after_polls", 1_000_000)
    hook.start_promo(promo)
    hook.suspend_promo(promo)
    sensor = waiting(KyivstarPromoFinishedSensor, deferrable, promo_id=promo, fail_on_suspended=True)
    with pytest.raises(TelecomFailedError, match="SUSPENDED"):
        Run().execute(sensor)


@both_ways
def test_a_temporary_error_is_tolerated_and_a_refusal_is_not(
    telecom_simulator: Any, hook: Any, promo: str, deferrable: bool
) -> None:
    hook.start_promo(promo)
    telecom_simulator.fault("reset_after", "kyivstar_open_telecom", path=f"/promo/{promo}$")
    assert Run().execute(waiting(KyivstarPromoFinishedSensor, deferrable, promo_id=promo))["sent_count"] == 8
    telecom_simulator.fault("status", "kyivstar_open_telecom", path="/statistics", status=422)
    with pytest.raises(TelecomRejectedError):
        Run().execute(waiting(KyivstarPromoFinishedSensor, deferrable, promo_id=promo))


@pytest.mark.parametrize(
    ("kind", "field", "arguments"),
    [
        (KyivstarViberDeliveredSensor, "until", {"message_id": "a", "until": "read"}),
        (
            KyivstarPromoFinishedSensor,
            "min_delivered_percent",
            {"promo_id": PROMO_ID, "min_delivered_percent": 101},
        ),
        (
            KyivstarPromoFinishedSensor,
            "min_delivered_percent",
            {"promo_id": PROMO_ID, "min_delivered_percent": "most"},
        ),
        (
            KyivstarPromoFinishedSensor,
            "min_delivered_percent",
            {"promo_id": PROMO_ID, "min_delivered_percent": True},
        ),
        (KyivstarPromoFinishedSensor, "promo_id", {"promo_id": "7"}),
    ],
)
def test_wrong_arguments_are_refused_when_the_dag_is_parsed(
    kind: Any, field: str, arguments: dict[str, Any]
) -> None:
    with pytest.raises(TelecomInputError) as caught:
        kind(task_id="wait", **arguments)
    assert caught.value.field == field


@both_ways
@pytest.mark.parametrize(
    ("kind", "name"),
    [
        (KyivstarSmsDeliveredSensor, "message_id"),
        (KyivstarViberDeliveredSensor, "message_id"),
        (KyivstarPromoFinishedSensor, "promo_id"),
    ],
)
def test_a_rendered_id_is_checked_before_anything_is_asked(
    telecom_simulator: Any, hook: Any, kind: Any, name: str, deferrable: bool
) -> None:
    sensor = waiting(kind, deferrable, **{name: "{{ params.id }}"})
    with pytest.raises(TelecomInputError, match=name):
        Run().execute(sensor, params={"id": "../token"})
    assert telecom_simulator.state.requests == []


@pytest.mark.parametrize(
    ("kind", "arguments"),
    [
        (KyivstarSmsDeliveredSensor, {"message_id": "{{ params.id }}"}),
        (KyivstarViberDeliveredSensor, {"message_id": "{{ params.id }}", "until": "seen"}),
        (KyivstarPromoFinishedSensor, {"promo_id": "{{ params.id }}", "min_delivered_percent": 95}),
    ],
)
def test_starting_from_the_trigger(kind: Any, arguments: dict[str, Any]) -> None:
    with DAG("dag", schedule=None):
        sensor = kind(task_id="wait", start_from_trigger=True, **arguments)
    assert sensor.start_from_trigger
    kwargs = sensor.start_trigger_args.trigger_kwargs
    assert {name: kwargs[name] for name in arguments} == {
        name: str(value) if name == "min_delivered_percent" else value for name, value in arguments.items()
    }
