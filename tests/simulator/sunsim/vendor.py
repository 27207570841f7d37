"""The simulated SunSim with a live access token at hand, for its tests."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from airflow_provider_telecom.simulator.credentials import SUNSIM_AUTHORIZATION_TOKEN
from airflow_provider_telecom.simulator.state import Effect
from airflow_provider_telecom.simulator.sunsim import VendorState, routes
from tests.simulator.application import application

NUMBER = "9000000000"


class Vendor:
    """The vendor, and the customer's newest pair of tokens."""

    def __init__(self) -> None:
        self.state, app = application(routes, "/x")
        self.http = TestClient(app)
        self.pair: dict[str, str] = {}

    @property
    def vendor_state(self) -> VendorState:
        vendor_state: VendorState = self.state.vendor_state("sunsim", VendorState)
        return vendor_state

    def ask(
        self, verb: str, path: str, token: str | None = None, body: bytes = b"", **query: Any
    ) -> Response:
        if token is None:
            token = self.pair["accessToken"]
        headers = {"Authorization": f"Bearer {token}"}
        url = f"/x/api/v1/{path}"
        answer: Response = self.http.request(verb, url, content=body, params=query, headers=headers)
        return answer

    def create(self, token: str = SUNSIM_AUTHORIZATION_TOKEN) -> Response:
        answer = self.ask("GET", "auth/integrationapi/create", token)
        if answer.status_code == 200:
            self.pair = answer.json()
        return answer

    def refresh(self, token: str | None = None) -> Response:
        return self.ask("GET", "auth/integrationapi/refresh", token or self.pair["refreshToken"])

    def get(self, path: str, **query: Any) -> Response:
        return self.ask("GET", path, **query)

    def post(self, path: str, body: Any) -> Response:
        return self.ask("POST", path, body=json.dumps(body).encode())

    def callback(self, **changes: str) -> Response:
        parties = {"PhoneTo": "89000001234", "PhoneFrom": NUMBER} | changes
        return self.get("callback/create", **parties)

    def period(self, days: float = 30) -> dict[str, Any]:
        """Return the body of getcalllist for the last days, up to a minute from now."""
        end = self.state.clock.now() + timedelta(minutes=1)
        return {
            "nums": [NUMBER],
            "periodStart": written(end - timedelta(days=days)),
            "periodEnd": written(end),
        }

    def calls(self, **changes: Any) -> list[dict[str, Any]]:
        rows: list[dict[str, Any]] = accepted(
            self.post("request/getcalllist", self.period() | changes), "request/getcalllist"
        )["calls"]
        return rows

    def effects(self, kind: str) -> list[Effect]:
        return self.state.ledger.of("sunsim", kind)


def written(moment: datetime) -> str:
    """Return a time as the vendor wants it."""
    return moment.strftime("%Y-%m-%d %H:%M:%S")


def accepted(answer: Response, api_name: str) -> dict[str, Any]:
    """Assert the vendor's envelope, and return its result."""
    body = answer.json()
    assert answer.status_code == 200
    assert body["error"] == {"errorMessage": "", "errorCode": 0}
    assert body["code"] == 0
    assert isinstance(body["requestHash"], str)
    result: dict[str, Any] = body["result"]
    assert (result["apiName"], result["apiVersion"]) == (api_name, 1)
    assert datetime.strptime(result["callTime"], "%Y-%m-%d %H:%M:%S")
    return result


def refused(answer: Response) -> int:
    """Assert that it is a refusal with status 200, and return its error code."""
    body = answer.json()
    assert answer.status_code == 200
    assert body["error"]["errorMessage"]
    code: int = body["error"]["errorCode"]
    assert code != 0
    return code


def unauthorized(answer: Response) -> bool:
    """Whether it is the refusal of a token."""
    return answer.status_code == 401 and answer.json()["error"]["errorCode"] == 401
