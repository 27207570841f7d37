"""The simulated Kyivstar's SMS and Viber messages."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from tests.simulator.kyivstar_open_telecom.vendor import LIVE, PHONE, SANDBOX, SMS, Vendor, refused


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


class TestSms:
    def test_sent_and_delivered(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 2)
        answer = vendor.post("/sms", SMS | {"maxSegments": 6, "messageTtlSec": 0})
        body = answer.json()
        assert body == {
            "reqId": answer.headers["X-Request-Id"],
            "msgId": body["msgId"],
            "reservedSmsSegments": 1,
        }
        first, second = (vendor.get(f"/sms/{body['msgId']}").json() for _ in range(2))
        assert (first["status"], second["status"]) == ("accepted", "delivered")
        assert set(first) == {"reqId", "msgId", "status", "date"}
        date = datetime.strptime(second["date"], "%Y-%m-%dT%H:%M:%S.%fZ").replace(tzinfo=UTC)
        assert abs(date - vendor.state.clock.now()) < timedelta(seconds=5)
        (effect,) = vendor.effects("sms")
        assert effect.facts == {
            "id": body["msgId"],
            "msisdn": PHONE,
            "sender": "messagedesk",
            "text": "Hello",
            "segments": 1,
            "environment": "live",
        }

    def test_a_copy_is_sent_again(self, vendor: Vendor) -> None:
        ids = {vendor.post("/sms", SMS).json()["msgId"] for _ in range(2)}
        assert ids == {effect.facts["id"] for effect in vendor.effects("sms")}
        assert len(ids) == 2

    @pytest.mark.parametrize(
        ("text", "segments"),
        [
            ("a" * 160, 1),
            ("a" * 161, 2),
            ("€" * 80, 1),
            ("€" * 81, 2),
            ("ж" * 70, 1),
            ("ж" * 71, 2),
            ("😀" * 36, 2),
            ("a" * 918, 6),
        ],
    )
    def test_segments(self, vendor: Vendor, text: str, segments: int) -> None:
        assert vendor.post("/sms", SMS | {"text": text}).json()["reservedSmsSegments"] == segments
        if segments > 1:
            refused(vendor.post("/sms", SMS | {"text": text, "maxSegments": segments - 1}), 422)

    @pytest.mark.parametrize(
        "changes",
        [
            {"to": "0670000200"},
            {"to": 380670000200},
            {"text": ""},
            {"text": "\ud800"},
            {"text": "a" * 919},
            {"from": "forbidden"},
            {"from": "a-name-too-long"},
            {"maxSegments": 0},
            {"maxSegments": 7},
            {"messageTtlSec": -1},
            {"messageTtlSec": 86_401},
            {"messageTtlSec": "60"},
            {"ttl": 60},
        ],
    )
    def test_wrong_fields(self, vendor: Vendor, changes: dict[str, Any]) -> None:
        refused(vendor.post("/sms", SMS | changes), 422)
        assert vendor.effects("sms") == []

    @pytest.mark.parametrize("missing", ["from", "to", "text"])
    def test_missing_fields(self, vendor: Vendor, missing: str) -> None:
        body = {name: value for name, value in SMS.items() if name != missing}
        assert missing in refused(vendor.post("/sms", body), 422)

    @pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"\xff", b"from=messagedesk"])
    def test_no_json(self, vendor: Vendor, raw: bytes) -> None:
        headers = {"Authorization": f"Bearer {vendor.token}"}
        refused(vendor.http.post(f"{LIVE}/sms", content=raw, headers=headers), 400)

    def test_unknown_id(self, vendor: Vendor) -> None:
        answer = vendor.get("/sms/no-such-id")
        refused(answer, 404)
        assert answer.json()["errorCode"] == 1040

    def test_ids_stay_on_their_server_and_channel(self, vendor: Vendor) -> None:
        message_id = vendor.post("/sms", SMS).json()["msgId"]
        refused(vendor.get(f"/viber/status/{message_id}"), 404)
        vendor.prefix = SANDBOX
        refused(vendor.get(f"/sms/{message_id}"), 404)

    def test_status_comes_late(self, vendor: Vendor) -> None:
        vendor.vendor_state.switches.turn_on("late_status")
        vendor.state.set_transition("kyivstar_open_telecom.sms", "after_seconds", 60)
        message_id = vendor.post("/sms", SMS).json()["msgId"]
        assert vendor.get(f"/sms/{message_id}").json()["errorCode"] == 1040
        vendor.state.clock.advance(60)
        assert vendor.get(f"/sms/{message_id}").json()["status"] == "delivered"

    def test_unreachable(self, vendor: Vendor) -> None:
        vendor.vendor_state.unreachable.add(PHONE)
        message_id = vendor.post("/sms", SMS).json()["msgId"]
        assert vendor.get(f"/sms/{message_id}").json()["status"] == "accepted"

    def test_mock_ids_hold_the_number(self, vendor: Vendor) -> None:
        vendor.on_mock()
        ids = [vendor.post("/sms", SMS).json()["msgId"] for _ in range(2)]
        assert ids == [f"20200000-0000-0000-0000-{PHONE}", f"20200001-0000-0000-0000-{PHONE}"]
        assert vendor.get(f"/sms/{ids[1]}").json()["status"] == "delivered"


class TestViber:
    def test_transaction(self, vendor: Vendor) -> None:
        vendor.state.set_transition("kyivstar_open_telecom.viber", "after_polls", 1)
        answer = vendor.post("/viber/transaction", SMS | {"text": "Your code is 1234", "messageTtlSec": 30})
        body = answer.json()
        assert set(body) == {"reqId", "mid"}
        path = f"/viber/status/{body['mid']}"
        assert [vendor.get(path).json()["status"] for _ in range(3)] == ["delivered", "seen", "seen"]
        assert vendor.get(path).json()["mid"] == body["mid"]
        (effect,) = vendor.effects("viber_transaction")
        assert effect.facts["charged"] == "transaction"

    def test_text_beside_the_template_is_charged_as_advertising(self, vendor: Vendor) -> None:
        vendor.vendor_state.viber_templates = [r"Order \d+"]
        for text in ("Order 5", "Order 5 and more"):
            assert vendor.post("/viber/transaction", SMS | {"text": text}).status_code == 200
        charged = [effect.facts["charged"] for effect in vendor.effects("viber_transaction")]
        assert charged == ["transaction", "promotion"]

    @pytest.mark.parametrize(
        "extended",
        [
            {"img": "https://example.com/a.png"},
            {
                "img": "https://example.com/a.png",
                "caption": "Buy",
                "action": "https://example.com/",
            },
        ],
    )
    def test_promotion(self, vendor: Vendor, extended: dict[str, str]) -> None:
        body = SMS | {"messageTtlSec": 1_209_600, "contentExtended": extended}
        assert vendor.post("/viber/promotion", body).status_code == 200
        (effect,) = vendor.effects("viber_promotion")
        assert effect.facts["content_extended"] == extended
        assert effect.facts["charged"] == "promotion"

    def test_a_picture_needs_no_text(self, vendor: Vendor) -> None:
        body = {"from": "messagedesk", "to": PHONE}
        refused(vendor.post("/viber/promotion", body), 422)
        body |= {"contentExtended": {"img": "https://example.com/a.png"}}  # type: ignore[dict-item]
        assert vendor.post("/viber/promotion", body).status_code == 200

    @pytest.mark.parametrize(
        "changes",
        [
            {"messageTtlSec": 29},
            {"messageTtlSec": 1_209_601},
            {"text": "a" * 1001},
            {"from": "forbidden"},
            {"maxSegments": 1},
        ],
    )
    def test_wrong_fields(self, vendor: Vendor, changes: dict[str, Any]) -> None:
        for kind in ("transaction", "promotion"):
            refused(vendor.post(f"/viber/{kind}", SMS | changes), 422)
        assert vendor.effects("viber_transaction") == vendor.effects("viber_promotion") == []

    @pytest.mark.parametrize(
        "extended",
        [
            "https://example.com/a.png",
            {"image": "https://example.com/a.png"},
            {"img": "a.png"},
            {"caption": "Buy"},
            {"action": "https://example.com/"},
        ],
    )
    def test_wrong_extended_content(self, vendor: Vendor, extended: Any) -> None:
        refused(vendor.post("/viber/promotion", SMS | {"contentExtended": extended}), 422)

    def test_transaction_is_text_only(self, vendor: Vendor) -> None:
        extended = {"img": "https://example.com/a.png"}
        refused(vendor.post("/viber/transaction", SMS | {"contentExtended": extended}), 422)

    def test_unknown_id(self, vendor: Vendor) -> None:
        refused(vendor.get("/viber/status/no-such-id"), 404)
