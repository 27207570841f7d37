"""Rows of an audience's sources, read into a table of DuckDB: lists, files, and queries of databases.

Files of CSV that need no CSV reader (no quotes, no blank lines) are read by DuckDB, and Parquet is. All
others are read by the readers of `recipients`, which know the line number of each row. Both ways give the
same table for the same file.
"""

from __future__ import annotations

import codecs
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from decimal import Decimal
from importlib import import_module
from itertools import chain, islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience_folder import MSISDN, SHARD, TIMEZONE, VARIANT
from airflow_provider_telecom.bulk.files import file_name, find_files, local_copy
from airflow_provider_telecom.bulk.recipient_rows import (
    SUFFIXES,
    Line,
    RecipientColumns,
    csv_header,
    csv_problem,
    csv_rows,
    json_rows,
    list_rows,
)
from airflow_provider_telecom.bulk.recipients import INVALID_CHARACTERS, checked_number, checked_value
from airflow_provider_telecom.bulk.sql_text import parquet_rows, quoted_name, quoted_text
from airflow_provider_telecom.calls.checks import non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import CANONICAL

if TYPE_CHECKING:
    import duckdb

AUDIENCE_SUFFIXES = (*SUFFIXES, ".parquet")
ROWS, SOURCES = "source_rows", "sources"
"""The table of all rows, in their order, and that of the sources' names.

`number` is what could not be read as a canonical number at once; `problem` says what is wrong with a row or
its number, `value_problem` what is wrong with a value. `line` is null where the lines have no gap.
"""
_BATCH = 20_000
_TEXT_OR_NONE = {str, type(None)}
_LONGEST_NAME = 128
_PIECE = 1 << 20
_LONGEST_CELL = 131_072  # the limit of Python's CSV reader
_NEEDS_READER = (b'"', b"\0", b"\x1e", b"\x1f", b"\n\n", b"\n\r\n")
_NUMBERS = (
    "TINYINT",
    "SMALLINT",
    "INTEGER",
    "BIGINT",
    "HUGEINT",
    "UTINYINT",
    "USMALLINT",
    "UINTEGER",
    "UBIGINT",
)
_TEXTS = ("VARCHAR", "FLOAT", "DOUBLE", "DATE", "TIMESTAMP")
_NESTED = ("STRUCT", "MAP", "UNION", "LIST")


@dataclass(frozen=True)
class SourceColumns:
    """The wanted columns of the sources: that of the number, those of texts, and that of the time zone."""

    msisdn: str
    values: Mapping[str, str]
    """The source's column by the name in the audience."""
    timezone: str | None = None

    @property
    def wanted(self) -> RecipientColumns:
        """The columns as the readers want them."""
        zone = () if self.timezone is None else (self.timezone,)
        return RecipientColumns(self.msisdn, (*self.values.values(), *zone))

    @property
    def names(self) -> Sequence[str]:
        """The names of the values in the audience, with that of the time zone."""
        return (*self.values, *(() if self.timezone is None else ("timezone",)))


def source_columns(columns: Mapping[str, str] | None) -> SourceColumns:
    """Return the wanted columns from the source's column by the audience's. Raises TelecomInputError."""
    columns = {MSISDN: MSISDN} if columns is None else columns
    if not isinstance(columns, Mapping):
        raise TelecomInputError("columns", 'must be like {"msisdn": "phone", "name": "first_name"}')
    for name, column in columns.items():
        non_blank("columns", name, _LONGEST_NAME)
        non_blank(f"columns[{name}]", column)
    if refused := sorted({VARIANT, SHARD} & set(columns)):
        raise TelecomInputError(
            "columns", f"{', '.join(refused)} is a column that the audience has of its own"
        )
    values = {name: column for name, column in columns.items() if name not in (MSISDN, TIMEZONE)}
    return SourceColumns(columns.get(MSISDN, MSISDN), values, columns.get(TIMEZONE))


