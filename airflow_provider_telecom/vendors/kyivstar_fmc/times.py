"""Times of Kyivstar FMC, which are local times of Europe/Kyiv without a zone; see `vendors.times`.

What the times of a record mean, and which intervals to request.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

import pendulum

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.times import local_period, parse_local_time, possible_utc_times, utc

KYIV = ZoneInfo("Europe/Kyiv")
MAX_PERIOD = timedelta(days=7)
MAX_AGE = timedelta(days=30)
_HOUR, _SECOND = timedelta(hours=1), timedelta(seconds=1)
MAX_CALL_LENGTH = timedelta(days=1)
"""No call is expected to last longer."""
_BEFORE, _AFTER = _HOUR, MAX_CALL_LENGTH
"""How much more is requested on either side of a window. The vendor may select calls by their end, so the day
after the window is requested too."""
_SKEW = timedelta(minutes=5)
"""How far the vendor's clock may be ahead of ours."""
_STEP = MAX_PERIOD - _BEFORE - _AFTER - _HOUR
"""A week with a change of the clocks is an hour longer, either in local time or in elapsed time."""


def interval(start: datetime | None, end: datetime | None) -> tuple[datetime, datetime]:
    """Return both ends of an interval of which one may be missing: 7 days from the other.

    Both ends are always sent: the document contradicts itself on whether one may be missing.
    Raises TelecomInputError.
    """
    now = utc(pendulum.now("UTC"))
    if start is None and end is None:
        raise TelecomInputError("start", "must be given, or end, or both")
    first = (
        utc(aware_datetime("start", start))
        if start
        else _shift_nearer(utc(aware_datetime("end", end or now)), -MAX_PERIOD)
    )
    last = utc(aware_datetime("end", end)) if end else min(_shift_nearer(first, MAX_PERIOD), now)
    if now - first > MAX_AGE:
        raise TelecomInputError("start", "must be at most 30 days ago")
    return first, last


def period(start: datetime, end: datetime) -> tuple[str, str]:
    """Return the ends of a request in local time: `2017-04-29T14:25:00`.

    An end within the hour that happens twice is moved out of it, as far as 7 days allow. Raises
    TelecomInputError for more than 7 days of local time or of elapsed time: the document does not say which
    of them counts.
    """
    if start >= end:
        raise TelecomInputError("end", "must be later than start")
    first, last = local_period(start, end, KYIV, avoid_repeated_hour=True)
    if max(last - first, _from_local(last) - _from_local(first)) > MAX_PERIOD:
        first, last = local_period(start, end, KYIV)
    if max(last - first, end - start) > MAX_PERIOD:
        raise TelecomInputError("end", "must be at most 7 days after start, by the clocks of Kyiv too")
    return first.isoformat(timespec="seconds"), last.isoformat(timespec="seconds")


def earliest_start(now: datetime) -> datetime:
    """Return the earliest start that can be requested: 30 days ago, in local time and in elapsed time."""
    return max(now - MAX_AGE, _shift_local(now, -MAX_AGE))


@dataclass(frozen=True)
class Window:
    """The interval of one request, from `start` to before `end` (UTC), and the larger interval it asks for.

    The larger interval, from `first` to `last`, contains all calls that began in the window, whatever the
    vendor means by the ends, and also around a change of the clocks.
    """

    start: datetime
    end: datetime
    first: datetime
    last: datetime

    def contains(self, moment: datetime) -> bool:
        """Return whether a call that began at `moment` belongs to this window."""
        return self.start <= moment < self.end

    def matches_request(self, start: str, end: str) -> bool:
        """Return whether a record with these times began or ended in the interval that was requested.

        The interval is extended by an hour: the vendor may round its ends.
        """
        first, last = self.requested
        times = parse_local_time("start_timestamp", start), parse_local_time("end_timestamp", end)
        return any(first <= one <= last for one in times)

    @cached_property
    def requested(self) -> tuple[datetime, datetime]:
        """The local times from which and to which records match the request, both included."""
        first, last = map(datetime.fromisoformat, period(self.first, self.last))
        return first - _HOUR, last + _HOUR

    def excludes(self, start: object) -> bool:
        """Return whether an invalid record surely belongs to another window: its start can be read."""
        try:
            moments = _possible_times("start_timestamp", start)
        except TelecomInputError:
            return False
        return not any(map(self.contains, moments))


