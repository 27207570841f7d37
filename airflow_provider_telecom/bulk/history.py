"""What was sent before: the rows of files of outcomes that a policy needs, as a table of DuckDB.

A folder of outcomes holds nothing else. Files that end in `.parquet` are Parquet, all others JSON lines; also
the parts of sends that are running or were killed (`<results>.parts/`) are read, since their messages were
sent. The last line of such a part may be incomplete: it is left out. `<results>.part` and `<results>.states`,
copies that are being written or were left behind, are not read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.bulk.files import find_files, local_copy
from airflow_provider_telecom.bulk.outcomes import CHANNELS, COUNTED, PARQUET, STATES
from airflow_provider_telecom.bulk.sql_text import parquet_rows, plain_column, quoted_name, quoted_text
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath
    from duckdb import DuckDBPyConnection

NEEDED = ("msisdn", "channel", "conn_id", "reference", "message_id", "state", "run", "sent_at", "final_at")
"""The columns that each file must have."""
STATUS = "status"
"""The vendor's word for the result of a look-up; files of messages don't have it."""

_TIMES = ("sent_at", "final_at")
_FILES = "$files"
_PARTS, _COPIES = ".parts", (".part", ".states")
_ATTEMPTS = 3
_PIECE = 1 << 20
_MAX_LINE = 1 << 20
_WITH_OFFSET = r"^\d{4}-\d\d-\d\dT.*(Z|[+-]\d\d:\d\d)$"


def create_history(
    connection: DuckDBPyConnection,
    table: str,
    path: str,
    folder: Path,
    *,
    field: str,
    keep: str,
    more: Sequence[str] = (STATUS,),
    may_be_empty: bool = True,
) -> None:
    """Create a temporary table with the rows of outcomes that the condition `keep` selects.

    Its columns: `msisdn` (BIGINT), `channel`, `conn_id`, `reference`, `message_id`, `state`, `run`, those of
    `more` (texts, null where a file does not have them), and `sent` and `final` (microseconds since 1970, may
    be null). `keep` may use them. Copies of remote files are in `folder`. Raises TelecomInputError for
    `field`, which names the file, for all that is not a complete file of outcomes, and for a folder that does
    not exist; one without files is an empty history, unless `may_be_empty` is false.
    """
    check_library(field, "duckdb")
    check_library(field, "pyarrow")
    name = plain_column(table)
    others = "".join(f"{plain_column(column)} VARCHAR, " for column in more)
    connection.execute(
        f"CREATE OR REPLACE TEMP TABLE {name} (msisdn BIGINT, channel VARCHAR, conn_id VARCHAR, "
        f"reference VARCHAR, message_id VARCHAR, state VARCHAR, run VARCHAR, {others}sent BIGINT, "
        "final BIGINT, file VARCHAR, problem VARCHAR)"
    )
    files = _local_files(field, path, folder, may_be_empty)
    for source in _sources(field, files, more):
        _insert(connection, name, source, keep, field, files, more)
    bad = connection.execute(f"SELECT file, problem FROM {name} WHERE problem IS NOT NULL LIMIT 1").fetchone()
    if bad:
        raise _wrong(field, files[bad[0]], bad[1])
    connection.execute(f"ALTER TABLE {name} DROP COLUMN problem")
    connection.execute(f"ALTER TABLE {name} DROP COLUMN file")


def create_outcomes(connection: DuckDBPyConnection, table: str, path: str, folder: Path) -> None:
    """Create a temporary table with all rows of outcomes, with `code`, `price` and `currency` as texts.

    For the rest see `create_history`.
    """
    create_history(
        connection,
        table,
        path,
        folder,
        field="outcomes",
        keep="true",
        more=("code", "price", "currency"),
        may_be_empty=False,
    )


def _local_files(field: str, path: str, folder: Path, may_be_empty: bool) -> dict[str, str]:
    """Return the files of a history by their local paths.

    When a send ends, its parts become a file: if one of them is gone, the folder is listed again.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            return dict(_copies(field, path, folder, may_be_empty))
        except FileNotFoundError:
            if attempt == _ATTEMPTS:
                raise TelecomInputError(field, f"files of {path} disappear while they are read") from None
    raise AssertionError


