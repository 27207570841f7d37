"""Sensors of NovaConnect's account: the balance, and unpaid bills."""

from __future__ import annotations

from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.sensors.novaconnect import (
    NovaConnectBalanceSensor,
    NovaConnectUnpaidBillsSensor,
)
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run, again

both_ways = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    return found


def balance(**arguments: Any) -> NovaConnectBalanceSensor:
    return NovaConnectBalanceSensor(**{"task_id": "wait", "poke_interval": 0.01, "timeout": 60, **arguments})


def bills(**arguments: Any) -> NovaConnectUnpaidBillsSensor:
    settings = {"task_id": "wait", "poke_interval": 0.01, "timeout": 60}
    return NovaConnectUnpaidBillsSensor(**{**settings, **arguments})


@both_ways
@pytest.mark.parametrize(
    "arguments",
    [
        {"below": "152300.51"},
        {"below": Decimal("152300.51")},
        {"above": 152300},
        {"below": 0, "balance": "preliminary_balance"},
        {"below": "{{ params.least }}"},
    ],
)
def test_the_balance_has_reached_it(arguments: dict[str, Any], deferrable: bool) -> None:
    found = Run().execute(balance(**arguments, deferrable=deferrable), params={"least": 200_000})
    assert (found["balance"], found["balance_raw"]) == ("152300.50", "152300.50 ₸")


@pytest.mark.parametrize("arguments", [{"below": "152300.50"}, {"above": "152300.50"}, {"below": "-1"}])
def test_the_balance_has_not_reached_it(arguments: dict[str, Any]) -> None:
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(balance(**arguments, timeout=0.01))


def test_the_balance_in_another_form(telecom_simulator: Any) -> None:
    telecom_simulator.state.set_switch("novaconnect.balance_comma", "on")
    found = Run().execute(balance(below="152300.51"))
    assert (found["balance"], found["balance_raw"]) == ("152300.50", "152 300,50 ₸")
    assert (found["preliminary_balance"], found["overdraft"]) == ("-4210.75", "100000.00")


@both_ways
def test_money_ends_while_it_waits(vendor_state: VendorState, deferrable: bool) -> None:
    vendor_state.company["balance"] = "4 999,99 ₸"
    found = Run().execute(balance(below=5000, deferrable=deferrable))
    assert (found["balance"], found["balance_raw"]) == ("4999.99", "4 999,99 ₸")


@both_ways
@pytest.mark.parametrize("text", ["1,234 ₸", "", None])
def test_a_balance_that_cannot_be_read_is_an_error(
    vendor_state: VendorState, text: str | None, deferrable: bool
) -> None:
    vendor_state.company["balance"] = text
    with pytest.raises(TelecomAnswerError, match="balance is missing, or no amount"):
        Run().execute(balance(below=5000, deferrable=deferrable, tolerated_errors=1))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "below"),
        ({"below": 1, "above": 2}, "below"),
        ({"below": "much"}, "below"),
        ({"above": "NaN"}, "above"),
        ({"below": True}, "below"),
        ({"below": 1, "balance": "overdraft"}, "balance"),
    ],
)
def test_bad_balances_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        balance(**arguments)
    assert caught.value.field == field


@both_ways
def test_unpaid_bills(vendor_state: VendorState, deferrable: bool) -> None:
    found = Run().execute(bills(deferrable=deferrable))
    costs = [Decimal(str(vendor_state.bills[bill].cost)) for bill in (505, 506)]
    assert found["unpaid_bill_ids"] == [505, 506]
    assert Decimal(found["unpaid_cost_eur"]) == sum(costs)
    assert Run().execute(bills(older_than_days=20, deferrable=deferrable))["unpaid_bill_ids"] == [505]
    assert Run().execute(bills(bill_ids="[506]", deferrable=deferrable))["unpaid_bill_ids"] == [506]


@both_ways
def test_all_bills_are_paid(vendor_state: VendorState, deferrable: bool) -> None:
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(bills(until="all_paid", timeout=0.01))
    vendor_state.bills[506].paided = vendor_state.now()
    found = Run().execute(bills(until="all_paid", bill_ids=[501, 506], deferrable=deferrable))
    assert found == {"unpaid_bill_ids": [], "unpaid_cost_eur": "0"}
    vendor_state.bills[505].paided = vendor_state.now()
    assert Run().execute(bills(until="all_paid"))["unpaid_bill_ids"] == []
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(bills(timeout=0.01))


@both_ways
def test_a_bill_that_there_is_not(deferrable: bool) -> None:
    with pytest.raises(TelecomFailedError, match=r"unknown_bill_ids: \[7\]"):
        Run().execute(bills(bill_ids=[7, 506], deferrable=deferrable))


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"until": "late"}, "until"),
        ({"bill_ids": []}, "bill_ids"),
        ({"older_than_days": -1}, "older_than_days"),
        ({"older_than_days": "few"}, "older_than_days"),
    ],
)
def test_bad_bills_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        bills(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    "sensor", [balance(below=Decimal("5.50"), start_from_trigger=True), bills(start_from_trigger=True)]
)
def test_they_start_from_the_trigger(sensor: Any) -> None:
    assert sensor.start_from_trigger
    trigger = again(TelecomPollTrigger(**sensor.start_trigger_args.trigger_kwargs))
    assert getattr(trigger, "below", "5.50") == "5.50"
