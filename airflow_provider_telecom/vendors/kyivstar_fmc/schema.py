"""Call records (CDR) as a table. Source: "Detailed call information" of the vendor's document."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import QUICK, QUICK_IN_UKRAINE, e164_or_none
from airflow_provider_telecom.vendors.columns import (
    RAW,
    Column,
    ColumnType,
    Kind,
    Source,
    UsualRecords,
    json_text,
)
from airflow_provider_telecom.vendors.kyivstar_fmc.models import MAX_DURATION_SECONDS, known_name, normalized
from airflow_provider_telecom.vendors.kyivstar_fmc.times import parse_times

_BOOK = "from the PBX's address book, if asked for"
COLUMNS = (
    Column("start_utc", ColumnType.TIMESTAMP, "when the call began, as read from start_timestamp", "UTC"),
    Column("end_utc", ColumnType.TIMESTAMP, "when it ended, as read from end_timestamp", "UTC"),
    Column(
        "time_ambiguous",
        ColumnType.BOOL,
        "the hour of start_timestamp happens twice, as the clocks are put back; start_utc is the later of "
        "both moments, unless only the earlier one fits the end and the duration",
    ),
    Column("start_timestamp", ColumnType.TEXT, "the vendor's own words", "wall clock of Europe/Kyiv"),
    Column("end_timestamp", ColumnType.TEXT, "the vendor's own words", "wall clock of Europe/Kyiv"),
    Column("duration_seconds", ColumnType.INT64, "the vendor's `duration`, which it rounds up", "seconds"),
    Column(
        "calling_msisdn", ColumnType.TEXT, "calling_number as E.164 without the plus; none for short numbers"
    ),
    Column(
        "called_msisdn", ColumnType.TEXT, "called_number as E.164 without the plus; none for short numbers"
    ),
    Column("calling_number", ColumnType.TEXT, "who called, as the vendor writes it"),
    Column("called_number", ColumnType.TEXT, "who was called, as the vendor writes it"),
    Column("calling_name", ColumnType.TEXT, f"name of who called, {_BOOK} (`names`)", assumed=True),
    Column("called_name", ColumnType.TEXT, f"name of who was called, {_BOOK} (`names`)", assumed=True),
    Column("department", ColumnType.TEXT, f"department, {_BOOK} (`departments`)", assumed=True),
    Column("own", ColumnType.TEXT, "whether the subscriber is of the enterprise (`ownership`)", assumed=True),
    RAW,
)

_BOOK_FIELDS = ("calling_name", "called_name", "department", "own")


def to_row(record: Mapping[str, object], region: str = "UA") -> dict[str, Any]:
    """Return a record as a row. Raises TelecomInputError, which holds no value of the record."""
    fields = normalized(record)
    duration = _seconds(fields)
    start, end = _text(fields, "start_timestamp"), _text(fields, "end_timestamp")
    calling, called = _text(fields, "calling_number"), _text(fields, "called_number")
    times = parse_times(start, end, duration)
    return {
        "start_utc": times.start,
        "end_utc": times.end,
        "time_ambiguous": times.ambiguous,
        "start_timestamp": start,
        "end_timestamp": end,
        "duration_seconds": duration,
        "calling_msisdn": e164_or_none(calling, region),
        "called_msisdn": e164_or_none(called, region),
        "calling_number": calling,
        "called_number": called,
        **{name: _optional_text(fields.get(name)) for name in _BOOK_FIELDS},
        "raw": json_text(record),
    }


def usual_records(region: str) -> UsualRecords:
    """Return how `to_row` reads many records at once."""
    texts = ("start_timestamp", "end_timestamp", "calling_number", "called_number")
    e164 = partial(e164_or_none, region=region)
    quick = QUICK | QUICK_IN_UKRAINE if region == "UA" else QUICK
    return UsualRecords(
        COLUMNS,
        {
            "start_utc": Source(Kind.LOCAL_TIME, "start_timestamp"),
            "end_utc": Source(Kind.LOCAL_TIME, "end_timestamp"),
            "time_ambiguous": Source(Kind.CONSTANT, value=False),
            "duration_seconds": Source(
                Kind.INTEGER, "duration", required=True, least=0, most=MAX_DURATION_SECONDS
            ),
            "calling_msisdn": Source(Kind.EACH, "calling_number", read=e164, quick=quick),
            "called_msisdn": Source(Kind.EACH, "called_number", read=e164, quick=quick),
            **{name: Source(Kind.TEXT, name, required=True) for name in texts},
            **{name: Source(Kind.TEXT, name) for name in _BOOK_FIELDS},
        },
        known_name,
    )


def _seconds(fields: Mapping[str, object]) -> int:
    text = _text(fields, "duration").strip()
    if not (text.isascii() and text.isdigit()) or int(text) > MAX_DURATION_SECONDS:
        raise TelecomInputError("duration", "must be a whole number of seconds")
    return int(text)


def _text(fields: Mapping[str, object], name: str) -> str:
    value = fields.get(name)
    if isinstance(value, bool) or not isinstance(value, (str, int)) or value == "":
        raise TelecomInputError(name, "is missing" if value in (None, "") else "must be a text")
    return str(value)


def _optional_text(value: object) -> str | None:
    if value is None or isinstance(value, str):
        return value or None
    return json_text(value)
