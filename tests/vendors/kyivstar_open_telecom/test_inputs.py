"""Every argument is checked before anything is sent, and the error names it."""

from __future__ import annotations

from datetime import datetime
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import imei_digits
from tests.vendors.kyivstar_open_telecom.by_hand import NUMBER, PROMO_ID, describe

PICTURE = "https://a.example/1.png"
NAIVE = datetime(2026, 1, 1)

WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("verify_sim", ("12", 1), {}, "msisdn"),
    ("verify_sim", (NUMBER, 0), {}, "activation_hours"),
    ("verify_sim", (NUMBER, "48"), {}, "activation_hours"),
    ("check_sim_count", (NUMBER, 0), {}, "days"),
    ("check_sim_count", (NUMBER, 121), {}, "days"),
    ("check_device", (NUMBER,), {}, "imei"),
    ("check_device", (NUMBER,), {"imei": "490154203237518", "days_period": 3}, "imei"),
    ("check_device", (NUMBER,), {"imei": "4901542032375"}, "imei"),
    ("check_device", (NUMBER,), {"imei": "49015420323751800"}, "imei"),
    ("check_device", (NUMBER,), {"imei": "490154203237517"}, "imei"),
    ("check_device", (NUMBER,), {"imei": ""}, "imei"),
    ("check_device", (NUMBER,), {"days_period": 0}, "days_period"),
    ("check_device", (NUMBER,), {"days_period": 121}, "days_period"),
    ("check_lifetime", ("",), {}, "msisdn"),
    ("get_score", (NUMBER,), {"model_id": ""}, "model_id"),
    ("get_score", (NUMBER,), {"model_id": "7&x=1"}, "model_id"),
    ("send_sms", ("\uff13\uff18\uff10670000200", "hi"), {}, "msisdn"),
    ("send_sms", (NUMBER, " "), {}, "text"),
    ("send_sms", (NUMBER, "cut \ud83d"), {}, "text"),
    ("send_sms", (NUMBER, "a" * (6 * 153 + 1)), {}, "text"),
    ("send_sms", (NUMBER, "я" * (6 * 67 + 1)), {}, "text"),
    ("send_sms", (NUMBER, ("a" * 152 + "€") * 5 + "a" * 148), {}, "text"),  # 918 septets, 7 SMS
    ("send_sms", (NUMBER, "a" * 161), {"max_segments": 1}, "text"),
    ("send_sms", (NUMBER, "hi"), {"max_segments": 0}, "max_segments"),
    ("send_sms", (NUMBER, "hi"), {"max_segments": 7}, "max_segments"),
    ("send_sms", (NUMBER, "hi"), {"ttl_seconds": -1}, "ttl_seconds"),
    ("send_sms", (NUMBER, "hi"), {"ttl_seconds": 86_401}, "ttl_seconds"),
    ("send_sms", (NUMBER, "hi"), {"sender": ""}, "sender"),
    ("send_sms", (NUMBER, "hi"), {"extra": {"sender": None}}, "sender"),
    ("get_sms", ("",), {}, "message_id"),
    ("get_sms", ("..",), {}, "message_id"),
    ("get_sms", ("a/b",), {}, "message_id"),
    ("get_sms", ("a" * 129,), {}, "message_id"),
    ("send_viber_transaction", (NUMBER, ""), {}, "text"),
    ("send_viber_transaction", (NUMBER, "hi"), {"ttl_seconds": 29}, "ttl_seconds"),
    ("send_viber_transaction", (NUMBER, "hi"), {"ttl_seconds": 1_209_601}, "ttl_seconds"),
    ("send_viber_promotion", (NUMBER,), {}, "text"),
    ("send_viber_promotion", (NUMBER, ""), {"image_url": PICTURE}, "text"),
    ("send_viber_promotion", (NUMBER,), {"image_url": "ftp://a.example/1.png"}, "image_url"),
    ("send_viber_promotion", (NUMBER,), {"image_url": "https://a.example/1 2.png"}, "image_url"),
    ("send_viber_promotion", (NUMBER, "hi"), {"caption": "Buy"}, "caption"),
    ("send_viber_promotion", (NUMBER, "hi"), {"action_url": PICTURE}, "caption"),
    ("send_viber_promotion", (NUMBER, "hi"), {"caption": "Buy", "action_url": PICTURE}, "image_url"),
    (
        "send_viber_promotion",
        (NUMBER, "hi"),
        {"image_url": PICTURE, "caption": "", "action_url": PICTURE},
        "caption",
    ),
    (
        "send_viber_promotion",
        (NUMBER, "hi"),
        {"image_url": PICTURE, "caption": "Buy", "action_url": "a"},
        "action_url",
    ),
    (
        "send_viber_promotion",
        (NUMBER,),
        {"image_url": PICTURE, "caption": "B", "action_url": PICTURE},
        "text",
    ),
    ("get_viber", ("?",), {}, "message_id"),
    ("create_promo", ("",), {}, "text"),
    ("create_promo", ("hi",), {"extra": {"sender": None}}, "sender"),
    ("list_promos", (), {"page_size": 0}, "page_size"),
    ("list_promos", (), {"page_number": -1}, "page_number"),
    ("list_promos", (), {"start_date_from": NAIVE}, "start_date_from"),
    ("all_promos", (), {"start_date_to": NAIVE}, "start_date_to"),
    ("list_promos", (), {"sort_by": ""}, "sort_by"),
    ("list_promos", (), {"sort_direction": "up"}, "sort_direction"),
    ("get_promo", ("1",), {}, "promo_id"),
    ("add_promo_audience", ("1", [NUMBER]), {}, "promo_id"),
    ("add_promo_audience", (PROMO_ID, []), {}, "recipients"),
    ("add_promo_audience", (PROMO_ID, NUMBER), {}, "recipients"),
    ("add_promo_audience", (PROMO_ID, {NUMBER: ["Ann"]}), {}, "recipients"),
    ("add_promo_audience", (PROMO_ID, [NUMBER] * 21_000), {}, "recipients"),
    ("add_promo_audience", (PROMO_ID, [NUMBER, "1"]), {}, "recipients[1]"),
    ("add_promo_audience", (PROMO_ID, [(NUMBER, "Ann")]), {}, "recipients[0]"),
    ("add_promo_audience", (PROMO_ID, [(NUMBER, [1])]), {}, "recipients[0]"),
    ("add_promo_audience", (PROMO_ID, [(NUMBER, ["Ann"], 3)]), {}, "recipients[0]"),
    ("add_promo_audience", (PROMO_ID, [(NUMBER, ["cut \ud83d"])]), {}, "recipients[0]"),
    ("add_promo_audience", (PROMO_ID, [NUMBER, (NUMBER, ["Ann"])]), {}, "recipients"),
    ("start_promo", ("../x",), {}, "promo_id"),
    ("suspend_promo", (PROMO_ID + "0",), {}, "promo_id"),
    ("get_promo_statistics", (None,), {}, "promo_id"),
]


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "field"),
    WRONG,
    ids=[f"{row[0]}-{row[3]}-{n}" for n, row in enumerate(WRONG)],
)
def test_a_wrong_argument_is_refused_before_anything_is_sent(
    method: str, args: Any, kwargs: Any, field: str
) -> None:
    call = describe(method, *args, **kwargs)
    with pytest.raises(TelecomInputError) as caught:
        next(call)
    assert caught.value.field == field


