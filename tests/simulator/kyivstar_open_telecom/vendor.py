"""The simulated Kyivstar with a token at hand, for its tests."""

from __future__ import annotations

import json
from typing import Any

from fastapi.testclient import TestClient
from httpx import Response

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.kyivstar_open_telecom import VendorState, routes
from airflow_provider_telecom.simulator.state import Effect
from tests.simulator.application import application

PHONE = "380670000200"
LIVE, MOCK, SANDBOX = "/rest/v1beta", "/mock/rest/v1beta", "/sandbox/rest/v1beta"
CLIENT = (credentials.KYIVSTAR_CLIENT_ID, credentials.KYIVSTAR_CLIENT_SECRET)
MOCK_CLIENT = (credentials.KYIVSTAR_MOCK_CLIENT_ID, credentials.KYIVSTAR_MOCK_CLIENT_SECRET)
SMS = {"from": "messagedesk", "to": PHONE, "text": "Hello"}


class Vendor:
    """The vendor, asked on its live server until `on_mock` or another `prefix`."""

    def __init__(self) -> None:
        self.state, app = application(routes)
        self.http = TestClient(app)
        self.token = self.mint(CLIENT).json()["access_token"]
        self.prefix = LIVE

    @property
    def vendor_state(self) -> VendorState:
        vendor_state: VendorState = self.state.vendor_state("kyivstar_open_telecom", VendorState)
        return vendor_state

    def mint(self, client: tuple[str, str] | None, **form: str) -> Response:
        data = form or {"grant_type": "client_credentials"}
        answer: Response = self.http.post("/idp/oauth2/token", data=data, auth=client)
        return answer

    def ask(self, verb: str, path: str, body: Any = None, **query: Any) -> Response:
        headers = {"Authorization": f"Bearer {self.token}", "Content-Type": "application/json"}
        content = b"" if body is None else json.dumps(body).encode()
        url = self.prefix + path
        answer: Response = self.http.request(verb, url, content=content, params=query, headers=headers)
        return answer

    def get(self, path: str, **query: Any) -> Response:
        return self.ask("GET", path, **query)

    def post(self, path: str, body: Any = None) -> Response:
        return self.ask("POST", path, body)

    def effects(self, kind: str) -> list[Effect]:
        return self.state.ledger.of("kyivstar_open_telecom", kind)

    def on_mock(self) -> None:
        self.token, self.prefix = self.mint(MOCK_CLIENT).json()["access_token"], MOCK


def refused(answer: Response, status: int) -> str:
    """Assert the vendor's error form, and return its text."""
    body = answer.json()
    assert answer.status_code == status
    assert set(body) == {"reqId", "errorCode", "errorMsg"}
    assert type(body["errorCode"]) is int
    assert body["reqId"] == answer.headers["X-Request-Id"]
    text: str = body["errorMsg"]
    return text
