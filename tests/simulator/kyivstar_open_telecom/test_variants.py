"""The forms that Kyivstar's document leaves open: one switch each."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime
from typing import Any

import pytest

from airflow_provider_telecom.simulator.kyivstar_open_telecom import RateLimit
from tests.simulator.kyivstar_open_telecom.vendor import CLIENT, PHONE, SANDBOX, SMS, Vendor

FOREIGN = "380500000001"
AUDIENCE = {"audience": [{"phoneNumber": PHONE, "params": []}]}


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


def check(vendor: Vendor, name: str = "verify-sim", number: str = PHONE) -> Any:
    body = {"verify-sim": {"activationHours": 1}, "check-sim-count": {"daysCount": 3}}.get(name, {})
    return vendor.post(f"/subscribers/{number}/{name}", body)


def draft(vendor: Vendor) -> str:
    made: str = vendor.post("/promo", {"from": "shop", "text": "Hi", "campaignType": "SMS"}).json()["id"]
    return made


def test_only_checks_are_wrapped(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("resource", "checks")
    assert set(check(vendor).json()) == {"reqId", "cid", "resource"}
    assert set(vendor.post("/sms", SMS).json()) == {"reqId", "msgId", "reservedSmsSegments"}


@pytest.mark.parametrize(("form", "codes"), [("number", (1040, 1010)), ("text", ("1040", "1001010"))])
def test_error_codes(vendor: Vendor, form: str, codes: tuple[Any, Any]) -> None:
    vendor.vendor_state.switches.set("error_code", form)
    assert vendor.get("/sms/none").json()["errorCode"] == codes[0]
    assert vendor.post("/sms", SMS | {"from": "forbidden"}).json()["errorCode"] == codes[1]


@pytest.mark.parametrize("status", ["404", "422", "200"])
def test_the_status_of_a_message_that_is_not_there(vendor: Vendor, status: str) -> None:
    vendor.vendor_state.switches.set("no_message", status)
    for path in ("/sms/none", "/viber/status/none"):
        answer = vendor.get(path)
        assert (answer.status_code, answer.json()["errorCode"]) == (int(status), 1040)


@pytest.mark.parametrize(("status", "code"), [("404", 1020), ("422", 1040)])
def test_the_status_of_a_number_that_is_not_a_subscribers(vendor: Vendor, status: str, code: int) -> None:
    vendor.vendor_state.switches.set("no_subscriber", status)
    answer = check(vendor, number=FOREIGN)
    assert (answer.status_code, answer.json()["errorCode"]) == (int(status), code)
    assert vendor.effects("billed_check") == []


def test_the_two_forms_of_a_401(vendor: Vendor) -> None:
    vendor.vendor_state.revoke_tokens()
    assert set(check(vendor).json()) == {"error"}
    vendor.vendor_state.switches.set("unauthorized", "vendor")
    answer = check(vendor)
    assert (answer.status_code, set(answer.json())) == (401, {"reqId", "errorCode", "errorMsg"})


@pytest.mark.parametrize(("verb", "path"), [("GET", "/nothing"), ("DELETE", "/sms/1"), ("GET", "/sms")])
def test_an_address_that_is_not_there(vendor: Vendor, verb: str, path: str) -> None:
    answer = vendor.ask(verb, path)
    assert (answer.status_code, set(answer.json())) == (404, {"reqId", "errorCode", "errorMsg"})
    assert answer.json()["reqId"] == answer.headers["X-Request-Id"]
    vendor.vendor_state.switches.set("unknown_address", "gateway")
    answer = vendor.ask(verb, path)
    assert (answer.status_code, answer.headers["content-type"]) == (404, "text/html; charset=utf-8")


def test_words_in_another_case(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("status_case", "swapped")
    message_id = vendor.post("/sms", SMS).json()["msgId"]
    assert vendor.get(f"/sms/{message_id}").json()["status"] == "DELIVERED"
    promo = vendor.get(f"/promo/{draft(vendor)}").json()
    assert (promo["status"], promo["nextAvailableStatuses"]) == ("draft", ["waiting"])
    imei = vendor.get(f"/subscribers/{PHONE}/device-check", IMEI="35000000000000").json()
    assert imei["imeiRes"] == "not_matched"
    assert check(vendor, "lifetime-check").json()["lifetimeDuration"]["timeUnit"] == "months"


def test_numbers_as_texts(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("numbers", "text")
    assert vendor.mint(CLIENT).json()["expires_in"] == "28799"
    assert vendor.post("/sms", SMS).json()["reservedSmsSegments"] == "1"
    assert check(vendor, "check-sim-count").json()["simCount"].isdigit()
    assert vendor.get(f"/promo/{draft(vendor)}").json()["messageContent"]["messageParamCount"] == "0"
    assert vendor.get("/promo", pageSize=2, pageNumber=0).json()["totalElements"] == "1"


@pytest.mark.parametrize(("form", "kind"), [("number", int), ("text", str), ("boolean", bool)])
def test_yes_and_no(vendor: Vendor, form: str, kind: type[Any]) -> None:
    vendor.vendor_state.switches.set("flags", form)
    answer = check(vendor).json()
    assert {type(answer["simChanged"]), type(answer["isActive"])} == {kind}
    assert str(answer["isActive"]) in ("0", "1", "False", "True")


def test_scores_and_lifetimes(vendor: Vendor) -> None:
    vendor.vendor_state.switches.turn_on("score_fraction")
    score = vendor.get(f"/subscribers/{PHONE}/score").json()["score"]
    assert score == vendor.vendor_state.subscriber(PHONE).score + 0.5  # type: ignore[operator]
    months = check(vendor, "lifetime-check").json()["lifetimeDuration"]
    vendor.vendor_state.switches.set("lifetime_unit", "days")
    days = check(vendor, "lifetime-check").json()["lifetimeDuration"]
    assert days == {"from": months["from"] * 31, "to": months["to"] * 28, "timeUnit": "DAYS"}


def test_the_spelling_of_ids_and_dates(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("id_spelling", "msgID")
    vendor.vendor_state.switches.set("date_form", "offset")
    message_id = vendor.post("/sms", SMS).json()["msgID"]
    status = vendor.get(f"/sms/{message_id}").json()
    assert status["msgID"] == message_id
    date = datetime.fromisoformat(status["date"])
    assert date.utcoffset() in (timedelta(hours=2), timedelta(hours=3))
    assert abs(date - vendor.state.clock.now()) < timedelta(minutes=1)


def test_a_message_that_expires(vendor: Vendor) -> None:
    vendor.vendor_state.switches.turn_on("expired")
    vendor.vendor_state.unreachable.add(PHONE)
    vendor.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 2)
    message_id = vendor.post("/sms", SMS).json()["msgId"]
    statuses = [vendor.get(f"/sms/{message_id}").json()["status"] for _ in range(2)]
    assert statuses == ["accepted", "expired"]


def test_the_mock_server_may_know_any_message(vendor: Vendor) -> None:
    assert vendor.get("/sms/any").status_code == 404
    vendor.on_mock()
    assert vendor.get("/sms/any").json()["status"] == "delivered"
    assert vendor.get("/viber/status/any").json()["mid"] == "any"
    vendor.vendor_state.switches.set("mock_status", "off")
    assert vendor.get("/sms/any").status_code == 404


def test_a_button_may_need_a_picture(vendor: Vendor) -> None:
    button = {"caption": "Buy", "action": "https://example.com/"}
    body = SMS | {"contentExtended": button}
    assert vendor.post("/viber/promotion", body).status_code == 200
    vendor.vendor_state.switches.turn_on("viber_button_picture")
    assert vendor.post("/viber/promotion", body).status_code == 422
    body = SMS | {"contentExtended": {**button, "img": "https://example.com/a.png"}}
    assert vendor.post("/viber/promotion", body).status_code == 200


@pytest.mark.parametrize(
    ("first", "zero", "one"),
    [("0", [0, 1], [2]), ("1", [0, 1], [0, 1]), ("1_empty", [], [0, 1]), ("1_refused", None, [0, 1])],
)
def test_the_number_of_the_first_page(
    vendor: Vendor, first: str, zero: list[int] | None, one: list[int]
) -> None:
    made = [draft(vendor) for _ in range(3)]
    vendor.vendor_state.switches.set("first_page", first)
    answers = [vendor.get("/promo", pageSize=2, pageNumber=number) for number in (0, 1)]
    assert answers[0].status_code == (422 if zero is None else 200)
    for answer, expected in zip(answers, (zero, one), strict=True):
        if expected is not None:
            body = answer.json()
            assert [made.index(promo["id"]) for promo in body["promos"]] == expected
            assert (body["totalPages"], body["totalElements"]) == (2, 3)
    vendor.vendor_state.switches.set("promo_totals", "missing")
    assert set(vendor.get("/promo", pageSize=2, pageNumber=1).json()) == {"reqId", "promos"}


def test_a_promo_may_be_answered_with_its_state_only(vendor: Vendor) -> None:
    promo_id = draft(vendor)
    vendor.post(f"/promo/{promo_id}/audience", AUDIENCE)
    vendor.vendor_state.switches.set("promo_answer", "state")
    state = {"reqId", "status", "nextAvailableStatuses"}
    assert set(vendor.get(f"/promo/{promo_id}").json()) == state
    assert set(vendor.ask("PUT", f"/promo/{promo_id}/status/WAITING", {}).json()) == state
    assert "id" in vendor.get("/promo", pageSize=2, pageNumber=0).json()["promos"][0]


def test_dates_of_the_list(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("list_dates", "day")
    for date, status in (("2026-01-31", 200), ("2026-01-31T00:00:00Z", 422)):
        answer = vendor.get("/promo", pageSize=2, pageNumber=0, startDateFrom=date)
        assert answer.status_code == status


def test_a_new_token_may_end_the_older_ones(vendor: Vendor) -> None:
    vendor.vendor_state.switches.turn_on("one_token")
    new = vendor.mint(CLIENT).json()["access_token"]
    assert check(vendor).status_code == 401
    vendor.token = new
    assert check(vendor).status_code == 200


def test_the_sandbox_when_it_is_used_up(vendor: Vendor) -> None:
    vendor.vendor_state.sandbox_left, vendor.prefix = 0, SANDBOX
    vendor.vendor_state.switches.set("sandbox_over", "403")
    answer = vendor.post("/sms", SMS)
    assert (answer.status_code, set(answer.json())) == (403, {"reqId", "errorCode", "errorMsg"})


@pytest.mark.parametrize("form", ["seconds", "http_date", "epoch", "epoch_ms"])
def test_the_end_of_a_rate_limit(vendor: Vendor, form: str) -> None:
    vendor.vendor_state.switches.set("rate_limit_reset", form)
    vendor.vendor_state.rate_limit = RateLimit(1, period_seconds=100)
    reset = check(vendor).headers["X-Rate-Limit-Reset"]
    now = vendor.state.clock.now()
    ends = {
        "seconds": lambda: now + timedelta(seconds=int(reset)),
        "http_date": lambda: parsedate_to_datetime(reset),
        "epoch": lambda: datetime.fromtimestamp(int(reset), UTC),
        "epoch_ms": lambda: datetime.fromtimestamp(int(reset) / 1000, UTC),
    }[form]()
    assert timedelta(seconds=90) < ends - now < timedelta(seconds=110)
