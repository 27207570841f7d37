from __future__ import annotations

import json
from datetime import timedelta, timezone
from typing import Any

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import HOUR, error, errors, key_of, naive, phone, phones, viber, window

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState


def test_quirks_of_keys_and_values(post: Any, get: Any, vendor_state: VendorState) -> None:
    task = post("sms/create", phones(1))["task_id"]
    vendor_state.switches.turn_on("stray_blanks", "capital_status", "numbers")
    found = get("sms/reference/ref1")
    assert (found["status"], found["error"], found["price"]) == (" Delivered ", 0, 0.02)
    assert found[" errorDescription"] == "No errors"
    counts = get(f"sms/task/{task}")
    assert (counts["originator "], counts["sent"], counts["totalprice"]) == ("test", 1, 0.02)
    assert get("sms/1") == {"error": 20, " errorDescription": "SMS not found"}
    assert get("sms/prices")["prices"][0]["mcc"] == " 255"


def test_result_and_messages_change_places(post: Any, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("messages_key")
    assert errors(post("sms/create", phones(1))["messages"]) == ["0"]
    assert post("viber/create", viber(1))[0]["result"][0]["reference"] == "ref1"


def test_a_lonely_result_is_no_list(post: Any, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("single_result")
    assert post("sms/create", phones(1))["result"]["reference"] == "ref1"
    assert len(post("sms/create", phones(2, 3))["result"]) == 2
    assert post("sms/create", phone(4))["result"]["reference"] == "ref4"
    assert post("viber/create", viber(1))[0]["messages"]["reference"] == "ref1"


def test_reads_without_error_and_id(post: Any, get: Any, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("bare_read", "no_id")
    assert post("sms/create", phone())["error"] == "0"
    assert get("sms/reference/ref1").keys() & {"error", "id"} == set()
    assert error(get("sms/reference/none")) == "20"


def test_the_key_may_be_an_object(post: Any, get: Any, vendor_state: VendorState, sent: list[int]) -> None:
    vendor_state.switches.turn_on("key_object")
    key = post("stat/create", window())["key"]["file_key"]
    assert len(get(f"stat/file/id/{key}/format/json")["message_data"]) == 4


def test_statistics_as_the_document_prints_them(
    post: Any, client: TestClient, vendor_state: VendorState, sent: Any
) -> None:
    vendor_state.switches.turn_on("typographic_quotes")
    key = key_of(post("stat/create", window()))
    text = client.get(f"stat/file/id/{key}/format/json").text
    assert text.startswith("{“error”: 0\n[{“message_ID”: ")
    with pytest.raises(json.JSONDecodeError):
        json.loads(text)


def test_naive_times_are_of_the_vendors_zone(
    post: Any, get: Any, state: SimulatorState, vendor_state: VendorState
) -> None:
    vendor_state.zone = timezone(timedelta(hours=3))
    post("sms/create", phone())
    assert get("sms/reference/ref1")["time_in"] == naive(state.ledger.effects[0].at + 3 * HOUR)


def test_a_reset_forgets(post: Any, get: Any, state: SimulatorState) -> None:
    post("sms/create", phone())
    state.reset()
    assert error(get("sms/reference/ref1")) == "20"
