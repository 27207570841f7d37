"""Records of JSON files."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Iterator
from decimal import Decimal
from typing import IO, Any, cast

import ijson

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import reject_duplicate_keys
from airflow_provider_telecom.calls.rows.alike import LikeRecords, pieces
from airflow_provider_telecom.calls.rows.alike_json import like_records
from airflow_provider_telecom.calls.rows.record import (
    BOM,
    CHUNK_BYTES,
    HALF,
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    BadRow,
    NumberedRow,
    bad_row,
    long_number,
)

_Event = tuple[str, Any]
_NESTED = {"start_map": 1, "start_array": 1, "end_map": -1, "end_array": -1}
_ESCAPE = re.compile(
    rb"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F]|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)", re.DOTALL
)
_STRING_OR_COMMA = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*"?)|,[ \t\r\n]*([}\]])', re.DOTALL)
_MAX_EXPONENT = 400


def json_rows(
    file: IO[bytes],
    name: str | None = None,
    *,
    stray_commas: bool = False,
    on_extra_key: Callable[[str], None] | None = None,
    on_fact: Callable[[str, Any], None] | None = None,
) -> Iterator[NumberedRow]:
    """Yield the records of a JSON file, with fractions as Decimal.

    The records are the list `name` of the file's object; without `name` its first list, or the list that the
    file consists of. With `stray_commas` a comma before a closing brace or bracket is ignored. `on_extra_key`
    is called with each key beside the list whose value is not null, false, 0 or empty, `on_fact` with each
    key and value that is neither a list nor an object.

    A BadRow: a record that is no object, a key that occurs twice in it, and a text with half a character (a
    surrogate without its other half). Raises TelecomAnswerError for everything else that is not strict JSON
    in UTF-8, numbers of 4000 digits or beyond 1e400, nesting deeper than 32, more than 1 MB in a record or
    beside the records, a key that occurs twice beside them, and a missing list.
    """
    yield from _Rows(_Chunks(file, by_record=False), name, stray_commas, on_extra_key, on_fact)


def json_pieces(
    file: IO[bytes],
    name: str | None = None,
    *,
    stray_commas: bool = False,
    on_extra_key: Callable[[str], None] | None = None,
    on_fact: Callable[[str, Any], None] | None = None,
) -> Iterator[NumberedRow | LikeRecords]:
    """Return what `json_rows` yields, with many records at once where they are alike."""
    chunks = _Chunks(file, by_record=True)
    rows = _Rows(chunks, name, stray_commas, on_extra_key, on_fact)
    return pieces(rows, chunks.take)


def json_metadata(file: IO[bytes]) -> dict[str, Any]:
    """Return the values of a JSON file's object that are neither lists nor objects.

    Empty if the file is a list. Raises TelecomAnswerError as `json_rows`.
    """
    found: dict[str, Any] = {}
    for place, events in _json_parts(_events(_Chunks(file, by_record=False)), None):
        if isinstance(place, str) and events[0][0] not in _NESTED:
            found[place] = events[0][1]
    return found


class _Rows:
    """The records of a JSON text, one by one. `number` is that of the last one."""

    def __init__(
        self,
        chunks: _Chunks,
        name: str | None,
        stray_commas: bool,
        on_extra_key: Callable[[str], None] | None,
        on_fact: Callable[[str, Any], None] | None,
    ) -> None:
        self._chunks, self._name = chunks, name
        self._on_extra_key, self._on_fact = on_extra_key, on_fact
        self._stray_commas, self.number = stray_commas, 0

    def __iter__(self) -> Iterator[NumberedRow]:
        found = False
        tidy = self._stray_commas and (self._chunks.by_record or self._chunks.have_stray_commas())
        chunks = _without_stray_commas(self._chunks) if tidy else self._chunks
        try:
            for place, events in _json_parts(_events(chunks), self._name):
                found = found or place is _LIST
                if place is _RECORD:
                    self.number += 1
                    yield self.number, _json_record(events)
                elif isinstance(place, str):
                    if self._on_extra_key and (len(events) > 2 or events[0][1]):
                        self._on_extra_key(place)
                    if self._on_fact and events[0][0] not in _NESTED:
                        self._on_fact(place, events[0][1])
        except TelecomAnswerError as error:
            raise TelecomAnswerError(f"after record {self.number}: {error.text}") from None
        if not found:
            raise TelecomAnswerError("no list of records")


_LIST, _RECORD = object(), object()


def _json_parts(events: Iterator[_Event], name: str | None) -> Iterator[tuple[object, list[_Event]]]:
    """Yield the parts of a JSON text: _LIST, each _RECORD of it, and what is beside the list by its key."""
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
                raise TelecomAnswerError("a key occurs twice beside the records")
            keys.add(key)
            first = next(events)
            size += 64 + len(key) + (len(first[1]) if first[0] == "string" else 0)
            if size > MAX_RECORD_BYTES:
                raise TelecomAnswerError(f"more than {MAX_RECORD_BYTES} bytes beside the records")
            if first[0] == "start_array" and (key == name if name is not None else not found):
                found = True
                yield from _json_list(events, 2)
            else:
                yield key, _value_events(first, events, 1)
    elif event == "start_array":
        raise TelecomAnswerError("no list of that name")
    for _ in events:
        pass  # the parser raises if anything follows


def _json_list(events: Iterator[_Event], outside: int) -> Iterator[tuple[object, list[_Event]]]:
    yield _LIST, []
    for event in events:
        if event[0] == "end_array":
            return
        yield _RECORD, _value_events(event, events, outside)


def _value_events(first: _Event, events: Iterator[_Event], outside: int) -> list[_Event]:
    """Return the events of the value that begins with `first`, at most 1 MB of them."""
    taken, size, depth = [first], 0, outside + _NESTED.get(first[0], 0)
    if depth == outside:
        return taken
    for event in events:
        taken.append(event)
        kind, value = event
        if kind in _NESTED:
            depth += _NESTED[kind]
            if depth > MAX_DEPTH:
                raise TelecomAnswerError(f"nested deeper than {MAX_DEPTH}")
        elif kind in ("string", "map_key"):
            size += len(value)
        elif type(value) is Decimal and abs(value.adjusted()) > _MAX_EXPONENT:
            raise TelecomAnswerError("a number that is too large or too small")
        size += 16  # the memory of the smallest value
        if size > MAX_RECORD_BYTES:
            raise TelecomAnswerError(f"a record larger than {MAX_RECORD_BYTES} bytes, or of too many values")
        if depth == outside:
            break
    return taken


def _json_record(events: list[_Event]) -> dict[str, Any] | BadRow:
    if events[0][0] != "start_map":
        return bad_row("no object", _json_text(events))
    if any(kind in ("string", "map_key") and HALF in value for kind, value in events):
        return bad_row("half of a character", _json_text(events))
    rest = iter(events)
    try:
        return cast("dict[str, Any]", _build(next(rest), rest))
    except ValueError:
        return bad_row("a key occurs twice", _json_text(events))


def _build(first: _Event, events: Iterator[_Event]) -> Any:
    kind, value = first
    if kind == "start_map":
        pairs: list[tuple[str, Any]] = []
        for kind, key in events:
            if kind == "end_map":
                return reject_duplicate_keys(pairs)
            following = next(events)
            pairs.append((key, _build(following, events) if following[0] in _NESTED else following[1]))
    if kind == "start_array":
        items: list[Any] = []
        for event in events:
            if event[0] == "end_array":
                return items
            items.append(_build(event, events))
    return value


def _json_text(events: list[_Event]) -> str:
    """Return events as JSON, also with keys that occur twice."""
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


def _events(chunks: Iterable[bytes]) -> Iterator[_Event]:
    """Yield the events of a JSON text. Raises TelecomAnswerError if it is incomplete or not JSON."""
    events = ijson.sendable_list()
    parser = ijson.basic_parse_coro(events)
    try:
        for chunk in chunks:
            for start in range(0, len(chunk), CHUNK_BYTES):  # a byte can be an event of many bytes
                wrong = _wrong(parser.send, events, chunk[start : start + CHUNK_BYTES])
                yield from events
                events.clear()
                if wrong:
                    raise TelecomAnswerError("not JSON")
        if _wrong(parser.close, events):
            raise TelecomAnswerError("not JSON, or broken off")
        yield from events
    finally:
        _wrong(parser.close, events)


def _wrong(do: Callable[..., Any], events: list[_Event], *chunk: bytes) -> bool:
    try:
        do(*chunk)
    except SystemError:
        del events[-1:]  # ijson's C parser leaves an incomplete event when Python refuses a number
        return True
    except (ijson.JSONError, ValueError, ArithmeticError):
        return True
    return False


class _Chunks:
    """A JSON text in chunks that end with a quotation mark or a brace: none splits a number or an escape.

    With `by_record` a chunk has one closing brace at most, at its end. So when an object was parsed, nothing
    that follows it was, and `take` can take what follows.
    """

    def __init__(self, file: IO[bytes], *, by_record: bool) -> None:
        self._file, self.by_record = file, by_record
        self._held, self._as_written = bytearray(), True

    def __iter__(self) -> Iterator[bytes]:
        self._file.seek(0)
        held, mark = self._held, BOM
        while True:
            cut = self.by_record and held.find(b"}") + 1
            if cut := cut or held.rfind(b'"') + 1:
                chunk = bytes(held[:cut])
                del held[:cut]
                yield from _plain(chunk.removeprefix(mark))
                mark = b""
            elif len(held) > MAX_RECORD_BYTES + CHUNK_BYTES:
                raise TelecomAnswerError(f"a text or a gap larger than {MAX_RECORD_BYTES} bytes")
            elif not self._read(CHUNK_BYTES):
                yield from _plain(bytes(held).removeprefix(mark))
                return

    def have_stray_commas(self) -> bool:
        """Return whether there may be a comma before a closing bracket."""
        self._file.seek(0)
        last = b""
        while piece := self._file.read(MAX_RECORD_BYTES):
            text = last + piece.translate(None, b" \t\r\n")
            if b",}" in text or b",]" in text:
                return True
            last = text[-1:]
        return False

    def take(self, first: int, size: int) -> LikeRecords | None:
        """Take the next records within so many bytes if they are alike; `first` is the number of the first.

        Call it when an object of a list was parsed. None: nothing is taken.
        """
        held = self._held
        if len(held) < size:
            self._read(size - len(held))
        found = like_records(bytes(held[:size]), first, as_written=self._as_written)
        if found is not None:
            self._as_written = found.as_written
            del held[: found.size]
        return found

    def _read(self, size: int) -> bool:
        piece = self._file.read(size)
        self._held += piece
        return bool(piece)


def _plain(chunk: bytes) -> Iterator[bytes]:
    number = long_number(chunk)
    if number:
        chunk = chunk[: number.start()]
    if b"\\ud" in chunk or b"\\uD" in chunk:
        chunk = _ESCAPE.sub(lambda hit: b"\\ufdd0" if hit[1] else hit[0], chunk)
    yield chunk
    if number:
        raise TelecomAnswerError("a number of thousands of digits")


def _without_stray_commas(chunks: Iterable[bytes]) -> Iterator[bytes]:
    inside = b""  # the quotation mark of a text that goes on in the next chunk
    for chunk in chunks:
        yield _STRING_OR_COMMA.sub(rb"\1\2", inside + chunk)[len(inside) :]
        if _ESCAPE.sub(b"", chunk).count(b'"') % 2:
            inside = b"" if inside else b'"'
