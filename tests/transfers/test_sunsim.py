"""Call lists and recordings: each once, on its day, whatever names and rows the vendor sends."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import logging
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from airflow.sdk import Asset

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomRejectedError,
)
from airflow_provider_telecom.simulator.sunsim.models import PhoneCall
from airflow_provider_telecom.simulator.sunsim.state import VendorState
from airflow_provider_telecom.tasks import storage
from airflow_provider_telecom.transfers.sunsim_to_object_storage import (
    SunSimCallsToObjectStorageOperator,
    SunSimRecordingsToObjectStorageOperator,
)
from airflow_provider_telecom.vendors.sunsim.schema import COLUMNS
from tests.running import Run
from tests.transfers.hostile_names import NAMES

UTC = UTC
NUMBER, OTHER = "9000000000", "9000000001"
BOTH = [f"+7{NUMBER}", f"8{OTHER}"]
SECOND, HOUR, DAY = timedelta(seconds=1), timedelta(hours=1), timedelta(days=1)
TODAY = datetime.combine(datetime.now(UTC).date(), datetime.min.time())
FORMATS = ("csv", "jsonl", "parquet")
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("sunsim", VendorState)
    for calls in found.calls.values():
        calls.clear()
    found.recordings.clear()
    return found


@pytest.fixture
def lake(tmp_path: Path) -> Path:
    return tmp_path / "lake"


@pytest.fixture
def load(hook_for: Callable[..., Any], lake: Path) -> Load:
    hook_for("sunsim")

    def run(start: Any, end: Any, **arguments: Any) -> dict[str, Any]:
        given = {"task_id": "load", "path": str(lake), "numbers": BOTH, **arguments}
        found: dict[str, Any] = Run().execute(
            SunSimCallsToObjectStorageOperator(start=start, end=end, **given)
        )
        return found

    return run


@pytest.fixture
def save(hook_for: Callable[..., Any], lake: Path) -> Load:
    hook_for("sunsim")

    def run(**arguments: Any) -> dict[str, Any]:
        context = arguments.pop("context", {})
        given = {"task_id": "save", "path": str(lake), **arguments}
        found: dict[str, Any] = Run().execute(SunSimRecordingsToObjectStorageOperator(**given), **context)
        return found

    return run


@pytest.fixture
def logged(
    capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> Iterator[Callable[[], str]]:
    """Return what gives all that was logged, by whichever of Airflow's two ways."""
    with caplog.at_level(logging.DEBUG):
        yield lambda: "".join(capfd.readouterr()) + caplog.text


def call(vendor_state: VendorState, at: datetime, recording: str | None = None, **facts: Any) -> PhoneCall:
    """Add a call; `at` is in the vendor's local time."""
    given = {"number_from": NUMBER, "number_to": "8005553535", "direction": 1, "duration": 5, **facts}
    at = at.replace(tzinfo=vendor_state.zone, fold=given.pop("fold", 0))
    made = PhoneCall(vendor_state.new_id(), at, record_id=recording, **given)
    vendor_state.calls[facts.get("number_to") if given["direction"] == 2 else given["number_from"]].append(
        made
    )
    return made


def fill(vendor_state: VendorState, start: datetime, days: int, count: int) -> None:
    """Add calls, many of them at midnight or in the second before it."""
    dice = random.Random(1)
    for _ in range(count):
        at = start + dice.randint(0, days * 86400) * SECOND
        midnight = start + dice.randint(0, days) * DAY
        for moment in (at, midnight, midnight - SECOND):
            number, incoming = dice.choice([NUMBER, OTHER]), dice.random() < 0.5
            call(
                vendor_state,
                moment,
                dice.choice([None, vendor_state.new_id()]),
                number_from="89005550000" if incoming else number,
                number_to=number if incoming else "810380670000200",
                direction=2 if incoming else 1,
                duration=dice.randint(0, 600),
                is_read=dice.choice([None, 0, 1]),
            )


def shown(book: PhoneCall, day: date, zone: Any) -> tuple[Any, ...]:
    """Return what a row should hold of a call."""
    numbers = {NUMBER: f"7{NUMBER}", OTHER: f"7{OTHER}", "89005550000": "79005550000"}
    return (
        str(day),
        book.id,
        f"{book.at:%Y-%m-%d %H:%M:%S}",
        f"{book.at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}" if zone else None,
        {1: "outgoing", 2: "incoming"}[book.direction],
        book.duration,
        numbers[book.number_from],
        numbers.get(book.number_to, "380670000200"),
        book.number_from,
        book.number_to,
        book.record_id,
        None if book.is_read is None else bool(book.is_read),
    )


