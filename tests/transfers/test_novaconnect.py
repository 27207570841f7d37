"""Reports and bills of NovaConnect: each row in one day's file, whatever moves; bills to the cent."""

from __future__ import annotations

import csv
import json
import logging
from collections import Counter
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import pyarrow.parquet
import pytest
import time_machine
from airflow.sdk import Asset

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError, TelecomNoAnswerError
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.simulator.novaconnect.models import Action, Session
from airflow_provider_telecom.transfers.novaconnect_to_object_storage import (
    NovaConnectReportToObjectStorageOperator,
)
from airflow_provider_telecom.vendors.novaconnect.schema import COLUMNS
from tests.running import Run

UTC = UTC
HOUR, DAY = 3600, 86400
NOW = datetime(2026, 10, 27, 6, tzinfo=UTC)
TODAY = int(datetime(2026, 10, 27, tzinfo=UTC).timestamp())
REPORTS = ("sessions", "days", "calls_and_sms")
FORMATS = ("jsonl", "csv", "parquet")
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> Any:
    with time_machine.travel(NOW):
        found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
        found.sessions.clear()
        found.actions.clear()
        yield found


@pytest.fixture
def load(vendor_state: VendorState, hook_for: Callable[..., Any], tmp_path: Path) -> Load:
    hook_for("novaconnect")

    def run(report: str, start: Any, end: Any, **arguments: Any) -> dict[str, Any]:
        given = {"task_id": "load", "path": str(tmp_path / "lake"), **arguments}
        operator = NovaConnectReportToObjectStorageOperator(report=report, start=start, end=end, **given)
        found: dict[str, Any] = Run().execute(operator)
        return found

    return run


def day(ago: int) -> date:
    return (NOW - timedelta(days=ago)).date()


def session(
    vendor_state: VendorState, start: int, seconds: int = 60, sim: int = 1001, cost: float = 0.1234
) -> Session:
    """Add a session, `start` seconds before the day of NOW."""
    number, begun = next(vendor_state.ids), TODAY - start
    made = Session(number, sim, begun, begun + seconds, "Kazakhstan", "Kcell", 40102, 2**53 + number, cost)
    vendor_state.sessions.append(made)
    return made


def action(vendor_state: VendorState, at: int, sim: int = 1001, cost: float = 0.05) -> Action:
    made = Action(next(vendor_state.ids), sim, TODAY - at, "call", "77000009999", cost)
    vendor_state.actions.append(made)
    return made


def fill(vendor_state: VendorState, days: int = 6, apart: int = 5000) -> None:
    """Add sessions and actions of some days, also at midnights and around them."""
    for at in (
        *range(0, days * DAY, apart),
        *(n * DAY + s for n in range(days) for s in (-1, 0, 1, DAY - 1)),
    ):
        if at > 0:
            session(vendor_state, at, seconds=at % 9000 + 1, sim=1001 + at % 7, cost=at % 977 / 10_000)
            action(vendor_state, at, sim=1001 + at % 5, cost=at % 31 / 1000)


def rows_in(folder: Path, name: str, fmt: str = "jsonl") -> dict[str, list[dict[str, Any]]]:
    """Return the rows of a data set's files, by the day of their folder."""
    return {
        path.parent.name.removeprefix("date="): rows_of(path, fmt)
        for path in sorted(folder.glob(f"date=*/{name}.{fmt}"))
    }


def rows_of(path: Path, fmt: str) -> list[dict[str, Any]]:
    if fmt == "parquet":
        rows: list[dict[str, Any]] = pyarrow.parquet.ParquetFile(path).read().to_pylist()
        return rows
    if fmt == "csv":
        with path.open(newline="", encoding="utf-8") as file:
            return list(csv.DictReader(file))
    return [json.loads(line) for line in path.read_text().splitlines()]


def the_day(moment: int) -> str:
    return f"{datetime.fromtimestamp(moment, UTC):%Y-%m-%d}"


def keys(rows: dict[str, list[dict[str, Any]]]) -> Counter[tuple[str, int]]:
    return Counter((day, row["sid"]) for day, found in rows.items() for row in found)


