from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import error, look_ups, phone, phones, viber

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState
from tests.cost import cpu_seconds


@pytest.mark.parametrize("key", [None, "", "live_asdfasdfq234"])
def test_a_wrong_key_is_error_1_and_nothing_is_sent(
    client: TestClient, state: SimulatorState, key: str | None
) -> None:
    client.headers.pop("X-API-KEY")
    headers = {} if key is None else {"X-API-KEY": key}
    answer = client.post("sms/create", json=phone(), headers=headers)
    assert (answer.status_code, error(answer.json())) == (200, "1")
    assert not state.ledger.effects


def test_a_wrong_key_may_be_a_401(client: TestClient, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("status_401")
    answer = client.get("sms/prices", headers={"X-API-KEY": "wrong"})
    assert (answer.status_code, error(answer.json())) == (401, "1")
    assert client.get("sms/prices").status_code == 200


def test_a_blocked_account_is_error_3(get: Any, vendor_state: VendorState) -> None:
    vendor_state.blocked = True
    assert error(get("sms/prices")) == "3"


@pytest.mark.parametrize(
    ("path", "body"),
    [("sms/create", phones(1, 2)), ("viber/create", viber(1, 2)), ("hlr/create", look_ups(1, 2))],
)
def test_money_throttle_and_package(
    post: Any, state: SimulatorState, vendor_state: VendorState, path: str, body: Any
) -> None:
    vendor_state.max_package = 1
    assert error(post(path, body)) == "12"
    vendor_state.max_package = 2
    vendor_state.throttle = 1
    throttled = post(path, body)
    assert (throttled["error"], "simultaneously" in throttled["errorDescription"]) == ("11", True)
    vendor_state.balance = Decimal("0.001")
    assert error(post(path, body)) == "8"
    assert not state.ledger.effects
    vendor_state.balance = Decimal(1)
    assert "errorDescription" not in json.dumps(post(path, body))
    assert len(state.ledger.effects) == 2


def test_the_last_of_fifty_thousand_recipients_cost_no_more_than_the_first(
    client: TestClient, state: SimulatorState
) -> None:
    def send(chunk: int) -> None:
        recipients = [
            {"msisdn": str(380_670_000_000 + number), "reference": f"r{number}"}
            for number in range(chunk * 500, chunk * 500 + 500)
        ]
        answer = client.post("sms/create", json=phones(phones=recipients)).json()
        assert len(answer["result"]) == 500

    costs = [cpu_seconds(partial(send, chunk)) for chunk in range(100)]
    assert len(state.ledger.of("ketchup_loyalty", "sms")) == 50_000
    assert min(costs[-10:]) < 5 * min(costs[:10])
