"""Records that are read many at once: the files are the same, to the byte, as of one by one."""

from __future__ import annotations

import csv
import io
import json
import logging
import random
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import partial
from html import escape
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import pendulum
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.rows import (
    LikeRecords,
    NumberedRow,
    alike,
    alike_json,
    csv_rows,
    json_file,
    json_pieces,
    json_rows,
    xml_pieces,
    xml_rows,
)
from airflow_provider_telecom.calls.rows.csv_file import ENCODINGS
from airflow_provider_telecom.tasks import storage
from airflow_provider_telecom.transfers import batches, columnar, novaconnect_reports
from airflow_provider_telecom.transfers import ketchup_loyalty_to_object_storage as ketchup
from airflow_provider_telecom.transfers import kyivstar_fmc_to_object_storage as fmc
from airflow_provider_telecom.transfers.dataset import Dataset, DatasetSpec
from airflow_provider_telecom.transfers.parts import parts_by_day
from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
from airflow_provider_telecom.vendors.columns import json_text
from airflow_provider_telecom.vendors.ketchup_loyalty import schema as ketchup_schema
from airflow_provider_telecom.vendors.kyivstar_fmc import schema as fmc_schema
from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV, Window
from airflow_provider_telecom.vendors.novaconnect import schema as novaconnect_schema

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
LOG = ProgressLogger(logging.getLogger(__name__))
COUNT = 40
Result = tuple[Any, ...]


@pytest.fixture(autouse=True, scope="module")
def small_batches() -> Iterator[None]:
    """Small files become many batches, and small files have many row groups."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(batches, "_FIRST_BYTES", 700)
        patch.setattr(batches, "MIN_RECORDS", 2)
        patch.setattr(batches, "RECORDS_AT_ONCE", 7)
        patch.setattr(alike, "FIRST_BYTES", 700)
        patch.setattr(alike, "_LONGEST_PAUSE", 2)
        patch.setattr(alike, "MIN_RECORDS", 2)
        patch.setattr(novaconnect_reports, "_RECORDS_AT_ONCE", 30)
        patch.setattr(columnar, "_MAX_UNUSUAL", 2)
        patch.setattr("airflow_provider_telecom.transfers.dataset._MAX_ROWS_IN_MEMORY", 11)
        patch.setattr("airflow_provider_telecom.transfers.writers.ParquetWriter.batch", 11)
        yield


def written(
    folder: Path, spec: DatasetSpec, parts: Any, fill: Callable[[Dataset], object], *, at_once: bool
) -> Result:
    """Return the files that are written, and the bad rows; or the error."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Dataset, "takes_tables", at_once)
        try:
            with Dataset(storage.open_folder(str(folder), None), spec, parts, "run") as dataset:
                fill(dataset)
                summary = dataset.publish()
        except TelecomError as error:
            return type(error), str(error)
    files = {path.relative_to(folder): path.read_bytes() for path in folder.rglob("*.parquet")}
    bad = folder / "_quarantine" / f"{spec.name}_run.jsonl"
    return summary["rows"], summary["bad_rows"], files, bad.read_bytes() if bad.exists() else b""


def both_ways(
    folder: Path, spec: DatasetSpec, parts: Any, fill: Callable[[Dataset], object]
) -> tuple[Result, Result]:
    return tuple(written(folder, spec, parts, fill, at_once=one) for one in (True, False))  # type: ignore[return-value]


HOSTILE = (
    *("", " ", "0", "-1", "1e3", "00", "+1", "1000000001", "999999999999", "\u0661", "1\u00a0", " 13 "),
    *('a"b', "a\\b", "x\ny", "x\ry", "\t", "a,b", "a;b", "a\tb", "'=1", "\x01", "\x1f", "\x7f", "\u2028"),
    *("Ім'я", "\ufeff", "\U0001f600", "null", "NaN", "true", "{}", '{"a":1}', "[]", "\x0b", "\x85"),
)
PHONES = (
    *("380670000200", "+380670000200", "0670000200", "67 000 02 00", "(067) 000-02-00", "101", "0440000000"),
    *(
        "79000000000",
        "+79000000000",
        "89000000000",
        "00380670000200",
        "0000000000",
        "0991234567",
        " 0670000200",
    ),
    *(
        "12025550123",
        "+12025550123",
        "380000000000",
        "0670000200\u00a0",
        "٠٦٧٠٠٠٠٢٠٠",
        "hidden",
        "38067000020",
    ),
)
BAD_TIMES = (
    *("2026-02-30 00:00:00", "2026-13-01 00:00:00", "2026-06-01 24:00:00", "2026-06-01 23:59:60"),
    *(
        "2026-06-01",
        "2026-06-01 00:00",
        "2026-06-01T00:00:00Z",
        "2026-06-01 00:00:00.5",
        "0000-00-00 00:00:00",
    ),
    *("1999-06-01 00:00:00", "2026-06-01  00:00:00", "2026-06-01 00:00:00 ", "2026-06-01 00:00:00\n"),
    *("01.06.2026 00:00:00", "2026-6-1 0:0:0", "2026-04-31 12:00:00", "2027-02-29T00:00:00", "1780000000"),
)
CHANGES = (datetime(2026, 3, 29, 1, tzinfo=UTC), datetime(2026, 10, 25, 1, tzinfo=UTC))


