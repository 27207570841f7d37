"""What is made of KetchUp's answers: results, statuses, prices, error codes, and their quirks."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Response, Unknown
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    HlrQuery,
    HlrState,
    MessageState,
    MessageStatus,
    Recipient,
    SendResult,
    ViberMessage,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import single
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpTimeError
from tests.by_hand import drive
from tests.vendors.ketchup_loyalty.by_hand import FINE, KEY, A, B, ScriptedApi, answer, asked, result_of

TWO = [Recipient(A, "r1"), Recipient(B, "r2")]
VIBERS = [ViberRecipient(A, "r1"), ViberRecipient(B, "r2")]
QUERIES = [HlrQuery(A, "r1"), HlrQuery(B, "r2")]
STATUS = {"error": "0", "msisdn": A, "reference": "r1", "status": "delivered"}
FIRST = {"reference": "r1", "id": "12345", "error": "0", "price": "0.02", "currency": "EUR"}
SECOND = {"reference": "r2", "id": "12346", "error": "0", "price": "0.02", "currency": "EUR"}
BATCH = {
    "result": [FIRST, SECOND],
    "error": "0",
    "totalprice": "0.04",
    "currency": "EUR",
    "task_id": "21902",
}


def sms(*answers: Any) -> Any:
    return result_of(ScriptedApi().send_sms(A, "Hi", reference="r1"), *answers)


def many(*answers: Any) -> BatchResult:
    batch: BatchResult = result_of(ScriptedApi().send_sms_to_many(TWO, "Hi"), *answers)
    return batch


def viber(*answers: Any, without_keys: bool = False) -> BatchResult:
    recipients = [ViberRecipient(A), ViberRecipient(B)] if without_keys else VIBERS
    batch: BatchResult = result_of(
        ScriptedApi().send_viber(recipients, "Hi", without_keys=without_keys), *answers
    )
    return batch


def error(code: Any, text: str = "") -> dict[str, Any]:
    return {"error": code, "errorDescription": text}


# --- results of sending


def test_one_sms_is_accepted() -> None:
    assert sms(FINE) == SendResult("r1", "22125", Decimal("0.02"), "EUR")


def test_many_come_in_the_order_asked() -> None:
    batch = many({**BATCH, "result": [SECOND, FIRST]})
    assert [(one.reference, one.id) for one in batch.results] == [("r1", "12345"), ("r2", "12346")]
    assert (batch.total_price, batch.currency, batch.task_id) == (Decimal("0.04"), "EUR", "21902")


def test_single_recipients_are_refused_while_the_whole_succeeds() -> None:
    refused = {"reference": "r2", **error("21", "Incorrect msisdn")}
    batch = many({**BATCH, "result": [FIRST, refused], "totalprice": "0.02"})
    good, bad = batch.results
    assert good.accepted
    assert (bad.accepted, bad.code, bad.id, bad.duplicate, bad.throttled) == (False, "21", None, False, False)


def test_a_recipient_that_meets_too_much_haste_may_be_sent_later() -> None:
    late = {"reference": "r2", **error("11", "Maximum number of messages exceeded")}
    assert many({**BATCH, "result": [FIRST, late]}).results[1].throttled
    wrong = {"reference": "r2", **error("11", "Incorrect msisdn")}
    assert not many({**BATCH, "result": [FIRST, wrong]}).results[1].throttled


def test_results_without_a_key_stand_where_their_recipient_stood() -> None:
    batch = many({**BATCH, "result": [FIRST, error("21", "Incorrect msisdn")]})
    assert [(one.reference, one.code) for one in batch.results] == [("r1", None), ("r2", "21")]


@pytest.mark.parametrize(
    "results",
    [
        [],
        [FIRST],
        [FIRST, SECOND, FIRST],
        [FIRST, FIRST],
        [{"error": "0", "id": "1"}, FIRST],
        ["12345", "12346"],
        [FIRST, {"reference": "r2"}],
        [FIRST, {**SECOND, "price": "cheap"}],
        [FIRST, {**SECOND, "price": "NaN"}],
        [FIRST, {"result": [SECOND]}],
        None,
    ],
)
def test_results_that_do_not_match_are_an_unknown_outcome(results: Any) -> None:
    call = ScriptedApi().send_sms_to_many(TWO, "Hi")
    body = {**BATCH, "result": results}
    with pytest.raises(TelecomUnknownError, match="the response cannot be read"):
        asked(call, body, None, body, None, body, None, body)


@pytest.mark.parametrize("body", [{}, [], "{}", '"ok"', "", "<html></html>", {"message": "Maintenance"}])
def test_row_10_an_answer_without_what_is_expected_is_no_success(body: Any) -> None:
    with pytest.raises(TelecomUnknownError):
        sms(*[body, None] * 3, body)
    with pytest.raises(TelecomAnswerError):
        result_of(ScriptedApi().get_sms(1), *[body, None] * 3, body)
    with pytest.raises(TelecomAnswerError):
        result_of(ScriptedApi().get_sms_task(1), *[body, None] * 3, body)
    with pytest.raises(TelecomAnswerError):
        result_of(ScriptedApi().price_sms(A, "Hi"), *[body, None] * 3, body)


def test_row_10_a_read_needs_no_error_field() -> None:
    bare = {name: value for name, value in STATUS.items() if name != "error"}
    assert result_of(ScriptedApi().get_sms(1), bare).state is MessageState.DELIVERED
    assert sms({"id": "22125"}).accepted


@pytest.mark.parametrize("none", [None, "", 0, "0", " 0 ", "00", False, 0.0])
def test_row_09_many_spellings_of_no_error(none: Any) -> None:
    assert sms({**FINE, "error": none}).accepted
    assert result_of(ScriptedApi().get_sms(1), {**STATUS, "error": none}).status == "delivered"


@pytest.mark.parametrize("code", [32, "32", " 32 ", "032"])
def test_row_09_codes_are_numbers_or_strings(code: Any) -> None:
    with pytest.raises(TelecomRejectedError) as caught:
        sms(error(code, "sender not allowed"))
    assert caught.value.code == "32"


def test_row_09_money_is_decimal_whatever_it_was() -> None:
    for price in ("0.23", 0.23, " 0.23 "):
        assert sms({**FINE, "price": price}).price == Decimal("0.23")
        assert result_of(ScriptedApi().get_sms(1), {**STATUS, "price": price}).price == Decimal("0.23")
    assert isinstance(sms({**FINE, "price": 2}).price, Decimal)
    assert result_of(ScriptedApi().get_sms(1), {**STATUS, "price": ""}).price is None


def test_row_09_counts_are_whole_numbers_whatever_they_were() -> None:
    counts = {"sent": "2", "delivered": 1, "undeliverable": "1", "expired": 0, "unknown": "0"}
    task = result_of(ScriptedApi().get_sms_task(1), {"error": "0", **counts, "totalprice": 0.04})
    assert (task.sent, task.delivered, task.undelivered, task.final) == (2, 1, 1, 2)
    assert task.total_price == Decimal("0.04")


def test_row_11_stray_blanks_in_keys_and_values() -> None:
    body = {" error ": " 0", "msisdn ": A, " reference": " r1 ", "status": " delivered ", "price": " 0.02"}
    status = result_of(ScriptedApi().get_sms(1), body)
    assert (status.state, status.reference, status.price) == (MessageState.DELIVERED, "r1", Decimal("0.02"))
    refused = {"reference": "r2", "error": " 23", " errorDescription": "SMS already exists"}
    assert many({**BATCH, "result": [FIRST, refused]}).results[1].duplicate


def test_row_11_message_texts_keep_their_blanks() -> None:
    counts = {"sent": 0, "delivered": 0, "undeliverable": 0, "expired": 0, "unknown": 0}
    body = {"originator ": " test ", "body": "  Hi \n", "totalprice": "0", **counts}
    task = result_of(ScriptedApi().get_sms_task(1), body)
    assert (task.originator, task.body) == ("test", "  Hi \n")


@pytest.mark.parametrize(
    ("word", "state", "final"),
    [
        ("delivered", MessageState.DELIVERED, True),
        ("Delivered", MessageState.DELIVERED, True),
        (" READ ", MessageState.READ, True),
        ("not-viber-user", MessageState.NOT_VIBER_USER, True),
        ("Undelivered", MessageState.UNDELIVERED, True),
        ("undeliverable", MessageState.UNDELIVERABLE, True),
        ("expired", MessageState.EXPIRED, True),
        ("Scheduled", MessageState.SCHEDULED, False),
        ("sent", MessageState.SENT, False),
        ("unknown", MessageState.UNKNOWN, False),
        ("Teleported", MessageState.UNKNOWN, False),
        ("", MessageState.UNKNOWN, False),
    ],
)
def test_row_12_status_words_of_any_case(word: str, state: MessageState, final: bool) -> None:
    status = result_of(ScriptedApi().get_viber(1), {**STATUS, "status": word})
    assert status.state is state
    assert status.state.is_final is final
    assert status.status == word.strip()


SHAPES: list[Any] = [
    {"error": "0", "result": [FIRST, SECOND], "totalprice": "0.04", "currency": "EUR"},
    {"error": 0, "messages": [FIRST, SECOND], "total_price": 0.04, "currency": "EUR"},
    [{"error": "0", "messages": [FIRST, SECOND], "total_price": "0.04", "currency": "EUR"}],
    [{"error": "0", "result": [FIRST, SECOND], "totalprice": "0.04", "currency": "EUR"}],
]


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("send", [many, viber])
def test_row_13_lists_by_any_name_and_totals_in_any_spelling(
    shape: Any, send: Callable[[Any], BatchResult]
) -> None:
    batch = send(shape)
    assert [one.id for one in batch.results] == ["12345", "12346"]
    assert all(one.key_returned for one in batch.results)
    assert (batch.total_price, batch.currency) == (Decimal("0.04"), "EUR")


def test_row_13_a_bare_list() -> None:
    assert [one.id for one in many([FIRST, SECOND]).results] == ["12345", "12346"]


@pytest.mark.parametrize(
    "shape",
    [FINE, [FINE], {"error": "0", "result": FINE}, {"error": 0, "result": [FINE]}, [{"messages": [FINE]}]],
)
def test_row_13_a_single_result_nested_or_not(shape: Any) -> None:
    assert sms(shape).id == "22125"
    batch = result_of(ScriptedApi().send_sms_to_many(TWO[:1], "Hi"), shape)
    assert [one.id for one in batch.results] == ["22125"]


def test_row_13_a_nested_refusal_of_one_is_a_refusal() -> None:
    with pytest.raises(TelecomRejectedError, match="vendor code 25"):
        sms({"error": "0", "result": error("25", "Invalid originator")})
    with pytest.raises(TelecomNotFoundError):
        result_of(ScriptedApi().get_sms(1), {"result": error("20", "SMS not found")})


@pytest.mark.parametrize("shape", [STATUS, [STATUS], {"error": 0, "result": STATUS}, {"result": [STATUS]}])
def test_row_13_a_status_nested_or_not(shape: Any) -> None:
    assert result_of(ScriptedApi().get_sms(1), shape).msisdn == A


def test_row_13_a_price_in_either_spelling() -> None:
    for name in ("totalprice", "total_price"):
        body = {"error": "0", name: "0.004", "currency": "EUR"}
        assert result_of(ScriptedApi().price_viber(VIBERS, "Hi"), body).total_price == Decimal("0.004")


# --- keys


@pytest.mark.parametrize(("code", "text"), [("23", ""), ("63", ""), ("13", "HLR already exists"), (43, "")])
def test_a_key_that_is_known_already_is_success(code: Any, text: str) -> None:
    result = sms(error(code, text))
    assert (result.accepted, result.duplicate, result.code) == (True, True, str(code))
    assert result.reference == "r1"
    batch = many({**BATCH, "result": [FIRST, {"reference": "r2", **error(code, text)}]})
    assert [one.duplicate for one in batch.results] == [False, True]
    assert all(one.accepted for one in batch.results)


def test_a_known_look_up_gives_its_id() -> None:
    known = {"reference": "r1", "id": "12345", "error": "13", " errorDescription": "HLR already exists"}
    batch = result_of(ScriptedApi().create_hlrs(QUERIES), {"result": [known, SECOND], "error": "0"})
    assert [(one.id, one.duplicate) for one in batch.results] == [("12345", True), ("12346", False)]


def test_code_13_that_does_not_speak_of_existence_is_a_refusal() -> None:
    with pytest.raises(TelecomRejectedError, match="vendor code 13"):
        sms(error("13", "Forbidden"))


def test_one_viber_recipient_that_is_known_already() -> None:
    """As a similar API of another vendor answers: one object, no id."""
    known = {"error": 43, "errorDescription": "External ID already exists", "reference": "r1"}
    batch = result_of(ScriptedApi().send_viber(VIBERS[:1], "Hi"), known)
    assert [(one.reference, one.duplicate, one.key_returned) for one in batch.results] == [("r1", True, True)]


@pytest.mark.parametrize("echo", [{}, {"reference": "r1"}, {"reference": None}])
@pytest.mark.parametrize("shape", ["whole", "item", "both"])
def test_a_known_key_of_one_message_in_any_shape(shape: str, echo: dict[str, Any]) -> None:
    known = {**error(43, "External ID already exists"), **echo}
    body = {
        "whole": {**known, "messages": []},
        "item": [{"error": "0", "messages": [known]}],
        "both": [{**known, "messages": [known]}],
    }[shape]
    batch = result_of(ScriptedApi().send_viber(VIBERS[:1], "Hi"), body)
    assert [(one.reference, one.duplicate, one.key_returned) for one in batch.results] == [("r1", True, True)]


def test_many_of_which_a_key_is_known_are_sent_in_halves_until_each_has_a_result() -> None:
    known = error("23", "SMS already exists")
    alone = {"result": [SECOND], "error": "0", "totalprice": "0.02", "currency": "EUR", "task_id": "7"}
    requests, batch = asked(ScriptedApi().send_sms_to_many(TWO, "Hi"), known, known, alone)
    assert [[phone["reference"] for phone in request.body.value["phones"]] for request in requests] == [
        ["r1", "r2"],
        ["r1"],
        ["r2"],
    ]
    assert [(one.reference, one.duplicate, one.id, one.task_id) for one in batch.results] == [
        ("r1", True, None, None),
        ("r2", False, "12346", "7"),
    ]
    assert (batch.total_price, batch.currency, batch.task_ids) == (Decimal("0.02"), "EUR", ["7"])


@pytest.mark.parametrize("late", [error("8", "Not enough money"), error("21", "Bad"), {}])
def test_an_error_after_a_half_was_known_says_that_the_rest_is_known(late: Any) -> None:
    known = error("23", "SMS already exists")
    with pytest.raises(TelecomError) as caught:
        many(known, known, late, *[None, late] * 3)
    assert caught.value.partial


@pytest.mark.parametrize("code", [23, 43, 63])
def test_known_keys_beside_results_of_each(code: int) -> None:
    batch = many({**BATCH, **error(code, "exists"), "result": [FIRST, {"reference": "r2", **error(code)}]})
    assert [(one.reference, one.duplicate) for one in batch.results] == [("r1", False), ("r2", True)]


def test_row_14_an_echoed_key_is_a_key() -> None:
    assert [one.key_returned for one in viber([{"error": "0", "messages": [FIRST, SECOND]}]).results] == [
        True,
        True,
    ]


@pytest.mark.parametrize("echo", [{}, {"reference": "theirs"}, {"reference": None}, {"reference": ""}])
def test_row_14_without_the_echo_a_message_is_not_keyed(echo: dict[str, Any]) -> None:
    package = {"error": "0", "messages": [{"id": "7", **echo}, SECOND]}
    first, second = viber([package]).results
    assert (first.reference, first.id, first.key_returned, first.accepted) == ("r1", "7", False, True)
    assert second.key_returned


def test_unkeyed_messages_come_in_the_order_sent() -> None:
    batch = viber([{"error": "0", "messages": [{"id": "1"}, {"id": "2"}]}], without_keys=True)
    assert [(one.id, one.reference, one.key_returned) for one in batch.results] == [
        ("1", None, False),
        ("2", None, False),
    ]


# --- what public clients of another brand of the same API read (FOUND): all within `result`


def test_the_result_of_one_message_within_result() -> None:
    sent = {"error": 0, "id": 1, "price": 0.1, "currency": "EUR", "reference": "r1"}
    assert sms({"error": 0, "result": sent}).id == "1"
    known = {"error": 23, "errorDescription": "SMS already exists", "reference": "r1"}
    assert sms({"error": 0, "result": known}).duplicate
    with pytest.raises(TelecomRejectedError, match="vendor code 21"):
        sms({"error": 0, "result": error(21, "Incorrect msisdn")})
    with pytest.raises(TelecomRejectedError, match="vendor code 6"):
        result_of(ScriptedApi().create_hlr(A, reference="r1"), {"result": [error(6)], "total_price": 0})


# --- several Viber messages in a call


MESSAGES = [ViberMessage(VIBERS, "Hi"), ViberMessage([ViberRecipient("380670000203", "r3")], "Hello")]
THIRD = {"reference": "r3", "id": "12347", "price": "0.03", "currency": "EUR"}
FOR_FIRST = {"error": "0", "messages": [FIRST, SECOND], "total_price": "0.04", "currency": "EUR"}
FOR_SECOND = {"error": "0", "messages": [THIRD], "total_price": "0.03", "currency": "EUR"}


def messages(*answers: Any) -> BatchResult:
    batch: BatchResult = result_of(ScriptedApi().send_viber_messages(MESSAGES), *answers)
    return batch


@pytest.mark.parametrize(
    "body",
    [
        [FOR_FIRST, FOR_SECOND],
        [FOR_FIRST, {**FOR_SECOND, "messages": THIRD}],
        [{**FOR_FIRST, "messages": [SECOND, FIRST]}, FOR_SECOND],
        {**FOR_FIRST, "messages": [FIRST, SECOND, THIRD], "total_price": "0.07"},
        [{**FOR_FIRST, "messages": [FIRST, SECOND, THIRD], "total_price": "0.07"}],
    ],
)
def test_several_viber_messages_are_answered_one_by_one_or_together(body: Any) -> None:
    batch = messages(body)
    assert [(one.reference, one.id) for one in batch.results] == [
        ("r1", "12345"),
        ("r2", "12346"),
        ("r3", "12347"),
    ]
    assert (batch.total_price, batch.currency) == (Decimal("0.07"), "EUR")


@pytest.mark.parametrize("code", ["8", "11", "45", "46"])
def test_a_viber_message_that_is_refused_stands_for_its_recipients(code: str) -> None:
    batch = messages([error(code, "it says why"), FOR_SECOND])
    assert [(one.code, one.accepted) for one in batch.results] == [(code, False), (code, False), (None, True)]
    assert batch.results[0].throttled is (code == "11")
    assert batch.total_price == Decimal("0.03")


def test_messages_that_are_all_refused_as_not_understood_are_one_refusal() -> None:
    wrong = error("44", "Invalid request payload")
    for body in ([wrong, wrong], {"error": "0", "messages": [wrong] * 3}):
        requests, result = asked(
            ScriptedApi().send_viber_messages(MESSAGES), *[body] * 5, [FOR_FIRST, FOR_SECOND]
        )
        assert [one.id for one in result.results] == ["12345", "12346", "12347"]
        assert len(requests) == 6
    with pytest.raises(TelecomRejectedError, match="44"):
        messages(*[[wrong, wrong]] * 6)


def test_a_known_key_of_one_of_several_viber_messages() -> None:
    known = error("43", "External ID already exists")
    batch = messages([FOR_FIRST, known])
    assert [one.duplicate for one in batch.results] == [False, False, True]
    requests, result = asked(
        ScriptedApi().send_viber_messages(MESSAGES),
        *([known, FOR_SECOND], [{**known, "reference": "r1"}]),
        [{"error": "0", "messages": [SECOND]}, {"error": "0", "messages": [{"reference": "r3", **known}]}],
    )
    assert [one.duplicate for one in result.results] == [True, False, True]
    bodies = [request.body.value["messages"] for request in requests]  # type: ignore[union-attr, index]
    assert [[len(one["to"]) for one in body] for body in bodies] == [[2, 1], [1], [1, 1]]


@pytest.mark.parametrize(
    "body",
    [
        [FOR_FIRST],
        [FOR_FIRST, {"error": "0"}],
        [FOR_FIRST, {"error": "0", "messages": []}],
        [FOR_SECOND, FOR_FIRST],
        [FOR_FIRST, FOR_SECOND, FOR_SECOND],
        [FOR_FIRST, {**FOR_SECOND, "error": "8"}],
        [FOR_FIRST, "fine"],
        [FIRST, SECOND],
        [FOR_FIRST, {**FOR_SECOND, "messages": [{**THIRD, "id": "12345"}]}],
    ],
)
def test_answers_that_do_not_fit_several_viber_messages_leave_them_unknown(body: Any) -> None:
    not_found = error("40", "Message not found")
    with pytest.raises(TelecomUnknownError):
        messages(body, *[not_found] * 3, None, *[not_found] * 3, None, *[not_found] * 3)


@pytest.mark.parametrize(
    ("body", "price"),
    [
        ({"error": "0", "totalprice": "0.07", "currency": "EUR"}, "0.07"),
        ([{"error": "0", "total_price": "0.07", "currency": "EUR"}], "0.07"),
        ([{"totalprice": 0.04, "currency": "EUR"}, {"totalprice": "0.03", "currency": "EUR"}], "0.07"),
    ],
)
def test_the_price_of_several_viber_messages(body: Any, price: str) -> None:
    found = result_of(ScriptedApi().price_viber_messages(MESSAGES), body)
    assert (found.total_price, found.currency) == (Decimal(price), "EUR")


def test_a_price_in_two_currencies_or_of_some_messages_is_none() -> None:
    euro, dollar = ({"totalprice": "1", "currency": currency} for currency in ("EUR", "USD"))
    with pytest.raises(TelecomAnswerError):
        drive(ScriptedApi().price_viber_messages(MESSAGES), repeat(answer([euro, dollar])))
    with pytest.raises(TelecomRejectedError, match="45"):
        result_of(ScriptedApi().price_viber_messages(MESSAGES), [euro, error("45", "not registered")])


# --- error codes


KINDS: list[tuple[str, str, type[TelecomError]]] = [
    ("1", "Invalid API key", TelecomAuthError),
    ("3", "User is blocked", TelecomAuthError),
    ("2", "Not enough parameters", TelecomRejectedError),
    ("4", "Not supported", TelecomRejectedError),
    ("6", "Invalid tariff code", TelecomRejectedError),
    ("7", "Invalid parameters", TelecomRejectedError),
    ("8", "Not enough money", TelecomFundsError),
    ("9", "Tariff is not active", TelecomRejectedError),
    ("10", "Invalid sending time", KetchUpTimeError),
    ("12", "Maximum message package size exceeded", TelecomRejectedError),
    ("14", "Incorrect payload: missing msisdn", TelecomRejectedError),
    ("20", "SMS not found", TelecomNotFoundError),
    ("30", "Task not found", TelecomNotFoundError),
    ("40", "Message not found", TelecomNotFoundError),
    ("60", "HLR not found", TelecomNotFoundError),
    *((str(code), "", TelecomRejectedError) for code in (21, 22, *range(24, 30), 31, 32)),
    *((str(code), "", TelecomRejectedError) for code in (41, *range(44, 50), 51, 61, 62, 64, 65, 66)),
    ("777", "Never heard of", TelecomRejectedError),
]


@pytest.mark.parametrize(("code", "text", "kind"), KINDS)
def test_what_each_code_means(code: str, text: str, kind: type[TelecomError]) -> None:
    with pytest.raises(kind) as caught:
        drive(ScriptedApi().price_sms(A, "Hi"), repeat(answer(error(code, text))))
    assert type(caught.value) is kind
    assert (caught.value.code, caught.value.status) == (code, 200)
    assert caught.value.call == "POST /rest/sms/price"


@pytest.mark.parametrize("text", ["Incorrect msisdn", "Wrong phone", "Неверный номер телефона"])
def test_row_01_code_11_about_a_number_is_final(text: str) -> None:
    with pytest.raises(TelecomRejectedError) as caught:
        sms(error("11", text))
    assert caught.value.code == "11"


@pytest.mark.parametrize("text", ["Maximum number of messages exceeded", "превышено максимальное число", ""])
def test_row_01_code_11_otherwise_is_haste_and_is_repeated(text: str) -> None:
    haste = error("11", text)
    requests, result = asked(ScriptedApi().send_sms(A, "Hi", reference="r1"), haste, None, haste, None, FINE)
    assert result.accepted
    assert len({str(request.body) for request in requests}) == 1
    assert len(requests) == 3
    with pytest.raises(TelecomThrottledError):
        sms(*[haste, None] * 3, haste)


def test_row_01_code_10_about_a_look_up_is_not_found() -> None:
    with pytest.raises(TelecomNotFoundError):
        result_of(ScriptedApi().get_hlr(1), error("10", "HLR not found"))


def test_row_01_the_examples_codes_of_hlr() -> None:
    with pytest.raises(TelecomRejectedError, match="vendor code 14"):
        result_of(ScriptedApi().create_hlrs(QUERIES), *[error("14", "Incorrect payload: missing msisdn")] * 3)
    assert result_of(ScriptedApi().create_hlr(A, reference="r1"), error("13", "HLR already exists")).duplicate


def test_row_19_code_60_of_statistics_is_not_found_too() -> None:
    with pytest.raises(TelecomNotFoundError) as caught:
        result_of(ScriptedApi().get_statistics("abc"), error("60", "Message_id do not exist"))
    assert caught.value.code == "60"


def test_an_unknown_error_of_theirs_is_repeated_with_the_same_key() -> None:
    trouble = error("5", "Unknown error")
    requests, result = asked(ScriptedApi().send_sms(A, "Hi", reference="r1"), trouble, None, FINE)
    assert (len(requests), result.id) == (2, "22125")
    assert {request.idempotency for request in requests} == {Idempotency.WITH_KEY}
    with pytest.raises(TelecomUnknownError, match="vendor code 5"):
        sms(*[trouble, None] * 3, trouble)
    with pytest.raises(TelecomUnknownError):
        viber(trouble, without_keys=True)
    with pytest.raises(TelecomServerError):
        result_of(ScriptedApi().get_sms(1), *[trouble, None] * 3, trouble)


def test_a_lost_answer_is_asked_for_again_with_the_same_key() -> None:
    known = error("23", "SMS already exists")
    requests, result = asked(
        ScriptedApi().send_sms(A, "Hi", reference="r1"),
        NotSent("refused"),
        None,
        Unknown("reset"),
        None,
        known,
    )
    assert len({str(request.body.value) for request in requests}) == 1  # type: ignore[union-attr]
    assert (len(requests), result.accepted, result.duplicate) == (3, True, True)


def test_an_unkeyed_message_is_asked_for_once() -> None:
    for lost in (Unknown("reset"), Response(500, {}), Response(200, {}, b"<html>")):
        with pytest.raises(TelecomUnknownError):
            viber(lost, without_keys=True)


@pytest.mark.parametrize(
    ("status", "body", "kind"),
    [
        (400, error("21", "Incorrect msisdn"), TelecomRejectedError),
        (400, error("8", "Not enough money"), TelecomFundsError),
        (401, error("1", "Invalid API key"), TelecomAuthError),
        (403, {}, TelecomAuthError),
        (404, error("20", "SMS not found"), TelecomNotFoundError),
        (404, "<html>", TelecomRejectedError),
        (404, "", TelecomRejectedError),
        (404, {"status": 404, "error": "Not Found", "path": "/rest/sms/create"}, TelecomRejectedError),
        (404, error("777", "not found"), TelecomRejectedError),
        (404, error("21", "Incorrect msisdn"), TelecomRejectedError),
        (400, error("20", "SMS not found"), TelecomNotFoundError),
        (400, error("11", "Too many"), TelecomThrottledError),
        (409, error("1", "Invalid API key"), TelecomAuthError),
        (422, error("11", "Incorrect msisdn"), TelecomRejectedError),
        (413, "too large", TelecomRejectedError),
    ],
)
def test_refusals_by_status(status: int, body: Any, kind: type[TelecomError]) -> None:
    with pytest.raises(kind) as caught:
        drive(ScriptedApi().send_sms(A, "Hi", reference="r1"), repeat(answer(body, status)))
    assert type(caught.value) is kind
    assert caught.value.status == status


@pytest.mark.parametrize("status", [408, 425, 499])
@pytest.mark.parametrize("body", ["", error("777", "never heard of"), error("21", "Incorrect msisdn")])
def test_statuses_that_leave_the_outcome_open_do_so_whatever_the_code_says(status: int, body: Any) -> None:
    with pytest.raises(TelecomUnknownError):
        drive(ScriptedApi().send_sms(A, "Hi", reference="r1"), repeat(answer(body, status)))


@pytest.mark.parametrize("status", [200, 400, 404, 422])
@pytest.mark.parametrize("text", ["HLR not found", "HLR не найден", ""])
def test_row_01_code_10_of_a_look_up_is_not_found_whatever_its_status(status: int, text: str) -> None:
    for call in (ScriptedApi().get_hlr(1), ScriptedApi().get_hlr_by_reference("r1")):
        with pytest.raises(TelecomNotFoundError) as caught:
            result_of(call, answer(error("10", text), status))
        assert (caught.value.code, caught.value.status) == ("10", status)


@pytest.mark.parametrize("status", [200, 400, 404])
def test_row_01_code_10_is_a_wrong_sending_time_otherwise(status: int) -> None:
    with pytest.raises(KetchUpTimeError) as caught:
        sms(answer(error("10", "неверное время отправки"), status))
    assert caught.value.code == "10"


def test_a_sending_time_that_passes_between_two_copies_leaves_it_open() -> None:
    with pytest.raises(TelecomUnknownError):
        sms(Unknown("reset"), None, error("10", "Invalid sending time"))


def test_a_duplicate_is_success_beside_a_409_too() -> None:
    assert sms(answer(error("23", "SMS already exists"), 409)).duplicate
    with pytest.raises(TelecomRejectedError):
        sms(answer(error("24", "SMS already exists"), 409))


def test_errors_hold_neither_key_nor_number_nor_text() -> None:
    said = error("21", f"Incorrect msisdn {A} in 'a secret text' by {KEY}")
    call: Any = ScriptedApi().send_sms(A, "a secret text", reference="r1")
    request = next(call)
    body = json.dumps(said).encode()
    with pytest.raises(TelecomRejectedError) as caught:
        call.send(Response(200, {}, body, request=request))
    assert not [word for word in (A, "secret", KEY) if word in str(caught.value)]


# --- statuses and prices


def test_row_17_times_without_a_zone_stay_as_they_are() -> None:
    body = {**STATUS, "time_in": "2016-01-01 00:00:01", "time_dr": "2016-01-01 00:01:01"}
    status = result_of(ScriptedApi().get_sms(1), body)
    assert (status.time_in, status.time_sent) == ("2016-01-01 00:00:01", None)
    expected = status.delivered_at("Europe/Kyiv")
    assert expected == datetime(2015, 12, 31, 22, 1, 1, tzinfo=UTC)
    assert status.delivered_at(None) is None
    assert result_of(ScriptedApi().get_sms(1), {**STATUS, "time_dr": ""}).delivered_at("Europe/Kyiv") is None
    zero = {**STATUS, "time_dr": "0000-00-00 00:00:00"}
    assert result_of(ScriptedApi().get_sms(1), zero).delivered_at("Europe/Kyiv") is None


def hlr(**changes: Any) -> Any:
    body = {"id": 34298934543, "reference": "1234567", "msisdn": A, "network": "25503", "status": "active"}
    return result_of(ScriptedApi().get_hlr(1), {**body, **changes})


@pytest.mark.parametrize(
    ("word", "state", "final"),
    [
        ("sent", HlrState.SENT, False),
        ("Active", HlrState.ACTIVE, True),
        ("absent", HlrState.ABSENT, True),
        ("unknown", HlrState.UNKNOWN, False),
        ("failed", HlrState.FAILED, True),
        ("resting", HlrState.OTHER, False),
    ],
)
def test_states_of_a_look_up(word: str, state: HlrState, final: bool) -> None:
    found = hlr(status=word)
    assert (found.state, found.is_final, found.id) == (state, final, "34298934543")


def test_an_unknown_look_up_is_a_result_only_on_request() -> None:
    assert not hlr(status="unknown").has_result()
    assert hlr(status="unknown").has_result(unknown_is_final=True)
    for word in ("sent", "resting"):
        assert not hlr(status=word).has_result(unknown_is_final=True)


@pytest.mark.parametrize(
    ("details", "ported", "roaming"),
    [
        ({"ported": "1", "roaming": "0"}, True, False),
        ({"ported": 0, "roaming": True}, False, True),
        ({"ported": "", "roaming": None}, None, None),
        ([], None, None),
        (None, None, None),
        ({}, None, None),
    ],
)
def test_details_of_a_look_up(details: Any, ported: bool | None, roaming: bool | None) -> None:
    found = hlr(details=details).details
    assert (found.ported, found.roaming) == (ported, roaming)


def test_row_17_times_of_a_look_up_have_a_zone() -> None:
    expected = datetime(2015, 8, 4, 6, 50, 19, tzinfo=UTC)
    assert hlr(statusDatetime="2015-08-04T06:50:19+00:00").status_at == expected
    assert hlr(statusDatetime="2015-08-04T06:50:19Z").status_at == expected
    for text in ("2015-08-04 06:50:19", "", None, "soon"):
        assert hlr(statusDatetime=text).status_at is None
    assert hlr(statusDatetime="2015-08-04 06:50:19").status_datetime == "2015-08-04 06:50:19"


def test_row_11_blanks_in_a_price_list() -> None:
    row = {"type": " viber ", "country": " AE", "country_name": "UAE", "mcc": " 424", "price": "0.01"}
    body = {"error": "0", "prices": [{**row, "currency": "EUR"}, {**row, "mcc": None, "currency": "EUR"}]}
    first, second = result_of(ScriptedApi().list_viber_prices(), body)
    assert (first.type, first.country, first.mcc, first.price) == ("viber", "AE", "424", Decimal("0.01"))
    assert second.mcc is None


def test_fields_that_nobody_knows_do_no_harm() -> None:
    assert result_of(ScriptedApi().get_sms(1), {**STATUS, "alt_route": {"sms": 1}}).status == "delivered"
    assert sms({**FINE, "new": [1]}).id == "22125"


def test_answers_nested_too_deep_are_unreadable() -> None:
    deep = "[" * 700 + "]" * 700
    with pytest.raises(TelecomAnswerError):
        result_of(ScriptedApi().list_statistics_exports(), *[deep, None] * 3, deep)


def test_an_answer_that_a_poll_has_had_before_is_read_once() -> None:
    def body(status: str) -> bytes:
        return json.dumps({"id": "22125", "status": status, "msisdn": "380670000200"}).encode()

    read = single(MessageStatus)
    sent = read(Response(200, {}, body("sent")))
    assert single(MessageStatus)(Response(200, {"x-request-id": "2"}, body("sent"))) is sent
    assert read(Response(200, {}, body("delivered"))).state is MessageState.DELIVERED
    with pytest.raises(TelecomServerError):
        read(Response(500, {}, body("sent")))


def test_a_refusal_is_raised_each_time() -> None:
    refusal = Response(200, {}, json.dumps({"error": 20}).encode())
    for _ in range(2):
        with pytest.raises(TelecomNotFoundError) as raised:
            single(MessageStatus)(refusal)
        assert raised.value.status == 200
