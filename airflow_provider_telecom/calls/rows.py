"""Records out of files of any size: CSV, JSON and XML, one at a time, strict and bounded.

Every function reads its file from the beginning, needs `read`, `readline` and `seek` of it, and holds about one
record at a time. A record that cannot be used comes as a `BadRow`, and reading goes on; where nobody could tell
what is a record, TelecomAnswerError is raised: a file that is broken off, a quotation mark that never closes.
No error and no `BadRow.reason` holds anything of the file.
"""

from __future__ import annotations

import csv
import html
import io
import json
import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import IO, Any, cast
from xml.sax import ContentHandler, SAXException

import ijson
from defusedxml.expatreader import create_parser

from airflow_provider_telecom.calls.answers import unreadable, without_duplicates
from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.request import MEGABYTE

LARGEST_RECORD = MEGABYTE
DEEPEST = 32
MOST_COLUMNS = 1000
ENCODINGS = ("utf-8", "cp1251")
_LARGEST_RAW = 4096
_PIECE = 16 << 10
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class BadRow:
    """A record that cannot be used.

    `reason` is fit for a log. `raw` is the record, at most its first 4096 characters, for a quarantine file:
    of CSV as it came (bytes that are no text as `\\xff`), of JSON and XML as it was understood.
    """

    reason: str
    raw: str


Line = tuple[int, dict[str, Any] | BadRow]
"""Where a record stands, and the record. CSV and XML: the line in which it ends; JSON: its number from 1."""


def all_rows(body: bytes, read: Callable[[IO[bytes]], Iterable[Line]]) -> list[dict[str, Any]]:
    """Return the records of a body that is held whole. Raises TelecomAnswerError, for a BadRow too."""
    rows: list[dict[str, Any]] = []
    try:
        for place, row in read(io.BytesIO(body)):
            if isinstance(row, BadRow):
                raise TelecomAnswerError(f"{place}: {row.reason}")
            rows.append(row)
    except TelecomAnswerError as error:
        raise unreadable(error.text, body) from None
    return rows


def _bad(reason: str, raw: str) -> BadRow:
    cut = f" (of {len(raw)} characters {_LARGEST_RAW} are kept)" if len(raw) > _LARGEST_RAW else ""
    return BadRow(reason + cut, raw[:_LARGEST_RAW])


def _pieces(file: IO[bytes]) -> Iterator[bytes]:
    file.seek(0)
    while piece := file.read(_PIECE):
        yield piece


# --- CSV


def csv_rows(
    file: IO[bytes], *, encoding: str = "utf-8", marker: re.Pattern[str] | None = None
) -> Iterator[Line]:
    """Yield the records of a CSV file, all cells as texts, under the names in its first line.

    That line shows the separator: the one of `,` `;` and tab that it holds most. With a `marker`, one of its
    names must match it. `encoding` is utf-8 or cp1251. Blank lines are no records.

    A BadRow: other cells than the header, wrong quotation marks, bytes that are not of the encoding, NUL, a
    line of more than 1 MB, a cell larger than `csv.field_size_limit()`. Raises TelecomAnswerError for a header
    with a name that is empty, stands twice or cannot be read, and for quotation marks that do not close within
    1 MB or before the file ends: nobody knows which lines they hold.
    """
    one_of("encoding", encoding, ENCODINGS)
    separator = _separator(file)
    lines = _Lines(file, encoding)
    records = _cells(lines, separator)
    header = _header(next(records, None), marker)
    for line, cells in records:
        if isinstance(cells, list) and len(cells) != len(header):
            yield line, lines.bad(f"{len(cells)} cells under {len(header)} names")
        else:
            yield line, cells if isinstance(cells, BadRow) else dict(zip(header, cells, strict=True))


def _separator(file: IO[bytes]) -> str:
    file.seek(0)
    while (line := file.readline(LARGEST_RECORD)) and not line.removeprefix(_BOM).strip():
        pass
    return max(",;\t", key=lambda one: line.count(one.encode()))


def _header(record: tuple[int, list[str] | BadRow] | None, marker: re.Pattern[str] | None) -> list[str]:
    if record is None:
        return []
    line, cells = record
    if isinstance(cells, BadRow):
        raise TelecomAnswerError(f"line {line}: a header with {cells.reason}")
    names = [cell.strip() for cell in cells]
    if len(names) > MOST_COLUMNS or len(set(names)) != len(names) or "" in names:
        raise TelecomAnswerError(f"line {line}: a header of too many names, or one is empty or stands twice")
    if marker and not any(map(marker.fullmatch, names)):
        raise TelecomAnswerError(f"line {line}: no header as it should be")
    return names