def begun(vendor_state: VendorState, *days: date) -> Counter[tuple[str, int]]:
    """Return which sessions began on which of these days, in UTC."""
    wanted = {f"{one}" for one in days}
    return Counter(
        (the_day(one.start), one.sid) for one in vendor_state.sessions if the_day(one.start) in wanted
    )


# --- reports: each row, once, where it belongs


@pytest.mark.parametrize("fmt", FORMATS)
def test_sessions_stand_in_the_files_as_in_the_books(
    vendor_state: VendorState, load: Load, tmp_path: Path, fmt: str
) -> None:
    vendor_state.sims[1001].name = 'Truck; "A"'
    made = session(vendor_state, 2 * DAY - 5, 70)
    summary = load("sessions", day(2), day(2), output_format=fmt)
    [row] = rows_in(tmp_path / "lake", "sessions", fmt)[str(day(2))]
    raw = row.pop("raw")
    assert {*row, "raw"} == {column.name for column in COLUMNS["sessions"]}
    start, end = (datetime.fromtimestamp(at, UTC) for at in (made.start, made.end))
    wanted: dict[str, Any] = {
        "sid": made.sid,
        "start_utc": start,
        "start_unix": made.start,
        "end_utc": end,
        "end_unix": made.end,
        "country_name": "Kazakhstan",
        "operator_name": "Kcell",
        "operator_code": "40102",
        "session_cost": Decimal("0.1234"),
        "value": made.value,
        "sim_id": 1001,
        "original_number": "77000000000",
        "iccid": "8999700000000000000",
        "name": 'Truck; "A"',
    }
    if fmt != "parquet":
        wanted |= {"start_utc": f"{start:%Y-%m-%dT%H:%M:%SZ}", "end_utc": f"{end:%Y-%m-%dT%H:%M:%SZ}"}
        wanted |= {"session_cost": "0.1234"}
    if fmt == "csv":
        wanted = {name: str(value) for name, value in wanted.items()}
    assert row == wanted
    raw = raw if fmt == "jsonl" else json.loads(raw)
    assert (raw["iccid"], raw["value"], raw["session_cost"]) == (
        "8999700000000000000",
        str(made.value),
        "0.1234",
    )
    assert (summary["rows"], summary["elsewhere"], summary["bad_rows"]) == (1, 0, 0)


def test_calls_and_days_have_their_columns(vendor_state: VendorState, load: Load, tmp_path: Path) -> None:
    called, made = action(vendor_state, 2 * DAY - 5), session(vendor_state, 2 * DAY - 5, 70, cost=0.0)
    load("calls_and_sms", day(2), day(2))
    load("days", day(2), day(2))
    [call] = rows_in(tmp_path / "lake", "calls_and_sms")[str(day(2))]
    [traffic] = rows_in(tmp_path / "lake", "days")[str(day(2))]
    for report, row in (("calls_and_sms", call), ("days", traffic)):
        assert list(row) == [column.name for column in COLUMNS[report]]
    assert (call["sid"], call["type"], call["to_number"], call["session_cost"]) == (
        *(called.sid, "call"),
        *("77000009999", "0.05"),
    )
    assert (call["date_unix"], call["date_utc"]) == (
        called.date,
        f"{datetime.fromtimestamp(called.date, UTC):%Y-%m-%dT%H:%M:%SZ}",
    )
    assert (traffic["sid"], traffic["day"], traffic["value"]) == (made.sid, str(day(2)), made.value)
    assert traffic["day_unix"] == TODAY - 2 * DAY
    assert traffic["session_cost"] == "0.0"


