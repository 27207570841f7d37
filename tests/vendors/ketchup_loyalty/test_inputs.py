"""What is refused before anything is sent, and by which name."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.ketchup_loyalty.api import auth_for
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrQuery,
    IndividualSms,
    Recipient,
    ViberMessage,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.options import KetchUpOptions
from airflow_provider_telecom.vendors.options import read_options
from tests.vendors.ketchup_loyalty.by_hand import A, B, ScriptedApi, first_request

NAIVE, LATER = datetime(2026, 7, 1), datetime(2026, 7, 2)
AWARE = datetime(2026, 7, 1, tzinfo=UTC)
TWO = [Recipient(A, "r1"), Recipient(B, "r2")]
VIBERS = [ViberRecipient(A, "r1")]
MESSAGES = [ViberMessage(VIBERS, "Hi")]
Make = Callable[[ScriptedApi], Any]


def _sms(**changes: Any) -> Make:
    given = {"msisdn": A, "text": "Hi", "reference": "r1", **changes}
    return lambda k: k.send_sms(**given)


def _viber(**changes: Any) -> Make:
    given = {"recipients": VIBERS, "text": "Hi", **changes}
    return lambda k: k.send_viber(**given)


def _stat(**changes: Any) -> Make:
    given = {"time_in_from": NAIVE, "time_in_to": LATER, **changes}
    return lambda k: k.create_statistics_export(**given)


RULES: list[tuple[str, Make, str, str]] = [
    ("hyphen", _sms(reference="order-1"), "reference", "a-z A-Z 0-9"),
    ("long", _sms(reference="r" * 33), "reference", "1 to 32"),
    ("empty", _sms(reference=""), "reference", "1 to 32"),
    ("newline", _sms(reference="r1\n"), "reference", "1 to 32"),
    ("other alphabet", _sms(reference="ключ"), "reference", "a-z A-Z 0-9"),
    ("sender of 15", _sms(originator="x" * 15), "originator", "at most 14"),
    ("no sender", _sms(originator=""), "originator", "empty"),
    ("blank text", _sms(text=" \n"), "text", "empty"),
    ("half an emoji", _sms(text="\ud83d"), "text", "surrogate"),
    ("0 hours", _sms(validity_hours=0), "validity_hours", "1 to 72"),
    ("73 hours", _sms(validity_hours=73), "validity_hours", "1 to 72"),
    ("true hours", _sms(validity_hours=True), "validity_hours", "whole number"),
    ("tariff 10", _sms(tariff=10), "tariff", "0 to 9"),
    ("tariff -1", _sms(tariff=-1), "tariff", "0 to 9"),
    ("naive", _sms(schedule_at=NAIVE), "schedule_at", "time zone"),
    ("no number", _sms(msisdn="call me"), "msisdn", "digits"),
    ("two numbers", _sms(msisdn=f"{A},{B}"), "msisdn", "digits"),
    ("nobody", lambda k: k.send_sms_to_many([], "Hi"), "recipients", "at least one"),
    ("no list", lambda k: k.send_sms_to_many("0670000201", "Hi"), "recipients", "list"),  # type: ignore[arg-type]
    ("number twice", lambda k: k.send_sms_to_many([Recipient(A, "r1"), Recipient("0670000201", "r2")], "Hi"),
     "msisdn", "twice"),
    ("key twice", lambda k: k.send_sms_to_many([Recipient(A, "r1"), Recipient(B, "r1")], "Hi"), "reference",
     "twice"),
    ("no messages", lambda k: k.send_individual_sms([]), "messages", "at least one"),
    ("own text", lambda k: k.send_individual_sms([IndividualSms(A, "", "r1")]), "text", "empty"),
    ("own sender", lambda k: k.send_individual_sms([IndividualSms(A, "Hi", "r1", "x" * 15)]), "originator",
     "at most 14"),
    ("own twice", lambda k: k.send_individual_sms([IndividualSms(A, "1", "r1"), IndividualSms(A, "2", "r2")]),
     "msisdn", "twice"),
    ("price too", lambda k: k.price_sms_to_many(TWO, ""), "text", "empty"),
    ("hlr key", lambda k: k.create_hlr(A, reference="a/b"), "reference", "a-z A-Z 0-9 _ . : -"),
    ("hlr dots", lambda k: k.create_hlrs([HlrQuery(A, "..")]), "reference", "not only dots"),
    ("hlr long key", lambda k: k.create_hlr(A, reference="r" * 129), "reference", "1 to 128"),
    ("hlr no key", lambda k: k.create_hlr(A, reference=None), "reference", "1 to 128"),
    ("hlr callback", lambda k: k.create_hlr(A, reference="r1", callback_url="ftp://a"), "callback_url",
     "http"),
    ("hlr nobody", lambda k: k.create_hlrs([]), "queries", "at least one"),
    ("hlr twice", lambda k: k.create_hlrs([HlrQuery(A, "r1"), HlrQuery(A, "r2")]), "msisdn", "twice"),
    ("hlr id", lambda k: k.get_hlr("r1"), "hlr_id", "number"),
    ("sms id", lambda k: k.get_sms("t1"), "message_id", "number"),
    ("sms path", lambda k: k.get_sms("../1"), "message_id", "number"),
    ("task id", lambda k: k.get_sms_task("task"), "task_id", "number"),
    ("prices", lambda k: k.list_sms_prices(11), "tariff", "0 to 9"),
    ("viber nobody", _viber(recipients=[]), "recipients", "at least one"),
    ("viber no key", _viber(recipients=[ViberRecipient(A)]), "external_id", "without_keys=True"),
    ("viber key", _viber(recipients=[ViberRecipient(A, "a b")]), "external_id", "a-z A-Z 0-9 _ . : -"),
    ("viber long key", _viber(recipients=[ViberRecipient(A, "_" * 129)]), "external_id", "1 to 128"),
    ("viber number key", _viber(recipients=[ViberRecipient(A, 12)]), "external_id", "1 to 128"),  # type: ignore[arg-type]
    ("viber keys twice", _viber(recipients=[ViberRecipient(A, "r1"), ViberRecipient(B, "r1")]), "reference",
     "twice"),
    ("viber text", _viber(text=""), "text", "empty"),
    ("viber sender", _viber(sender=" "), "sender", "empty"),
    ("viber image", _viber(image_url="logo.png"), "image_url", "http"),
    ("viber button", _viber(action_url="javascript:1"), "action_url", "http"),
    ("viber button without text", _viber(action_url="https://a.example"), "caption", "both"),
    ("viber button without link", _viber(caption="Buy"), "action_url", "both"),
    ("viber picture and half a button", _viber(image_url="https://a.example/a.png", caption="Buy"),
     "action_url", "both"),
    ("no viber messages", lambda k: k.send_viber_messages([]), "messages", "at least one"),
    ("viber texts", lambda k: k.send_viber_messages(["Hi"]), "messages", "list of ViberMessage"),  # type: ignore[list-item]
    ("viber messages nobody", lambda k: k.send_viber_messages([ViberMessage([], "Hi")]), "recipients",
     "at least one"),
    ("viber messages text", lambda k: k.send_viber_messages([*MESSAGES, ViberMessage(VIBERS, "")]), "text",
     "empty"),
    ("viber messages twice", lambda k: k.send_viber_messages([*MESSAGES, *MESSAGES]), "msisdn", "twice"),
    ("viber messages key twice",
     lambda k: k.send_viber_messages([*MESSAGES, ViberMessage([ViberRecipient(B, "r1")], "Hi")]), "reference",
     "twice"),
    ("viber messages no key", lambda k: k.send_viber_messages([ViberMessage([ViberRecipient(A)], "Hi")]),
     "external_id", "without_keys=True"),
    ("price of viber messages", lambda k: k.price_viber_messages(MESSAGES, validity_seconds=24),
     "validity_seconds", "allow_short_validity"),
    ("14 seconds", _viber(validity_seconds=14, allow_short_validity=True), "validity_seconds", "15 to 86400"),
    ("a day and more", _viber(validity_seconds=86401), "validity_seconds", "15 to 86400"),
    ("no ids", lambda k: k.create_statistics_export(message_ids=[]), "message_ids", "at least one"),
    ("301 ids", lambda k: k.create_statistics_export(message_ids=range(301)), "message_ids", "at most 300"),
    ("word id", lambda k: k.create_statistics_export(message_ids=["x"]), "message_ids", "number"),
    ("ids and more", _stat(message_ids=[1]), "message_ids", "time_in_from"),
    ("no period", lambda k: k.create_statistics_export(), "time_in_from", "must be given"),
    ("half a period", _stat(time_in_to=None), "time_in_to", "must be given"),
    ("backwards", _stat(time_in_from=LATER, time_in_to=NAIVE), "time_in_to", "earlier"),
    ("sent backwards", _stat(time_sent_from=LATER, time_sent_to=NAIVE), "time_sent_to", "earlier"),
    ("aware", _stat(time_in_from=AWARE), "time_in_from", "vendor_timezone"),
    ("no numbers", _stat(msisdns=[]), "msisdns", "at least one"),
    ("source", _stat(source_type="mail"), "source_type", "api, web"),
    ("type", _stat(message_type=""), "message_type", "sms, hlr, viber"),
    ("state", _stat(status="delivered"), "status", "Delivered"),
    ("operator", _stat(operator_id=1), "operator_id", "country_name"),
    ("clicks", _stat(clicks=("!", 1)), "clicks", "one of"),
    ("clicks twice", _stat(clicks=("<", 1), sl_clicks=True), "clicks", "give it alone"),
    ("sl_clicks", _stat(sl_clicks=2), "sl_clicks", "True, False"),
    ("sl_clicks_comp", _stat(sl_clicks_comp="!"), "sl_clicks_comp", "<, >, ="),
    ("sl_clicks_count", _stat(sl_clicks_count=1_000_000), "sl_clicks_count", "0 to 999999"),
    ("many clicks", _stat(clicks=("<", 1_000_000)), "clicks", "0 to 999999"),
    ("stat originator", _stat(originator=""), "originator", "empty"),
    ("format", lambda k: k.get_statistics("abc", "xlsx"), "format", "json, xml, csv"),  # type: ignore[arg-type]
    ("file key", lambda k: k.get_statistics("../abc"), "file_key", "vendor"),
    ("dots", lambda k: k.download_statistics("..", Path("x")), "file_key", "vendor"),
    ("no file key", lambda k: k.delete_statistics_export(""), "file_key", "vendor"),
]  # fmt: skip


@pytest.mark.parametrize("row", RULES, ids=lambda row: row[0])
def test_it_is_refused_before_the_first_request(row: tuple[str, Make, str, str]) -> None:
    _, make, field, rule = row
    with pytest.raises(TelecomInputError) as caught:
        next(make(ScriptedApi()))
    assert caught.value.field == field
    assert rule in caught.value.rule
    assert A not in str(caught.value)


@pytest.mark.parametrize(
    "make",
    [
        _sms(reference="A" * 32, originator="x" * 14, validity_hours=1, tariff=9),
        _sms(validity_hours=72, schedule_at=AWARE),
        _sms(reference="ext_id_19"),
        lambda k: k.create_hlr(A, reference="CRM-17.4:" + "x" * 100),
        _viber(recipients=[ViberRecipient(A, "550e8400-e29b-41d4-a716-446655440000")]),
        _viber(validity_seconds=60),
        _viber(validity_seconds=86400),
        _stat(status="not-viber-user", country_name="Ukraine", operator_id="25503"),
        lambda k: k.create_statistics_export(message_ids=range(300)),
        lambda k: k.send_viber([ViberRecipient(A), ViberRecipient(B)], "Hi", without_keys=True),
    ],
)
def test_what_is_at_the_edge_is_sent(make: Make) -> None:
    assert first_request(make(ScriptedApi())).method == "POST"


def test_row_15_a_viber_validity_that_looks_like_hours_needs_a_flag() -> None:
    for seconds in (15, 24, 59):
        with pytest.raises(TelecomInputError, match=r"validity_seconds: .*allow_short_validity"):
            next(_viber(validity_seconds=seconds)(ScriptedApi()))
    request = first_request(_viber(validity_seconds=24, allow_short_validity=True)(ScriptedApi()))
    assert request.body.value["validity"] == 24  # type: ignore[union-attr,index]


def test_row_17_a_zone_that_is_known_wants_aware_times() -> None:
    with pytest.raises(TelecomInputError, match="time_in_from: must be a datetime with a time zone"):
        next(_stat()(ScriptedApi(vendor_timezone="Europe/Kyiv")))


def test_row_18_only_numbers_go_into_the_path_that_ids_share_with_references() -> None:
    assert first_request(ScriptedApi().get_sms("22125")).url("") == "/rest/sms/22125"
    assert first_request(ScriptedApi().get_sms_by_reference("22125")).url("") == "/rest/sms/reference/22125"
    assert first_request(ScriptedApi().get_sms_task(22125)).url("") == "/rest/sms/task/22125"


def test_senders_must_come_from_somewhere() -> None:
    paper = ScriptedApi(originator=None, viber_sender=None)
    with pytest.raises(TelecomInputError, match="originator: must be given here or in the connection"):
        next(_sms()(paper))
    with pytest.raises(TelecomInputError, match="sender: must be given here or as viber_sender"):
        next(_viber()(paper))


@pytest.mark.parametrize("key", ["", "a b", "a\nb", "ключ", "x" * 257])
def test_a_key_that_cannot_stand_in_a_header_is_refused(key: str) -> None:
    with pytest.raises(TelecomInputError, match="password: the API key") as caught:
        auth_for(Credentials("", Secret(key), "id"))
    assert not key or key not in str(caught.value)


@pytest.mark.parametrize(
    ("extra", "field"),
    [
        ({"viber_key": "both of them"}, "viber_key"),
        ({"hlr_body": "form"}, "hlr_body"),
        ({"tariff": 10}, "tariff"),
        ({"tariff": "nine"}, "tariff"),
        ({"originator": "x" * 15}, "originator"),
        ({"base_path": "rest"}, "base_path"),
        ({"base_path": "/../rest"}, "base_path"),
        ({"base_path": "/rest?x=1"}, "base_path"),
        ({"vendor_timezone": "Kyiv"}, "vendor_timezone"),
        ({"sender": "Shop"}, "sender"),
    ],
)
def test_a_wrong_option_is_refused_by_name(extra: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        read_options(KetchUpOptions, extra)
    assert caught.value.field == f"extra.{field}"


def test_options_have_the_documents_defaults() -> None:
    options = read_options(KetchUpOptions, {})
    assert (options.base_path, options.viber_key, options.hlr_body) == ("/rest", "external_id", "multipart")
    assert options.default_host == "https://api.smsketchuployalty.com.ua"
    assert read_options(KetchUpOptions, {"tariff": "3"}).tariff == 3
