"""Vendors' wall-clock times, which come and go without a zone. The one place that says what they mean.

A time that a vendor writes means the moment at which the clocks of its zone show it.

- Where the clocks are put back, an hour happens twice and such a time can mean two moments. It is read as
  the later one, unless the record says more (how long a call took) and only the earlier one fits.
- Where the clocks are put forward, an hour does not exist. A time of that hour is refused.

A period that a vendor is asked for is widened over an hour that happens twice: the vendor compares
wall-clock times, so between `03:50` of the first pass and `03:20` of the second there are none.

See docs/decisions/0007-wall-clock-times.md.
"""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone, tzinfo
from typing import Annotated

import pendulum
from pydantic import AfterValidator

from airflow_provider_telecom.calls.checks import aware
from airflow_provider_telecom.calls.errors import TelecomInputError

_LOCAL_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}")
_SECOND = timedelta(seconds=1)
_LONGEST_CHANGE = timedelta(hours=3)
"""No zone puts its clocks back by more than that at once, and none twice within it."""


def _a_zone(name: str) -> str:
    try:
        pendulum.timezone(name)
    except (ValueError, OSError):
        raise ValueError("must be the IANA name of a time zone, like Europe/Kyiv") from None
    return name


ZoneName = Annotated[str, AfterValidator(_a_zone)]
"""The IANA name of a time zone, for options."""


def local_time(field: str, text: object) -> datetime:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` (or with a `T` between) as a datetime without a zone.

    Raises TelecomInputError, which does not hold the text.
    """
    try:
        if isinstance(text, str) and _LOCAL_TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise TelecomInputError(field, "must be a time like 2026-01-31 08:00:00")


def possible_moments(field: str, local: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments (UTC) that a time without a zone can mean in `zone`, the earlier first.

    There is one, or two where the clocks are put back. Raises TelecomInputError for a time that does not
    exist there.
    """
    moments = [local.replace(tzinfo=zone, fold=fold).astimezone(timezone.utc) for fold in (0, 1)]
    if moments[0] > moments[1]:
        raise TelecomInputError(field, "does not exist: the clocks were put forward over it")
    return moments if moments[0] < moments[1] else moments[:1]


def to_utc(field: str, local: datetime, zone: tzinfo) -> datetime:
    """Return the moment (UTC) that a time without a zone means in `zone`; of two possible ones the later.

    Raises TelecomInputError for a time that does not exist there.
    """
    return possible_moments(field, local, zone)[-1]


def moment_of(text: str | None, zone: str | None) -> datetime | None:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` as a moment (UTC); None for no time, or without a zone."""
    if not text or zone is None:
        return None
    try:
        return to_utc("time", local_time("time", text.strip()), pendulum.timezone(zone))
    except TelecomInputError:
        return None


def wall_clock(field: str, moment: datetime, zone: str | None) -> pendulum.DateTime:
    """Return a moment as the vendor's clocks show it, without a zone.

    With the vendor's `zone` known the moment must be aware. Without it nobody can convert, so the moment
    must be naive: it is the vendor's own time. Raises TelecomInputError.
    """
    if zone is not None:
        local = aware(field, moment).astimezone(pendulum.timezone(zone))
        return pendulum.instance(local).naive()
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        raise TelecomInputError(
            field,
            "must be a datetime without a time zone, in the vendor's own time, "
            "unless the connection's extra names vendor_timezone",
        )
    return pendulum.instance(moment).naive()


def local_period(start: datetime, end: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    """Return the earliest and the latest wall-clock time, without a zone, from `start` to `end` (aware).

    These are what the clocks show at both, unless they are put back shortly after `start` or before `end`.
    """
    start, end = utc(start), utc(end)
    first, last = (_shown(one, zone) for one in (start, end))
    if change := _put_back(start, min(end, start + _LONGEST_CHANGE), zone):
        first = min(first, _shown(change, zone))
    if change := _put_back(max(start, end - _LONGEST_CHANGE), end, zone):
        last = max(last, _shown(change - _SECOND, zone) + _SECOND)
    return first, last


def utc(moment: datetime) -> datetime:
    """Return an aware moment as a plain datetime in UTC.

    pendulum's own class loses its zone when a difference is added to it in a zone that is not pendulum's.
    """
    found = moment.astimezone(timezone.utc)
    return datetime.combine(found.date(), found.time(), timezone.utc)


def _shown(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _put_back(start: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """Return the moment (UTC, in whole seconds) from which the clocks are put back, if between the two."""
    before, after = (one.replace(microsecond=0) for one in (start, end))
    if _offset(before, zone) <= _offset(after, zone):
        return None
    while after - before > _SECOND:
        middle = (before + (after - before) / 2).replace(microsecond=0)
        if _offset(middle, zone) > _offset(after, zone):
            before = middle
        else:
            after = middle
    return after


def _offset(moment: datetime, zone: tzinfo) -> timedelta:
    return moment.astimezone(zone).utcoffset() or timedelta(0)
