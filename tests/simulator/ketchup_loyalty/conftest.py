"""Fixtures: a simulated KetchUp without other vendors, and short ways to call it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from ketchup_bodies import RU, look_ups, phones, viber

from airflow_provider_telecom.simulator.credentials import KETCHUP_API_KEY
from airflow_provider_telecom.simulator.ketchup_loyalty import routes
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState
from tests.simulator.application import application


class Letterbox:
    """Takes the place of the webhook sender and keeps the webhooks."""

    def __init__(self, state: SimulatorState) -> None:
        self.letters: list[tuple[str, Any, tuple[float, ...]]] = []
        self.types: list[str | None] = []

    def post(self, url: str, body: object, tries: tuple[float, ...], content_type: str | None) -> None:
        self.types.append(content_type)
        self.letters.append((url, body, tries))


@pytest.fixture
def served() -> tuple[SimulatorState, FastAPI]:
    return application(routes, "/x")


@pytest.fixture
def state(served: tuple[SimulatorState, FastAPI]) -> SimulatorState:
    return served[0]


@pytest.fixture
def letters(state: SimulatorState) -> list[tuple[str, Any, tuple[float, ...]]]:
    letterbox: Letterbox = state.vendor_state("webhook_sender", Letterbox)
    return letterbox.letters


@pytest.fixture
def vendor_state(state: SimulatorState) -> VendorState:
    vendor_state: VendorState = state.vendor_state("ketchup_loyalty", VendorState)
    return vendor_state


@pytest.fixture
def client(served: tuple[SimulatorState, FastAPI], letters: list[Any]) -> Iterator[TestClient]:
    with TestClient(
        served[1], base_url="http://sim/x/rest/", headers={"X-API-KEY": KETCHUP_API_KEY}
    ) as client:
        yield client


@pytest.fixture
def post(client: TestClient) -> Callable[..., Any]:
    def post(path: str, body: Any, **kwargs: Any) -> Any:
        """Post JSON under the content type that the document has for the path."""
        kind = "multipart/form-data" if path == "hlr/create" else "application/json"
        content = json.dumps(body)
        return client.post(path, content=content, headers={"content-type": kind}, **kwargs).json()

    return post


@pytest.fixture
def get(client: TestClient) -> Callable[..., Any]:
    return lambda path: client.get(path).json()


@pytest.fixture
def sent(post: Any) -> list[int]:
    """An SMS that arrived, one that did not, a look-up and a Viber message."""
    first, second = post("sms/create", phones(1, 9))["result"]
    (look_up,) = post("hlr/create", look_ups(2, msisdn=RU.format(2)))["result"]
    options = {"viber": {"img": "https://site/image.png", "caption": "Join us!"}}
    (viber_answer,) = post("viber/create", viber(3, options=options))
    return [int(item["id"]) for item in (first, second, look_up, viber_answer["messages"][0])]
