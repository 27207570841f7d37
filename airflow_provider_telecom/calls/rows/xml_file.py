"""Records of XML files."""

from __future__ import annotations

import html
import re
from collections.abc import Callable, Iterator
from typing import IO, Any
from xml.sax import ContentHandler, SAXException

from defusedxml.expatreader import create_parser

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import reject_duplicate_keys
from airflow_provider_telecom.calls.rows.record import (
    MAX_DEPTH,
    MAX_RECORD_BYTES,
    BadRow,
    NumberedRow,
    bad_row,
    chunks_of,
)

_Fields = list[tuple[str, Any]]


def xml_rows(file: IO[bytes], field_pattern: re.Pattern[str]) -> Iterator[NumberedRow]:
    """Yield the records of an XML file: the elements with a child or attribute that matches `field_pattern`.

    A record's children are texts, "" for an empty one, or have children of their own and are dicts. A record
    within a record stays there. Attributes within a record are not read.

    A BadRow: a tag that stands twice, text between children, an element beside records that has children, or
    attributes and no text, but none that matches. Raises TelecomAnswerError with the line for what is not
    XML, a document type declaration, nesting deeper than 32, a record of more than 1 MB, a record that shows
    only after one within it that it is one, and elements among which there is no record.
    """
    reader = _Records(field_pattern)
    yield from reader.read(file)
    if reader.deepest > 2 and not reader.found:
        raise TelecomAnswerError("XML without records")


def xml_metadata(file: IO[bytes], field_pattern: re.Pattern[str] | None = None) -> dict[str, str]:
    """Return the texts of those of the root's children that have no children, by tag.

    Of a root without children its own text, unless it is blank. Elements with an attribute whose name matches
    `field_pattern` are records and left out. Raises TelecomAnswerError as `xml_rows`, also for a tag that
    stands
    twice.
    """
    reader = _Facts(field_pattern)
    for _ in reader.read(file):
        pass
    return reader.facts


class _Reader(ContentHandler):
    """What is common to both readers: bounds, and errors that say where."""

    def __init__(self) -> None:
        super().__init__()
        self._ready: list[NumberedRow] = []
        self._held = self._silent = self._depth = self.deepest = 0

    def read(self, file: IO[bytes]) -> Iterator[NumberedRow]:
        """Yield the records, if they are looked for."""
        self._parser = create_parser(forbid_dtd=True)
        self._parser.setContentHandler(self)
        for piece in chunks_of(file):
            self._silent += len(piece)
            refused = self._refused(self._parser.feed, piece)
            yield from self._ready
            self._ready.clear()
            if refused:
                raise refused
            if self._silent > 2 * MAX_RECORD_BYTES:  # expat waits for twice as much as it holds
                raise self._error(f"a tag or comment larger than {MAX_RECORD_BYTES} bytes")
        refused = self._refused(self._parser.close) if self.deepest else self._error("not XML, but nothing")
        yield from self._ready
        if refused:
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
        return self._parser.getLineNumber() or 0

    def _error(self, text: str) -> TelecomAnswerError:
        return TelecomAnswerError(f"line {self._line()}: {text}")

    def _hold(self, size: int) -> None:
        self._silent = 0
        self._held += size
        if self._held > MAX_RECORD_BYTES:
            raise self._error(f"a record larger than {MAX_RECORD_BYTES} bytes, or of too many elements")

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        self._hold(len(name) + 64)  # an element takes that much at least
        self._depth += 1
        if self._depth > self.deepest:
            self.deepest = self._depth
            if self._depth > MAX_DEPTH:
                raise self._error(f"nested deeper than {MAX_DEPTH}")

    def endElement(self, name: str) -> None:  # noqa: N802
        self._depth -= 1


class _Facts(_Reader):
    """Keeps the texts at the top."""

    def __init__(self, field_pattern: re.Pattern[str] | None) -> None:
        super().__init__()
        self.facts: dict[str, str] = {}
        self._field_pattern = field_pattern
        self._text: list[str] = []
        self._kept, self._is_leaf = 0, False

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        super().startElement(name, attrs)
        self._text.clear()
        self._held, self._is_leaf = self._kept, not _has(attrs, self._field_pattern)

    def characters(self, content: str) -> None:
        self._silent = 0
        if self._depth <= 2 and self._is_leaf:
            self._hold(len(content))
            self._text.append(content)

    def endElement(self, name: str) -> None:  # noqa: N802
        if self._is_leaf and self._depth <= 2:
            self._keep(name, "".join(self._text))
        self._is_leaf = False
        super().endElement(name)

    def _keep(self, tag: str, text: str) -> None:
        if self._depth == 1 and not text.strip():
            return
        if tag in self.facts:
            raise self._error("a tag stands twice beside the records")
        self.facts[tag] = text
        self._kept += 64 + len(tag) + len(text)


