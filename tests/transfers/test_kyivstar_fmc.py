"""Call records of the virtual PBX: each call of an interval once, whatever the clocks do."""

from __future__ import annotations

import json
import logging
import random
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pytest
import time_machine
from airflow.sdk import Asset, AssetAlias

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomInputError,
    TelecomNoAnswerError,
)
from airflow_provider_telecom.simulator.kyivstar_fmc import Call, VendorState
from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)
from airflow_provider_telecom.vendors.kyivstar_fmc.schema import COLUMNS
from tests.running import Run

UTC, KYIV = UTC, ZoneInfo("Europe/Kyiv")
AUTUMN, SPRING = datetime(2026, 10, 25, 1, tzinfo=UTC), datetime(2027, 3, 28, 1, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)
FORMATS = ("csv", "json", "xml")
Load = Callable[..., dict[str, Any]]


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("kyivstar_fmc", VendorState)
    found.calls.clear()
    return found


@pytest.fixture
def load(hook_for: Callable[..., Any], tmp_path: Path) -> Load:
    hook_for("kyivstar_fmc")

    def run(start: Any, end: Any, **arguments: Any) -> dict[str, Any]:
        given = {"task_id": "load", "path": str(tmp_path / "lake"), **arguments}
        operator = KyivstarFmcCallsToObjectStorageOperator(start=start, end=end, **given)
        found: dict[str, Any] = Run().execute(operator)
        return found

    return run


def rows_in(folder: Path) -> list[dict[str, Any]]:
    """Return the rows of all files of JSON lines of a data set."""
    return [
        json.loads(line)
        for file in sorted(folder.glob("date=*/calls*.jsonl"))
        for line in file.read_text().splitlines()
    ]


def on_the_wall(call: Call) -> tuple[Any, ...]:
    """Return what the vendor shows of a call."""
    start, end = (
        one.astimezone(KYIV).replace(tzinfo=None)
        for one in (call.start, call.start + timedelta(seconds=int(call.seconds)))
    )
    return (str(start), str(end), int(call.seconds) + 1, call.calling, call.called)


def shown(row: dict[str, Any]) -> tuple[Any, ...]:
    names = ("start_timestamp", "end_timestamp", "duration_seconds", "calling_number", "called_number")
    return tuple(row[name] for name in names)


def fill(vendor_state: VendorState, middle: datetime, count: int, days: float, seed: int = 1) -> None:
    """Add calls around a moment: many at equal seconds, some equal in all they have."""
    dice = random.Random(seed)
    for _ in range(count):
        start = middle + timedelta(seconds=dice.randint(int(-days * 86400), int(days * 86400)))
        near = middle + timedelta(seconds=dice.randint(-7200, 7200))
        numbers = dice.choice([("0670000001", "0670000002"), ("0670000003", "101")])
        for moment in (start, near):
            for _ in range(dice.choice([1, 1, 1, 2, 3])):
                vendor_state.add_call(moment, dice.choice([0, 12.5, 60, 3000]), *numbers)


def holds(start: datetime, end: datetime) -> Callable[[Call], bool]:
    """Return what says whether a call began in an interval, its wall-clock time read as the docs say."""

    def judge(call: Call) -> bool:
        wall = call.start.astimezone(KYIV).replace(tzinfo=None)
        passes = {wall.replace(tzinfo=KYIV, fold=fold).astimezone(UTC) for fold in (0, 1)}
        return len(passes) == 1 and start <= call.start < end

    return judge


INTERVALS = [
    ("an hour before", -3 * HOUR, -2 * HOUR),
    ("to the change", -DAY, -HOUR),
    ("over the change", -HOUR * 1.5, HOUR * 1.5),
    ("from the change", HOUR, DAY),
    ("a day", -4 * HOUR, 20 * HOUR),
    ("a week", -6 * DAY, DAY),
    ("more than a window", -5 * DAY, 3 * DAY),
    ("thirty days", -14 * DAY, 15 * DAY + 23 * HOUR),
]


