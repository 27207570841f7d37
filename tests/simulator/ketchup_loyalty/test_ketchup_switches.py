"""Switches of the pretend KetchUp: what each reading of the document looks like from outside."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import (
    UA,
    error,
    errors,
    individual,
    key_of,
    look_ups,
    message,
    phone,
    phones,
    viber,
    window,
)

from airflow_provider_telecom.simulator.credentials import KETCHUP_API_KEY
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.switches import of_vendor

SOON = "2126-07-01T12:00:00+00:00"


def test_each_switch_names_lines_of_the_document_or_says_that_there_are_none() -> None:
    silent = {switch.name for switch in of_vendor("ketchup_loyalty") if "KU" not in switch.meaning}
    assert silent == {"single_result", "status_401", "typographic_quotes", "viber_strict"}


@pytest.mark.parametrize(
    ("switch", "found", "missing"),
    [
        ("rest", {"/rest/sms/prices", "/rest/hlr/prices"}, {"/sms/prices", "/hlr/prices"}),
        ("bare", {"/sms/prices", "/hlr/prices"}, {"/rest/sms/prices", "/rest/hlr/prices"}),
        ("mixed", {"/rest/sms/prices", "/hlr/prices"}, {"/sms/prices", "/rest/hlr/prices"}),
    ],
)
def test_base_path(
    client: TestClient, vendor_state: VendorState, switch: str, found: set[str], missing: set[str]
) -> None:
    vendor_state.switches.set("base_path", switch)
    for path in found:
        assert client.get(f"http://sim/x{path}").json()["prices"]
    for path in missing:
        answer = client.get(f"http://sim/x{path}")
        assert (answer.status_code, "error" in answer.text) == (404, False)


def test_reference_path(post: Any, client: TestClient, get: Any, vendor_state: VendorState) -> None:
    task = post("sms/create", phones(1))["task_id"]
    look_up = post("hlr/create", look_ups(1))["result"][0]["id"]
    assert error(get("hlr/ref1")) == "60"
    vendor_state.switches.set("reference_path", "shared")
    for path in ("sms/reference/ref1", f"sms/task/{task}", "hlr/reference/ref1"):
        assert client.get(path).status_code == 404
    assert get("sms/ref1")["reference"] == get("hlr/ref1")["reference"] == "ref1"
    assert get(f"sms/{task}")["sent"] == "1"
    assert get(f"hlr/{look_up}")["id"] == look_up


@pytest.mark.parametrize(
    ("switch", "statuses"),
    [("200", [200] * 6), ("by_code", [404, 404, 409, 400, 402, 401]), ("400", [400] * 6)],
)
def test_error_status(
    client: TestClient, post: Any, vendor_state: VendorState, switch: str, statuses: list[int]
) -> None:
    post("sms/create", phone(1))
    vendor_state.switches.set("error_status", switch)

    def broke() -> int:
        vendor_state.balance *= 0
        return client.post("sms/create", json=phone(2)).status_code

    assert [
        client.get("sms/1").status_code,
        client.get("hlr/1").status_code,
        client.post("sms/create", json=phone(1)).status_code,
        client.post("sms/create", json=phone(2, msisdn="1")).status_code,
        broke(),
        client.get("sms/1", headers={"X-API-KEY": KETCHUP_API_KEY + "x"}).status_code,
    ] == statuses


CREATIONS: list[tuple[str, Callable[..., Any], str]] = [
    ("sms/create", phones, "23"),
    ("sms/create", individual, "23"),
    ("hlr/create", look_ups, "63"),
    ("viber/create", viber, "43"),
]


@pytest.mark.parametrize("row", CREATIONS, ids=lambda row: f"{row[0]} {row[1].__name__}")
@pytest.mark.parametrize(
    ("switch", "alone", "beside"),
    [("item", False, False), ("whole_of_one", True, False), ("whole", True, True)],
)
def test_duplicates(
    post: Any,
    vendor_state: VendorState,
    state: SimulatorState,
    row: Any,
    switch: str,
    alone: bool,
    beside: bool,
) -> None:
    path, body, code = row
    post(path, body(1))
    vendor_state.switches.set("duplicates", switch)
    for lasts, is_whole in (((1,), alone), ((1, 2), beside)):
        answer = post(path, body(*lasts))
        whole = answer[0] if isinstance(answer, list) else answer
        assert (whole["error"] == code) == is_whole
        if not is_whole:
            items = whole.get("result", whole.get("messages"))
            assert errors(items)[0] == code
    assert len(state.ledger.effects) == (1 if beside else 2)


def test_error_text(get: Any, post: Any, vendor_state: VendorState) -> None:
    vendor_state.switches.set("error_text", "russian")
    assert get("hlr/1")["errorDescription"] == "HLR не найден"
    post("sms/create", phone(1))
    assert post("sms/create", phone(1))["errorDescription"] == "SMS с таким ID уже присутствует"


@pytest.mark.parametrize(("switch", "codes"), [("own", ["21", "41", "61"]), ("example", ["11", "11", "61"])])
def test_number_code(post: Any, vendor_state: VendorState, switch: str, codes: list[str]) -> None:
    vendor_state.switches.set("number_code", switch)
    (sent,) = post("viber/create", viber(1) | {"messages": [message(1, to=[{"msisdn": "1"}])]})
    answers = [post("sms/create", phone(msisdn="1")), sent["messages"][0]]
    answers.append(post("hlr/create", look_ups(1, msisdn="1"))["result"][0])
    assert errors(answers) == codes


@pytest.mark.parametrize("switch", ["by_destination", "send_time", "scheduledDatetime"])
def test_sending_time(post: Any, vendor_state: VendorState, state: SimulatorState, switch: str) -> None:
    vendor_state.switches.set("sending_time", switch)
    for place, (body, own) in enumerate([
        (phone, "send_time"),
        (phones, "send_time"),
        (individual, "scheduledDatetime"),
    ]):
        for name in ("send_time", "scheduledDatetime"):
            answer = post("sms/create", body(2 * place + (name == own), **{name: SOON}))
            assert answer["error"] == (
                "0" if name in (switch, own if switch == "by_destination" else "") else "24"
            )
    assert len(state.ledger.effects) == 3


def test_individual_destination(post: Any, vendor_state: VendorState) -> None:
    own = individual(1, destination="phones")
    assert error(post("sms/create", own)) == "24"
    vendor_state.switches.set("individual_destination", "phones")
    assert error(post("sms/create", individual(2))) == "24"
    assert errors(post("sms/create", own)["result"] + post("sms/create", phones(3))["result"]) == ["0", "0"]


@pytest.mark.parametrize(
    ("switch", "echoes"), [("all", [True, True]), ("never", [False, False]), ("first", [True, False])]
)
def test_viber_echo(post: Any, vendor_state: VendorState, switch: str, echoes: list[bool]) -> None:
    vendor_state.switches.set("viber_echo", switch)
    (sent,) = post("viber/create", viber(1, 2))
    assert ["reference" in item for item in sent["messages"]] == echoes


def test_viber_names_and_shape(post: Any, vendor_state: VendorState) -> None:
    both = {"msisdn": UA.format(1), "external_id": "a", "reference": "b"}
    assert post("viber/create", viber(to=[both]))[0]["messages"][0]["reference"] == "a"
    vendor_state.switches.turn_on("viber_strict", "viber_object", "viber_item_error")
    assert error(post("viber/create", viber(to=[{**both, "msisdn": UA.format(2)}]))) == "44"
    sent = post("viber/create", viber(to=[{"msisdn": UA.format(2), "external_id": "c"}]))
    assert sent["messages"][0]["error"] == "0"
    vendor_state.switches.set("viber_number", "phone")
    assert error(post("viber/create", viber(3))) == "44"
    vendor_state.switches.turn_on("viber_reference")
    sent = post("viber/create", viber(to=[{"phone": UA.format(3), "reference": "d"}]))
    assert sent["messages"][0]["reference"] == "d"


def test_totals_words_and_ids(post: Any, get: Any, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("total_price", "numbers")
    vendor_state.switches.set("undelivered_word", "undelivered")
    sent = post("sms/create", phones(9))
    assert sent["total_price"] == 0.02
    assert post("viber/create", viber(1))[0]["totalprice"] == 0.01
    assert get(f"sms/{sent['result'][0]['id']}")["status"] == "undelivered"
    assert type(sent["task_id"]) is type(sent["result"][0]["id"]) is int


def test_statistics(post: Any, get: Any, client: TestClient, vendor_state: VendorState, sent: Any) -> None:
    vendor_state.switches.turn_on("statistics_list", "csv_semicolon")
    key = key_of(post("stat/create", window(message_type="sms")))
    assert len(get(f"stat/file/id/{key}/format/json")) == 2
    assert client.get(f"stat/file/id/{key}/format/csv").text.startswith("message_ID;message_type;")
    vendor_state.switches.set("list_of_exports", "names")
    assert get("stat/list")["files"] == [key]
    vendor_state.switches.set("list_of_exports", "named")
    assert get("stat/list")["files"][key]["file_key"] == key


def test_price_refuses_known(post: Any, vendor_state: VendorState) -> None:
    post("sms/create", phone(1))
    post("viber/create", viber(1))
    assert post("sms/price", phone(1))["error"] == post("viber/price", viber(1))["error"] == "0"
    vendor_state.switches.turn_on("price_refuses_known")
    assert (error(post("sms/price", phone(1))), error(post("viber/price", viber(1)))) == ("23", "43")
