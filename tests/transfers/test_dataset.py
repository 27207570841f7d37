"""Files of a data set: complete or absent, replaced by a rerun, each record in exactly one of them."""

from __future__ import annotations

import csv
import io
import json
import multiprocessing
import multiprocessing.forkserver
import os
import random
import signal
import time
from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from zoneinfo import ZoneInfo

import pytest

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.tasks import storage
from airflow_provider_telecom.transfers.dataset import Dataset, DatasetSpec
from airflow_provider_telecom.transfers.parts import Part, parts_by_day
from airflow_provider_telecom.vendors.columns import RAW, Column, ColumnType, json_text
from tests.eventually import HANG_SECONDS

KYIV = ZoneInfo("Europe/Kyiv")
DAY = date(2026, 10, 25)
COLUMNS = (
    Column("at_utc", ColumnType.TIMESTAMP, "when", "UTC"),
    Column("text", ColumnType.TEXT, "a text"),
    Column("count", ColumnType.INT64, "how many", "pieces"),
    Column("price", ColumnType.DECIMAL, "how much", "EUR", assumed=True),
    Column("free", ColumnType.BOOL, "whether it is free"),
    RAW,
)
ROW = {
    "at_utc": datetime(2026, 10, 25, 0, 30, tzinfo=UTC),
    "text": 'Привіт; "you",\n=1+1',
    "count": 2**62,
    "price": Decimal("12345678901234567.123456789"),
    "free": False,
    "raw": json_text({"a": {"b": Decimal("0.10")}}),
}
FORMATS = ("csv", "jsonl", "parquet")


def whole_days(*days: date) -> dict[date | None, Part]:
    return parts_by_day(
        datetime.combine(min(days), datetime.min.time()),
        datetime.combine(max(days) + timedelta(days=1), datetime.min.time()),
        None,
    )


def opened(store: Any, parts: dict[date | None, Part] | None = None, **spec: Any) -> Dataset:
    root = storage.open_folder(store.url, store.conn_id)
    return Dataset(root, DatasetSpec("calls", COLUMNS, **spec), parts or whole_days(DAY), "run")


def loaded(
    store: Any, rows: dict[date, list[dict[str, Any]]], parts: Any = None, **spec: Any
) -> dict[str, Any]:
    with opened(store, parts or whole_days(*rows), **spec) as dataset:
        for day, found in rows.items():
            for row in found:
                dataset.add(row, day)
        return dataset.publish()


def read(name: str, content: bytes) -> list[dict[str, Any]]:
    """Return the rows of a file as any reader sees them, values in the columns' own types."""
    if name.endswith(".parquet"):
        import pyarrow.parquet

        rows: list[dict[str, Any]] = pyarrow.parquet.read_table(io.BytesIO(content)).to_pylist()
        return rows
    if name.endswith(".csv"):
        return [_typed(row) for row in csv.DictReader(io.StringIO(content.decode(), newline=""))]
    return [_typed(json.loads(line)) for line in content.decode().splitlines()]


def _typed(row: dict[str, Any]) -> dict[str, Any]:
    def given(name: str, make: Callable[[Any], Any]) -> Any:
        return None if row[name] in (None, "") else make(row[name])

    return {
        "at_utc": given("at_utc", lambda text: datetime.fromisoformat(text.replace("Z", "+00:00"))),
        "text": given("text", str),
        "count": given("count", int),
        "price": given("price", Decimal),
        "free": given("free", lambda value: value in ("true", True)),
        "raw": given("raw", lambda value: value if isinstance(value, str) else json_text(value)),
    }


@pytest.mark.parametrize("output_format", FORMATS)
def test_values_are_read_back_exactly(store: Any, output_format: str) -> None:
    nothing = dict.fromkeys(ROW)
    summary = loaded(store, {DAY: [ROW, nothing]}, output_format=output_format)
    name = f"date=2026-10-25/calls.{output_format}"
    files = store.files()
    assert read(name, files[name]) == [ROW, nothing]
    assert summary["rows"] == 2
    assert summary["files"] == [
        {"path": f"{summary['path']}/{name}", "rows": 2, "bytes": len(files[name])},
    ]


