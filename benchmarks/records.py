"""Records to files: the CPU time of 1,000,000 records to Parquet, beside pyarrow and DuckDB, and long lists.

`fmc`, `ketchup` (CSV), `fmc_json`, `ketchup_json` (texts with escapes), `ketchup_xml` and `novaconnect` read
what the vendor sends from local disk, and write files as a task does: rows in UTC with E.164 numbers and the
raw record, one file a day, with SHA-256 and manifest. The peers read the same file and write one Parquet file
with as many of these columns. They trust the file: they check no record, know no hour that occurs twice, and
put no bad record aside.

`csv`, `json` and `xml` load a long list from a simulator in its own process to JSON lines: memory and time of
the task's process.
"""

from __future__ import annotations

import csv
import json
import random
import tempfile
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

from measuring import (
    Figure,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    measured,
    megabytes,
    peer_package,
    run,
    simulator,
)

BYTES_OF_A_ROW = {"csv": 156, "json": 303, "xml": 388}
PAGE = 500
LIMIT_SECONDS = 6.0
_DAYS = 6
_START = datetime(2026, 6, 1)
_PREPARE = "sys.path.insert(0, sys.argv[1]); import records; records.fill(running, {count})"


# What the vendors send


def write_calls(path: Path, count: int) -> None:
    """Write call records of FMC as CSV, a bit less than six days, with names and departments."""
    with path.open("w", encoding="utf-8") as file:
        file.write(
            "start_timestamp,end_timestamp,calling_number,called_number,duration,"
            "calling_name,called_name,department\n"
        )
        for number in range(count):
            start = _START + timedelta(seconds=number * (_DAYS * 86400 - 14400) // count)
            file.write(
                f"{start},{start + timedelta(seconds=12)},067000{number % 10_000:04d},"
                f"067000{number // 7 % 10_000:04d},13,A name as long as names are {number},"
                f"Another name as long as it,Department {number % 50}\n"
            )


def write_messages(path: Path, count: int) -> None:
    """Write statistics of KetchUp as CSV: six days, every number another one."""
    dice = random.Random(1)
    with path.open("w", encoding="utf-8") as file:
        file.write(
            "Message ID,Message type,MSISDN,Country name,Brand name,MCC,MNC,Originator,Price,"
            "Incoming date,Sending date,DLR date,Status,Body\n"
        )
        for number in range(count):
            at = _START + timedelta(seconds=number * _DAYS * 86400 // count)
            sent, received = at + timedelta(seconds=1), at + timedelta(seconds=5)
            file.write(
                f"{10**9 + number},sms,38067{dice.randrange(10**7):07d},Ukraine,Kyivstar,255,03,Shop,"
                f"0.01{number % 7}0000 EUR,{at},{sent},{received},DELIVERED,"
                f"Ваш код {dice.randrange(10**6):06d}. Не повідомляйте його нікому\n"
            )


def as_json(path: Path, count: int, write: Callable[[Path, int], None], name: Callable[[str], str]) -> None:
    """Write the same records as `{"calls": [...]}`, under names that JSON has."""
    table = path.with_suffix(".csv")
    write(table, count)
    with table.open(encoding="utf-8", newline="") as lines, path.open("w", encoding="utf-8") as file:
        before = '{"calls": [\n'
        for record in csv.DictReader(lines):
            file.write(before + json.dumps({name(key): text for key, text in record.items()}))
            before = ",\n"
        file.write("]}\n")
    table.unlink()


def as_xml(path: Path, count: int) -> None:
    """Write statistics of KetchUp as XML."""
    table = path.with_suffix(".csv")
    write_messages(table, count)
    with table.open(encoding="utf-8", newline="") as lines, path.open("w", encoding="utf-8") as file:
        file.write('<?xml version="1.0" encoding="UTF-8"?>\n<messages>\n')
        for record in csv.DictReader(lines):
            fields = ((name.replace(" ", "_"), escape(text)) for name, text in record.items())
            content = "".join(f"<{name}>{text}</{name}>" for name, text in fields)
            file.write(f"<message>{content}</message>\n")
        file.write("</messages>\n")
    table.unlink()


def write_sessions(path: Path, count: int) -> None:
    """Write pages of NovaConnect's report of sessions, a line for each."""
    dice, start = random.Random(1), int(_START.replace(tzinfo=UTC).timestamp())
    with path.open("w", encoding="utf-8") as file:
        for first in range(0, count, PAGE):
            items = [
                {
                    "sid": 10**9 + number,
                    "start": start + number * _DAYS * 86400 // count,
                    "end": start + number * _DAYS * 86400 // count + 60,
                    "country_name": "Kazakhstan",
                    "operator_name": "Beeline",
                    "operator_code": "40101",
                    "session_cost": dice.randrange(10**6) / 10**4,
                    "value": dice.randrange(10**7),
                    "id": 1 + number % 300,
                    "original_number": f"7700{number % 300:07d}",
                    "iccid": f"8999701{number % 300:012d}",
                    "name": f"Truck {number % 300}",
                }
                for number in range(first, min(first + PAGE, count))
            ]
            file.write(json.dumps({"code": 200, "result": {"items": items}}) + "\n")


# Ours


def ours(add_all: Callable[[Any, Path], None], spec: Any, zone: Any, source: Path) -> int:
    """Load a file as a task does; return the number of rows."""
    from airflow_provider_telecom.bulk.garbage import old_objects_frozen
    from airflow_provider_telecom.tasks import storage
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import parts_by_day

    first, last = (_START.replace(tzinfo=zone) + timedelta(days=days) for days in (0, _DAYS))
    with tempfile.TemporaryDirectory() as folder, old_objects_frozen():
        parts = parts_by_day(first, last, zone)
        with Dataset(storage.open_folder(folder, None), spec, parts, "run") as dataset:
            add_all(dataset, source)
            return dataset.publish()["rows"]


def add_calls(dataset: Any, source: Path, format: str = "csv") -> None:
    """Add the call records of a file."""
    from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import _Calls
    from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV, Window

    start = _START.replace(tzinfo=KYIV).astimezone(UTC)
    end = start + timedelta(days=_DAYS, hours=-4)
    window = Window(start, end, start - timedelta(hours=1), end + timedelta(days=1))
    with source.open("rb") as file:
        _Calls(dataset, window, "window 1", format, "utf-8", "UA").add_all(file, progress())


def add_messages(dataset: Any, source: Path, format: str = "csv") -> None:
    """Add the records of an export."""
    import pendulum

    from airflow_provider_telecom.transfers import ketchup_loyalty_to_object_storage as ketchup

    last = _START + timedelta(days=_DAYS, seconds=-1)
    selection = ketchup._Selection("messages", _START, last)
    with source.open("rb") as file:
        messages = ketchup._Messages(dataset, selection, format, pendulum.timezone("Europe/Kyiv"), "UA")
        messages.add_all(file, progress())


def add_sessions(dataset: Any, source: Path) -> None:
    """Read the pages of a report, check that no row has moved, and add the rows."""
    from airflow_provider_telecom.calls.endpoint import Page
    from airflow_provider_telecom.calls.request import Response
    from airflow_provider_telecom.transfers.novaconnect_reports import _Load
    from airflow_provider_telecom.vendors.novaconnect.consistent_read import PagedReport, _Reading
    from airflow_provider_telecom.vendors.novaconnect.reports import Record, _record_hashes
    from airflow_provider_telecom.vendors.novaconnect.responses import read_success

    load = _Load(dataset, "sessions", _START.date(), _START.date() + timedelta(days=_DAYS - 1))
    report: PagedReport[Record] = PagedReport(
        _no_call, PAGE, partial(_record_hashes, key=("sid",)), "POST /report/sessions", 3
    )
    reading, counts = _Reading(report, 1, []), progress()
    with source.open("rb") as file:
        for line in file:
            records = read_success(Response(200, {}, line)).items(list[Record])
            load.add(reading.accept(Page(records)).items, counts)
    load.add_held(counts)


def _no_call() -> Any:
    raise RuntimeError("the pages are read from the file")


def progress() -> Any:
    """Return a progress logger."""
    import logging

    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

    return ProgressLogger(logging.getLogger(__name__))


# The peers


def arrow_csv(source: Path, columns: Callable[[Any], Mapping[str, Any]]) -> int:
    """Read CSV with pyarrow in batches, and write `columns` of each batch and the raw record to Parquet."""
    import pyarrow
    from pyarrow import compute, csv

    names = source.open(encoding="utf-8").readline().strip().split(",")
    texts = csv.ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()))

    def tables() -> Iterator[Any]:
        for batch in csv.open_csv(source, convert_options=texts):
            parts: list[Any] = []
            for number, name in enumerate(names):
                before = "{" if number == 0 else '",'
                parts += [pyarrow.scalar(f'{before}"{name}":"'), batch[name]]
            raw = compute.binary_join_element_wise(*parts, pyarrow.scalar('"}'), "")
            yield pyarrow.table({**columns(batch), "raw": raw})

    return written(tables())


