"""Requests, responses, errors, numbers and checks, with values."""

from __future__ import annotations

import pickle
import random
from datetime import datetime
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.calls import checks, errors, phone, responses
from airflow_provider_telecom.calls.endpoint import Page, all_pages
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomError, TelecomInputError
from airflow_provider_telecom.calls.limits import AccountLimits, parse_rate_limit
from airflow_provider_telecom.calls.privacy import Secret, mask_number
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Request, Response
from airflow_provider_telecom.calls.responses import mentions_failure, raise_for_status, read_json, to_model
from airflow_provider_telecom.calls.segments import sms_segments
from tests.by_hand import drive


def request(**facts: Any) -> Request:
    return Request("GET", "/sms/{message_id}", Idempotency.READ, **facts)


def test_an_id_is_quoted() -> None:
    assert request(ids={"message_id": "a:b+c"}).url("https://h/x/") == "https://h/x/sms/a%3Ab%2Bc"
    assert request(ids={"message_id": 7}, query={"q": "ї&"}).url("https://h") == "https://h/sms/7?q=%D1%97%26"


@pytest.mark.parametrize(
    "bad", ["", "..", ".", "a/b", "a?b", "a#b", "a b", "a\r\nb", "%2e%2e", "x" * 129, "ї"]
)
def test_an_id_that_could_change_the_path_is_refused(bad: str) -> None:
    with pytest.raises(TelecomInputError, match="message_id"):
        request(ids={"message_id": bad}).url("https://h")


def test_requests_and_answers_do_not_show_their_content() -> None:
    secret = "380670000200 hush"
    shown = [
        repr(request(ids={"message_id": secret}, query={"t": secret}, headers={"Authorization": secret})),
        repr(Json({"text": secret})),
        repr(Form({"text": secret})),
        repr(Response(200, {"x": secret}, secret.encode())),
        repr(Secret(secret)),
    ]
    assert not [text for text in shown if secret in text]


def test_a_secret_is_not_pickled() -> None:
    with pytest.raises(TypeError):
        pickle.dumps(Secret("x"))


@pytest.mark.parametrize(
    "kind",
    [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, TelecomError)],
)
def test_errors_survive_pickling(kind: type[TelecomError]) -> None:
    error = (
        kind("field", "rule")
        if kind is TelecomInputError
        else kind("text", call="GET /x", status=429, code="11", retry_after=2.5)
    )
    again = pickle.loads(pickle.dumps(error))
    assert type(again) is kind
    assert (str(again), again.__dict__) == (str(error), error.__dict__)


def test_an_input_error_is_a_value_error_that_names_field_and_rule() -> None:
    error = TelecomInputError("days", "must be 1 to 120", shown="121")
    assert isinstance(error, ValueError)
    assert str(error) == "days: 121: must be 1 to 120"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b'{"a": 1, "a": 2}',
        b'{"a": NaN}',
        b"[Infinity]",
        b"[" * 100_000,
        b"1" * 5000,
        "{}".encode("utf-16"),
        rb'["\ud8"]',
        rb'["\ud83d\ude0"]',
    ],
    ids=lambda body: repr(body[:12]),
)
def test_bodies_that_are_not_strict_json_are_refused_without_being_shown(body: bytes) -> None:
    with pytest.raises(TelecomAnswerError) as caught:
        read_json(body)
    assert caught.value.length == len(body)
    assert len(caught.value.sha256) == 64
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__


def test_money_is_never_a_float() -> None:
    assert read_json(b'\xef\xbb\xbf{"price": 0.1}') == {"price": Decimal("0.1")}


@pytest.mark.parametrize(
    ("written", "read"),
    [
        (r"a\ud83d", "a\ufffd"),
        (r"\uDE00b", "\ufffdb"),
        (r"\ud83d\ud83d\ude00", "\ufffd\U0001f600"),
        (r"\uD83D\uDE00", "\U0001f600"),
        (r"\ude00\ud83d", "\ufffd\ufffd"),
        (r"\\ud83d", r"\ud83d"),
        (r"\\\ud83d", "\\\ufffd"),
        (r"\u0457\n\"", 'ї\n"'),
    ],
)
def test_half_a_surrogate_pair_is_replaced(written: str, read: str) -> None:
    """The response to a paid call must stay readable, and Airflow's database rejects unpaired surrogates."""
    found = read_json(f'{{"a": ["{written}"], "{written}": 1}}'.encode())
    assert found == {"a": [read], read: 1}
    assert to_model(str, found["a"][0]) == read


