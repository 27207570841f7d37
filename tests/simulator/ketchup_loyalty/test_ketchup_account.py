from __future__ import annotations

import json
from decimal import Decimal
from functools import partial
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import error, look_ups, phone, phones, viber

from airflow_provider_telecom.simulator.ketchup_loyalty.books import Books
from airflow_provider_telecom.simulator.town import Town
from tests.cost import cpu_seconds


@pytest.mark.parametrize("key", [None, "", "live_asdfasdfq234"])
def test_a_wrong_key_is_error_1_and_nothing_is_sent(client: TestClient, town: Town, key: str | None) -> None:
    client.headers.pop("X-API-KEY")
    headers = {} if key is None else {"X-API-KEY": key}
    answer = client.post("sms/create", json=phone(), headers=headers)
    assert (answer.status_code, error(answer.json())) == (200, "1")
    assert not town.ledger.effects


def test_a_wrong_key_may_be_a_401(client: TestClient, books: Books) -> None:
    books.switches.turn_on("status_401")
    answer = client.get("sms/prices", headers={"X-API-KEY": "wrong"})
    assert (answer.status_code, error(answer.json())) == (401, "1")
    assert client.get("sms/prices").status_code == 200


def test_a_blocked_account_is_error_3(get: Any, books: Books) -> None:
    books.blocked = True
    assert error(get("sms/prices")) == "3"


@pytest.mark.parametrize(
    ("path", "body"),
    [("sms/create", phones(1, 2)), ("viber/create", viber(1, 2)), ("hlr/create", look_ups(1, 2))],
)
def test_money_throttle_and_package(post: Any, town: Town, books: Books, path: str, body: Any) -> None:
    books.max_package = 1
    assert error(post(path, body)) == "12"
    books.max_package = 2
    books.throttle = 1
    throttled = post(path, body)
    assert (throttled["error"], "simultaneously" in throttled["errorDescription"]) == ("11", True)
    books.balance = Decimal("0.001")
    assert error(post(path, body)) == "8"
    assert not town.ledger.effects
    books.balance = Decimal(1)
    assert "errorDescription" not in json.dumps(post(path, body))
    assert len(town.ledger.effects) == 2


def test_the_last_of_fifty_thousand_recipients_cost_no_more_than_the_first(
    client: TestClient, town: Town
) -> None:
    def send(chunk: int) -> None:
        recipients = [
            {"msisdn": str(380_670_000_000 + number), "reference": f"r{number}"}
            for number in range(chunk * 500, chunk * 500 + 500)
        ]
        answer = client.post("sms/create", json=phones(phones=recipients)).json()
        assert len(answer["result"]) == 500

    costs = [cpu_seconds(partial(send, chunk)) for chunk in range(100)]
    assert len(town.ledger.of("ketchup", "sms")) == 50_000
    assert min(costs[-10:]) < 5 * min(costs[:10])
