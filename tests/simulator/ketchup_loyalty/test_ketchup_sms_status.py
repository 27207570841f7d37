from __future__ import annotations

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import HOUR, RU, UA, error, individual, naive, phone, phones

from airflow_provider_telecom.simulator.sms import segments
from airflow_provider_telecom.simulator.state import SimulatorState


def test_what_is_known_of_an_sms(post: Any, get: Any, state: SimulatorState) -> None:
    sent = post("sms/create", phone())
    found = get(f"sms/{sent['id']}")
    assert found == get("sms/reference/ref1") == get("sms/ref1")
    when = naive(state.ledger.effects[0].at)
    assert found == {
        "error": "0",
        "id": sent["id"],
        "msisdn": UA.format(1),
        "reference": "ref1",
        "time_in": when,
        "time_sent": when,
        "time_dr": when,
        "status": "delivered",
        "price": "0.02",
        "currency": "EUR",
    }


def test_one_path_for_id_reference_and_task(post: Any, get: Any) -> None:
    first = post("sms/create", phone(1))
    post("sms/create", phone(2, reference=first["id"]))
    task = post("sms/create", phones(3))
    assert get(f"sms/{first['id']}")["msisdn"] == UA.format(1)
    assert get(f"sms/reference/{first['id']}")["msisdn"] == UA.format(2)
    assert get(f"sms/{task['task_id']}")["sent"] == "1"


@pytest.mark.parametrize(
    ("path", "code"),
    [
        ("sms/1", "20"),
        ("sms/reference/none", "20"),
        ("sms/task/x", "29"),
        ("sms/task/1", "30"),
        ("hlr/1", "60"),
        ("hlr/reference/x", "60"),
        ("viber/1", "40"),
        ("viber/reference/x", "40"),
    ],
)
def test_what_is_not_there(get: Any, path: str, code: str) -> None:
    assert error(get(path)) == code


def test_a_status_ripens_by_looks(post: Any, get: Any, state: SimulatorState) -> None:
    state.set_transition("ketchup_loyalty.sms", "after_polls", 2)
    post("sms/create", phone())
    polls = [get("sms/reference/ref1") for _ in range(5)]
    assert [poll["status"] for poll in polls] == ["accepted", "sent", "sent", "delivered", "delivered"]
    assert [poll["time_dr"] is None for poll in polls] == [True, True, True, False, False]
    assert polls[0]["time_sent"] is None


def test_a_scheduled_sms_waits_and_then_ripens_from_its_time(
    post: Any, get: Any, state: SimulatorState
) -> None:
    state.set_transition("ketchup_loyalty", "after_seconds", 60)
    at = (state.clock.now() + HOUR).isoformat()
    task = post("sms/create", phones(1, send_time=at))["task_id"]
    assert get("sms/reference/ref1")["status"] == "scheduled"
    assert get(f"sms/task/{task}")["sent"] == "0"
    state.clock.advance(3_600 + 70)
    assert get("sms/reference/ref1")["status"] == "sent"
    state.clock.advance(60)
    found = get("sms/reference/ref1")
    gap = datetime.fromisoformat(found["time_dr"]) - datetime.fromisoformat(found["time_sent"])
    assert (found["status"], gap) == ("delivered", timedelta(minutes=2))


@pytest.mark.parametrize("body", [phone(), phones(1, 2), individual(1, 2, 3)])
def test_an_sms_price_has_no_effect(
    post: Any, client: TestClient, state: SimulatorState, body: dict[str, Any]
) -> None:
    answer = client.put("sms/price", json=body).json()
    count = len(body.get("phones", "1"))
    assert answer == {"error": "0", "totalprice": str(Decimal("0.02") * count), "currency": "EUR"}
    assert post("sms/create", body)["error"] == "0"
    assert post("sms/price", body) == answer
    assert len(state.ledger.effects) == count


def test_a_price_leaves_out_whom_a_sending_would_refuse(post: Any) -> None:
    body = phones(1, 2)
    body["phones"][0]["msisdn"] = "1"
    assert post("sms/price", body)["totalprice"] == "0.02"
    body["phones"].pop()
    assert error(post("sms/price", body)) == "21"


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("a" * 160, 1),
        ("a" * 161, 2),
        ("€" * 80, 1),
        ("€" * 81, 2),
        ("я" * 70, 1),
        ("я" * 71, 2),
        ("😀" * 36, 2),
        ("a" * 306, 2),
        ("a" * 307, 3),
        ("я" * 134, 2),
        ("я" * 135, 3),
        ("[]-^\\", 1),
        ("`" * 71, 2),
    ],
)
def test_an_sms_costs_by_segment_and_country(post: Any, text: str, count: int) -> None:
    assert segments(text) == count
    assert post("sms/price", phone(body=text))["totalprice"] == str(Decimal("0.02") * count)
    abroad = phone(body=text, msisdn=RU.format(1))
    assert post("sms/price", abroad)["totalprice"] == str(Decimal("0.04") * count)


@pytest.mark.parametrize(("module", "price"), [("sms", "0.02"), ("hlr", "0.002"), ("viber", "0.01")])
def test_price_lists(get: Any, module: str, price: str) -> None:
    answer = get(f"{module}/prices")
    assert answer == get(f"{module}/prices/9")
    (ukraine,) = (row for row in answer["prices"] if row["country"] == "UA")
    assert ukraine == {
        "type": module,
        "country": "UA",
        "country_name": "Ukraine",
        "mcc": "255",
        "price": price,
        "currency": "EUR",
    }
    assert {error(get(f"{module}/prices/{tariff}")) for tariff in ("10", "x", "-1")} == {"6"}
