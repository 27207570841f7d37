"""The simulated API v1 of Kyivstar, beside v1beta."""

from __future__ import annotations

from typing import Any

import pytest

from tests.simulator.kyivstar_open_telecom.vendor import LIVE, PHONE, SMS, Vendor, refused

V1 = "/rest/v1"
OTHER = "380670000201"
CONTENT = {"priority": 0, "from": "messagedesk", "text": "Hi", "messageTtlSec": 300}
PNG = b"\x89PNG\r\n\x1a\n picture"


@pytest.fixture
def vendor() -> Vendor:
    made = Vendor()
    made.prefix = V1
    return made


@pytest.mark.parametrize(
    ("verb", "path", "prefix"),
    [
        ("GET", f"/subscribers/{PHONE}/lifetime", LIVE),
        ("POST", "/sms/batch", LIVE),
        ("POST", "/messaging/multichannel", LIVE),
        ("POST", "/rcs/text", LIVE),
        ("POST", f"/subscribers/{PHONE}/verify-sim", V1),
        ("POST", f"/subscribers/{PHONE}/lifetime-check", V1),
    ],
)
def test_each_version_has_its_own_paths(vendor: Vendor, verb: str, path: str, prefix: str) -> None:
    vendor.prefix = prefix
    refused(vendor.ask(verb, path, {}), 404)


def test_the_checks_are_wrapped(vendor: Vendor) -> None:
    for name, query, fields in (
        (
            "sim-check-antifraud",
            {"checkPeriod": 24},
            {"simChanged", "simTypeChanged", "geoChanged", "imeiChanged", "callForwarding"},
        ),
        ("sim-count", {"daysCount": 3}, {"simCount"}),
        ("device-check", {"imei": "123456789012345"}, {"imeiRes"}),
        ("lifetime", {}, {"lifetimeDuration"}),
        ("scoring", {"scoreFormula": 7}, {"scoreBal"}),
    ):
        answer = vendor.get(f"/subscribers/{PHONE}/{name}", **query)
        assert set(answer.json()) == {"reqId", "cid", "resource"}
        assert set(answer.json()["resource"]) == fields
        assert answer.headers["X-Reserved-Tarification-Units"] == "1"
    assert len(vendor.effects("billed_check")) == 5
    refused(vendor.get(f"/subscribers/{PHONE}/sim-check-antifraud"), 422)
    refused(vendor.get(f"/subscribers/{PHONE}/device-check", IMEI="123456789012345"), 422)