@pytest.mark.parametrize("source_format", FORMATS)
@pytest.mark.parametrize("change", [AUTUMN, SPRING], ids=["2026-10-25", "2027-03-28"])
@pytest.mark.parametrize(
    ("first", "last"), [case[1:] for case in INTERVALS], ids=[case[0] for case in INTERVALS]
)
def test_the_multiset_of_calls_is_the_ledgers(
    vendor_state: VendorState,
    load: Load,
    tmp_path: Path,
    telecom_simulator: Any,
    change: datetime,
    first: timedelta,
    last: timedelta,
    source_format: str,
) -> None:
    with time_machine.travel(change + 16 * DAY - HOUR):
        fill(vendor_state, change, 400, 15.9)
        start, end = change + first, change + last
        summary = load(start, end, source_format=source_format)
    rows = rows_in(tmp_path / "lake")
    found = Counter(shown(row) for row in rows)
    # Calls of the hour that happens twice belong to whichever interval holds the moment they are read as.
    doubled = {key for key in found if key[0].startswith("2026-10-25 03:")}
    wanted = Counter(on_the_wall(call) for call in vendor_state.calls if holds(start, end)(call))
    assert Counter({key: count for key, count in found.items() if key not in doubled}) == wanted
    whole = Counter(on_the_wall(call) for call in vendor_state.calls)
    for key in doubled:
        assert found[key] == whole[key]
    if start <= AUTUMN - HOUR and end >= AUTUMN + HOUR:
        assert doubled == {key for key in whole if key[0].startswith("2026-10-25 03:")}
    for row in rows:
        assert row["time_ambiguous"] is row["start_timestamp"].startswith("2026-10-25 03:")
        began = datetime.fromisoformat(row["start_utc"].replace("Z", "+00:00"))
        assert start <= began < end
        assert str(began.astimezone(KYIV).replace(tzinfo=None)) == row["start_timestamp"]
    assert summary["rows"] == len(rows)
    requests = [seen for seen in telecom_simulator.state.requests if "callstat" in seen.path]
    assert len(requests) == summary["windows"]