def written(tables: Iterator[Any]) -> int:
    """Write tables to a Parquet file; return the number of rows."""
    import pyarrow.parquet

    with tempfile.TemporaryDirectory() as folder:
        path, writer = Path(folder) / "peer.parquet", None
        for table in tables:
            writer = writer or pyarrow.parquet.ParquetWriter(path, table.schema, compression="zstd")
            writer.write_table(table)
        if writer:
            writer.close()
        return int(pyarrow.parquet.read_metadata(path).num_rows)


def in_utc(texts: Any) -> Any:
    """Return local times of Kyiv in UTC, as pyarrow reads them."""
    import pyarrow
    from pyarrow import compute

    local = texts.cast(pyarrow.timestamp("us"))
    return compute.assume_timezone(local, "Europe/Kyiv", ambiguous="latest").cast(
        pyarrow.timestamp("us", "UTC")
    )


def arrow_calls(batch: Any) -> Mapping[str, Any]:
    """Return the columns of call records."""
    import pyarrow
    from pyarrow import compute

    names = ("start_timestamp", "end_timestamp", "calling_number", "called_number")
    return {
        "start_utc": in_utc(batch["start_timestamp"]),
        "end_utc": in_utc(batch["end_timestamp"]),
        "duration_seconds": batch["duration"].cast(pyarrow.int64()),
        "calling_msisdn": compute.replace_substring_regex(batch["calling_number"], "^0", "380"),
        "called_msisdn": compute.replace_substring_regex(batch["called_number"], "^0", "380"),
        **{name: batch[name] for name in (*names, "calling_name", "called_name", "department")},
    }


