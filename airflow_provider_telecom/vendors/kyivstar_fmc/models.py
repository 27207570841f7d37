"""Call records (CDR) of Kyivstar FMC. Source: "Detailed call information" of the vendor's document.

A record has no id, and two equal records are two calls. Times come without a zone and are in Europe/Kyiv.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_fmc.times import Times, parse_times

NAMES = (
    *("start_timestamp", "end_timestamp", "calling_number", "called_number", "duration"),
    *("calling_name", "called_name", "department", "own"),
)
"""Names of a record's fields. The last four are not in the document."""
MAX_DURATION_SECONDS = 10**9


def _reject_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


class CallRecord(BaseModel):
    """One call. `duration` is in whole seconds, rounded up by the vendor, and is not recomputed.

    `start_timestamp` and `end_timestamp` are the vendor's texts; `start` and `end` are the same times in UTC.
    `parse_times` says what they mean in the hour that happens twice. Names, department and ownership are
    present if they were requested.
    """

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)

    start_timestamp: str
    end_timestamp: str
    calling_number: str
    called_number: str
    duration: Annotated[int, BeforeValidator(_reject_bool), Field(ge=0, le=MAX_DURATION_SECONDS)]

    @property
    def start(self) -> datetime:
        """When the call began, in UTC. Raises TelecomAnswerError for an invalid time."""
        return self.times.start

    @property
    def end(self) -> datetime:
        """When the call ended, in UTC. Raises TelecomAnswerError for an invalid time."""
        return self.times.end

    @property
    def times(self) -> Times:
        """Start and end, and whether the start is ambiguous. Raises TelecomAnswerError likewise."""
        try:
            return parse_times(self.start_timestamp, self.end_timestamp, self.duration)
        except TelecomInputError as error:
            raise TelecomAnswerError(error.text) from None


def known_name(key: str) -> str:
    """Return a field's name in lower case; empty if it is not one of `NAMES`."""
    name = key.strip().casefold()
    return name if name in NAMES else ""


def normalized(record: Mapping[str, object]) -> dict[str, object]:
    """Return a record with the known field names in lower case. The vendor may write them in any case.

    Raises TelecomInputError if a field is present twice.
    """
    fields: dict[str, object] = {}
    for key, value in record.items():
        name = known_name(key) or key
        if name in fields:
            raise TelecomInputError(name, "is present twice")
        fields[name] = value
    return fields


def start_timestamp_of(record: Mapping[str, object]) -> object:
    """Return a record's `start_timestamp`; None if it has none, or two."""
    try:
        return normalized(record).get("start_timestamp")
    except TelecomInputError:
        return None
