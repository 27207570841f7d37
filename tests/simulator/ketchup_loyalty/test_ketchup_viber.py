from __future__ import annotations

from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import UA, error, errors, look_ups, message, phone, viber

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_viber_messages(client: TestClient, state: SimulatorState, method: str) -> None:
    body = viber(1, 2)
    del body["messages"][0]["to"][1]["external_id"]
    body["messages"].append(message(3, text="second", is_promotional=True))
    assert client.request(method, "viber/create", json=body).json() == [
        {
            "error": "0",
            "messages": [
                {"id": "22125", "reference": "ref1", "price": "0.01", "currency": "EUR"},
                {"id": "22126", "price": "0.01", "currency": "EUR"},
            ],
            "total_price": "0.02",
            "currency": "EUR",
        },
        {
            "error": "0",
            "messages": [{"id": "22127", "reference": "ref3", "price": "0.01", "currency": "EUR"}],
            "total_price": "0.01",
            "currency": "EUR",
        },
    ]
    assert [effect.facts["reference"] for effect in state.ledger.of("ketchup_loyalty", "viber")] == [
        "ref1",
        None,
        "ref3",
    ]
    assert len(state.ledger.of("ketchup_loyalty", "viber", text="second", promotional=True)) == 1


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (viber(1, text=...), "46"),
        (viber(1, text="я" * 1001), "46"),
        (viber(1, alpha_name=...), "45"),
        (viber(1, alpha_name="forbidden"), "45"),
        (viber(1, options={"viber": {"image": "http://site/image.png"}}), "49"),
        (viber(1, options={"viber": {"img": "image.png"}}), "49"),
        (viber(1, options={"viber": {"caption": 1}}), "49"),
        (viber(1, options=[]), "49"),
        (viber(1, is_promotional="false"), "44"),
        (viber(1, callback_url=1), "44"),
        (viber(1, send_time="2100-01-01T00:00:00Z"), "44"),
        (viber(1, scheduledDatetime="2016-01-01T00:00:00Z"), "10"),
        (viber(1, to=[]), "44"),
        (viber(1, to=[{"phone": "380670000001"}]), "44"),
        (viber(1, to=[{"external_id": "ref1"}]), "44"),
        (viber(1, to=[{"msisdn": "380670000001", "reference": "ref1"}]), "44"),
        ({**viber(1), "validity": 14}, "48"),
        ({**viber(1), "validity": 86_401}, "48"),
        ({**viber(1), "tariff": 10}, "6"),
        ({**viber(1), "scheduledDatetime": "2100-01-01T00:00:00Z"}, "44"),
        ({"messages": []}, "44"),
    ],
)
@pytest.mark.parametrize("path", ["viber/create", "viber/price"])
def test_what_viber_is_refused_for(
    post: Any, state: SimulatorState, path: str, body: dict[str, Any], code: str
) -> None:
    assert error(post(path, body)) == code
    assert not state.ledger.effects


def test_viber_recipients_are_refused_one_by_one(post: Any, state: SimulatorState) -> None:
    post("viber/create", viber(1))
    to = [{"msisdn": UA.format(last), "external_id": f"ref{last}"} for last in (1, 2)]
    to += [{"msisdn": "1"}, {"msisdn": UA.format(3), "external_id": "a b"}, {"msisdn": UA.format(2)}]
    (answer,) = post("viber/create", viber(to=to))
    assert errors(answer["messages"]) == ["43", "0", "41", "47", "51"]
    assert answer["messages"][0] == {
        "reference": "ref1",
        "error": "43",
        "errorDescription": "External ID already exists",
    }
    assert (answer["error"], answer["total_price"]) == ("0", "0.01")
    assert len(state.ledger.of("ketchup_loyalty", "viber")) == 2


def test_viber_without_external_id_knows_no_copy(post: Any, state: SimulatorState) -> None:
    body = viber(to=[{"msisdn": UA.format(1)}])
    assert [post("viber/create", body)[0]["error"] for _ in range(2)] == ["0", "0"]
    assert len(state.ledger.of("ketchup_loyalty", "viber")) == 2


def test_a_viber_price_has_no_effect(client: TestClient, state: SimulatorState) -> None:
    answer = client.put("viber/price", json=viber(1, 2)).json()
    assert answer == {"error": "0", "totalprice": "0.02", "currency": "EUR"}
    assert not state.ledger.effects


