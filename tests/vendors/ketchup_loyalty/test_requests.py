"""What each of KetchUp's calls asks for: method, path, class, and where its arguments go."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Any, get_args, get_type_hints

import phonenumbers
import pytest

from airflow_provider_telecom.calls.errors import TelecomRejectedError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Form, Idempotency, Json, Response
from airflow_provider_telecom.vendors.ketchup_loyalty.api import KetchUpApi
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    HlrQuery,
    IndividualSms,
    Recipient,
    ViberMessage,
    ViberRecipient,
)
from tests.vendors.ketchup_loyalty.by_hand import KEY, A, B, ScriptedApi, answer, asked, first_request, sent

KYIV = timezone(timedelta(hours=3))
AT = datetime(2026, 7, 1, 12, 30, tzinfo=KYIV)
TWO = [Recipient(A, "r1"), Recipient(B, "r2")]
TEXTS = [IndividualSms(A, "Hi A", "r1"), IndividualSms(B, "Hi B", "r2", originator="other")]
QUERIES = [HlrQuery(A, "r1"), HlrQuery(B, "r2", tariff=3, callback_url="https://a.example/cb?id=1")]
VIBERS = [ViberRecipient(A, "r1"), ViberRecipient(B, "r2")]
PHONES = [{"msisdn": A, "reference": "r1"}, {"msisdn": B, "reference": "r2"}]
NAIVE = datetime(2026, 7, 1), datetime(2026, 7, 2)

ONE_SMS = {
    "destination": "phone",
    "msisdn": A,
    "reference": "r1",
    "originator": "test",
    "body": "Hi",
    "validity": 72,
    "tariff": 0,
}
MANY_SMS = {
    "destination": "phones",
    "phones": PHONES,
    "originator": "test",
    "body": "Hi",
    "validity": 72,
    "tariff": 0,
}
OWN_SMS = {
    "destination": "individual",
    "phones": [
        {"msisdn": A, "reference": "r1", "originator": "test", "body": "Hi A"},
        {"msisdn": B, "reference": "r2", "originator": "other", "body": "Hi B"},
    ],
    "validity": 72,
    "tariff": 0,
}
VIBER = {
    "tariff": 0,
    "validity": 86400,
    "messages": [
        {
            "to": [{"msisdn": A, "external_id": "r1"}, {"msisdn": B, "external_id": "r2"}],
            "text": "Hi",
            "alpha_name": "Shop",
            "is_promotional": False,
        }
    ],
}
Make = Callable[[ScriptedApi], Any]
CALLS: list[tuple[str, Make, str, str, Idempotency, Any]] = [
    ("hlrs", lambda k: k.create_hlrs(QUERIES), "POST", "/hlr/create", Idempotency.WITH_KEY, [
        {"msisdn": A, "reference": "r1", "tariff": 0},
        {"msisdn": B, "reference": "r2", "tariff": 3, "callback_url": "https://a.example/cb?id=1"}]),
    ("hlr", lambda k: k.get_hlr("12123"), "GET", "/hlr/12123", Idempotency.READ, None),
    ("hlr by", lambda k: k.get_hlr_by_reference("r1"), "GET", "/hlr/reference/r1", Idempotency.READ, None),
    ("hlr prices", lambda k: k.list_hlr_prices(), "GET", "/hlr/prices/9", Idempotency.READ, None),
    ("hlr prices 0", lambda k: k.list_hlr_prices(0), "GET", "/hlr/prices/0", Idempotency.READ, None),
    ("sms", lambda k: k.send_sms(A, "Hi", reference="r1"), "POST", "/sms/create",
     Idempotency.WITH_KEY, ONE_SMS),
    ("many", lambda k: k.send_sms_to_many(TWO, "Hi"), "POST", "/sms/create", Idempotency.WITH_KEY, MANY_SMS),
    ("own", lambda k: k.send_individual_sms(TEXTS), "POST", "/sms/create", Idempotency.WITH_KEY, OWN_SMS),
    ("price", lambda k: k.price_sms(A, "Hi", reference="r1"), "POST", "/sms/price",
     Idempotency.READ, ONE_SMS),
    ("price many", lambda k: k.price_sms_to_many(TWO, "Hi"), "POST", "/sms/price",
     Idempotency.READ, MANY_SMS),
    ("price own", lambda k: k.price_individual_sms(TEXTS), "POST", "/sms/price", Idempotency.READ, OWN_SMS),
    ("get", lambda k: k.get_sms(22125), "GET", "/sms/22125", Idempotency.READ, None),
    ("get by", lambda k: k.get_sms_by_reference("r1"), "GET", "/sms/reference/r1", Idempotency.READ, None),
    ("task", lambda k: k.get_sms_task("21902"), "GET", "/sms/task/21902", Idempotency.READ, None),
    ("sms prices", lambda k: k.list_sms_prices(), "GET", "/sms/prices/0", Idempotency.READ, None),
    ("viber", lambda k: k.send_viber(VIBERS, "Hi"), "POST", "/viber/create", Idempotency.NONE, VIBER),
    ("viber price", lambda k: k.price_viber(VIBERS, "Hi"), "POST", "/viber/price", Idempotency.READ, VIBER),
    ("viber get", lambda k: k.get_viber("22125"), "GET", "/viber/22125", Idempotency.READ, None),
    ("viber by", lambda k: k.get_viber_by_reference("example_12"), "GET", "/viber/reference/example_12",
     Idempotency.READ, None),
    ("viber prices", lambda k: k.list_viber_prices(4), "GET", "/viber/prices/4", Idempotency.READ, None),
    ("ids", lambda k: k.create_statistics_export(message_ids=["1530913625", 1530913626]), "POST",
     "/stat/create", Idempotency.DRAFT, {"message_id": ["1530913625", "1530913626"]}),
    ("file", lambda k: k.get_statistics("abc", "csv"), "GET", "/stat/file/id/abc/format/csv",
     Idempotency.READ,
     None),
    ("download", lambda k: k.download_statistics("abc", Path("x"), "xml"), "GET",
     "/stat/file/id/abc/format/xml", Idempotency.READ, None),
    ("exports", lambda k: k.list_statistics_exports(), "GET", "/stat/list", Idempotency.READ, None),
    ("delete", lambda k: k.delete_statistics_export("abc"), "DELETE", "/message/list/abc",
     Idempotency.SET_STATE, None),
]  # fmt: skip


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row[0])
def test_a_call_asks_for_what_the_document_says(row: Any) -> None:
    _, make, verb, path, repeat, body = row
    request = first_request(make(ScriptedApi()))
    assert request.method == verb
    assert request.url("https://host") == f"https://host/rest{path}"
    assert request.idempotency is repeat
    assert (request.body.value if isinstance(request.body, Json) else request.body) == body
    assert request.headers == {"X-API-KEY": Secret(KEY)}


@pytest.mark.parametrize("row", CALLS, ids=lambda row: row[0])
def test_row_02_another_base_path(row: Any) -> None:
    _, make, _, path, *_ = row
    assert first_request(make(ScriptedApi(base_path="/"))).url("https://host") == f"https://host{path}"
    assert (
        first_request(make(ScriptedApi(base_path="/v2/rest/"))).url("https://h") == f"https://h/v2/rest{path}"
    )


def test_row_03_one_look_up_is_a_multipart_form_unless_json_is_asked_for() -> None:
    def call(paper: ScriptedApi) -> Any:
        return first_request(paper.create_hlr(A, reference="r1", tariff=9, callback_url="https://a.example"))

    fields = {"msisdn": A, "reference": "r1", "tariff": 9, "callback_url": "https://a.example"}
    form = call(ScriptedApi())
    assert form.url("https://h") == "https://h/rest/hlr/create"
    assert form.idempotency is Idempotency.WITH_KEY
    assert form.body == Form({name: str(value) for name, value in fields.items()}, multipart=True)
    assert call(ScriptedApi(hlr_body="json")).body == Json(fields)


def test_row_03_many_look_ups_are_a_json_array() -> None:
    assert isinstance(sent(ScriptedApi().create_hlrs(QUERIES)), list)


def test_row_04_bodies_are_sent_as_application_json() -> None:
    body = first_request(ScriptedApi().send_sms_to_many(TWO, "Hi")).body
    assert isinstance(body, Json)
    assert body.content_type == "application/json"


@pytest.mark.parametrize(
    ("make", "name", "message"),
    [
        (lambda k: k.send_sms(A, "Hi", reference="r1", schedule_at=AT), "send_time", False),
        (lambda k: k.price_sms(A, "Hi", schedule_at=AT), "send_time", False),
        (lambda k: k.send_sms_to_many(TWO, "Hi", schedule_at=AT), "send_time", False),
        (lambda k: k.price_sms_to_many(TWO, "Hi", schedule_at=AT), "send_time", False),
        (lambda k: k.send_individual_sms(TEXTS, schedule_at=AT), "scheduledDatetime", False),
        (lambda k: k.price_individual_sms(TEXTS, schedule_at=AT), "scheduledDatetime", False),
        (lambda k: k.send_viber(VIBERS, "Hi", schedule_at=AT), "scheduledDatetime", True),
    ],
)
def test_row_07_the_sending_time_has_a_name_by_destination(make: Make, name: str, message: bool) -> None:
    body = sent(make(ScriptedApi()))
    place = body["messages"][0] if message else body
    assert place[name] == "2026-07-01T12:30:00+03:00"
    assert len({"send_time", "scheduledDatetime"} & (set(place) | set(body))) == 1


def test_row_08_individual_texts_are_called_individual() -> None:
    assert sent(ScriptedApi().send_individual_sms(TEXTS))["destination"] == "individual"


@pytest.mark.parametrize(
    ("option", "fields"),
    [
        ("external_id", {"external_id": "r1"}),
        ("reference", {"reference": "r1"}),
        ("both", {"external_id": "r1", "reference": "r1"}),
    ],
)
def test_row_14_the_field_of_a_viber_key_is_an_option(option: str, fields: dict[str, str]) -> None:
    (message,) = sent(ScriptedApi(viber_key=option).send_viber([ViberRecipient(A, "r1")], "Hi"))["messages"]
    assert message["to"] == [{"msisdn": A, **fields}]


def test_row_14_without_keys_a_viber_message_is_unkeyed() -> None:
    recipients = [ViberRecipient(A), ViberRecipient(B, "r2")]
    request = first_request(ScriptedApi().send_viber(recipients, "Hi", without_keys=True))
    assert request.idempotency is Idempotency.NONE
    assert isinstance(request.body, Json)
    (message,) = request.body.value["messages"]  # type: ignore[index]
    assert message["to"] == [{"msisdn": A}, {"msisdn": B, "external_id": "r2"}]
    assert (
        first_request(ScriptedApi().send_viber(VIBERS, "Hi", without_keys=True)).idempotency
        is Idempotency.NONE
    )


def test_row_16_the_tariff_is_always_said() -> None:
    paper, other = ScriptedApi(), ScriptedApi(tariff=5)
    assert sent(paper.send_sms(A, "Hi", reference="r1"))["tariff"] == 0
    assert sent(other.send_sms(A, "Hi", reference="r1"))["tariff"] == 5
    assert sent(other.send_sms(A, "Hi", reference="r1", tariff=0))["tariff"] == 0
    assert sent(other.send_viber(VIBERS, "Hi"))["tariff"] == 5
    assert [query["tariff"] for query in sent(other.create_hlrs(QUERIES))] == [5, 3]
    assert first_request(paper.list_hlr_prices()).ids == {"tariff": "9"}
    assert first_request(other.list_hlr_prices()).ids == {"tariff": "5"}
    assert first_request(other.list_viber_prices()).ids == {"tariff": "5"}


def test_senders_come_from_the_connection_or_the_call() -> None:
    assert sent(ScriptedApi().send_sms(A, "Hi", reference="r1", originator="other"))["originator"] == "other"
    (message,) = sent(ScriptedApi().send_viber(VIBERS, "Hi", sender="Other"))["messages"]
    assert message["alpha_name"] == "Other"


def test_a_picture_and_a_button() -> None:
    call = ScriptedApi().send_viber(
        VIBERS,
        "Hi",
        promotional=True,
        image_url="http://a.example/logo.png",
        caption="Join us!",
        action_url="http://a.example",
        validity_seconds=3600,
        callback_url="https://a.example/viber-dlr",
    )
    body = sent(call)
    (message,) = body["messages"]
    assert body["validity"] == 3600
    assert message["is_promotional"] is True
    assert message["callback_url"] == "https://a.example/viber-dlr"
    assert message["options"] == {
        "viber": {"img": "http://a.example/logo.png", "caption": "Join us!", "action": "http://a.example"}
    }


def test_several_viber_messages() -> None:
    messages = [
        ViberMessage([ViberRecipient(A, "r1")], "Dear A"),
        ViberMessage(
            [ViberRecipient(B, "r2"), ViberRecipient("380670000203", "crm-3")],
            "Dear all",
            "Other",
            True,
            image_url="https://a.example/logo.png",
            callback_url="https://a.example/dlr",
            schedule_at=AT,
        ),
    ]
    call = ScriptedApi().send_viber_messages(messages, validity_seconds=3600, tariff=3)
    assert sent(call) == {
        "tariff": 3,
        "validity": 3600,
        "messages": [
            {
                "to": [{"msisdn": A, "external_id": "r1"}],
                "text": "Dear A",
                "alpha_name": "Shop",
                "is_promotional": False,
            },
            {
                "to": [
                    {"msisdn": B, "external_id": "r2"},
                    {"msisdn": "380670000203", "external_id": "crm-3"},
                ],
                "text": "Dear all",
                "alpha_name": "Other",
                "is_promotional": True,
                "callback_url": "https://a.example/dlr",
                "options": {"viber": {"img": "https://a.example/logo.png"}},
                "scheduledDatetime": "2026-07-01T12:30:00+03:00",
            },
        ],
    }


PRICED: list[tuple[str, str, dict[str, Any]]] = [
    ("send_sms", "price_sms", {"msisdn": A, "text": "Hi", "reference": "r1"}),
    ("send_sms_to_many", "price_sms_to_many", {"recipients": TWO, "text": "Hi"}),
    ("send_individual_sms", "price_individual_sms", {"messages": TEXTS}),
    ("send_viber", "price_viber", {"recipients": VIBERS, "text": "Hi"}),
    ("send_viber_messages", "price_viber_messages", {"messages": [ViberMessage(VIBERS, "Hi")]}),
]
CHANGED: dict[str, Any] = {
    "msisdn": B,
    "text": "Hello",
    "reference": "r_2",
    "recipients": None,
    "messages": None,
    "originator": "other",
    "sender": "Other",
    "promotional": True,
    "image_url": "https://a.example/logo.png",
    "caption": "Join us!",
    "action_url": "https://a.example",
    "callback_url": "https://a.example/dlr",
    "validity_hours": 5,
    "validity_seconds": 24,
    "allow_short_validity": True,
    "tariff": 7,
    "schedule_at": AT,
}
"""Another value for each argument of a send; None for one that is always given."""
TOGETHER = {
    "caption": ("caption", "action_url"),
    "action_url": ("caption", "action_url"),
    "validity_seconds": ("validity_seconds", "allow_short_validity"),
    "allow_short_validity": ("validity_seconds", "allow_short_validity"),
}


@pytest.mark.parametrize("row", PRICED, ids=lambda row: row[1])
def test_a_price_is_asked_for_with_the_body_that_would_be_sent(row: tuple[str, str, dict[str, Any]]) -> None:
    """For each argument that a send accepts. KU:405 and KU:497: the parameters are the same."""
    send, price, required = row
    names = _arguments_of(send) - {"without_keys"}  # that one is no field: it changes what we repeat
    assert names == _arguments_of(price)
    plain = sent(getattr(ScriptedApi(), send)(**required))
    for name in names:
        changes = {each: CHANGED[each] for each in TOGETHER.get(name, (name,))}
        given = required | {each: value for each, value in changes.items() if value is not None}
        body = sent(getattr(ScriptedApi(), send)(**given))
        assert sent(getattr(ScriptedApi(), price)(**given)) == body
        assert (body != plain) == (CHANGED[name] is not None), name


def _arguments_of(method: str) -> set[str]:
    """Return the names of a call's arguments."""
    signature = inspect.signature(getattr(KetchUpApi, method))
    names: set[str] = set()
    for name, parameter in signature.parameters.items():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            (options,) = get_args(get_type_hints(getattr(KetchUpApi, method).__wrapped__)[name])
            names |= set(options.__annotations__)
        else:
            names.add(name)
    return names - {"self"}