def test_parquet_has_types_units_and_assumptions(tmp_path: Path) -> None:
    import pyarrow
    import pyarrow.parquet

    from tests.transfers.conftest import Disk

    loaded(Disk(tmp_path), {DAY: [ROW]}, output_format="parquet")
    schema = pyarrow.parquet.read_schema(tmp_path / "date=2026-10-25/calls.parquet")
    assert schema.field("at_utc").type == pyarrow.timestamp("us", tz="UTC")
    assert schema.field("price").type == pyarrow.decimal128(38, 9)
    assert schema.field("price").metadata == {b"meaning": b"how much", b"unit": b"EUR", b"assumed": b"yes"}
    assert schema.field("count").type == pyarrow.int64()


@pytest.mark.parametrize("output_format", FORMATS)
def test_a_rerun_replaces_a_day_also_in_another_format(store: Any, output_format: str) -> None:
    loaded(store, {DAY: [ROW] * 3}, output_format="csv")
    loaded(store, {DAY: [ROW]}, output_format=output_format)
    names = set(store.files())
    assert names == {f"date=2026-10-25/calls.{output_format}", f"date=2026-10-25/_calls.{output_format}.json"}
    assert len(read(f"calls.{output_format}", store.files()[f"date=2026-10-25/calls.{output_format}"])) == 1


def test_a_day_without_records_is_a_file_without_rows(store: Any) -> None:
    loaded(store, {DAY: [ROW]})
    loaded(store, {DAY: []})
    assert store.files()["date=2026-10-25/calls.jsonl"] == b""


def test_the_manifest_describes_the_file(store: Any) -> None:
    import hashlib

    loaded(store, {DAY: [ROW]})
    files = store.files()
    manifest = json.loads(files["date=2026-10-25/_calls.jsonl.json"])
    content = files["date=2026-10-25/calls.jsonl"]
    assert manifest["sha256"] == hashlib.sha256(content).hexdigest()
    assert (manifest["rows"], manifest["bytes"], manifest["file"]) == (1, len(content), "calls.jsonl")
    assert [column["name"] for column in manifest["columns"]] == [column.name for column in COLUMNS]
    assert manifest["columns"][3]["assumed"] is True


def hour(start: int, end: int, zone: Any = None) -> dict[date | None, Part]:
    midnight = datetime(2026, 10, 24, tzinfo=zone)
    return parts_by_day(midnight + timedelta(hours=start), midnight + timedelta(hours=end), zone)


def test_a_whole_day_replaces_its_parts(store: Any) -> None:
    day = date(2026, 10, 24)
    loaded(store, {day: [ROW]}, hour(0, 1))
    loaded(store, {day: [ROW, ROW]}, hour(1, 2))
    loaded(store, {day: [ROW, ROW, ROW]}, hour(1, 2))
    found = {name: content.count(b"\n") for name, content in store.files().items() if name.endswith(".jsonl")}
    assert found == {
        "date=2026-10-24/calls_20261024T000000-20261024T010000.jsonl": 1,
        "date=2026-10-24/calls_20261024T010000-20261024T020000.jsonl": 3,
    }
    loaded(store, {day: [ROW] * 4}, hour(0, 2))
    loaded(store, {day: [ROW] * 9}, hour(0, 24))
    assert set(store.files()) == {"date=2026-10-24/calls.jsonl", "date=2026-10-24/_calls.jsonl.json"}


@pytest.mark.parametrize("earlier", [(0, 24), (0, 2), (1, 3)])
def test_overlapping_parts_are_refused_before_anything_is_read(store: Any, earlier: Any) -> None:
    loaded(store, {date(2026, 10, 24): [ROW]}, hour(*earlier))
    before = store.files()
    with pytest.raises(TelecomInputError, match=r"start: .* is loaded already"):
        opened(store, hour(1, 2))
    assert store.files() == before


def test_what_another_task_loads_meanwhile_is_not_counted_twice(store: Any) -> None:
    day = date(2026, 10, 24)
    with opened(store, hour(0, 24)) as dataset:
        dataset.add(ROW, day)
        loaded(store, {day: [ROW]}, hour(1, 2))
        dataset.publish()
    assert set(store.files()) == {"date=2026-10-24/calls.jsonl", "date=2026-10-24/_calls.jsonl.json"}
    before = store.files()
    with opened(store, hour(0, 24)), pytest.raises(TelecomInputError, match="is loaded already"):
        loaded(store, {day: [ROW]}, hour(1, 2))
    assert store.files() == before