@pytest.mark.parametrize(("last", "status"), [(1, "read"), (9, "not-viber-user")])
def test_what_is_known_of_a_viber_message(post: Any, get: Any, last: int, status: str) -> None:
    ((sent,),) = (answer["messages"] for answer in post("viber/create", viber(last)))
    found = get(f"viber/{sent['id']}")
    assert found == get(f"viber/reference/ref{last}")
    assert (found["error"], found["msisdn"], found["reference"]) == ("0", UA.format(last), f"ref{last}")
    assert (found["status"], found["price"], "id" in found) == (status, "0.01", False)


def test_viber_reports_come_at_the_end_and_only_with_an_external_id(
    post: Any, get: Any, state: SimulatorState, letters: list[Any]
) -> None:
    state.set_transition("ketchup_loyalty.viber", "after_seconds", 30)
    body = viber(1, callback_url="http://127.0.0.1:1/dlr")
    body["messages"][0]["to"].append({"msisdn": UA.format(2)})
    post("viber/create", body)
    ((url, report, tries),) = letters
    assert (url, report["status"], report["reference"]) == ("http://127.0.0.1:1/dlr", "read", "ref1")
    assert tries[0] == pytest.approx(60, abs=1)
    assert get("viber/reference/ref1")["status"] == "sent"
    state.clock.advance(61)
    assert get("viber/reference/ref1") == report
    assert len(letters) == 1


def test_reports_wait_for_looks(post: Any, get: Any, state: SimulatorState, letters: list[Any]) -> None:
    state.set_transition("ketchup_loyalty.viber", "after_polls", 2)
    post("viber/create", viber(1, callback_url="http://127.0.0.1:1/dlr"))
    statuses = [(get("viber/reference/ref1")["status"], len(letters)) for _ in range(5)]
    assert statuses == [("sent", 0), ("delivered", 0), ("delivered", 0), ("read", 1), ("read", 1)]


def test_viber_may_want_reference_and_overlook_external_id(
    post: Any, vendor_state: VendorState, state: SimulatorState
) -> None:
    vendor_state.switches.turn_on("viber_reference")
    (without_key,) = post("viber/create", viber(1))
    assert "reference" not in without_key["messages"][0]
    to = [{"msisdn": UA.format(2), "external_id": "x", "reference": "ref2"}]
    (with_key,) = post("viber/create", viber(to=to))
    assert with_key["messages"][0]["reference"] == "ref2"
    (again,) = post("viber/create", viber(to=to))
    assert errors(again["messages"]) == ["43"]
    assert len(state.ledger.effects) == 2


@pytest.mark.parametrize(("many", "shape"), [("list", [2, 1]), ("one", [3])])
def test_the_answer_to_several_viber_messages(
    post: Any, vendor_state: VendorState, many: str, shape: list[int]
) -> None:
    vendor_state.switches.set("viber_many", many)
    answer = post("viber/create", {"messages": [message(1, 2), message(3)]})
    assert [len(part["messages"]) for part in answer] == shape
    assert [item["reference"] for part in answer for item in part["messages"]] == ["ref1", "ref2", "ref3"]
    assert sum(float(part["total_price"]) for part in answer) == pytest.approx(0.03)


def test_a_wrong_viber_message_beside_others(
    post: Any, vendor_state: VendorState, state: SimulatorState
) -> None:
    body = {"messages": [message(1, 2, alpha_name="forbidden"), message(3)]}
    assert error(post("viber/create", body)) == "45"
    vendor_state.switches.turn_on("viber_message_error")
    refused, sent = post("viber/create", body)
    assert (refused["error"], errors(sent["messages"])) == ("45", ["0"])
    assert error(post("viber/create", {"messages": body["messages"][:1]})) == "45"
    assert post("viber/price", {"messages": [body["messages"][0], message(4)]})["totalprice"] == "0.01"
    vendor_state.switches.set("viber_many", "one")
    (answer,) = post("viber/create", {"messages": [body["messages"][0], message(5)]})
    assert errors(answer["messages"]) == ["45", "45", "0"]
    (answer,) = post("viber/create", {"messages": body["messages"][:1]})
    assert errors(answer["messages"]) == ["45", "45"]
    assert len(state.ledger.of("ketchup_loyalty", "viber")) == 2


@pytest.mark.parametrize(("switch", "codes"), [("samples", ["0", "0", "0"]), ("text", ["27", "65", "0"])])
def test_the_characters_of_keys(post: Any, vendor_state: VendorState, switch: str, codes: list[str]) -> None:
    vendor_state.switches.set("keys", switch)
    (look_up,) = post("hlr/create", look_ups(1, reference="a_1"))["result"]
    (sent,) = post("viber/create", viber(to=[{"msisdn": UA.format(1), "external_id": "a_1"}]))
    (result,) = sent["messages"]
    answers = [post("sms/create", phone(1, reference="a_1")), look_up, result]
    assert errors(answers) == codes