@pytest.mark.parametrize("hours", [0, 5, -8, 12])
@pytest.mark.parametrize("report", REPORTS)
def test_each_row_is_in_one_day_whatever_the_vendors_midnights(
    vendor_state: VendorState, load: Load, tmp_path: Path, report: str, hours: int
) -> None:
    """Loaded day by day and at once, when all is known: the same rows in the same files."""
    vendor_state.utc_offset = hours * HOUR
    fill(vendor_state)
    for ago in (5, 4, 3, 2):
        load(report, day(ago), day(ago), path=str(tmp_path / "singly"))
    load(report, str(day(5)), f"{day(2):%d-%m-%Y}")
    singly, all_days = (rows_in(tmp_path / folder, report) for folder in ("singly", "lake"))
    assert keys(singly) == keys(all_days)
    assert max(keys(all_days).values()) == 1
    if report == "sessions":
        assert keys(all_days) == begun(vendor_state, *map(day, (5, 4, 3, 2)))
    elif report == "calls_and_sms":
        calls = Counter((the_day(one.date), one.sid) for one in vendor_state.actions)
        assert keys(all_days) == {key: n for key, n in calls.items() if str(day(5)) <= key[0] <= str(day(2))}
    else:
        for one, rows in all_days.items():
            noon = int(datetime.fromisoformat(f"{one}T12:00:00+00:00").timestamp()) - vendor_state.utc_offset
            assert {row["day_unix"] for row in rows} == {noon - 12 * HOUR}
            assert {row["day"] for row in rows} == {one}
    total = sum(Decimal(row["session_cost"]) for rows in all_days.values() for row in rows)
    if report == "sessions":
        wanted = [one for one in vendor_state.sessions if str(day(5)) <= the_day(one.start) <= str(day(2))]
        assert total == sum(Decimal(str(one.session_cost)) for one in wanted)


def test_two_days_every_morning_miss_nothing(vendor_state: VendorState, load: Load, tmp_path: Path) -> None:
    vendor_state.utc_offset = 5 * HOUR
    fill(vendor_state)
    for ago in (3, 2, 1, 0):
        with time_machine.travel(NOW - timedelta(days=ago)):
            load("sessions", day(ago + 2), day(ago + 1))
    found = rows_in(tmp_path / "lake", "sessions")
    assert list(found) == [str(day(ago)) for ago in (5, 4, 3, 2, 1)]
    whole = [day(ago) for ago in (5, 4, 3, 2)]
    assert {key: n for key, n in keys(found).items() if key[0] <= str(day(2))} == begun(vendor_state, *whole)


def test_the_vendor_is_asked_for_a_day_more_on_either_side(vendor_state: VendorState, load: Load) -> None:
    """Also for today: a vendor that does not include the end would otherwise leave out yesterday."""
    for days, asked in (((3, 2), ("23-10-2026", "26-10-2026")), ((1, 1), ("25-10-2026", "27-10-2026"))):
        load("days", *map(day, days))
        assert (
            vendor_state.last_report["filter"]["start"],
            vendor_state.last_report["filter"]["end"],
        ) == asked


# --- pages


@pytest.mark.parametrize(
    ("rows", "size", "most"), [(0, 3, 99), (2, 3, 99), (3, 3, 99), (7, 3, 99), (7, 50, 3)]
)
def test_all_pages_come(
    telecom_simulator: Any,
    vendor_state: VendorState,
    load: Load,
    tmp_path: Path,
    rows: int,
    size: int,
    most: int,
) -> None:
    vendor_state.max_rows = most
    for n in range(rows):
        session(vendor_state, 2 * DAY - n)
    summary = load("sessions", day(2), day(2), page_size=size)
    assert summary["rows"] == rows
    assert keys(rows_in(tmp_path / "lake", "sessions")) == begun(vendor_state, day(2))


