"""What Kyivstar FMC answers: call records (CDR), in three formats.

Source: "Detailed call information" of the vendor's document. A record has no id, and two equal records
are two calls. Times come without a zone and mean Europe/Kyiv.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from datetime import datetime
from typing import IO

import pendulum
from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_telecom.calls.answers import as_model
from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.rows import Line, all_rows, csv_rows, json_rows, xml_facts, xml_rows

KYIV = pendulum.timezone("Europe/Kyiv")
_START = re.compile("start_timestamp")


class CallRecord(BaseModel):
    """One call. `duration` is in whole seconds, rounded up by the vendor, and is not recomputed.

    `start_timestamp` and `end_timestamp` are the vendor's own words; `start` and `end` read them in
    Europe/Kyiv. In the hour that happens twice in autumn they mean its first pass, which the vendor's
    record cannot tell from the second. Names, departments and ownership are there when asked for.
    """

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    start_timestamp: str
    end_timestamp: str
    calling_number: str
    called_number: str
    duration: int = Field(ge=0)

    @property
    def start(self) -> datetime:
        """When the call began, aware, in Europe/Kyiv."""
        return _moment(self.start_timestamp)

    @property
    def end(self) -> datetime:
        """When the call ended, aware, in Europe/Kyiv."""
        return _moment(self.end_timestamp)


def _moment(text: str) -> datetime:
    naive = datetime.fromisoformat(text)
    return pendulum.instance(naive.replace(tzinfo=KYIV, fold=0))


def wall_clock(moment: datetime) -> str:
    """Return an aware moment as the vendor wants it: Europe/Kyiv, `2017-04-29T14:25:00`."""
    return kyiv(moment).strftime("%Y-%m-%dT%H:%M:%S")


def kyiv(moment: datetime) -> pendulum.DateTime:
    """Return an aware moment in Europe/Kyiv."""
    return pendulum.instance(moment).in_timezone(KYIV)


def lines_of(file: IO[bytes], format: str, encoding: str = "utf-8") -> Iterator[Line]:
    """Yield the records of an answer in `file`, one at a time, as they come. `encoding` is that of csv.

    In JSON a comma before a closing bracket is overlooked: the document's own sample has one. CSV without a
    line, and XML with an empty root, have no calls.
    """
    if format == "json":
        return json_rows(file, "calls", stray_commas=True)
    return csv_rows(file, encoding=encoding, marker=_START) if format == "csv" else _xml_lines(file)


def _xml_lines(file: IO[bytes]) -> Iterator[Line]:
    found = False
    for line in xml_rows(file, _START):
        found = True
        yield line
    if not found and xml_facts(file):
        raise TelecomAnswerError("XML without calls")


def _reader(format: str) -> Callable[[bytes], list[CallRecord]]:
    """Return what reads an answer that is held whole, and refuses it if a record cannot be read."""

    def read(body: bytes) -> list[CallRecord]:
        rows = all_rows(body, lambda file: lines_of(file, format))
        return as_model(list[CallRecord], rows, body)

    return read


READERS = {format: _reader(format) for format in ("json", "csv", "xml")}
records_of_json, records_of_csv, records_of_xml = READERS.values()
