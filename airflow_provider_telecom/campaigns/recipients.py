"""Recipients of a campaign: read from a list or a file, checked, without duplicates, kept on local disk.

All rows are checked before anything is sent. Valid rows go into an unnamed temporary file, so that a million
recipients take little memory, and exactly the checked rows are sent. Only the set of numbers that finds
duplicates grows.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
import tempfile
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import PurePath
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_telecom.calls.checks import encodable
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.campaigns.audience import Entry, Group, groups_by_zone
from airflow_provider_telecom.campaigns.parquet_rows import read_rows
from airflow_provider_telecom.tasks.private import hide_unless_path

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

Line = tuple[int, Sequence[object] | Exception]
"""A line number, and the cells of the wanted columns or why there are none."""
MAX_NAMED_BAD_ROWS = 20
_BATCH = 5_000
_DELIMITERS = (",", ";", "\t")
_CSV, _JSON_LINES, _PARQUET = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json"), (".parquet",)
SUFFIXES = (*_CSV, *_JSON_LINES, *_PARQUET)
"""Endings of the names of files of recipients."""
_SEPARATOR = "\x1f"
_NUMBER_LIKE = re.compile(r"\d(?:[ ()-]?\d){6}")
_INVALID_CHARACTERS = re.compile("[\x1f\n]")


@dataclass(frozen=True)
class RecipientColumns:
    """The wanted columns: that of the number, and others.

    `text_values`: so many of the first values fill a text of nothing else, so one of them must not be blank.
    `checks` raise TelecomInputError for a wrong value of a column; only a column with a check may have no
    value, which is checked as "". Two rows must not have the same value of the column `unique`.
    """

    msisdn: str = "msisdn"
    values: Sequence[str] = ()
    region: str = "UA"
    text_values: int = 0
    checks: Mapping[str, Callable[[str], object]] = field(default_factory=dict)
    unique: str | None = None


@dataclass
class Audience:
    """Valid recipients of a list or a file (see `campaigns.audience.Audience`)."""

    spool: IO[bytes]
    count: int = 0
    duplicates: int = 0
    bad: int = 0
    bad_examples: list[str] = field(default_factory=list)
    """The first bad rows, for logs: numbers are masked."""
    sha256: str = ""

    def __enter__(self) -> Audience:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Remove the local copy."""
        self.spool.close()

    def entries(self, skip: int = 0) -> Iterator[Entry]:
        """Return the recipients in their order, without the first `skip`."""
        self.spool.seek(0)
        for line in islice(self.spool, skip, None):
            yield tuple(line[:-1].decode().split(_SEPARATOR))

    def groups(self, zone_of: Callable[[Entry], str] | None = None) -> Sequence[Group]:
        """Return the recipients by the text of their time zones; without `zone_of` in one group."""
        if zone_of is None:
            return [Group("", self.count, self.sha256, self.entries)]
        return groups_by_zone(self.entries, zone_of)


def read_recipients(
    source: Any,
    columns: RecipientColumns,
    *,
    on_bad_rows: str = "fail",
    max_recipients: int | None = None,
    rejects: ObjectStoragePath | None = None,
    may_be_none: bool = False,
) -> Audience:
    """Read and check all recipients, and return them.

    `source` is a list (numbers, or mappings with the columns), or the path of a CSV file with a header, of
    JSON lines or of Parquet. Bad rows and duplicates are written to `rejects` as CSV (line, reason, row);
    duplicates are not an error. Raises TelecomInputError for bad rows, of which it names the first, for more
    than `max_recipients`, for no rows at all unless `may_be_none`, and for a file that can't be read.
    """
    audience = Audience(tempfile.TemporaryFile())  # noqa: SIM115 - the audience closes it
    try:
        with _Rejects(rejects) as refused:
            _fill(audience, _lines(source, columns), columns, refused, max_recipients)
        _raise_if_bad(audience, on_bad_rows, rejects, may_be_none)
    except BaseException:
        audience.spool.close()
        raise
    return audience


def _fill(
    audience: Audience,
    lines: Iterable[Line],
    columns: RecipientColumns,
    rejects: _Rejects,
    max_recipients: int | None,
) -> None:
    seen: set[int] = set()
    seen_values: set[str] = set()
    unique_place = None if columns.unique is None else 1 + columns.values.index(columns.unique)
    digest = hashlib.sha256()
    batch: list[str] = []

    def flush() -> None:
        content = "".join(batch).encode()
        digest.update(content)
        audience.spool.write(content)
        batch.clear()

    for number, row in lines:
        try:
            entry = _check(row, columns)
            key = int(entry[0])
            if unique_place is not None and key not in seen:
                _add_unique(seen_values, str(columns.unique), entry[unique_place])
        except TelecomInputError as error:
            audience.bad += 1
            if audience.bad <= MAX_NAMED_BAD_ROWS:
                audience.bad_examples.append(f"line {number}: {error.text}")
            rejects.add(number, error.text, row)
            continue
        if key in seen:
            audience.duplicates += 1
            rejects.add(number, "the number occurs in an earlier row", row)
            continue
        seen.add(key)
        audience.count += 1
        if max_recipients is not None and audience.count > max_recipients:
            raise TelecomInputError("recipients", f"are more than max_recipients={max_recipients}")
        batch.append(f"{_SEPARATOR.join(entry)}\n")
        if len(batch) == _BATCH:
            flush()
    flush()
    audience.sha256 = digest.hexdigest()