def test_a_row_that_came_while_it_was_read_is_there(
    vendor_state: VendorState, load: Load, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    for n in range(7):
        session(vendor_state, 3 * DAY - 10 * n)
    vendor_state.after_pages = [
        lambda: session(vendor_state, 2 * DAY + 100)
    ]  # the newest: it shifts all others by one
    load("sessions", day(3), day(3), page_size=3)
    assert keys(rows_in(tmp_path / "lake", "sessions")) == begun(vendor_state, day(3))
    assert len(begun(vendor_state, day(3))) == 8


def test_a_row_that_went_while_it_was_read_takes_no_other_along(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    newest = [session(vendor_state, 3 * DAY - 10 * n) for n in range(7)][-1]
    vendor_state.after_pages = [lambda: vendor_state.sessions.remove(newest)]
    load("sessions", day(3), day(3), page_size=3)
    assert keys(rows_in(tmp_path / "lake", "sessions")) == begun(vendor_state, day(3))
    assert len(begun(vendor_state, day(3))) == 6


def test_a_row_that_changed_between_pages_is_read_as_it_is_now(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    made = [session(vendor_state, 3 * DAY - 10 * n, cost=0.1) for n in range(4)]

    def correct() -> None:
        """The last row of page 0 comes again on page 1, at another price."""
        last = made[1]
        vendor_state.sessions.remove(last)
        vendor_state.sessions.append(Session(**{**vars(last), "session_cost": 0.7}))
        session(vendor_state, 2 * DAY + 100, cost=0.1)

    vendor_state.after_pages = [correct]
    load("sessions", day(3), day(3), page_size=3)
    rows = rows_in(tmp_path / "lake", "sessions")[str(day(3))]
    assert sorted(row["session_cost"] for row in rows) == ["0.1"] * 4 + ["0.7"]


def test_a_report_that_never_stands_still_leaves_the_old_files(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    for n in range(5):
        session(vendor_state, 3 * DAY - 1000 * n)
    load("sessions", day(3), day(3))
    before = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    later = iter(range(100))
    vendor_state.after_pages = [lambda: session(vendor_state, 2 * DAY + 900 - next(later))] * 99
    with pytest.raises(TelecomAnswerError, match="rows moved between pages in 3 readings"):
        load("sessions", day(3), day(3), page_size=3)
    assert {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()} == before
    vendor_state.after_pages = [vendor_state.after_pages[0]] * 5  # it stands still in the third reading
    load("sessions", day(3), day(3), page_size=4)
    assert keys(rows_in(tmp_path / "lake", "sessions")) == begun(vendor_state, day(3))


def test_a_session_that_comes_twice_is_one_row(vendor_state: VendorState, load: Load, tmp_path: Path) -> None:
    made = [session(vendor_state, 3 * DAY - 10 * n) for n in range(4)]
    vendor_state.sessions.append(made[0])
    assert load("sessions", day(3), day(3), page_size=2)["rows"] == 4
    assert max(keys(rows_in(tmp_path / "lake", "sessions")).values()) == 1


def test_one_id_of_two_different_sessions_is_never_guessed_at(vendor_state: VendorState, load: Load) -> None:
    made = [session(vendor_state, 3 * DAY - 10 * n) for n in range(4)]
    vendor_state.sessions.append(Session(**{**vars(made[0]), "session_cost": 0.7}))
    with pytest.raises(TelecomAnswerError, match="rows moved between pages in 3 readings"):
        load("sessions", day(3), day(3), page_size=2)


# --- a choice of SIMs


def test_a_choice_of_sims_makes_files_of_its_own(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    fill(vendor_state, 3)
    group = next(iter(vendor_state.groups))
    members = {sim.id for sim in vendor_state.sims.values() if group in sim.groups}
    whole = load("sessions", day(2), day(2))
    some = load("sessions", day(2), day(2), sim_ids="[1002, 1001]")
    again = load("sessions", day(2), day(2), sim_ids=[1001, 1002])
    grouped = load("sessions", day(2), day(2), group_ids=[group])
    one = load("sessions", day(2), day(2), sim_ids=[1001])
    names = [Path(found["files"][0]["path"]).name for found in (whole, some, again, grouped, one)]
    assert names[0] == "sessions.jsonl"
    assert names[1] == names[2]
    assert len(set(names)) == 4
    found = [
        {row["sim_id"] for row in rows_of(Path(one["files"][0]["path"]), "jsonl")} for one in (whole, some)
    ]
    assert found == [set(range(1001, 1008)), {1001, 1002}]
    assert {row["sim_id"] for row in rows_of(Path(grouped["files"][0]["path"]), "jsonl")} <= members
    assert whole["rows"] > some["rows"] > one["rows"] > 0


def test_a_sim_that_is_not_there_is_refused_before_the_report_is_asked_for(
    telecom_simulator: Any, load: Load
) -> None:
    with pytest.raises(TelecomInputError, match=r"^sim_ids: must be ids .* does not know 7, 8$"):
        load("sessions", day(2), day(2), sim_ids=[1001, 8, 7])
    with pytest.raises(TelecomInputError, match=r"^group_ids: must be ids .* does not know 7$"):
        load("days", day(2), day(2), group_ids=["{{ 7 }}"])
    asked = {seen.path for seen in telecom_simulator.state.requests}
    assert not any("report" in path for path in asked)
    assert len(asked) == 2


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"report": "calls"}, "report: must be one of sessions, days, calls_and_sms"),
        ({"start": "yesterday"}, "start: must be a date"),
        ({"end": "31-02-2026"}, "end: must be a date"),
        ({"start": NOW}, "start: must be a date"),
        ({"sim_ids": []}, "sim_ids: must be a list with at least one id"),
        ({"sim_ids": ["a"]}, "sim_ids: must be a whole number"),
        ({"group_ids": [1, 1]}, "group_ids: must not contain an id twice"),
        ({"page_size": 0}, "page_size: 0: must be 1 to"),
        ({"output_format": "avro"}, "output_format: must be one of"),
    ],
)
def test_invalid_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], rule: str) -> None:
    given = {"report": "days", "start": "2026-10-25", "end": "2026-10-25", "path": "lake", **arguments}
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        NovaConnectReportToObjectStorageOperator(task_id="load", **given)


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"end": "{{ '2026-10-24' }}"}, "end: must not be before start"),
        ({"end": "2026-10-27"}, "end: must be before today"),
        ({"end": date(2026, 11, 3)}, "end: must be before today"),
        ({"start": "{{ 'soon' }}"}, "start: must be a date"),
        ({"start": "2025-10-25"}, "end: must be within 366 days"),
        ({"sim_ids": "{{ [] }}"}, "sim_ids: must be a list with at least one id"),
        ({"path": "/proc/self/lake"}, "path: cannot be written to"),
    ],
)
def test_what_cannot_be_is_refused_before_the_first_request(
    telecom_simulator: Any, load: Load, arguments: dict[str, Any], rule: str
) -> None:
    given = {"start": "2026-10-25", "end": "2026-10-26", **arguments}
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        load("sessions", **given)
    assert not telecom_simulator.state.requests


