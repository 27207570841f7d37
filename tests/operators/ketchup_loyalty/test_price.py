"""Asking KetchUp what something costs: nothing is sent, money stays exact."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotFoundError,
    TelecomRejectedError,
)
from airflow_provider_telecom.operators.ketchup_loyalty import KetchUpPriceOperator
from tests.operators.ketchup_loyalty.evidence import shown
from tests.running import Run

A, B, POLISH = "380670000201", "380670000202", "48500000000"


def price(**arguments: Any) -> Any:
    return Run().execute(KetchUpPriceOperator(task_id="price", **arguments))


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("ketchup_loyalty", originator="test", viber_sender="Shop")


@pytest.mark.parametrize(("kind", "amount"), [("sms", "0.07"), ("viber", "0.04")])
@pytest.mark.parametrize("chunk_size", [1, 2, 500])
def test_a_rehearsal(telecom_simulator: Any, kind: Any, amount: str, chunk_size: int) -> None:
    found = price(kind=kind, msisdns=[A, B, POLISH, A], text="Hi", chunk_size=chunk_size)
    assert found == {"kind": kind, "messages": 3, "duplicates": 1, "price": amount, "currency": "EUR"}
    assert telecom_simulator.state.ledger.effects == []


@pytest.mark.parametrize(
    ("kind", "tariff", "asked", "amount"),
    [
        ("sms", None, "/sms/prices/0", "0.02"),
        ("viber", 3, "/viber/prices/3", "0.01"),
        ("hlr", None, "/hlr/prices/9", "0.002"),
    ],
)
def test_a_price_list(telecom_simulator: Any, kind: Any, tariff: int | None, asked: str, amount: str) -> None:
    found = price(kind=kind, tariff=tariff)
    assert len(found["prices"]) == 6
    assert telecom_simulator.state.requests[-1].path.endswith(asked)
    ukraine = {"country": "UA", "country_name": "Ukraine", "mcc": "255", "price": amount, "currency": "EUR"}
    assert price(kind=kind, country="{{ 'ua' }}") == {"kind": kind, "prices": [ukraine]}


def test_a_country_without_a_price() -> None:
    with pytest.raises(TelecomNotFoundError, match="XX"):
        price(country="XX")


def test_a_tariff_that_is_not_active(telecom_simulator: Any) -> None:
    from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

    telecom_simulator.state.vendor_state("ketchup_loyalty", VendorState).inactive_tariffs.add(5)
    with pytest.raises(TelecomRejectedError, match="vendor code 9"):
        price(tariff=5)


def test_prices_of_several_currencies_are_not_added_up(telecom_simulator: Any) -> None:
    telecom_simulator.fault(
        "body", "ketchup_loyalty", path="/sms/price$", body='{"totalprice": "1", "currency": "USD"}'
    )
    with pytest.raises(TelecomInputError, match="EUR, USD"):
        price(msisdns=[A, B], text="Hi", chunk_size=1)


@pytest.mark.parametrize(
    ("field", "arguments"),
    [
        ("kind", {"kind": "mms"}),
        ("text", {"msisdns": [A]}),
        ("text", {"text": "Hi"}),
        ("text", {"msisdns": [A], "text": " "}),
        ("msisdns", {"kind": "hlr", "msisdns": [A], "text": "Hi"}),
        ("country", {"msisdns": [A], "text": "Hi", "country": "UA"}),
        ("tariff", {"tariff": 10}),
        ("chunk_size", {"chunk_size": 0}),
    ],
)
def test_what_is_refused_when_the_dag_is_parsed(field: str, arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError) as caught:
        KetchUpPriceOperator(task_id="price", **arguments)
    assert caught.value.field == field


def test_what_is_refused_before_anything_is_asked(telecom_simulator: Any) -> None:
    for field, arguments in (
        ("msisdns", {"msisdns": [], "text": "Hi"}),
        ("text", {"msisdns": [A], "text": "{{ '' }}"}),
    ):
        with pytest.raises(TelecomInputError) as caught:
            price(**arguments)
        assert caught.value.field == field
    assert telecom_simulator.state.requests == []


def test_airflow_stores_neither_number_nor_text() -> None:
    operator, run = KetchUpPriceOperator(task_id="price", msisdns=[A], text="Your code is 1234"), Run()
    found = run.execute(operator)
    for private in (A, "1234"):
        assert private not in shown(operator, run, found)
