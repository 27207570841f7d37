"""Recipients of a campaign: checked, without duplicates, kept on local disk.

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
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice, repeat
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.audience import Columns, Entry, Group, groups_by_zone
from airflow_provider_telecom.bulk.recipient_rows import Line, RecipientColumns, rows_of
from airflow_provider_telecom.calls.checks import encodable
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import are_canonical, e164

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

MAX_NAMED_BAD_ROWS = 20
_BATCH = 300
"""So many rows are checked at once. Thousands of lists at a time make Python's garbage collector slow."""
_LINES_READ = 1_000
_SEPARATOR = "\x1f"
INVALID_CHARACTERS = re.compile("[\x1f\n]")


@dataclass
class Audience:
    """Valid recipients of a list or a file (see `bulk.audience.Audience`)."""

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
        for columns in self.columns(skip):
            yield from zip(*columns, strict=True)

    def columns(self, skip: int = 0) -> Iterator[Columns]:
        """Return the recipients by columns, some at a time, without the first `skip`."""
        place = 0
        while True:
            self.spool.seek(place)
            lines = list(islice(self.spool, _LINES_READ))
            if not lines:
                return
            place += sum(map(len, lines))
            if skip >= len(lines):
                skip -= len(lines)
                continue
            width = lines[0].count(_SEPARATOR.encode()) + 1
            cells = b"".join(lines[skip:]).decode().replace("\n", _SEPARATOR).split(_SEPARATOR)
            del cells[-1]
            skip = 0
            yield [cells[column::width] for column in range(width)]

    def groups(self, zone_of: Callable[[Entry], str] | None = None) -> Sequence[Group]:
        """Return the recipients by the text of their time zones; without `zone_of` in one group."""
        if zone_of is None:
            return [Group("", self.count, self.sha256, self.entries, self.columns)]
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
            _fill(audience, rows_of(source, columns), columns, refused, max_recipients)
        _raise_if_bad(audience, on_bad_rows, rejects, may_be_none)
    except BaseException:
        audience.spool.close()
        raise
    return audience


def _fill(
    audience: Audience,
    lines: Iterator[Line],
    columns: RecipientColumns,
    rejects: _Rejects,
    max_recipients: int | None,
) -> None:
    filler = _Filler(audience, columns, rejects, max_recipients)
    for rows in _batches(lines):
        if not filler.add_plain(rows):
            filler.add_each(rows)
    audience.sha256 = filler.digest.hexdigest()


def _batches(lines: Iterator[Line]) -> Iterator[Sequence[Line]]:
    """Yield the rows in batches. An error of the source comes after the rows before it."""
    while True:
        rows: list[Line] = []
        failure = None
        try:
            rows.extend(islice(lines, _BATCH))
        except TelecomInputError as error:
            failure = error
        if rows:
            yield rows
        if failure is not None:
            raise failure
        if not rows:
            return


