from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import UA, error, errors, individual, phone, phones

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_one_sms(client: TestClient, state: SimulatorState, vendor_state: VendorState, method: str) -> None:
    answer = client.request(method, "sms/create", json=phone(tariff=9, validity=24)).json()
    assert answer == {"error": "0", "id": "22125", "reference": "ref1", "price": "0.02", "currency": "EUR"}
    (effect,) = state.ledger.of(
        "ketchup_loyalty", "sms", msisdn=UA.format(1), text="test sms", reference="ref1"
    )
    assert effect.facts["originator"] == "test"
    assert (effect.facts["validity_hours"], effect.facts["tariff"]) == (24, 9)
    assert vendor_state.balance == Decimal("99999.98")


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"msisdn": ...}, "21"),
        ({"msisdn": "+380670000001"}, "21"),
        ({"msisdn": 380670000001}, "21"),
        ({"msisdn": "210670000001"}, "21"),
        ({"reference": ...}, "22"),
        ({"reference": "a-b"}, "27"),
        ({"reference": "a" * 33}, "27"),
        ({"reference": 12}, "27"),
        ({"originator": ...}, "25"),
        ({"originator": "a" * 15}, "25"),
        ({"originator": "forbidden"}, "32"),
        ({"body": ""}, "26"),
        ({"body": ["text"]}, "26"),
        ({"body": "я" * 671}, "26"),
        ({"validity": 0}, "28"),
        ({"validity": 73}, "28"),
        ({"validity": "72"}, "28"),
        ({"tariff": 10}, "6"),
        ({"tariff": "9"}, "7"),
        ({"tariff": 5}, "9"),
        ({"destination": "everyone"}, "24"),
        ({"destination": ["phone"]}, "24"),
        ({"destination": ...}, "24"),
        ({"destination": "addresbook"}, "4"),
        ({"text": "not a field"}, "24"),
        ({"scheduledDatetime": "2100-01-01T00:00:00+00:00"}, "24"),
        ({"send_time": "2100-01-01T00:00:00"}, "10"),
        ({"send_time": "2100-13-01T00:00:00+00:00"}, "10"),
        ({"send_time": "2016-01-01T00:00:00Z"}, "10"),
        ({"send_time": 1600000000}, "10"),
    ],
)
@pytest.mark.parametrize("path", ["sms/create", "sms/price"])
def test_what_one_sms_is_refused_for(
    post: Any, state: SimulatorState, vendor_state: VendorState, path: str, changes: dict[str, Any], code: str
) -> None:
    vendor_state.inactive_tariffs = {5}
    assert error(post(path, phone(**changes))) == code
    assert not state.ledger.effects


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'"text"', b"\xff"])
@pytest.mark.parametrize(
    ("path", "code"),
    [("sms/create", "24"), ("viber/create", "44"), ("hlr/create", "64"), ("stat/create", "7")],
)
def test_a_body_that_is_no_request(client: TestClient, path: str, code: str, content: bytes) -> None:
    assert error(client.post(path, content=content).json()) == code


def test_a_reference_is_remembered_for_ever(post: Any, state: SimulatorState) -> None:
    post("sms/create", phone())
    state.clock.advance(400 * 86_400)
    again = post("sms/create", phone(body="another text"))
    assert error(again) == "23"
    assert "id" not in again
    assert len(state.ledger.of("ketchup_loyalty", "sms")) == 1


def test_many_sms_and_their_task(post: Any, get: Any, state: SimulatorState) -> None:
    answer = post("sms/create", phones(1, 2, 8, 9))
    assert (answer["error"], answer["totalprice"], answer["currency"]) == ("0", "0.08", "EUR")
    assert [item["reference"] for item in answer["result"]] == ["ref1", "ref2", "ref8", "ref9"]
    assert answer["result"][0].keys() == {"reference", "id", "error", "price", "currency"}
    assert get(f"sms/task/{answer['task_id']}") == {
        "error": "0",
        "originator": "test",
        "body": "test sms",
        "validity": 72,
        "sent": "4",
        "delivered": "2",
        "undeliverable": "1",
        "expired": "1",
        "unknown": "0",
        "totalprice": "0.08",
        "currency": "EUR",
    }
    assert [effect.facts["reference"] for effect in state.ledger.of("ketchup_loyalty", "sms")] == [
        "ref1",
        "ref2",
        "ref8",
        "ref9",
    ]


def test_recipients_are_refused_one_by_one(post: Any, state: SimulatorState) -> None:
    post("sms/create", phone(1))
    body = phones(1, 2, 2, 3)
    body["phones"] += [
        {"msisdn": UA.format(4), "reference": "ref3"},
        {"msisdn": "1"},
        {"msisdn": UA.format(5)},
    ]
    answer = post("sms/create", body)
    assert errors(answer["result"]) == ["23", "0", "23", "0", "23", "21", "22"]
    assert answer["result"][0]["reference"] == "ref1"
    assert (answer["error"], answer["totalprice"]) == ("0", "0.04")
    assert len(state.ledger.of("ketchup_loyalty", "sms")) == 3


def test_a_phone_stands_once_in_a_request(post: Any) -> None:
    body = phones(1)
    body["phones"].append({"msisdn": UA.format(1), "reference": "other"})
    assert errors(post("sms/create", body)["result"]) == ["0", "31"]


def test_nobody_to_send_to_makes_no_task(post: Any) -> None:
    post("sms/create", phones(1))
    answer = post("sms/create", phones(1))
    assert (answer["error"], answer["totalprice"], "task_id" in answer) == ("0", "0", False)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"originator": "a" * 15}, "25"),
        ({"body": ...}, "26"),
        ({"phones": []}, "24"),
        ({"phones": {}}, "24"),
        ({"phones": ["380670000001"]}, "24"),
        ({"phones": [{"msisdn": "380670000001", "external_id": "ref1"}]}, "24"),
        ({"phones": ...}, "24"),
        ({"msisdn": "380670000001"}, "24"),
        ({"scheduledDatetime": "2100-01-01T00:00:00Z"}, "24"),
    ],
)
def test_what_a_mass_sending_is_refused_for(post: Any, changes: dict[str, Any], code: str) -> None:
    assert error(post("sms/create", phones(1, **changes))) == code


def test_individual_sms_have_their_own_texts_and_errors(post: Any, get: Any, state: SimulatorState) -> None:
    body = individual(1, 2, 3, 4)
    body["phones"][1]["originator"] = "a" * 15
    body["phones"][2]["body"] = ""
    body["phones"][3]["originator"] = "forbidden"
    answer = post("sms/create", body)
    assert errors(answer["result"]) == ["0", "25", "26", "32"]
    assert [effect.facts["text"] for effect in state.ledger.of("ketchup_loyalty", "sms")] == ["sms 1"]
    assert get(f"sms/task/{answer['task_id']}")["sent"] == "1"


def test_individual_sms_have_the_other_name_for_the_time(post: Any) -> None:
    assert error(post("sms/create", individual(1, send_time="2100-01-01T00:00:00Z"))) == "24"
    assert post("sms/create", individual(1, scheduledDatetime="2100-01-01T00:00:00Z"))["error"] == "0"
