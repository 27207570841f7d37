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
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpPriceOperator,
    KetchUpSendSmsOperator,
    KetchUpSendViberOperator,
)
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


@pytest.mark.parametrize(("kind", "amount"), [("sms", "0.07"), ("viber", "0.04")])
@pytest.mark.parametrize("chunk_size", [1, 2, 500])
@pytest.mark.parametrize("form", [list, repr])
def test_individual_texts(telecom_simulator: Any, kind: Any, amount: str, chunk_size: int, form: Any) -> None:
    messages = [
        {"msisdn": A, "text": "Dear A"},
        {"msisdn": "067 000 02 02", "text": "Dear B", "originator": "other"},
        {"msisdn": POLISH, "text": "Drogi"},
        {"msisdn": A, "text": "Dear A"},
    ]
    found = price(kind=kind, messages=form(messages), chunk_size=chunk_size)
    assert found == {"kind": kind, "messages": 3, "duplicates": 1, "price": amount, "currency": "EUR"}
    assert telecom_simulator.state.ledger.effects == []


CONTENT: list[tuple[type[Any], dict[str, Any]]] = [
    (KetchUpSendSmsOperator, {"originator": "other"}),
    (KetchUpSendSmsOperator, {"validity_hours": 5}),
    (KetchUpSendSmsOperator, {"tariff": 7}),
    (KetchUpSendSmsOperator, {"schedule_at": "2126-07-01T12:00:00+03:00"}),
    (KetchUpSendViberOperator, {"sender": "Other"}),
    (KetchUpSendViberOperator, {"promotional": True}),
    (KetchUpSendViberOperator, {"image_url": "https://a.example/logo.png"}),
    (KetchUpSendViberOperator, {"caption": "Join us!", "action_url": "https://a.example"}),
    (KetchUpSendViberOperator, {"callback_url": "https://a.example/dlr"}),
    (KetchUpSendViberOperator, {"validity_seconds": 3600}),
    (KetchUpSendViberOperator, {"validity_seconds": 24, "allow_short_validity": True}),
    (KetchUpSendViberOperator, {"tariff": 7}),
    (KetchUpSendViberOperator, {"schedule_at": "2126-07-01T12:00:00+03:00"}),
]


def _named(value: Any) -> str:
    return ",".join(value) if isinstance(value, dict) else str(value.__name__)


@pytest.mark.parametrize(("sender", "content"), CONTENT, ids=_named)
def test_a_price_is_asked_for_with_what_would_be_sent(
    sender: type[Any], content: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    kind, number = ("sms", "msisdn") if sender is KetchUpSendSmsOperator else ("viber", "recipients")
    send = sender(task_id="send", **{number: A}, text="Hi", **content)
    priced = {("originator" if name == "sender" else name): value for name, value in content.items()}
    ask = KetchUpPriceOperator(task_id="price", kind=kind, msisdns=A, text="Hi", **priced)
    plain = KetchUpPriceOperator(task_id="plain", kind=kind, msisdns=A, text="Hi")
    sent, asked, other = (posted(operator, kind) for operator in (send, ask, plain))
    assert asked == sent != other


def posted(operator: Any, kind: str) -> Any:
    """Return the content that an operator posts, without recipients and their keys."""
    bodies = []
    transport = operator.hook._client().sync_transport._transport
    send = transport.send

    def recorded(request: Any) -> Any:
        bodies.append(request.body.value)
        return send(request)

    transport.send = recorded
    try:
        Run().execute(operator)
    finally:
        transport.send = send
    (body,) = bodies
    people = {"destination", "msisdn", "reference", "phones", "to"}
    content = {name: value for name, value in body.items() if name not in people}
    if kind == "viber":
        (message,) = content["messages"]
        content["messages"] = {name: value for name, value in message.items() if name not in people}
    return content


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
        ("messages", {"messages": [{"msisdn": A, "text": "Hi"}], "msisdns": [A], "text": "Hi"}),
        ("messages", {"messages": []}),
        ("messages", {"messages": "{'msisdn': 1}"}),
        ("messages", {"kind": "hlr", "messages": [{"msisdn": A, "text": "Hi"}]}),
        ("messages[0]", {"messages": [{"msisdn": A}]}),
        ("messages[1]", {"messages": [{"msisdn": A, "text": "Hi"}, {"msisdn": A, "text": "Hi", "txt": 1}]}),
        ("messages[0].text", {"messages": [{"msisdn": A, "text": " "}]}),
        ("country", {"messages": [{"msisdn": A, "text": "Hi"}], "country": "UA"}),
        ("validity_hours", {"msisdns": [A], "text": "Hi", "validity_hours": 73}),
        ("validity_hours", {"kind": "viber", "msisdns": [A], "text": "Hi", "validity_hours": 7}),
        ("image_url", {"msisdns": [A], "text": "Hi", "image_url": "https://a.example/a.png"}),
        ("schedule_at", {"schedule_at": "2126-07-01T12:00:00Z"}),
        ("schedule_at", {"msisdns": [A], "text": "Hi", "schedule_at": "soon"}),
        ("validity_seconds", {"kind": "viber", "msisdns": [A], "text": "Hi", "validity_seconds": 24}),
        ("action_url", {"kind": "viber", "msisdns": [A], "text": "Hi", "caption": "Buy"}),
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
        ("msisdn", {"messages": [{"msisdn": A, "text": "1"}, {"msisdn": A, "text": "2"}]}),
        ("msisdn", {"messages": "[{'msisdn': 'nobody', 'text': '1'}]"}),
    ):
        with pytest.raises(TelecomInputError) as caught:
            price(**arguments)
        assert caught.value.field == field
    assert telecom_simulator.state.requests == []


def test_airflow_stores_neither_number_nor_text() -> None:
    own = [{"msisdn": A, "text": "Your code is 1234"}]
    for arguments in ({"msisdns": [A], "text": "Your code is 1234"}, {"messages": own}):
        operator, run = KetchUpPriceOperator(task_id="price", **arguments), Run()
        found = run.execute(operator)
        for private in (A, "1234"):
            assert private not in shown(operator, run, found)