def test_a_device_check_may_answer_more_than_was_asked_for(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("device_answer", "both")
    for query in ({"imei": "123456789012345"}, {"daysPeriod": 3}):
        found = vendor.get(f"/subscribers/{PHONE}/device-check", **query).json()["resource"]
        assert set(found) == {"imeiRes", "imeiCount"}


def test_the_examples_of_the_mock_server(vendor: Vendor) -> None:
    """They are the same for each request: the mock server keeps no state of them."""
    vendor.on_mock()
    vendor.prefix = f"/mock{V1}"
    promo = "/promo/10000000-0000-0000-0000-000000000200"
    audience = {"audience": [{"phoneNumber": PHONE, "params": ["John", "Smith"]}]}
    assert vendor.post(f"{promo}/audience", audience).json()["name"]
    assert vendor.ask("PUT", f"{promo}/status/WAITING", {}).json()["status"] == "WAITING"
    assert vendor.get(promo).json()["status"] == "DRAFT"
    counts = vendor.get(f"{promo}/statistics").json()
    assert (counts["sentCount"], counts["wasNotSent"]) == (0, 20)
    assert "scoreBal" in vendor.get(f"/subscribers/{PHONE}/scoring", scoreFormula=5).json()["resource"]
    vendor.vendor_state.switches.set("mock_status", "off")
    refused(vendor.get(promo), 404)


def test_a_paid_call_may_not_say_what_it_costs(vendor: Vendor) -> None:
    vendor.vendor_state.switches.set("tarification_units", "off")
    assert "X-Reserved-Tarification-Units" not in vendor.post("/sms", SMS).headers


def test_a_batch(vendor: Vendor) -> None:
    orders = {"a": SMS, "b": SMS | {"to": "1"}, "c": SMS | {"to": OTHER, "text": "x" * 161}}
    answer = vendor.post("/sms/batch", {"data": orders})
    items = answer.json()["data"]
    assert [set(item) for item in items.values()] == [
        {"msgId", "reservedSmsSegments"},
        {"errorCode", "errorMsg"},
        {"msgId", "reservedSmsSegments"},
    ]
    assert items["b"]["errorCode"] == "1010"
    assert answer.headers["X-Reserved-Tarification-Units"] == "3"
    assert [effect.facts["msisdn"] for effect in vendor.effects("sms")] == [PHONE, OTHER]
    ids = [items["a"]["msgId"], "unknown"]
    statuses = vendor.post("/sms/status/batch", {"data": ids}).json()["data"]
    assert {id_: found["status"] for id_, found in statuses.items()} == {ids[0]: "delivered"}
    vendor.vendor_state.switches.set("batch_errors", "whole")
    refused(vendor.post("/sms/batch", {"data": orders}), 422)
    assert len(vendor.effects("sms")) == 2


@pytest.mark.parametrize("data", [{}, {"a": 1}, [SMS], None])
def test_a_wrong_batch(vendor: Vendor, data: Any) -> None:
    refused(vendor.post("/sms/batch", {"data": data}), 422)


def test_a_batch_that_is_too_large(vendor: Vendor) -> None:
    vendor.vendor_state.batch_limit = 1
    refused(vendor.post("/sms/batch", {"data": {"a": SMS, "b": SMS}}), 413)


def multichannel(**changes: Any) -> dict[str, Any]:
    return {"to": PHONE, "smsContent": CONTENT, "viberContent": CONTENT | {"priority": 1}, **changes}


def test_a_multichannel_message(vendor: Vendor) -> None:
    vendor.state.set_transition("kyivstar_open_telecom", "after_polls", 2)
    vendor.vendor_state.without_viber.add(PHONE)
    first = {"smsContent": CONTENT | {"priority": 1}, "viberContent": CONTENT}
    id_ = vendor.post("/messaging/multichannel", multichannel(**first)).json()["multiMsgId"]
    path = f"/messaging/multichannel/{id_}"
    assert set(vendor.get(path).json()) == {"multiMsgId", "status", "date"}
    found = vendor.get(path).json()
    assert (found["status"], found["bearerType"]) == ("delivered", "sms")
    assert [(report["bearerType"], report["state"]) for report in found["reports"]] == [
        ("viber", "expired"),
        ("sms", "delivered"),
    ]
    vendor.vendor_state.switches.turn_on("new_state")
    id_ = vendor.post("/messaging/multichannel", multichannel()).json()["multiMsgId"]
    path = f"/messaging/multichannel/{id_}"
    assert [vendor.get(path).json()["status"] for _ in range(4)][1::2] == ["routing", "delivered"]


@pytest.mark.parametrize(
    "changes",
    [
        {"to": "1"},
        {"smsContent": {}},
        {"smsContent": CONTENT | {"priority": 1}},
        {"smsContent": CONTENT | {"text": "x" * 919}},
        {"viberContent": CONTENT | {"priority": 1, "caption": "B", "action": "https://example.com/"}},
        {"rcsContent": CONTENT},
    ],
)
def test_a_wrong_multichannel_message(vendor: Vendor, changes: dict[str, Any]) -> None:
    refused(vendor.post("/messaging/multichannel", multichannel(**changes)), 422)
    assert vendor.effects("multichannel") == []


def test_a_message_for_no_channel(vendor: Vendor) -> None:
    refused(vendor.post("/messaging/multichannel", {"to": PHONE}), 422)


def test_rcs(vendor: Vendor) -> None:
    body = {"from": "messagedesk", "to": PHONE, "contentExtendedRcs": {"text": "Hi"}}
    id_ = vendor.post("/rcs/text", body).json()["msgId"]
    assert vendor.get(f"/rcs/{id_}").json()["status"] == "seen"
    refused(vendor.get(f"/sms/{id_}"), 404)
    refused(vendor.post("/rcs/text", body | {"contentExtendedRcs": {"title": "Hi"}}), 422)
    refused(vendor.post("/rcs/richcard", body), 422)


def test_a_picture_of_a_promo(vendor: Vendor) -> None:
    draft = {"from": "shop", "text": "Hi", "campaignType": "VIBER"}
    id_ = vendor.post("/promo", draft).json()["id"]
    headers = {"Authorization": f"Bearer {vendor.token}"}

    def post(**files: Any) -> Any:
        return vendor.http.post(f"{V1}/promo/{id_}/image", files=files, headers=headers)

    assert post(file=("a.png", PNG, "image/png")).json()["success"] is True
    assert vendor.vendor_state.promos[id_].image == PNG
    refused(post(picture=("a.png", PNG, "image/png")), 422)
    refused(post(file=("a.png", b"", "image/png")), 422)
    refused(vendor.post(f"/promo/{id_}/image", {}), 400)
    vendor.prefix = LIVE
    refused(vendor.post("/promo", draft), 422)