def _copies(field: str, path: str, folder: Path, may_be_empty: bool) -> Iterator[tuple[str, str]]:
    for file in find_files(field, path, ("",), may_be_empty=may_be_empty):
        name = str(file)
        if name.endswith(_COPIES):
            continue
        if file.parent.name.endswith(_PARTS):
            yield str(_complete_lines(file, folder)), name
        else:
            yield str(local_copy(file, folder)), name


def _complete_lines(file: ObjectStoragePath, folder: Path) -> Path:
    """Return a copy of a part without an incomplete last line."""
    copy = folder / f"{len(list(folder.iterdir())):06d}.jsonl"
    with file.open("rb") as part, copy.open("wb") as complete:  # type: ignore[no-untyped-call]
        left = b""
        while piece := part.read(_PIECE):
            whole, newline, rest = piece.rpartition(b"\n")
            if newline:
                complete.write(left + whole + newline)
                left = rest
            else:
                left += piece
    return copy


def _sources(field: str, files: dict[str, str], more: Sequence[str]) -> Iterator[tuple[str, Sequence[str]]]:
    """Yield how DuckDB reads the files that can be read alike, with the local paths of each such group."""
    lines: list[str] = []
    tables: dict[str, list[str]] = {}
    for path, name in files.items():
        if name.lower().endswith(PARQUET):
            tables.setdefault(_parquet_columns(field, path, name, more), []).append(path)
        elif Path(path).stat().st_size:
            _check_first_line(field, path, name)
            _check_last_line(field, path, name)
            lines.append(path)
    if lines:
        names = (*NEEDED, *more)
        kinds = ", ".join(f"{name}: 'VARCHAR'" for name in names)
        columns = ", ".join(_time(name) if name in _TIMES else name for name in names)
        options = (
            f"format = 'newline_delimited', filename = true, hive_partitioning = false, columns = {{{kinds}}}"
        )
        yield f"(SELECT {columns}, filename FROM read_json({_FILES}, {options}))", lines
    for columns, paths in tables.items():
        yield f"(SELECT {columns}, filename FROM {parquet_rows(f'{_FILES}, filename = true')})", paths


def _time(column: str) -> str:
    """Return an expression for the microseconds of a text with a time and its offset from UTC."""
    is_time = f"regexp_matches({column}, {quoted_text(_WITH_OFFSET)})"
    return f"CASE WHEN {is_time} THEN epoch_us(TRY_CAST({column} AS TIMESTAMPTZ)) END AS {column}"


def _check_first_line(field: str, path: str, name: str) -> None:
    """Raise TelecomInputError if the first line of a file is not that of a message."""
    with Path(path).open("rb") as file:
        first = file.readline(_MAX_LINE)
    try:
        line = json.loads(first)
    except ValueError:  # includes what is not UTF-8
        line = None
    if not isinstance(line, dict):
        raise _wrong(field, name, "is no file of outcomes: its first line is not JSON")
    _check_names(field, name, list(line))


def _check_last_line(field: str, path: str, name: str) -> None:
    """Raise TelecomInputError if the last line of a file is cut off, which DuckDB does not always find."""
    with Path(path).open("rb") as file:
        file.seek(max(0, Path(path).stat().st_size - _MAX_LINE))
        last = file.read().rpartition(b"\n")[2]
    try:
        json.loads(last or b"{}")
    except ValueError:
        raise _wrong(field, name, "is not a complete file of outcomes") from None


def _check_names(field: str, name: str, there: Sequence[str]) -> None:
    if missing := [column for column in NEEDED if column not in there]:
        rule = f"the column {missing[0]} is missing"
        if "msisdn" in there and "state" in there:
            rule += "; files of versions before 0.1.0 don't have it, and do not count: move them elsewhere"
        raise _wrong(field, name, f"is no file of outcomes: {rule}")


