"""Records of XML files."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from copy import copy
from dataclasses import dataclass
from typing import IO, Any
from xml.etree.ElementTree import Element, ParseError, tostring

from defusedxml.ElementTree import DefusedXMLParser, iterparse

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import reject_duplicate_keys
from airflow_provider_telecom.calls.rows.record import (
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    BadRow,
    NumberedRow,
    bad_row,
)


def xml_rows(file: IO[bytes], field_pattern: re.Pattern[str]) -> Iterator[NumberedRow]:
    """Yield the records of an XML file: the elements with a child or attribute that matches the pattern.

    A record's children become texts ("" for an empty one), or dicts if they have children of their own. A
    record within a record is part of it. Attributes within a record are ignored, and so are namespaces.

    A BadRow: a tag that occurs twice, text between children, an element beside records that has children, or
    attributes and no text, but none that matches. Raises TelecomAnswerError for what is not XML (with the
    line), a document type declaration, nesting deeper than 32, a record of more than 1 MB, a record whose
    matching child comes after a record within it, and elements without any record.
    """
    number = 0
    try:
        for number, row in enumerate(_rows(file, field_pattern), 1):
            yield number, row
    except TelecomAnswerError as error:
        raise TelecomAnswerError(f"after record {number}: {error.text}") from None


def xml_metadata(file: IO[bytes], field_pattern: re.Pattern[str] | None = None) -> dict[str, str]:
    """Return the texts of those of the root's children that have no children, by tag.

    Of a root without children its own text, unless it is blank. Elements with an attribute whose name matches
    the pattern are records and left out. Raises TelecomAnswerError as `xml_rows`, also for a tag that occurs
    twice.
    """
    metadata: dict[str, str] = {}
    started, size = None, 0
    for event, current, outer in _events(file):
        if event == "start":
            started = current
            continue
        tag, text = current.element.tag, current.element.text or ""
        is_leaf = current is started and not (field_pattern and _has_match(current.element, field_pattern))
        if is_leaf and (len(outer) == 1 or (not outer and text.strip())):
            if tag in metadata:
                raise TelecomAnswerError("a tag occurs twice beside the records")
            metadata[tag] = text
            size += 64 + len(tag) + len(text)
            _check_size(size)
        if outer:
            del outer[-1].element[:]
    return metadata


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


class _LimitedFile:
    """A file that cannot be read further when 2 MB of it brought no event: the parser holds them."""

    def __init__(self, file: IO[bytes]) -> None:
        file.seek(0)
        self._file, self.held = file, 0

    def read(self, size: int = -1, /) -> bytes:
        if self.held > 2 * MAX_RECORD_BYTES:  # expat waits for twice as much as it holds
            raise TelecomAnswerError(f"a tag, text or comment larger than {MAX_RECORD_BYTES} bytes")
        chunk = self._file.read(size)
        self.held += len(chunk)
        return chunk


def _events(file: IO[bytes]) -> Iterator[tuple[str, _Open, list[_Open]]]:
    """Yield the start and the end of each element, with the elements around it.

    The parser is up to a chunk ahead: an element may have children already whose start is yielded later.
    """
    limited, parser = _LimitedFile(file), DefusedXMLParser(forbid_dtd=True)
    outer: list[_Open] = []
    try:
        for event, element in iterparse(limited, ("start", "end"), parser):
            limited.held = 0
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
        line = parser.parser.CurrentLineNumber
        raise TelecomAnswerError(f"line {line}: not XML, or XML with a document type declaration") from None


def _rows(file: IO[bytes], field_pattern: re.Pattern[str]) -> Iterator[dict[str, Any] | BadRow]:
    open_records = held = deepest = 0
    found, ended = False, None
    for event, current, outer in _events(file):
        element, parent = current.element, outer[-1] if outer else None
        if ended is not None and ended.tail:  # the text after an element is whole when the next event comes
            held += len(ended.tail)
            if (current if event == "end" else outer[-1]).contains_records and ended.tail.strip():
                raise TelecomAnswerError("text between records")
        if event == "start":
            ended = None
            deepest = max(deepest, len(outer) + 1)
            held += 64 + len(element.tag)  # the least memory that an element takes
            held += sum(64 + len(name) + len(value) for name, value in element.items())
            if parent and not parent.is_record and field_pattern.fullmatch(_local_name(element)):
                if parent.contains_records:
                    raise TelecomAnswerError("a record whose matching child comes after a record within it")
                parent.is_record = True
                open_records += 1
            if parent and not open_records and _has_match(element, field_pattern):
                current.is_record = current.has_attributes = True
                open_records += 1
        else:
            ended = element
            held += len(element.text or "")
            open_records -= current.is_record
            if current.is_record and not open_records:
                if parent and not parent.contains_records:
                    yield from _unmatched(parent.element, element)
                if parent:
                    parent.has_records = True
                for container in outer:  # no record itself, so its content is not needed any more
                    container.contains_records = True
                    del container.element[:]
                yield _row_of(current)
                found = True
            elif parent and parent.has_records and not current.contains_records:
                yield from _unmatched([element])
            if parent and parent.contains_records:
                del parent.element[:]
                held = 0
        _check_size(held)
    if deepest > 2 and not found:
        raise TelecomAnswerError("XML without records")


def _local_name(element: Element) -> str:
    """Return a tag without its namespace."""
    return element.tag.rpartition("}")[2]


def _check_size(held: int) -> None:
    if held > MAX_RECORD_BYTES:
        raise TelecomAnswerError(f"a record larger than {MAX_RECORD_BYTES} bytes, or of too many elements")


def _has_match(element: Element, field_pattern: re.Pattern[str]) -> bool:
    return any(map(field_pattern.fullmatch, element.keys()))


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
