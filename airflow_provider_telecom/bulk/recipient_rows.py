"""Rows of recipients in lists and files: line numbers, and cells, of which the first is the phone number."""

from __future__ import annotations

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import StringIO
from itertools import chain, count
from operator import itemgetter
from pathlib import PurePath
from typing import IO, Any

from airflow_provider_telecom.bulk.parquet_rows import read_rows
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.private import hide_unless_path

Line = tuple[int, Sequence[object] | Exception]
"""A line number, and the cells of the wanted columns or why there are none."""
_CHARACTERS_READ = 8_192
_DELIMITERS = (",", ";", "\t")
_CSV, _JSON_LINES, _PARQUET = (".csv", ".tsv"), (".jsonl", ".ndjson", ".json"), (".parquet",)
SUFFIXES = (*_CSV, *_JSON_LINES, *_PARQUET)
"""Endings of the names of files of recipients."""
_NUMBER_LIKE = re.compile(r"\d(?:[ ()-]{0,2}\d){6}")


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


def rows_of(source: Any, columns: RecipientColumns) -> Iterator[Line]:
    """Return the rows of a list, or of the file with a path (see `read_recipients`).

    Raises TelecomInputError for what is neither, and for a file that can't be read, also while it is read.
    """
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
    cells_of, number = _picker(places), 1
    while text := _some_lines(file):
        lines = StringIO(text, newline="").readlines()
        if '"' in text:  # only cells in quotes can have several lines
            yield from _each_csv_row(chain(lines, file), number, delimiter, width, cells_of)
            return
        rows = _plain_rows(lines, delimiter, width)
        if rows is None:
            yield from _each_csv_row(lines, number, delimiter, width, cells_of)
        else:
            yield from zip(count(number + 1), map(cells_of, rows))
        number += len(lines)


def _some_lines(file: IO[str]) -> str:
    """Return some whole lines: a file of fsspec's takes long to give each line by itself."""
    text = file.read(_CHARACTERS_READ)
    return text if text.endswith("\n") else text + file.readline()


def _plain_rows(lines: Sequence[str], delimiter: str, width: int) -> Sequence[list[str]] | None:
    """Return the cells of lines without quotes; None if there may be a problem with any of them."""
    if width == 1:
        return None
    try:
        rows = list(csv.reader(lines, delimiter=delimiter, strict=True))
    except csv.Error:
        return None
    return rows if set(map(len, rows)) == {width} else None


def _each_csv_row(
    lines: Iterable[str],
    number: int,
    delimiter: str,
    width: int,
    cells_of: Callable[[Sequence[str]], Sequence[str]],
) -> Iterator[Line]:
    """Yield the line numbers and cells of the lines that follow so many."""
    reader = csv.reader(lines, delimiter=delimiter, strict=True)
    while True:
        try:
            for row in reader:
                if len(row) != width or width == 1:
                    if not row:  # blank lines are ignored
                        continue
                    if problem := csv_problem(row, width, delimiter):
                        yield number + reader.line_num, ValueError(problem)
                        continue
                yield number + reader.line_num, cells_of(row)
        except csv.Error as error:
            yield number + reader.line_num, ValueError(f"is not CSV: {error}")
        else:
            return


def _picker(places: Sequence[int]) -> Callable[[Sequence[str]], Sequence[str]]:
    """Return a function that returns the cells of a row at some places."""
    if len(places) > 1:
        return itemgetter(*places)
    return itemgetter(slice(places[0], places[0] + 1))


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