def _parquet_columns(field: str, path: str, name: str, more: Sequence[str]) -> str:
    """Return expressions for the columns of a Parquet file."""
    import pyarrow
    import pyarrow.parquet

    try:
        schema = pyarrow.parquet.read_schema(path)
    except (pyarrow.ArrowInvalid, OSError):
        raise _wrong(field, name, "is not complete Parquet") from None
    _check_names(field, name, schema.names)
    found = []
    for column in (*NEEDED, *more):
        if [one.casefold() for one in schema.names].count(column) > 1:  # DuckDB does not tell them apart
            raise _wrong(field, name, f"the column {column} occurs twice")
        if column not in schema.names:
            found.append(f"NULL AS {column}")
            continue
        kind = schema.field(column).type
        if pyarrow.types.is_nested(kind):
            raise _wrong(field, name, f"the column {column} is nested; it must be flat")
        if column not in _TIMES:
            found.append(f"CAST({quoted_name(column)} AS VARCHAR) AS {column}")
        elif pyarrow.types.is_timestamp(kind) and kind.tz is not None:
            found.append(f"epoch_us({column}) AS {column}")
        elif pyarrow.types.is_string(kind) or pyarrow.types.is_null(kind):
            found.append(_time(column))
        else:
            raise _wrong(field, name, f"the column {column} is {kind}, not a timestamp with a time zone")
    return ", ".join(found)


def _insert(
    connection: DuckDBPyConnection,
    table: str,
    source: tuple[str, Sequence[str]],
    keep: str,
    field: str,
    files: dict[str, str],
    more: Sequence[str],
) -> None:
    """Insert the wanted rows of a group of files, and those with a problem."""
    import duckdb

    text, paths = source
    try:
        connection.execute(_insertion(table, text, paths, keep, more))
    except duckdb.Error as error:
        for path in paths:  # which of them is it?
            with suppress(duckdb.Error):
                counted = _insertion(table, text, [path], keep, more, into="")
                connection.execute(f"SELECT count(*) FROM ({counted})")
                continue
            raise _wrong(field, files[path], "is not a complete file of outcomes") from None
        raise error


def _insertion(
    table: str,
    source: str,
    paths: Sequence[str],
    keep: str,
    more: Sequence[str],
    into: str = "INSERT INTO",
) -> str:
    listed = f"[{', '.join(map(quoted_text, paths))}]"
    is_number = "coalesce(regexp_full_match(msisdn, '[1-9][0-9]{6,14}'), false)"
    problem = (
        f"CASE WHEN NOT {is_number} THEN 'the column msisdn has a value that is no number in E.164 digits' "
        f"WHEN channel IS NULL OR channel NOT IN ({_texts(CHANNELS)}) "
        f"THEN 'the column channel must be one of {', '.join(CHANNELS)}' "
        f"WHEN state IS NULL OR state NOT IN ({_texts(STATES)}) "
        f"THEN 'the column state must be one of {', '.join(STATES)}' "
        f"WHEN state IN ({_texts(sorted(COUNTED))}) AND sent_at IS NULL THEN "
        "'the column sent_at has no time with an offset from UTC, like 2026-03-01T09:30:00Z' END"
    )
    rows = (
        f"SELECT CASE WHEN {is_number} THEN CAST(msisdn AS BIGINT) END AS msisdn, channel, conn_id, "
        f"reference, message_id, state, run, {''.join(f'{column}, ' for column in more)}sent_at AS sent, "
        f"final_at AS final, filename AS file, {problem} AS problem FROM {source.replace(_FILES, listed)}"
    )
    start = f"{into} {table} " if into else ""
    return f"{start}SELECT * FROM ({rows}) WHERE problem IS NOT NULL OR ({keep})"


def _texts(values: Sequence[str]) -> str:
    return ", ".join(map(quoted_text, values))


def _wrong(field: str, name: str, rule: str) -> TelecomInputError:
    return TelecomInputError(field, f"{name}: {rule}")
