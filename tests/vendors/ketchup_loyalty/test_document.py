"""The document's own samples, with their damage: each is read or refused by a named error. None is mended."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from decimal import Decimal
from itertools import repeat
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    HlrDetails,
    HlrQuery,
    HlrStatus,
    IndividualSms,
    MessageStatus,
    Recipient,
    SendResult,
    SmsTask,
    ViberRecipient,
)
from tests.by_hand import drive
from tests.vendors.ketchup_loyalty.by_hand import A, B, ScriptedApi, answer, first_request, result_of, sent

AT = datetime(2026, 7, 1, 12, tzinfo=UTC)
Make = Callable[[ScriptedApi], Any]

HLRS = [HlrQuery(A, "extid13423now"), HlrQuery(B, "extid13425")]
SMS = [Recipient("380972000001", "12erdgm9"), Recipient("380972000002", "12erdgn0")]
TEXTS = [
    IndividualSms("380972000001", "test sms1", "12erdgm9", "test1"),
    IndividualSms("380972000002", "test sms2", "12erdgn0", "test2"),
]
VIBERS = [ViberRecipient("380972920283", "example_12"), ViberRecipient("380972920282", "example_13")]

TWO_SMS = """{"result":
[
{"reference":"12erdgm9",
"id":"12345",
"error":"0",
"price":"0.02",
"currency":"EUR"},
{"reference":"12erdgn0",
"id":"12346",
"error":"0",
"price":"0.02",
"currency":"EUR"}
],
"error":"0", 
"totalprice":"0.04",
"currency":"EUR",
"task_id":"21902"}"""  # noqa: W291 - as it stands in the document
TWO_SENT = BatchResult(
    [
        SendResult("12erdgm9", "12345", Decimal("0.02"), "EUR", task_id="21902"),
        SendResult("12erdgn0", "12346", Decimal("0.02"), "EUR", task_id="21902"),
    ],
    Decimal("0.04"),
    "EUR",
)
TIMES = {
    "time_in": "2016-01-01 00:00:01",
    "time_sent": "2016-01-01 00:00:02",
    "time_dr": "2016-01-01 00:01:01",
}

READ: list[tuple[str, Make, str, Any]] = [
    ("one look-up", lambda k: k.create_hlr(A, reference="sendHLR0407"),
     """{"error":"0",
"id":"12123",
"price":"0.002",
"currency":"EUR"}""",
     SendResult("sendHLR0407", "12123", Decimal("0.002"), "EUR")),
    ("many look-ups", lambda k: k.create_hlrs(HLRS),
     """{"result":
[
{"reference":"extid13423now",
"id":"12345",
"error":"0",
"price":"0.002",
"currency":"EUR"},
{"reference":"extid13425",
"id":"12346",
"error":"0",
"price":"0.002",
"currency":"EUR"}
],
"error":"0", 
"totalprice":"0.004",
"currency":"EUR"}""",  # noqa: W291
     BatchResult([SendResult("extid13423now", "12345", Decimal("0.002"), "EUR"),
                  SendResult("extid13425", "12346", Decimal("0.002"), "EUR")], Decimal("0.004"), "EUR")),
    ("a look-up known already", lambda k: k.create_hlrs(HLRS),
     """{"result":
[
{"reference":"extid13423now",
"id":"12345",
"error":"13",
" errorDescription":"HLR already exists"
}, {"reference":"extid13425",
"id":"12346",
"error":"0",
"price":"0.002",
"currency":"EUR"}
],
"error":"0",
"totalprice":"0.002",
"currency":"EUR"}""",
     BatchResult([SendResult("extid13423now", "12345", code="13", duplicate=True),
                  SendResult("extid13425", "12346", Decimal("0.002"), "EUR")], Decimal("0.002"), "EUR")),
    ("a look-up's result", lambda k: k.get_hlr("34298934543"),
     """{
"id":"34298934543",
"reference":"1234567",
"msisdn":"380932990000",
"network":"unknown",
"status":"unknown",
"details":{"ported":"0","roaming":"0"},
"createdDatetime":"2015-08-04T06:50:19+00:00",
"statusDatetime":"2015-08-04T06:50:19+00:00"
}""",
     HlrStatus.model_validate({
         "id": "34298934543", "reference": "1234567", "msisdn": "380932990000", "network": "unknown",
         "status": "unknown", "details": HlrDetails(ported=False, roaming=False),
         "createdDatetime": "2015-08-04T06:50:19+00:00", "statusDatetime": "2015-08-04T06:50:19+00:00"})),
    ("one SMS", lambda k: k.send_sms("380972000000", "test sms", reference="12erdgm9"),
     """{"error":"0",
"id":"22125",
"reference":"12erdgm9",
"price":"0.02",
"currency":"EUR"}""",
     SendResult("12erdgm9", "22125", Decimal("0.02"), "EUR")),
    ("many SMS", lambda k: k.send_sms_to_many(SMS, "test sms"), TWO_SMS, TWO_SENT),
    ("individual SMS", lambda k: k.send_individual_sms(TEXTS), TWO_SMS, TWO_SENT),
    ("an SMS status", lambda k: k.get_sms_by_reference("12erdgm9"),
     '{ "error":"0","msisdn": "380972000000","reference":"12erdgm9", "time_in":"2016-01-01 00:00:01",'
     '"time_sent":"2016-01-01 00:00:02","time_dr":"2016-01-01 00:01:01","status":" delivered ",'
     '"price":"0.02","currency":"EUR"}',
     MessageStatus(status="delivered", msisdn="380972000000", reference="12erdgm9", price=Decimal("0.02"),
                   currency="EUR", **TIMES)),
    ("a batch", lambda k: k.get_sms_task("21902"),
     '{"error":"0","originator ":"test","body":"test sms", "validity": 72, "sent":"2","delivered":"1",'
     '"undeliverable":"1", "expired": "0", "unknown":"0","totalprice":"0.04","currency":"EUR"\n}',
     SmsTask.model_validate({
         "sent": 2, "delivered": 1, "undeliverable": 1, "expired": 0, "unknown": 0, "currency": "EUR",
         "totalprice": Decimal("0.04"), "originator": "test", "body": "test sms", "validity": 72})),
    ("two Viber messages", lambda k: k.send_viber(VIBERS, "Hi"),
     '[{"error":"0", "messages" : [{"id":"22125","reference":"example_12","price":"0.02","currency":"EUR"},'
     '{"id":"22126","price":"0.02","currency":"EUR"}], "total_price": "0.04", "currency":"EUR"}]',
     BatchResult([SendResult("example_12", "22125", Decimal("0.02"), "EUR"),
                  SendResult("example_13", "22126", Decimal("0.02"), "EUR", key_returned=False)],
                 Decimal("0.04"), "EUR")),
    ("a Viber status", lambda k: k.get_viber("22125"),
     '{ "error":"0","msisdn": "380972000000","reference":"12erdgm9", "time_in":"2016-01-01 00:00:01",'
     '"time_sent":"2016-01-01 00:00:02","time_dr":"2016-01-01 00:01:01","status":"read","price":"0.02",'
     '"currency":"EUR"}',
     MessageStatus(status="read", msisdn="380972000000", reference="12erdgm9", price=Decimal("0.02"),
                   currency="EUR", **TIMES)),
]  # fmt: skip


@pytest.mark.parametrize("row", READ, ids=lambda row: row[0])
def test_a_sample_that_is_json_is_read(row: tuple[str, Make, str, Any]) -> None:
    _, make, sample, expected = row
    assert result_of(make(ScriptedApi()), sample) == expected


REFUSED: list[tuple[str, Make, str, type[TelecomError], str]] = [
    ("wrong HLR number", lambda k: k.create_hlr(A, reference="r1"),
     '{"error":"11",\n"errorDescription":"Incorrect msisdn"}', TelecomRejectedError, "11"),
    ("HLR payload", lambda k: k.create_hlrs(HLRS),
     '{"error":"14",\n"errorDescription":"Incorrect payload: missing msisdn"\n}', TelecomRejectedError, "14"),
    ("HLR tariff", lambda k: k.list_hlr_prices(3), '{"error":"6","errorDescription":"Invalid tariff code"}',
     TelecomRejectedError, "6"),
    ("no HLR", lambda k: k.get_hlr(1), '{"error":"10",\n"errorDescription":"HLR not found"}',
     TelecomNotFoundError, "10"),
    ("wrong SMS number", lambda k: k.send_sms(A, "Hi", reference="r1"),
     '{"error":"11",\n"errorDescription":"Incorrect msisdn"}', TelecomRejectedError, "11"),
    ("SMS sender", lambda k: k.send_sms_to_many(SMS, "Hi"),
     '{"error":"25",\n"errorDescription":"Invalid originator"}', TelecomRejectedError, "25"),
    ("SMS payload", lambda k: k.send_individual_sms(TEXTS),
     '{"error":"24",\n"errorDescription":"Invalid request payload"}', TelecomRejectedError, "24"),
    ("no SMS", lambda k: k.get_sms(1), '{"error":"20","errorDescription":"SMS not found"}',
     TelecomNotFoundError, "20"),
    ("no task", lambda k: k.get_sms_task(1), '{"error":"30","errorDescription":"Task not found"}',
     TelecomNotFoundError, "30"),
    ("SMS tariff", lambda k: k.list_sms_prices(3), '{"error":"6","errorDescription":"Invalid tariff code"}',
     TelecomRejectedError, "6"),
    ("wrong Viber number", lambda k: k.send_viber(VIBERS, "Hi"),
     '{"error":"11","errorDescription":"Incorrect msisdn"}', TelecomRejectedError, "11"),
    ("no Viber message", lambda k: k.get_viber(1), '{"error":"40","errorDescription":"Message not found"}',
     TelecomNotFoundError, "40"),
    ("Viber tariff", lambda k: k.list_viber_prices(3),
     '{"error":"6","errorDescription":"Invalid tariff code"}', TelecomRejectedError, "6"),
    ("no statistics", lambda k: k.get_statistics("abc"),
     '{"error":"60",\n"errorDescription":"Message_id do not exist"}', TelecomNotFoundError, "60"),
]  # fmt: skip


@pytest.mark.parametrize("row", REFUSED, ids=lambda row: row[0])
def test_a_sample_of_an_error_has_its_name(row: tuple[str, Make, str, type[TelecomError], str]) -> None:
    _, make, sample, kind, code = row
    with pytest.raises(TelecomError) as caught:
        drive(make(ScriptedApi()), repeat(answer(sample)))
    assert (type(caught.value), caught.value.code) == (kind, code)


PRICES = (
    '{"error":"0","prices":[{"type":"%s","country":" AE","country_name":"United Arab Emirates","mcc":" 424",'
    '"price":"0.02","currency":"EUR"}, ":[{"type":"%s", "country":" AF","country_name":"Afghanistan",'
    '"mcc":" 412","price":"0.05","currency":"EUR"}]}'
)
HLR_PRICES = """{"error":"0",
"prices":
[
{"type":"hlr",
"country":" AE",
"country_name":"United Arab Emirates",
"mcc":" 424","
price":"0.002",
"currency":"EUR"}, 
[
{"type":"hlr", 
"country":" AF",
"country_name":"Afghanistan",
"mcc":" 412",
"price":"0.002",
"currency":"EUR"
}
]
}"""  # noqa: W291
BROKEN_SMS = """{ "error":0,
"errorDescription":"No errors",
"id":"211″,
"msisdn":"380972000001″,
"reference":"ext_id_19″,
"time_in":"2017-01-17 09:11:41″,
"time_sent":"2017-01-17 09:11:41″,
"time_dr":"2017-01-17 09:11:41″,
"status":"delivered",
"price":0.23,
"currency":"EUR"
}"""
BROKEN_TASK = """{ “originator”:”alpha_name”,
“body”:”message text”,
“validity”:72,
“totalprice”:0.23,
“currency”:”EUR”,
“sent”:1,
“delivered”:1,
“expired”:0,
“undeliverable”:0,
“unknown”:0
}"""
ROW = """{“message_ID”: 1529112192,
“message_type”: “sms”,
“msisdn”: 380505142320,
“mcc”: 255,
“mnc”: 01,
“price”: “0.0000000 EUR”,
“Status”: “Delivered”
“body”: “testing message”
}"""
NO_COMMA_FILE = f"{{“error”: 0\n[\n{ROW},\n{{\nsimilar data for another message_ID\n}}\n]\n"
BARE_KEY_FILE = f"{{“error”: 0,\nmessage_data:\n[\n{ROW}\n]\n"
BROKEN_PRICE = '{error":"0", "totalprice":"0.004","currency":"EUR"}'

BROKEN: list[tuple[str, Make, str]] = [
    ("HLR prices", lambda k: k.list_hlr_prices(), HLR_PRICES),
    ("SMS prices", lambda k: k.list_sms_prices(), PRICES % ("sms", "sms")),
    ("Viber prices", lambda k: k.list_viber_prices(), PRICES % ("viber", " viber ")),
    ("SMS status", lambda k: k.get_sms(211), BROKEN_SMS),
    ("task", lambda k: k.get_sms_task(1), BROKEN_TASK),
    ("no task", lambda k: k.get_sms_task(1), "{ “error”: 30,\n“errorDescription”:”Task not found”\n}"),
    ("SMS price", lambda k: k.price_sms(A, "Hi"), BROKEN_PRICE),
    ("Viber price", lambda k: k.price_viber(VIBERS, "Hi"), BROKEN_PRICE),
    ("file without a comma", lambda k: k.get_statistics("abc"), NO_COMMA_FILE),
    ("file with a bare key", lambda k: k.get_statistics("abc"), BARE_KEY_FILE),
]


@pytest.mark.parametrize("row", BROKEN, ids=lambda row: row[0])
def test_row_05_a_sample_that_is_not_json_is_refused_and_not_mended(row: tuple[str, Make, str]) -> None:
    _, make, sample = row
    with pytest.raises(TelecomAnswerError) as caught:
        drive(make(ScriptedApi()), repeat(answer(sample)))
    assert caught.value.length == len(sample.encode())
    assert "1529112192" not in str(caught.value)


def test_row_06_the_key_of_an_export_in_smart_quotes_leaves_the_outcome_unknown() -> None:
    with pytest.raises(TelecomUnknownError, match="cannot be read"):
        result_of(ScriptedApi().create_statistics_export(message_ids=[1]), "{\n“error”:0,\n“key”: {}\n}")


def test_row_06_quotes_in_a_text_stay_as_they_are() -> None:
    text = "She said “hi” ″ and ”bye”"
    assert sent(ScriptedApi().send_sms(A, text, reference="r1"))["body"] == text
    task = {"sent": 1, "delivered": 1, "undeliverable": 0, "expired": 0, "unknown": 0, "totalprice": 0}
    assert result_of(ScriptedApi().get_sms_task(1), {**task, "body": text}).body == text


def test_row_06_a_damaged_file_can_be_kept_and_another_format_read() -> None:
    save = first_request(ScriptedApi().download_statistics("abc", Path("x"), "json")).save
    assert save is not None
    assert save.is_file(answer(NO_COMMA_FILE))
    rows = result_of(ScriptedApi().get_statistics("abc", "csv"), "message_ID,mnc\n1529112192,01\n")
    assert rows == [{"message_ID": "1529112192", "mnc": "01"}]


SAMPLE_PHONE = """{"originator":"test",
"body":"test sms", 
"validity": 72,
"tariff":9, 
"destination":"phone",
"msisdn": "380972000000",
"reference":"12erdgm9", 
"send_time" : "ISO 8601 date"}"""  # noqa: W291
SAMPLE_PHONES = """{"destination":"phones", 
"phones":[
{"msisdn": "380972000001","reference":"12erdgm9"},
{"msisdn": "380972000002","reference":"12erdgn0"}
],
"originator":"test",
"body":"test sms", 
"validity": 72,
"tariff":9, 
"send_time" : "ISO 8601 date"}"""  # noqa: W291
SAMPLE_INDIVIDUAL = """{"validity": 72,
"tariff":9, 
"destination":"individual", 
"phones":
[
{"originator":"test1",
"body":"test sms1", 
"msisdn":"380972000001",
"reference": "12erdgm9"},
{"originator":"test2",
"body":"test sms2",
"msisdn": "380972000002",
"reference": "12erdgn0"}
], 
"scheduledDatetime" : "ISO 8601 date"}"""  # noqa: W291
SAMPLE_VIBER = """{  
	"tariff" :9,
	"validity": 24,
   "messages":[  
      {
		"to": [
				{"msisdn": "380972920283", "external_id": "example_12"}, 
				{"msisdn": "380972920282", "external_id": "example_13"}
			],
		"text" : "My Viber messages is shinier than your SMS messages",
		"callback_url": "https://my-cool-webpage.com/viber-dlr",
		"alpha_name": "My Company",
		"is_promotional": false,
		"options" : { 
		  "viber": { 
			 "img": "http://my-cool-webpage.com/logo.png",
			 "caption": "Join us!",
			 "action": "http://my-cool-webpage.com"
		  }
		},
		"scheduledDatetime" : "ISO 8601 date"
	  }
	]
}"""  # noqa: W291, E101


def _sample_viber(paper: ScriptedApi) -> Any:
    return paper.send_viber(
        VIBERS,
        "My Viber messages is shinier than your SMS messages",
        sender="My Company",
        image_url="http://my-cool-webpage.com/logo.png",
        caption="Join us!",
        action_url="http://my-cool-webpage.com",
        callback_url="https://my-cool-webpage.com/viber-dlr",
        validity_seconds=24,
        allow_short_validity=True,
        tariff=9,
        schedule_at=AT,
    )


ASKED: list[tuple[str, str, Make]] = [
    ("phone", SAMPLE_PHONE,
     lambda k: k.send_sms("380972000000", "test sms", reference="12erdgm9", tariff=9, schedule_at=AT)),
    ("phones", SAMPLE_PHONES, lambda k: k.send_sms_to_many(SMS, "test sms", tariff=9, schedule_at=AT)),
    ("individual", SAMPLE_INDIVIDUAL, lambda k: k.send_individual_sms(TEXTS, tariff=9, schedule_at=AT)),
    ("viber", SAMPLE_VIBER, _sample_viber),
]  # fmt: skip


@pytest.mark.parametrize("row", ASKED, ids=lambda row: row[0])
def test_we_ask_as_the_samples_do(row: tuple[str, str, Make]) -> None:
    _, sample, make = row
    asked = json.dumps(sent(make(ScriptedApi()))).replace("2026-07-01T12:00:00+00:00", "ISO 8601 date")
    assert json.loads(asked) == json.loads(sample)


def test_row_05_many_look_ups_are_a_flat_list_and_not_as_in_the_sample() -> None:
    query = HlrQuery("380972920000", "extid13423now", 9, "http://someurl.com/callback/?id=12345")
    assert sent(ScriptedApi().create_hlrs([query])) == [
        {
            "msisdn": "380972920000",
            "reference": "extid13423now",
            "tariff": 9,
            "callback_url": "http://someurl.com/callback/?id=12345",
        }
    ]


@pytest.mark.parametrize("kind", ["text/json", "application/json; charset=utf-8", "text/html", ""])
def test_row_04_an_answer_is_known_by_its_content_and_not_by_its_type(kind: str) -> None:
    body = '{"error":"0","totalprice":"0.004","currency":"EUR"}'
    price = result_of(ScriptedApi().price_sms(A, "Hi"), Response(200, {"content-type": kind}, body.encode()))
    assert (price.total_price, price.currency) == (Decimal("0.004"), "EUR")
