"""What each call asks for: method, path, class, and where its arguments go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from airflow_provider_telecom.calls.request import Form, Idempotency, Json
from airflow_provider_telecom.vendors.kyivstar_open_telecom.api import KyivstarApi
from tests.by_hand import drive
from tests.vendors.kyivstar_open_telecom.by_hand import NUMBER, PROMO, PROMO_ID, ScriptedApi, answer, asked

COUNTS = {"sentCount": 0, "deliveriesCount": 0}
STATUS = {"msgId": "m1", "status": "accepted"}

CALLS: list[tuple[str, tuple[Any, ...], dict[str, Any], str, str, Idempotency, Any, Any]] = [
    # method, args, kwargs, HTTP, path below the prefix, class, body or query, a fitting answer
    ("verify_sim", (NUMBER, 48), {}, "POST", "/subscribers/380670000200/verify-sim", Idempotency.BILLED_READ,
     {"activationHours": 48}, {"simChanged": 0, "isActive": 1}),
    ("check_sim_count", (NUMBER, 30), {}, "POST", "/subscribers/380670000200/check-sim-count",
     Idempotency.BILLED_READ, {"daysCount": 30}, {"simCount": 1}),
    ("check_device", (NUMBER,), {"imei": "490154203237518"}, "GET",
     "/subscribers/380670000200/device-check?IMEI=490154203237518", Idempotency.BILLED_READ, None,
     {"imeiRes": "COMPLETELY_MATCHED"}),
    ("check_device", (NUMBER,), {"days_period": 120}, "GET",
     "/subscribers/380670000200/device-check?daysPeriod=120",
     Idempotency.BILLED_READ, None, {"imeiCount": 2}),
    ("check_lifetime", (NUMBER,), {}, "POST", "/subscribers/380670000200/lifetime-check",
     Idempotency.BILLED_READ, {}, {"lifetimeDuration": {"from": 1, "to": 3, "timeUnit": "MONTHS"}}),
    ("get_score", (NUMBER,), {}, "GET", "/subscribers/380670000200/score?modelId=7", Idempotency.BILLED_READ,
     None, {"score": 500}),
    ("get_score", (NUMBER,), {"model_id": "12"}, "GET", "/subscribers/380670000200/score?modelId=12",
     Idempotency.BILLED_READ, None, {"score": 500}),
    ("get_score", (NUMBER,), {"model_id": None}, "GET", "/subscribers/380670000200/score",
     Idempotency.BILLED_READ, None, {"score": 500}),
    ("send_sms", (NUMBER, "hi"), {}, "POST", "/sms", Idempotency.NONE,
     {"from": "messagedesk", "to": NUMBER, "text": "hi"}, {"msgId": "m1"}),
    ("send_sms", (NUMBER, "hi"), {"sender": "other", "max_segments": 1, "ttl_seconds": 0}, "POST", "/sms",
     Idempotency.NONE,
     {"from": "other", "to": NUMBER, "text": "hi", "maxSegments": 1, "messageTtlSec": 0}, {"msgId": "m1"}),
    ("get_sms", ("m1",), {}, "GET", "/sms/m1", Idempotency.READ, None, STATUS),
    ("send_viber_transaction", (NUMBER, "hi"), {"ttl_seconds": 30}, "POST",
     "/viber/transaction", Idempotency.NONE,
     {"from": "messagedesk", "to": NUMBER, "text": "hi", "messageTtlSec": 30}, {"mid": "v1"}),
    ("send_viber_promotion", (NUMBER, "hi"), {}, "POST", "/viber/promotion", Idempotency.NONE,
     {"from": "messagedesk", "to": NUMBER, "text": "hi"}, {"mid": "v1"}),
    ("send_viber_promotion", (NUMBER,), {"image_url": "https://a.example/1.png"}, "POST",
     "/viber/promotion", Idempotency.NONE,
     {"from": "messagedesk", "to": NUMBER, "contentExtended": {"img": "https://a.example/1.png"}},
     {"mid": "v1"}),
    ("send_viber_promotion", (NUMBER, "hi"),
     {"image_url": "https://a.example/1.png", "caption": "Buy", "action_url": "https://a.example/buy"},
     "POST", "/viber/promotion", Idempotency.NONE,
     {"from": "messagedesk", "to": NUMBER, "text": "hi", "contentExtended": {
         "img": "https://a.example/1.png", "caption": "Buy", "action": "https://a.example/buy"}},
     {"mid": "v1"}),
    ("get_viber", ("v1",), {}, "GET", "/viber/status/v1", Idempotency.READ, None,
     {"mid": "v1", "status": "seen"}),
    ("create_promo", ("Hello ${1}",), {}, "POST", "/promo", Idempotency.DRAFT,
     {"from": "messagedesk", "text": "Hello ${1}", "campaignType": "SMS"}, PROMO),
    ("list_promos", (), {"page_size": 2, "page_number": 1}, "GET", "/promo?pageSize=2&pageNumber=1",
     Idempotency.READ, None, {"promos": []}),
    ("all_promos", (), {}, "GET", "/promo?pageSize=100&pageNumber=0", Idempotency.READ, None,
     {"promos": [], "totalElements": 0}),
    ("get_promo", (PROMO_ID,), {}, "GET", f"/promo/{PROMO_ID}", Idempotency.READ, None, PROMO),
    ("add_promo_audience", (PROMO_ID, [(NUMBER, ["Ann"])]), {}, "POST", f"/promo/{PROMO_ID}/audience",
     Idempotency.DRAFT, {"audience": [{"phoneNumber": NUMBER, "params": ["Ann"]}]}, {"name": "list"}),
    ("add_promo_audience", (PROMO_ID, [NUMBER]), {}, "POST", f"/promo/{PROMO_ID}/audience",
     Idempotency.DRAFT, {"audience": [{"phoneNumber": NUMBER, "params": []}]}, {"name": "list"}),
    ("start_promo", (PROMO_ID,), {}, "PUT", f"/promo/{PROMO_ID}/status/WAITING", Idempotency.SET_STATE, {},
     {**PROMO, "status": "WAITING"}),
    ("suspend_promo", (PROMO_ID,), {}, "PUT", f"/promo/{PROMO_ID}/status/SUSPENDED",
     Idempotency.SET_STATE, {},
     {**PROMO, "status": "SUSPENDED"}),
    ("get_promo_statistics", (PROMO_ID,), {}, "GET", f"/promo/{PROMO_ID}/statistics", Idempotency.READ, None,
     COUNTS),
]  # fmt: skip


@pytest.mark.parametrize("row", CALLS, ids=lambda row: f"{row[0]}-{row[4].partition('?')[2]}")
def test_a_call_asks_for_what_the_document_says(row: Any) -> None:
    method, args, kwargs, verb, path, repeat, body, reply = row
    request, _ = asked(method, *args, replies=reply, **kwargs)
    assert request.method == verb
    assert request.url("https://host") == f"https://host/rest/v1beta{path}"
    assert request.idempotency is repeat
    assert (request.body.value if isinstance(request.body, Json) else request.body) == body


@pytest.mark.parametrize("row", CALLS, ids=lambda row: f"{row[0]}-{row[4].partition('?')[2]}")
@pytest.mark.parametrize("environment", ["mock", "sandbox"])
def test_another_environment_never_meets_the_live_path(row: Any, environment: str) -> None:
    method, args, kwargs, _, path, *_, reply = row
    request, _ = asked(method, *args, replies=reply, extra={"environment": environment}, **kwargs)
    assert request.url("https://host") == f"https://host/{environment}/rest/v1beta{path}"


@pytest.mark.parametrize("row", CALLS, ids=lambda row: f"{row[0]}-{row[4].partition('?')[2]}")
@pytest.mark.parametrize("environment", ["live", "mock"])
def test_a_rest_path_replaces_the_path_of_the_environment(row: Any, environment: str) -> None:
    method, args, kwargs, _, path, *_, reply = row
    for rest_path, prefix in (("/gateway/v2/", "/gateway/v2"), ("/", "")):
        extra = {"environment": environment, "rest_path": rest_path}
        request, _ = asked(method, *args, replies=reply, extra=extra, **kwargs)
        assert request.url("https://host") == f"https://host{prefix}{path}"


@pytest.mark.parametrize("method", ["send_viber_transaction", "send_viber_promotion"])
def test_viber_has_a_sender_of_its_own(method: str) -> None:
    def sender(extra: dict[str, Any], **given: Any) -> Any:
        request, _ = asked(method, NUMBER, "hi", replies={"mid": "v1"}, extra=extra, **given)
        return request.body.value["from"]  # type: ignore[union-attr, index]

    own = {"viber_sender": "Shop"}
    assert sender({}) == "messagedesk"
    assert sender(own) == "Shop"
    assert sender({**own, "sender": None}) == "Shop"
    assert sender(own, sender="Given") == "Given"
    request, _ = asked("send_sms", NUMBER, "hi", replies={"msgId": "m1"}, extra=own)
    assert request.body.value["from"] == "messagedesk"  # type: ignore[union-attr, index]


@pytest.mark.parametrize(
    "row", [row for row in CALLS if row[5] is Idempotency.BILLED_READ], ids=lambda row: row[0]
)
def test_checks_need_not_repeat_what_is_lost(row: Any) -> None:
    method, args, kwargs, *_, reply = row
    call: Any = getattr(KyivstarApi, method).__wrapped__
    api = ScriptedApi()
    api.repeats_lost_checks = False
    (request,), _ = drive(call(api, *args, **kwargs), [answer(reply)])
    assert request.idempotency is Idempotency.NONE


@pytest.mark.parametrize("environment", ["live", "mock", "sandbox"])
def test_the_token_comes_from_the_hosts_root(environment: str) -> None:
    reply = {"access_token": "abc", "expires_in": 28799}
    request, _ = asked("fetch_token", replies=reply, extra={"environment": environment})
    assert request.url("https://host") == "https://host/idp/oauth2/token"
    assert request.idempotency is Idempotency.TOKEN
    assert isinstance(request.body, Form)
    assert dict(request.body.fields) == {"grant_type": "client_credentials"}
    assert request.headers["Authorization"].reveal() == "Basic Y2xpZW50OnNlY3JldA=="


@pytest.mark.parametrize("number", ["+380670000200", "067 000 02 00", "380670000200", 380670000200])
def test_row_33_a_number_in_any_form_is_sent_in_one(number: Any) -> None:
    request, _ = asked("send_sms", number, "hi", replies={"msgId": "m1"})
    assert isinstance(request.body, Json)
    assert request.body.value["to"] == NUMBER  # type: ignore[index]
    request, _ = asked("check_lifetime", number, replies={"lifetimeDuration": {"timeUnit": "MONTHS"}})
    assert request.ids == {"msisdn": NUMBER}


def test_row_23_the_imei_is_spelled_as_in_the_document() -> None:
    request, _ = asked("check_device", NUMBER, imei="35693803564380", replies={"imeiRes": "X"})
    assert request.query == {"IMEI": "35693803564380"}


def test_the_list_is_limited_by_moments_in_utc_and_sorted() -> None:
    kyiv = timezone(timedelta(hours=2))
    request, _ = asked(
        "list_promos",
        start_date_from=datetime(2026, 1, 1, tzinfo=kyiv),
        start_date_to=datetime(2026, 2, 1, tzinfo=UTC),
        sort_by="startDate",
        sort_direction="DESC",
        replies={"promos": [], "totalElements": 0},
    )
    assert request.query == {
        "pageSize": 100,
        "pageNumber": 0,
        "startDateFrom": "2025-12-31T22:00:00Z",
        "startDateTo": "2026-02-01T00:00:00Z",
        "sortBy": "startDate",
        "sortDirection": "DESC",
    }


def test_neither_number_nor_text_shows_in_a_request() -> None:
    request, _ = asked("send_sms", NUMBER, "a secret text", replies={"msgId": "m1"})
    assert repr(request) == "<Request POST /rest/v1beta/sms>"
    assert "secret" not in repr(request.body)
