"""Records of CSV files."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator
from os import SEEK_CUR
from typing import IO

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.rows.record import (
    BOM,
    CHUNK_BYTES,
    MAX_RAW_CHARACTERS,
    MAX_RECORD_BYTES,
    BadRow,
    NumberedRow,
    bad_row,
)

ENCODINGS = ("utf-8", "cp1251")
MAX_COLUMNS = 1000


def csv_rows(
    file: IO[bytes], *, encoding: str = "utf-8", field_pattern: re.Pattern[str] | None = None
) -> Iterator[NumberedRow]:
    """Yield the records of a CSV file, all values as texts, by the names in its first line.

    The separator is the one of `,` `;` and tab that occurs most in the first line. If that line ends with a
    separator, every line must. With a `field_pattern`, one of the names must match it. `encoding` is utf-8 or
    cp1251. Blank lines are skipped.

    A BadRow: more or fewer cells than the header, wrong quotation marks, bytes that the encoding does not
    allow, NUL, a line of more than 1 MB, a cell larger than `csv.field_size_limit()`. Raises
    TelecomAnswerError for a header with a name that is empty, occurs twice or cannot be read, and for a
    quotation mark that is not closed within 1 MB: it is unclear which lines belong to the record.
    """
    yield from CsvReader(file, encoding, field_pattern)


class CsvReader:
    """Reads a CSV file after its header: record by record as `csv_rows` does, or many lines at once.

    `names` are those of the header. Raises TelecomAnswerError as `csv_rows`.
    """

    def __init__(self, file: IO[bytes], encoding: str, field_pattern: re.Pattern[str] | None) -> None:
        one_of("encoding", encoding, ENCODINGS)
        self._file, self.encoding = file, encoding
        self.separator = _separator(file)
        self._lines = _Lines(file, encoding)
        self._records = _cells(self._lines, self.separator)
        self.names, self.ended = _header(next(self._records, None), field_pattern)

    @property
    def line(self) -> int:
        """The number of lines that have been read."""
        return self._lines.number

    def __iter__(self) -> Iterator[NumberedRow]:
        names, ended = self.names, self.ended
        for line, cells in self._records:
            if isinstance(cells, BadRow):
                yield line, cells
            elif len(cells) != len(names) + len(ended) or cells[len(names) :] != ended:
                yield line, self._lines.bad_row(f"{len(cells)} cells under {len(names)} names")
            else:
                yield line, dict(zip(names, cells, strict=not ended))

    def peek(self, size: int) -> bytes:
        """Return up to so many of the next bytes, without reading them."""
        place = self._file.tell()
        found = self._file.read(size)
        self._file.seek(place)
        return found

    def skip(self, size: int, lines: int) -> None:
        """Continue after so many bytes, which are so many complete lines."""
        self._file.seek(size, SEEK_CUR)
        self._lines.number += lines


def _separator(file: IO[bytes]) -> str:
    file.seek(0)
    while (line := file.readline(MAX_RECORD_BYTES)) and not line.removeprefix(BOM).strip():
        pass
    return max(",;\t", key=lambda one: line.count(one.encode()))


def _header(
    record: tuple[int, list[str] | BadRow] | None, field_pattern: re.Pattern[str] | None
) -> tuple[list[str], list[str]]:
    """Return the names, and what follows the last one: an empty cell if lines end with a separator."""
    if record is None:
        return [], []
    line, cells = record
    if isinstance(cells, BadRow):
        raise TelecomAnswerError(f"line {line}: a header with {cells.reason}")
    names = [cell.strip() for cell in cells]
    ended = [names.pop()] if len(names) > 1 and not names[-1] else []
    if "" in names or len(set(names)) != len(names):
        raise TelecomAnswerError(f"line {line}: a header in which a name is empty or occurs twice")
    if len(names) > MAX_COLUMNS:
        raise TelecomAnswerError(f"line {line}: a header of more than {MAX_COLUMNS} names")
    if field_pattern and not any(map(field_pattern.fullmatch, names)):
        raise TelecomAnswerError(f"line {line}: not the expected header")
    return names, ended


def _cells(lines: _Lines, separator: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.begin()
        cells: list[str] | BadRow
        try:
            cells = next(reader)
        except StopIteration:
            return
        except _TooLongError:
            cells = lines.bad_row(f"a line larger than {MAX_RECORD_BYTES} bytes")
        except csv.Error as error:
            lines.refuse_if_open(limit="limit" in str(error))
            cells = lines.bad_row("quotation marks that are wrong, or too large a cell")
        if lines.fault:
            cells = lines.bad_row(lines.fault)
        if cells and not lines.blank:
            yield lines.number, cells


class _TooLongError(Exception):
    """A line is too long to be kept."""


class _Lines:
    """An iterator over lines for csv.reader, which keeps the lines of the current record."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        file.seek(0)
        self._file, self._encoding = file, encoding
        self.number, self._ended = 0, False
        self.begin()

    def begin(self) -> None:
        """Start a new record."""
        self._texts: list[str] = []
        self._first_line = self.number + 1
        self._size, self.fault = 0, ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(MAX_RECORD_BYTES + 1)
        if not line:
            self._ended = True
            raise StopIteration
        self.number += 1
        self._size += len(line)
        if self._size > MAX_RECORD_BYTES:
            self._skip(line)
            raise _TooLongError
        if self.number == 1 and self._encoding == "utf-8":
            line = line.removeprefix(BOM)
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            self.fault = f"bytes that are not {self._encoding}"
            text = line.decode(self._encoding, "surrogateescape")
        self._texts.append(text)
        if "\0" in text:
            self.fault = "a NUL character"
            return text.replace("\0", " ")  # older csv readers stop at it
        return text

    def _skip(self, line: bytes) -> None:
        """Skip the rest of a line that is too long. Refuse the file if a quotation mark is left open."""
        if self._texts:
            raise self._never_closes()
        self._texts = [line[:MAX_RAW_CHARACTERS].decode(self._encoding, "surrogateescape")]
        quotes = line.count(b'"')
        while not line.endswith(b"\n") and (line := self._file.readline(CHUNK_BYTES)):
            quotes += line.count(b'"')
        if quotes % 2:
            raise self._never_closes()

    def refuse_if_open(self, *, limit: bool) -> None:
        """Raise TelecomAnswerError if csv.reader failed within quotation marks: their end is unknown."""
        if self._ended or (limit and "".join(self._texts).count('"') % 2):
            raise self._never_closes()

    def _never_closes(self) -> TelecomAnswerError:
        return TelecomAnswerError(f"line {self._first_line}: quotation marks that close too late or never")

    @property
    def blank(self) -> bool:
        """Whether the line is blank."""
        return not self.fault and len(self._texts) == 1 and not self._texts[0].strip(" \r\n")

    def bad_row(self, reason: str) -> BadRow:
        """Return the current record as a BadRow."""
        raw = "".join(self._texts).rstrip("\r\n")
        shown = raw.encode(self._encoding, "surrogateescape").decode(self._encoding, "backslashreplace")
        spans = f", over {len(self._texts)} lines" if len(self._texts) > 1 else ""
        return bad_row(reason + spans, shown)
