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
from airflow_provider_telecom.calls.rows.record import (
    BOM,
    CHUNK_BYTES,
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    BadRow,
    NumberedRow,
    bad_row,
    chunks_of,
)

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


def json_rows(
    file: IO[bytes],
    name: str | None = None,
    *,
    stray_commas: bool = False,
    on_extra_key: Callable[[str], None] | None = None,
) -> Iterator[NumberedRow]:
    """Yield the records of a JSON file, fractions as Decimal.

    They are the list `name` of its object; without `name` the first list of its object, or the list that it
    is. With `stray_commas` a comma before a closing brace or bracket is overlooked. `beside` is given
    each key beside the list that holds something: neither null, false, 0, nor an empty text, list or object.

    A BadRow: a record that is no object, that has a key twice, or a text with half a character (a surrogate
    without its other half). Raises TelecomAnswerError for all else that is not strict JSON in UTF-8, numbers
    of 4000 digits or beyond 1e400, nesting deeper than 32, more than 1 MB in a record or beside the records,
    a key that occurs twice beside them, and a list that is not there.
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
            elif on_extra_key is not None and isinstance(place, str) and (len(events) > 2 or events[0][1]):
                on_extra_key(place)
    except TelecomAnswerError as error:
        raise TelecomAnswerError(f"after record {number}: {error.text}") from None
    if not found:
        raise TelecomAnswerError("no list of records")


def json_metadata(file: IO[bytes]) -> dict[str, Any]:
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
            if depth > MAX_DEPTH:
                raise TelecomAnswerError(f"nested deeper than {MAX_DEPTH}")
        elif kind in ("string", "map_key"):
            size += len(value)
        elif type(value) is Decimal and abs(value.adjusted()) > _LARGEST_EXPONENT:
            raise TelecomAnswerError("a number beyond all measure")
        size += 16  # that much at least is taken by the smallest of values
        if size > MAX_RECORD_BYTES:
            raise TelecomAnswerError(f"a record larger than {MAX_RECORD_BYTES} bytes, or of too many values")
        if depth == outside:
            break
    return taken


def _json_record(events: list[_Event]) -> dict[str, Any] | BadRow:
    if events[0][0] != "start_map":
        return bad_row("no object", _json_text(events))
    if any(kind in ("string", "map_key") and _HALF in value for kind, value in events):
        return bad_row("half of a character", _json_text(events))
    rest = iter(events)
    try:
        return cast("dict[str, Any]", _built(next(rest), rest))
    except ValueError:
        return bad_row("a key occurs twice", _json_text(events))


def _built(first: _Event, events: Iterator[_Event]) -> Any:
    kind, value = first
    if kind == "start_map":
        pairs: list[tuple[str, Any]] = []
        for kind, key in events:
            if kind == "end_map":
                return reject_duplicate_keys(pairs)
            following = next(events)
            pairs.append((key, _built(following, events) if following[0] in _NESTED else following[1]))
    if kind == "start_array":
        items: list[Any] = []
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
    try:
        for piece in pieces:
            for start in range(0, len(piece), CHUNK_BYTES):  # a byte may be an event, of many bytes in memory
                wrong = _wrong(parser.send, events, piece[start : start + CHUNK_BYTES])
                yield from events
                events.clear()
                if wrong:
                    raise TelecomAnswerError("not JSON")
        if _wrong(parser.close, events):
            raise TelecomAnswerError("not JSON, or broken off")
        yield from events
    finally:
        _wrong(parser.close, events)


def _wrong(do: Callable[..., Any], events: list[_Event], *piece: bytes) -> bool:
    try:
        do(*piece)
    except SystemError:
        del events[-1:]  # ijson's C parser leaves half an event behind when Python refuses a number
        return True
    except (ijson.JSONError, ValueError, ArithmeticError):
        return True
    return False


def _json_pieces(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a JSON text in pieces that end with a quotation mark: they tear no number and no escape."""
    held, mark = bytearray(), BOM
    for piece in chunks_of(file):
        cut = piece.rfind(b'"') + 1
        held += piece[:cut] if cut else piece
        if len(held) > MAX_RECORD_BYTES + CHUNK_BYTES:
            raise TelecomAnswerError(f"a text or a gap larger than {MAX_RECORD_BYTES} bytes")
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