def test_the_error_of_a_wrong_number_does_not_show_it_in_full() -> None:
    with pytest.raises(TelecomInputError) as caught:
        next(describe("check_lifetime", "38067000020012345"))
    assert "38067000020012345" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "most"), [("a" * 160, 1), ("a" * 153 * 6, 6), ("я" * 70, 1), ("€" * 80, 1), ("я" * 67 * 6, None)]
)
def test_a_text_that_just_fits_is_sent(text: str, most: int | None) -> None:
    request = next(describe("send_sms", NUMBER, text, max_segments=most))
    assert request.body.value["text"] == text  # type: ignore[union-attr, index]


def test_a_full_chunk_is_sent_whole() -> None:
    request = next(describe("add_promo_audience", PROMO_ID, [NUMBER] * 20_000))
    assert len(request.body.value["audience"]) == 20_000  # type: ignore[union-attr, index]


def test_numbers_in_their_canonical_form_are_sent_as_others_are() -> None:
    bodies = [
        next(describe("add_promo_audience", PROMO_ID, people)).body.value  # type: ignore[union-attr]
        for people in ([NUMBER, NUMBER], [f"+{NUMBER}", int(NUMBER)], [(NUMBER, []), NUMBER])
    ]
    assert bodies == [{"audience": [{"phoneNumber": NUMBER, "params": []}] * 2}] * 3


@pytest.mark.parametrize(
    "imei", ["490154203237518", 490154203237518, " 490154203237518 ", "35693803564380", "3569380356438001"]
)
def test_an_imei_of_14_to_16_digits_is_taken(imei: Any) -> None:
    assert imei_digits(imei) == str(imei).strip()


def test_the_check_digit_finds_every_single_wrong_digit() -> None:
    right = "490154203237518"
    for place in range(15):
        for digit in set("0123456789") - {right[place]}:
            with pytest.raises(TelecomInputError):
                imei_digits(right[:place] + digit + right[place + 1 :])


def test_a_missing_hook_is_said() -> None:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.api import KyivstarApi

    with pytest.raises(TypeError, match="use a hook"):
        KyivstarApi().fetch_token()
