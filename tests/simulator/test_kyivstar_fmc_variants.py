"""The forms that the document of Kyivstar FMC leaves open: one switch each."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from defusedxml import ElementTree

from airflow_provider_telecom.simulator import credentials
from tests.simulator.test_kyivstar_fmc import FIELDS, NOON, A, B, Pbx

SINCE = {"from_": "2026-07-14T12:00:00"}
PUT_BACK = datetime(2026, 10, 25, 1, tzinfo=UTC)
"""When Kyiv's clocks go from 04:00 back to 03:00."""


@pytest.fixture
def pbx() -> Pbx:
    """Give the vendor with one call."""
    made = Pbx()
    made.vendor_state.add_call(NOON - timedelta(hours=1), 13, A, B, calling_name="Олена")
    return made


def only(pbx: Pbx, **query: str) -> dict[str, Any]:
    (call,) = pbx.stat(**{**SINCE, **query}).json()["calls"]
    found: dict[str, Any] = call
    return found


@pytest.mark.parametrize(("name", "sign"), [("comma", ","), ("semicolon", ";"), ("tab", "\t")])
def test_the_delimiter(pbx: Pbx, name: str, sign: str) -> None:
    pbx.vendor_state.switches.set("csv_delimiter", name)
    header, row = pbx.stat("csv", **SINCE).text.splitlines()
    assert header == sign.join(FIELDS)
    assert row.count(sign) == 4


def test_lines_that_end_with_a_delimiter(pbx: Pbx) -> None:
    pbx.vendor_state.switches.turn_on("csv_line_end")
    assert [line[-1] for line in pbx.stat("csv", **SINCE).text.splitlines()] == [",", ","]


def test_all_cells_in_quotation_marks(pbx: Pbx) -> None:
    pbx.vendor_state.switches.set("csv_quotes", "all")
    assert all(line.count('"') == 10 for line in pbx.stat("csv", **SINCE).text.splitlines())


def test_csv_without_calls(pbx: Pbx) -> None:
    pbx.vendor_state.calls.clear()
    assert pbx.stat("csv", **SINCE).text.strip() == ",".join(FIELDS)
    pbx.vendor_state.switches.set("empty_csv", "nothing")
    answer = pbx.stat("csv", **SINCE)
    assert (answer.status_code, answer.content) == (200, b"")
    assert "attachment" in answer.headers["content-disposition"]


def test_a_byte_order_mark(pbx: Pbx) -> None:
    pbx.vendor_state.switches.turn_on("bom")
    for suffix in ("csv", "xml"):
        assert pbx.stat(suffix, **SINCE).content.count(b"\xef\xbb\xbf") == 1
    assert only(pbx)


def test_the_order_and_the_case_of_columns(pbx: Pbx) -> None:
    pbx.vendor_state.switches.set("columns", "reversed")
    assert list(only(pbx)) == FIELDS[::-1]
    pbx.vendor_state.switches.set("column_case", "upper")
    (row,) = csv.DictReader(io.StringIO(pbx.stat("csv", **SINCE).text))
    assert list(row) == [name.upper() for name in FIELDS[::-1]]
    assert row["CALLING_NUMBER"] == A
    assert list(only(pbx)) == FIELDS[::-1]  # the sample in JSON shows the case


def test_xml_of_other_tags_or_with_attributes(pbx: Pbx) -> None:
    pbx.vendor_state.switches.set("xml_tags", "others")
    root = ElementTree.fromstring(pbx.stat("xml", **SINCE).content)
    assert (root.tag, root[0].tag, len(root[0])) == ("Statistics", "Row", 5)
    pbx.vendor_state.switches.turn_on("xml_attributes")
    root = ElementTree.fromstring(pbx.stat("xml", **SINCE).content)
    assert (len(root[0]), root[0].attrib["called_number"]) == (0, B)


def test_times_numbers_and_names(pbx: Pbx) -> None:
    pbx.vendor_state.switches.set("answer_time", "T")
    pbx.vendor_state.switches.set("number_form", "plus")
    pbx.vendor_state.switches.set("address_book", "others")
    call = only(pbx, names="on")
    assert call["start_timestamp"] == "2026-07-15T11:00:00"
    assert (call["calling_number"], call["callingSubscriberName"]) == ("+380670000201", "Олена")
    pbx.vendor_state.switches.set("number_form", "international")
    assert only(pbx)["called_number"] == "380670000202"


@pytest.mark.parametrize(("meaning", "seconds"), [("rounded_up", 14), ("exact", 13), ("talk", 8)])
def test_what_the_duration_is(pbx: Pbx, meaning: str, seconds: int) -> None:
    pbx.vendor_state.switches.set("duration", meaning)
    assert only(pbx)["duration"] == seconds
    pbx.vendor_state.switches.set("json_duration", "text")
    assert only(pbx)["duration"] == str(seconds)