def test_a_path_may_begin_with_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    assert storage.open_folder("~/lake").path == str(tmp_path / "home" / "lake")
    assert storage.open_folder("lake").path == str(tmp_path / "lake")
    assert {path.name for path in tmp_path.iterdir()} == {"home", "lake"}


def test_other_files_in_the_folder_are_kept(store: Any) -> None:
    loaded(store, {DAY: [ROW]})
    root = storage.open_folder(store.url, store.conn_id)
    for name in ("calls.txt", "calls_old.jsonl", "recalls.jsonl", "_SUCCESS"):
        (root / "date=2026-10-25" / name).write_text("theirs")
    loaded(store, {DAY: [ROW]})
    assert sum(content == b"theirs" for content in store.files().values()) == 4


def test_bad_rows_fail_the_load_and_are_listed(store: Any) -> None:
    loaded(store, {DAY: [ROW]})
    before = store.files()
    with opened(store) as dataset:
        dataset.add(ROW, DAY)
        dataset.add(ROW, DAY)
        for line in range(25):
            dataset.add_bad_row(f"line {line}", "duration: must be a whole number", "secret")
        with pytest.raises(
            TelecomAnswerError, match=r"25 records .* line 0: duration: .* and 5 more"
        ) as caught:
            dataset.publish()
    assert "line 19" in str(caught.value)
    assert "secret" not in str(caught.value)
    assert store.files() == before


def test_bad_rows_go_to_quarantine_until_a_clean_rerun(store: Any) -> None:
    with opened(store, on_bad_rows="quarantine") as dataset:
        dataset.add(ROW, DAY)
        dataset.add_bad_row("line 7", "duration: must be a whole number", "a,\ud800,b")
        summary = dataset.publish()
    assert (summary["rows"], summary["bad_rows"]) == (1, 1)
    line = json.loads(store.files()["_quarantine/calls_run.jsonl"])
    assert line == {"place": "line 7", "reason": "duration: must be a whole number", "raw": "a,\ud800,b"}
    assert loaded(store, {DAY: [ROW]})["quarantine"] is None
    assert "_quarantine/calls_run.jsonl" not in store.files()


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("count", 2**63),
        ("price", Decimal("0.1234567891")),
        ("price", Decimal(10) ** 29),
        ("price", Decimal("NaN")),
        ("text", "half \ud83d"),
    ],
)
def test_a_value_that_does_not_fit_its_column_is_refused(tmp_path: Path, field: str, value: Any) -> None:
    from tests.transfers.conftest import Disk

    with opened(Disk(tmp_path)) as dataset, pytest.raises(TelecomInputError, match=f"^{field}: "):
        dataset.add({**ROW, field: value}, DAY)


@pytest.mark.parametrize("start", ["=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠"])
def test_csv_safe_leaves_no_formula(tmp_path: Path, start: str) -> None:
    from tests.transfers.conftest import Disk

    row = {**ROW, "text": f"{start}cmd|' /C calc'!A0"}
    for safe, first in ((True, "'"), (False, start)):
        loaded(Disk(tmp_path), {DAY: [row]}, output_format="csv", csv_safe=safe)
        file = io.StringIO((tmp_path / "date=2026-10-25/calls.csv").read_bytes().decode(), newline="")
        (found,) = csv.DictReader(file)
        assert found["text"][0] == first
        assert found["text"].removeprefix("'") == row["text"]


def test_files_and_folders_are_private_to_the_user(tmp_path: Path) -> None:
    from tests.transfers.conftest import Disk

    disk = Disk(tmp_path / "new" / "lake")
    loaded(disk, {DAY: [ROW]})
    paths = [tmp_path / "new", *(tmp_path / "new").rglob("*")]
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_dir()} == {0o700}
    assert {path.stat().st_mode & 0o777 for path in paths if path.is_file()} == {0o600}


