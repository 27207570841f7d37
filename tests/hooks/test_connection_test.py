"""What Airflow's Test button says: which field is wrong, or what the vendor says."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any
from urllib.parse import urlsplit

import pytest

from airflow_provider_telecom.simulator.credentials import (
    KYIVSTAR_MOCK_CLIENT_ID,
    KYIVSTAR_MOCK_CLIENT_SECRET,
)
from airflow_provider_telecom.vendors.description import import_from
from tests.conftest import HOOKS

COPY = "Xk3vQz9"
"""Airflow tests a copy of the connection under a random id."""


@pytest.fixture
def press(telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., tuple[bool, str]]:
    """Return a function that tests a connection as the button does: `press("sunsim", {"lang": "kz"})`."""

    def pressed(vendor: str, extra: dict[str, Any], **fields: Any) -> tuple[bool, str]:
        connection = telecom_simulator.connection(vendor) | {"port": telecom_simulator.port} | fields
        connection["extra"] = {**connection["extra"], **extra}
        monkeypatch.setenv(f"AIRFLOW_CONN_{COPY.upper()}", json.dumps(connection))
        good, message = import_from(HOOKS[vendor])(COPY).test_connection()
        assert COPY not in message
        return good, message

    return pressed


FAULTS = {
    "rate_limit": ("10 per second", "must be like 10/s, 600/m or 1000/h"),
    "timeout_read": (0, "greater than 0"),
    "default_region": ("Ukraine", "pattern"),
    "verify_ssl": (True, "no such field; known are"),
    "allow_private_hosts": ("perhaps", "boolean"),
}


@pytest.mark.parametrize("field", FAULTS)
@pytest.mark.parametrize("vendor", HOOKS)
def test_an_invalid_field_is_named(press: Callable[..., Any], vendor: str, field: str) -> None:
    value, rule = FAULTS[field]
    good, message = press(vendor, {field: value})
    assert not good
    assert message.startswith(f"extra.{field}: ")
    assert rule in message


STANDARD_FAULTS: dict[str, tuple[dict[str, Any], str]] = {
    "password": ({"password": ""}, "password: is empty"),
    "port": ({"port": 1}, "port: is 1, but the host has"),
    "host": ({"host": "http://user@api.example.com", "port": None}, "host: must hold no user"),
}


@pytest.mark.parametrize("field", STANDARD_FAULTS)
@pytest.mark.parametrize("vendor", HOOKS)
def test_an_invalid_standard_field_is_named(press: Callable[..., Any], vendor: str, field: str) -> None:
    changes, said = STANDARD_FAULTS[field]
    good, message = press(vendor, {}, **changes)
    assert not good
    assert message.startswith(said)


@pytest.mark.parametrize("vendor", [vendor for vendor in HOOKS if vendor != "sunsim"])
def test_success_and_refusal(press: Callable[..., Any], telecom_simulator: Any, vendor: str) -> None:
    good, message = press(vendor, {})
    assert good
    assert message.startswith("Connected: ")
    good, message = press(vendor, {}, password="sim_" + "9" * 60)
    assert not good
    assert message.startswith("The credentials are refused. ")
    assert (
        f"[host {urlsplit(telecom_simulator.url).netloc}]: check the password of this connection" in message
    )
    with telecom_simulator.refusing():
        good, message = press(vendor, {"timeout_connect": 1})
    assert not good
    assert "check the host, proxy and certificate of this connection" in message


def test_a_client_id_for_the_mock_server_is_none_for_the_live_one(press: Callable[..., Any]) -> None:
    mock = {"login": KYIVSTAR_MOCK_CLIENT_ID, "password": KYIVSTAR_MOCK_CLIENT_SECRET}
    good, message = press("kyivstar_open_telecom", {}, **mock)
    assert not good
    assert "there is a token, but the live server refuses it: this Client ID is for another" in message
    good, message = press("kyivstar_open_telecom", {"environment": "mock"}, **mock)
    assert good
    assert "On the mock server" in message