class SourceTable:
    """The table of all rows. Each `read_` method adds the rows of a source."""

    def __init__(self, database: duckdb.DuckDBPyConnection, columns: SourceColumns) -> None:
        self.database, self.columns = database, columns
        self.plain_csv = True
        """Whether DuckDB reads CSV that needs no CSV reader."""
        self._count = 0
        self._fields = [f"v{place}" for place in range(len(columns.names))]
        values = "".join(f", {name} VARCHAR" for name in self._fields)
        database.execute(
            f"CREATE TABLE {ROWS} (source USMALLINT, line BIGINT, msisdn BIGINT, number VARCHAR, "
            f"problem VARCHAR, value_problem VARCHAR{values})"
        )
        database.execute(f"CREATE TABLE {SOURCES} (source USMALLINT, name VARCHAR, shift BIGINT)")

    def read_list(self, rows: Sequence[object]) -> None:
        """Read a list of numbers or mappings."""
        with self._source("list", 1) as source:
            source.insert(list_rows(rows, self.columns.wanted))

    def read_files(self, path: Any, folder: Path) -> None:
        """Read a file or several; copies of remote ones are in `folder` while they are read."""
        for file in find_files("recipients", path, AUDIENCE_SUFFIXES):
            copy = local_copy(file, folder)
            self._read_file(file_name(file), copy)
            if str(copy) != file.path:
                copy.unlink()

    def read_sql(self, hook: Any, sql: str) -> None:
        """Read the rows of a query, a few at once."""
        with self._source("sql", 1) as source:
            source.insert(sql_rows(hook, sql, self.columns.wanted))

    def _read_file(self, name: str, path: Path) -> None:
        if name.lower().endswith(".parquet"):
            with self._source(name, 1) as source:
                source.insert_parquet(path)
            return
        if name.lower().endswith(".csv") or name.lower().endswith(".tsv"):
            with self._source(name, 2) as source:
                if self.plain_csv and source.insert_plain_csv(path):
                    return
                with path.open(encoding="utf-8-sig", newline="") as file:
                    source.insert(_utf8(name, csv_rows(file, self.columns.wanted)))
            return
        with self._source(name, 1) as source, path.open(encoding="utf-8-sig", newline="") as file:
            source.insert(_utf8(name, json_rows(file, self.columns.wanted)))

    def _source(self, name: str, first_line: int) -> _Source:
        self._count += 1
        return _Source(self.database, self._count, name, first_line, self.columns, self._fields)


