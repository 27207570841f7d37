"""Records of XML files."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.ElementTree import DefusedXMLParser, iterparse

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import reject_duplicate_keys
from airflow_provider_telecom.calls.rows.alike import LikeRecords, pieces
from airflow_provider_telecom.calls.rows.alike_xml import like_records
from airflow_provider_telecom.calls.rows.record import (
    CHUNK_BYTES,
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    BadRow,
    NumberedRow,
    bad_row,
)

OnFact = Callable[[str, str], object]
_END_TAG = re.compile(rb"</[^<>]*>")
_LONGEST_START = 200
_IS_UTF_8 = re.compile(
    rb"""(?:\xef\xbb\xbf)?(?:
        <\?xml\s (?:(?!encoding)[^?])* (?:encoding \s*=\s* ["']utf-8["'] [^?]*)? \?> | \s*<[a-z_!]
    )""",
    re.IGNORECASE | re.VERBOSE,
)
"""The start of a file that is surely in UTF-8."""


def xml_rows(
    file: IO[bytes], field_pattern: re.Pattern[str], *, on_fact: OnFact | None = None
) -> Iterator[NumberedRow]:
    """Yield the records of an XML file: the elements with a child or attribute that matches the pattern.

    A record's children become texts ("" for an empty one), or dicts if they have children of their own. A
    record within a record is part of it. Attributes within a record are ignored, and so are namespaces.
    `on_fact` is called with the tag and text of each of the root's other children that have no children.

    A BadRow: a tag that occurs twice, text between children, an element beside records that has children, or
    attributes and no text, but none that matches. Raises TelecomAnswerError for what is not XML (with the
    line), a document type declaration, nesting deeper than 32, a record of more than 1 MB, a record whose
    matching child comes after a record within it, elements without any record, and with `on_fact` for a tag
    that occurs twice beside the records.
    """
    yield from _Rows(_Text(file, by_record=False), field_pattern, on_fact)


def xml_pieces(
    file: IO[bytes], field_pattern: re.Pattern[str], *, on_fact: OnFact | None = None
) -> Iterator[NumberedRow | LikeRecords]:
    """Return what `xml_rows` yields, with many records at once where they are alike."""
    rows = _Rows(_Text(file, by_record=True), field_pattern, on_fact)
    return pieces(rows, rows.take)


def xml_metadata(file: IO[bytes]) -> dict[str, str]:
    """Return the texts of those of the root's children that have no children, by tag.

    Of a root without children its own text, unless it is blank. Raises TelecomAnswerError as `xml_rows`, also
    for a tag that occurs twice.
    """
    found: dict[str, str] = {}
    facts, started = _Facts(found.__setitem__), None
    for event, current, outer in _events(_Text(file, by_record=False)):
        if event == "start":
            started = current
            continue
        if current is started:
            facts.add(current.element, len(outer))
        if outer:
            del outer[-1].element[:]
    return found


class _Facts:
    """Elements beside the records, for `on_fact`."""

    def __init__(self, on_fact: OnFact) -> None:
        self._on_fact = on_fact
        self._tags: set[str] = set()
        self._size = 0

    def add(self, leaf: Element, outside: int) -> None:
        """Add an element without children. Raises TelecomAnswerError for a tag that occurs twice."""
        tag, text = leaf.tag, leaf.text or ""
        if outside > 1 or (not outside and not text.strip()):
            return
        if tag in self._tags:
            raise TelecomAnswerError("a tag occurs twice beside the records")
        self._tags.add(tag)
        self._size += 64 + len(tag) + len(text)
        _check_size(self._size)
        self._on_fact(tag, text)


@dataclass(slots=True)
class _Open:
    """An element that has started and not ended."""

    element: Element
    is_record: bool = False
    has_attributes: bool = False
    """Whether its attributes are what makes it a record: then they are fields of it."""
    has_records: bool = False
    """Whether one of its children was a record."""
    contains_records: bool = False
    """Whether there was a record at any depth: then it is no record itself, and its content is not kept."""


class _Text:
    """An XML file as the parser reads it, in chunks.

    It cannot be read further when 2 MB of it brought no event: the parser holds them. With `by_record` the
    end of an element (`</x>`) is the end of a chunk: when it was parsed, nothing that follows was, and `take`
    can take what follows.
    """

    def __init__(self, file: IO[bytes], *, by_record: bool) -> None:
        file.seek(0)
        self._file, self._by_record = file, by_record
        self._held, self._start = bytearray(), b""
        self.without_event = self.lines_taken = 0

    def read(self, size: int = -1, /) -> bytes:
        self._check(self.without_event)  # expat waits for twice as much as it holds
        chunk = self._until_end_tag() if self._by_record else self._file.read(size)
        self.without_event += len(chunk)
        if len(self._start) < _LONGEST_START:
            self._start += chunk[:_LONGEST_START]
        return chunk

    def take(self, first: int, size: int, field_pattern: re.Pattern[str]) -> LikeRecords | None:
        """Take the next records within so many bytes if they are alike; `first` is the number of the first.

        Call it when an end tag was parsed. None: nothing is taken.
        """
        if not _IS_UTF_8.match(self._start):
            return None
        held = self._held
        if len(held) < size:
            held += self._file.read(size - len(held))
        with memoryview(held) as view:
            found = like_records(bytes(view[:size]), first, field_pattern)
        if found is not None:
            taken = self._next(found.size)
            if b"\r" in taken:
                taken = taken.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
            self.lines_taken += taken.count(b"\n")
        return found

    def _until_end_tag(self) -> bytes:
        """Return what is next: at most one end tag, at its end, and no part of another."""
        held, more = self._held, True
        while more:
            if end := _END_TAG.search(held):
                return self._next(end.end())
            if cut := held.rfind(b"<") if b"<" in held else len(held):
                return self._next(cut)
            self._check(self.without_event + len(held))
            more = bool(piece := self._file.read(CHUNK_BYTES))
            held += piece
        return self._next(len(held))

    def _next(self, size: int) -> bytes:
        chunk = bytes(self._held[:size])
        del self._held[:size]
        return chunk

    def _check(self, size: int) -> None:
        if size > 2 * MAX_RECORD_BYTES:
            raise TelecomAnswerError(f"a tag, text or comment larger than {MAX_RECORD_BYTES} bytes")


def _events(text: _Text) -> Iterator[tuple[str, _Open, list[_Open]]]:
    """Yield the start and the end of each element, with the elements around it.

    The parser is up to a chunk ahead: an element may have children already whose start is yielded later.
    """
    parser = DefusedXMLParser(forbid_dtd=True)
    outer: list[_Open] = []
    try:
        for event, element in iterparse(text, ("start", "end"), parser):
            text.without_event = 0
            if event == "end":
                element.tag = _local_name(element)
                yield event, outer.pop(), outer
                continue
            current = _Open(element)
            yield event, current, outer
            outer.append(current)
            if len(outer) > MAX_DEPTH:
                raise TelecomAnswerError(f"nested deeper than {MAX_DEPTH}")
    except (ParseError, ValueError, LookupError):
        line = parser.parser.CurrentLineNumber + text.lines_taken
        raise TelecomAnswerError(f"line {line}: not XML, or XML with a document type declaration") from None


class _Rows:
    """The records of an XML text, one by one. `number` is that of the last one."""

    def __init__(self, text: _Text, field_pattern: re.Pattern[str], on_fact: OnFact | None) -> None:
        self._text, self._field_pattern = text, field_pattern
        self._facts = _Facts(on_fact) if on_fact else None
        self._is_followed = False
        self.number = 0

    def __iter__(self) -> Iterator[NumberedRow]:
        try:
            for row in self._read():
                self.number += 1
                yield self.number, row
        except TelecomAnswerError as error:
            raise TelecomAnswerError(f"after record {self.number}: {error.text}") from None

    def take(self, first: int, size: int) -> LikeRecords | None:
        """Take the records that follow the last one, as `_Text.take`."""
        return self._text.take(first, size, self._field_pattern) if self._is_followed else None

    def _read(self) -> Iterator[dict[str, Any] | BadRow]:
        open_records = held = deepest = 0
        found, started, ended = False, None, None
        for event, current, outer in _events(self._text):
            element, parent = current.element, outer[-1] if outer else None
            # The text after an element is whole when the next event comes.
            if ended is not None and ended.tail:
                held += len(ended.tail)
                if (current if event == "end" else outer[-1]).contains_records and ended.tail.strip():
                    raise TelecomAnswerError("text between records")
            if event == "start":
                started, ended = current, None
                deepest = max(deepest, len(outer) + 1)
                held += 64 + len(element.tag)  # the least memory that an element takes
                held += sum(64 + len(name) + len(value) for name, value in element.items())
                if parent and not parent.is_record and self._field_pattern.fullmatch(_local_name(element)):
                    if parent.contains_records:
                        raise TelecomAnswerError(
                            "a record whose matching child comes after a record within it"
                        )
                    parent.is_record = True
                    open_records += 1
                if parent and not open_records and self._has_match(element):
                    current.is_record = current.has_attributes = True
                    open_records += 1
            else:
                ended = element
                held += len(element.text or "")
                open_records -= current.is_record
                if self._facts and current is started and not current.is_record:
                    self._facts.add(element, len(outer))
                if current.is_record and not open_records:
                    if parent and not parent.contains_records:
                        yield from _unmatched(parent.element, element)
                    if parent:
                        parent.has_records = True
                    for container in outer:  # no record itself, so its content is not needed any more
                        container.contains_records = True
                        del container.element[:]
                    self._is_followed = parent is not None and not current.has_attributes
                    yield _row_of(current)
                    self._is_followed = False
                    found = True
                elif parent and parent.has_records and not current.contains_records:
                    yield from _unmatched([element])
                if parent and parent.contains_records:
                    del parent.element[:]
                    held = 0
            _check_size(held)
        if deepest > 2 and not found:
            raise TelecomAnswerError("XML without records")

    def _has_match(self, element: Element) -> bool:
        return any(map(self._field_pattern.fullmatch, element.keys()))


def _local_name(element: Element) -> str:
    """Return a tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _check_size(held: int) -> None:
    if held > MAX_RECORD_BYTES:
        raise TelecomAnswerError(f"a record larger than {MAX_RECORD_BYTES} bytes, or of too many elements")


def _unmatched(siblings: Iterable[Element], record: Element | None = None) -> Iterator[BadRow]:
    """Yield the elements before a record that look like records, and lack what makes them one."""
    for element in siblings:
        if element is record:
            return
        if len(element) or (element.attrib and not (element.text or "").strip()):
            yield _bad("an element beside records that is none", element)


def _row_of(record: _Open) -> dict[str, Any] | BadRow:
    element = record.element
    try:
        row = _as_dict(element, element.attrib if record.has_attributes else {})
    except ValueError:
        return _bad("a tag occurs twice", element)
    return _bad("text between its children", element) if row and _has_loose_text(element) else row


def _as_dict(element: Element, attributes: Mapping[str, str]) -> dict[str, Any]:
    children = ((child.tag, _as_dict(child, {}) if len(child) else child.text or "") for child in element)
    return reject_duplicate_keys([*attributes.items(), *children])


def _has_loose_text(element: Element) -> bool:
    texts = [element.text, *(child.tail for child in element)]
    return any(text and text.strip() for text in texts) or any(
        _has_loose_text(child) for child in element if len(child)
    )


def _bad(reason: str, element: Element) -> BadRow:
    alone = copy(element)
    alone.tail = None
    return bad_row(reason, tostring(alone, "unicode", short_empty_elements=False))