def test_a_symbolic_link_is_replaced_and_not_followed(tmp_path: Path) -> None:
    from tests.transfers.conftest import Disk

    elsewhere = tmp_path / "passwd"
    elsewhere.write_text("theirs")
    folder = tmp_path / "lake" / "date=2026-10-25"
    folder.mkdir(parents=True)
    (folder / "calls.jsonl").symlink_to(elsewhere)
    loaded(Disk(tmp_path / "lake"), {DAY: [ROW]})
    assert elsewhere.read_text() == "theirs"
    assert not (folder / "calls.jsonl").is_symlink()


def test_an_unwritable_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (str(tmp_path / "file" / "inner"), "", "nosuchstore://bucket/x"):
        with pytest.raises(TelecomInputError, match=r"^path: "):
            storage.open_folder(path)


def test_rows_in_memory_are_limited(tmp_path: Path) -> None:
    from tests.transfers.conftest import Disk

    days = [date(2026, 9, 1) + timedelta(days=day) for day in range(30)]
    with opened(Disk(tmp_path), whole_days(*days)) as dataset:
        for number in range(60_000):
            dataset.add({**ROW, "count": number}, days[number % 30])
            assert sum(len(file.held) for file in dataset._files.values()) <= 20_000
        summary = dataset.publish()
    assert {file["rows"] for file in summary["files"]} == {2000}


def test_days_are_in_the_vendors_zone() -> None:
    start, end = (
        datetime(2026, 10, 24, 21, tzinfo=UTC),
        datetime(2026, 10, 25, 22, tzinfo=UTC),
    )
    (only,) = parts_by_day(start, end, KYIV).items()  # 25 hours
    assert only == (DAY, Part("date=2026-10-25", start, end, whole=True))
    two = parts_by_day(start - timedelta(hours=1), end + timedelta(minutes=1), KYIV)
    assert [(f"{day}", part.whole) for day, part in two.items()] == [
        ("2026-10-24", False),
        ("2026-10-25", True),
        ("2026-10-26", False),
    ]


def rewrite_repeatedly(
    url: str, conn_id: str | None, aws: str, output_format: str, kill: int, begun: Any
) -> None:
    """Load the same two days repeatedly; all rows of one load have the same number."""
    os.environ["AIRFLOW_CONN_AWS_DEFAULT"] = aws
    store = SimpleNamespace(url=url, conn_id=conn_id)
    for version in range(1000 * kill, 1000 * kill + 1000):
        rows = [{**ROW, "count": version, "text": random.Random(n).randbytes(400).hex()} for n in range(1500)]
        loaded(store, {DAY: rows, DAY + timedelta(days=1): rows}, output_format=output_format)
        begun.set()


@pytest.fixture(scope="module")
def server() -> Any:
    """A forkserver whose processes have all imports already."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload([
        __name__,
        "pyarrow.parquet",
        "s3fs",
        "airflow.providers.amazon.aws.fs.s3",
    ])
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PYTHONPATH", str(Path(__file__).parent.parent.parent))
        multiprocessing.forkserver.ensure_running()
    return context


@pytest.mark.parametrize("output_format", ["jsonl", "parquet"])
@pytest.mark.parametrize("kills", [3, pytest.param(20, marks=pytest.mark.long)])
def test_a_killed_load_leaves_the_old_or_the_new_file(
    store: Any, server: Any, output_format: str, kills: int
) -> None:
    dice = random.Random(7)
    seen: set[int] = set()
    aws = os.environ.get("AIRFLOW_CONN_AWS_DEFAULT", "")
    for kill in range(kills):
        begun = server.Event()
        child = server.Process(
            target=rewrite_repeatedly, args=(store.url, store.conn_id, aws, output_format, kill, begun)
        )
        child.start()
        assert begun.wait(HANG_SECONDS)
        time.sleep(dice.random() * 0.4)
        assert child.pid is not None
        os.kill(child.pid, signal.SIGKILL)
        child.join()
        files = {
            name: one for name, one in store.files().items() if not Path(name).name.startswith((".", "_"))
        }
        for name, content in files.items():
            versions = {row["count"] for row in read(name, content)}
            assert len(versions) == 1, "a file with rows of two loads"
            assert len(read(name, content)) == 1500, "an incomplete file"
            seen |= versions
    assert len(seen) >= kills, "the kills came before anything was written"
    loaded(store, {DAY: [ROW], DAY + timedelta(days=1): [ROW]}, output_format=output_format)
    assert len(store.files()) == 4, "files of killed loads remain"