class _Source:
    """Inserts the rows of one source. At its end, the source stands in the table of sources."""

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        place: int,
        name: str,
        first_line: int,
        columns: SourceColumns,
        fields: Sequence[str],
    ) -> None:
        self._database, self._place, self._name, self._first = database, place, name, first_line
        self._columns, self._fields = columns, fields

    def __enter__(self) -> _Source:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        if kind is None:
            shift = f"SELECT ?, ?, coalesce(min(rowid), 0) - ? FROM {ROWS} WHERE source = ?"
            self._database.execute(
                f"INSERT INTO {SOURCES} {shift}", [self._place, self._name, self._first, self._place]
            )

    def insert(self, lines: Iterable[Line]) -> None:
        """Insert rows with their line numbers."""
        import pyarrow

        names, left = self._columns.names, iter(lines)
        while batch := list(islice(left, _BATCH)):
            columns = _to_columns(batch, names)
            types = [pyarrow.int64(), *[pyarrow.string()] * (len(columns) - 1)]
            arrays = [pyarrow.array(one, kind) for one, kind in zip(columns, types, strict=True)]
            labels = ["line", "cell", "problem", "value_problem", *self._fields]
            self._database.register("batch", pyarrow.Table.from_arrays(arrays, labels))
            values = "".join(f", {name}" for name in self._fields)
            self._database.execute(
                f"INSERT INTO {ROWS} SELECT {self._place}, line, {_msisdn('cell')}, {_number('cell')}, "
                f"problem, value_problem{values} FROM batch"
            )
            self._database.unregister("batch")

    def insert_plain_csv(self, path: Path) -> bool:
        """Insert the rows of a CSV file if it needs no CSV reader; return whether it did."""
        import duckdb

        with path.open("rb") as file:
            first = file.readline()
            ending = _line_ending(file)
        if ending is None or not first.endswith(b"\n") or b"\r" in first.removesuffix(b"\r\n"):
            return False
        newline, count = ending
        try:
            header = first.decode("utf-8-sig")
        except UnicodeDecodeError:
            return False  # the reader says so
        delimiter, width, places = csv_header(header, self._columns.wanted)
        if not count:
            return True
        quoted = quoted_text(delimiter)
        is_wrong = f"len(cells) <> {width}"
        if width == 1:
            is_wrong += r" OR regexp_matches(text, '[,;\t|:]')"
        cells = [f"CASE WHEN problem IS NULL THEN cells[{place + 1}] END" for place in places]
        values = "".join(f", {cell}" for cell in cells[1:])
        try:
            self._database.execute("BEGIN")
            self._database.execute(
                f"INSERT INTO {ROWS} SELECT {self._place}, NULL, {_msisdn(cells[0])}, {_number(cells[0])}, "
                f"problem, NULL{values} FROM (SELECT *, CASE WHEN {is_wrong} THEN text END AS problem FROM ("
                f"SELECT text, string_split(text, {quoted}) AS cells FROM (SELECT CASE WHEN strlen(text) > "
                f"{_LONGEST_CELL} THEN error('long') ELSE text END AS text FROM read_csv(?, "
                "columns = {'text': 'VARCHAR'}, delim = chr(31), quote = '', escape = '', comment = '', "
                f"header = false, auto_detect = false, skip = 1, nullstr = chr(30), "
                f"new_line = '{newline}'))))",
                [str(path)],
            )
            self._name_problems(width, delimiter)
            found = self._database.execute(
                f"SELECT count(*), max(rowid) - min(rowid) + 1 FROM {ROWS} WHERE source = {self._place}"
            ).fetchone()
        except duckdb.Error:
            self._database.execute("ROLLBACK")
            return False
        if found != (count, count):
            self._database.execute("ROLLBACK")
            return False
        self._database.execute("COMMIT")
        return True

    def _name_problems(self, width: int, delimiter: str) -> None:
        """Replace the texts of rows with a wrong number of cells by what is wrong with them."""
        import pyarrow

        found = self._database.execute(
            f"SELECT DISTINCT problem FROM {ROWS} WHERE source = {self._place} AND problem IS NOT NULL"
        )
        texts = [text for (text,) in found.fetchall()]
        if not texts:
            return
        problems = [f"row: {csv_problem(text.split(delimiter), width, delimiter)}" for text in texts]
        self._database.register("batch", pyarrow.table({"text": texts, "found": problems}))
        self._database.execute(
            f"UPDATE {ROWS} SET problem = batch.found FROM batch "
            f"WHERE source = {self._place} AND problem = batch.text"
        )
        self._database.unregister("batch")

    def insert_parquet(self, path: Path) -> None:
        """Insert the rows of a Parquet file."""
        wanted = self._columns.wanted
        number, *values = _parquet_columns(self._database, self._name, path, (wanted.msisdn, *wanted.values))
        problems = [
            f"WHEN regexp_matches({value}, '[\\x1f\\n]') THEN "
            + quoted_text(f"{name}: contains a line break or a control character")
            for name, value in zip(self._columns.names, values, strict=True)
        ]
        value_problem = f"CASE {' '.join(problems)} END" if problems else "NULL"
        cells = "".join(f", {value}" for value in values)
        self._database.execute(
            f"INSERT INTO {ROWS} SELECT {self._place}, NULL, {_msisdn(number)}, {_number(number)}, NULL, "
            f"{value_problem}{cells} FROM {parquet_rows(quoted_text(str(path)))}"
        )


