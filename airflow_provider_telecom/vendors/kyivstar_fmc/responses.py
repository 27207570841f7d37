"""Reading of Kyivstar FMC's responses: lists of call records as CSV, JSON or XML."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator
from typing import IO, TypeVar

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import (
    ErrorDetails,
    raise_for_status,
    to_model,
    unreadable_response,
)
from airflow_provider_telecom.calls.rows import (
    BadRow,
    LikeRecords,
    NumberedRow,
    all_rows,
    csv_rows,
    json_pieces,
    json_rows,
    xml_pieces,
    xml_rows,
)
from airflow_provider_telecom.vendors.kyivstar_fmc.arguments import Format
from airflow_provider_telecom.vendors.kyivstar_fmc.models import CallRecord, normalized

T = TypeVar("T")

_BLANK = b"\xef\xbb\xbf \t\r\n"
START = re.compile("start_timestamp", re.IGNORECASE)
_JSON_RECORD = re.compile(rb'[{,]\s*"start_timestamp"\s*:', re.IGNORECASE)
_XML_RECORD = re.compile(rb"<start_timestamp\b|\sstart_timestamp\s*=", re.IGNORECASE)
_MENTIONS_AN_ERROR = re.compile("error|(?<!de)fault|exception", re.IGNORECASE)


def reader(read: Callable[[Response], T]) -> Callable[[Response], T]:
    """Return a function that checks the status of a response, and then calls `read`."""

    def checked(response: Response) -> T:
        raise_for_status(response, ErrorDetails)
        if response.status != 200:
            raise unreadable_response("a success status other than 200", response.body, response.status)
        return read(response)

    return checked


def require_empty(response: Response) -> None:
    """Accept only an empty body as a success. The document does not call any body a success."""
    if response.body.strip(_BLANK):
        raise unreadable_response("a body where the document has none", response.body, response.status)


def saved_bytes(response: Response) -> int:
    """Return how many bytes of a list were saved. Raises TelecomAnswerError if nothing was saved."""
    if response.saved_bytes is None:
        raise unreadable_response("no list of calls", response.body, response.status)
    return response.saved_bytes


def read_records(response: Response, format: Format) -> list[CallRecord]:
    """Return the records of a response. Raises TelecomAnswerError if one of them is invalid."""
    _require_file(response)
    return parse_records(response.body, format)


def parse_records(body: bytes, format: Format) -> list[CallRecord]:
    """Return the records of a body. Raises TelecomAnswerError if one of them is invalid."""
    rows = all_rows(body, lambda file: _normalized_rows(iter_records(file, format)))
    return to_model(list[CallRecord], rows, body)


def iter_records(file: IO[bytes], format: Format, encoding: str = "utf-8") -> Iterator[NumberedRow]:
    """Yield the records of a file one by one. `encoding` is used for CSV only.

    In JSON a comma before a closing bracket is ignored: the document's own sample has one. CSV without a
    line, and XML with an empty root element, have no calls. Raises TelecomAnswerError for a file that is no
    list of calls.
    """
    if format == "csv":
        return csv_rows(file, encoding=encoding, field_pattern=START)
    return _json_records(file, json_rows) if format == "json" else _xml_records(file, xml_rows)


def iter_pieces(file: IO[bytes], format: Format) -> Iterator[NumberedRow | LikeRecords]:
    """Yield what `iter_records` yields of JSON or XML, with many records at once where they are alike."""
    return _json_records(file, json_pieces) if format == "json" else _xml_records(file, xml_pieces)


def is_list(response: Response, format: Format) -> bool:
    """Return whether a response begins as a list of calls. `body` may hold only the first bytes."""
    start = response.body.lstrip(_BLANK)
    if format == "json" and start.startswith(b"{") and b'"calls"' in start and _JSON_RECORD.search(start):
        return True
    if format == "xml" and start.startswith(b"<") and _XML_RECORD.search(start):
        return True
    try:
        _require_file(response)
        records = iter_records(io.BytesIO(response.body), format)
        if format == "csv":
            next(records, None)  # reads the header
            return True
        return not list(records)
    except TelecomAnswerError:
        return False


def _json_records(file: IO[bytes], read: Callable[..., Iterator[T]]) -> Iterator[T]:
    other_keys: list[str] = []
    yield from read(file, "calls", stray_commas=True, on_extra_key=other_keys.append)
    _refuse_errors(other_keys)


def _xml_records(file: IO[bytes], read: Callable[..., Iterator[T]]) -> Iterator[T]:
    is_empty, facts = True, dict[str, str]()
    for row in read(file, START, on_fact=facts.__setitem__):
        is_empty = False
        yield row
    others = [name for name, text in facts.items() if text.strip() or is_empty]
    if is_empty and others:
        raise TelecomAnswerError("XML without calls")
    _refuse_errors(others)


def _refuse_errors(names: Iterable[str]) -> None:
    """Raise TelecomAnswerError if a field beside the calls is about an error: calls may be missing."""
    if any(map(_MENTIONS_AN_ERROR.search, names)):
        raise TelecomAnswerError("an error beside the calls")


def _normalized_rows(rows: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    for number, record in rows:
        try:
            yield number, record if isinstance(record, BadRow) else normalized(record)
        except TelecomInputError as error:
            yield number, BadRow(error.text, "")


def _require_file(response: Response) -> None:
    """Raise TelecomAnswerError for an empty body, unless it is offered as a file, as in the document."""
    is_file = "attachment" in response.headers.get("content-disposition", "")
    if not response.body.strip(_BLANK) and not is_file:
        raise unreadable_response("nothing in place of a file", response.body, response.status)