def arrow_messages(batch: Any) -> Mapping[str, Any]:
    """Return the columns of statistics."""
    import pyarrow
    from pyarrow import compute

    amount, currency = (compute.list_element(compute.split_pattern(batch["Price"], " "), at) for at in (0, 1))
    return {
        **{name: batch[name] for name in batch.schema.names if name != "Price"},
        "price": amount.cast(pyarrow.decimal128(38, 9)),
        "currency": currency,
        **{f"{name}_utc": in_utc(batch[f"{name} date"]) for name in ("Incoming", "Sending", "DLR")},
        "status_folded": compute.utf8_lower(batch["Status"]),
    }


def arrow_json_messages(batch: Any) -> Mapping[str, Any]:
    """Return the columns of statistics whose names are those of JSON."""
    return arrow_messages(batch.rename_columns([name.replace("_", " ") for name in batch.schema.names]))


def arrow_json(source: Path, columns: Callable[[Any], Mapping[str, Any]]) -> int:
    """Read JSON with json, which keeps all of it in memory, and write columns and raw with pyarrow."""
    import pyarrow

    def tables() -> Iterator[Any]:
        records = json.loads(source.read_bytes())["calls"]
        for first in range(0, len(records), 20_000):
            some = records[first : first + 20_000]
            batch = pyarrow.RecordBatch.from_pylist(some)
            yield pyarrow.table({**columns(batch), "raw": pyarrow.array([json.dumps(row) for row in some])})

    return written(tables())