def windows(start: datetime, end: datetime, now: datetime) -> list[Window]:
    """Return the windows of an interval, the oldest first. Each call belongs to exactly one of them.

    Raises TelecomInputError for an interval that is reversed, older than 30 days, or not over yet.
    """
    first, last, now = utc(aware_datetime("start", start)), utc(aware_datetime("end", end)), utc(now)
    if first >= last:
        raise TelecomInputError("end", "must be later than start")
    if now - first > MAX_AGE:
        raise TelecomInputError("start", "must be at most 30 days ago: the vendor keeps no older calls")
    if last > now:
        raise TelecomInputError("end", "must not be in the future")
    return list(_split(first, last, now))


def _split(start: datetime, end: datetime, now: datetime) -> Iterator[Window]:
    while start < end:
        until = min(start + _STEP, end)
        first = max(_shift_local(start, -_BEFORE), min(start, earliest_start(now) + _SKEW))
        yield Window(start, until, first, min(_shift_local(until, _AFTER), now))
        start = until


def _from_local(local: datetime) -> datetime:
    return local.replace(tzinfo=KYIV).astimezone(UTC)


def _shift_local(moment: datetime, by: timedelta) -> datetime:
    """Return the moment whose local time differs by `by` from that of `moment`."""
    return _from_local(moment.astimezone(KYIV).replace(tzinfo=None) + by)


def _shift_nearer(moment: datetime, by: timedelta) -> datetime:
    """Return `moment` shifted in elapsed time or in local time, whichever is nearer to it."""
    return min(moment + by, _shift_local(moment, by), key=lambda one: abs(one - moment))


@dataclass(frozen=True)
class Times:
    """When a call began and ended, in UTC. `ambiguous`: the hour of its start happens twice."""

    start: datetime
    end: datetime
    ambiguous: bool


def parse_times(start: str, end: str, duration_seconds: int, known_at: datetime | None = None) -> Times:
    """Return what the local times of a record mean.

    Of two possible starts the later one is taken, unless only the earlier one fits the end and the duration.
    With `known_at` a start after that moment is not taken, since the record existed then. Do not use it for a
    table: the same record would be read differently now and later. Raises TelecomInputError.
    """
    starts, ends = _possible_times("start_timestamp", start), _possible_times("end_timestamp", end)
    length = timedelta(seconds=duration_seconds)
    later_first = [one for one in starts[::-1] if known_at is None or one <= known_at] or starts
    fitting = [one for one in later_first if any(_is_length(other - one, length) for other in ends)]
    possible = [one for one in later_first if ends[-1] >= one]
    began = [*fitting, *possible, *later_first][0]
    ended = min(ends, key=lambda one: (one < began, abs(one - began - length)))
    return Times(began, ended, len(starts) > 1)


def possible_starts(text: str) -> tuple[datetime, ...]:
    """Return the moments (UTC) that the start of a record can mean; none if it is no valid time."""
    try:
        return tuple(_possible_times("start_timestamp", text))
    except TelecomInputError:
        return ()


def _is_length(elapsed: timedelta, length: timedelta) -> bool:
    """Return whether a duration fits an elapsed time. The vendor rounds up: 14 for 13 seconds."""
    return timedelta(0) <= length - elapsed <= _SECOND


def _possible_times(field: str, text: object) -> list[datetime]:
    return possible_utc_times(field, parse_local_time(field, text), KYIV)
