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
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Annotated

import pendulum
from pydantic import AfterValidator

from airflow_provider_telecom.calls.checks import aware_datetime
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


def parse_local_time(field: str, text: object) -> datetime:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` (or with a `T` between) as a datetime without a zone.

    Raises TelecomInputError, which does not hold the text.
    """
    try:
        if isinstance(text, str) and _LOCAL_TIME.fullmatch(text):
            return datetime.fromisoformat(text)
    except ValueError:
        pass
    raise TelecomInputError(field, "must be a time like 2026-01-31 08:00:00")


def possible_utc_times(field: str, local: datetime, zone: tzinfo) -> list[datetime]:
    """Return the moments (UTC) that a time without a zone can mean in `zone`, the earlier first.

    There is one, or two where the clocks are put back. Raises TelecomInputError for a time that does not
    exist there.
    """
    earlier, later = _passes(local, zone)
    if earlier > later:
        raise TelecomInputError(field, "does not exist: the clocks were put forward over it")
    return [earlier, later] if earlier < later else [earlier]


def to_utc(field: str, local: datetime, zone: tzinfo) -> datetime:
    """Return the moment (UTC) that a time without a zone means in `zone`; of two possible ones the later.

    Raises TelecomInputError for a time that does not exist there.
    """
    return possible_utc_times(field, local, zone)[-1]


def utc_or_none(text: str | None, zone: str | None) -> datetime | None:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` as a moment (UTC); None for no time, or without a zone."""
    if not text or zone is None:
        return None
    try:
        return to_utc("time", parse_local_time("time", text.strip()), pendulum.timezone(zone))
    except TelecomInputError:
        return None


def wall_clock(field: str, moment: datetime, zone: str | None) -> pendulum.DateTime:
    """Return a moment as the vendor's clocks show it, without a zone.

    With the vendor's `zone` known the moment must be aware. Without it nobody can convert, so the moment
    must be naive: it is the vendor's own time. Raises TelecomInputError.
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
    """Return the local times (naive) between which all moments from `start` to before `end` lie.

    Both ends are as for `wall_clock`, and so is what is raised; also for an end that is not later.
    `avoid_repeated_hour` is as for `local_period`.
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
    """Return the same for a period that includes its end, either end of which may be left out."""
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
    """Return the local times (naive) between which all moments from `start` to before `end` lie.

    These are what the clocks show at both, unless they are put back shortly after `start` or before `end`.
    With `avoid_repeated_hour` an end within an hour that happens twice is moved out of it: then it
    doesn't matter which of the two the vendor means.
    """
    start, end = utc(start), utc(end)
    first, last = (_shown(one, zone) for one in (start, end))
    if change := _put_back(start, min(end - _SECOND, start + _LONGEST_CHANGE), zone):
        first = min(first, _shown(change, zone))
    if change := _put_back(max(start, end - _LONGEST_CHANGE), end, zone):
        last = max(last, _shown(change - _SECOND, zone) + _SECOND)
    if avoid_repeated_hour and (change := _put_back(*_passes(first, zone), zone)):
        first = _shown(change, zone) - _SECOND
    if avoid_repeated_hour and (change := _put_back(*_passes(last, zone), zone)):
        last = _shown(change - _SECOND, zone) + _SECOND
    return first, last


def _passes(local: datetime, zone: tzinfo) -> tuple[datetime, datetime]:
    earlier, later = (local.replace(tzinfo=zone, fold=fold) for fold in (0, 1))
    return earlier.astimezone(UTC), later.astimezone(UTC)


def utc(moment: datetime) -> datetime:
    """Return an aware moment as a plain datetime in UTC.

    pendulum's own class loses its zone when a difference is added to it in a zone that is not pendulum's.
    """
    found = moment.astimezone(UTC)
    return datetime.combine(found.date(), found.time(), UTC)


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