def test_an_export_of_a_period() -> None:
    call = ScriptedApi().create_statistics_export(
        time_in_from=NAIVE[0],
        time_in_to=NAIVE[1],
        time_sent_from=NAIVE[0],
        msisdns=["067 000 02 01", B],
        originator="test",
        source_type="api",
        message_type="sms",
        country_name="Ukraine",
        operator_id=25503,
        status="not-viber-user",
        clicks=(">", 0),
        callback_url="https://a.example/report",
    )
    assert sent(call) == {
        "time_in_from": "2026-07-01 00:00:00",
        "time_in_to": "2026-07-02 00:00:00",
        "time_sent_from": "2026-07-01 00:00:00",
        "msisdn": [A, B],
        "originator": "test",
        "source_type": "api",
        "message_type": "sms",
        "country_name": "Ukraine",
        "operator_id": 25503,
        "status": "not-viber-user",
        "sl_clicks": True,
        "sl_clicks_comp": ">",
        "sl_clicks_count": 0,
        "callback_url": "https://a.example/report",
    }


@pytest.mark.parametrize(
    ("name", "value"), [("sl_clicks", False), ("sl_clicks_comp", "<"), ("sl_clicks_count", 0)]
)
def test_row_22_filters_by_clicks_are_sent_one_by_one(name: str, value: Any) -> None:
    period = {"time_in_from": NAIVE[0], "time_in_to": NAIVE[1]}
    body = sent(ScriptedApi().create_statistics_export(**period, **{name: value}))
    assert {each: found for each, found in body.items() if each.startswith("sl_")} == {name: value}