def arrow_xml(source: Path) -> int:
    """Read XML with iterparse, and write columns and the raw record with pyarrow."""
    from xml.etree.ElementTree import iterparse

    import pyarrow

    def tables() -> Iterator[Any]:
        held: list[dict[str, str]] = []
        for _, element in iterparse(source):
            if element.tag == "message":
                held.append({child.tag: child.text or "" for child in element})
                element.clear()
            if len(held) == 20_000 or (held and element.tag == "messages"):
                raw = pyarrow.array([json.dumps(row) for row in held])
                yield pyarrow.table({
                    **arrow_json_messages(pyarrow.RecordBatch.from_pylist(held)),
                    "raw": raw,
                })
                held = []

    return written(tables())


def arrow_sessions(source: Path) -> int:
    """Read pages of JSON with json and their rows with pyarrow, and write them to Parquet."""
    import pyarrow

    def tables() -> Iterator[Any]:
        with source.open("rb") as file:
            held: list[Any] = []
            for line in file:
                held += json.loads(line)["result"]["items"]
                if len(held) >= 20_000:
                    yield table_of(held)
                    held = []
            if held:
                yield table_of(held)

    def table_of(rows: list[Any]) -> Any:
        table = pyarrow.Table.from_pylist(rows)
        for name in ("start", "end"):
            moments = table[name].cast(pyarrow.timestamp("s", "UTC"))
            table = table.append_column(f"{name}_utc", moments)
        return table.append_column("raw", pyarrow.array([json.dumps(row) for row in rows]))

    return written(tables())


def duck_csv(source: Path, select: str) -> int:
    """Read CSV and write Parquet with DuckDB."""
    import duckdb

    names = source.open(encoding="utf-8").readline().strip().split(",")
    raw = ", ".join(f"'{name}': \"{name}\"" for name in names)
    with tempfile.TemporaryDirectory() as folder, duckdb.connect() as connection:
        table = f"read_csv('{source}', all_varchar = true, header = true)"
        query = f"SELECT *, {select}, to_json({{{raw}}})::VARCHAR AS raw FROM {table}"
        path = Path(folder) / "peer.parquet"
        connection.execute(f"COPY ({query}) TO '{path}' (FORMAT parquet, COMPRESSION zstd)")
        found = connection.execute(f"SELECT count(*) FROM read_parquet('{path}')").fetchone()
        return int(found[0]) if found else 0


DUCK_CALLS = (
    "timezone('Europe/Kyiv', start_timestamp::TIMESTAMP) AS start_utc,"
    "timezone('Europe/Kyiv', end_timestamp::TIMESTAMP) AS end_utc, duration::BIGINT AS duration_seconds,"
    "regexp_replace(calling_number, '^0', '380') AS calling_msisdn,"
    "regexp_replace(called_number, '^0', '380') AS called_msisdn"
)
DUCK_MESSAGES = (
    "split_part(Price, ' ', 1)::DECIMAL(38, 9) AS amount, split_part(Price, ' ', 2) AS currency,"
    "timezone('Europe/Kyiv', \"Incoming date\"::TIMESTAMP) AS incoming_utc,"
    "timezone('Europe/Kyiv', \"Sending date\"::TIMESTAMP) AS sending_utc,"
    "timezone('Europe/Kyiv', \"DLR date\"::TIMESTAMP) AS dlr_utc, lower(Status) AS status_folded"
)


# To Parquet


def to_parquet(
    name: str,
    title: str,
    write: Callable[[Path, int], None],
    mine: Callable[[Path], int],
    peers: Mapping[str, Callable[[Path], int]],
    *,
    quick: bool,
) -> list[Figure]:
    """Return the figures of a vendor's records: of 1,000,000, whatever the count."""
    count = 50_000 if quick else 1_000_000
    with tempfile.TemporaryDirectory() as folder:
        source, small = Path(folder) / "all", Path(folder) / "small"
        write(source, count)
        write(small, 2 * PAGE)
        acts = {"ours": mine, **peers}
        rounds = in_turn({
            each: partial(in_fork, partial(_sample, act, source, small, count)) for each, act in acts.items()
        })
    each = {"unit": "s of CPU", "scale": 1_000_000 / count, "records": count}
    memory = {"unit": "MB over idle", "of": "peak_mb", "records": count}
    first, *others = peers
    return [
        figure(name, title, rounds=rounds, peer=first, limit=LIMIT_SECONDS, limit_of="ours", **each),
        *[figure(f"{name}.{other.split()[0]}", title, rounds=rounds, peer=other, **each) for other in others],
        figure(
            f"{name}.memory",
            f"{title}: memory",
            rounds=rounds,
            peer=first,
            limit=150,
            limit_of="ours",
            **memory,
        ),
    ]


