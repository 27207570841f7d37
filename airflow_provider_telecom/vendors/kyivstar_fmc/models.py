"""What Kyivstar FMC answers: call records (CDR), in three formats.

Source: "Detailed call information" of the vendor's document. A record has no id, and two equal records
are two calls. Times come without a zone and mean Europe/Kyiv.
"""

from __future__ import annotations

import re
from datetime import datetime

import pendulum
from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_telecom.calls.answers import as_model, read_csv, read_json, read_xml, unreadable
from airflow_provider_telecom.calls.errors import TelecomAnswerError

KYIV = pendulum.timezone("Europe/Kyiv")
_STRING_OR_TRAILING_COMMA = re.compile(rb'("[^"\\]*(?:\\.[^"\\]*)*(?:"|\\?\Z))|,(?=\s*[}\]])', re.DOTALL)


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


def records_of_json(body: bytes) -> list[CallRecord]:
    """Return the records of a JSON answer.

    The document's own sample has a comma before a closing brace. Strict reading comes first; only for
    this read-only answer is it repeated without such commas.
    """
    try:
        found = read_json(body)
    except TelecomAnswerError:
        found = read_json(_STRING_OR_TRAILING_COMMA.sub(lambda hit: hit.group(1) or b"", body))
    if not isinstance(found, dict) or "calls" not in found:
        raise unreadable("an answer without calls", body)
    return as_model(list[CallRecord], found["calls"], body)


def records_of_csv(body: bytes) -> list[CallRecord]:
    """Return the records of a CSV answer, whose first line names the columns. No line: no calls."""
    text = body.removeprefix(b"\xef\xbb\xbf").strip()
    if text and b"start_timestamp" not in text.partition(b"\n")[0]:
        raise unreadable("CSV without a header", body)
    return as_model(list[CallRecord], read_csv(body), body)


def records_of_xml(body: bytes) -> list[CallRecord]:
    """Return the records of an XML answer."""
    root = read_xml(body)
    calls = [element for element in root.iter() if element.find("start_timestamp") is not None]
    rows = [{cell.tag: cell.text or "" for cell in call} for call in calls]
    if not rows and (len(root) or (root.text or "").strip()):
        raise unreadable("XML without calls", body)
    return as_model(list[CallRecord], rows, body)


READERS = {"json": records_of_json, "csv": records_of_csv, "xml": records_of_xml}