class _Element:
    """An element that is open."""

    __slots__ = (
        *("attributes", "fault", "fields", "has_records", "holds_records", "is_record", "tag", "text"),
        "unmarked",
    )

    def __init__(self, tag: str, attributes: _Fields) -> None:
        self.tag, self.attributes, self.fault = tag, attributes, ""
        self.is_record = self.holds_records = self.has_records = False
        self.text: list[str] = []
        self.fields: _Fields = []
        self.unmarked: list[NumberedRow] = []


class _Records(_Reader):
    """Gives out each record as soon as it has ended; holds only what may still become one."""

    def __init__(self, field_pattern: re.Pattern[str]) -> None:
        super().__init__()
        self._field_pattern, self._open = field_pattern, [_Element("", [])]
        self._records, self.found = 0, False

    def startElement(self, name: str, attrs: Any) -> None:  # noqa: N802
        super().startElement(name, attrs)
        around = self._open[-1]
        if not around.is_record and self._depth > 1 and self._field_pattern.fullmatch(name):
            if around.holds_records:
                raise self._error("a record that shows only after one within it that it is one")
            around.is_record = True
            self._records += 1
        attributes = [] if self._records else list(attrs.items())
        self._hold(sum(64 + len(key) + len(value) for key, value in attributes))
        self._open.append(_Element(name, attributes))
        if attributes and self._depth > 1 and _has(attrs, self._field_pattern):
            self._open[-1].is_record = True
            self._open[-1].fields += attributes
            self._records += 1

    def characters(self, content: str) -> None:
        if not self._open[-1].holds_records:
            self._hold(len(content))
            self._open[-1].text.append(content)
        elif content.strip():
            raise self._error("text between records")

    def endElement(self, name: str) -> None:  # noqa: N802
        super().endElement(name)
        done = self._open.pop()
        self._records -= done.is_record
        if done.fields and "".join(done.text).strip():
            done.fault = "text between its children"
        if done.is_record and not self._records:
            self._give(done)
        elif not done.holds_records:
            self._keep(done, self._open[-1])
        if self._open[-1].holds_records:
            self._held = 0

    def _give(self, done: _Element) -> None:
        """Give a record out. What is open around it is none then, and need not be held."""
        self.found = True
        self._ready += self._open[-1].unmarked
        self._open[-1].has_records = True
        for around in self._open:
            around.holds_records = True
            for held in (around.fields, around.text, around.unmarked):
                held.clear()
        self._ready.append((self._line(), _record(done)))

    def _keep(self, done: _Element, around: _Element) -> None:
        """Keep an element for what may become a record around it. One beside records ought to be one."""
        text = "".join(done.text)
        value = done.fields or text
        if not around.holds_records:
            around.fields.append((done.tag, value))
            around.fault = around.fault or done.fault
        unmarked = done.fields or ([] if text.strip() else done.attributes)
        if unmarked and not self._records:
            row = bad_row("an element beside records that is none", _text(done.tag, unmarked))
            if around.has_records:
                self._ready.append((self._line(), row))
            elif not around.holds_records:
                around.unmarked.append((self._line(), row))


def _has(attrs: Any, field_pattern: re.Pattern[str] | None) -> bool:
    return field_pattern is not None and any(map(field_pattern.fullmatch, attrs.getNames()))


def _record(done: _Element) -> dict[str, Any] | BadRow:
    try:
        row: dict[str, Any] = _as_dict(done.fields)
    except ValueError:
        return bad_row("a tag stands twice", _text(done.tag, done.fields))
    return bad_row(done.fault, _text(done.tag, done.fields)) if done.fault else row


def _as_dict(fields: _Fields) -> dict[str, Any]:
    return reject_duplicate_keys([
        (tag, _as_dict(one) if isinstance(one, list) else one) for tag, one in fields
    ])


def _text(tag: str, value: _Fields | str) -> str:
    """Return an element as XML."""
    if isinstance(value, str):
        return f"<{tag}>{html.escape(value, quote=False)}</{tag}>"
    return f"<{tag}>{''.join(_text(*one) for one in value)}</{tag}>"