def test_a_model_error_names_fields_only() -> None:
    with pytest.raises(TelecomAnswerError) as caught:
        to_model(list[int], ["380670000200 secret"], b"body")
    assert "380670000200" not in str(caught.value)
    assert "0" in str(caught.value)


def test_a_redirect_is_not_followed() -> None:
    with pytest.raises(errors.TelecomRedirectError):
        raise_for_status(
            Response(302, {"location": "https://evil.example"}), lambda: pytest.fail("not asked")
        )


@pytest.mark.parametrize(
    ("written", "canonical"),
    [
        ("380670000200", "380670000200"),
        ("+380670000200", "380670000200"),
        ("+380 (67) 000-02-00", "380670000200"),
        ("0670000200", "380670000200"),
        (380670000200, "380670000200"),
        ("+380441111111", "380441111111"),
        ("79000000000", "79000000000"),
        ("+77000000000", "77000000000"),
    ],
)
def test_numbers_come_in_any_common_form(written: str | int, canonical: str) -> None:
    assert phone.e164(written) == canonical


@pytest.mark.parametrize(
    "bad", ["", "38067", "３８０670000200", "38067000020O", "380670000200;1", "+380670000200000", "abc"]
)
def test_a_wrong_number_is_refused_by_name_and_not_shown_whole(bad: str) -> None:
    with pytest.raises(TelecomInputError, match=r"^to: ") as caught:
        phone.e164(bad, field="to")
    assert len(bad) <= 7 or bad not in str(caught.value)


@pytest.mark.parametrize("code", range(30, 100))
def test_ukrainian_numbers_without_a_country_code(code: int) -> None:
    """The fast way to read them does what the numbering plans do."""
    for number in (f"0{code}0000000", f"0{code}1234567", f"0{code}9999999"):
        try:
            expected = phone._by_numbering_plan(number, "UA", "msisdn")
        except TelecomInputError:
            expected = None
        assert phone.e164_or_none(number, "UA") == expected


def test_russian_numbers_are_read_in_their_region() -> None:
    assert phone.e164("89000000000", "RU") == phone.e164("9000000000", "RU") == "79000000000"


@given(st.integers(0, 9_999_999), st.sampled_from(["50", "67", "68", "97", "99"]))
def test_ukrainian_numbers_round_trip_in_every_form(number: int, operator: str) -> None:
    canonical = f"380{operator}{number:07d}"
    assert {phone.e164(form) for form in (canonical, phone.with_plus(canonical), canonical[2:])} == {
        canonical
    }


@given(st.integers(900_000_0000, 999_999_9999))
@example(930_065_0000)  # of a mobile code, and not in the numbering plan
def test_russian_numbers_round_trip_in_every_form(number: int) -> None:
    canonical = f"7{number}"
    forms = (phone.without_country_code(canonical), phone.as_dialled_in_russia(canonical), canonical)
    assert {phone.e164(form, "RU") for form in forms} == {canonical}


def test_abroad_is_dialled_with_810() -> None:
    assert phone.as_dialled_in_russia("380670000200") == "810380670000200"


def test_a_number_in_a_log_keeps_its_ends() -> None:
    assert mask_number("380670000267") == "38067*****67"
    assert mask_number("12345") == "*****"


@pytest.mark.parametrize(
    ("text", "segments"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("ї" * 70, 1),
        ("ї" * 71, 2),
        ("ї" * 135, 3),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("😀" * 35, 1),
        ("😀" * 36, 2),
    ],
    ids=lambda value: str(value)[:3],
)
def test_segments_follow_the_alphabet(text: str, segments: int) -> None:
    assert sms_segments(text) == segments


@pytest.mark.parametrize(
    "wrong",
    [
        lambda: checks.in_range("days", 121, 1, 120),
        lambda: checks.in_range("days", True, 1, 120),
        lambda: checks.in_range("days", "7", 1, 120),  # type: ignore[arg-type]
        lambda: checks.in_range("days", 16, 15, 25, 5),
        lambda: checks.one_of("days", "x", ["a", "b"]),
        lambda: checks.non_blank("days", "  "),
        lambda: checks.non_blank("days", "abcd", 3),
        lambda: checks.matching("days", "a-b", "[a-z]+", "only letters"),
        lambda: checks.non_empty("days", []),
        lambda: checks.non_empty("days", "abc"),
        lambda: checks.non_empty("days", [1, 2, 3], 2),
        lambda: checks.aware_datetime("days", datetime(2026, 1, 1)),
    ],
)
def test_a_check_names_the_field(wrong: Any) -> None:
    with pytest.raises(TelecomInputError) as caught:
        wrong()
    assert caught.value.field == "days"
    assert caught.value.rule