def time_texts(dice: random.Random, middle: datetime, zone: ZoneInfo) -> str:
    """Return a local time within some days of a moment, or nearer, or something else."""
    if dice.random() < 0.02:
        return dice.choice(BAD_TIMES + HOSTILE)
    seconds = dice.choice([3 * 86400, 86400, 7200, 3600])
    local = (middle + timedelta(seconds=dice.randint(-seconds, seconds))).astimezone(zone)
    if dice.random() < 0.1:  # also times that the clocks never show
        local = (middle.astimezone(zone) + timedelta(minutes=dice.randint(-200, 200))).replace(tzinfo=zone)
    return f"{local:%Y-%m-%d{dice.choice(' T')}%H:%M:%S}"


def as_csv(
    dice: random.Random, names: list[str], rows: list[Mapping[str, str]], encoding: str, *, damaged: bool
) -> bytes:
    """Return rows as CSV of any style, with lines that are damaged."""
    separator, end = dice.choice(",;\t"), dice.choice(["\n", "\r\n"])
    quoting = dice.choice([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC])
    ended = dice.random() < 0.2
    lines = []
    for cells in (names, *([row.get(name, "") for name in names] for row in rows)):
        file = io.StringIO(newline="")
        csv.writer(file, delimiter=separator, lineterminator="", quoting=quoting).writerow(
            [*cells, ""] if ended else cells
        )
        lines.append((file.getvalue() + end).encode(encoding, "ignore"))
    if damaged:
        for _ in range(dice.randint(1, 4)):
            number = dice.randrange(1, len(lines))
            lines[number] = damage(dice, lines[number], separator)
    body = b"".join(lines)
    if dice.random() < 0.2:
        body = b"\xef\xbb\xbf" + body
    return body if dice.random() < 0.7 else body.rstrip(b"\r\n")


def damage(dice: random.Random, line: bytes, separator: str) -> bytes:
    place = dice.randint(0, len(line))
    inserted = (
        *(b"\0", b"\xff", b"\x98", b'"', b'""', b"\r", b"\n", b"\\", b"\r\n\r\n", b"  \n", b"\xef\xbb\xbf"),
        *(separator.encode(), b'x"y', b'"\n"', b"\xc3", b"\xed\xa0\x80", b"\x1a", b"\x0c"),
    )
    return dice.choice([
        line[:place] + dice.choice(inserted) + line[place:],
        line[:place] + line[place + 1 :],
        line + line,
        b"\n" + line,
        b"\xef\xbb\xbf" + line,
        b" \r\n" + line,
        line[:place],
        line[:place] + b"\n",
    ])


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), format=st.sampled_from(["csv", "csv", "csv", "json"]))
def test_calls(tmp_path_factory: pytest.TempPathFactory, seed: int, format: Any) -> None:
    check_calls(tmp_path_factory.mktemp("calls"), seed, format)


@pytest.mark.long
@settings(max_examples=4000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), format=st.sampled_from(["csv", "csv", "csv", "json", "xml"]))
def test_calls_long(tmp_path_factory: pytest.TempPathFactory, seed: int, format: Any) -> None:
    check_calls(tmp_path_factory.mktemp("calls"), seed, format)


def check_calls(folder: Path, seed: int, format: Any) -> None:
    dice = random.Random(seed)
    middle = dice.choice([*CHANGES, datetime(2026, 6, 3, tzinfo=UTC)])
    start = middle - dice.choice([DAY, 2 * DAY, 2 * HOUR])
    end = middle + dice.choice([DAY, 2 * DAY, 2 * HOUR])
    window = Window(start, end, start - HOUR, end + DAY)
    encoding = dice.choice(ENCODINGS) if format == "csv" else "utf-8"
    body = calls_of(dice, middle, format, encoding)
    on_bad_rows = dice.choice(["quarantine", "quarantine", "fail"])
    spec = DatasetSpec("calls", fmc_schema.COLUMNS, "parquet", on_bad_rows=on_bad_rows)
    region = dice.choice(["UA", "UA", "RU"])

    def fill(dataset: Dataset) -> None:
        calls = fmc._Calls(dataset, window, "window 1", format, encoding, region)
        calls.add_all(io.BytesIO(body), LOG)

    at_once, one_by_one = both_ways(folder, spec, parts_by_day(start, end, KYIV), fill)
    assert at_once == one_by_one