# --- rows without sense


def served(telecom_simulator: Any, *rows: Any, times: int = 1) -> None:
    """Let the vendor answer with these rows once, and after that as ever."""
    body = json.dumps({"code": 200, "message": "ok", "result": {"items": rows}})
    telecom_simulator.fault("status", "novaconnect", path="report", status=200, body=body, times=times)


def odd(**more: Any) -> dict[str, Any]:
    row = {"sid": 1, "start": TODAY - DAY, "end": TODAY - DAY + 9, "session_cost": 0.1, "value": "9"}
    return {**row, "id": 1001, "iccid": "8999700000000000001", "original_number": "77000000001", **more}


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"start": None}, "start: is missing, or no time"),
        ({"start": 0}, "start: is missing, or no time"),
        ({"start": -5}, "start: is no Unix time"),
        ({"start": "soon"}, "start: is no Unix time"),
        ({"start": True}, "start: is missing, or no time"),
        ({"start": 10**13}, "start: is no Unix time"),
        ({"end": 10**13}, "end: is no Unix time"),
        ({"iccid": 8.9997e18}, "iccid: is a fraction"),
        ({"id": 1001.5}, "id: is a fraction"),
        ({"sid": None}, "record: unexpected answer, see sid"),
        ({"sid": True}, "sid: must be a number"),
        ({"value": "much"}, "record: unexpected answer, see value"),
        ({"value": 2**64}, "value: has more than 64 bits"),
        ({"session_cost": "dear"}, "record: unexpected answer, see session_cost"),
        ({"session_cost": "1e-12"}, "session_cost: has more than"),
    ],
)
def test_a_row_without_sense_is_a_bad_row(
    telecom_simulator: Any,
    vendor_state: VendorState,
    load: Load,
    tmp_path: Path,
    row: dict[str, Any],
    reason: str,
) -> None:
    served(telecom_simulator, odd(sid=2), odd(**row))
    with pytest.raises(TelecomAnswerError, match=rf"1 records cannot be read.*row 2: {reason}") as caught:
        load("sessions", day(1), day(1))
    assert "77000000001" not in str(caught.value)
    assert not list((tmp_path / "lake").rglob("*.jsonl"))
    served(telecom_simulator, odd(sid=2), odd(**row))
    summary = load("sessions", day(1), day(1), on_bad_rows="quarantine")
    assert (summary["rows"], summary["bad_rows"]) == (1, 1)
    [line] = [json.loads(line) for line in Path(summary["quarantine"]).read_text().splitlines()]
    assert line["place"] == "row 2"
    assert line["reason"].startswith(reason)