def _cells(lines: _Lines, separator: str) -> Iterator[tuple[int, list[str] | BadRow]]:
    reader = csv.reader(lines, delimiter=separator, strict=True)
    while True:
        lines.begin()
        try:
            cells: list[str] | BadRow = next(reader)
        except StopIteration:
            return
        except _TooLongError:
            cells = lines.bad(f"a line larger than {LARGEST_RECORD} bytes")
        except csv.Error as error:
            lines.refuse_if_open(limit="limit" in str(error))
            cells = lines.bad("quotation marks that are wrong, or too large a cell")
        if lines.fault:
            cells = lines.bad(lines.fault)
        if cells and not lines.blank:
            yield lines.number, cells


class _TooLongError(Exception):
    """A line is too long to be held."""


class _Lines:
    """The lines of a file as csv.reader asks for them. It keeps those of the present record."""

    def __init__(self, file: IO[bytes], encoding: str) -> None:
        file.seek(0)
        self._file, self._encoding = file, encoding
        self.number, self._ended = 0, False
        self.begin()

    def begin(self) -> None:
        """Forget the record."""
        self._texts: list[str] = []
        self._begun = self.number + 1
        self._size, self.fault = 0, ""

    def __iter__(self) -> _Lines:
        return self

    def __next__(self) -> str:
        line = self._file.readline(LARGEST_RECORD + 1)
        if not line:
            self._ended = True
            raise StopIteration
        self.number += 1
        self._size += len(line)
        if self._size > LARGEST_RECORD:
            self._skip(line)
            raise _TooLongError
        if self.number == 1 and self._encoding == "utf-8":
            line = line.removeprefix(_BOM)
        try:
            text = line.decode(self._encoding)
        except UnicodeDecodeError:
            self.fault = f"bytes that are not {self._encoding}"
            text = line.decode(self._encoding, "surrogateescape")
        self._texts.append(text)
        if "\0" in text:
            self.fault = "a NUL character"
            return text.replace("\0", " ")  # older readers would stop in the middle of the record
        return text

    def _skip(self, line: bytes) -> None:
        """Go to the end of a line that is too long; refuse the file if the line ends within quotation marks."""
        if self._texts:
            raise self._never_closes()
        self._texts = [line[:_LARGEST_RAW].decode(self._encoding, "surrogateescape")]
        quotes = line.count(b'"')
        while not line.endswith(b"\n") and (line := self._file.readline(_PIECE)):
            quotes += line.count(b'"')
        if quotes % 2:
            raise self._never_closes()

    def refuse_if_open(self, *, limit: bool) -> None:
        """Raise TelecomAnswerError when a record ended without its closing quotation mark."""
        if self._ended or (limit and "".join(self._texts).count('"') % 2):
            raise self._never_closes()

    def _never_closes(self) -> TelecomAnswerError:
        return TelecomAnswerError(f"line {self._begun}: quotation marks that do not close, or close too late")

    @property
    def blank(self) -> bool:
        return not self.fault and len(self._texts) == 1 and not self._texts[0].strip(" \r\n")

    def bad(self, reason: str) -> BadRow:
        """Return the record as a bad one."""
        raw = "".join(self._texts).rstrip("\r\n")
        shown = raw.encode(self._encoding, "surrogateescape").decode(self._encoding, "backslashreplace")
        spans = f", over {len(self._texts)} lines" if len(self._texts) > 1 else ""
        return _bad(reason + spans, shown)


# --- JSON

_Event = tuple[str, Any]
_NESTED = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
_HALF = "\ufdd0"  # no text may hold it, so it can stand for what yajl would turn into a question mark
_LONG_NUMBER = re.compile(rb"(?<![0-9])[0-9]{4000}")
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_COMMA = re.compile(rb",[ \t\r\n]*[}\]]")
_STRING_OR_COMMA = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*"?)|,[ \t\r\n]*([}\]])', re.DOTALL)
_LARGEST_EXPONENT = 400


def json_rows(file: IO[bytes], name: str | None = None, *, stray_commas: bool = False) -> Iterator[Line]:
    """Yield the records of a JSON file, fractions as Decimal.

    They are the list `name` of its object; without `name` the first list of its object, or the list that it is.
    With `stray_commas` a comma before a closing brace or bracket is overlooked.

    A BadRow: a record that is no object, that has a key twice, or a text with half a character (a surrogate
    without its other half). Raises TelecomAnswerError for all else that is not strict JSON in UTF-8, numbers of
    4000 digits, nesting deeper than 32, more than 1 MB in a record or a thing beside the list, a key that stands
    twice beside it, and a list that is not there.
    """
    number, found = 0, False
    tidy = stray_commas and any(map(_COMMA.search, _json_pieces(file)))
    pieces = _without_stray_commas(_json_pieces(file)) if tidy else _json_pieces(file)
    try:
        for place, events in _json_parts(_events(pieces), name):
            found = found or place is _LIST
            if place is _RECORD:
                number += 1
                yield number, _json_record(events)
    except TelecomAnswerError as error:
        raise TelecomAnswerError(f"after record {number}: {error.text}") from None
    if not found:
        raise TelecomAnswerError("no list of records")