def calls_of(dice: random.Random, middle: datetime, format: str, encoding: str) -> bytes:
    names = ["start_timestamp", "end_timestamp", "calling_number", "called_number", "duration"]
    names += dice.choice([[], ["calling_name", "called_name", "department", "own"], ["x"]])
    if format != "xml":
        names.append('other "field')
    names = [dice.choice([name, name, name.upper(), f" {name}"]) for name in names]
    dice.shuffle(names)
    rate = dice.choice([0, 0.01, 0.3])

    def value(name: str) -> str:
        name = name.strip().lower()
        if dice.random() < rate:
            return dice.choice(HOSTILE)
        if name.endswith("timestamp"):
            return time_texts(dice, middle, KYIV)
        if name.endswith("number"):
            return dice.choice(PHONES if dice.random() < 0.3 else PHONES[:5])
        return str(dice.randint(0, 4000)) if name == "duration" else dice.choice(["", "Магазин", f"A {rate}"])

    rows: list[Mapping[str, str]] = [{name: value(name) for name in names} for _ in range(COUNT)]
    if format == "csv":
        return as_csv(dice, names, rows, encoding, damaged=dice.random() < 0.5)
    return objects(dice, rows, format)


def objects(dice: random.Random, rows: list[Mapping[str, str]], format: str) -> bytes:
    """Return rows as a list of JSON or XML, some with other types and fields."""
    if format == "xml":
        calls = (
            "".join(f"<{name.strip()}>{escape(text)}</{name.strip()}>" for name, text in row.items())
            for row in rows
        )
        return f"<calls>{''.join(f'<call>{call}</call>' for call in calls)}</calls>".encode()
    changed: list[dict[str, Any]] = []
    for row in rows:
        record: dict[str, Any] = dict(row)
        if dice.random() < 0.5:
            record = {k: int(v) if v.isascii() and v.isdigit() and len(v) < 12 else v for k, v in row.items()}
        if dice.random() < 0.1:
            other = dice.choice([
                None,
                True,
                False,
                0,
                7,
                -1,
                1.5,
                2**70,
                [],
                {},
                {"a": "б"},
                [1],
                "",
                "\ud800",
            ])
            record[dice.choice(list(record))] = other
        if dice.random() < 0.1:
            record.pop(dice.choice(list(record)))
        if dice.random() < 0.05:
            record[dice.choice(["Duration", "new", "START_TIMESTAMP"])] = "1"
        changed.append(record)
    return json.dumps({"calls": changed}, ensure_ascii=dice.random() < 0.5).encode("utf-8", "replace")


ZONES = (None, "Europe/Kyiv", "America/New_York", "Australia/Lord_Howe", "Africa/Casablanca", "Asia/Kolkata")


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), zone=st.sampled_from(ZONES))
def test_messages(tmp_path_factory: pytest.TempPathFactory, seed: int, zone: str | None) -> None:
    check_messages(tmp_path_factory.mktemp("messages"), seed, zone)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), zone=st.sampled_from(ZONES))
def test_messages_long(tmp_path_factory: pytest.TempPathFactory, seed: int, zone: str | None) -> None:
    check_messages(tmp_path_factory.mktemp("messages"), seed, zone)


def check_messages(folder: Path, seed: int, zone: str | None) -> None:
    dice = random.Random(seed)
    changes = [*CHANGES, datetime(2026, 4, 4, 15, tzinfo=UTC), datetime(2026, 3, 8, 7, tzinfo=UTC)]
    middle = dice.choice(changes)
    days = dice.choice([1, 3])
    first = datetime.combine(middle.date() - days * DAY, datetime.min.time())
    selection = ketchup._Selection("messages", first, first + 2 * days * DAY - timedelta(seconds=1))
    if dice.random() < 0.2:
        selection = ketchup._Selection("messages")
    format: Any = dice.choice(["csv", "csv", "csv", "json", "xml"])
    body = messages_of(dice, middle, ZoneInfo(zone or "UTC"), format)
    on_bad_rows = dice.choice(["quarantine", "quarantine", "fail"])
    spec = DatasetSpec("messages", ketchup_schema.COLUMNS, "parquet", on_bad_rows=on_bad_rows)
    found = None if zone is None else pendulum.timezone(zone)

    def fill(dataset: Dataset) -> None:
        ketchup._Messages(dataset, selection, format, found, "UA").add_all(io.BytesIO(body), LOG)

    at_once, one_by_one = both_ways(folder, spec, selection.parts(), fill)
    assert at_once == one_by_one


PRICES = (
    "0.0000000 EUR",
    "0.0123 UAH",
    " 1 EUR",
    "-0.5",
    "1e3",
    "0.12345678901 EUR",
    f"{'9' * 30} EUR",
    "1,5",
)
BODIES = (
    '{"status":"OK","mcc":255}',
    "Привіт",
    ' "x"; y',
    "два\nрядки",
    "\\u0000",
    "{",
    '{"a":1,"a":2}',
    "{}",
)