def _add_unique(seen: set[str], column: str, value: str) -> None:
    if value in seen:
        raise TelecomInputError(column, "occurs in an earlier row")
    seen.add(value)


def _raise_if_bad(
    audience: Audience, on_bad_rows: str, rejects: ObjectStoragePath | None, may_be_none: bool
) -> None:
    if audience.bad and on_bad_rows == "fail":
        unnamed = audience.bad - len(audience.bad_examples)
        where = f"all are in {rejects}" if rejects else "rejects_path= writes all of them to a file"
        bad_rows = "; ".join(audience.bad_examples) + (f"; and {unnamed} more" if unnamed else "")
        raise TelecomInputError(
            "recipients",
            f"{audience.bad} bad rows, so nothing was sent: {bad_rows} ({where}; "
            "on_bad_rows='skip' sends to the others)",
        )
    if not audience.count and (audience.bad or not may_be_none):
        raise TelecomInputError("recipients", "are none")


def _check(row: Sequence[object] | Exception, columns: RecipientColumns) -> Sequence[str]:
    if isinstance(row, Exception):
        raise TelecomInputError("row", str(row))
    msisdn = e164(checked_number(row[0]), columns.region)
    if len(row) == 1:
        return (msisdn,)
    pairs: Iterable[tuple[str, object]] = zip(columns.values, row[1:], strict=True)
    if columns.checks:
        pairs = ((name, "" if value is None and name in columns.checks else value) for name, value in pairs)
    values = [checked_value(name, value) for name, value in pairs]
    if columns.text_values and not "".join(values[: columns.text_values]).strip():
        raise TelecomInputError("text", "would be empty")
    for name, check in columns.checks.items():
        check(values[columns.values.index(name)])
    return (msisdn, *values)


def checked_number(value: object) -> str | int:
    """Return the cell of a number if it is a text or a whole number."""
    if isinstance(value, bool) or not isinstance(value, (str, int)):
        raise TelecomInputError("msisdn", "is missing" if value is None else "must be a text or whole number")
    return value


def checked_value(name: str, value: object) -> str:
    """Return the text of a cell: a text or a number, without control characters."""
    if value is None or isinstance(value, (dict, list, bool)):
        raise TelecomInputError(name, "is missing" if value is None else "must be a text or a number")
    text = value if isinstance(value, str) else str(value)
    if _INVALID_CHARACTERS.search(text):
        raise TelecomInputError(name, "contains a line break or a control character")
    return encodable(name, text)


def lines_of(source: Any, columns: RecipientColumns, numbers: Collection[str]) -> dict[str, int]:
    """Return the line of each of some canonical numbers: that of its first row without a mistake."""
    found: dict[str, int] = {}
    for line, row in _lines(source, columns):
        try:
            number = _check(row, columns)[0]
        except TelecomInputError:
            continue
        if number in numbers:
            found.setdefault(number, line)
            if len(found) == len(numbers):
                break
    return found


# Reading: each source gives line numbers with rows, of which the first cell is the number.


def _lines(source: Any, columns: RecipientColumns) -> Iterator[Line]:
    if isinstance(source, (list, tuple)):
        return list_rows(source, columns)
    if not isinstance(source, (str, PurePath)) and not hasattr(source, "open"):
        raise TelecomInputError("recipients", f"must be a list or a path, not {type(source).__name__}")
    from airflow.sdk import ObjectStoragePath

    path = source if hasattr(source, "open") else ObjectStoragePath(source)
    is_parquet = str(path).lower().endswith(_PARQUET)
    read = None if is_parquet else _reader_for(str(path))
    if not path.is_file():
        raise TelecomInputError("recipients", f"there is no file {hide_unless_path(str(path), SUFFIXES)}")
    if read is None:
        return read_rows(path, (columns.msisdn, *columns.values))
    return _from_file(path, read, columns)


def _reader_for(name: str) -> Callable[[IO[str], RecipientColumns], Iterator[Line]]:
    lowered = name.lower()
    if lowered.endswith(_CSV):
        return csv_rows
    if lowered.endswith(_JSON_LINES):
        return json_rows
    known = ", ".join(SUFFIXES)
    raise TelecomInputError(
        "recipients",
        f"must be a list, or a path that ends in {known} or is an audience's folder (with a /); a list or an "
        "audience from an XCom is passed as `task.output`, not as a template",
    )


