"""NovaConnect's times: Unix seconds, days of an unknown time zone, and the periods of bills."""

from __future__ import annotations

import re
from calendar import monthrange
from contextlib import suppress
from datetime import UTC, date, datetime, timedelta

import pendulum

from airflow_provider_telecom.calls.errors import TelecomInputError

_LAST_SECOND = 253_402_300_799  # of the year 9999
_HALF_A_DAY = timedelta(hours=12)
_MONTHS = (
    re.compile(r"(?P<month>\d{2})[-./](?P<year>\d{4})"),
    re.compile(r"(?P<year>\d{4})[-./](?P<month>\d{2})"),
)
_RANGE = re.compile(r"(\S{10})\s*(?:-|–|—|\.\.|to|по)\s*(\S{10})")
_DAYS = ("%d.%m.%Y", "%d-%m-%Y", "%d/%m/%Y", "%Y-%m-%d")


def from_unix(seconds: int | None) -> datetime | None:
    """Return a Unix time as an aware datetime in UTC; None for 0 ("not yet") and impossible values."""
    if seconds is None or not 0 < seconds <= _LAST_SECOND:
        return None
    return pendulum.from_timestamp(seconds)


def parse_unix(field: str, seconds: int | None) -> datetime | None:
    """Return a Unix time as an aware datetime in UTC; None for 0. Raises TelecomInputError.

    It is called for each row of a report, so it does not use pendulum, which is slower.
    """
    if not seconds:
        return None
    if not 0 < seconds <= _LAST_SECOND:
        raise TelecomInputError(field, "is no Unix time")
    return datetime.fromtimestamp(seconds, UTC)


def day_of(midnight: int) -> date:
    """Return the day that begins at a Unix time, whichever zone's midnight it is, from UTC-11 to UTC+12."""
    return (datetime.fromtimestamp(midnight, UTC) + _HALF_A_DAY).date()


def days_of_period(period: str | None) -> tuple[date, date] | None:
    """Return the first and last day of a bill's `period`, or None if it cannot be read.

    The document does not show its format. These are read: a month (05-2024, 2024-05) and two days.
    """
    text = (period or "").strip()
    for form in _MONTHS:
        if (found := form.fullmatch(text)) and 1 <= (month := int(found["month"])) <= 12:
            year = int(found["year"])
            return (date(year, month, 1), date(year, month, monthrange(year, month)[1])) if year else None
    if found := _RANGE.fullmatch(text):
        first, last = _day(found[1]), _day(found[2])
        return (first, last) if first and last and first <= last else None
    return None


def _day(text: str) -> date | None:
    for form in _DAYS:
        with suppress(ValueError):
            return datetime.strptime(text, form).date()
    return None