def json_facts(file: IO[bytes]) -> dict[str, Any]:
    """Return the texts, numbers, truths and nulls that stand in a JSON file's object beside its lists.

    Nothing for a list. Raises TelecomAnswerError as `json_rows`.
    """
    parts = _json_parts(_events(_json_pieces(file)), None)
    return {
        place: events[0][1]
        for place, events in parts
        if isinstance(place, str) and events[0][0] not in _NESTED
    }


_LIST, _RECORD = object(), object()


def _json_parts(events: Iterator[_Event], name: str | None) -> Iterator[tuple[object, list[_Event]]]:
    """Yield what stands in a JSON text: beside the list under its key, _LIST, and each _RECORD."""
    event, _ = next(events)
    if event == "start_array" and name is None:
        yield from _json_list(events, 1)
    elif event == "start_map":
        keys: set[str] = set()
        found, size = False, 0
        for event, key in events:
            if event == "end_map":
                break
            if key in keys:
                raise TelecomAnswerError("a key stands twice beside the records")
            keys.add(key)
            first = next(events)
            size += 64 + len(key) + (len(first[1]) if first[0] == "string" else 0)
            if size > LARGEST_RECORD:
                raise TelecomAnswerError(f"more than {LARGEST_RECORD} bytes beside the records")
            if first[0] == "start_array" and (key == name if name is not None else not found):
                found = True
                yield from _json_list(events, 2)
            else:
                yield key, _taken(first, events, 1)
    elif event == "start_array":
        raise TelecomAnswerError("no list of that name")
    for _ in events:
        pass  # there is nothing more, or the parser raises


def _json_list(events: Iterator[_Event], outside: int) -> Iterator[tuple[object, list[_Event]]]:
    yield _LIST, []
    for event in events:
        if event[0] == "end_array":
            return
        yield _RECORD, _taken(event, events, outside)


def _taken(first: _Event, events: Iterator[_Event], outside: int) -> list[_Event]:
    """Return the events of a value that begins with `first`, at most 1 MB of them."""
    taken, size, depth = [first], 0, outside + _NESTED.get(first[0], 0)
    if depth == outside:
        return taken
    for event in events:
        taken.append(event)
        kind, value = event
        if kind in _NESTED:
            depth += _NESTED[kind]
            if depth > DEEPEST:
                raise TelecomAnswerError(f"nested deeper than {DEEPEST}")
        elif kind in ("string", "map_key"):
            size += len(value)
        elif type(value) is Decimal and abs(value.adjusted()) > _LARGEST_EXPONENT:
            raise TelecomAnswerError("a number beyond all measure")
        size += 16  # that much at least is taken by the smallest of values
        if size > LARGEST_RECORD:
            raise TelecomAnswerError(f"a record larger than {LARGEST_RECORD} bytes")
        if depth == outside:
            break
    return taken


def _json_record(events: list[_Event]) -> dict[str, Any] | BadRow:
    if events[0][0] != "start_map":
        return _bad("no object", _json_text(events))
    if any(kind in ("string", "map_key") and _HALF in value for kind, value in events):
        return _bad("half of a character", _json_text(events))
    rest = iter(events)
    try:
        return cast("dict[str, Any]", _built(next(rest), rest))
    except ValueError:
        return _bad("a key stands twice", _json_text(events))


def _built(first: _Event, events: Iterator[_Event]) -> Any:
    kind, value = first
    if kind == "start_map":
        pairs = []
        for kind, key in events:
            if kind == "end_map":
                return without_duplicates(pairs)
            following = next(events)
            pairs.append((key, _built(following, events) if following[0] in _NESTED else following[1]))
    if kind == "start_array":
        items = []
        for event in events:
            if event[0] == "end_array":
                return items
            items.append(_built(event, events))
    return value


