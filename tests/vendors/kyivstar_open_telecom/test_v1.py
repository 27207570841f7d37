"""API v1, which is found in a public client: what each call asks for, and how its responses are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Response
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import (
    BatchSms,
    SmsContent,
    Suggestion,
    ViberContent,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import BatchAccepted
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import (
    read_batch,
    read_batch_status,
    reader,
)
from tests.vendors.kyivstar_open_telecom.by_hand import NUMBER, PROMO, PROMO_ID, answer, asked, describe

V1 = {"api_version": "v1"}
PICTURE, SHOP = "https://a.example/1.png", "https://a.example/shop"
PNG = b"\x89PNG\r\n\x1a\n picture"
VIBER, SMS = ViberContent("viber"), SmsContent("sms")
SENT = {"from": "messagedesk", "to": NUMBER}
STATUS = {"msgId": "m1", "status": "accepted"}
ITEM = {"msgId": "m1", "reservedSmsSegments": 1}
FLAGS = dict.fromkeys(("simChanged", "simTypeChanged", "geoChanged", "imeiChanged"), False)

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], str, str, Idempotency, Any, Any]] = [
    # method, args, kwargs, HTTP, path below the prefix, class, body, a fitting answer
    ("verify_sim", (NUMBER, 48), {}, "GET", f"/subscribers/{NUMBER}/sim-check-antifraud?checkPeriod=48",
     Idempotency.BILLED_READ, None, {"resource": FLAGS}),
    ("check_sim_count", (NUMBER, 30), {}, "GET", f"/subscribers/{NUMBER}/sim-count?daysCount=30",
     Idempotency.BILLED_READ, None, {"resource": {"simCount": 1}}),
    ("check_device", (NUMBER,), {"imei": "490154203237518"}, "GET",
     f"/subscribers/{NUMBER}/device-check?imei=490154203237518", Idempotency.BILLED_READ, None,
     {"resource": {"imeiRes": "COMPLETELY_MATCHED"}}),
    ("check_device", (NUMBER,), {"days_period": 3}, "GET", f"/subscribers/{NUMBER}/device-check?daysPeriod=3",
     Idempotency.BILLED_READ, None, {"resource": {"imeiCount": 2.0}}),
    ("check_lifetime", (NUMBER,), {}, "GET", f"/subscribers/{NUMBER}/lifetime", Idempotency.BILLED_READ, None,
     {"resource": {"lifetimeDuration": {"from": 12, "timeUnit": "MONTHS"}}}),
    ("get_score", (NUMBER,), {"model_id": "5"}, "GET", f"/subscribers/{NUMBER}/scoring?scoreFormula=5",
     Idempotency.BILLED_READ, None, {"resource": {"scoreBal": 0.75}}),
    ("send_multichannel", (NUMBER, [VIBER, SMS]), {}, "POST", "/messaging/multichannel", Idempotency.NONE,
     {"to": NUMBER,
      "viberContent": {"priority": 0, "from": "messagedesk", "text": "viber", "messageTtlSec": 3600},
      "smsContent": {"priority": 1, "from": "messagedesk", "text": "sms", "messageTtlSec": 86400}},
     {"multiMsgId": "x1"}),
    ("send_multichannel", (NUMBER, [
        SmsContent("sms", "S", 0, "380670000001"),
        ViberContent("viber", "V", 30, "promotion", PICTURE, "Buy", SHOP)]), {}, "POST",
     "/messaging/multichannel", Idempotency.NONE,
     {"to": NUMBER,
      "smsContent": {"priority": 0, "from": "S", "text": "sms", "messageTtlSec": 0,
                     "callbackNumber": "380670000001"},
      "viberContent": {"priority": 1, "from": "V", "promoType": "promotion", "text": "viber",
                       "messageTtlSec": 30, "img": PICTURE, "caption": "Buy", "action": SHOP}},
     {"multiMsgId": "x1"}),
    ("get_multichannel", ("x1",), {}, "GET", "/messaging/multichannel/x1", Idempotency.READ, None,
     {"multiMsgId": "x1", "status": "delivered"}),
    ("send_sms_batch", ([BatchSms(NUMBER, "a", name="m0"), BatchSms("067 000 02 01", "b", "S", "m1")],), {},
     "POST", "/sms/batch", Idempotency.NONE,
     {"data": {"m0": {**SENT, "text": "a"}, "m1": {"from": "S", "to": "380670000201", "text": "b"}}},
     {"data": {"m0": ITEM, "m1": {"errorCode": "1010", "errorMsg": "no"}}}),
    ("get_sms_batch", (["m1", "m2"],), {}, "POST", "/sms/status/batch", Idempotency.READ,
     {"data": ["m1", "m2"]}, {"data": {"m1": STATUS}}),
    ("send_rcs_text", (NUMBER, "hi"), {"ttl_seconds": 60, "callback_number": "380670000001"}, "POST",
     "/rcs/text", Idempotency.NONE,
     {**SENT, "messageTtlSec": 60, "callbackNumber": "380670000001", "contentExtendedRcs": {"text": "hi"}},
     STATUS),
    ("send_rcs_suggestion", (NUMBER, "hi", [Suggestion("More", SHOP), {"text": "B", "url": SHOP}]), {},
     "POST", "/rcs/suggestion", Idempotency.NONE,
     {**SENT, "contentExtendedRcs": {"text": "hi", "suggestions": [
         {"type": "action", "text": "More", "openUrlAction": SHOP},
         {"type": "action", "text": "B", "openUrlAction": SHOP}]}}, STATUS),
    ("send_rcs_rich_card", (NUMBER,), {"title": "T"}, "POST", "/rcs/richcard", Idempotency.NONE,
     {**SENT, "contentExtendedRcs": {"standaloneCard": {"cardContent": {"title": "T"}}}}, STATUS),
    ("send_rcs_rich_card", (NUMBER,),
     {"title": "T", "description": "D", "image_url": PICTURE, "thumbnail_url": PICTURE,
      "image_height": "TALL", "image_alignment": "left", "orientation": "horizontal",
      "suggestions": [{"text": "B", "url": SHOP}]}, "POST", "/rcs/richcard", Idempotency.NONE,
     {**SENT, "contentExtendedRcs": {"standaloneCard": {
         "thumbnailImageAlignment": "left", "cardOrientation": "horizontal", "cardContent": {
             "title": "T", "description": "D",
             "media": {"height": "TALL", "thumbnailUrl": PICTURE, "fileUrl": PICTURE},
             "suggestions": [{"type": "action", "text": "B", "openUrlAction": SHOP}]}}}}, STATUS),
    ("get_rcs", ("m1",), {}, "GET", "/rcs/m1", Idempotency.READ, None, STATUS),
    ("create_viber_promo", ("Hi",),
     {"caption": "Buy", "action_url": SHOP, "start_date": "2026-01-31T08:00:00", "ttl_seconds": 30}, "POST",
     "/promo", Idempotency.DRAFT,
     {"from": "messagedesk", "text": "Hi", "campaignType": "VIBER", "caption": "Buy", "action": SHOP,
      "startDate": "2026-01-31T08:00:00", "messageTtlSec": 30}, PROMO),
    ("create_rcs_promo", ("Hi",), {"title": "T", "content_type": "CARD"}, "POST", "/promo",
     Idempotency.DRAFT,
     {"from": "messagedesk", "text": "Hi", "campaignType": "RCS", "title": "T", "rcsContentType": "CARD"},
     PROMO),
]  # fmt: skip


@pytest.mark.parametrize("row", CALLS, ids=lambda row: f"{row[0]}-{row[4].partition('?')[2]}")
@pytest.mark.parametrize(
    ("environment", "server"), [("live", ""), ("mock", "/mock"), ("sandbox", "/sandbox")]
)
def test_what_a_call_asks_for(row: Any, environment: str, server: str) -> None:
    method, args, kwargs, verb, path, idempotency, body, reply = row
    extra = {**V1, "environment": environment}
    request, _ = asked(method, *args, **kwargs, extra=extra, replies=reply)
    assert request.url("https://host") == f"https://host{server}/rest/v1{path}"
    assert (request.method, request.idempotency) == (verb, idempotency)
    assert request.body == (None if body is None else Json(body))


def test_a_picture_is_a_file_of_a_form() -> None:
    request, found = asked("add_promo_image", PROMO_ID, PNG, extra=V1, replies={"success": True})
    assert isinstance(request.body, Form)
    assert request.body.multipart
    assert request.body.fields == {"file": ("image.png", PNG, "image/png")}
    assert found.success


ONLY_V1 = [row for row in CALLS if "/subscribers/" not in row[4]]


@pytest.mark.parametrize(
    "row", [*ONLY_V1, ("add_promo_image", (PROMO_ID, PNG), {})], ids=lambda row: str(row[0])
)
def test_v1beta_does_not_have_it(row: Any) -> None:
    with pytest.raises(TelecomInputError, match="exist in API v1 only: set it to v1") as caught:
        next(describe(row[0], *row[1], **row[2]))
    assert caught.value.field == "extra.api_version"


WRONG: list[tuple[str, tuple[Any, ...], dict[str, Any], str]] = [
    ("send_multichannel", (NUMBER, []), {}, "contents"),
    ("send_multichannel", (NUMBER, ["hi"]), {}, "contents"),
    ("send_multichannel", (NUMBER, [SMS, SmsContent("again")]), {}, "contents"),
    ("send_multichannel", ("1", [SMS]), {}, "msisdn"),
    ("send_multichannel", (NUMBER, [SmsContent("")]), {}, "text"),
    ("send_multichannel", (NUMBER, [SmsContent("hi", ttl_seconds=86_401)]), {}, "ttl_seconds"),
    ("send_multichannel", (NUMBER, [ViberContent("hi", ttl_seconds=29)]), {}, "ttl_seconds"),
    ("send_multichannel", (NUMBER, [ViberContent("hi", caption="B", action_url=SHOP)]), {}, "image_url"),
    ("get_multichannel", ("a/b",), {}, "message_id"),
    ("send_sms_batch", ([],), {}, "messages"),
    ("send_sms_batch", ([BatchSms(NUMBER, "hi")] * 1001,), {}, "messages"),
    ("send_sms_batch", ([NUMBER],), {}, "messages[0]"),
    ("send_sms_batch", ([BatchSms("1", "hi")],), {}, "messages[0].msisdn"),
    ("send_sms_batch", ([BatchSms(NUMBER, "a" * 919)],), {}, "text"),
    ("send_sms_batch", ([BatchSms(NUMBER, "a", name="a b")],), {}, "messages[0].name"),
    ("send_sms_batch", ([BatchSms(NUMBER, "a", name="x"), BatchSms(NUMBER, "b", name="x")],), {}, "messages"),
    ("get_sms_batch", ([],), {}, "message_ids"),
    ("get_sms_batch", (["a/b"],), {}, "message_ids"),
    ("send_rcs_text", (NUMBER, " "), {}, "text"),
    ("send_rcs_text", (NUMBER, "hi"), {"ttl_seconds": 0}, "ttl_seconds"),
    ("send_rcs_suggestion", (NUMBER, "hi", []), {}, "suggestions"),
    ("send_rcs_suggestion", (NUMBER, "hi", [{"text": "B"}]), {}, "suggestions[0]"),
    ("send_rcs_suggestion", (NUMBER, "hi", [{"text": "B", "url": "x"}]), {}, "suggestions[0].url"),
    ("send_rcs_rich_card", (NUMBER,), {}, "title"),
    ("send_rcs_rich_card", (NUMBER,), {"title": "T", "thumbnail_url": PICTURE}, "image_url"),
    ("send_rcs_rich_card", (NUMBER,), {"title": "T", "orientation": "up"}, "orientation"),
    ("create_viber_promo", ("Hi",), {"caption": "Buy"}, "caption"),
    ("create_viber_promo", ("Hi",), {"start_date": "tomorrow"}, "start_date"),
    ("create_rcs_promo", ("Hi",), {"title": ""}, "title"),
    ("add_promo_image", (PROMO_ID, b"GIF89a"), {}, "image"),
    ("add_promo_image", (PROMO_ID, "picture"), {}, "image"),
    ("add_promo_image", ("1", PNG), {}, "promo_id"),
    ("check_device", (NUMBER,), {"imei": "123456789012345"}, "imei"),
]


@pytest.mark.parametrize(
    ("method", "args", "kwargs", "field"),
    WRONG,
    ids=[f"{row[0]}-{row[3]}-{n}" for n, row in enumerate(WRONG)],
)
def test_a_wrong_argument_is_refused(method: str, args: Any, kwargs: Any, field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        next(describe(method, *args, **kwargs, extra=V1))
    assert caught.value.field == field


def test_the_example_imei_is_for_the_mock_server() -> None:
    extra = {**V1, "environment": "mock"}
    reply = {"resource": {"imeiRes": "NOT_MATCHED"}}
    request, _ = asked("check_device", NUMBER, imei="123456789012345", extra=extra, replies=reply)
    assert request.url("").endswith("?imei=123456789012345")


@pytest.mark.parametrize("reply", [{"reqId": "r", "cid": "c", "resource": FLAGS}, FLAGS])
def test_the_anti_fraud_check_never_guesses_whether_the_sim_is_active(reply: Any) -> None:
    _, found = asked("verify_sim", NUMBER, 48, extra=V1, replies=reply)
    assert (found.sim_changed, found.sim_type_changed, found.geo_changed) == (False, False, False)
    assert (found.imei_changed, found.call_forwarding, found.is_active) == (False, None, None)


def test_v1beta_must_say_whether_the_sim_is_active() -> None:
    replies = [{"simChanged": 0}, None, {"simChanged": 0}]
    with pytest.raises(TelecomAnswerError, match="isActive"):
        asked("verify_sim", NUMBER, 48, replies=replies)


@pytest.mark.parametrize(
    ("item", "state", "code"),
    [
        (ITEM, "accepted", None),
        ({**ITEM, "errorCode": "0", "errorMsg": ""}, "accepted", None),
        ({**ITEM, "errorCode": None}, "accepted", None),
        ({"msgID": 12}, "accepted", None),
        ({"errorCode": "1001003", "errorMsg": "alpha name"}, "refused", "1001003"),
        ({"errorCode": 1010}, "refused", "1010"),
        ({"errorCode": False}, "unknown", None),
        ({"errorCode": True}, "unknown", None),
        ({"errorCode": {"id": 1}}, "unknown", None),
        ({**ITEM, "errorCode": False}, "accepted", None),
        ({"code": 200}, "unknown", None),
        ({"code": 0, "reason": "queued"}, "unknown", None),
        ({"errorCode": 1010, "msgId": None}, "refused", "1010"),
        ({**ITEM, "errorCode": "1010"}, "unknown", "1010"),
        ({**ITEM, "errorMsg": "no money"}, "unknown", None),
        ({**ITEM, "success": False}, "unknown", None),
        ({"errorMsg": "no money"}, "unknown", None),
        ({"msgId": "0"}, "unknown", None),
        ({"msgId": ""}, "unknown", None),
        ({"msgId": ["m1"]}, "unknown", None),
        ({}, "unknown", None),
        (None, "unknown", None),
        ("accepted", "unknown", None),
    ],
)
def test_what_became_of_an_sms_of_a_batch(item: Any, state: str, code: str | None) -> None:
    messages = [BatchSms(NUMBER, "a", name="m0"), BatchSms(NUMBER, "b", name="m1")]
    _, found = asked("send_sms_batch", messages, extra=V1, replies={"data": {"m0": ITEM, "m1": item}})
    assert [each.state for each in found.items] == ["accepted", state]
    assert found.items[1].code == code


@pytest.mark.parametrize("data", [{}, {"other": ITEM}, {"m0": {}}, {"m0": "accepted"}])
def test_a_batch_that_is_not_in_the_response_is_unknown(data: Any) -> None:
    messages = [BatchSms(NUMBER, "a", name="m0")]
    with pytest.raises(TelecomUnknownError):
        asked("send_sms_batch", messages, extra=V1, replies={"reqId": "r", "data": data})


def test_a_batch_has_a_request_id_and_a_price() -> None:
    reply = answer({"reqId": "r", "data": {"m0": ITEM}}, x_reserved_tarification_units="2")
    _, found = asked("send_sms_batch", [BatchSms(NUMBER, "a", name="m0")], extra=V1, replies=reply)
    assert (found.request_id, found.reserved_units) == ("r", 2)


@pytest.mark.parametrize("data", [5, {}])
def test_a_batch_that_cannot_be_read_is_known_by_its_length(data: Any) -> None:
    response = answer({"data": data})
    readers: list[Callable[[Response], Any]] = [lambda response: read_batch(response, ["m0"])]
    if data:
        readers += [lambda response: read_batch_status(response, ["m1"]), reader(BatchAccepted)]
    for read in readers:
        with pytest.raises(TelecomAnswerError) as caught:
            read(response)
        assert (caught.value.length, caught.value.status) == (len(response.body), None if data else 200)


def test_each_sms_of_each_batch_has_a_name_of_its_own() -> None:
    names: set[str] = set()
    for _ in range(2):
        request = next(describe("send_sms_batch", [BatchSms(NUMBER, "a")] * 3, extra=V1))
        names |= set(request.body.value["data"])  # type: ignore[union-attr, index]
    assert len(names) == 6


@pytest.mark.parametrize(
    "item",
    [
        *(None, {}, {"errorCode": "1040"}, {"msgId": "m2"}, "delivered", STATUS),
        {"msgId": "m2", "status": "delivered", "errorCode": "1040"},
        {"msgId": "m2", "status": "delivered", "errorMsg": "no money"},
    ],
)
def test_a_status_that_a_batch_does_not_give(item: Any) -> None:
    reply = {"data": {"m1": STATUS, "m2": item}}
    _, found = asked("get_sms_batch", ["m1", "m2"], extra=V1, replies=reply)
    assert list(found) == ["m1", "m2"]
    assert (found["m1"].status, found["m2"]) == ("accepted", None)


@pytest.mark.parametrize(
    "item",
    [
        {"status": "delivered"},
        {"mid": "m2", "status": "delivered"},
        {"status": "delivered", "errorCode": 0, "errorMsg": "OK"},
    ],
)
def test_a_status_that_a_batch_gives(item: Any) -> None:
    _, found = asked("get_sms_batch", ["m2"], extra=V1, replies={"data": {"m2": item}})
    assert (found["m2"].message_id, found["m2"].status) == ("m2", "delivered")


def test_a_multichannel_status_says_what_each_channel_did() -> None:
    reports = [
        {"bearerType": "viber", "date": "2026-01-01T00:00:00Z", "mid": "v1", "state": "expired"},
        {"bearerType": "sms", "date": "2026-01-01T00:01:00Z", "mid": "s1", "state": "delivered"},
    ]
    reply = {"multiMsgId": "x1", "status": "delivered", "bearerType": "sms", "reports": reports}
    _, found = asked("get_multichannel", "x1", extra=V1, replies=reply)
    assert (found.message_id, found.bearer_type, found.is_delivered) == ("x1", "sms", True)
    assert [(each.bearer_type, each.state) for each in found.reports] == [
        ("viber", "expired"),
        ("sms", "delivered"),
    ]


@pytest.mark.parametrize(
    ("header", "units"),
    [("3", 3), (" 0.5 ", 0.5), ("", None), ("many", None), ("-1", None), ("9" * 99, None)],
)
def test_what_a_paid_call_costs_is_in_a_header(header: str, units: float | None) -> None:
    reply = answer({"msgId": "m1"}, x_reserved_tarification_units=header)
    assert asked("send_sms", NUMBER, "hi", replies=reply)[1].reserved_units == units
