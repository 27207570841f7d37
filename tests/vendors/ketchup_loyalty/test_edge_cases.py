"""Unusual arguments, as templates make them, and unusual responses."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from itertools import repeat
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    HlrQuery,
    IndividualSms,
    Recipient,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.results import (
    batch_result_reader,
    grouped_result_reader,
)
from tests.by_hand import drive
from tests.vendors.ketchup_loyalty.by_hand import A, B, ScriptedApi, answer, result_of, sent

PERIOD = {"time_in_from": datetime(2026, 7, 1), "time_in_to": datetime(2026, 7, 2)}
TWO = [Recipient(A, "r1"), Recipient(B, "r2")]
TEXTS = [IndividualSms(A, "Hi", "r1")]
VIBERS = [ViberRecipient(A, "r1")]
Call = Callable[[ScriptedApi, Any], Any]


def on_paper() -> Any:
    """Return calls whose arguments and results have any type."""
    return ScriptedApi()


LISTS: dict[str, tuple[Call, str, Any]] = {
    "sms": (lambda k, to: k.send_sms_to_many(to, "Hi"), "recipients", Recipient(A, "r1")),
    "sms price": (lambda k, to: k.price_sms_to_many(to, "Hi"), "recipients", Recipient(A, "r1")),
    "individual": (lambda k, to: k.send_individual_sms(to), "messages", IndividualSms(A, "Hi", "r1")),
    "individual price": (lambda k, to: k.price_individual_sms(to), "messages", IndividualSms(A, "Hi", "r1")),
    "hlr": (lambda k, to: k.create_hlrs(to), "queries", HlrQuery(A, "r1")),
    "viber": (lambda k, to: k.send_viber(to, "Hi"), "recipients", ViberRecipient(A, "r1")),
    "viber price": (lambda k, to: k.price_viber(to, "Hi"), "recipients", ViberRecipient(A, "r1")),
}


@pytest.mark.parametrize("name", LISTS)
@pytest.mark.parametrize("given", ["", A, None, [], (), {}, [A], [(A, "r1")], [None], [{"msisdn": A}]])
def test_what_is_no_list_of_orders_is_refused_by_name(name: str, given: Any) -> None:
    call, field, _ = LISTS[name]
    with pytest.raises(TelecomInputError) as caught:
        next(call(on_paper(), given))
    assert caught.value.field == field


@pytest.mark.parametrize("name", LISTS)
def test_an_iterator_is_refused_since_orders_and_results_are_both_counted(name: str) -> None:
    call, field, order = LISTS[name]
    with pytest.raises(TelecomInputError, match="list") as caught:
        next(call(on_paper(), iter([order])))
    assert caught.value.field == field
    assert next(call(on_paper(), (order,))).method == "POST"


SCHEDULED: list[Call] = [
    lambda k, at: k.send_sms(A, "Hi", reference="r1", schedule_at=at),
    lambda k, at: k.send_sms_to_many(TWO, "Hi", schedule_at=at),
    lambda k, at: k.send_individual_sms(TEXTS, schedule_at=at),
    lambda k, at: k.price_sms(A, "Hi", schedule_at=at),
    lambda k, at: k.price_sms_to_many(TWO, "Hi", schedule_at=at),
    lambda k, at: k.price_individual_sms(TEXTS, schedule_at=at),
    lambda k, at: k.send_viber(VIBERS, "Hi", schedule_at=at),
]


@pytest.mark.parametrize("call", SCHEDULED)
@pytest.mark.parametrize("at", ["", 0, "2026-07-01T12:00:00Z", datetime(2026, 7, 1)])
def test_row_07_a_time_that_is_none_is_not_overlooked_and_sent_now(call: Call, at: Any) -> None:
    with pytest.raises(TelecomInputError, match="must be a datetime with a time zone") as caught:
        next(call(on_paper(), at))
    assert caught.value.field == "schedule_at"


@pytest.mark.parametrize("field", ["image_url", "caption", "action_url", "callback_url"])
def test_what_a_template_left_empty_is_not_overlooked(field: str) -> None:
    for method in ("send_viber", "price_viber"):
        if (method, field) != ("price_viber", "callback_url"):
            with pytest.raises(TelecomInputError) as caught:
                next(getattr(on_paper(), method)(VIBERS, "Hi", **{field: ""}))
            assert caught.value.field == field


@pytest.mark.parametrize("clicks", [5, ">", ">5", (), (">",), (">", 1, 2), {">": 1}])
def test_clicks_are_a_pair(clicks: Any) -> None:
    with pytest.raises(TelecomInputError) as caught:
        next(on_paper().create_statistics_export(**PERIOD, clicks=clicks))
    assert caught.value.field == "clicks"


@pytest.mark.parametrize("operator", ["", " ", [25503], "255 03"])
def test_an_operator_is_an_id(operator: Any) -> None:
    with pytest.raises(TelecomInputError) as caught:
        next(on_paper().create_statistics_export(**PERIOD, country_name="Ukraine", operator_id=operator))
    assert caught.value.field == "operator_id"


@pytest.mark.parametrize("name", ["country_name", "callback_url", "source_type", "message_type", "status"])
def test_an_empty_filter_is_no_filter_that_is_left_out(name: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        next(on_paper().create_statistics_export(**PERIOD, **{name: ""}))
    assert caught.value.field == name


def test_row_22_the_unfinished_push_of_statistics_is_only_as_the_caller_asks() -> None:
    url = "https://a.example/report"
    by_ids = on_paper().create_statistics_export(message_ids=[1], callback_url=url)
    assert sent(by_ids) == {"message_id": ["1"], "callback_url": url}
    assert sent(on_paper().create_statistics_export(message_ids=[1])) == {"message_id": ["1"]}


@pytest.mark.parametrize("value", [True, 1.5, "7", None])
def test_numbers_are_whole_numbers(value: Any) -> None:
    calls: list[tuple[str, Any]] = [
        ("validity_hours", on_paper().send_sms(A, "Hi", reference="r1", validity_hours=value)),
        ("validity_seconds", on_paper().send_viber(VIBERS, "Hi", validity_seconds=value)),
        ("clicks", on_paper().create_statistics_export(**PERIOD, clicks=(">", value))),
    ]
    for field, call in calls:
        with pytest.raises(TelecomInputError, match="must be a whole number") as caught:
            next(call)
        assert caught.value.field == field


@pytest.mark.parametrize("value", [None, True, "", "1 ", "-1", "t1", "reference/r1", "١", 1.0, "9" * 33])
def test_an_id_is_the_vendors_number(value: Any) -> None:
    reads: list[tuple[str, Any]] = [
        ("message_id", on_paper().get_sms(value)),
        ("message_id", on_paper().get_viber(value)),
        ("task_id", on_paper().get_sms_task(value)),
        ("hlr_id", on_paper().get_hlr(value)),
    ]
    for field, call in reads:
        with pytest.raises(TelecomInputError, match="must be the vendor's own number") as caught:
            next(call)
        assert caught.value.field == field


@pytest.mark.parametrize("value", ["", "a/b", "a b", "..", "ключ", "r" * 129, None, 12])
def test_a_reference_has_its_characters(value: Any) -> None:
    reads = [on_paper().get_sms_by_reference(value), on_paper().get_viber_by_reference(value)]
    for call in [*reads, on_paper().get_hlr_by_reference(value)]:
        with pytest.raises(TelecomInputError, match=r"1 to (32|128) of the characters") as caught:
            next(call)
        assert caught.value.field == "reference"


# --- what a careless vendor may answer


@pytest.mark.parametrize("value", [{}, [], True, {"value": "1"}])
def test_an_id_that_is_no_text_is_no_id(value: Any) -> None:
    item = {"id": value, "reference": "r1", "price": "0.02"}
    with pytest.raises(TelecomUnknownError):
        drive(on_paper().send_sms(A, "Hi", reference="r1"), repeat(answer(item)))
    result = result_of(on_paper().send_sms(A, "Hi", reference="r1"), {"error": 0, **item})
    assert (result.accepted, result.id) == (True, None)


@pytest.mark.parametrize("price", ["0,02", "NaN", "Infinity", "2 EUR", True, {}, ["0.02"]])
def test_row_09_an_amount_that_is_no_number_is_not_guessed_at(price: Any) -> None:
    read = batch_result_reader(["r1"])
    with pytest.raises(TelecomAnswerError, match="an amount"):
        read(answer({"error": 0, "result": [{"id": "1", "reference": "r1", "price": price}]}))
    with pytest.raises(TelecomAnswerError, match="totalprice"):
        drive(
            on_paper().price_sms(A, "Hi", reference="r1"),
            repeat(answer({"totalprice": price, "currency": "EUR"})),
        )


def item(reference: str | None, id: str) -> dict[str, Any]:
    return {"error": "0", "id": id} | ({} if reference is None else {"reference": reference})


@pytest.mark.parametrize(
    "references",
    [
        ["r1", "r2"],
        ["r1", "r2", "r3", "r4"],
        ["r1", "r1", "r2"],
        ["r1", "r2", "r1"],
        ["r2", "theirs", "r1"],
        ["r3", None, "r2"],
        [None, "r1", "r2"],
    ],
)
def test_results_that_cannot_be_told_apart_are_unreadable(references: list[str | None]) -> None:
    results = [item(reference, str(number)) for number, reference in enumerate(references)]
    with pytest.raises(TelecomAnswerError, match="do not match what was sent"):
        batch_result_reader(["r1", "r2", "r3"])(answer({"error": "0", "result": results}))


def test_results_stand_in_the_order_asked() -> None:
    results = [item("r3", "3"), item("r1", "1"), item("r2", "2")]
    batch = batch_result_reader(["r1", "r2", "r3"])(answer({"error": "0", "result": results}))
    assert [(one.reference, one.id, one.key_returned) for one in batch.results] == [
        ("r1", "1", True),
        ("r2", "2", True),
        ("r3", "3", True),
    ]


@pytest.mark.parametrize("reference", ["theirs", "R2", None, ""])
def test_row_14_a_new_viber_message_that_is_not_by_our_key_is_marked(reference: str | None) -> None:
    results = [item("r1", "1"), item(reference, "2"), item("r3", "3")]
    batch = grouped_result_reader([["r1", "r2", "r3"]])(answer({"error": "0", "result": results}))
    assert [(one.reference, one.id, one.key_returned) for one in batch.results] == [
        ("r1", "1", True),
        ("r2", "2", reference == "R2"),
        ("r3", "3", True),
    ]


@pytest.mark.parametrize("reference", [None, "", "r2", "R2"])
def test_results_without_a_key_or_with_ours_are_ours(reference: str | None) -> None:
    results = [item("r1", "1"), item(reference, "2"), item("r3", "3")]
    batch = batch_result_reader(["r1", "r2", "r3"])(answer({"error": "0", "result": results}))
    assert [(one.reference, one.id) for one in batch.results] == [("r1", "1"), ("r2", "2"), ("r3", "3")]
    alone = result_of(on_paper().send_sms(A, "Hi", reference="r2"), item(reference, "2"))
    assert (alone.reference, alone.id, alone.key_returned) == ("r2", "2", True)


def test_an_answer_about_other_keys_is_no_answer_to_this_request() -> None:
    """A cache or a mixed-up gateway: taken as ours it would be a lost message."""
    with pytest.raises(TelecomUnknownError):
        drive(on_paper().send_sms(A, "Hi", reference="r2"), repeat(answer(item("theirs", "2"))))
    for results in ([item("r1", "1"), item("theirs", "2")], [item("a", "1"), item("b", "2")]):
        body = {"error": "0", "result": results}
        for call in (
            on_paper().send_sms_to_many(TWO, "Hi"),
            on_paper().create_hlrs([HlrQuery(A, "r1"), HlrQuery(B, "r2")]),
        ):
            with pytest.raises(TelecomUnknownError):
                drive(call, repeat(answer(body)))


def test_a_key_that_is_known_and_not_ours_says_nothing_of_ours() -> None:
    known = {"error": 43, "errorDescription": "External ID already exists", "reference": "theirs"}
    with pytest.raises(TelecomUnknownError):
        drive(on_paper().send_viber(VIBERS, "Hi", without_keys=True), repeat(answer(known)))


@pytest.mark.parametrize("reader", [batch_result_reader(["r1", "r2"]), grouped_result_reader([["r1", "r2"]])])
def test_one_id_for_two_messages_is_no_answer(reader: Callable[[Response], BatchResult]) -> None:
    results = [item("r1", "1"), item("r2", "1")]
    with pytest.raises(TelecomAnswerError, match="one id for several messages"):
        reader(answer({"error": "0", "result": results}))
    known = [item("r1", "1"), {**item("r2", "1"), "error": "63"}]
    assert reader(answer({"error": "0", "result": known})).results


def test_keys_that_differ_in_case_only_are_told_apart() -> None:
    results = [item("K1", "2"), item("k1", "1")]
    batch = batch_result_reader(["k1", "K1"])(answer({"error": "0", "result": results}))
    assert [(one.reference, one.id) for one in batch.results] == [("k1", "1"), ("K1", "2")]
    for references in (["k1", "k1"], ["K1", "k2"]):
        bad = [item(reference, str(number)) for number, reference in enumerate(references)]
        with pytest.raises(TelecomAnswerError):
            batch_result_reader(["k1", "K1"])(answer({"error": "0", "result": bad}))
