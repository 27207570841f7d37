"""What is checked, built or read for hundreds of messages at once is the same as one by one."""

from __future__ import annotations

import json
import random
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.calls import responses as shared
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.transport.wire import encode_request
from airflow_provider_telecom.vendors.ketchup_loyalty import sms
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    IndividualSms,
    Recipient,
    SendResult,
    SmsColumns,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import content, results
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.results import batch_result_reader
from tests.vendors.ketchup_loyalty.by_hand import ScriptedApi, answer, first_request

COUNT = 30
KEYS = [f"r{place}" for place in range(COUNT)]
ITEMS = [
    {"reference": key, "id": str(1000 + place), "error": "0", "price": "0.02", "currency": "EUR"}
    for place, key in enumerate(KEYS)
]
WHOLE = {"result": ITEMS, "error": "0", "totalprice": "0.60", "currency": "EUR", "task_id": "21902"}
COMPACT = (",", ":")
BODY = json.dumps(WHOLE, separators=COMPACT)


def outcome(act: Callable[[], Any]) -> Any:
    try:
        return act()
    except TelecomError as error:
        return type(error), str(error), error.code


def both(act: Callable[[], Any]) -> tuple[Any, Any]:
    """Return what an action does, and what it does if each item is checked and read alone."""
    at_once = outcome(act)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(shared, "_FEW_KEYS", 10**9)
        patch.setattr(content, "_is_plain_batch", lambda *_: False)
        patch.setattr(results, "_read_accepted", lambda *_: None)
        patch.setattr(results, "_all_accepted", lambda *_: None)
        patch.setattr(sms, "_are_checked", lambda *_: False)
        return at_once, outcome(act)


def read_both(body: str, status: int = 200) -> tuple[Any, Any]:
    return both(lambda: batch_result_reader(KEYS)(answer(body, status)))


def test_an_ordinary_response_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(results, "read_batch", None)
    found = batch_result_reader(KEYS)(answer(BODY))
    assert [one.reference for one in found.results] == KEYS
    assert found.results[7] == SendResult("r7", "1007", Decimal("0.02"), "EUR", task_id="21902")
    assert (found.total_price, found.currency, found.task_ids) == (Decimal("0.60"), "EUR", ["21902"])


def test_a_response_with_further_fields_is_read_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "_STRICT", None)
    monkeypatch.setattr(content, "strip_blanks", None)
    monkeypatch.setattr(results, "_result_of", None)
    body = json.dumps({**WHOLE, "result": [{**item, "more": None} for item in ITEMS]}, separators=COMPACT)
    found = batch_result_reader(KEYS)(answer(body))
    assert [one.reference for one in found.results] == KEYS
    assert found.task_ids == ["21902"]


CHANGES: dict[str, dict[str, Any]] = {
    "another key": {"reference": "x"},
    "a key in capitals": {"reference": "R7"},
    "the key of another": {"reference": "r8"},
    "no key": {"reference": None},
    "a number as key": {"reference": 7},
    "blanks around": {"reference": " r7 ", "id": "\t1007 "},
    "a tab in an id": {"id": "\t1007"},
    "wide blank in an id": {"id": "\u20031007"},
    "blank id": {"id": ""},
    "id as number": {"id": 1007},
    "the id of another": {"id": "1008"},
    "id is a list": {"id": ["1007"]},
    "no code": {"error": None},
    "code as number": {"error": 0},
    "code of two zeros": {"error": "00"},
    "refused": {"error": "21", "errorDescription": "Wrong: number", "id": None},
    "refused with all fields": {"error": "21"},
    "known": {"error": "23", "errorDescription": "уже есть", "id": None},
    "price as number": {"price": 0.02},
    "no price": {"price": ""},
    "another price": {"price": "1e3"},
    "price is no number": {"price": "NaN"},
    "price is a text": {"price": "free"},
    "price is a list": {"price": [1]},
    "price is an object": {"price": {"a": {"b": 1}}},
    "no currency": {"currency": ""},
    "currency is true": {"currency": True},
    "more": {"more": {"result": [1, {"a": "b:c"}]}, " x ": " y "},
    "another list": {"messages": []},
    "half of a pair": {"currency": "\ud83d"},
}


@pytest.mark.parametrize("change", CHANGES)
@pytest.mark.parametrize(
    "form",
    [
        {"separators": COMPACT},
        {"separators": COMPACT, "ensure_ascii": False},
        {"ensure_ascii": False},
        {"indent": 1},
    ],
    ids=str,
)
def test_a_response_with_one_other_result(change: str, form: dict[str, Any]) -> None:
    items: list[dict[str, Any]] = [*ITEMS]
    items[7] = {name: value for name, value in {**items[7], **CHANGES[change]}.items() if value is not None}
    body = json.dumps({**WHOLE, "result": items}, **form).encode("utf-8", "replace").decode()
    at_once, alone = read_both(body)
    assert at_once == alone


OTHER_WHOLES: list[dict[str, Any]] = [
    {"error": "21", "errorDescription": "Wrong"},
    {"error": "23", "errorDescription": "exists"},
    {"error": ITEMS},
    {"error": ""},
    {"messages": ITEMS},
    {"messages": []},
    {"result": "none"},
    {"result": []},
    {"result": ITEMS[:-1]},
    {"result": [*ITEMS, ITEMS[0]]},
    {"result": ITEMS[::-1]},
    {"task_id": ""},
    {"task_id": []},
    {"task_id": 21902},
    {"totalprice": "free"},
    {"totalprice": []},
    {"totalprice": None, "total_price": "0.70"},
    {"currency": ITEMS},
]