def _json_text(events: list[_Event]) -> str:
    """Return events as JSON, with keys that stand twice."""
    opening = {"start_map": "{", "start_array": "[", "end_map": "}", "end_array": "]"}
    made: list[str] = []
    for kind, value in events:
        if made and made[-1] not in ("{", "[", ": ") and not kind.startswith("end"):
            made.append(", ")
        made.append(opening.get(kind) or _scalar(value))
        if kind == "map_key":
            made.append(": ")
    return "".join(made)


def _scalar(value: Any) -> str:
    return str(value) if isinstance(value, Decimal) else json.dumps(value, ensure_ascii=False)


def _events(pieces: Iterable[bytes]) -> Iterator[_Event]:
    """Yield what a JSON text says; it is over only when the text is whole."""
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    for piece in pieces:
        wrong = bool(piece) and _wrong(parser.send, piece, events)
        yield from events
        events.clear()
        if wrong:
            raise TelecomAnswerError("not JSON")
    if _wrong(parser.close, None, events):
        raise TelecomAnswerError("not JSON, or broken off")
    yield from events


def _wrong(do: Callable[..., Any], piece: bytes | None, events: list[_Event]) -> bool:
    try:
        do(piece) if piece is not None else do()
    except SystemError:
        del events[-1:]  # ijson's C parser leaves half an event behind when Python refuses a number
        return True
    except (ijson.JSONError, ValueError, ArithmeticError):
        return True
    return False