def _sample(act: Callable[[Path], int], source: Path, small: Path, count: int) -> Sample:
    act(small)  # imports, and opens what is opened once
    idle = idle_megabytes()
    sample = measured(lambda: act(source), count)
    sample["peak_mb"] = megabytes("VmHWM") - idle
    return sample


def fmc(quick: bool) -> list[Figure]:
    """Call records of FMC, CSV to Parquet."""
    from airflow_provider_telecom.transfers.dataset import DatasetSpec
    from airflow_provider_telecom.vendors.kyivstar_fmc.schema import COLUMNS
    from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV

    spec = DatasetSpec("calls", COLUMNS, "parquet")
    peers = {
        peer_package("pyarrow", "pyarrow"): partial(arrow_csv, columns=arrow_calls),
        peer_package("duckdb", "duckdb"): partial(duck_csv, select=DUCK_CALLS),
    }
    title = "1,000,000 call records of FMC, CSV to Parquet"
    return to_parquet(
        "records.fmc", title, write_calls, partial(ours, add_calls, spec, KYIV), peers, quick=quick
    )


def ketchup(quick: bool) -> list[Figure]:
    """Statistics of KetchUp, CSV to Parquet."""
    from airflow_provider_telecom.transfers.dataset import DatasetSpec
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import COLUMNS

    spec = DatasetSpec("messages", COLUMNS, "parquet")
    peers = {
        peer_package("pyarrow", "pyarrow"): partial(arrow_csv, columns=arrow_messages),
        peer_package("duckdb", "duckdb"): partial(duck_csv, select=DUCK_MESSAGES),
    }
    title = "1,000,000 messages of KetchUp's statistics, CSV to Parquet"
    return to_parquet(
        "records.ketchup", title, write_messages, partial(ours, add_messages, spec, None), peers, quick=quick
    )


def fmc_json(quick: bool) -> list[Figure]:
    """Call records of FMC, JSON to Parquet."""
    from airflow_provider_telecom.transfers.dataset import DatasetSpec
    from airflow_provider_telecom.vendors.kyivstar_fmc.schema import COLUMNS
    from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV

    return to_parquet(
        "records.fmc_json",
        "1,000,000 call records of FMC, JSON to Parquet",
        partial(as_json, write=write_calls, name=str),
        partial(ours, partial(add_calls, format="json"), DatasetSpec("calls", COLUMNS, "parquet"), KYIV),
        {f"json and {peer_package('pyarrow', 'pyarrow')}": partial(arrow_json, columns=arrow_calls)},
        quick=quick,
    )


def ketchup_json(quick: bool) -> list[Figure]:
    """Statistics of KetchUp, JSON to Parquet."""
    from airflow_provider_telecom.transfers.dataset import DatasetSpec
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import COLUMNS

    return to_parquet(
        "records.ketchup_json",
        "1,000,000 messages of KetchUp's statistics, JSON to Parquet",
        partial(as_json, write=write_messages, name=lambda name: name.replace(" ", "_")),
        partial(
            ours, partial(add_messages, format="json"), DatasetSpec("messages", COLUMNS, "parquet"), None
        ),
        {f"json and {peer_package('pyarrow', 'pyarrow')}": partial(arrow_json, columns=arrow_json_messages)},
        quick=quick,
    )


def ketchup_xml(quick: bool) -> list[Figure]:
    """Statistics of KetchUp, XML to Parquet."""
    from airflow_provider_telecom.transfers.dataset import DatasetSpec
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import COLUMNS

    return to_parquet(
        "records.ketchup_xml",
        "1,000,000 messages of KetchUp's statistics, XML to Parquet",
        as_xml,
        partial(ours, partial(add_messages, format="xml"), DatasetSpec("messages", COLUMNS, "parquet"), None),
        {f"iterparse and {peer_package('pyarrow', 'pyarrow')}": arrow_xml},
        quick=quick,
    )