def sql_rows(hook: Any, sql: str, columns: RecipientColumns) -> Iterator[Line]:
    """Yield the rows of a query, numbered from 1, through a cursor of the server where there is one.

    Raises TelecomInputError for a missing column, and for two of the same name.
    """
    with closing(hook.get_conn()) as connection, closing(_streaming_cursor(connection)) as cursor:
        cursor.execute(sql)
        rows = cursor.fetchmany(_BATCH)  # a cursor of the server has its description after this
        if cursor.description is None:
            raise TelecomInputError("sql", "returns no rows; it must be a SELECT")
        places = _sql_places([str(column[0]) for column in cursor.description], columns)
        line = 0
        while rows:
            for row in rows:
                line += 1
                yield line, [_whole(row[place]) for place in places]
            rows = cursor.fetchmany(_BATCH)


def _streaming_cursor(connection: Any) -> Any:
    """Return a cursor that does not load all rows at once, where the driver has such a one."""
    driver = type(connection).__module__.partition(".")[0]
    if driver == "psycopg2":
        factory = import_module("psycopg2.extensions").cursor
        return connection.cursor("telecom_audience", cursor_factory=factory)
    if driver == "psycopg":
        return connection.cursor("telecom_audience", row_factory=import_module("psycopg.rows").tuple_row)
    if driver in ("MySQLdb", "pymysql"):
        return connection.cursor(import_module(f"{driver}.cursors").SSCursor)
    return connection.cursor()


def _sql_places(found: Sequence[str], columns: RecipientColumns) -> Sequence[int]:
    twice = sorted({name for name in found if found.count(name) > 1})
    if twice:
        raise TelecomInputError("sql", f"has two columns named {', '.join(twice)}: rename one with AS")
    for name in (columns.msisdn, *columns.values):
        if name not in found:
            raise TelecomInputError("sql", f"the column {name} is missing; there are {', '.join(found)}")
    return [found.index(name) for name in (columns.msisdn, *columns.values)]


def _whole(value: Any) -> Any:
    """Return a whole number as an integer: databases have decimals of no places."""
    is_number = isinstance(value, Decimal) and value.is_finite()
    return int(value) if is_number and value == value.to_integral_value() else value


def _to_columns(batch: Sequence[Line], names: Sequence[str]) -> list[list[Any]]:
    """Return the columns of a batch: line, number, problem, problem of a value, and the values."""
    if (simple := _to_simple_columns(batch)) is not None:
        return simple
    lines: list[int] = []
    numbers: list[str | None] = []
    problems: list[str | None] = []
    value_problems: list[str | None] = []
    values: list[list[str | None]] = [[] for _ in names]
    for line, row in batch:
        lines.append(line)
        number = problem = value_problem = None
        cells: list[str | None] = [None] * len(names)
        if isinstance(row, Exception):
            problem = f"row: {row}"
        else:
            try:
                number = str(checked_number(row[0])).encode("utf-8", "replace").decode()
            except TelecomInputError as error:
                problem = error.text
            try:
                for place, name in enumerate(names):
                    if (value := row[place + 1]) is not None:
                        cells[place] = checked_value(name, value)
            except TelecomInputError as error:
                value_problem = error.text
        numbers.append(number)
        problems.append(problem)
        value_problems.append(value_problem)
        for column, cell in zip(values, cells, strict=True):
            column.append(cell)
    return [lines, numbers, problems, value_problems, *values]