def test_row_22_what_only_some_accounts_have_is_left_out_unless_asked_for() -> None:
    body = sent(ScriptedApi().create_statistics_export(time_in_from=NAIVE[0], time_in_to=NAIVE[1]))
    assert body == {"time_in_from": "2026-07-01 00:00:00", "time_in_to": "2026-07-02 00:00:00"}


def test_row_17_times_of_an_export_are_in_the_vendors_zone() -> None:
    paper = ScriptedApi(vendor_timezone="Europe/Kyiv")
    utc = datetime(2026, 7, 1, tzinfo=UTC)
    body = sent(paper.create_statistics_export(time_in_from=utc, time_in_to=AT))
    assert body == {"time_in_from": "2026-07-01 03:00:00", "time_in_to": "2026-07-01 12:30:00"}


@pytest.mark.parametrize(
    ("start", "end", "sent_as"),
    [
        (50, 80, ("2026-10-25 03:00:00", "2026-10-25 03:59:59")),  # 03:50 and, after the change, 03:20
        (10, 100, ("2026-10-25 03:00:00", "2026-10-25 03:59:59")),
        (10, 50, ("2026-10-25 03:10:00", "2026-10-25 03:50:00")),
        (-60, 80, ("2026-10-25 02:00:00", "2026-10-25 03:59:59")),
        (50, 150, ("2026-10-25 03:00:00", "2026-10-25 04:30:00")),
    ],
)
def test_row_17_an_export_over_the_hour_that_happens_twice_leaves_nothing_out(
    start: int, end: int, sent_as: tuple[str, str]
) -> None:
    """In minutes from the first 03:00 of Kyiv's clocks; the second comes after 60."""
    first = datetime(2026, 10, 25, tzinfo=UTC)
    ends = (first + timedelta(minutes=start), first + timedelta(minutes=end))
    for name in ("time_in", "time_sent"):
        period = {"time_in_from": first, "time_in_to": first} if name == "time_sent" else {}
        period |= dict(zip((f"{name}_from", f"{name}_to"), ends, strict=True))
        body = sent(ScriptedApi(vendor_timezone="Europe/Kyiv").create_statistics_export(**period))
        assert (body[f"{name}_from"], body[f"{name}_to"]) == sent_as