@pytest.mark.parametrize("change", OTHER_WHOLES, ids=lambda change: "-".join(change))
@pytest.mark.parametrize("status", [200, 299, 302, 400, 401, 500])
def test_a_response_with_another_whole(change: dict[str, Any], status: int) -> None:
    whole = {name: value for name, value in {**WHOLE, **change}.items() if value is not None}
    at_once, alone = read_both(json.dumps(whole, separators=COMPACT), status)
    assert at_once == alone


@pytest.mark.parametrize("keys", [[*KEYS[:-1], None], [*KEYS[:-1], "r0"], KEYS[::-1], KEYS[1:], []], ids=len)
def test_a_response_about_other_keys(keys: list[str | None]) -> None:
    at_once, alone = both(lambda: batch_result_reader(keys)(answer(BODY)))
    assert at_once == alone


@pytest.mark.parametrize("last", ["r0", "R0"])
def test_a_response_about_a_key_that_was_given_twice(last: str) -> None:
    keys = [*KEYS[:-1], last]
    items = [{**item, "reference": key} for key, item in zip(keys, ITEMS, strict=True)]
    body = json.dumps({**WHOLE, "result": items}, separators=COMPACT)
    at_once, alone = both(lambda: batch_result_reader(keys)(answer(body)))
    assert at_once == alone


@pytest.mark.parametrize(
    "change",
    [
        lambda body: body.replace('"id":"1007"', '"id":"1007","id":"9"'),
        lambda body: body.replace('"task_id"', '"error":"0","task_id"'),
        lambda body: body.replace('"id":"1007"', '"id" :"1007","id":"9"'),
        lambda body: body.replace('"id":"1007"', '"id":"1007","":":","":"9"'),
        lambda body: body.replace('"id":"1007"', '"id":"1\\u003a007"'),
        lambda body: body.replace('"error":"0","totalprice"', '"error":"21","totalprice"'),
        lambda body: f"[{body}]",
        lambda body: body.replace('"EUR"', "NaN", 1),
        lambda body: body.replace('"0.60"', "1e999999999"),
        lambda body: body.replace('"task_id":"21902"', '"deep":' + 900 * "[" + 900 * "]"),
        lambda body: body[:-1],
        lambda body: body.replace("0", "\u0660"),
    ],
)
def test_a_response_with_another_text(change: Callable[[str], str]) -> None:
    body = change(BODY)
    assert body != BODY
    at_once, alone = read_both(body)
    assert at_once == alone


@given(st.integers())
def test_a_damaged_response(seed: int) -> None:
    chance = random.Random(seed)
    body = BODY
    for _ in range(chance.randint(1, 3)):
        place, length = chance.randrange(len(body)), chance.choice((0, 0, 1, 2, 12))
        inserted = chance.choice(('"', " ", ":", ",", "{", "}", "[", "]", "\\", "0", "é", '"a":1,', '" ', ""))
        body = body[:place] + inserted + body[place + length :]
    at_once, alone = read_both(body)
    assert at_once == alone


NUMBERS = st.sampled_from([
    "380670000200",
    "380670000201",
    "+380670000202",
    "0670000203",
    380670000204,
    "79000000000",
    "7",
    "",
    None,
    "380670000205\n380670000206",
    "380670000207\n",
    "48500000000",
    True,
])
REFERENCES = st.sampled_from(["a", "b", "c_1", "x" * 32, "x" * 33, "", "a b", "é", "٣", "a\n", None, 5])
TEXTS = st.sampled_from([
    *("Hi", "Привіт", " ", "", "\ud83d", "a\nb", None, 5),
    *('","body":"', '"}]', "\\", '\\"', "\x00\x1f\x7f", "\u2028", "\U0001f600", "%s{}", "t"),
])
SENDERS = st.sampled_from([None, "test", "Shop", "x" * 15, "", 5, ["a"]])
FEW = {"min_size": 1, "max_size": 4}


@given(st.lists(st.builds(IndividualSms, NUMBERS, TEXTS, REFERENCES, SENDERS), **FEW))
def test_bodies_of_individual_sms(messages: list[IndividualSms]) -> None:
    at_once, alone = both(lambda: body_of(ScriptedApi().send_individual_sms(messages)))
    assert at_once == alone


@given(st.lists(st.builds(IndividualSms, NUMBERS, TEXTS, REFERENCES, SENDERS), **FEW))
def test_bodies_of_individual_sms_by_columns(messages: list[IndividualSms]) -> None:
    columns = SmsColumns(*zip(*messages, strict=True))
    assert list(columns) == messages
    for call in ("send_individual_sms", "price_individual_sms"):
        send = getattr(ScriptedApi(), call)
        assert outcome(lambda send=send: body_of(send(columns))) == outcome(
            lambda send=send: body_of(send(messages))
        )


@given(st.lists(st.builds(Recipient, NUMBERS, REFERENCES), **FEW))
def test_bodies_of_sms_to_many(recipients: list[Recipient]) -> None:
    at_once, alone = both(lambda: body_of(ScriptedApi().send_sms_to_many(recipients, "Hi")))
    assert at_once == alone


def body_of(call: Any) -> str:
    content = encode_request(first_request(call), "https://example.com").content
    assert content is not None
    return content.decode()