def novaconnect(quick: bool) -> list[Figure]:
    """Sessions of NovaConnect, pages of JSON to Parquet."""
    from airflow_provider_telecom.transfers.dataset import DatasetSpec
    from airflow_provider_telecom.vendors.novaconnect.schema import COLUMNS

    spec = DatasetSpec("sessions", COLUMNS["sessions"], "parquet")
    peers = {f"json and {peer_package('pyarrow', 'pyarrow')}": arrow_sessions}
    title = "1,000,000 sessions of NovaConnect, JSON to Parquet"
    return to_parquet(
        "records.novaconnect",
        title,
        write_sessions,
        partial(ours, add_sessions, spec, UTC),
        peers,
        quick=quick,
    )


# Long lists from a simulator


def fill(running: Any, count: int) -> None:
    """Let the simulator have `count` calls, evenly over six days, and one long before."""
    from airflow_provider_telecom.simulator.kyivstar_fmc import KYIV, Call, VendorState

    vendor_state: Any = running.state.vendor_state("kyivstar_fmc", VendorState)
    now = datetime.now(UTC).replace(microsecond=0)
    start = now - timedelta(days=_DAYS, hours=1)

    def between(first: datetime, last: datetime) -> Any:
        since, until = (one.replace(tzinfo=KYIV).astimezone(UTC) for one in (first, last))
        for number in range(-1, count):
            at = start + timedelta(seconds=number * _DAYS * 86400 // count)
            at = at if number >= 0 else start - timedelta(days=_DAYS)
            if not since <= at <= until:
                continue
            yield Call(
                at,
                13,
                f"067000{number % 10_000:04d}",
                f"067000{number // 7 % 10_000:04d}",
                f"A name as long as names are, {number}",
                "Another name, just as long as it",
                f"Department {number % 50}",
            )

    vendor_state.between = between


def load(source_format: str, folder: str, days_ago: int) -> int:
    """Load the calls of a bit more than six days, beginning so many days ago; return the number of rows."""
    from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
        KyivstarFmcCallsToObjectStorageOperator,
    )
    from tests.running import Run

    start = datetime.now(UTC) - timedelta(days=days_ago, hours=2)
    operator = KyivstarFmcCallsToObjectStorageOperator(
        task_id="load",
        path=folder,
        start=start,
        end=start + timedelta(days=_DAYS, hours=1, minutes=30),
        source_format=source_format,
        names=True,
        departments=True,
    )
    found: dict[str, Any] = Run().execute(operator)
    return int(found["rows"])


def long_list(source_format: str, quick: bool) -> list[Figure]:
    """A list of 60 MB to JSON lines: the memory must not grow with it."""
    size = 5 if quick else 60
    count = size * 1_000_000 // BYTES_OF_A_ROW[source_format]

    def sample() -> Sample:
        with tempfile.TemporaryDirectory() as folder:
            load(source_format, f"{folder}/one", 3 * _DAYS)  # loads what any task loads
            idle = idle_megabytes()
            found = measured(lambda: load(source_format, f"{folder}/all", _DAYS) > count / 2, True)
            return {**found, "peak_mb": megabytes("VmHWM") - idle}

    with simulator(_PREPARE.format(count=count)):
        rounds = in_turn({"ours": lambda: in_fork(sample)})
    title, name = (
        f"A call list of {size} MB of {source_format.upper()} to JSON lines",
        f"records.{source_format}",
    )
    return [
        figure(name, title, "s of CPU", rounds, records=count),
        figure(
            f"{name}.memory",
            f"{title}: memory",
            "MB over idle",
            rounds,
            of="peak_mb",
            limit=18,
            limit_of="ours",
            records=count,
        ),
    ]


CASES = {
    "fmc": fmc,
    "ketchup": ketchup,
    "fmc_json": fmc_json,
    "ketchup_json": ketchup_json,
    "ketchup_xml": ketchup_xml,
    "novaconnect": novaconnect,
    **{one: partial(long_list, one) for one in BYTES_OF_A_ROW},
}

if __name__ == "__main__":
    run(CASES, __doc__)