@pytest.mark.parametrize("written", ["0670000201", "+38 (067) 000-02-01", "380670000201", 380670000201])
def test_row_33_numbers_in_any_form_are_sent_in_one(written: Any) -> None:
    paper = ScriptedApi()
    assert sent(paper.send_sms(written, "Hi", reference="r1"))["msisdn"] == A
    assert sent(paper.send_sms_to_many([Recipient(written, "r1")], "Hi"))["phones"][0]["msisdn"] == A
    own = sent(paper.send_individual_sms([IndividualSms(written, "Hi", "r1")]))
    assert own["phones"][0]["msisdn"] == A
    assert sent(paper.create_hlrs([HlrQuery(written, "r1")]))[0]["msisdn"] == A
    form = first_request(paper.create_hlr(written, reference="r1")).body
    assert isinstance(form, Form)
    assert form.fields["msisdn"] == A
    (viber,) = sent(paper.send_viber([ViberRecipient(written, "r1")], "Hi"))["messages"]
    assert viber["to"][0]["msisdn"] == A


NO_SUCH_ADDRESS: list[Any] = [
    Response(404, {}, b"<html>Not Found</html>"),
    {"error": "4", "errorDescription": "Requested function is not supported"},
]
DELETIONS = ["/rest/message/list/abc", "/message/list/abc", "/rest/stat/list/abc", "/stat/list/abc"]


