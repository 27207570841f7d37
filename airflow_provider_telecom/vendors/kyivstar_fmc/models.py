"""What Kyivstar FMC answers: call records (CDR), in three formats.

Source: "Detailed call information" of the vendor's document. A record has no id, and two equal records
are two calls. Times come without a zone and mean Europe/Kyiv.
"""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from datetime import datetime
from typing import IO, Annotated, Any

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.calls.rows import (
    BadRow,
    NumberedRow,
    all_rows,
    csv_rows,
    json_rows,
    xml_metadata,
    xml_rows,
)
from airflow_provider_telecom.vendors.kyivstar_fmc.times import Times, parse_times

NAMES = (
    *("start_timestamp", "end_timestamp", "calling_number", "called_number", "duration"),
    *("calling_name", "called_name", "department", "own"),
)
"""Names of a record's fields. The last four are not in the document."""
MAX_DURATION_SECONDS = 10**9
_START = re.compile("start_timestamp", re.IGNORECASE)
_MENTIONS_AN_ERROR = re.compile("error|(?<!de)fault|exception", re.IGNORECASE)
_BLANK = b"\xef\xbb\xbf \t\r\n"


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


class CallRecord(BaseModel):
    """One call. `duration` is in whole seconds, rounded up by the vendor, and is not recomputed.

    `start_timestamp` and `end_timestamp` are the vendor's own words; `start` and `end` are what they mean, in
    UTC. In the hour that happens twice in autumn `start` is the later of both moments, unless only the
    earlier one fits the end and the duration. Names, departments and ownership are there when asked for.
    """

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    start_timestamp: str
    end_timestamp: str
    calling_number: str
    called_number: str
    duration: Annotated[int, BeforeValidator(_no_truth), Field(ge=0, le=MAX_DURATION_SECONDS)]

    @property
    def start(self) -> datetime:
        """When the call began, aware, in UTC. Raises TelecomAnswerError for what is no time of Kyiv's."""
        return self.times.start

    @property
    def end(self) -> datetime:
        """When the call ended, aware, in UTC. Raises TelecomAnswerError for what is no time of Kyiv's."""
        return self.times.end

    @property
    def times(self) -> Times:
        """Both, and whether the hour of the start happens twice. Raises TelecomAnswerError likewise."""
        try:
            return parse_times(self.start_timestamp, self.end_timestamp, self.duration)
        except TelecomInputError as error:
            raise TelecomAnswerError(error.text) from None


def named(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return a record with our names for the fields that we know, in whatever case the vendor writes them.

    Raises TelecomInputError when a field stands twice.
    """
    found: dict[str, Any] = {}
    for key, value in record.items():
        name = key.strip().casefold()
        name = name if name in NAMES else key
        if name in found:
            raise TelecomInputError(name, "stands twice")
        found[name] = value
    return found


def start_timestamp_of(record: Mapping[str, Any]) -> Any:
    """Return a record's start as the vendor wrote it, or None if it has none, or two."""
    try:
        return named(record).get("start_timestamp")
    except TelecomInputError:
        return None


def iter_records(file: IO[bytes], format: str, encoding: str = "utf-8") -> Iterator[NumberedRow]:
    """Yield the records of an answer in `file`, one at a time, as they come. `encoding` is that of csv.

    In JSON a comma before a closing bracket is overlooked: the document's own sample has one. CSV without a
    line, and XML with an empty root, have no calls. Raises TelecomAnswerError for what is no list of calls.
    """
    if format == "csv":
        return csv_rows(file, encoding=encoding, field_pattern=_START)
    return _json_lines(file) if format == "json" else _xml_lines(file)


def _json_lines(file: IO[bytes]) -> Iterator[NumberedRow]:
    beside: list[str] = []
    yield from json_rows(file, "calls", stray_commas=True, on_extra_key=beside.append)
    _refuse_errors(beside)


def _xml_lines(file: IO[bytes]) -> Iterator[NumberedRow]:
    found = False
    for line in xml_rows(file, _START):
        found = True
        yield line
    beside = [name for name, text in xml_metadata(file, _START).items() if text.strip() or not found]
    if not found and beside:
        raise TelecomAnswerError("XML without calls")
    _refuse_errors(beside)


def _refuse_errors(beside: Iterable[str]) -> None:
    """Raise TelecomAnswerError if what stands beside the calls is about an error: not all may be there."""
    if any(map(_MENTIONS_AN_ERROR.search, beside)):
        raise TelecomAnswerError("an error beside the calls")


def read_records(answer: Response, format: str) -> list[CallRecord]:
    """Return the records of an answer that is held whole. Raises TelecomAnswerError if one cannot be read."""
    _refuse_nothing(answer)
    return READERS[format](answer.body)


def _reader(format: str) -> Callable[[bytes], list[CallRecord]]:
    def read(body: bytes) -> list[CallRecord]:
        rows = all_rows(body, lambda file: _named_lines(iter_records(file, format)))
        return to_model(list[CallRecord], rows, body)

    return read


READERS = {format: _reader(format) for format in ("json", "csv", "xml")}
parse_json_records, parse_csv_records, parse_xml_records = READERS.values()


def _named_lines(lines: Iterator[NumberedRow]) -> Iterator[NumberedRow]:
    for place, record in lines:
        try:
            yield place, record if isinstance(record, BadRow) else named(record)
        except TelecomInputError as error:
            yield place, BadRow(error.text, "")


def _refuse_nothing(answer: Response) -> None:
    """Raise TelecomAnswerError for no body at all, unless it is offered as a file, as in the document."""
    if not answer.body.strip(_BLANK) and "attachment" not in answer.headers.get("content-disposition", ""):
        raise unreadable_response("nothing in place of a file", answer.body, answer.status)


def is_list(answer: Response, format: str) -> bool:
    """Return whether an answer begins as a list of calls does; `body` may be its first bytes only."""
    start = answer.body.lstrip(_BLANK)
    if format == "json" and start.startswith(b"{") and b'"calls"' in start and _JSON_RECORD.search(start):
        return True
    if format == "xml" and start.startswith(b"<") and _XML_RECORD.search(start):
        return True
    try:
        _refuse_nothing(answer)
        if format == "csv":
            next(iter_records(io.BytesIO(answer.body), format), None)
            return True
        return not list(iter_records(io.BytesIO(answer.body), format))
    except TelecomAnswerError:
        return False


_JSON_RECORD = re.compile(rb'[{,]\s*"start_timestamp"\s*:', re.IGNORECASE)
_XML_RECORD = re.compile(rb"<start_timestamp\b|\sstart_timestamp\s*=", re.IGNORECASE)
