from __future__ import annotations

import csv
import io
import json
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from fastapi.testclient import TestClient
from ketchup_bodies import RU, UA, error, key_of, look_ups, naive, viber, window

from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState


@pytest.mark.parametrize(
    ("filters", "found"),
    [
        ({}, [0, 1, 2, 3]),
        ({"status": None, "msisdn": [], "message_id": []}, [0, 1, 2, 3]),
        ({"msisdn": "380670000001", "message_id": "22125"}, [0, 1, 2, 3]),
        ({"msisdn": [UA.format(1), UA.format(3)]}, [0, 3]),
        ({"originator": "test"}, [0, 1]),
        ({"originator": "HLR"}, [2]),
        ({"message_type": "viber"}, [3]),
        ({"source_type": "api"}, [0, 1, 2, 3]),
        ({"status": "Delivered"}, [0, 2]),
        ({"status": "Undelivered"}, [1]),
        ({"status": "Read"}, [3]),
        ({"country_name": "Russia"}, [2]),
        ({"country_name": "Ukraine", "operator_id": 25503}, [0, 1, 3]),
        ({"operator_id": 1}, [0, 1, 2, 3]),
        ({"sl_clicks": True, "sl_clicks_comp": "=", "sl_clicks_count": 0}, [0, 1, 2, 3]),
        ({"time_sent_from": "2016-01-01 00:00:00", "time_sent_to": "2100-01-01 00:00:00"}, [0, 1, 2, 3]),
    ],
)
def test_filters(post: Any, get: Any, sent: list[int], filters: dict[str, Any], found: list[int]) -> None:
    key = key_of(post("stat/create", window(**filters)))
    rows = get(f"stat/file/id/{key}/format/json")["message_data"]
    assert [row["message_ID"] for row in rows] == [sent[index] for index in found]


@pytest.mark.parametrize(
    "filters",
    [
        {"source_type": "web"},
        {"status": "Moderation"},
        {"time_sent_to": "2016-01-01 00:00:00"},
        {"sl_clicks": True, "sl_clicks_comp": ">"},
        {"country_name": "Poland"},
        {"time_in_from": "2016-01-01 00:00:00", "time_in_to": "2016-01-02 00:00:00"},
    ],
)
def test_an_empty_file_is_error_93(post: Any, get: Any, sent: list[int], filters: dict[str, Any]) -> None:
    key = key_of(post("stat/create", {**window(), **filters}))
    assert error(get(f"stat/file/id/{key}/format/json")) == "93"


def test_ids_override_all_else(post: Any, get: Any, sent: list[int]) -> None:
    key = key_of(post("stat/create", {"message_id": [str(sent[2])], "message_type": "nothing", "status": 1}))
    (row,) = get(f"stat/file/id/{key}/format/json")["message_data"]
    assert (row["message_ID"], row["msisdn"], row["Status"]) == (sent[2], int(RU.format(2)), "Delivered")
    assert row["body"]["Status"] == "Active"
    assert error(get(f"stat/file/id/{key}/format/csv")) == "7"
    unknown = key_of(post("stat/create", {"message_id": ["1"]}))
    answer = get(f"stat/file/id/{unknown}/format/json")
    assert (answer["error"], answer["errorDescription"]) == ("60", "Message_id do not exist")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        ({}, "2"),
        ({"message_id": ["a"]}, "80"),
        ({"message_id": [str(number) for number in range(301)]}, "80"),
        (window(message_type="mms"), "81"),
        (window(source_type="mail"), "82"),
        (window(status="delivered"), "83"),
        (window(country_name="Atlantis"), "84"),
        (window(sl_clicks_comp="<="), "85"),
        (window(sl_clicks_count=1_000_000), "7"),
        (window(sl_clicks=[]), "7"),
        (window(time_in_to=None), "86"),
        (window(time_in_from="2020-10-22T17:28:45"), "86"),
        (window(time_in_from="2100-01-01 00:00:00"), "86"),
        (window(time_sent_from="yesterday"), "86"),
        (window(sender="test"), "7"),
        (window(originator=1), "7"),
    ],
)
def test_what_statistics_are_refused_for(
    post: Any, state: SimulatorState, body: dict[str, Any], code: str
) -> None:
    assert error(post("stat/create", body)) == code
    assert not state.ledger.effects


def test_three_hundred_ids_are_not_too_many(post: Any) -> None:
    assert post("stat/create", {"message_id": [str(number) for number in range(300)]})["error"] == 0


def test_a_row_of_each_kind(post: Any, get: Any, sent: list[int], state: SimulatorState) -> None:
    key = key_of(post("stat/create", window()))
    answer = get(f"stat/file/id/{key}/format/json")
    sms, _, look_up, viber_row = answer["message_data"]
    when = naive(state.ledger.effects[0].at)
    assert answer["error"] == 0
    assert sms == {
        "message_ID": sent[0],
        "message_type": "sms",
        "msisdn": int(UA.format(1)),
        "Country_name": "Ukraine",
        "brand_name": "Kyivstar - Kyivstar GSM JSC",
        "mcc": 255,
        "mnc": "03",
        "originator": "test",
        "price": "0.0200000 EUR",
        "Incoming date": when,
        "Sending date": when,
        "DLR Date": when,
        "Status": "Delivered",
        "body": "test sms",
    }
    assert (look_up["originator"], look_up["body"]["Roaming"], look_up["body"]["MCC"]) == ("HLR", 1, 250)
    assert (viber_row["img"], viber_row["Caption"]) == ("https://site/image.png", "Join us!")