@pytest.mark.parametrize("elsewhere", NO_SUCH_ADDRESS, ids=["404", "4"])
@pytest.mark.parametrize("place", range(4))
def test_row_21_a_deletion_falls_back_when_the_documents_path_is_not_there(
    elsewhere: Any, place: int
) -> None:
    call = ScriptedApi().delete_statistics_export("abc")
    requests, result = asked(call, *[elsewhere] * place, {"error": 0})
    assert result is None
    assert [request.url("") for request in requests] == DELETIONS[: place + 1]
    assert all((one.method, one.idempotency) == ("DELETE", Idempotency.SET_STATE) for one in requests)


ADDRESSES: list[tuple[Any, list[str]]] = [
    (lambda k: k.get_sms_by_reference("r1"), ["/sms/reference/r1", "/sms/r1"]),
    (lambda k: k.get_hlr_by_reference("r1"), ["/hlr/reference/r1", "/hlr/r1"]),
    (lambda k: k.get_sms_by_reference("7"), ["/sms/reference/7"]),
    (lambda k: k.get_hlr_by_reference("7"), ["/hlr/reference/7"]),
    (lambda k: k.get_sms_task("7"), ["/sms/task/7", "/sms/7"]),
    (lambda k: k.get_viber_by_reference("r1"), ["/viber/reference/r1"]),
    (lambda k: k.list_hlr_prices(3), ["/hlr/prices/3"]),
    (lambda k: k.send_sms(A, "Hi", reference="r1"), ["/sms/create"]),
    (lambda k: k.send_viber(VIBERS, "Hi"), ["/viber/create"]),
]