class _Filler:
    """Checks rows, finds duplicates, and adds the recipients to an audience."""

    def __init__(
        self,
        audience: Audience,
        columns: RecipientColumns,
        rejects: _Rejects,
        max_recipients: int | None,
    ) -> None:
        self._audience, self._columns, self._rejects = audience, columns, rejects
        self._max_recipients = max_recipients
        self._seen: set[int] = set()
        self._seen_values: set[str] = set()
        unique = columns.unique
        self._unique_place = None if unique is None else 1 + columns.values.index(unique)
        self.digest = hashlib.sha256()

    def add_plain(self, rows: Sequence[Line]) -> bool:
        """Add rows, and return True, if all are right as they are; they are then checked at once."""
        cells: Any = [row for _, row in rows]
        content = _plain_content(cells, self._columns)
        if content is None:
            return False
        keys = list(map(int, [row[0] for row in cells]))
        new = set(keys)
        has_duplicates = len(new) < len(cells) or not new.isdisjoint(self._seen)
        if self._unique_place is not None:
            values = {row[self._unique_place] for row in cells}
            if has_duplicates or len(values) < len(cells) or not values.isdisjoint(self._seen_values):
                return False
            self._seen_values |= values
        if has_duplicates:
            cells = self._without_duplicates(rows, keys)
            content = _content_of(cells)
        else:
            self._seen |= new
        self._write(content, len(cells))
        return True

    def _without_duplicates(self, rows: Sequence[Line], keys: Sequence[int]) -> Sequence[Sequence[str]]:
        cells: list[Any] = []
        for (number, row), key in zip(rows, keys, strict=True):
            if key in self._seen:
                self._add_duplicate(number, row)
            else:
                self._seen.add(key)
                cells.append(row)
        return cells

    def add_each(self, rows: Sequence[Line]) -> None:
        """Add rows after checking each of them alone."""
        entries = []
        for number, row in rows:
            try:
                entry = _check(row, self._columns)
                key = int(entry[0])
                if self._unique_place is not None and key not in self._seen:
                    self._add_unique(entry[self._unique_place])
            except TelecomInputError as error:
                self._add_bad(number, row, error.text)
                continue
            if key in self._seen:
                self._add_duplicate(number, row)
                continue
            self._seen.add(key)
            entries.append(entry)
            self._check_count(len(entries))
        self._write(_content_of(entries), len(entries))

    def _write(self, content: bytes, count: int) -> None:
        self._check_count(count)
        self._audience.count += count
        self.digest.update(content)
        self._audience.spool.write(content)

    def _check_count(self, more: int) -> None:
        if self._max_recipients is not None and self._audience.count + more > self._max_recipients:
            rule = f"are more than max_recipients={self._max_recipients}"
            raise TelecomInputError("recipients", rule)

    def _add_unique(self, value: str) -> None:
        if value in self._seen_values:
            raise TelecomInputError(str(self._columns.unique), "occurs in an earlier row")
        self._seen_values.add(value)

    def _add_bad(self, number: int, row: Sequence[object] | Exception, text: str) -> None:
        self._audience.bad += 1
        if self._audience.bad <= MAX_NAMED_BAD_ROWS:
            self._audience.bad_examples.append(f"line {number}: {text}")
        self._rejects.add(number, text, row)

    def _add_duplicate(self, number: int, row: Sequence[object] | Exception) -> None:
        self._audience.duplicates += 1
        self._rejects.add(number, "the number occurs in an earlier row", row)


def _plain_content(rows: Sequence[Any], columns: RecipientColumns) -> bytes | None:
    """Return what `_content_of` returns, if `_check` takes each row and returns its cells as they are."""
    width = 1 + len(columns.values)
    if not all(map(isinstance, rows, repeat((list, tuple)))):
        return None
    if not are_canonical([row[0] for row in rows]):
        return None
    try:
        content = _content_of(rows)
        for name, check in columns.checks.items():
            place = 1 + columns.values.index(name)
            for value in {row[place] for row in rows}:
                check(value)
    except (TypeError, UnicodeEncodeError, TelecomInputError):
        return None
    if content.count(b"\n") != len(rows) or content.count(_SEPARATOR.encode()) != len(rows) * (width - 1):
        return None
    if columns.text_values and not all(row[1].strip() for row in rows):
        return None
    return content


def _content_of(entries: Sequence[Sequence[str]]) -> bytes:
    """Return the lines of recipients in the local copy."""
    return "\n".join([*map(_SEPARATOR.join, entries), ""]).encode()


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
    if INVALID_CHARACTERS.search(text):
        raise TelecomInputError(name, "contains a line break or a control character")
    return encodable(name, text)


def lines_of(source: Any, columns: RecipientColumns, numbers: Collection[str]) -> dict[str, int]:
    """Return the line of each of some canonical numbers: that of its first row without a mistake."""
    found: dict[str, int] = {}
    for line, row in rows_of(source, columns):
        try:
            number = _check(row, columns)[0]
        except TelecomInputError:
            continue
        if number in numbers:
            found.setdefault(number, line)
            if len(found) == len(numbers):
                break
    return found


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
