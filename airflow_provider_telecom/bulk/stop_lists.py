"""Stop lists: numbers that must get no message, as a table of DuckDB.

Each row of a stop list counts, whatever its date: an opt-out dated in the future counts now, and an old one
counts still. A row without a readable number is an error, since an opt-out would be lost.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.bulk.files import find_files, local_copy
from airflow_provider_telecom.bulk.recipient_rows import (
    Line,
    RecipientColumns,
    csv_header,
    csv_rows,
    json_rows,
)
from airflow_provider_telecom.bulk.recipients import MAX_NAMED_BAD_ROWS, checked_number
from airflow_provider_telecom.bulk.sql_text import parquet_rows, quoted_name, quoted_text
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import CANONICAL, e164

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STOP_LIST = "telecom_stop_list"
REASON, DATE = "reason", "date"
"""Optional columns of a stop list: they are shown with excluded numbers and decide nothing."""

_CSV, _JSON_LINES, _PARQUET = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json"), (".parquet",)
STOP_LIST_SUFFIXES = (*_CSV, *_JSON_LINES, *_PARQUET)
_ROWS_AT_ONCE, _PIECE = 20_000, 1 << 20
_LONG_NUMBER = r"\+?[0-9](?:[ ().-]?[0-9]){8,}"


def create_stop_list(
    connection: DuckDBPyConnection,
    paths: Sequence[str],
    folder: Path,
    *,
    column: str | None = None,
    region: str = "UA",
    field: str = "suppress",
) -> str:
    """Create the temporary table `telecom_stop_list (msisdn BIGINT, detail VARCHAR)` and return its name.

    `paths` are files (CSV or TSV with a header, JSON lines, Parquet), globs or folders of them; copies of
    remote ones are in `folder`. `column` is the column of the numbers, by default `msisdn`; numbers may have
    any common form, with `region` for those without a country code. A number occurs once, with the reason
    and the date of its first row. Raises TelecomInputError, which names file, line or column, for all that
    is not a stop list.
    """
    check_library(field, "duckdb")
    check_library(field, "pyarrow")
    wanted = column or "msisdn"
    connection.execute("CREATE OR REPLACE TEMP TABLE telecom_stop_rows (msisdn BIGINT, detail VARCHAR)")
    bad: list[str] = []
    for path in paths:
        # In a folder, a file with another ending is an error, too: it may have opt-outs.
        for file in find_files(field, path, ("",)):
            reader = _Reader(str(file), field, wanted, region, bad)
            reader.check_ending()
            copy = local_copy(file, folder)
            reader.insert(connection, copy)
            if str(copy) != file.path:
                copy.unlink()
    if bad:
        named = "; ".join(bad[:MAX_NAMED_BAD_ROWS])
        more = f"; and {len(bad) - MAX_NAMED_BAD_ROWS} more" if len(bad) > MAX_NAMED_BAD_ROWS else ""
        rule = f"{len(bad)} rows have no readable number, so their opt-outs would be lost: {named}{more}"
        raise TelecomInputError(field, rule)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {STOP_LIST} AS "
        "SELECT msisdn, arg_min(detail, rowid) AS detail FROM telecom_stop_rows GROUP BY msisdn"
    )
    connection.execute("DROP TABLE telecom_stop_rows")
    return STOP_LIST


class _Reader:
    """Reads the numbers of one file, and what is wrong with its rows into `bad`."""

    def __init__(self, name: str, field: str, column: str, region: str, bad: list[str]) -> None:
        self._name, self._field, self._column, self._region, self._bad = name, field, column, region, bad

    def check_ending(self) -> None:
        """Raise TelecomInputError if the file's name has an ending that stop lists don't have."""
        if not self._ends_with(STOP_LIST_SUFFIXES):
            raise self._wrong(f"a stop list must end in {', '.join(STOP_LIST_SUFFIXES)}")

    def insert(self, connection: DuckDBPyConnection, path: Path) -> None:
        """Insert the numbers of a file and what its other columns say."""
        if self._insert_by_duckdb(connection, path):
            return
        lines = self._lines(path)
        while batch := list(islice(lines, _ROWS_AT_ONCE)):
            _insert(connection, [row for line in batch if (row := self._cells(line))])

    def _insert_by_duckdb(self, connection: DuckDBPyConnection, path: Path) -> bool:
        """Insert the rows of a file whose numbers are all in canonical form; return whether it was one.

        For all others nothing is inserted, and Python's readers say what is wrong in which line. A row can't
        be lost: as many rows must have a number as the file has lines.
        """
        import duckdb

        count = None if self._ends_with(_PARQUET) else _plain_lines(path, self._ends_with(_CSV))
        source, names = self._source(connection, path)
        if not source or (count is None and not self._ends_with(_PARQUET)):
            return False
        number, *others = names
        is_canonical = f"regexp_full_match({number}, {quoted_text(CANONICAL.pattern)})"
        try:
            connection.execute(
                f"CREATE OR REPLACE TEMP TABLE telecom_stop_file AS SELECT CASE WHEN {is_canonical} "
                f"THEN CAST(ltrim({number}, '+') AS BIGINT) END AS msisdn, {_detail(others)} AS detail "
                f"FROM {source}"
            )
            found = connection.execute("SELECT count(*), count(msisdn) FROM telecom_stop_file").fetchone()
        except duckdb.Error:
            return False
        rows, read = found or (0, -1)
        is_complete = rows == read and count in (None, rows)
        if is_complete:
            connection.execute("INSERT INTO telecom_stop_rows SELECT msisdn, detail FROM telecom_stop_file")
        connection.execute("DROP TABLE telecom_stop_file")
        return is_complete

    def _source(self, connection: DuckDBPyConnection, path: Path) -> tuple[str, Sequence[str]]:
        """Return how DuckDB reads a file, and expressions for the number and the other wanted columns.

        The text is empty if it can't. Raises TelecomInputError if the column of the numbers is missing.
        """
        file = quoted_text(str(path))
        if self._ends_with(_PARQUET):
            names, is_distinct = self._parquet_names(path)
            if not is_distinct:
                return "", []
            return parquet_rows(file), [f"CAST({quoted_name(name)} AS VARCHAR)" for name in names]
        if not self._ends_with(_CSV):
            names = [quoted_text(name) for name in (self._column, REASON, DATE)]
            kinds = ", ".join(f"{name}: 'VARCHAR'" for name in names)
            source = f"read_json({file}, format = 'newline_delimited', columns = {{{kinds}}})"
            return source, [quoted_name(name) for name in (self._column, REASON, DATE)]
        try:
            with path.open(encoding="utf-8-sig", newline="") as text:
                columns = self._csv_columns(text)
                delimiter, width, places = csv_header(text.readline(), columns)
        except UnicodeDecodeError:
            return "", []
        kinds = ", ".join(f"'c{place}': 'VARCHAR'" for place in range(width))
        source = (
            f"read_csv({file}, delim = {quoted_text(delimiter)}, columns = {{{kinds}}}, skip = 1, "
            "header = false, auto_detect = false, quote = '', escape = '', comment = '')"
        )
        return source, [f"c{place}" for place in places]

    def _cells(self, line: Line) -> tuple[Any, ...] | None:
        """Return the number of a row and its other cells; None, with an entry in `bad`, if it has none."""
        place, row = line
        try:
            if isinstance(row, Exception):
                raise TelecomInputError("row", str(row))
            return (int(e164(checked_number(row[0]), self._region, field=self._column)), *row[1:])
        except TelecomInputError as error:
            unit = "row" if self._ends_with(_PARQUET) else "line"
            self._bad.append(f"{self._name}, {unit} {place}: {error.text}")
            return None

    def _ends_with(self, suffixes: tuple[str, ...]) -> bool:
        return self._name.lower().endswith(suffixes)

    def _lines(self, path: Path) -> Iterator[Line]:
        if self._ends_with(_PARQUET):
            yield from self._parquet_rows(path)
            return
        try:
            with path.open(encoding="utf-8-sig", newline="") as file:
                if self._ends_with(_CSV):
                    yield from csv_rows(file, self._csv_columns(file))
                else:
                    yield from json_rows(file, RecipientColumns(self._column, (REASON, DATE)))
        except UnicodeDecodeError:
            raise self._wrong("is not UTF-8") from None

    def _csv_columns(self, file: IO[str]) -> RecipientColumns:
        """Return the wanted columns that a CSV file has, by its first line."""
        first = file.readline()
        file.seek(0)
        try:
            delimiter, _, _ = csv_header(first, RecipientColumns(self._column))
        except TelecomInputError as error:
            raise self._no_column(error.text.partition(": ")[2]) from None
        names = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
        return RecipientColumns(self._column, [name for name in (REASON, DATE) if names.count(name) == 1])

    def _parquet_names(self, path: Path) -> tuple[Sequence[str], bool]:
        """Return the wanted columns that a Parquet file has, and whether DuckDB can tell its columns apart.

        It can't if two names differ only in upper and lower case.
        """
        import pyarrow
        import pyarrow.parquet

        try:
            schema = pyarrow.parquet.read_schema(path)
        except (pyarrow.ArrowInvalid, OSError):
            raise self._wrong("is not complete Parquet") from None
        names = schema.names
        if names.count(self._column) != 1:
            rule = "occurs twice" if self._column in names else f"is missing; there are {', '.join(names)}"
            raise self._no_column(f"the column {self._column} {rule}")
        kind = schema.field(self._column).type
        if not _is_text(kind) and not pyarrow.types.is_integer(kind):
            raise self._wrong(f"the column {self._column} is {kind}, not a text or whole numbers")
        wanted = [self._column, *(name for name in (REASON, DATE) if names.count(name) == 1)]
        return wanted, len({name.casefold() for name in names}) == len(names)

    def _parquet_rows(self, path: Path) -> Iterator[Line]:
        import pyarrow
        import pyarrow.parquet

        (wanted, _), row = self._parquet_names(path), 0
        try:
            with pyarrow.parquet.ParquetFile(path) as source:
                for batch in source.iter_batches(_ROWS_AT_ONCE, columns=wanted):
                    columns = [batch.column(name).to_pylist() for name in wanted]
                    for cells in zip(*columns, strict=True):
                        row += 1
                        yield row, cells
        except (pyarrow.ArrowInvalid, OSError):
            raise self._wrong("is not complete Parquet") from None

    def _no_column(self, rule: str) -> TelecomInputError:
        return self._wrong(f"{rule} (suppress_column= names another one)")

    def _wrong(self, rule: str) -> TelecomInputError:
        return TelecomInputError(self._field, f"{self._name}: {rule}")


def _plain_lines(path: Path, is_csv: bool) -> int | None:
    """Return how many lines of text a file of CSV has after its first, or of JSON lines in all.

    None if DuckDB could read some of them otherwise than Python does: quotes of CSV, blank lines.
    """
    with path.open("rb") as file:
        if is_csv:
            file.readline()
        newlines, before = 0, b"\n"
        while piece := file.read(_PIECE):
            joined = before + piece
            if (is_csv and b'"' in piece) or b"\n\n" in joined or b"\n\r" in joined:
                return None
            newlines += piece.count(b"\n")
            before = piece[-1:]
    return newlines + (before != b"\n")


def _detail(columns: Sequence[str]) -> str:
    """Return an expression: reason and date as one text, without what looks like a number."""
    texts = [
        f"nullif(CASE WHEN regexp_matches({text}, '^[0-9]{{4}}-[0-9]{{2}}-[0-9]{{2}}') THEN {text} "
        f"ELSE regexp_replace({text}, {quoted_text(_LONG_NUMBER)}, '***', 'g') END, '')"
        for text in (f"trim({column})" for column in columns)
    ]
    return f"nullif(concat_ws('; ', {', '.join(texts)}), '')" if texts else "NULL"


def _insert(connection: DuckDBPyConnection, rows: Sequence[tuple[Any, ...]]) -> None:
    """Insert numbers with their other cells."""
    import pyarrow

    if not rows:
        return
    numbers, *others = zip(*rows, strict=True)
    names = ["msisdn", *(f"d{place}" for place in range(len(others)))]
    texts = [[None if cell is None else str(cell) for cell in column] for column in others]
    arrays = [pyarrow.array(numbers, pyarrow.int64())]
    arrays += [pyarrow.array(column, pyarrow.string()) for column in texts]
    connection.register("telecom_batch", pyarrow.Table.from_arrays(arrays, names))
    connection.execute(
        f"INSERT INTO telecom_stop_rows SELECT msisdn, {_detail(names[1:])} FROM telecom_batch"
    )
    connection.unregister("telecom_batch")


def _is_text(kind: Any) -> bool:
    import pyarrow

    if pyarrow.types.is_dictionary(kind):
        kind = kind.value_type
    return bool(pyarrow.types.is_string(kind) or pyarrow.types.is_large_string(kind))
