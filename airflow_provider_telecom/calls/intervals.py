"""The bounds of an interval, as users give them. All transfers, exports and sensors read them here.

A bound is a day or a moment. A day is a date or its text (`{{ ds }}`, 2026-01-31); the interval contains the
whole day, also as its end. A moment is a datetime or its ISO 8601 text (`{{ data_interval_start }}`,
2026-01-31T08:00:00+02:00).
"""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, date, datetime, time, timedelta, tzinfo

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError

_DAY = timedelta(days=1)


def parse_bound(field: str, value: object) -> date | datetime:
    """Return a day as a date, and a moment as a datetime. Raises TelecomInputError.

    The text of a day may also be written DD-MM-YYYY, as in NovaConnect's document.
    """
    if isinstance(value, date):
        return value
    if isinstance(value, str):
        text = value.strip()
        for parse in (date.fromisoformat, _day_first, datetime.fromisoformat):
            with suppress(ValueError):
                return parse(text)
    raise TelecomInputError(
        field, "must be a date like 2026-01-31, a datetime, or its text like 2026-01-31T08:00:00+02:00"
    )


def parse_optional_bound(field: str, value: object) -> date | datetime | None:
    """Return the bound; None if there is none."""
    return None if value is None else parse_bound(field, value)


def start_of(field: str, value: object, zone: tzinfo | None) -> datetime:
    """Return the beginning of a day in `zone` (naive without one), or a moment as it is."""
    found = parse_bound(field, value)
    return found if isinstance(found, datetime) else datetime.combine(found, time(), zone)


def end_of(field: str, value: object, zone: tzinfo | None) -> datetime:
    """Return the end of a day in `zone`, which is the beginning of the next one, or a moment as it is."""
    found = parse_bound(field, value)
    if isinstance(found, datetime):
        return found
    try:
        return datetime.combine(found + _DAY, time(), zone)
    except OverflowError:
        raise TelecomInputError(field, "must be earlier") from None


def day_interval(start: object, end: object, fields: tuple[str, str] = ("start", "end")) -> tuple[date, date]:
    """Return the first and the last day of an interval of whole days in UTC.

    A moment must be midnight; as the end it does not belong to the interval. Raises TelecomInputError.
    """
    first, last = _day(fields[0], start), _day(fields[1], end)
    if isinstance(parse_bound(fields[1], end), datetime):
        if last <= first:
            raise TelecomInputError(fields[1], f"must be later than {fields[0]}, since it is not included")
        last -= _DAY
    if last < first:
        raise TelecomInputError(fields[1], f"must not be before {fields[0]}")
    return first, last


def check_day(field: str, value: object) -> None:
    """Check a bound of an interval of whole days. Raises TelecomInputError."""
    _day(field, value)


def _day(field: str, value: object) -> date:
    found = parse_bound(field, value)
    if not isinstance(found, datetime):
        return found
    moment = aware_datetime(field, found).astimezone(UTC)
    if moment.time() != time():
        raise TelecomInputError(field, "must be a date, or midnight in UTC: the interval has whole days")
    return moment.date()


def _day_first(text: str) -> date:
    return datetime.strptime(text, "%d-%m-%Y").date()
