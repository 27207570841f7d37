"""Vendors' local times, which have no zone. This module alone decides which UTC time they mean.

- When the clocks are put back, an hour is repeated, and a local time of it can mean two UTC times. The later
one is chosen, unless the record has more facts (the duration of a call) and only the earlier one matches
them.
- When the clocks are put forward, an hour does not exist. A local time of it is refused.

A requested period is widened over a repeated hour: the vendor compares local times, so between `03:50` in the
first pass and `03:20` in the second it finds nothing.

See docs/decisions/0007-wall-clock-times.md.
"""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated

import pendulum
from pydantic import AfterValidator

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError

_LOCAL_TIME = re.compile(r"20[0-9]{2}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}:[0-9]{2}")
_SECOND = timedelta(seconds=1)
_MAX_CHANGE = timedelta(hours=3)
"""No zone puts its clocks back by more, and none does it twice within this time."""


def _check_zone(name: str) -> str:
    try:
        pendulum.timezone(name)
    except (ValueError, OSError):
        raise ValueError("must be the IANA name of a time zone, like Europe/Kyiv") from None
    return name


ZoneName = Annotated[str, AfterValidator(_check_zone)]
"""The IANA name of a time zone, for options."""


def parse_local_time(field: str, text: object) -> datetime:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` (or with a `T` between) as a datetime without a zone.

    Raises TelecomInputError, which does not contain the text.
    """
    try:
        if isinstance(text, str) and _LOCAL_TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise TelecomInputError(field, "must be a time like 2026-01-31 08:00:00")


def possible_utc_times(field: str, local: datetime, zone: tzinfo) -> list[datetime]:
    """Return the UTC times that a local time can mean in `zone`, the earlier first.

    There is one, or two in a repeated hour. Raises TelecomInputError for a local time that does not exist.
    """
    earlier, later = _passes(local, zone)
    if earlier > later:
        raise TelecomInputError(field, "does not exist: the clocks were put forward over it")
    return [earlier, later] if earlier < later else [earlier]


def to_utc(field: str, local: datetime, zone: tzinfo) -> datetime:
    """Return the UTC time that a local time means in `zone`; of two possible ones the later.

    Raises TelecomInputError for a local time that does not exist.
    """
    return possible_utc_times(field, local, zone)[-1]


def utc_or_none(text: str | None, zone: str | None) -> datetime | None:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` in UTC; None if it is empty or invalid, or the zone unknown."""
    if not text or zone is None:
        return None
    try:
        return to_utc("time", parse_local_time("time", text.strip()), pendulum.timezone(zone))
    except TelecomInputError:
        return None


def wall_clock(field: str, moment: datetime, zone: str | None) -> pendulum.DateTime:
    """Return a time as the vendor's local time, without a zone.

    If the vendor's `zone` is known, `moment` must be aware. Otherwise it cannot be converted and must be
    naive: it is the vendor's local time. Raises TelecomInputError.
    """
    if zone is not None:
        local = aware_datetime(field, moment).astimezone(pendulum.timezone(zone))
        return pendulum.instance(local).naive()
    if not isinstance(moment, datetime) or moment.tzinfo is not None:
        raise TelecomInputError(
            field,
            "must be a datetime without a time zone, in the vendor's own time, "
            "unless the connection's extra names vendor_timezone",
        )
    return pendulum.instance(moment).naive()


def checked_local_period(
    fields: tuple[str, str],
    start: datetime,
    end: datetime,
    zone: str | None,
    *,
    avoid_repeated_hour: bool = False,
) -> tuple[datetime, datetime]:
    """Return the local period (see `local_period`) of two times as for `wall_clock`.

    Raises TelecomInputError as `wall_clock` does, and if `end` is not later than `start`.
    """
    first, last = (wall_clock(*named, zone) for named in zip(fields, (start, end), strict=True))
    if start >= end:
        raise TelecomInputError(fields[1], "must be later than start")
    if zone is None:
        return first, last
    return local_period(start, end, pendulum.timezone(zone), avoid_repeated_hour=avoid_repeated_hour)


def inclusive_local_period(
    fields: tuple[str, str], start: datetime | None, end: datetime | None, zone: str | None
) -> tuple[datetime | None, datetime | None]:
    """Return the same for a period that includes its end; either end may be None."""
    ends = zip(fields, (start, end), strict=True)
    first, last = (None if one is None else wall_clock(field, one, zone) for field, one in ends)
    if start is None or end is None:
        return first, last
    if start > end:
        raise TelecomInputError(fields[1], f"must not be earlier than {fields[0]}")
    if zone is None:
        return first, last
    since, until = local_period(start, utc(end) + _SECOND, pendulum.timezone(zone))
    return since, until - _SECOND


def local_period(
    start: datetime, end: datetime, zone: tzinfo, *, avoid_repeated_hour: bool = False
) -> tuple[datetime, datetime]:
    """Return the local times (naive) that include all times from `start` to before `end`.

    These are the local times of both, unless the clocks are put back shortly after `start` or before `end`.
    With `avoid_repeated_hour` an end in a repeated hour is moved out of it: then it
    does not matter which pass the vendor means.
    """
    start, end = utc(start), utc(end)
    first, last = (_to_local(one, zone) for one in (start, end))
    if change := _change_back(start, min(end - _SECOND, start + _MAX_CHANGE), zone):
        first = min(first, _to_local(change, zone))
    if change := _change_back(max(start, end - _MAX_CHANGE), end, zone):
        last = max(last, _to_local(change - _SECOND, zone) + _SECOND)
    if avoid_repeated_hour and (change := _change_back(*_passes(first, zone), zone)):
        first = _to_local(change, zone) - _SECOND
    if avoid_repeated_hour and (change := _change_back(*_passes(last, zone), zone)):
        last = _to_local(change - _SECOND, zone) + _SECOND
    return first, last


def _passes(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    earlier, later = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return earlier.astimezone(UTC), later.astimezone(UTC)


def utc(moment: datetime) -> datetime:
    """Return an aware time as a plain datetime in UTC.

    pendulum's own class loses its zone when a difference is added to it in a zone that is not pendulum's.
    """
    found = moment.astimezone(UTC)
    return datetime.combine(found.date(), found.time(), UTC)


def _to_local(moment: datetime, zone: tzinfo) -> datetime:
    return moment.astimezone(zone).replace(tzinfo=None)


def _change_back(start: datetime, end: datetime, zone: tzinfo) -> datetime | None:
    """Return the time (UTC, in whole seconds) at which the clocks are put back between two times, or None."""
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