def test_what_surely_belongs_to_another_day_is_no_bad_row_here(
    telecom_simulator: Any, vendor_state: VendorState, load: Load
) -> None:
    served(telecom_simulator, odd(sid=None, start=TODAY - 2 * DAY), odd())
    summary = load("sessions", day(1), day(1))
    assert (summary["rows"], summary["bad_rows"], summary["elsewhere"]) == (1, 0, 1)


def test_numbers_and_texts_in_other_clothes_are_read(
    telecom_simulator: Any, vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    clothes = {"start": str(TODAY - DAY), "value": {"bytes": 5}, "iccid": 8999700000000000001}
    served(telecom_simulator, odd(session_cost="0.10", operator_code=40102, more=[1.5], **clothes))
    load("sessions", day(1), day(1))
    [row] = rows_in(tmp_path / "lake", "sessions")[str(day(1))]
    assert (row["start_unix"], row["value"], row["iccid"]) == (TODAY - DAY, 5, "8999700000000000001")
    assert (row["session_cost"], row["operator_code"]) == ("0.10", "40102")
    assert row["raw"]["more"] == ["1.5"]


# --- manners


def test_a_rerun_replaces_and_empty_days_are_empty_files(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    made = session(vendor_state, 3 * DAY - 5)
    assert load("sessions", day(3), day(2))["rows"] == 1
    vendor_state.sessions.remove(made)
    session(vendor_state, 2 * DAY - 5)
    session(vendor_state, 3 * DAY - 7)
    assert load("sessions", day(3), day(2))["rows"] == 2
    assert keys(rows_in(tmp_path / "lake", "sessions")) == begun(vendor_state, day(3), day(2))
    vendor_state.sessions.clear()
    summary = load("sessions", day(3), day(2))
    assert {Path(file["path"]).read_bytes() for file in summary["files"]} == {b""}


def test_a_report_that_breaks_off_leaves_the_old_files(
    telecom_simulator: Any, vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    fill(vendor_state, 3)
    load("sessions", day(2), day(2))
    before = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    vendor_state.after_pages = [
        vendor_state.sessions.clear,
        lambda: telecom_simulator.fault("half_body", "novaconnect", path="report", times=20),
    ]
    with pytest.raises(TelecomNoAnswerError):
        load("sessions", day(2), day(2), page_size=5)
    assert {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()} == before


def test_progress_and_xcom_tell_no_numbers(
    vendor_state: VendorState,
    load: Load,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    from airflow_provider_telecom.transfers import progress_logger

    monkeypatch.setattr(progress_logger, "EVERY_SECONDS", 0.0)
    fill(vendor_state, 3)
    with caplog.at_level(logging.DEBUG):
        summary = load("calls_and_sms", day(2), day(2), page_size=20)
    log = "".join(capfd.readouterr()) + caplog.text
    assert "40 rows, 2 pages" in log
    for text in (log, json.dumps(summary)):
        assert "7700000" not in text
        assert "89997" not in text


def test_the_folders_asset_is_updated(
    vendor_state: VendorState, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for("novaconnect")
    session(vendor_state, 2 * DAY - 5)
    operator = NovaConnectReportToObjectStorageOperator(
        task_id="load", report="sessions", start="{{ ds }}", end="{{ ds }}", path=str(tmp_path / "lake")
    )
    uri = (tmp_path / "lake").as_uri()
    assert operator.outlets == [Asset(uri)]
    run = Run()
    summary = run.execute(operator, ds=str(day(2)))
    assert run.outlet_events[Asset(uri)].extra == {"rows": 1, "bytes": summary["bytes"]}