def messages_of(dice: random.Random, middle: datetime, zone: ZoneInfo, format: str) -> bytes:
    names = ["message id", "message type", "msisdn", "originator", "price", "status", "body", "caption"]
    names += ["incoming date", "sending date", "dlr date", "country name", "mcc", "mnc", "more"]
    names += dice.choice([[], ["alternative sms", "img", "action", "brand name"]])
    written = dice.choice([str.title, str.lower, lambda name: name.replace(" ", "_")])
    if format != "csv":
        written = lambda name: name.replace(" ", "_")  # noqa: E731
    names = [written(name) for name in names]
    if dice.random() < 0.1:
        names.append("Status")
    dice.shuffle(names)
    rate, hlr = dice.choice([0, 0.01, 0.1]), dice.choice([0, 0.1, 1])

    def value(name: str) -> str:
        name = name.lower().replace("_", " ")
        if dice.random() < rate:
            return dice.choice(HOSTILE)
        if name.endswith("date"):
            return "" if dice.random() < 0.05 else time_texts(dice, middle, zone)
        if name == "message type":
            return "hlr" if dice.random() < hlr else dice.choice(["sms", "Viber", " sms"])
        texts = {
            "msisdn": PHONES[: dice.choice([3, 30])],
            "price": PRICES[: dice.choice([2, 9])],
            "body": BODIES,
        }
        if name == "alternative sms":
            return dice.choice(['{"message_id":"7","price":"0.1 EUR","status":"ok"}', "[]", *[""] * 9])
        return dice.choice(texts.get(name, (f"{dice.randint(1, 99)}", "Київстар", "")))

    rows: list[Mapping[str, str]] = [{name: value(name) for name in names} for _ in range(COUNT)]
    if format == "csv":
        return as_csv(dice, names, rows, "utf-8", damaged=dice.random() < 0.3)
    return objects(dice, rows, format)


@settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_lines_of_csv(seed: int) -> None:
    dice = random.Random(seed)
    names = dice.choice([["id"], ["id", "text"], ["id", "a", "b", "c", "d"]])
    rate = dice.choice([0.02, 0.5])
    rows: list[Mapping[str, str]] = [
        {name: dice.choice(HOSTILE) if dice.random() < rate else f"{name} {n}" for name in names}
        for n in range(COUNT)
    ]
    encoding = dice.choice(ENCODINGS)
    body = as_csv(dice, names, rows, encoding, damaged=dice.random() < 0.7)
    assert outcome(lambda: flat(batches.csv_batches(io.BytesIO(body), encoding))) == outcome(
        lambda: list(csv_rows(io.BytesIO(body), encoding=encoding))
    )