def test_the_order_of_calls(pbx: Pbx) -> None:
    pbx.vendor_state.add_call(NOON - timedelta(minutes=30), 13, A, B)
    assert pbx.starts(**SINCE) == ["2026-07-15 11:00:00", "2026-07-15 11:30:00"]
    pbx.vendor_state.switches.set("row_order", "reversed")
    assert pbx.starts(**SINCE) == ["2026-07-15 11:30:00", "2026-07-15 11:00:00"]


def test_the_period_of_a_call(pbx: Pbx) -> None:
    period = {"from_": "2026-07-15T11:00:05", "to": "2026-07-15T11:00:13"}
    assert pbx.starts(**period) == []
    pbx.vendor_state.switches.set("period_of", "end")
    assert pbx.starts(**period) == ["2026-07-15 11:00:00"]
    pbx.vendor_state.switches.turn_on("end_excluded")
    assert pbx.starts(**period) == []


def test_both_bounds_are_required(pbx: Pbx) -> None:
    pbx.vendor_state.switches.turn_on("bounds_required")
    assert pbx.stat(**SINCE).status_code == 400
    assert pbx.stat(**SINCE, to="2026-07-15T12:00:00").status_code == 200


@pytest.mark.parametrize(
    ("now", "limits", "first", "last", "status"),
    [
        # the clocks are put back in between: 7 days by the clocks are 7 days and an hour
        ("2026-10-27T10:00:00", "clocks", "2026-10-20T12:00:00", "2026-10-27T12:00:00", 200),
        ("2026-10-27T10:00:00", "elapsed", "2026-10-20T12:00:00", "2026-10-27T12:00:00", 400),
        ("2026-10-27T10:00:00", "elapsed", "2026-10-20T13:00:00", "2026-10-27T12:00:00", 200),
        # and 30 days as they pass began an hour later
        ("2026-11-10T10:00:00", "elapsed", "2026-10-11T12:59:00", "2026-10-12T00:00:00", 400),
        ("2026-11-10T10:00:00", "elapsed", "2026-10-11T13:01:00", "2026-10-12T00:00:00", 200),
        ("2026-11-10T10:00:00", "clocks", "2026-10-11T11:59:00", "2026-10-12T00:00:00", 400),
        ("2026-11-10T10:00:00", "clocks", "2026-10-11T12:01:00", "2026-10-12T00:00:00", 200),
        ("2026-11-10T10:00:00", "lenient", "2026-10-11T11:59:00", "2026-10-12T00:00:00", 200),
    ],
)
def test_how_days_are_counted(pbx: Pbx, now: str, limits: str, first: str, last: str, status: int) -> None:
    pbx.state.clock.set(datetime.fromisoformat(now).replace(tzinfo=UTC))
    pbx.vendor_state.switches.set("limits", limits)
    assert pbx.stat(from_=first, to=last).status_code == status


@pytest.mark.parametrize(("taken", "passes"), [("clocks", [-30, 30]), ("first", [-30]), ("second", [30])])
def test_for_which_pass_a_bound_is_taken(pbx: Pbx, taken: str, passes: list[int]) -> None:
    pbx.state.clock.set(PUT_BACK + timedelta(days=1))
    pbx.vendor_state.calls.clear()
    for number, minutes in enumerate((-30, 30)):
        pbx.vendor_state.add_call(PUT_BACK + timedelta(minutes=minutes), 13 + number, A, B)
    pbx.vendor_state.switches.set("repeated_hour", taken)
    calls = pbx.stat(from_="2026-10-25T03:10:00", to="2026-10-25T03:50:00").json()["calls"]
    assert [{14: -30, 15: 30}[call["duration"]] for call in calls] == passes


@pytest.mark.parametrize(("form", "body"), [("json", b'{"error":'), ("text", b"Invalid"), ("none", b"")])
def test_the_body_of_an_error(pbx: Pbx, form: str, body: bytes) -> None:
    pbx.vendor_state.switches.set("error_body", form)
    answer = pbx.get("/api/cdr/v1/callstat.json", token=credentials.FMC_TOKEN.upper(), **{"from": "x"})
    assert answer.status_code == 403
    assert answer.content.startswith(body)
    assert bool(answer.content) == bool(body)


def test_csv_in_another_encoding(pbx: Pbx) -> None:
    pbx.vendor_state.switches.set("csv_encoding", "cp1251")
    assert "Олена" in pbx.stat("csv", **SINCE, names="on").content.decode("cp1251")
    assert only(pbx, names="on")["calling_name"] == "Олена"