def _to_simple_columns(batch: Sequence[Line]) -> list[list[Any]] | None:
    """Return the columns of a batch of texts without any problem, checked at once; None for other batches."""
    rows: list[Sequence[Any]] = [row for _, row in batch if not isinstance(row, Exception)]
    if len(rows) < len(batch):
        return None
    # Not zip(*rows): it makes an iterator for each row, and the garbage collector looks at all of them.
    numbers, *values = ([row[place] for row in rows] for place in range(len(rows[0])))
    if set(map(type, numbers)) != {str} or any(not set(map(type, one)) <= _TEXT_OR_NONE for one in values):
        return None
    joined = "".join(filter(None, chain(numbers, *values)))
    if INVALID_CHARACTERS.search(joined):
        return None
    try:
        joined.encode()
    except UnicodeEncodeError:
        return None
    nothing = [None] * len(batch)
    return [[line for line, _ in batch], numbers, nothing, nothing, *values]


def _msisdn(cell: str) -> str:
    """Return an expression for the canonical number in a cell, null if it has another form."""
    is_canonical = f"regexp_full_match({cell}, {quoted_text(CANONICAL.pattern)})"
    return f"CASE WHEN {is_canonical} THEN CAST(ltrim({cell}, '+') AS BIGINT) END"


def _number(cell: str) -> str:
    """Return an expression for the text of a cell that has no canonical number."""
    return f"CASE WHEN NOT regexp_full_match({cell}, {quoted_text(CANONICAL.pattern)}) THEN {cell} END"


def _parquet_columns(
    database: duckdb.DuckDBPyConnection, name: str, path: Path, wanted: Sequence[str]
) -> list[str]:
    """Return expressions for the texts of the wanted columns of a Parquet file."""
    import duckdb
    import pyarrow
    import pyarrow.parquet

    try:
        there = pyarrow.parquet.read_schema(path).names
        described = database.execute(f"DESCRIBE SELECT * FROM {parquet_rows(quoted_text(str(path)))}")
        columns = [(found[0], found[1]) for found in described.fetchall()]
    except (pyarrow.ArrowInvalid, duckdb.Error):
        raise TelecomInputError("recipients", f"{name} is not Parquet") from None
    for real, (_, kind) in zip(there, columns, strict=True):
        if kind.startswith(_NESTED) or kind.endswith("]"):
            raise TelecomInputError("recipients", f"{name}: the column {real} is nested; use flat columns")
    found = []
    for column in wanted:
        if there.count(column) != 1:
            rule = "occurs twice" if column in there else f"is missing; there are {', '.join(there)}"
            raise TelecomInputError("recipients", f"{name}: the column {column} {rule}")
        label, kind = columns[there.index(column)]
        allowed = _NUMBERS if column == wanted[0] else (*_NUMBERS, *_TEXTS)
        if kind != "VARCHAR" and kind not in allowed and not kind.startswith("DECIMAL"):
            rule = "a text or whole numbers" if column == wanted[0] else "a text or numbers"
            raise TelecomInputError("recipients", f"{name}: the column {column} is {kind}; it must be {rule}")
        found.append(f"CAST({quoted_name(label)} AS VARCHAR)")
    return found


def _utf8(name: str, lines: Iterable[Line]) -> Iterator[Line]:
    try:
        yield from lines
    except UnicodeDecodeError:
        raise TelecomInputError("recipients", f"{name} is not UTF-8") from None


def _line_ending(file: Any) -> tuple[str, int] | None:
    """Return the line ending of the rest of a CSV file and its number of lines; None if it needs a reader.

    It needs one if it has quotes, blank lines, other line endings, characters that DuckDB could take for
    something else, or is not UTF-8.
    """
    decoder = codecs.getincrementaldecoder("utf-8")()
    newlines = returns = pairs = 0
    before = b"\n"
    try:
        while piece := file.read(_PIECE):
            joined = before + piece
            if any(one in joined for one in _NEEDS_READER):
                return None
            newlines += piece.count(b"\n")
            returns += piece.count(b"\r")
            pairs += joined.count(b"\r\n") - before.count(b"\r\n")
            decoder.decode(piece)
            before = joined[-2:]
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return None
    if returns not in (0, newlines) or returns != pairs:
        return None
    has_open_line = before[-1:] != b"\n"
    return r"\r\n" if returns else r"\n", newlines + has_open_line