JSON_TEXTS = (
    *(
        b'""',
        b'"a"',
        b'"0"',
        b'" "',
        b'"}"',
        b'"},{"',
        b'",]"',
        b'"a\\"b"',
        b'"\\\\"',
        b'"\\/"',
        b'"\\n\\r\\t"',
        b'"x\\\\\\"},{\\"a\\":"',
        b'": 5, "',
        b'": null}"',
        b'"\\\\u0041"',
        b'"\\u0022\\u005c"',
    ),
    *(
        b'"\\u0430"',
        b'"\\u0000"',
        b'"\\u001F"',
        b'"\\ud83d\\ude00"',
        b'"\\uD83D"',
        b'"\\ude00"',
        b'"\\ufdd0"',
    ),
    *(
        b'"\xef\xb7\x90"',
        b'"\xd0\xb0\xe2\x80\xa8"',
        b'"\xf0\x9f\x98\x80"',
        b'"\x7f"',
        b'"\\uFFFF"',
        b'"n"',
        b'"null"',
    ),
)
JSON_OTHERS = (
    *(
        b"0",
        b"7",
        b"-1",
        b"-0",
        b"1.5",
        b"1e3",
        b"999999999999999999",
        b"9999999999999999999",
        b"null",
        b"true",
    ),
    *(b"[]", b"{}", b'{"a":1}', b'[{"a":"}"}]', b"0.10", b"-12", b"1E400", b"-0.0"),
    *(
        b"9223372036854775807",
        b"9223372036854775808",
        b"-9223372036854775809",
        b"123456789012345678.5",
        b"00.5",
    ),
)
JSON_WRONG = (
    *(
        b"007",
        b"NaN",
        b"'a'",
        b'"\n"',
        b'"\\x"',
        b'"\xff"',
        b'"\xed\xa0\x80"',
        b"+1",
        b"1.",
        b".5",
        b"tru",
        b"Infinity",
        b'"\\u00g0"',
        b'"\\"',
        b'"\x05\x06"',
        b'"a',
        b"",
    ),
    *(b"9" * 4000, b"-" + b"9" * 4001, b'"' + b"9" * 4000 + b'"', b"}", b"]", b'"a":1', b"/**/1", b"[" * 40),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_json(seed: int) -> None:
    check_json(seed)


@pytest.mark.long
@settings(max_examples=40_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_json_long(seed: int) -> None:
    check_json(seed)


def check_json(seed: int) -> None:
    dice = random.Random(seed)
    body = json_of(dice)
    name, stray_commas = dice.choice([None, "calls"]), dice.random() < 0.5

    def read(rows: Callable[..., Iterator[Any]], split: Callable[..., Iterator[Any]]) -> object:
        keys: list[str] = []
        options = {"stray_commas": stray_commas, "on_extra_key": keys.append}
        return read_whole(lambda **more: split(rows(io.BytesIO(body), name, **options, **more))), keys

    assert read(json_pieces, with_texts) == read(json_rows, each_with_texts)


def read_whole(rows: Callable[..., Iterator[Any]]) -> tuple[list[Any], list[Any]]:
    """Return what is read, at the end of it the error, and the facts beside it."""
    found: list[Any] = []
    facts: list[Any] = []
    try:
        for piece in rows(on_fact=lambda *fact: facts.append(fact)):
            found.append(piece)
    except TelecomError as error:
        found.append(str(error))
    return found, facts


def test_json_of_names_that_are_the_same_when_joined() -> None:
    rows = [{"aa": n, "b": "x"} for n in range(40)] + [
        {"a" * (1 + n % 2 * 2): n, "b": "x"} for n in range(40)
    ]
    body = json.dumps(rows).encode()
    assert list(with_texts(json_pieces(io.BytesIO(body)))) == list(
        each_with_texts(json_rows(io.BytesIO(body)))
    )


@pytest.mark.parametrize("run", [17, 60])
def test_json_of_two_forms_in_turn(monkeypatch: pytest.MonkeyPatch, run: int) -> None:
    """Such records are read one by one: what is looked at in vain would take many times as long."""
    looked_at: list[int] = []

    def noted(text: bytes, *given: Any, **more: Any) -> LikeRecords | None:
        looked_at.append(len(text))
        return alike_json.like_records(text, *given, **more)

    monkeypatch.setattr(json_file, "like_records", noted)
    rows = [{"id": n, "b" if n // run % 2 else "a": "x" * 9} for n in range(4000)]
    body = json.dumps(rows).encode()
    assert [place for place, *_ in with_texts(json_pieces(io.BytesIO(body)))] == [*range(1, 4001)]
    assert sum(looked_at) < 2 * len(body)


BYTES = st.sampled_from([bytes([one]) for one in b"a\xd0\x90\xe2\xed\xa0\xbf\xc0\xf0\xf4\x9f"])


@settings(max_examples=1000)
@given(text=st.text(max_size=9).map(str.encode) | st.lists(BYTES, max_size=9).map(b"".join))
def test_utf_8(text: bytes) -> None:
    try:
        text.decode()
    except UnicodeDecodeError:
        assert not alike.is_utf_8(text)
    else:
        assert alike.is_utf_8(text)


XML_TEXTS = (
    *(b"", b"", b"1", b"a", b" ", b"\t", b"\n", b" a\r\nb\r", b"]]", b"a>b", b"/>", b"'\"", b"\x7f"),
    *(
        b"&lt;",
        b"&amp;amp;",
        b"&gt;&quot;&apos;",
        b"&#65;&#x430;",
        b"&#10;&#13;",
        b"&#x1F600;",
        b"&#000000065;",
    ),
    *(b"<![CDATA[</c><c>]]>", b"<![CDATA[x]]>", b"<!-- </c> -->", b"<?x </c> ?>", b"<i>1</i>", b"<i/>"),
    *("Їжак".encode(), "\ufeff\u2028\ufffd\ufdd0".encode(), "\U0001f600".encode(), b"\xc2\x85"),
    *(b"<c><id>1</id></c>", b"</c><c>"),
)
XML_WRONG = (
    *(
        b"&",
        b"&nbsp;",
        b"&#0;",
        b"&#1;",
        b"&#xD800;",
        b"&#xFFFE;",
        b"&#x110000;",
        b"&#1114112;",
        b"&#;",
        b"<",
    ),
    *(b"]]>", b"\x00", b"\x01", b"\x02", b"\x0b", b"\x1f", b"\xff", b"\xed\xa0\x80", b"\xef\xbf\xbe"),
    *(b"\xc3", b"</i>", b"</id>", b"<!--", b"<![CDATA[", b"<!DOCTYPE c>", b"<1/>", b"&lt", b"&LT;"),
)


@settings(max_examples=300, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_xml(seed: int) -> None:
    check_xml(seed)


@pytest.mark.long
@settings(max_examples=40_000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32))
def test_xml_long(seed: int) -> None:
    check_xml(seed)


FORMS_OF_XML: Mapping[str, Callable[[str], str]] = {
    "a line each": lambda text: text,
    "one line": lambda text: text.replace("\n", ""),
    "empty tags": lambda text: text.replace("<y></y>", "<y/>").replace("<z></z>", "<z />"),
    "indented": lambda text: text.replace("<", "\r\n  <"),
    "ascii": lambda text: text.encode("ascii", "xmlcharrefreplace").decode(),
}


@pytest.mark.parametrize("form", FORMS_OF_XML)
def test_usual_forms_of_xml_are_read_at_once(form: str) -> None:
    records = (
        f"<c><id>{n}</id><x>Б&amp;{n}\n</x><y>{'' if n % 3 else n}</y><z></z></c>\n" for n in range(500)
    )
    body = FORMS_OF_XML[form](f"<r>\n<all>{''.join(records)}</all>\n</r>").encode()
    pieces = [*xml_pieces(io.BytesIO(body), re.compile("id"))]
    assert sum(piece.count for piece in pieces if isinstance(piece, LikeRecords)) > 490
    assert list(with_texts(iter(pieces))) == list(
        each_with_texts(xml_rows(io.BytesIO(body), re.compile("id")))
    )


RECORD = b"<c><id>1</id><x>t</x></c>\n"
EDITS: Sequence[tuple[bytes, bytes]] = (
    *((b"<x>t", b"<x>" + text) for text in XML_TEXTS + XML_WRONG),
    *((b"</id><x>", b"</id>" + text + b"<x>") for text in XML_TEXTS + XML_WRONG),
    *((b"<c><id>", b"<c>" + text + b"<id>") for text in XML_TEXTS + XML_WRONG),
    *((b"</c>", b"</c>" + text) for text in XML_TEXTS + XML_WRONG),
    *((b"<c>", b"<c" + text + b">") for text in (b" ", b' id="7"', b" x='7'", b"/", b">t", b":c")),
    *((b"</c>", b"</" + name + b">") for name in (b"c ", b"c\n", b"C", b"cc", b"")),
    *((b"id>", name + b">") for name in (b"Id", b"x", b"c", b"n:id", "ї".encode(), b"C", b"id ", b"1")),
    *((b"c>", name + b">") for name in (b"C", b"id", b"n:c", b"cc", b"x")),
    *(
        (b"<x>t</x>", other)
        for other in (b"", b"<x>", b"</x>", b"<y>t</y>", b"<x/>", b"<x/><x>t</x>", b"t", b"<y/>")
    ),
    (RECORD, b'<c id="7"/><e><f/></e>\n'),
    (RECORD, b"</r>"),
    (RECORD, b""),
)


@pytest.mark.parametrize("where", ["one", "from one on"])
@pytest.mark.parametrize("place", [0, 1, 30])
def test_xml_with_one_unusual_record(place: int, where: str) -> None:
    are_edited = range(place, place + 1 if where == "one" else 60)
    for edit in EDITS:
        records = [RECORD.replace(*edit) if number in are_edited else RECORD for number in range(60)]
        check_xml_body(b"<r xmlns:n='u'>%b<e>0</e></r>" % b"".join(records))


def check_xml(seed: int) -> None:
    dice = random.Random(seed)
    check_xml_body(xml_of(dice), dice.choice([None, None, 1, 7, 300]))


def check_xml_body(body: bytes, most: int | None = None) -> None:
    """Compare both ways to read XML; `most`: so many bytes are read at once."""
    pattern = re.compile("id|C")

    def read(rows: Callable[..., Iterator[Any]], split: Callable[..., Iterator[Any]]) -> object:
        file = io.BytesIO(body)
        if most:
            file.read = partial(lambda read, size=-1: read(min(size, most)), file.read)  # type: ignore[method-assign]
        return read_whole(lambda **more: split(rows(file, pattern, **more)))

    assert read(xml_pieces, with_texts) == read(xml_rows, each_with_texts)


def xml_of(dice: random.Random) -> bytes:
    """Return records of XML, or nearly XML."""
    names = dice.choice([
        [b"id"],
        [b"id", b"x"],
        [b"x", b"id", b"y", b"z-1.a_"],
        [b"x", "ї".encode(), b"n:id"],
    ])
    rate, wrong = dice.choice([0, 0.02, 0.2]), dice.choice([0, 0, 0.005])
    gaps = dice.choice([[b""], [b"\n"], [b"\r\n  "], [b"", b"\n", b"\t", b"<!-- x -->", b"\r", b"&#32;"]])
    likely = [dice.choice([[b"1", b"a"], [b"", b"a&amp;b"], XML_TEXTS[:20]]) for _ in names]

    def gap() -> bytes:
        chosen = dice.random()
        if chosen < wrong / 4:
            return dice.choice(XML_WRONG)
        return dice.choice([b"x", b"<e>0</e>", b"<e/>", b"\n\n"]) if chosen < rate / 8 else dice.choice(gaps)

    def text(kind: Sequence[bytes]) -> bytes:
        chosen = dice.random()
        if chosen < wrong:
            return dice.choice(XML_WRONG)
        return dice.choice(XML_TEXTS if chosen < wrong + rate else kind)

    def field(name: bytes, kind: Sequence[bytes]) -> bytes:
        content = text(kind)
        if dice.random() < rate / 4:
            name += dice.choice([b" ", b"\n", b' id="1"', b" x='>'", b' n:id=""'])
        end = name.split()[0] + dice.choice([b"", b"", b" "] if dice.random() < rate else [b""])
        if not content and dice.random() < 0.7:
            return b"<%b%b/>" % (name, dice.choice([b"", b" "]))
        return b"<%b>%b</%b>" % (name, content, end)

    inner = gap()

    def record() -> bytes:
        fields = [field(*one) for one in zip(names, likely, strict=True)]
        if dice.random() < rate / 2:
            fields.append(dice.choice(fields))
        if dice.random() < rate / 2:
            dice.shuffle(fields)
        if dice.random() < rate / 2:
            fields.pop()
        tag = (
            dice.choice([b"c", b"d", b"C", b"id", b'c id="1"', b"n:c"]) if dice.random() < rate / 2 else b"c"
        )
        between = gap() if dice.random() < rate else inner
        return b"<%b>%b%b</%b>" % (tag, between, between.join([*fields, b""]), tag.split()[0])

    between = gap()
    records = b"".join(
        record() + (gap() if dice.random() < rate else between)
        for _ in range(dice.choice([0, 1, 3, COUNT, 60]))
    )
    head = dice.choice([
        *(b"", b"", b"\xef\xbb\xbf", b'<?xml version="1.0"?>\n', b"<?xml version='1.0' encoding='UTF-8'?>"),
        *(
            b'<?xml version="1.0" encoding="utf-8" standalone="yes"?>',
            b'<?xml version="1.0" encoding="cp1251"?>',
        ),
        *(b"\n<!-- x -->", b"<?xml encoding='utf-8'?>", b'<?xml version="1.0" encoding="utf8"?>'),
    ])
    start, end = dice.choice([
        (b"<r xmlns:n='u'>", b"</r>"),
        (b"<r xmlns:n='u'>", b"<e>5</e></r>"),
        (b"<r xmlns:n='u' xmlns='v'><e>0</e><n>\n</n><all>", b"</all></r>\n"),
        (b"<c xmlns:n='u'><id>1</id>", b"</c>"),
        (b"", b""),
        (b"<r xmlns:n='u'><c><id>", b"</id></c></r>"),
    ])
    body = head + start + records + end
    return body[: dice.randrange(len(body) + 1)] if dice.random() < 0.1 else body


def with_texts(pieces: Iterator[NumberedRow | LikeRecords]) -> Iterator[Any]:
    """Yield each record with its JSON and types."""
    for piece in pieces:
        if isinstance(piece, LikeRecords):
            batch = batches.LikeBatch(piece)
            rows = zip(batch.places, map(batch.record, range(len(batch))), strict=True)
            found = each_with_texts(rows)
            raw, usual = batch.raw()
            known = [True] * len(batch) if usual is None else usual.to_pylist()
            for (place, record, text), other, is_usual in zip(found, raw.to_pylist(), known, strict=True):
                assert text == other or not is_usual
                yield place, record, text
        else:
            yield from each_with_texts([piece])


def each_with_texts(rows: Any) -> Iterator[Any]:
    for place, row in rows:
        yield place, repr(row), json_text(row) if isinstance(row, dict) else ""


def json_of(dice: random.Random) -> bytes:
    """Return a list of JSON, or nearly JSON."""
    names = dice.choice([[b"a"], [b"a", b"b", b"c"], [b"start", b"\\u0430", b'x\\"', b"\xd0\xb0 b"]])
    gaps = dice.choice([[b""], [b" "], [b"", b" ", b"\n\t", b"\r\n"]])
    rate, wrong = dice.choice([0, 0.02, 0.2]), dice.choice([0, 0, 0.005])
    like_values = [JSON_TEXTS, JSON_OTHERS[:8], (b'"x"',), (b'"x"', b'"\\u0456"')]
    like_values += [(b"1", b"2"), (b"1", b"null"), (b"1.5", b"-0.10"), (b"null", b'"x"', b"7")]
    kinds = [dice.choice(like_values) for _ in names]

    def gap() -> bytes:
        return dice.choice(gaps)

    def value(kind: tuple[bytes, ...]) -> bytes:
        chosen = dice.random()
        if chosen < wrong:
            return dice.choice(JSON_WRONG)
        return dice.choice(JSON_TEXTS + JSON_OTHERS if chosen < rate + wrong else kind)

    def record() -> bytes:
        if dice.random() < rate / 4:
            return dice.choice([*JSON_TEXTS, *JSON_OTHERS])
        fields = [
            b'"%b"%b:%b%b' % (name, gap(), gap(), value(kind))
            for name, kind in zip(names, kinds, strict=True)
        ]
        if dice.random() < rate / 2:
            fields.append(dice.choice(fields))
        if dice.random() < rate / 2:
            dice.shuffle(fields)
        if dice.random() < rate / 2:
            fields.pop()
        between = (b"%b,%b" % (gap(), gap())).join(fields)
        stray = b"," if dice.random() < rate / 10 else b""
        return b"{%b%b%b%b}" % (gap(), between, stray, gap())

    between = dice.choice([b",\n", b",\n", b"%b,%b" % (gap(), gap())])
    records = b"".join(
        record() + (between if dice.random() > rate / 2 else b"%b,%b" % (gap(), gap()))
        for _ in range(dice.randint(0, 60))
    )[: -len(between)]
    listed = b"[%b%b%b]" % (records, dice.choice([b"", b"", b","]), gap())
    body = listed
    if dice.random() < 0.7:
        before = dice.choice([b"", b'"error":"x",', b'"more":[1,{"a":"}"}],', b'"a":1,"a":2,'])
        after = dice.choice([
            b"",
            b',"error":0',
            b',"calls":[{"a":1}]',
            b',"x":{"a":1.5}',
            b',"z":"%b"' % (b"9" * 4000),
        ])
        body = b'{%b"calls":%b%b}' % (before, listed, after)
    if wrong and dice.random() < 0.3:
        body = body[: dice.randint(0, len(body))] + dice.choice([b"", b"]", b"}", b"x", b"\xff"])
    return dice.choice([b"", b"", b"", b"\xef\xbb\xbf"]) + body + dice.choice([b"", b"", b"\n", b" x"])


def flat(found: Iterator[Any]) -> list[NumberedRow]:
    return [
        row
        for one in found
        for row in (
            [one] if isinstance(one, tuple) else [(one.places[n], one.record(n)) for n in range(len(one))]
        )
    ]


def rows_of(batch: batches.Batch) -> list[NumberedRow]:
    return [(batch.places[number], batch.record(number)) for number in range(len(batch))]


def outcome(act: Callable[[], object]) -> object:
    try:
        return act()
    except TelecomError as error:
        return str(error)


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), report=st.sampled_from(list(novaconnect_schema.COLUMNS)))
def test_reports(tmp_path_factory: pytest.TempPathFactory, seed: int, report: str) -> None:
    check_report(tmp_path_factory.mktemp("reports"), seed, report)


@pytest.mark.long
@settings(max_examples=3000, deadline=None, suppress_health_check=list(HealthCheck))
@given(seed=st.integers(0, 2**32), report=st.sampled_from(list(novaconnect_schema.COLUMNS)))
def test_reports_long(tmp_path_factory: pytest.TempPathFactory, seed: int, report: str) -> None:
    check_report(tmp_path_factory.mktemp("reports"), seed, report)


def check_report(folder: Path, seed: int, report: str) -> None:
    dice = random.Random(seed)
    start = date(2026, 10, 24)
    end = start + dice.choice([0, 2]) * DAY
    first, last = (datetime.combine(one, datetime.min.time(), UTC) for one in (start, end + DAY))
    spec = DatasetSpec(report, novaconnect_schema.COLUMNS[report], "parquet", on_bad_rows="quarantine")
    rate = dice.choice([0, 0.01, 0.05])
    pages = [report_page(dice, report, first, rate) for _ in range(dice.randint(1, 4))]
    elsewhere = []

    def fill(dataset: Dataset) -> None:
        load = novaconnect_reports._Load(dataset, report, start, end)
        for page in pages:
            load.add(page, LOG)
        load.add_held(LOG)
        elsewhere.append(load.elsewhere)

    at_once, one_by_one = both_ways(folder, spec, parts_by_day(first, last, UTC), fill)
    assert at_once == one_by_one
    assert elsewhere[0] == elsewhere[1]


OTHER_VALUES = (
    *(
        None,
        "",
        " ",
        "7",
        "007",
        " 7 ",
        "-1",
        "1.5",
        "1e2",
        "x",
        0,
        -1,
        7,
        2**63,
        -(2**63),
        2**31,
        True,
        False,
    ),
    *(
        Decimal("0.5"),
        Decimal("1e-12"),
        Decimal(10) ** 30,
        Decimal("-0.0"),
        Decimal("7"),
        {"value": 7},
        {},
        [],
    ),
    *("€ 1,25", "0.0500", "\ud800", "\0", 253_402_300_799, 253_402_300_800, "١", "4 210.75 ₸"),
)


def report_page(dice: random.Random, report: str, first: datetime, rate: float) -> list[dict[str, Any]]:
    def moment() -> int:
        return int(first.timestamp()) + dice.randint(-2 * 86400, 4 * 86400)

    def record() -> dict[str, Any]:
        midnight = int(first.timestamp()) + dice.randint(-1, 3) * 86400 + dice.randint(-12, 11) * 3600
        times = {"sessions": {"start": moment(), "end": moment()}, "days": {"day": midnight}}
        found: dict[str, Any] = {"sid": dice.randrange(10**12), **times.get(report, {"date": moment()})}
        if report == "calls_and_sms":
            found |= {"type": "call", "to_number": dice.choice(["77010000000", 77010000000])}
        else:
            found["value"] = dice.choice([dice.randrange(10**9), str(dice.randrange(10**9))])
        found |= {"country_name": "Қазақстан", "operator_code": dice.choice([40101, "40101"])}
        found |= {"session_cost": dice.choice([None, Decimal(dice.randrange(10**6)) / 10**4, 3])}
        found |= {"id": dice.randint(1, 99), "original_number": "77000000001", "iccid": "8999701000000000001"}
        found["name"] = dice.choice(["Truck", 'a "b"\\ {},{', "", None])
        if dice.random() < 0.2:
            found.pop(dice.choice(list(found)))
        for name in list(found):
            if dice.random() < rate:
                found[name] = dice.choice(OTHER_VALUES)
        if dice.random() < rate:
            found["more"] = dice.choice(OTHER_VALUES)
        return found

    return [record() for _ in range(dice.randint(0, COUNT))]