@pytest.mark.parametrize("row", ADDRESSES, ids=lambda row: row[1][0])
def test_row_02_and_18_an_address_that_is_not_there_is_looked_for_elsewhere(row: Any) -> None:
    """A key of digits is never asked for at the address of ids: it would be read as one."""
    make, addresses = row
    wanted = [prefix + address for address in addresses for prefix in ("/rest", "")]
    if addresses == ["/viber/create"]:  # without a key a second missing page must prove it
        wanted = [f"{prefix}/viber/{page}" for prefix in ("/rest", "") for page in ("create", "prices/0")]
    call = make(ScriptedApi())
    assert next(call).url("") == wanted[0]
    gone = Response(404, {}, b"")
    assert [call.send(gone).url("") for _ in wanted[1:]] == wanted[1:]
    with pytest.raises(TelecomRejectedError, match="no such address"):
        call.send(gone)


def test_row_02_a_base_path_of_ones_own_is_the_only_one() -> None:
    gone = Response(404, {}, b"")
    with pytest.raises(TelecomRejectedError, match="no such address"):
        asked(ScriptedApi(base_path="/v2/rest").list_sms_prices(), gone)


def test_a_package_of_500_is_not_parsed_by_the_numbering_plans(monkeypatch: pytest.MonkeyPatch) -> None:
    """For numbers in canonical form that would take half a second, and show nothing new."""
    monkeypatch.setattr(phonenumbers, "parse", lambda *_: pytest.fail("a canonical number was parsed"))
    recipients = [Recipient(f"380670{number:06d}", f"r{number}") for number in range(500)]
    results = [{"reference": one.reference, "id": one.reference, "error": "0"} for one in recipients]
    vendor = answer({"error": "0", "result": results})
    _, batch = asked(ScriptedApi().send_sms_to_many(recipients, "Hi"), vendor)
    assert len(batch.results) == 500


def test_neither_key_nor_number_nor_text_shows_in_a_request() -> None:
    request = first_request(ScriptedApi().send_sms(A, "a secret text", reference="r1"))
    assert repr(request) == "<Request POST /rest/sms/create>"
    assert "secret" not in repr(request.body)
    assert A not in repr(request.body)