def _json_pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a JSON text in pieces that end with a quotation mark, so that they tear no number and no escape."""
    held, mark = bytearray(), _BOM
    for piece in _pieces(file):
        cut = piece.rfind(b'"') + 1
        held += piece[:cut] if cut else piece
        if len(held) > LARGEST_RECORD + _PIECE:
            raise TelecomAnswerError(f"a text or a gap larger than {LARGEST_RECORD} bytes")
        if cut:
            yield _plain(bytes(held).removeprefix(mark))
            held, mark = bytearray(piece[cut:]), b""
    yield _plain(bytes(held).removeprefix(mark))


def _plain(piece: bytes) -> bytes:
    if _LONG_NUMBER.search(piece):
        raise TelecomAnswerError("a number of thousands of digits")
    if b"\\ud" in piece or b"\\uD" in piece:
        return _ESCAPE.sub(lambda hit: b"\\ufdd0" if hit[1] else hit[0], piece)
    return piece


def _without_stray_commas(pieces: Iterable[bytes]) -> Iterator[bytes]:
    inside = b""  # the quotation mark of a text that goes on in the next piece
    for piece in pieces:
        yield _STRING_OR_COMMA.sub(rb"\1\2", inside + piece)[len(inside) :]
        if _ESCAPE.sub(b"", piece).count(b'"') % 2:
            inside = b"" if inside else b'"'


# --- XML

_Fields = list[tuple[str, Any]]


def xml_rows(file: IO[bytes], marker: re.Pattern[str]) -> Iterator[Line]:
    """Yield the records of an XML file: the elements with a child whose tag matches `marker`.

    A record's children are texts, "" for an empty one, or have children of their own and are dicts. A record
    within a record stays there. Attributes are not read.

    A BadRow: a tag that stands twice, text between children, an element beside records that has children but
    none that matches. Raises TelecomAnswerError with the line for what is not XML, a document type declaration,
    nesting deeper than 32, a record of more than 1 MB, a record that shows only after one within it that it is
    one, and elements among which there is no record.
    """
    reader = _XmlReader(marker)
    yield from reader.read(file)
    if reader.deepest > 2 and not reader.found:
        raise TelecomAnswerError("XML without records")


def xml_facts(file: IO[bytes], marker: re.Pattern[str]) -> dict[str, str]:
    """Return the texts that stand in an XML file's root beside the records and what holds them, by tag.

    Of a root without children its own text, unless it is blank. Raises TelecomAnswerError as `xml_rows`, and
    for a tag that stands twice.
    """
    reader = _XmlReader(marker)
    for _ in reader.read(file):
        pass
    return reader.facts


class _Element:
    """An element that is open."""

    __slots__ = ("fault", "fields", "has_records", "holds_records", "is_record", "tag", "text", "unmarked")

    def __init__(self, tag: str) -> None:
        self.tag, self.fault = tag, ""
        self.is_record = self.holds_records = self.has_records = False
        self.text: list[str] = []
        self.fields: _Fields = []
        self.unmarked: list[Line] = []


class _XmlReader(ContentHandler):
    """Gives out each record as soon as it has ended; holds only what may still become one."""

    def __init__(self, marker: re.Pattern[str]) -> None:
        super().__init__()
        self._marker = marker
        self._open: list[_Element] = []
        self._ready: list[Line] = []
        self._records = self._held = self._kept = self._silent = 0
        self.facts: dict[str, str] = {}
        self.deepest, self.found = 0, False

    def read(self, file: IO[bytes]) -> Iterator[Line]:
        parser = create_parser(forbid_dtd=True)
        parser.setContentHandler(self)
        for piece in _pieces(file):
            self._silent += len(piece)
            refused = self._refused(parser.feed, piece)
            yield from self._ready
            self._ready.clear()
            if refused:
                raise refused
            if self._silent > 2 * LARGEST_RECORD:  # expat may wait for twice of what it holds
                raise self._error(f"a tag or comment larger than {LARGEST_RECORD} bytes")
        if refused := self._refused(parser.close):
            raise refused

    def _refused(self, parse: Callable[..., Any], *piece: bytes) -> TelecomAnswerError | None:
        try:
            parse(*piece)
        except TelecomAnswerError as error:
            return error
        except (SAXException, ValueError, LookupError):
            return self._error("not XML, or XML with a document type declaration")
        return None

    def _line(self) -> int:
        return self._locator.getLineNumber() or 0  # type: ignore[union-attr]

    def _error(self, text: str) -> TelecomAnswerError:
        return TelecomAnswerError(f"line {self._line()}: {text}")

    def _hold(self, size: int) -> None:
        self._silent = 0
        self._held += size
        if self._held > LARGEST_RECORD:
            raise self._error(f"a record larger than {LARGEST_RECORD} bytes")

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        if self._open and not self._open[-1].is_record and self._marker.fullmatch(name):
            if self._open[-1].holds_records:
                raise self._error("a record that shows only after one within it that it is one")
            self._open[-1].is_record = True
            self._records += 1
        self._hold(len(name) + 64)  # an element takes that much at least
        self._open.append(_Element(name))
        self.deepest = max(self.deepest, len(self._open))
        if self.deepest > DEEPEST:
            raise self._error(f"nested deeper than {DEEPEST}")

    def characters(self, content: str) -> None:
        if not self._open[-1].holds_records:
            self._hold(len(content))
            self._open[-1].text.append(content)
        elif content.strip():
            raise self._error("text between records")

    def endElement(self, name: str) -> None:  # noqa: N802
        done = self._open.pop()
        self._records -= done.is_record
        if done.fields and "".join(done.text).strip():
            done.fault = "text between its children"
        if done.is_record and not self._records:
            self._give(done)
        elif not done.holds_records:
            self._keep(done)
        if self._open and self._open[-1].holds_records and not self._records:
            self._held = self._kept

    def _give(self, done: _Element) -> None:
        """Give a record out; what is open around it is no record then, and holds nothing more."""
        self.found = True
        if self._open:
            self._ready += self._open[-1].unmarked
            self._open[-1].has_records = True
        for around in self._open:
            around.holds_records = True
            around.fields.clear()
            around.text.clear()
            around.unmarked.clear()
        self._ready.append((self._line(), _xml_record(done)))

    def _keep(self, done: _Element) -> None:
        """Keep an element that is no record for what it stands in, or as a fact."""
        value = done.fields or "".join(done.text)
        if len(self._open) <= 1 and not self._records and isinstance(value, str):
            self._keep_fact(done.tag, value)
        if not self._open:
            return
        around = self._open[-1]
        if around.is_record or not around.holds_records:
            around.fields.append((done.tag, value))
            around.fault = around.fault or done.fault
        if done.fields and not self._records:
            row = _bad("an element beside records that is none", _xml_text(done.tag, value))
            (self._ready if around.has_records else around.unmarked).append((self._line(), row))

    def _keep_fact(self, tag: str, text: str) -> None:
        if not self._open and not text.strip():
            return
        if tag in self.facts:
            raise self._error("a tag stands twice beside the records")
        self.facts[tag] = text
        self._kept += 64 + len(tag) + len(text)
        self._hold(0)


def _xml_record(done: _Element) -> dict[str, Any] | BadRow:
    try:
        row: dict[str, Any] = _as_dict(done.fields)
    except ValueError:
        return _bad("a tag stands twice", _xml_text(done.tag, done.fields))
    return _bad(done.fault, _xml_text(done.tag, done.fields)) if done.fault else row


def _as_dict(fields: _Fields) -> dict[str, Any]:
    return without_duplicates([(tag, _as_dict(one) if isinstance(one, list) else one) for tag, one in fields])


def _xml_text(tag: str, value: _Fields | str) -> str:
    inner = (
        html.escape(value, quote=False)
        if isinstance(value, str)
        else "".join(_xml_text(*one) for one in value)
    )
    return f"<{tag}>{inner}</{tag}>"
