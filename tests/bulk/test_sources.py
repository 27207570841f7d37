"""Sources of an audience: DuckDB reads a file as the reader does, and what is refused."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pyarrow
import pyarrow.parquet
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.bulk.sources import (
    ROWS,
    SOURCES,
    SourceColumns,
    SourceTable,
    _whole,
    source_columns,
    sql_rows,
)
from airflow_provider_telecom.calls.errors import TelecomInputError

COLUMNS = SourceColumns("msisdn", {"name": "name"})
PIECES = (
    "380670000001",
    "+380670000002",
    "0670000003",
    "1",
    "a",
    ",",
    ";",
    "\t",
    "|",
    '"',
    "\n",
    "\r\n",
    "\r",
)
MORE = (*PIECES, " ", "Олена", "\x1f", "\x1e", "\0", "#", "\\", "'", "NULL", "\ufeff")


@contextmanager
def table(columns: SourceColumns = COLUMNS) -> Iterator[SourceTable]:
    with duckdb.connect(config={"threads": 2}) as database:
        yield SourceTable(database, columns)


def found(read: SourceTable) -> list[tuple[Any, ...]]:
    """Return the rows: source, line, number or what is wrong with it, and the values."""
    fields = "".join(f", v{place}" for place in range(len(read.columns.names)))
    statement = (
        f"SELECT s.name, coalesce(line, r.rowid - s.shift), msisdn, number, problem, value_problem{fields} "
        f"FROM {ROWS} AS r JOIN {SOURCES} AS s ON r.source = s.source ORDER BY r.rowid"
    )
    return read.database.execute(statement).fetchall()


def read_file(path: Path, columns: SourceColumns = COLUMNS, *, by_reader: bool = False) -> Any:
    with table(columns) as read:
        if by_reader:
            read.plain_csv = False
        read.read_files(str(path), path.parent)
        return found(read)


def result(path: Path, columns: SourceColumns, *, by_reader: bool) -> Any:
    try:
        return read_file(path, columns, by_reader=by_reader)
    except TelecomInputError as error:
        return error.text


@settings(max_examples=30)
@given(
    st.sampled_from([
        "msisdn,name\n",
        "msisdn;name\r\n",
        "msisdn\n",
        "name\tother\tmsisdn\n",
        "\ufeffmsisdn,name\n",
    ]),
    st.lists(st.sampled_from(MORE), max_size=30),
)
def test_duckdb_reads_csv_as_the_reader_does(
    tmp_path_factory: pytest.TempPathFactory, header: str, pieces: Sequence[str]
) -> None:
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_text(header + "".join(pieces), encoding="utf-8", newline="")
    columns = SourceColumns("msisdn", {} if header == "msisdn\n" else {"name": "name"})
    assert result(path, columns, by_reader=False) == result(path, columns, by_reader=True)


@pytest.mark.parametrize("ending", ["\n", "\r\n"])
def test_files_without_quotes_are_read_by_duckdb(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ending: str
) -> None:
    def no_reader(*_: object) -> Iterator[Any]:
        raise AssertionError("the reader was used")

    monkeypatch.setattr("airflow_provider_telecom.bulk.sources.csv_rows", no_reader)
    lines = ["msisdn,name", "380670000001,Олена", "380670000002", "x,", "+380670000003,b"]
    path = tmp_path / "a.csv"
    path.write_text(ending.join(lines), encoding="utf-8", newline="")
    assert read_file(path) == [
        ("a.csv", 2, 380670000001, None, None, None, "Олена"),
        ("a.csv", 3, None, None, "row: has 1 cell instead of 2", None, None),
        ("a.csv", 4, None, "x", None, None, ""),
        ("a.csv", 5, 380670000003, None, None, None, "b"),
    ]


def test_a_large_file_keeps_its_order(tmp_path: Path) -> None:
    path = tmp_path / "a.csv"
    count = 150_000
    with path.open("w") as file:
        file.write("msisdn,name\n")
        file.writelines(f"{380670000000 + place},{place}\n" for place in range(count))
    rows = read_file(path)
    assert [row[1] for row in rows] == list(range(2, count + 2))
    assert [row[6] for row in rows] == [str(place) for place in range(count)]


def test_several_files_each_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("msisdn,name\n380670000001,a\n")
    (tmp_path / "b.jsonl").write_text('\n{"msisdn": 380670000002, "name": "b"}\n{"msisdn": true}\nno\n')
    (tmp_path / "c.tsv").write_text('msisdn\tname\n\n380670000003\t"c\td"\n')
    rows = {"msisdn": [380670000004, None], "name": ["d", "e\nf"], "other": [1.5, 2.5]}
    pyarrow.parquet.write_table(pyarrow.table(rows), tmp_path / "d.parquet")
    (tmp_path / "copies").mkdir()
    with table() as read:
        read.read_files(f"{tmp_path}/*", tmp_path / "copies")
        read.read_list(["380670000005", {"msisdn": 380670000006, "name": 7}])
        assert [row[:2] + row[2:3] + row[4:] for row in found(read)] == [
            ("a.csv", 2, 380670000001, None, None, "a"),
            ("b.jsonl", 2, 380670000002, None, None, "b"),
            ("b.jsonl", 3, None, "msisdn: must be a text or whole number", None, None),
            ("b.jsonl", 4, None, "row: is not JSON", None, None),
            ("c.tsv", 3, 380670000003, None, None, "c\td"),
            ("d.parquet", 1, 380670000004, None, None, "d"),
            ("d.parquet", 2, None, None, "name: contains a line break or a control character", "e\nf"),
            ("list", 1, 380670000005, None, None, None),
            ("list", 2, 380670000006, None, None, "7"),
        ]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"msisdn": ["380670000001"], "name": [{"first": "a"}]}, "d.parquet: the column name is nested"),
        ({"msisdn": ["1"], "name": ["a"], "tags": [["x"]]}, "d.parquet: the column tags is nested"),
        ({"phone": ["1"], "name": ["a"]}, "d.parquet: the column msisdn is missing; there are phone, name"),
        (
            {"msisdn": [1.5], "name": ["a"]},
            "d.parquet: the column msisdn is DOUBLE; it must be a text or whole",
        ),
        (
            {"msisdn": [1], "name": [True]},
            "d.parquet: the column name is BOOLEAN; it must be a text or numbers",
        ),
    ],
)
def test_parquet_that_is_refused(tmp_path: Path, columns: dict[str, Any], rule: str) -> None:
    pyarrow.parquet.write_table(pyarrow.table(columns), tmp_path / "d.parquet")
    with pytest.raises(TelecomInputError) as caught:
        read_file(tmp_path / "d.parquet")
    assert rule in str(caught.value)


def test_names_of_folders_are_no_columns_of_parquet(tmp_path: Path) -> None:
    folder = tmp_path / "day=1" / "msisdn=380670000002"
    folder.mkdir(parents=True)
    rows = {"msisdn": ["380670000001"], "MSISDN": ["380670000003"], "name": ["a"]}
    pyarrow.parquet.write_table(pyarrow.table(rows), folder / "d.parquet")
    assert read_file(folder / "d.parquet") == [("d.parquet", 1, 380670000001, None, None, None, "a")]


def test_what_is_no_parquet(tmp_path: Path) -> None:
    (tmp_path / "d.parquet").write_text("msisdn\n")
    with pytest.raises(TelecomInputError, match=r"d\.parquet is not Parquet"):
        read_file(tmp_path / "d.parquet")


def test_another_encoding_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("msisdn,name\n380670000001,Олена\n", "cp1251")
    with pytest.raises(TelecomInputError, match=r"a\.csv is not UTF-8"):
        read_file(tmp_path / "a.csv")


class Database:
    """A hook of a database in memory."""

    def get_conn(self) -> sqlite3.Connection:
        connection = sqlite3.connect(":memory:")
        connection.executescript(
            "CREATE TABLE people (phone TEXT, name TEXT); "
            "INSERT INTO people VALUES ('380670000001', 'a'), (380670000002, NULL)"
        )
        return connection


def test_rows_of_a_query() -> None:
    columns = SourceColumns("phone", {"name": "name"})
    with table(columns) as read:
        read.read_sql(Database(), "SELECT name, phone FROM people ORDER BY phone")
        assert [row[:3] + row[6:] for row in found(read)] == [
            ("sql", 1, 380670000001, "a"),
            ("sql", 2, 380670000002, None),
        ]


@pytest.mark.parametrize(
    ("sql", "rule"),
    [
        ("SELECT phone, name, name FROM people", "sql: has two columns named name: rename one with AS"),
        ("SELECT name FROM people", "sql: the column phone is missing; there are name"),
        ("DELETE FROM people", "sql: returns no rows; it must be a SELECT"),
    ],
)
def test_queries_that_are_refused(sql: str, rule: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        list(sql_rows(Database(), sql, SourceColumns("phone", {"name": "name"}).wanted))
    assert str(caught.value) == rule


def test_numbers_of_a_database() -> None:
    texts = ("380670000001", "380670000001.00", "1.5", "NaN", "sNaN", "Infinity", "-Infinity")
    assert [str(_whole(Decimal(text))) for text in texts] == [texts[0], *texts[:1], *texts[2:]]
    assert [_whole(value) for value in (None, "1.0", 7)] == [None, "1.0", 7]


@pytest.mark.parametrize(
    ("columns", "rule"),
    [
        ({"msisdn": ""}, r"columns\[msisdn\]: must not be empty"),
        (
            {"msisdn": "phone", "variant": "v"},
            "columns: variant is a column that the audience has of its own",
        ),
        (["phone"], "columns: must be like"),
    ],
)
def test_columns_that_are_refused(columns: Any, rule: str) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        source_columns(columns)
