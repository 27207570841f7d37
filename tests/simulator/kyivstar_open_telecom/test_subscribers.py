"""The simulated Kyivstar's gateway and its subscriber checks."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_telecom.simulator.kyivstar_open_telecom import RateLimit, Subscriber, VendorState
from airflow_provider_telecom.simulator.state import SimulatorState
from tests.simulator.kyivstar_open_telecom.vendor import (
    CLIENT,
    LIVE,
    MOCK,
    MOCK_CLIENT,
    PHONE,
    SANDBOX,
    SMS,
    Vendor,
    refused,
)

FOREIGN = "380500000001"


@pytest.fixture
def vendor() -> Vendor:
    return Vendor()


class TestTokens:
    def test_answer(self, vendor: Vendor) -> None:
        body = vendor.mint(CLIENT).json()
        assert body == {
            "access_token": body["access_token"],
            "token_type": "bearer",
            "expires_in": 28799,
        }
        assert len(vendor.effects("token")) == 2

    @pytest.mark.parametrize("client", [None, ("sim_client", "wrong"), ("live_client", "x"), ("", "")])
    def test_wrong_client(self, vendor: Vendor, client: tuple[str, str] | None) -> None:
        answer = vendor.mint(client)
        assert answer.status_code == 401
        assert answer.json()["error"] == "invalid_client"
        assert set(answer.json()) == {"error", "error_description", "error_hint", "error_verbose"}
        assert len(vendor.effects("token")) == 1

    def test_broken_basic(self, vendor: Vendor) -> None:
        answer = vendor.http.post("/idp/oauth2/token", headers={"Authorization": "Basic ?"})
        assert answer.status_code == 401

    @pytest.mark.parametrize(
        ("form", "error"),
        [
            ({"grant_type": "password"}, "unsupported_grant_type"),
            ({"grant": "client_credentials"}, "invalid_request"),
            ({"grant_type": "client_credentials", "scope": "x"}, "invalid_request"),
        ],
    )
    def test_wrong_form(self, vendor: Vendor, form: dict[str, str], error: str) -> None:
        answer = vendor.mint(CLIENT, **form)
        assert (answer.status_code, answer.json()["error"]) == (400, error)

    def test_json_instead_of_a_form(self, vendor: Vendor) -> None:
        answer = vendor.http.post("/idp/oauth2/token", json={"grant_type": "client_credentials"}, auth=CLIENT)
        assert (answer.status_code, answer.json()["error"]) == (400, "invalid_request")

    def test_tokens_live_beside_one_another(self, vendor: Vendor) -> None:
        vendor.mint(CLIENT)
        assert vendor.post("/sms", SMS).status_code == 200

    def test_token_ends_by_the_towns_clock(self, vendor: Vendor) -> None:
        vendor.state.clock.advance(28_790)
        assert vendor.post("/sms", SMS).status_code == 200
        vendor.state.clock.advance(10)
        assert vendor.post("/sms", SMS).status_code == 401

    def test_killed_tokens(self, vendor: Vendor) -> None:
        vendor.vendor_state.revoke_tokens()
        answer = vendor.post("/sms", SMS)
        assert answer.status_code == 401
        assert list(answer.json()) == ["error"]
        assert list(answer.json()["error"]) == ["message"]
        assert vendor.effects("sms") == []

    def test_each_client_has_its_servers(self, vendor: Vendor) -> None:
        mock = vendor.mint(MOCK_CLIENT).json()["access_token"]
        reached = {
            (token == mock, prefix): vendor.http.post(
                f"{prefix}/sms", json=SMS, headers={"Authorization": f"Bearer {token}"}
            ).status_code
            for token in (vendor.token, mock)
            for prefix in (LIVE, MOCK, SANDBOX)
        }
        assert reached == {
            (False, LIVE): 200,
            (False, MOCK): 401,
            (False, SANDBOX): 200,
            (True, LIVE): 401,
            (True, MOCK): 200,
            (True, SANDBOX): 401,
        }
        assert [effect.facts["environment"] for effect in vendor.effects("sms")] == [
            "live",
            "sandbox",
            "mock",
        ]

    @pytest.mark.parametrize("header", ["", "Basic c2ltOnNpbQ==", "Bearer ", "Bearer sim_x"])
    def test_no_token(self, vendor: Vendor, header: str) -> None:
        answer = vendor.http.get(f"{LIVE}/sms/1", headers={"Authorization": header})
        assert answer.status_code == 401


class TestGateway:
    def test_rate_limit(self, vendor: Vendor) -> None:
        vendor.vendor_state.rate_limit = RateLimit(2, period_seconds=10)
        vendor.state.clock.advance(10)
        answers = [vendor.post("/sms", SMS) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert [answer.headers["X-Rate-Limit-Remaining"] for answer in answers] == ["1", "0", "0"]
        refused(answers[2], 429)
        assert answers[2].headers["X-Rate-Limit-Limit"] == "2"
        assert answers[2].headers["X-Rate-Limit-Period-Sec"] == "10"
        assert 9 <= int(answers[2].headers["X-Rate-Limit-Reset"]) <= 10
        assert len(vendor.effects("sms")) == 2
        vendor.state.clock.advance(10)
        assert vendor.post("/sms", SMS).status_code == 200

    def test_no_limit_no_headers(self, vendor: Vendor) -> None:
        assert "X-Rate-Limit-Limit" not in vendor.post("/sms", SMS).headers

    def test_the_sandbox_is_limited(self, vendor: Vendor) -> None:
        vendor.vendor_state.sandbox_left = 1
        vendor.prefix = SANDBOX
        assert vendor.post("/sms", SMS).status_code == 200
        refused(vendor.post("/sms", SMS), 429)
        vendor.prefix = LIVE
        assert vendor.post("/sms", SMS).status_code == 200

    def test_wrapped_answers(self, vendor: Vendor) -> None:
        vendor.vendor_state.switches.turn_on("resource")
        answer = vendor.post("/sms", SMS)
        body = answer.json()
        assert set(body) == {"reqId", "cid", "resource"}
        assert body["reqId"] == answer.headers["X-Request-Id"]
        assert set(body["resource"]) == {"msgId", "reservedSmsSegments"}
        refused(vendor.get("/sms/none"), 404)

    def test_request_ids_differ(self, vendor: Vendor) -> None:
        ids = {vendor.post("/sms", SMS).headers["X-Request-Id"] for _ in range(3)}
        assert len(ids) == 3

    def test_reset_makes_it_new(self, vendor: Vendor) -> None:
        vendor.vendor_state.unreachable.add(PHONE)
        vendor.state.reset()
        assert vendor.vendor_state.unreachable == set()
        assert vendor.post("/sms", SMS).status_code == 401


class TestSubscribers:
    def put_in(self, vendor: Vendor, **facts: Any) -> None:
        now = vendor.state.clock.now()
        known: dict[str, Any] = {
            "active": True,
            "sim_changes": [now - timedelta(days=40), now - timedelta(hours=30)],
            "imei": "350000000000001",
            "imei_count": 2,
            "score": 500,
        }
        vendor.vendor_state.subscribers[PHONE] = Subscriber(**(known | facts))

    def test_verify_sim(self, vendor: Vendor) -> None:
        self.put_in(vendor)
        path = f"/subscribers/{PHONE}/verify-sim"
        assert vendor.post(path, {"activationHours": 48}).json() == {"simChanged": 1, "isActive": 1}
        assert vendor.post(path, {"activationHours": 24}).json() == {"simChanged": 0, "isActive": 1}
        facts = [effect.facts for effect in vendor.effects("billed_check")]
        assert facts == [{"environment": "live", "check": "verify-sim", "msisdn": PHONE}] * 2

    def test_sim_count(self, vendor: Vendor) -> None:
        self.put_in(vendor)
        path = f"/subscribers/%2B{PHONE}/check-sim-count"
        assert [vendor.post(path, {"daysCount": days}).json() for days in (1, 30, 120)] == [
            {"simCount": 1},
            {"simCount": 2},
            {"simCount": 3},
        ]
        self.put_in(vendor, sim_changes=[vendor.state.clock.now()] * 14)
        assert vendor.post(path, {"daysCount": 7}).json() == {"simCount": 10}

    def test_device(self, vendor: Vendor) -> None:
        self.put_in(vendor)
        path = f"/subscribers/{PHONE}/device-check"
        assert vendor.get(path, IMEI="350000000000001").json() == {"imeiRes": "COMPLETELY_MATCHED"}
        assert vendor.get(path, IMEI="350000000000002").json() == {"imeiRes": "NOT_MATCHED"}
        assert vendor.get(path, daysPeriod=120).json() == {"imeiCount": 2}

    @pytest.mark.parametrize(
        "query",
        [
            {},
            {"IMEI": "350000000000001", "daysPeriod": "1"},
            {"imei": "350000000000001"},
            {"IMEI": "35"},
            {"daysPeriod": "0"},
            {"daysPeriod": "121"},
            {"daysPeriod": "x"},
            {"daysPeriod": ["1", "2"]},
        ],
    )
    def test_device_wants_one_of_two(self, vendor: Vendor, query: dict[str, Any]) -> None:
        refused(vendor.get(f"/subscribers/{PHONE}/device-check", **query), 422)
        assert vendor.effects("billed_check") == []

    def test_lifetime(self, vendor: Vendor) -> None:
        self.put_in(vendor)
        path = f"/subscribers/{PHONE}/lifetime-check"
        month = {"lifetimeDuration": {"from": 0, "to": 1, "timeUnit": "MONTHS"}}
        assert vendor.post(path, {}).json() == month
        assert vendor.post(path).json() == month
        self.put_in(vendor, sim_changes=[])
        assert vendor.post(path, {}).json()["lifetimeDuration"]["from"] == 24
        refused(vendor.post(path, {"days": 30}), 422)

    def test_score(self, vendor: Vendor) -> None:
        self.put_in(vendor)
        path = f"/subscribers/{PHONE}/score"
        assert vendor.get(path).json() == vendor.get(path, modelId=7).json() == {"score": 500}
        refused(vendor.get(path, modelId=8), 422)
        refused(vendor.get(path, modelId="seven"), 422)
        assert len(vendor.effects("billed_check")) == 2

    def test_no_score(self, vendor: Vendor) -> None:
        text = refused(vendor.get("/subscribers/380670000299/score"), 404)
        assert text == "Скор бал недоступний"
        assert vendor.effects("billed_check") == []

    @pytest.mark.parametrize(
        ("name", "body"),
        [
            ("verify-sim", {}),
            ("verify-sim", {"activationHours": 0}),
            ("verify-sim", {"activationHours": "48"}),
            ("verify-sim", {"activationHours": True}),
            ("verify-sim", {"activationHours": 48, "hours": 48}),
            ("check-sim-count", {"daysCount": 0}),
            ("check-sim-count", {"daysCount": 121}),
            ("check-sim-count", {"daysCount": None}),
        ],
    )
    def test_wrong_fields(self, vendor: Vendor, name: str, body: dict[str, Any]) -> None:
        refused(vendor.post(f"/subscribers/{PHONE}/{name}", body), 422)

    @pytest.mark.parametrize(
        ("verb", "name", "body", "query"),
        [
            ("POST", "verify-sim", {"activationHours": 1}, {}),
            ("POST", "check-sim-count", {"daysCount": 1}, {}),
            ("GET", "device-check", None, {"daysPeriod": 1}),
            ("POST", "lifetime-check", {}, {}),
            ("GET", "score", None, {}),
        ],
    )
    def test_whose_number(
        self, vendor: Vendor, verb: str, name: str, body: Any, query: dict[str, Any]
    ) -> None:
        refused(vendor.ask(verb, f"/subscribers/{FOREIGN}/{name}", body, **query), 404)
        refused(vendor.ask(verb, f"/subscribers/0670000200/{name}", body, **query), 422)
        assert vendor.ask(verb, f"/subscribers/{PHONE}/{name}", body, **query).status_code == 200

    def test_same_seed_same_subscriber(self, vendor: Vendor) -> None:
        first = vendor.vendor_state.subscriber(PHONE)
        assert VendorState(SimulatorState()).subscriber(PHONE).imei == first.imei
        assert VendorState(SimulatorState(1)).subscriber(PHONE).imei != first.imei

    def test_mock_is_free(self, vendor: Vendor) -> None:
        vendor.on_mock()
        assert vendor.get(f"/subscribers/{PHONE}/score").status_code == 200
        assert vendor.effects("billed_check") == []
