"""A budget and quiet hours: what is reserved at the beginning is kept while the task waits for a window."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any

import pytest
from airflow.sdk.execution_time import task_runner

from airflow_provider_telecom.bulk.budget_store import read_claim, valid_claims
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.campaigns import Budget
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpSendBulkSmsOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom import KyivstarCreatePromoOperator
from tests.bulk.variables import Variables
from tests.operators.fake_clock import World, one_try
from tests.running import Run

PEOPLE = [
    {"msisdn": "380670000201", "tz": "Europe/Kyiv"},
    {"msisdn": "380670000202", "tz": "Europe/Lisbon"},
    {"msisdn": "380670000203", "tz": "Asia/Kamchatka"},
]
SENDS: dict[str, tuple[type[Any], dict[str, Any], str]] = {
    "sms": (KetchUpSendBulkSmsOperator, {"originator": "Shop"}, "EUR"),
    "promo": (KyivstarCreatePromoOperator, {"start": True, "price_per_message": "0.02"}, "UAH"),
}


@pytest.fixture
def world(
    fake_clock: World, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> tuple[World, Variables]:
    variables = Variables()
    monkeypatch.setattr(task_runner, "SUPERVISOR_COMMS", variables, raising=False)
    for vendor in ("ketchup_loyalty", "kyivstar_open_telecom"):
        hook_for(vendor)
    fake_clock.at = datetime(2026, 12, 1, 5, tzinfo=UTC)  # open in Kamchatka only
    return fake_clock, variables


def send(name: str, cap: str) -> Any:
    operator, arguments, currency = SENDS[name]
    return operator(
        task_id="send",
        recipients=PEOPLE,
        text="Hi",
        quiet_hours=("21:00", "09:00"),
        timezone_column="tz",
        deferrable=True,
        budget=Budget("night", currency, per_day=cap),
        **arguments,
    )


@pytest.mark.parametrize("name", SENDS)
def test_one_reservation_for_all_windows(
    telecom_simulator: Any, world: tuple[World, Variables], name: str
) -> None:
    clock, variables = world
    one_try(Run(), send(name, "0.06"), clock)
    assert clock.waits == 2
    asked = [claim for key in variables.values if (claim := read_claim(key)) and claim.state == "a"]
    assert [claim.amount for claim in asked] == [Decimal("0.06")]
    (valid,) = valid_claims(variables.values)
    assert (valid.state, valid.amount) == ("s", Decimal("0.06"))


@pytest.mark.parametrize("name", SENDS)
def test_all_windows_together_are_refused(
    telecom_simulator: Any, world: tuple[World, Variables], name: str
) -> None:
    clock, _ = world
    with pytest.raises(TelecomInputError, match=r"has 0\.05 (EUR|UAH) left of per_day"):
        one_try(Run(), send(name, "0.05"), clock)
    ledger = telecom_simulator.state.ledger
    assert not ledger.of("ketchup_loyalty", "sms")
    assert not ledger.of("kyivstar_open_telecom", "promo_started")