def list_rows(source: Sequence[object], columns: RecipientColumns) -> Iterator[Line]:
    """Yield the places and cells of a list of numbers or mappings."""
    wanted = (columns.msisdn, *columns.values)
    for place, row in enumerate(source, 1):
        if isinstance(row, Mapping):
            yield place, [row.get(name) for name in wanted]
        else:
            yield place, [row, *(None for _ in columns.values)]


def _from_file(
    path: Any, read: Callable[[IO[str], RecipientColumns], Iterator[Line]], columns: RecipientColumns
) -> Iterator[Line]:
    with path.open("r", encoding="utf-8-sig", newline="") as file:
        try:
            yield from read(file, columns)
        except UnicodeDecodeError:
            raise TelecomInputError("recipients", f"{path} is not UTF-8") from None


def csv_rows(file: IO[str], columns: RecipientColumns) -> Iterator[Line]:
    """Yield the line numbers and cells of a CSV file."""
    delimiter, width, places = csv_header(file.readline(), columns)
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    alone = places[0] if len(places) == 1 else None
    while True:
        try:
            for row in reader:
                if len(row) != width or width == 1:
                    if not row:  # blank lines are ignored
                        continue
                    if problem := csv_problem(row, width, delimiter):
                        yield reader.line_num + 1, ValueError(problem)
                        continue
                if alone is not None:
                    yield reader.line_num + 1, (row[alone],)
                else:
                    yield reader.line_num + 1, [row[place] for place in places]
        except csv.Error as error:
            yield reader.line_num + 1, ValueError(f"is not CSV: {error}")
        else:
            return


def csv_header(first: str, columns: RecipientColumns) -> tuple[str, int, Sequence[int]]:
    """Return the delimiter of a CSV file, its number of columns, and the places of the wanted ones."""
    delimiter = max(_DELIMITERS, key=first.count)
    header = [name.strip() for name in next(csv.reader([first], delimiter=delimiter), [])]
    return delimiter, len(header), [_place(header, name) for name in (columns.msisdn, *columns.values)]


def csv_problem(row: Sequence[str], width: int, delimiter: str) -> str | None:
    """Return what is wrong with the number of cells of a row, if anything."""
    if len(row) == width:
        other = _delimiter_in(row[0]) if width == 1 else None
        return other and f"has the delimiter {other}, the header has none"
    text = f"has {len(row)} {'cell' if len(row) == 1 else 'cells'} instead of {width}"
    if len(row) == 1 and (other := _delimiter_in(row[0])):
        return f"{text}: its delimiter is {other}, the header's is {_shown(delimiter)}"
    return text


def _delimiter_in(cell: str) -> str | None:
    """Return the character that seems to separate columns in a cell that should be one."""
    return next((_shown(one) for one in (*_DELIMITERS, "|", ":") if one in cell), None)


def _shown(delimiter: str) -> str:
    return "a tab" if delimiter == "\t" else delimiter


def _place(header: Sequence[str], name: str) -> int:
    if header.count(name) != 1:
        if any(_NUMBER_LIKE.search(cell) for cell in header):  # a file without a header: don't show numbers
            found = "the first line is not a header"
        elif len(header) == 1 and (delimiter := _delimiter_in(header[0])):
            found = f"the header has one column `{header[0]}`: is the delimiter {delimiter}? Use , ; or a tab"
        else:
            found = f"there are {', '.join(header) or 'none'}"
        rule = "occurs twice" if name in header else f"is missing; {found}"
        raise TelecomInputError("recipients", f"the column {name} {rule}")
    return header.index(name)


def json_rows(file: IO[str], columns: RecipientColumns) -> Iterator[Line]:
    """Yield the line numbers and cells of a file of JSON lines."""
    for number, line in enumerate(file, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError:
            yield number, ValueError("is not JSON")
            continue
        for _, cells in list_rows([row], columns):
            yield number, cells


class _Rejects:
    """The file of rejected rows; it is created for the first of them."""

    def __init__(self, path: ObjectStoragePath | None) -> None:
        self._path = path
        self._file: Any = None
        self._writer: Any = None

    def __enter__(self) -> _Rejects:
        return self

    def __exit__(self, *_: object) -> None:
        if self._file is not None:
            self._file.close()

    def add(self, line: int, reason: str, row: Sequence[object] | Exception) -> None:
        if self._path is None:
            return
        if self._file is None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            self._file = self._path.open("w", encoding="utf-8", newline="")  # type: ignore[no-untyped-call]
            self._writer = csv.writer(self._file)
            self._writer.writerow(("line", "reason", "row"))
        cells = [] if isinstance(row, Exception) else [str(cell) for cell in row]
        self._writer.writerow((line, reason, json.dumps(cells, ensure_ascii=False)))
