"""The rows of the three reports as tables. Source: "Отчёты" of the vendor's document."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from decimal import Decimal
from typing import Any, NamedTuple

from pydantic import TypeAdapter, ValidationError

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.responses import to_model
from airflow_provider_telecom.vendors.columns import (
    RAW,
    Column,
    ColumnType,
    Kind,
    Source,
    UsualRecords,
    json_text,
)
from airflow_provider_telecom.vendors.novaconnect.models import ActionRow, DayRow, ReportRow, SessionRow
from airflow_provider_telecom.vendors.novaconnect.numbers import OptionalInt
from airflow_provider_telecom.vendors.novaconnect.times import day_of, parse_unix

_SID = Column("sid", ColumnType.INT64, "the session's id")
_COST = Column(
    "session_cost", ColumnType.DECIMAL, "the cost; the vendor has it for SIMs of profile TC only", "EUR"
)
_VALUE = Column(
    "value",
    ColumnType.INT64,
    "the traffic in both directions; the document names no unit",
    "not documented, assumed bytes",
)
_SIM = (
    Column("sim_id", ColumnType.INT64, "the SIM's id (the vendor's `id`)"),
    Column("original_number", ColumnType.TEXT, "the SIM's number"),
    Column("iccid", ColumnType.TEXT, "the SIM's ICCID"),
    Column("name", ColumnType.TEXT, "the SIM's present name"),
)


def _time(name: str, meaning: str) -> tuple[Column, Column]:
    unix = Column(f"{name}_unix", ColumnType.INT64, f"the vendor's `{name}`", "Unix seconds")
    return Column(f"{name}_utc", ColumnType.TIMESTAMP, meaning, "UTC"), unix


COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "sessions": (
        *(_SID, *_time("start", "when the session began"), *_time("end", "when it ended")),
        Column("country_name", ColumnType.TEXT, "the country, in the words of the vendor's operator"),
        Column("operator_name", ColumnType.TEXT, "the operator, in the words of the vendor's operator"),
        Column("operator_code", ColumnType.TEXT, "MCC and MNC, as one text"),
        *(_COST, _VALUE, *_SIM, RAW),
    ),
    "days": (
        _SID,
        Column("day", ColumnType.TEXT, "the day, whatever the vendor's time zone", "YYYY-MM-DD"),
        *_time("day", "the time that stands for the day"),
        *(_COST, _VALUE, *_SIM, RAW),
    ),
    "calls_and_sms": (
        Column("sid", ColumnType.INT64, "the action's id"),
        *_time("date", "when it was sent or received"),
        Column("type", ColumnType.TEXT, "`call`, `in_sms`, `out_sms`, `ussd`, or another word of the vendor"),
        Column("to_number", ColumnType.TEXT, "the number that was called or written to"),
        Column("session_cost", ColumnType.DECIMAL, "the cost", "EUR"),
        *(*_SIM, RAW),
    ),
}
"""The columns of each report."""


class _RowFields(NamedTuple):
    """How the rows of a report are read: the first of `times` is when the row happened."""

    model: type[ReportRow]
    times: Sequence[str]
    texts: Sequence[str]
    integers: Sequence[str] = ("value",)


_ROW_FIELDS = {
    "sessions": _RowFields(SessionRow, ("start", "end"), ("country_name", "operator_name", "operator_code")),
    "days": _RowFields(DayRow, ("day",), ()),
    "calls_and_sms": _RowFields(ActionRow, ("date",), ("type", "to_number"), ()),
}
_NEVER_FRACTIONS = ("sid", "id", "iccid", "original_number", "operator_code", "to_number")
_UNIX: TypeAdapter[int | None] = TypeAdapter(OptionalInt)


def time_field(report: str) -> str:
    """Return the field that says when a record happened."""
    return _ROW_FIELDS[report].times[0]


def day_in(report: str, record: Mapping[str, object]) -> date:
    """Return the day, in UTC, of a record. Raises TelecomInputError.

    A record of `days` has its own day, in any time zone from UTC-11 to UTC+12.
    """
    name = time_field(report)
    at = parse_unix(name, _unix(name, record.get(name)))
    if at is None:
        raise TelecomInputError(name, "is missing, or no time")
    try:
        return day_of(int(at.timestamp())) if report == "days" else at.date()
    except OverflowError:  # the last day of the year 9999
        raise TelecomInputError(name, "is no Unix time") from None


def to_row(report: str, record: Mapping[str, object]) -> dict[str, Any]:
    """Return a record of a report as a row. Raises TelecomInputError, which shows nothing of the record."""
    day, fields = day_in(report, record), _ROW_FIELDS[report]
    for name in _NEVER_FRACTIONS:
        if isinstance(record.get(name), (Decimal, float)):
            raise TelecomInputError(name, "is a fraction, which may have lost digits")
    for name in ("sid", "id", "session_cost", *fields.times, *fields.integers):
        if isinstance(record.get(name), bool):
            raise TelecomInputError(name, "must be a number")
    read = _read(fields.model, record)
    row = {
        "sid": read.sid,
        **{f"{name}_utc": parse_unix(name, getattr(read, name)) for name in fields.times},
        **{f"{name}_unix": getattr(read, name) for name in fields.times},
        **{name: getattr(read, name) for name in (*fields.texts, *fields.integers)},
        "session_cost": read.session_cost,
        "sim_id": read.id,
        **{name: getattr(read, name) for name in ("original_number", "iccid", "name")},
        "raw": json_text(record),
    }
    return {**row, "day": day.isoformat()} if report == "days" else row


def usual_records(report: str) -> UsualRecords:
    """Return how `to_row` reads many records at once."""
    fields = _ROW_FIELDS[report]
    is_required = {"sid", "type", fields.times[0]}
    texts, integers = (*fields.texts, "original_number", "iccid", "name"), ("sid", *fields.integers)
    sources = {
        **{name: Source(Kind.AS_IS, name, name in is_required) for name in texts},
        **{name: Source(Kind.INTEGER, name, name in is_required) for name in integers},
        **{f"{name}_unix": Source(Kind.INTEGER, name) for name in fields.times},
        **{f"{name}_utc": Source(Kind.UNIX_TIME, name, name in is_required) for name in fields.times},
        "session_cost": Source(Kind.DECIMAL, "session_cost"),
        "sim_id": Source(Kind.INTEGER, "id", required=True, least=1),
        "day": Source(Kind.DAY, "day"),
    }
    names = {source.name for source in sources.values()}
    # Fields of other reports are unusual here: `to_row` refuses fractions in them.
    others = {name: bool for name in _NEVER_FRACTIONS if name not in names}
    names |= set(others)
    return UsualRecords(COLUMNS[report], sources, lambda name: name if name in names else "", others)


def _read(model: type[ReportRow], record: Mapping[str, object]) -> ReportRow:
    try:
        return to_model(model, record)
    except TelecomAnswerError as error:
        raise TelecomInputError("record", error.text.partition(" (")[0]) from None


def _unix(name: str, value: object) -> int | None:
    try:
        return _UNIX.validate_python(None if isinstance(value, bool) else value)
    except ValidationError:
        raise TelecomInputError(name, "is no Unix time") from None
