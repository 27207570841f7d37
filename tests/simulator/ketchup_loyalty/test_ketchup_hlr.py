from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import UA, error, errors, form, look_ups

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState


@pytest.mark.parametrize("method", ["PUT", "POST"])
def test_one_look_up_is_a_form(client: TestClient, state: SimulatorState, method: str) -> None:
    fields = form(msisdn=UA.format(1), reference="ref1", tariff="9")
    answer = client.request(method, "hlr/create", files=fields).json()
    assert answer == {"error": "0", "id": "22125", "price": "0.002", "currency": "EUR"}
    assert (
        len(state.ledger.of("ketchup_loyalty", "hlr", msisdn=UA.format(1), reference="ref1", tariff=9)) == 1
    )


FORMS: dict[str, Callable[[dict[str, str] | list[dict[str, str]]], dict[str, Any]]] = {
    "form": lambda body: {
        "files": form(**(body if isinstance(body, dict) else {"payload": json.dumps(body)}))
    },
    "raw": lambda body: {"content": json.dumps(body), "headers": {"content-type": "multipart/form-data"}},
    "json": lambda body: {"json": body},
}


@pytest.mark.parametrize(
    ("switch", "accepted"),
    [
        ("multipart", {"form", "raw"}),
        ("form", {"form"}),
        ("raw", {"raw"}),
        ("any", {"form", "raw", "json"}),
        ("json", {"json"}),
    ],
)
def test_the_forms_of_a_body_are_as_the_switch_says(
    client: TestClient, vendor_state: VendorState, state: SimulatorState, switch: str, accepted: set[str]
) -> None:
    vendor_state.switches.set("hlr_body", switch)
    for place, (name, written) in enumerate(FORMS.items()):
        one, many = look_ups(2 * place + 1), look_ups(2 * place + 2)
        for body in (one[0], many):
            code = str(client.post("hlr/create", **written(body)).json()["error"])
            assert code == ("0" if name in accepted else "64")
    assert len(state.ledger.of("ketchup_loyalty", "hlr")) == 2 * len(accepted)


def test_other_forms_are_refused(client: TestClient, state: SimulatorState) -> None:
    fields = {"msisdn": UA.format(1), "reference": "ref1"}
    assert error(client.post("hlr/create", data=fields).json()) == "64"
    assert error(client.post("hlr/create", files={"msisdn": ("name.txt", b"380670000001")}).json()) == "64"
    assert error(client.post("hlr/create", files=form(**fields, phone="1")).json()) == "64"
    assert not state.ledger.effects


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"msisdn": "1"}, "61"),
        ({"reference": ""}, "62"),
        ({"reference": "a b"}, "65"),
        ({"tariff": "10"}, "6"),
        ({"tariff": "x"}, "7"),
    ],
)
def test_what_one_look_up_is_refused_for(client: TestClient, changes: dict[str, str], code: str) -> None:
    fields = form(**{"msisdn": UA.format(1), "reference": "ref1", **changes})
    assert error(client.post("hlr/create", files=fields).json()) == code


def test_many_look_ups(post: Any, client: TestClient, state: SimulatorState) -> None:
    answer = post("hlr/create", look_ups(1, 2))
    assert (answer["error"], answer["totalprice"], answer["currency"]) == ("0", "0.004", "EUR")
    assert answer["result"][0] == {
        "reference": "ref1",
        "id": "22125",
        "error": "0",
        "price": "0.002",
        "currency": "EUR",
    }
    headers = {"content-type": "multipart/form-data"}
    bare = client.put("hlr/create", content=json.dumps(look_ups(3)), headers=headers).json()
    field = client.post("hlr/create", files=form(payload=json.dumps(look_ups(4)))).json()
    assert errors(bare["result"] + field["result"]) == ["0", "0"]
    assert len(state.ledger.of("ketchup_loyalty", "hlr")) == 4


def test_many_look_ups_are_refused_one_by_one(post: Any) -> None:
    post("hlr/create", look_ups(1))
    body = [*look_ups(1, 2), *look_ups(3, msisdn="1"), *look_ups(4, reference="a b"), *look_ups(5, tariff=10)]
    body += [{"msisdn": UA.format(6)}, *look_ups(2, reference="other")]
    answer = post("hlr/create", body)
    assert errors(answer["result"]) == ["63", "0", "61", "65", "6", "62", "66"]
    assert answer["result"][0] == {
        "reference": "ref1",
        "id": "22125",
        "error": "63",
        "errorDescription": "HLR already exists",
    }
    assert answer["totalprice"] == "0.002"


@pytest.mark.parametrize("broken", [{"reference": "ref2"}, {"msisdn": "380670000002", "phone": "1"}, "text"])
def test_a_wrong_payload_looks_nothing_up(post: Any, state: SimulatorState, broken: Any) -> None:
    assert error(post("hlr/create", [*look_ups(1), broken])) == "64"
    assert not state.ledger.effects


@pytest.mark.parametrize(
    ("last", "status", "network", "details"),
    [
        (3, "active", "25503", {"ported": "0", "roaming": "0"}),
        (1, "active", "25503", {"ported": "1", "roaming": "0"}),
        (2, "active", "25503", {"ported": "0", "roaming": "1"}),
        (9, "absent", "25503", {"ported": "0", "roaming": "0"}),
        (8, "unknown", "unknown", {"ported": "0", "roaming": "0"}),
        (88, "failed", "unknown", {"ported": "0", "roaming": "0"}),
    ],
)
def test_what_a_look_up_finds(
    post: Any, get: Any, last: int, status: str, network: str, details: dict[str, str]
) -> None:
    (created,) = post("hlr/create", look_ups(last))["result"]
    found = get(f"hlr/{created['id']}")
    assert found == get(f"hlr/reference/ref{last}")
    assert (found["status"], found["network"], found["details"]) == (status, network, details)
    assert (found["id"], found["msisdn"]) == (created["id"], UA.format(last))
    assert found["createdDatetime"].endswith("+00:00")
    assert datetime.fromisoformat(found["statusDatetime"]).tzinfo is not None
    assert "error" not in found


def test_a_look_up_is_reported_to_its_own_url_or_the_accounts(
    post: Any, get: Any, vendor_state: VendorState, letters: list[Any]
) -> None:
    vendor_state.callback_url = "http://127.0.0.1:1/account"
    post("hlr/create", look_ups(1, callback_url="http://127.0.0.1:1/own"))
    post("hlr/create", look_ups(2, callback_url="no url"))
    assert [url for url, _, _ in letters] == ["http://127.0.0.1:1/own", "http://127.0.0.1:1/account"]
    assert letters[0][1] == get("hlr/reference/ref1")
    assert letters[0][2] == (0, 60, 360, 3_600, 43_200, 86_400)


def test_the_examples_codes_of_hlr(post: Any, get: Any, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("hlr_example_codes")
    post("hlr/create", look_ups(1))
    assert errors(post("hlr/create", [*look_ups(1), *look_ups(2, msisdn="1")])["result"]) == ["13", "11"]
    assert error(post("hlr/create", [{"reference": "ref3"}])) == "14"
    assert error(get("hlr/1")) == "10"
    key = post("stat/create", {"message_id": ["7"]})["key"]
    assert error(get(f"stat/file/id/{key}/format/json")) == "60"  # of statistics, not of look-ups