def read(file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file as any reader sees them, values as JSON lines have them."""
    if file.suffix == ".parquet":
        import pyarrow.parquet

        rows = pyarrow.parquet.read_table(file).to_pylist()
        for row in rows:
            if isinstance(row.get("start_utc"), datetime):
                row["start_utc"] = f"{row['start_utc']:%Y-%m-%dT%H:%M:%SZ}"
            row["raw"] = json.loads(row["raw"])
        return rows  # type: ignore[no-any-return]
    if file.suffix == ".csv":
        rows = list(csv.DictReader(io.StringIO(file.read_text(), newline="")))
        for row in rows:
            row.update({name: None for name, value in row.items() if value == ""})
            row["duration_seconds"] = int(row["duration_seconds"])
            row["is_read"] = {None: None, "true": True, "false": False}[row["is_read"]]
            row["raw"] = json.loads(row["raw"])
        return rows
    return [json.loads(line) for line in file.read_text().split("\n")[:-1]]


def rows_in(folder: Path, name: str = "calls") -> list[dict[str, Any]]:
    files = sorted(folder.glob(f"date=*/{name}*"))
    return [row | {"day": file.parent.name[5:]} for file in files for row in read(file)]


def seen(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("day", *(column.name for column in COLUMNS if column.name != "raw"))
    order = ("day", "call_id", "call_time", "start_utc", "direction", "duration_seconds", "from_msisdn")
    order += ("to_msisdn", "number_from", "number_to", "record_id", "is_read")
    assert set(order) == set(names)
    return tuple(row[name] for name in order)


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


class TestCalls:
    @pytest.mark.parametrize("output_format", FORMATS)
    @pytest.mark.parametrize("quirk", ["", "end_excluded"])
    @pytest.mark.parametrize("zone", [None, "Asia/Yekaterinburg"])
    @pytest.mark.parametrize(
        ("first", "last"),
        [(-4 * DAY, -DAY), (-3 * DAY - 5 * HOUR, -DAY - 3 * HOUR), (-2 * DAY + HOUR, -2 * DAY + 2 * HOUR)],
    )
    def test_each_call_of_an_interval_is_there_once_on_its_day(
        self,
        vendor_state: VendorState,
        load: Load,
        lake: Path,
        hook_for: Callable[..., Any],
        first: timedelta,
        last: timedelta,
        zone: str | None,
        quirk: str,
        output_format: str,
    ) -> None:
        local = ZoneInfo(zone) if zone else None
        if local:
            hook_for("sunsim", vendor_timezone=zone)
            vendor_state.zone = local
        vendor_state.switches.turn_on(*filter(None, [quirk]))
        fill(vendor_state, TODAY - 5 * DAY, 5, 60)
        start, end = TODAY + first, TODAY + last
        aware = [one.replace(tzinfo=local).astimezone(UTC) if local else one for one in (start, end)]
        summary = load(*aware, output_format=output_format)
        wanted = Counter(
            shown(one, one.at.date(), zone)
            for number in (NUMBER, OTHER)
            for one in vendor_state.calls[number]
            if start <= one.at.replace(tzinfo=None) < end
        )
        assert Counter(map(seen, rows_in(lake))) == wanted
        assert summary["rows"] == sum(wanted.values()) > 0
        assert summary["bad_rows"] == 0
        assert (
            summary["windows"]
            == len(summary["files"])
            == (end.date() - start.date()).days + (1 if end.time() != datetime.min.time() else 0)
        )

    @pytest.mark.parametrize(
        ("zone", "change"),
        [
            ("Europe/Kyiv", datetime(2026, 10, 25)),  # 03:00 to 04:00 happens twice
            ("Europe/Kyiv", datetime(2027, 3, 28)),  # 03:00 to 04:00 does not exist
            ("Africa/Cairo", datetime(2026, 4, 24)),  # midnight does not exist
            ("Africa/Cairo", datetime(2026, 10, 30)),  # the hour before midnight happens twice
        ],
    )
    def test_no_call_is_lost_when_the_clocks_change(
        self,
        vendor_state: VendorState,
        load: Load,
        lake: Path,
        hook_for: Callable[..., Any],
        zone: str,
        change: datetime,
    ) -> None:
        local = ZoneInfo(zone)
        with time_machine.travel((change + 3 * DAY).replace(tzinfo=UTC)):
            hook_for("sunsim", vendor_timezone=zone)
            vendor_state.zone = local
            for quarter in range(4 * 24 * 3):
                moment = (change - DAY).replace(tzinfo=UTC) + quarter * HOUR / 4
                call(
                    vendor_state,
                    moment.astimezone(local).replace(tzinfo=None),
                    fold=moment.astimezone(local).fold,
                )
            load((change - DAY).replace(tzinfo=local), (change + 2 * DAY).replace(tzinfo=local))
        wanted = Counter(
            (one.id, f"{one.at:%Y-%m-%d}", f"{one.at:%Y-%m-%d %H:%M:%S}")
            for one in vendor_state.calls[NUMBER]
            if change - DAY <= one.at.replace(tzinfo=None) < change + 2 * DAY
        )
        assert Counter((row["call_id"], row["day"], row["call_time"]) for row in rows_in(lake)) == wanted

    def test_the_hour_that_happens_twice_is_loaded_hour_by_hour_and_read_as_the_later(
        self, vendor_state: VendorState, load: Load, lake: Path, hook_for: Callable[..., Any]
    ) -> None:
        kyiv, put_back = ZoneInfo("Europe/Kyiv"), datetime(2026, 10, 25, 1, tzinfo=UTC)
        with time_machine.travel(put_back + 3 * DAY):
            hook_for("sunsim", vendor_timezone="Europe/Kyiv")
            vendor_state.zone = kyiv
            for minutes in range(-115, 120, 10):
                at = put_back + timedelta(minutes=minutes)
                call(vendor_state, at.astimezone(kyiv).replace(tzinfo=None), fold=at.astimezone(kyiv).fold)
            for hours in range(-2, 2):
                load(put_back + hours * HOUR, put_back + (hours + 1) * HOUR)
        rows = rows_in(lake)
        assert len(rows) == 24
        starts = Counter(row["start_utc"] for row in rows)
        for row in rows:
            at = datetime.fromisoformat(row["start_utc"].replace("Z", "+00:00"))
            assert str(at.astimezone(kyiv).replace(tzinfo=None)) == row["call_time"]
            doubled = row["call_time"].startswith("2026-10-25 03:")
            assert starts[row["start_utc"]] == (2 if doubled else 1)
            assert not doubled or at >= put_back

    def test_a_time_that_does_not_exist_stops_the_load(
        self, vendor_state: VendorState, load: Load, hook_for: Callable[..., Any]
    ) -> None:
        with time_machine.travel(datetime(2027, 3, 30, tzinfo=UTC)):
            hook_for("sunsim", vendor_timezone="Europe/Kyiv")
            vendor_state.stray_rows.append({"callDate": "2027-03-28 03:30:00"})
            day = datetime(2027, 3, 28, tzinfo=ZoneInfo("Europe/Kyiv"))
            with pytest.raises(TelecomAnswerError, match="call_time: does not exist"):
                load(day, day + DAY)

    def test_nobody_knows_the_document_but_for_the_recordings_id(self) -> None:
        assert all(column.assumed for column in COLUMNS[:-1])

    @pytest.mark.parametrize("quirk", ["", "end_excluded"])
    def test_rows_that_tell_no_time_are_kept_once(
        self, vendor_state: VendorState, load: Load, lake: Path, quirk: str
    ) -> None:
        vendor_state.switches.turn_on("other_columns", *filter(None, [quirk]))
        midnight = TODAY - 2 * DAY
        for _ in range(3):
            call(vendor_state, midnight)
        for number in range(4):
            call(vendor_state, midnight + HOUR, duration=number)
            call(vendor_state, midnight - HOUR, duration=7)
        summary = load(midnight - DAY, midnight + 2 * DAY)
        rows = rows_in(lake)
        assert summary["rows"] == 3 + 4 + 4
        assert Counter(row["raw"]["when"] for row in rows)[f"{midnight:%d.%m.%y %H:%M}"] == 3
        assert {name for row in rows for name, value in row.items() if value is not None} == {"raw", "day"}

    @pytest.mark.parametrize(
        ("row", "to_row"),
        [
            ({"Call_Date": "2026-11-20 10:00:00"}, {"call_time": "2026-11-20 10:00:00"}),
            ({"callDate": "20.11.2026", "callTime": "10:00"}, {}),
            ({"callDate": "2026-11-20T10:00:00Z"}, {}),
            ({"callDate": 1795168800}, {}),
            ({"callDate": None, "startTime": "2026-11-20 10:00:00"}, {"call_time": "2026-11-20 10:00:00"}),
            (
                {"numFrom": "8 (900) 000-00-00"},
                {"from_msisdn": "79000000000", "number_from": "8 (900) 000-00-00"},
            ),
            ({"numTo": 9000000001}, {"to_msisdn": "79000000001", "number_to": "9000000001"}),
            ({"numFrom": "anonymous"}, {"number_from": "anonymous"}),
            ({"numFrom": "112"}, {"number_from": "112"}),
            ({"numFrom": ["9000000000"], "direction": 3, "duration": "long", "isRead": "?"}, {}),
            ({"direction": "2", "duration": "61"}, {"direction": "incoming", "duration_seconds": 61}),
            ({"duration": -1}, {}),
            ({"duration": 10**30}, {}),
            ({"isRead": "0", "callRecordId": " a1 "}, {"is_read": False, "record_id": "a1"}),
            ({"isRead": True}, {"is_read": True}),
            ({}, {}),
        ],
    )
    def test_only_what_leaves_no_doubt_is_understood(
        self, vendor_state: VendorState, load: Load, lake: Path, row: dict[str, Any], to_row: dict[str, Any]
    ) -> None:
        with time_machine.travel(datetime(2026, 11, 21, 12, tzinfo=UTC)):
            vendor_state.stray_rows.append(row)
            load(datetime(2026, 11, 20), datetime(2026, 11, 21))
        (found,) = rows_in(lake)
        assert found.pop("raw") == row
        assert {name: value for name, value in found.items() if value is not None} == {
            **to_row,
            "day": "2026-11-20",
        }

    def test_a_row_of_another_time_is_not_left_out_in_silence(
        self, vendor_state: VendorState, load: Load, lake: Path
    ) -> None:
        vendor_state.stray_rows.append({"callDate": f"{TODAY - 9 * DAY}", "numFrom": NUMBER})
        with pytest.raises(TelecomAnswerError, match="call_time: is outside of the day"):
            load(TODAY - 2 * DAY, TODAY)
        summary = load(TODAY - 2 * DAY, TODAY, on_bad_rows="quarantine")
        assert (summary["rows"], summary["bad_rows"]) == (0, 2)

    BAD = (7, "x", None, ["x"], {"callDate": "never"}, {"callDate": "2026-13-45 10:00:00"}, {"callDate": {}})

    @pytest.mark.parametrize("bad", BAD, ids=str)
    def test_a_row_that_is_none_stops_the_load_or_is_set_aside(
        self, telecom_simulator: Any, vendor_state: VendorState, load: Load, lake: Path, bad: Any
    ) -> None:
        good = call(vendor_state, TODAY - DAY + HOUR)
        load(TODAY - DAY, TODAY)
        before = contents(lake)
        vendor_state.stray_rows.append(bad)
        telecom_simulator.state.requests.clear()
        with pytest.raises(
            TelecomAnswerError, match=r"1 records cannot be read.*window 1, row 1: "
        ) as caught:
            load(TODAY - 2 * DAY, TODAY)
        assert "never" not in str(caught.value)
        assert contents(lake) == before
        assert len(lists(telecom_simulator)) == 1, "a load that cannot succeed goes on asking"
        summary = load(TODAY - DAY, TODAY, on_bad_rows="quarantine")
        assert (summary["rows"], summary["bad_rows"]) == (1, 1)
        (line,) = map(json.loads, Path(summary["quarantine"]).read_text().splitlines())
        assert json.loads(line["raw"]) == bad
        assert [row["call_id"] for row in rows_in(lake)] == [good.id]

    def test_half_a_character_is_replaced(self, telecom_simulator: Any, load: Load, lake: Path) -> None:
        body = '{"error": {"errorCode": 0}, "result": {"calls": [{"numFrom": "\\ud800"}]}}'
        telecom_simulator.fault("status", "sunsim", path="getcalllist", status=200, body=body)
        assert load(TODAY - DAY, TODAY)["rows"] == 1
        assert rows_in(lake)[0]["number_from"] == "\ufffd"

    @pytest.mark.parametrize(
        "body",
        ["<html>Sorry</html>", "[]", '{"error": {"errorCode": 0}}', '{"result": {"calls": "none"}}', ""],
    )
    def test_what_is_no_list_is_not_taken_for_an_empty_one(
        self, telecom_simulator: Any, load: Load, lake: Path, body: str
    ) -> None:
        telecom_simulator.fault("status", "sunsim", path="getcalllist", status=200, body=body, times=9)
        with pytest.raises(TelecomAnswerError):
            load(TODAY - DAY, TODAY, on_bad_rows="quarantine")
        assert not list(lake.rglob("*.jsonl"))

    FILTERS: tuple[dict[str, Any], ...] = (
        {"direction": "incoming"},
        {"direction": "outgoing", "duration_from_seconds": 100},
        {"duration_to_seconds": 0},
        {"only_recorded": True},
        {"is_read": False},
        {"is_read": True},
    )

    @pytest.mark.parametrize("filters", FILTERS, ids=str)
    def test_some_calls_do_not_replace_all_of_them(
        self, vendor_state: VendorState, load: Load, lake: Path, filters: dict[str, Any]
    ) -> None:
        fill(vendor_state, TODAY - 3 * DAY, 2, 60)
        call(vendor_state, TODAY - 2 * DAY, duration=0)
        interval = (TODAY - 3 * DAY, TODAY - DAY)
        load(*interval)
        whole = contents(lake)
        everybody = rows_in(lake)
        summary = load(*interval, **filters)
        assert {name: content for name, content in contents(lake).items() if name in whole} == whole
        mine = [row for file in summary["files"] for row in read(Path(file["path"]))]
        keep = {
            "direction": lambda row, value: row["direction"] == value,
            "duration_from_seconds": lambda row, value: row["duration_seconds"] >= value,
            "duration_to_seconds": lambda row, value: row["duration_seconds"] <= value,
            "only_recorded": lambda row, value: row["record_id"] is not None,
            "is_read": lambda row, value: row["is_read"] is value,
        }
        wanted = [row for row in everybody if all(keep[name](row, value) for name, value in filters.items())]
        assert (
            Counter(row["call_id"] for row in mine) == Counter(row["call_id"] for row in wanted) != Counter()
        )
        assert load(*interval, numbers=BOTH[::-1], **filters)["files"] == summary["files"]
        assert all(Path(file["path"]).stat().st_size == file["bytes"] for file in summary["files"])

    @pytest.mark.parametrize("filters", [{}, {"direction": "incoming"}])
    def test_some_numbers_do_not_replace_others_but_more_replace_fewer(
        self,
        telecom_simulator: Any,
        vendor_state: VendorState,
        load: Load,
        lake: Path,
        filters: dict[str, Any],
    ) -> None:
        fill(vendor_state, TODAY - 2 * DAY, 1, 20)
        interval = (TODAY - 2 * DAY, TODAY - DAY)
        load(*interval, numbers=BOTH[:1], **filters)
        load(*interval, numbers=BOTH, **filters)
        before, asked = contents(lake), len(telecom_simulator.state.requests)
        for fewer in (BOTH[:1], BOTH[1:]):
            with pytest.raises(
                TelecomInputError, match=r"^numbers: must include all numbers whose records"
            ) as caught:
                load(*interval, numbers=fewer, **filters)
            assert BOTH[0][-9:] not in str(caught.value)
        assert contents(lake) == before
        assert len(telecom_simulator.state.requests) == asked

    def test_some_calls_do_not_replace_others(self, vendor_state: VendorState, load: Load) -> None:
        paths = {load(TODAY - DAY, TODAY, **filters)["files"][0]["path"] for filters in ({}, *self.FILTERS)}
        assert len(paths) == 1 + len(self.FILTERS)

    def test_ends_are_to_the_second(self, vendor_state: VendorState, load: Load, lake: Path) -> None:
        made = [call(vendor_state, TODAY - DAY + place * SECOND) for place in range(3)]
        split = TODAY - DAY + SECOND + timedelta(microseconds=700_000)
        load(TODAY - DAY, split)
        load(split, TODAY)
        assert Counter(row["call_id"] for row in rows_in(lake)) == Counter(one.id for one in made)
        with pytest.raises(TelecomInputError, match="end: must be later than start"):
            load(split, split + SECOND / 10)

    def test_a_rerun_finds_the_late_and_forgets_the_gone(
        self,
        telecom_simulator: Any,
        vendor_state: VendorState,
        hook_for: Callable[..., Any],
        load: Load,
        lake: Path,
    ) -> None:
        now = datetime.now(UTC).replace(tzinfo=None)
        telecom_simulator.state.set_transition("sunsim.callback", "after_polls", 2)
        hook_for("sunsim").create_callback("+79000000009", BOTH[0])
        gone = call(vendor_state, now - HOUR)
        assert load(now - 2 * HOUR, now + HOUR)["rows"] == 1
        vendor_state.calls[NUMBER].remove(gone)
        assert load(now - 2 * HOUR, now + HOUR)["rows"] == 1
        (row,) = rows_in(lake)
        assert row["number_to"] == "89000000009"

    @pytest.mark.parametrize(
        ("arguments", "rule"),
        [
            ({"numbers": []}, "numbers: must be a list"),
            ({"numbers": "+79000000000"}, "numbers: must be a list"),
            ({"start": "yesterday"}, "start: must be a date like"),
            ({"end": "2026-13-01T00:00:00"}, "end: must be a date like"),
            ({"direction": "both"}, "direction: must be one of None, outgoing, incoming"),
            ({"duration_from_seconds": -1}, "duration_from_seconds: -1: must be 0 to"),
            ({"duration_to_seconds": "60"}, "duration_to_seconds: must be a whole number"),
            (
                {"duration_from_seconds": 61, "duration_to_seconds": 60},
                "duration_to_seconds: must not be less than duration_from_seconds",
            ),
            ({"only_recorded": "yes"}, "only_recorded: must be one of True, False"),
            ({"is_read": "no"}, "is_read: must be one of None, True, False"),
            ({"output_format": "avro"}, "output_format: must be one of csv, jsonl, parquet"),
            ({"on_bad_rows": "skip"}, "on_bad_rows: must be one of fail, quarantine"),
            ({"csv_safe": True}, "csv_safe: is for csv only"),
        ],
    )
    def test_what_cannot_be_is_refused_when_the_dag_is_parsed(
        self, arguments: dict[str, Any], rule: str
    ) -> None:
        given = {"numbers": BOTH, "start": "2026-10-25T00:00:00", "end": "2026-10-26T00:00:00", **arguments}
        with pytest.raises(TelecomInputError, match=f"^{rule}"):
            SunSimCallsToObjectStorageOperator(task_id="load", path="lake", **given)

    @pytest.mark.parametrize(
        ("start", "end", "arguments", "rule"),
        [
            (-40 * DAY, -35 * DAY, {}, "start: must be at most one month ago"),
            (-33 * DAY, -DAY, {}, "end: must be at most one month after start"),
            (-DAY, -2 * DAY, {}, "end: must be later than start"),
            (-DAY, -DAY, {}, "end: must be later than start"),
            (-DAY, "{{ params.end }}", {}, "end: must be a date like 2026-01-31, a datetime"),
            ((-DAY, UTC), -HOUR, {}, "start: must be a datetime without a time zone.*vendor_timezone"),
            (-DAY, -HOUR, {"numbers": ["{{ params.end }}"]}, "numbers: .*may hold only"),
            (-DAY, -HOUR, {"numbers": ["+380670000200"]}, "numbers: .*must be a Russian number"),
            (-DAY, -HOUR, {"path": "/proc/self/lake"}, "path: cannot be written to"),
        ],
    )
    def test_what_the_vendor_would_refuse_is_refused_before_the_first_request(
        self,
        telecom_simulator: Any,
        hook_for: Callable[..., Any],
        lake: Path,
        start: Any,
        end: Any,
        arguments: dict[str, Any],
        rule: str,
    ) -> None:
        hook_for("sunsim")
        given = {"task_id": "load", "path": str(lake), "numbers": BOTH, **arguments}
        start = (TODAY + start[0]).replace(tzinfo=start[1]) if isinstance(start, tuple) else TODAY + start
        end = end if isinstance(end, str) else TODAY + end
        operator = SunSimCallsToObjectStorageOperator(start=start, end=end, **given)
        with pytest.raises(TelecomInputError, match=f"^{rule}"):
            Run().execute(operator, params={"end": "soon"})
        assert not telecom_simulator.state.requests

    def test_with_the_vendors_zone_ends_must_know_theirs(
        self, telecom_simulator: Any, load: Load, hook_for: Callable[..., Any]
    ) -> None:
        hook_for("sunsim", vendor_timezone="Europe/Moscow")
        with pytest.raises(TelecomInputError, match="start: must be a datetime with a time zone"):
            load(TODAY - DAY, TODAY)
        assert not telecom_simulator.state.requests

    def test_a_number_of_somebody_elses(self, load: Load, lake: Path) -> None:
        with pytest.raises(TelecomRejectedError) as caught:
            load(TODAY - DAY, TODAY, numbers=["+79000000009"])
        assert "9000000009" not in str(caught.value)
        assert not list(lake.rglob("*.jsonl"))

    def test_a_load_that_fails_halfway_leaves_the_old_files(
        self, telecom_simulator: Any, vendor_state: VendorState, load: Load, lake: Path
    ) -> None:
        fill(vendor_state, TODAY - 4 * DAY, 3, 10)
        load(TODAY - 4 * DAY, TODAY)
        before = contents(lake)
        for calls in vendor_state.calls.values():
            calls.clear()
        telecom_simulator.fault("half_body", "sunsim", path="getcalllist", times=20)
        with pytest.raises(TelecomNoAnswerError):
            load(TODAY - 4 * DAY, TODAY)
        telecom_simulator.state.faults.clear()
        telecom_simulator.state.requests.clear()
        vendor_state.regenerate_authorization_token()
        with pytest.raises(TelecomAuthError):
            load(TODAY - 4 * DAY, TODAY)
        assert contents(lake) == before

    def test_nothing_private_is_in_xcom_fields_or_log(
        self,
        vendor_state: VendorState,
        hook_for: Callable[..., Any],
        lake: Path,
        monkeypatch: pytest.MonkeyPatch,
        logged: Callable[[], str],
    ) -> None:
        from airflow_provider_telecom.transfers import progress_logger

        monkeypatch.setattr(progress_logger, "EVERY_SECONDS", 0.0)
        hook_for("sunsim")
        fill(vendor_state, TODAY - 4 * DAY, 3, 20)
        operator = SunSimCallsToObjectStorageOperator(
            task_id="load",
            path="{{ params.lake }}",
            numbers=["{{ params.number }}"],
            start=f"{TODAY - 4 * DAY:%Y-%m-%dT%H:%M:%S}",
            end="{{ params.end }}",
            direction="outgoing",
        )
        params = {"lake": str(lake), "number": BOTH[0], "end": (TODAY - DAY).isoformat()}
        summary = Run().execute(operator, params=params)
        log = logged()
        assert summary["rows"] > 0
        fields = [str(getattr(operator, name)) for name in operator.template_fields]
        assert "9000000000" not in json.dumps(summary) + log + " ".join(fields)
        assert "2 of 3 windows" in log
        manifest = json.loads(next(lake.rglob("_calls*.json")).read_text())
        assert manifest["columns"][1]["assumed"] is True

    def test_it_emits_an_event_for_the_folder(
        self, vendor_state: VendorState, hook_for: Callable[..., Any], lake: Path
    ) -> None:
        hook_for("sunsim")
        call(vendor_state, TODAY - DAY)
        operator = SunSimCallsToObjectStorageOperator(
            task_id="load", path=str(lake), numbers=BOTH, start=TODAY - DAY, end=TODAY
        )
        run = Run()
        summary = run.execute(operator)
        extra = run.outlet_events[Asset(lake.as_uri())].extra
        assert extra == {"rows": 1, "bytes": summary["bytes"]}


def lists(simulator: Any) -> list[Any]:
    return [one for one in simulator.state.requests if one.path.endswith("getcalllist")]


def fetches(simulator: Any) -> list[Any]:
    return [one for one in simulator.state.requests if one.path.endswith("getcallrecordfile")]


def named(record_id: str) -> str:
    return f"recording-{hashlib.sha256(record_id.encode()).hexdigest()}.mp3"


def mp3(seed: int, size: int = 5000) -> bytes:
    return b"ID3\x04\x00" + random.Random(seed).randbytes(size)


def recorded(vendor_state: VendorState, count: int, at: datetime = TODAY - DAY + HOUR) -> list[str]:
    """Add calls with recordings, an hour apart; return the recordings' ids."""
    ids = [vendor_state.new_id() for _ in range(count)]
    for place, record_id in enumerate(ids):
        call(vendor_state, at + place * HOUR, record_id)
        vendor_state.recordings[record_id] = mp3(place)
    return ids


INTERVAL = {"numbers": BOTH, "start": TODAY - 3 * DAY, "end": TODAY}


class TestRecordings:
    def test_those_of_an_interval_stand_on_their_days_with_an_index(
        self, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        ids = recorded(vendor_state, 30, TODAY - 2 * DAY + HOUR / 2)
        call(vendor_state, TODAY - DAY)
        summary = save(**INTERVAL)
        assert {key: summary[key] for key in ("saved", "fetched", "missing", "unreadable", "rows")} == {
            "saved": 30,
            "fetched": 30,
            "missing": 0,
            "unreadable": 0,
            "rows": 30,
        }
        assert summary["bytes"] == sum(map(len, vendor_state.recordings.values()))
        calls = {one.record_id: one for one in vendor_state.calls[NUMBER]}
        rows = rows_in(lake, "recordings")
        assert [row["record_id"] for row in rows] == ids
        for row in rows:
            record_id, content = row["record_id"], vendor_state.recordings[row["record_id"]]
            day = f"{calls[record_id].at:%Y-%m-%d}"
            assert row["file"] == f"date={day}/{named(record_id)}"
            assert (lake / row["file"]).read_bytes() == content
            assert (row["day"], row["state"], row["bytes"]) == (day, "saved", len(content))
            assert row["sha256"] == hashlib.sha256(content).hexdigest()
            assert row["vendor_file_name"] == f"{record_id}.mp3"
            assert row["reason"] is None
            assert row["raw"]["callId"] == calls[record_id].id
        assert {path.stat().st_mode & 0o777 for path in lake.rglob("*.mp3")} == {0o600}

    @pytest.mark.parametrize("form", ["list", "JSON", "template", "XCom"])
    def test_those_of_ids(self, vendor_state: VendorState, save: Load, lake: Path, form: str) -> None:
        ids = recorded(vendor_state, 3)
        twice = [*ids, ids[0]]
        given: Any = {"list": twice, "JSON": json.dumps(twice), "template": "{{ params.ids | tojson }}"}
        summary = save(
            record_ids=given.get(form, "{{ ti.xcom_pull(task_ids='ids') }}"),
            context={"params": {"ids": twice}, "ti": _Ti(json.dumps(twice))},
        )
        assert (summary["saved"], summary["fetched"], summary["rows"]) == (3, 3, 3)
        (index,) = lake.glob("recordings/recordings-*.jsonl")
        rows = [json.loads(line) for line in index.read_text().splitlines()]
        assert [row["record_id"] for row in rows] == ids
        for row in rows:
            assert (lake / row["file"]).read_bytes() == vendor_state.recordings[row["record_id"]]
            assert row["file"] == f"recordings/{named(row['record_id'])}"
            assert row["raw"] is None
        assert summary["files"][0]["path"] == str(index)

    def test_the_index_of_other_ids_replaces_none(
        self, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        ids = recorded(vendor_state, 3)
        save(record_ids=ids[:2])
        save(record_ids=ids[1:])
        save(record_ids=ids[:2][::-1])
        assert sorted(len(file.read_text().splitlines()) for file in lake.glob("*/*.jsonl")) == [2, 2]
        assert save(record_ids=[])["saved"] == 0

    @pytest.mark.parametrize("output_format", FORMATS)
    def test_the_index_in_all_formats(
        self, vendor_state: VendorState, save: Load, lake: Path, output_format: str
    ) -> None:
        (record_id,) = recorded(vendor_state, 1)
        summary = save(record_ids=[record_id], output_format=output_format)
        (file,) = summary["files"]
        if output_format == "parquet":
            import pyarrow.parquet

            (row,) = pyarrow.parquet.read_table(file["path"]).to_pylist()
        elif output_format == "csv":
            (row,) = csv.DictReader(io.StringIO(Path(file["path"]).read_text(), newline=""))
        else:
            row = json.loads(Path(file["path"]).read_text())
        assert (row["record_id"], row["state"], int(row["bytes"])) == (record_id, "saved", 5005)

    def test_what_stands_there_is_not_fetched_again(
        self, telecom_simulator: Any, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        ids = recorded(vendor_state, 4)
        first = save(**INTERVAL)
        before = contents(lake)
        telecom_simulator.state.requests.clear()
        vendor_state.recordings[ids[0]] = mp3(99, 10)
        again = save(**INTERVAL)
        assert not fetches(telecom_simulator)
        assert (again["saved"], again["fetched"], again["bytes"]) == (4, 0, first["bytes"])
        recordings = {name for name in before if ".mp3" in name}
        assert {name: contents(lake)[name] for name in recordings} == {
            name: before[name] for name in recordings
        }
        assert save(**INTERVAL, refetch=True)["fetched"] == 4
        assert next(lake.rglob(named(ids[0]))).read_bytes() == vendor_state.recordings[ids[0]]

    def test_what_does_not_stand_there_whole_is_fetched_again(
        self, telecom_simulator: Any, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        ids = recorded(vendor_state, 6)
        save(record_ids=ids)
        folder = lake / "recordings"
        (folder / named(ids[0])).unlink()
        (folder / named(ids[1])).write_bytes(b"ID3")
        (folder / f"_{named(ids[2])}.json").unlink()
        (folder / f"_{named(ids[3])}.json").write_text('{"bytes"')
        (folder / f"_{named(ids[4])}.json").write_text("[]")
        telecom_simulator.state.requests.clear()
        assert save(record_ids=ids)["fetched"] == len(fetches(telecom_simulator)) == 5
        for record_id in ids:
            assert (folder / named(record_id)).read_bytes() == vendor_state.recordings[record_id]
        assert save(record_ids=ids)["fetched"] == 0

    def test_where_recordings_go_is_any_store(
        self, store: Any, vendor_state: VendorState, save: Load, telecom_simulator: Any
    ) -> None:
        ids = recorded(vendor_state, 3)
        place = {"path": store.url, "storage_conn_id": store.conn_id}
        assert save(**INTERVAL, **place)["fetched"] == 3
        files = store.files()
        found = {name.rpartition("/")[2]: files[name] for name in files if name.endswith(".mp3")}
        assert found == {named(record_id): vendor_state.recordings[record_id] for record_id in ids}
        again = save(**INTERVAL, **place)
        assert (again["saved"], again["fetched"]) == (3, 0)
        assert save(**INTERVAL, **place, refetch=True)["fetched"] == 3

    def test_a_recording_of_two_calls_is_fetched_once(
        self, telecom_simulator: Any, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        (record_id,) = recorded(vendor_state, 1)
        call(vendor_state, TODAY - DAY + 2 * HOUR, record_id)
        call(vendor_state, TODAY - DAY + 3 * HOUR, "gone")
        call(vendor_state, TODAY - DAY + 4 * HOUR, "gone")
        summary = save(**INTERVAL, refetch=True)
        assert len(fetches(telecom_simulator)) == 2
        assert (summary["saved"], summary["fetched"], summary["missing"], summary["rows"]) == (1, 1, 1, 4)
        assert len(rows_in(lake, "recordings")) == 4

    CONTENTS: tuple[bytes, ...] = (b"<html>", b"", b"ID", b"RIFF1234WAVE", b"\xff\xd8\xff\xe0")

    def test_the_missing_and_the_unreadable_are_reported_and_the_others_saved(
        self, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        ids = recorded(vendor_state, 8)
        for record_id, content in zip(ids, self.CONTENTS, strict=False):
            vendor_state.recordings[record_id] = content
        del vendor_state.recordings[ids[5]]
        summary = save(**INTERVAL)
        assert (summary["saved"], summary["missing"], summary["unreadable"]) == (2, 1, 5)
        assert summary["bytes"] == 2 * 5005
        rows = rows_in(lake, "recordings")
        assert [row["state"] for row in rows] == [*["unreadable"] * 5, "missing", "saved", "saved"]
        assert "no such recording (vendor code 7)" in rows[5]["reason"]
        assert all("MP3" in row["reason"] or "without" in row["reason"] for row in rows[:5])
        assert all(row["file"] is row["bytes"] is row["sha256"] is None for row in rows[:6])
        assert {path.name for path in lake.rglob("*.mp3")} == {named(record_id) for record_id in ids[6:]}

    def test_they_can_fail_the_task_once_the_others_are_saved(
        self, telecom_simulator: Any, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        ids = recorded(vendor_state, 3)
        lost = vendor_state.recordings.pop(ids[0])
        vendor_state.recordings[ids[1]] = b"<html>"
        with pytest.raises(
            TelecomRejectedError, match="1 recordings are missing and 1 unreadable; 1 are sav"
        ):
            save(**INTERVAL, on_missing="fail")
        assert [row["state"] for row in rows_in(lake, "recordings")] == ["missing", "unreadable", "saved"]
        vendor_state.recordings.update({ids[0]: lost, ids[1]: mp3(1)})
        telecom_simulator.state.requests.clear()
        assert save(**INTERVAL, on_missing="fail")["fetched"] == len(fetches(telecom_simulator)) == 2

    ANSWERS: tuple[tuple[str, str], ...] = (
        ('{"error": {"errorCode": 0}, "result": {}}', "unreadable"),
        ('{"error": {"errorCode": 0}, "fileContent": null}', "unreadable"),
        ('{"error": {"errorCode": 0}, "fileContent": "SUQz BAA"}', "unreadable"),
        ('{"error": {"errorCode": 0}, "fileContent": "SUQzBAAA"', "unreadable"),
        ('{"fileContent": "SUQzBAAA", "result": {"fileContent": "SUQzBAAA"}}', "unreadable"),
        ('{"fileContent": "SUQzBAAA", "error": {"errorCode": 7, "errorMessage": "no"}}', "missing"),
        ('{"error": {"errorCode": 7, "errorMessage": "no"}, "fileContent": "string"}', "missing"),
    )

    @pytest.mark.parametrize(("body", "state"), ANSWERS)
    def test_a_recording_that_breaks_a_rule_leaves_no_file(
        self,
        telecom_simulator: Any,
        vendor_state: VendorState,
        save: Load,
        lake: Path,
        monkeypatch: pytest.MonkeyPatch,
        body: str,
        state: str,
    ) -> None:
        from airflow_provider_telecom.calls import retry

        monkeypatch.setattr(retry, "_FIRST_BACK_OFF", 0.01)
        telecom_simulator.fault("status", "sunsim", path="getcallrecordfile", status=200, body=body, times=4)
        assert save(record_ids=["a1"])[state] == 1
        assert not list(lake.rglob("*.mp3*"))

    def test_other_errors_fail_and_the_next_try_goes_on(
        self,
        telecom_simulator: Any,
        vendor_state: VendorState,
        save: Load,
        lake: Path,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        from airflow_provider_telecom.calls import retry

        monkeypatch.setattr(retry, "_FIRST_BACK_OFF", 0.01)
        ids = recorded(vendor_state, 5)
        place, puts = storage.place, []

        def third_time(file: Path, target: Any) -> None:
            puts.append(target.name)
            place(file, target)
            if len(puts) == 6:  # each recording and its manifest
                telecom_simulator.fault("half_body", "sunsim", path="getcallrecordfile", times=30)

        with monkeypatch.context() as patched:
            patched.setattr(storage, "place", third_time)
            with pytest.raises(TelecomNoAnswerError):
                save(**INTERVAL)
        assert len(list(lake.rglob("recording-*.mp3"))) == 3
        assert not list(lake.rglob("recordings*"))
        telecom_simulator.state.faults.clear()
        telecom_simulator.state.requests.clear()
        summary = save(**INTERVAL)
        assert (summary["saved"], summary["fetched"]) == (5, 2)
        assert len(fetches(telecom_simulator)) == 2
        assert {path.read_bytes() for path in lake.rglob("*.mp3")} == {
            vendor_state.recordings[one] for one in ids
        }

    def test_dead_credentials_fail(self, vendor_state: VendorState, save: Load, lake: Path) -> None:
        recorded(vendor_state, 2)
        vendor_state.regenerate_authorization_token()
        with pytest.raises(TelecomAuthError):
            save(**INTERVAL)
        with pytest.raises(TelecomAuthError):
            save(record_ids=["a1"])
        assert not list(lake.rglob("*.mp3"))

    def test_calls_that_cannot_be_read_stop_it_before_anything_is_fetched(
        self, telecom_simulator: Any, vendor_state: VendorState, save: Load, lake: Path
    ) -> None:
        recorded(vendor_state, 2)
        vendor_state.stray_rows.append(7)
        with pytest.raises(TelecomAnswerError, match="cannot be read"):
            save(**INTERVAL)
        assert not fetches(telecom_simulator)
        summary = save(**INTERVAL, on_bad_rows="quarantine")
        assert (summary["saved"], summary["bad_rows"]) == (2, 3)

    @pytest.mark.parametrize(
        ("status", "body"),
        [
            (404, '{"error": {"errorCode": 0}, "fileContent": "SUQzBAAA"}'),
            (404, "<html>Not found</html>"),
            (400, "<html>Bad request</html>"),
            (200, "<html>Sorry, we are back soon</html>"),
            (200, ""),
            (200, '{"error": true}'),
        ],
    )
    def test_an_error_page_says_nothing_of_recordings(
        self,
        telecom_simulator: Any,
        save: Load,
        lake: Path,
        monkeypatch: pytest.MonkeyPatch,
        status: int,
        body: str,
    ) -> None:
        """Else a wrong address, or a vendor at rest, would leave a green task and an index full of holes."""
        from airflow_provider_telecom.calls import retry

        monkeypatch.setattr(retry, "_FIRST_BACK_OFF", 0.01)
        telecom_simulator.fault(
            "status", "sunsim", path="getcallrecordfile", status=status, body=body, times=9
        )
        with pytest.raises((TelecomAnswerError, TelecomRejectedError)):
            save(record_ids=["a1"])
        assert not list(lake.rglob("*.mp3"))
        assert not list(lake.rglob("recordings*"))

    def test_filters_are_those_of_the_list(
        self, vendor_state: VendorState, save: Load, lake: Path, telecom_simulator: Any
    ) -> None:
        recorded(vendor_state, 3)
        call(vendor_state, TODAY - DAY + 9 * HOUR, "b1", duration=500)
        vendor_state.recordings["b1"] = mp3(9)
        assert save(**INTERVAL, duration_from_seconds=100)["saved"] == 1
        summary = save(**INTERVAL)
        assert (summary["saved"], summary["fetched"]) == (4, 3)
        assert len(list(lake.glob("*/recordings-*.jsonl"))) == 3
        assert len(list(lake.glob("*/recordings.jsonl"))) == 3

    @pytest.mark.parametrize(
        ("arguments", "rule"),
        [
            ({}, "record_ids: or numbers, start and end must be given"),
            ({"numbers": BOTH}, "record_ids: or numbers, start and end"),
            ({"record_ids": ["a"], "start": "2026-10-25T00:00:00"}, "record_ids: or numbers, start and end"),
            ({"record_ids": ["a"], "numbers": BOTH}, "record_ids: or numbers, start and end"),
            ({"record_ids": ["a1", "../x"]}, "record_ids: entry 2 must be 1 to 64 of the characters"),
            ({"record_ids": ["a" * 65]}, "record_ids: entry 1 must be 1 to 64"),
            ({"record_ids": [1]}, "record_ids: entry 1 must be"),
            ({"record_ids": "a1"}, "record_ids: must be a list of ids, or its JSON text"),
            ({"record_ids": '{"a": 1}'}, "record_ids: must be a list of ids, or its JSON text"),
            ({"record_ids": 5}, "record_ids: must be a list of ids, or its JSON text"),
            ({"record_ids": ["a"], "on_missing": "skip"}, "on_missing: must be one of report, fail"),
            ({"record_ids": ["a"], "refetch": "yes"}, "refetch: must be one of True, False"),
            ({**INTERVAL, "direction": "up"}, "direction: must be one of"),
            ({**INTERVAL, "start": "soon"}, "start: must be a date like"),
        ],
    )
    def test_what_cannot_be_is_refused_when_the_dag_is_parsed(
        self, arguments: dict[str, Any], rule: str
    ) -> None:
        with pytest.raises(TelecomInputError, match=f"^{rule}"):
            SunSimRecordingsToObjectStorageOperator(task_id="save", path="lake", **arguments)

    @pytest.mark.parametrize(
        ("arguments", "rule"),
        [
            ({"record_ids": ["a1", "{{ params.bad }}"]}, "record_ids: entry 2 must be"),
            ({"record_ids": "{{ params.bad }}"}, "record_ids: must be a list of ids"),
            ({"record_ids": ["a1"], "path": "/proc/self/lake"}, "path: cannot be written to"),
            ({**INTERVAL, "start": TODAY - 60 * DAY}, "end: must be at most one month after start"),
            ({**INTERVAL, "end": "{{ params.bad }}"}, "end: must be a date like"),
        ],
    )
    def test_what_is_wrong_at_run_time_is_refused_before_the_first_request(
        self, telecom_simulator: Any, save: Load, arguments: dict[str, Any], rule: str
    ) -> None:
        with pytest.raises(TelecomInputError, match=f"^{rule}"):
            save(**arguments, context={"params": {"bad": "a/b"}})
        assert not telecom_simulator.state.requests

    def test_nothing_private_is_in_xcom_fields_or_log(
        self,
        vendor_state: VendorState,
        hook_for: Callable[..., Any],
        lake: Path,
        monkeypatch: pytest.MonkeyPatch,
        logged: Callable[[], str],
    ) -> None:
        from airflow_provider_telecom.transfers import progress_logger

        monkeypatch.setattr(progress_logger, "EVERY_SECONDS", 0.0)
        hook_for("sunsim")
        recorded(vendor_state, 3)
        operator = SunSimRecordingsToObjectStorageOperator(task_id="save", path=str(lake), **INTERVAL)
        summary = Run().execute(operator)
        log = logged()
        fields = [str(getattr(operator, name)) for name in operator.template_fields]
        assert "9000000000" not in json.dumps(summary) + log + " ".join(fields)
        assert "2 of 3 recordings" in log


class _Ti:
    """A task instance that has one XCom for everybody."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def xcom_pull(self, task_ids: str) -> Any:
        return self._value


class TestHostility:
    def test_no_name_of_the_vendors_becomes_a_path(
        self, vendor_state: VendorState, save: Load, tmp_path: Path
    ) -> None:
        """The acceptance corpus: as file names, and as ids of recordings in the rows of a list."""
        assert len(NAMES) >= 300
        (tmp_path / "bystander").write_bytes(b"mine")
        (tmp_path / "lake" / "date=2026-10-25").mkdir(parents=True)
        own = tmp_path / "lake" / "x.mp3"
        own.write_bytes(b"mine too")
        ids = [f"r{place}" for place in range(len(NAMES))]
        for place, (record_id, name) in enumerate(zip(ids, NAMES, strict=True)):
            vendor_state.recordings[record_id] = mp3(place, 50)
            vendor_state.file_names[record_id] = name
            call(vendor_state, TODAY - DAY + place * SECOND, record_id)
            call(vendor_state, TODAY - DAY + place * SECOND, name or None)
            vendor_state.recordings.setdefault(name.strip(), mp3(place, 60))
        summary = save(**INTERVAL)
        day = f"date={(TODAY - DAY):%Y-%m-%d}"
        folder = tmp_path / "lake" / day
        known = {name.strip() for name in NAMES if _is_an_id(name.strip())}
        assert {"CON", "NUL", "-rf", "0"} <= known
        expected = {named(one) for one in [*ids, *known]}
        assert {path.name for path in folder.glob("*.mp3")} == expected
        allowed = {"recordings.jsonl", "_recordings.jsonl.json", *expected}
        allowed |= {f"_{name}.json" for name in expected}
        assert {path.name for path in folder.iterdir()} == allowed
        outside = {path for path in tmp_path.rglob("*") if path.is_file() and folder not in path.parents}
        empty_days = {path for path in outside if path.name in ("recordings.jsonl", "_recordings.jsonl.json")}
        assert outside - empty_days == {tmp_path / "bystander", own}
        assert (own.read_bytes(), (tmp_path / "bystander").read_bytes()) == (b"mine too", b"mine")
        rows = rows_in(tmp_path / "lake", "recordings")
        by_id = {row["record_id"]: row for row in rows}
        for place, (record_id, name) in enumerate(zip(ids, NAMES, strict=True)):
            row = by_id[record_id]
            assert (tmp_path / "lake" / row["file"]).read_bytes() == mp3(place, 50)
            assert row["vendor_file_name"].isprintable()
            assert not set(row["vendor_file_name"]) & set("/\\:\0")
            if name.strip() and not _is_an_id(name.strip()):
                assert by_id[name.strip()]["state"] == "unreadable"
        assert summary["saved"] == len(expected)

    def test_a_link_in_a_recordings_place_is_replaced_and_not_followed(
        self, vendor_state: VendorState, save: Load, tmp_path: Path
    ) -> None:
        (tmp_path / "victim").write_bytes(b"mine")
        (tmp_path / "lake" / "recordings").mkdir(parents=True)
        (tmp_path / "lake" / "recordings" / named("a1")).symlink_to(tmp_path / "victim")
        vendor_state.recordings["a1"] = mp3(1)
        assert save(record_ids=["a1"])["saved"] == 1
        assert (tmp_path / "victim").read_bytes() == b"mine"
        assert not (tmp_path / "lake" / "recordings" / named("a1")).is_symlink()


def _is_an_id(text: str) -> bool:
    return 0 < len(text) <= 64 and text.isascii() and all(char.isalnum() or char == "-" for char in text)


PROGRAM = """
import json, re, sys
from airflow_provider_telecom.transfers.sunsim_to_object_storage import (
    SunSimRecordingsToObjectStorageOperator as Save,
)
from tests.running import Run

def peak():
    # Not ru_maxrss: a new process starts with that of the one that made it.
    return int(re.search(r"VmHWM:\\s+([0-9]+) kB", open("/proc/self/status").read()).group(1))

Run().execute(Save(task_id="save", path=sys.argv[1], record_ids=["small"]))
before = peak()
summary = Run().execute(Save(task_id="save", path=sys.argv[1], record_ids=["large"]))
print(json.dumps([summary["saved"], summary["bytes"], (peak() - before) // 1024]))
"""


def test_a_recording_of_30_mb_is_never_held_in_memory(
    vendor_state: VendorState, hook_for: Callable[..., Any], lake: Path
) -> None:
    hook_for("sunsim", timeout_read=120)
    large = b"ID3" + random.Random(1).randbytes(1 << 20) * 30
    vendor_state.recordings |= {"small": mp3(1), "large": large}
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(lake)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert done.returncode == 0, done.stderr[-2000:]
    saved, size, megabytes = json.loads(done.stdout.splitlines()[-1])
    assert (saved, size) == (1, len(large))
    assert megabytes < 20, megabytes
    assert (lake / "recordings" / named("large")).read_bytes() == large