def test_consecutive_intervals_hold_each_call_once_even_in_the_doubled_hour(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    with time_machine.travel(AUTUMN + 5 * DAY):
        fill(vendor_state, AUTUMN, 300, 0.2)
        edges = [AUTUMN + 20 * timedelta(minutes=n) for n in range(-18, 19)]
        for start, end in pairwise(edges):
            load(start, end)
    found = Counter(shown(row) for row in rows_in(tmp_path / "lake"))
    inside = [call for call in vendor_state.calls if edges[0] <= call.start < edges[-1]]
    assert found == Counter(map(on_the_wall, inside))


def test_loaded_as_they_end_the_hours_of_the_change_lose_no_call(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    """Each quarter of an hour is loaded at its very end, when later calls have not happened yet."""
    fill(vendor_state, AUTUMN, 300, 0.1)
    calls = [call for call in vendor_state.calls if call.seconds == 0]
    vendor_state.calls.clear()
    edges = [AUTUMN + 15 * timedelta(minutes=n) for n in range(-12, 13)]
    for start, end in pairwise(edges):
        with time_machine.travel(end + timedelta(seconds=5)):
            vendor_state.calls[:] = [call for call in calls if call.start <= end]
            load(start, end)
    found = Counter(shown(row) for row in rows_in(tmp_path / "lake"))
    assert found == Counter(on_the_wall(call) for call in calls if edges[0] <= call.start < edges[-1])


def test_the_table_has_all_columns_and_their_values(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    start = (now - 2 * DAY).replace(hour=9, minute=0, second=0, microsecond=0)
    vendor_state.add_call(
        start,
        13,
        "0670000001",
        "101",
        calling_name="Ганна",
        called_name="",
        department='Sales; "A"',
        own=True,
    )
    for source_format in FORMATS:
        load(
            start - HOUR,
            start + HOUR,
            source_format=source_format,
            names=True,
            departments=True,
            ownership=True,
        )
        (row,) = rows_in(tmp_path / "lake")
        raw = row.pop("raw")
        assert set(row) == {column.name for column in COLUMNS} - {"raw"}
        wall = start.astimezone(KYIV)
        assert row == {
            "start_utc": f"{start:%Y-%m-%dT%H:%M:%SZ}",
            "end_utc": f"{start + timedelta(seconds=13):%Y-%m-%dT%H:%M:%SZ}",
            "time_ambiguous": False,
            "start_timestamp": f"{wall:%Y-%m-%d %H:%M:%S}",
            "end_timestamp": f"{wall + timedelta(seconds=13):%Y-%m-%d %H:%M:%S}",
            "duration_seconds": 14,
            "calling_msisdn": "380670000001",
            "called_msisdn": None,
            "calling_number": "0670000001",
            "called_number": "101",
            "calling_name": "Ганна",
            "called_name": None,
            "department": 'Sales; "A"',
            "own": {"json": "true"}.get(source_format, "True"),
        }
        assert raw["calling_number"] == "0670000001"
        assert raw["department"] == 'Sales; "A"'


def test_nothing_is_asked_that_was_not_requested(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    vendor_state.add_call(now - DAY, 13, "0670000001", "101", calling_name="Ганна")
    load(now - 2 * DAY, now - HOUR)
    (row,) = rows_in(tmp_path / "lake")
    assert row["calling_name"] is None
    assert "calling_name" not in row["raw"]


def test_the_documents_trailing_commas_are_put_up_with(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    vendor_state.switches.turn_on("trailing_comma")
    fill(vendor_state, now - DAY, 50, 0.2)
    summary = load(now - 2 * DAY, now - HOUR, source_format="json")
    assert summary["rows"] == len(vendor_state.calls)


@pytest.mark.parametrize("hours", [0.5, 2, 23])
def test_a_long_call_is_found_in_whichever_window_it_began(
    vendor_state: VendorState, load: Load, tmp_path: Path, hours: float
) -> None:
    """The vendor may go by when calls ended: one that goes on beyond its window is asked for all the same."""
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - 20 * DAY
    for minutes in range(0, 14 * 1440, 97):
        vendor_state.add_call(start + timedelta(minutes=minutes), hours * 3600, "0670000001", "0670000002")
    vendor_state.switches.set("period_of", "end")
    assert load(start, start + 14 * DAY)["rows"] == len(vendor_state.calls)


def test_a_rerun_finds_the_late_and_forgets_the_gone(
    vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    end = datetime.now(UTC) - DAY
    start = end - DAY
    under_way = vendor_state.add_call(end - HOUR / 2, 2 * 86400, "0670000001", "0670000002")
    fill(vendor_state, end - DAY / 2, 20, 0.3)
    before = load(start, end)["rows"]
    vendor_state.calls.remove(under_way)
    vendor_state.add_call(under_way.start, 1800, under_way.calling, under_way.called)
    assert load(start, end)["rows"] == before + 1
    vendor_state.calls.clear()
    assert load(start, end)["rows"] == 0
    assert rows_in(tmp_path / "lake") == []


@pytest.mark.parametrize(
    ("arguments", "rule"),
    [
        ({"start": "yesterday"}, "start: must be a date"),
        ({"end": "2026-13-01T00:00:00Z"}, "end: must be a date"),
        ({"source_format": "xlsx"}, "source_format: must be one of json, csv, xml"),
        ({"output_format": "avro"}, "output_format: must be one of csv, jsonl, parquet"),
        ({"on_bad_rows": "skip"}, "on_bad_rows: must be one of fail, quarantine"),
        ({"csv_safe": True}, "csv_safe: is for csv only"),
        ({"encoding": "cp1251", "source_format": "json"}, "encoding: is about csv"),
        ({"encoding": "utf-16"}, "encoding: must be one of utf-8, cp1251"),
        ({"names": "on"}, "names: must be one of True, False"),
    ],
)
def test_what_cannot_be_is_refused_when_the_dag_is_parsed(arguments: dict[str, Any], rule: str) -> None:
    given = {"start": "2026-10-25T00:00:00Z", "end": "2026-10-26T00:00:00Z", "path": "lake", **arguments}
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        KyivstarFmcCallsToObjectStorageOperator(task_id="load", **given)


NOW = datetime.now(UTC)


@pytest.mark.parametrize(
    ("start", "end", "path", "rule"),
    [
        (NOW - 31 * DAY, NOW - DAY, "lake", "start: must be at most 30 days ago"),
        (NOW - DAY, NOW - 2 * DAY, "lake", "end: must be later than start"),
        (NOW - DAY, NOW + DAY, "lake", "end: must not be in the future"),
        (NOW.replace(tzinfo=None) - DAY, NOW, "lake", "start: must be a datetime with a time zone"),
        (NOW - DAY, NOW - HOUR, "/proc/self/lake", "path: cannot be written to"),
    ],
)
def test_what_the_vendor_would_refuse_is_refused_before_the_first_request(
    telecom_simulator: Any, load: Load, tmp_path: Path, start: Any, end: Any, path: str, rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=f"^{rule}"):
        load(start, end, path=path if path.startswith("/") else str(tmp_path / path))
    assert not telecom_simulator.state.requests


def answer(telecom_simulator: Any, body: str, suffix: str) -> None:
    telecom_simulator.fault("status", "kyivstar_fmc", path="callstat", status=200, body=body)


GOOD = "2026-11-20 10:00:00,2026-11-20 10:00:10,0670000001,11,0670000002"
HEAD = "start_timestamp,end_timestamp,calling_number,duration,called_number"
BROKEN = {
    "csv": f"{HEAD}\n{GOOD}\n2026-11-20 10:00:00,never,0670000001,11,0670000002\n{GOOD}\n1,2\n",
    "json": json.dumps({
        "calls": [
            dict(zip(HEAD.split(","), GOOD.split(","), strict=True)),
            {"start_timestamp": "2026-11-20 10:00:00", "end_timestamp": "never", "duration": 11}
            | {"calling_number": "0670000001", "called_number": "0670000002"},
            dict(zip(HEAD.split(","), GOOD.split(","), strict=True)),
            7,
        ]
    }),
}
NAMED = {"csv": ("line 3", "line 5"), "json": ("record 2", "record 4")}


@pytest.mark.parametrize("source_format", BROKEN)
def test_a_broken_record_stops_the_load_and_is_named(
    telecom_simulator: Any, vendor_state: VendorState, load: Load, tmp_path: Path, source_format: str
) -> None:
    at = datetime(2026, 11, 20, tzinfo=UTC)
    with time_machine.travel(at + DAY):
        vendor_state.add_call(at + HOUR, 3, "0670000001", "0670000002")
        load(at, at + 20 * HOUR)
        before = rows_in(tmp_path / "lake")
        answer(telecom_simulator, BROKEN[source_format], source_format)
        with pytest.raises(TelecomAnswerError) as caught:
            load(at, at + 20 * HOUR, source_format=source_format)
        assert "2 records cannot be read" in str(caught.value)
        for place in NAMED[source_format]:
            assert f"window 1, {place}: " in str(caught.value)
        assert "end_timestamp: must be a time" in str(caught.value)
        assert "0670000" not in str(caught.value)
        assert rows_in(tmp_path / "lake") == before != []
        answer(telecom_simulator, BROKEN[source_format], source_format)
        summary = load(at, at + 20 * HOUR, source_format=source_format, on_bad_rows="quarantine")
    assert (summary["rows"], summary["bad_rows"]) == (2, 2)
    lines = [json.loads(line) for line in Path(summary["quarantine"]).read_text().splitlines()]
    assert [line["place"] for line in lines] == [f"window 1, {place}" for place in NAMED[source_format]]
    assert "never" in lines[0]["raw"]


@pytest.mark.parametrize(
    ("suffix", "body"),
    [
        ("json", '{"calls": [{"start_timestamp": "2026-11-20 10:00:00"'),
        ("json", '{"error": "not all are there", "calls": []}'),
        ("xml", "<calls><call><start_timestamp>2026-11-20 10:00:00</start_timestamp>"),
        ("xml", "<html><body>Sorry</body></html>"),
        ("csv", "<html><body>Sorry</body></html>"),
        ("csv", ""),
    ],
)
def test_what_is_no_list_of_calls_is_not_taken_for_an_empty_one(
    telecom_simulator: Any,
    load: Load,
    tmp_path: Path,
    suffix: str,
    body: str,
) -> None:
    telecom_simulator.fault("body", "kyivstar_fmc", path="callstat", body=body, times=9)
    now = datetime.now(UTC)
    with pytest.raises(TelecomAnswerError):
        load(now - 2 * DAY, now - DAY, source_format=suffix, on_bad_rows="quarantine")
    assert not list((tmp_path / "lake").rglob("*.jsonl"))


@pytest.mark.parametrize("source_format", FORMATS)
def test_an_answer_to_another_request_is_not_taken_for_a_day_without_calls(
    telecom_simulator: Any, vendor_state: VendorState, load: Load, tmp_path: Path, source_format: str
) -> None:
    """A cache in between that overlooks the query gives yesterday's list, or last week's."""
    now = datetime.now(UTC)
    vendor_state.add_call(now - 20 * DAY, 13, "0670000001", "101")
    hook = KyivstarFmcCallsToObjectStorageOperator(task_id="x", path="x", start=now, end=now).hook
    hook.download_call_records(tmp_path / "old", now - 21 * DAY, now - 19 * DAY, format=source_format)
    old = (tmp_path / "old").read_text()
    telecom_simulator.fault("body", "kyivstar_fmc", path="callstat", body=old, times=9)
    with pytest.raises(TelecomAnswerError, match="is outside of the period that was asked for"):
        load(now - 2 * DAY, now - HOUR, source_format=source_format)
    summary = load(now - 2 * DAY, now - HOUR, source_format=source_format, on_bad_rows="quarantine")
    assert (summary["rows"], summary["bad_rows"]) == (0, 1)


def test_the_default_format_is_one_whose_end_can_be_recognised(
    telecom_simulator: Any, vendor_state: VendorState, load: Load
) -> None:
    now = datetime.now(UTC)
    for hours in range(2, 20):
        vendor_state.add_call(now - hours * HOUR, 13, "0670000001", "101")
    load(now - DAY, now)
    assert [seen.path for seen in telecom_simulator.state.requests] == ["/api/cdr/v1/callstat.json"]


@pytest.mark.parametrize("suffix", FORMATS)
def test_no_calls_at_all_is_an_empty_day(
    vendor_state: VendorState, load: Load, tmp_path: Path, suffix: str
) -> None:
    end = datetime.now(KYIV).replace(hour=0, minute=0, second=0, microsecond=0)
    summary = load(end - 3 * DAY, end, source_format=suffix)
    assert summary["rows"] == 0
    assert len(summary["files"]) == 3
    assert {Path(file["path"]).read_bytes() for file in summary["files"]} == {b""}


def test_a_download_that_breaks_off_leaves_the_old_files(
    telecom_simulator: Any, vendor_state: VendorState, load: Load, tmp_path: Path
) -> None:
    now = datetime.now(UTC)
    fill(vendor_state, now - DAY, 20, 0.2)
    load(now - 2 * DAY, now - HOUR)
    before = {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()}
    vendor_state.calls.clear()
    telecom_simulator.fault("half_body", "kyivstar_fmc", path="callstat", times=20)
    with pytest.raises(TelecomNoAnswerError):
        load(now - 2 * DAY, now - HOUR)
    telecom_simulator.state.faults.clear()
    vendor_state.token = "another"
    with pytest.raises(TelecomAuthError):
        load(now - 2 * DAY, now - HOUR)
    assert {path: path.read_bytes() for path in (tmp_path / "lake").rglob("*") if path.is_file()} == before


def test_calls_go_to_a_disk_and_to_an_object_store_alike(
    vendor_state: VendorState, load: Load, store: Any
) -> None:
    now = datetime.now(UTC)
    fill(vendor_state, now - DAY, 30, 0.2)
    for output_format in ("parquet", "jsonl"):
        summary = load(
            now - 2 * DAY,
            now - HOUR,
            path=store.url,
            storage_conn_id=store.conn_id,
            output_format=output_format,
        )
    assert summary["rows"] == len(vendor_state.calls)
    files = {name: content for name, content in store.files().items() if "/_" not in name}
    assert sum(content.count(b"\n") for content in files.values()) == len(vendor_state.calls)
    assert all(name.endswith(".jsonl") for name in files)
    assert len(files) == len(summary["files"])


@pytest.mark.parametrize("store", ["s3"], indirect=True)
def test_a_bucket_that_is_not_there_is_refused_before_the_first_request(
    load: Load, store: Any, telecom_simulator: Any
) -> None:
    now = datetime.now(UTC)
    with pytest.raises(TelecomInputError, match=r"^path: cannot be written to"):
        load(now - 2 * DAY, now, path="s3://nobodys/calls", storage_conn_id=store.conn_id)
    assert not telecom_simulator.state.requests


@pytest.fixture
def quick_progress(monkeypatch: pytest.MonkeyPatch) -> None:
    from airflow_provider_telecom.transfers import progress_logger

    monkeypatch.setattr(progress_logger, "EVERY_SECONDS", 0.0)


def test_progress_is_logged_without_numbers(
    vendor_state: VendorState,
    load: Load,
    quick_progress: None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    now = datetime.now(UTC)
    fill(vendor_state, now - 10 * DAY, 20, 9)
    with caplog.at_level(logging.DEBUG):
        load(now - 19 * DAY, now - HOUR)
    log = "".join(capfd.readouterr()) + caplog.text
    assert "Progress: 0.0 MB" in log
    assert "2 of 4 windows" in log
    assert "670000" not in log


def test_an_asset_does_not_name_the_connection_of_its_bucket() -> None:
    now = datetime.now(UTC)
    found = KyivstarFmcCallsToObjectStorageOperator(
        task_id="a", path="s3://some_conn@calls/kyiv/", start=now - 2 * DAY, end=now - HOUR
    )
    assert found.outlets == [Asset("s3://calls/kyiv")]


def test_the_folders_asset_is_updated_and_lineage_names_it(
    vendor_state: VendorState, hook_for: Callable[..., Any], tmp_path: Path
) -> None:
    hook_for("kyivstar_fmc")
    now = datetime.now(UTC)
    vendor_state.add_call(now - DAY, 3, "0670000001", "0670000002")
    uri = (tmp_path / "lake").as_uri()
    bounds = {"start": now - 2 * DAY, "end": now - HOUR}
    literal = KyivstarFmcCallsToObjectStorageOperator(task_id="a", path=str(tmp_path / "lake"), **bounds)
    assert literal.outlets == [Asset(uri)]
    run = Run()
    summary = run.execute(literal)
    assert run.outlet_events[Asset(uri)].extra == {"rows": 1, "bytes": summary["bytes"]}
    (output,) = literal.get_openlineage_facets_on_complete(None).outputs
    assert (output.namespace, output.name) == ("file", str(tmp_path / "lake"))

    templated = KyivstarFmcCallsToObjectStorageOperator(task_id="b", path="{{ params.to }}", **bounds)
    run = Run()
    run.execute(templated, params={"to": str(tmp_path / "lake")})
    alias = next(outlet for outlet in templated.outlets if isinstance(outlet, AssetAlias))
    (event,) = run.outlet_events[alias].asset_alias_events
    assert event.dest_asset_key.uri == uri
    assert event.extra["rows"] == 1


def test_a_missing_library_is_an_error_when_the_dag_is_parsed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    command = r"pip install 'airflow-provider-telecom\[parquet\]'"
    with pytest.raises(TelecomInputError, match=f"^output_format: needs the library pyarrow: {command}"):
        KyivstarFmcCallsToObjectStorageOperator(
            task_id="load", path="lake", start=AUTUMN, end=AUTUMN + DAY, output_format="parquet"
        )