def test_a_file_as_xml_and_as_csv(post: Any, client: TestClient, sent: list[int]) -> None:
    key = key_of(post("stat/create", window(message_type="sms")))
    root = ET.fromstring(client.get(f"stat/file/id/{key}/format/xml").text)
    assert [row.findtext("message_ID") for row in root.iter("message")] == [str(sent[0]), str(sent[1])]
    assert {row.findtext("Status") for row in root.iter("message")} == {"Delivered", "Undelivered"}
    answer = client.get(f"stat/file/id/{key}/format/csv")
    assert answer.headers["content-type"].startswith("text/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["message_ID"] for row in rows] == [str(sent[0]), str(sent[1])]
    assert error(client.get(f"stat/file/id/{key}/format/pdf").json()) == "7"


def test_csv_wants_a_message_type(post: Any, get: Any, sent: list[int]) -> None:
    key = key_of(post("stat/create", window()))
    assert error(get(f"stat/file/id/{key}/format/csv")) == "7"


def test_a_file_ripens_and_lives_a_month(post: Any, get: Any, state: SimulatorState, sent: list[int]) -> None:
    state.set_transition("ketchup_loyalty.stat", "after_seconds", 60)
    key = key_of(post("stat/create", window()))
    path = f"stat/file/id/{key}/format/json"
    assert (error(get(path)), get("stat/list")["files"][0]["status"]) == ("91", "pending")
    state.clock.advance(61)
    assert (len(get(path)["message_data"]), get("stat/list")["files"][0]["status"]) == (4, "ready")
    state.clock.advance(31 * 86_400)
    assert (error(get(path)), get("stat/list")["files"]) == ("90", [])


def test_five_files_at_most_and_room_again_after_a_delete(
    post: Any, get: Any, client: TestClient, state: SimulatorState
) -> None:
    keys = [key_of(post("stat/create", window())) for _ in range(5)]
    assert error(post("stat/create", window())) == "92"
    assert [entry["file_key"] for entry in get("stat/list")["files"]] == keys
    assert client.delete(f"stat/list/{keys[0]}").status_code == 404
    assert client.delete(f"message/list/{keys[0]}").json() == {"error": 0}
    assert error(client.delete(f"message/list/{keys[0]}").json()) == "90"
    key_of(post("stat/create", window()))
    assert len(state.ledger.of("ketchup_loyalty", "stat_export")) == 6
    assert len(state.ledger.of("ketchup_loyalty", "stat_delete", key=keys[0])) == 1


def test_deleting_at_the_other_path(post: Any, client: TestClient, vendor_state: VendorState) -> None:
    vendor_state.switches.turn_on("delete_at_stat_list")
    key = key_of(post("stat/create", window()))
    assert client.delete(f"message/list/{key}").status_code == 404
    assert client.delete(f"stat/list/{key}").json() == {"error": 0}


def test_statistics_are_posted_once_when_they_are_ready(
    post: Any, get: Any, state: SimulatorState, vendor_state: VendorState, sent: list[int], letters: list[Any]
) -> None:
    letters.clear()
    key = key_of(post("stat/create", window(callback_url="http://127.0.0.1:1/rows")))
    assert get(f"stat/file/id/{key}/format/json")["error"] == 0
    ((url, body, tries),) = letters
    assert (url, tries[0]) == ("http://127.0.0.1:1/rows", 0)
    assert [row["message_ID"] for row in json.loads(body)["message_data"]] == sent
    letters.clear()
    state.set_transition("ketchup_loyalty.stat", "after_seconds", 60)
    vendor_state.statistics_callback_url = "http://127.0.0.1:1/account"
    vendor_state.switches.set("statistics_push", "rows")
    vendor_state.switches.turn_on("statistics_list")
    post("stat/create", window())
    assert {(url, tries[0]) for url, _, tries in letters} == {("http://127.0.0.1:1/account", 60)}
    assert [json.loads(body)[0]["message_ID"] for _, body, _ in letters] == sent


def test_statistics_that_become_ready_by_polls(
    post: Any, get: Any, state: SimulatorState, sent: list[int], letters: list[Any]
) -> None:
    letters.clear()
    state.set_transition("ketchup_loyalty.stat", "after_polls", 2)
    key = key_of(post("stat/create", window(callback_url="http://127.0.0.1:1/rows")))
    counts = []
    for _ in range(3):
        get(f"stat/file/id/{key}/format/json")
        counts.append(len(letters))
    assert counts == [0, 1, 1]


@pytest.mark.parametrize(("switch", "kind"), [("json", "application/json"), ("none", None)])
def test_the_content_type_of_posts(
    post: Any, state: SimulatorState, vendor_state: VendorState, letters: list[Any], switch: str, kind: str
) -> None:
    vendor_state.switches.set("webhook_type", switch)
    url = "http://127.0.0.1:1/x"
    post("hlr/create", look_ups(1, callback_url=url))
    post("viber/create", viber(2, callback_url=url))
    post("stat/create", window(callback_url=url))
    assert len(letters) == 3
    assert set(state.vendor_state("webhook_sender", Any).types) == {kind}