def test_a_rate_becomes_spacing() -> None:
    assert (parse_rate_limit("10/s"), parse_rate_limit("600/m"), parse_rate_limit(" 2 / h ")) == (
        0.1,
        0.1,
        1800,
    )
    for bad in ("0/s", "10", "10/d", "-1/s", "x/s"):
        with pytest.raises(TelecomInputError, match="rate_limit"):
            parse_rate_limit(bad)


def test_turns_are_spaced_for_all_callers_together() -> None:
    now = [100.0]
    limits = AccountLimits(spacing=0.1, clock=lambda: now[0])
    assert [round(limits.reserve_turn(), 3) for _ in range(3)] == [0, 0.1, 0.2]
    now[0] += 1
    assert limits.reserve_turn() == 0


def test_all_pages_are_read() -> None:
    def page(number: int) -> Any:
        items = yield number
        return Page(items, (lambda: page(number + 1)) if items else None)

    _, items = drive(all_pages(page(0)), [[1, 2], [3], []])
    assert items == [1, 2, 3]


@pytest.mark.parametrize(
    ("value", "mentions"),
    [
        ({"error": "no"}, True),
        ({"a": [{"b": {"errors": [1]}}]}, True),
        ({"Error_Code": "7"}, True),
        ({"errorMessage": "no"}, True),
        ({"success": False}, True),
        ({"success": "false"}, True),
        ({"isSuccess": 0}, True),
        ({"status": "Failed"}, True),
        ({"failed": [1]}, True),
        ({"ошибка": "нет"}, True),
        ({"error": None, "errors": [], "errorCode": 0, "fault": "", "failed": {}, "exception": False}, False),
        ({"error": {"errorCode": "0", "errorMessage": ""}}, False),
        ({"success": True, "ok": "ok"}, False),
        ({"status": "wait", "state": 3, "default": "x", "failed_logins": 3, "terror": 1}, False),
        (["error", {"a": "failed"}, 1, None], False),
    ],
)
def test_what_mentions_a_failure(value: object, mentions: bool) -> None:
    assert mentions_failure(value) is mentions


HOSTILE_JSON = (
    *(
        "0",
        "-0",
        "7",
        "-1",
        "1.5",
        "-0.0",
        "1e3",
        "1E-7",
        "1e400",
        "1e999",
        "0.10",
        "01",
        "1.",
        "+1",
        "-",
        "NaN",
        "tru",
    ),
    *(
        "9223372036854775808",
        "18446744073709551616",
        "-9223372036854775809",
        "9" * 400,
        "9" * 4300,
        "9" * 4301,
    ),
    *(
        "null",
        "true",
        "false",
        '""',
        '"a"',
        '"\\u0041"',
        '"\\ud83d\\ude00"',
        '"\\ud800"',
        '"\\ude00"',
        '"\\x"',
        '"\\u00g0"',
    ),
    *(
        '"\t"',
        '"\x00"',
        '"\x7f"',
        '"\u2028"',
        '"\ufeff"',
        '":"',
        '"\\""',
        '"\\\\"',
        "[]",
        "{}",
        '{"b":1}',
        '{"b":1,"b":2}',
    ),
    *(
        "[1,]",
        "[,]",
        '{"b":1,}',
        "{1:2}",
        "'a'",
        "Infinity",
        "-Infinity",
        "[" * 2000 + "]" * 2000,
        "1 2",
        "/**/1",
    ),
)


@settings(max_examples=300, deadline=None)
@given(seed=st.integers(0, 2**32))
def test_large_json_is_read_as_the_strict_reader_reads_it(seed: int) -> None:
    dice = random.Random(seed)
    rate = dice.choice([0, 0.01, 0.1])
    usual = [one for one in HOSTILE_JSON[:5] if one != "01"] + ['"a"', "null", '{"b":1}']
    values = [dice.choice(HOSTILE_JSON if dice.random() < rate else usual) for _ in range(60)]
    keys = [f"k{number}" if dice.random() > rate / 10 else "k0" for number in range(60)]
    gap = dice.choice(["", " ", "\n\t", "\x0b"] if dice.random() < rate else ["", " "])
    body = "{" + ",".join(f'"{key}":{gap}{value}' for key, value in zip(keys, values, strict=True)) + "}"

    def read() -> str:
        try:
            return repr(read_json(body.encode("utf-8", "surrogatepass")))
        except TelecomAnswerError as error:
            return str(error)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(responses, "_FEW_KEYS", 10)
        at_once = read()
        patch.setattr(responses, "_FEW_KEYS", 10**9)
        assert at_once == read()
