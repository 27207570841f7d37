"""The clocks of Kyiv: which moments a record's times mean, and which windows to ask for.

The vendor asks and answers in wall-clock time of Europe/Kyiv without a zone; `vendors.clock` says what such
a time means.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from functools import cached_property
from zoneinfo import ZoneInfo

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.times import local_period, parse_local_time, possible_utc_times, utc

KYIV = ZoneInfo("Europe/Kyiv")
MAX_PERIOD = timedelta(days=7)
MAX_AGE = timedelta(days=30)
_HOUR, _SECOND = timedelta(hours=1), timedelta(seconds=1)
_BEFORE, _AFTER = _HOUR, timedelta(days=1)
"""How much more is asked for on either side of a window. After it, since the vendor may go by when calls
ended: no call is taken to last longer than a day."""
_SKEW = timedelta(minutes=5)
"""By which the vendor's clock may be ahead of ours."""
_STEP = MAX_PERIOD - _BEFORE - _AFTER - _HOUR
"""A week across a change of the clocks is an hour longer, on the wall or as it passes."""


def period(start: datetime, end: datetime) -> tuple[str, str]:
    """Return the ends of a request, `2017-04-29T14:25:00` by the clocks of Kyiv.

    An end within the hour that happens twice is moved out of it, as far as 7 days allow. Raises
    TelecomInputError for more than 7 days, whether they are counted by the clocks or as they pass: the
    document does not say.
    """
    if start >= end:
        raise TelecomInputError("end", "must be later than start")
    first, last = local_period(start, end, KYIV, avoid_repeated_hour=True)
    if _length(first, last) > MAX_PERIOD:
        first, last = local_period(start, end, KYIV)
    if max(last - first, end - start) > MAX_PERIOD:
        raise TelecomInputError("end", "must be at most 7 days after start, by the clocks of Kyiv too")
    return first.isoformat(timespec="seconds"), last.isoformat(timespec="seconds")


def _length(first: datetime, last: datetime) -> timedelta:
    """Return the length of a period, by the clocks or as it passes, whichever is more."""
    since, until = (one.replace(tzinfo=KYIV).astimezone(UTC) for one in (first, last))
    return max(last - first, until - since)


def earliest_start(now: datetime) -> datetime:
    """Return the earliest start that may be asked for: 30 days back, by the clocks of Kyiv too."""
    by_the_clocks = now.astimezone(KYIV).replace(tzinfo=None) - MAX_AGE
    return max(now - MAX_AGE, by_the_clocks.replace(tzinfo=KYIV).astimezone(UTC))


@dataclass(frozen=True)
class Window:
    """What one request is for, `start` to before `end` (UTC), and what it asks for, which is more.

    The wider bounds see to it that whatever the vendor means by its two ends, and on either side of a change
    of the clocks, all calls that began in the window are in the answer.
    """

    start: datetime
    end: datetime
    first: datetime
    last: datetime

    def contains(self, moment: datetime) -> bool:
        """Return whether a call that began at `moment` is this window's."""
        return self.start <= moment < self.end

    def matches_request(self, start: str, end: str) -> bool:
        """Return whether a record with these times can be an answer: it began or ended in what was asked for.

        An hour more is allowed for: a vendor that rounds the ends gives more than it was asked for.
        """
        first, last = self._asked
        times = parse_local_time("start_timestamp", start), parse_local_time("end_timestamp", end)
        return any(first <= one <= last for one in times)

    @cached_property
    def _asked(self) -> tuple[datetime, datetime]:
        first, last = map(datetime.fromisoformat, period(self.first, self.last))
        return first - _HOUR, last + _HOUR

    def excludes(self, start: object) -> bool:
        """Return whether a record that cannot be read is another window's, if at least its start can."""
        try:
            moments = _moments("start_timestamp", start)
        except TelecomInputError:
            return False
        return not any(map(self.contains, moments))


def windows(start: datetime, end: datetime, now: datetime) -> list[Window]:
    """Return the windows of an interval, the oldest first: each call of it is in exactly one of them.

    Raises TelecomInputError for an interval that is turned round, older than 30 days, or not over yet.
    """
    first, last = (utc(aware_datetime(*named)) for named in (("start", start), ("end", end)))
    now = utc(now)
    if first >= last:
        raise TelecomInputError("end", "must be later than start")
    if now - first > MAX_AGE:
        raise TelecomInputError("start", "must be at most 30 days ago: the vendor keeps no older calls")
    if last > now:
        raise TelecomInputError("end", "must not be in the future")
    return list(_cut(first, last, now))


def _cut(start: datetime, end: datetime, now: datetime) -> Iterator[Window]:
    while start < end:
        until = min(start + _STEP, end)
        first = max(_moved(start, -_BEFORE), min(start, earliest_start(now) + _SKEW))
        yield Window(start, until, first, min(_moved(until, _AFTER), now))
        start = until


def _moved(moment: datetime, by: timedelta) -> datetime:
    """Return the moment at which the clocks show what they show at `moment`, moved by a difference."""
    shown = moment.astimezone(KYIV).replace(tzinfo=None) + by
    return shown.replace(tzinfo=KYIV).astimezone(UTC)


@dataclass(frozen=True)
class Times:
    """When a call began and ended, in UTC. `ambiguous`: the hour of its start happens twice."""

    start: datetime
    end: datetime
    ambiguous: bool


def parse_times(start: str, end: str, duration_seconds: int, known_at: datetime | None = None) -> Times:
    """Return what a record's wall-clock times mean.

    Where the start can mean two moments, it is the later one, unless only the earlier one fits the end and
    the duration. With `known_at` a start after that is not taken, since the record was known then. A table
    must not use it: the same record would be read in one way now and in another later. Raises
    TelecomInputError.
    """
    starts, ends = _moments("start_timestamp", start), _moments("end_timestamp", end)
    length = timedelta(seconds=duration_seconds)
    later_first = [one for one in starts[::-1] if known_at is None or one <= known_at] or starts
    fitting = [one for one in later_first if any(_is_length(other - one, length) for other in ends)]
    possible = [one for one in later_first if ends[-1] >= one]
    began = [*fitting, *possible, *later_first][0]
    ended = min(ends, key=lambda one: (one < began, abs(one - began - length)))
    return Times(began, ended, len(starts) > 1)


def _is_length(passed: timedelta, length: timedelta) -> bool:
    """Return whether a duration is that of a call; the vendor rounds up: 14 for 13 seconds."""
    return timedelta(0) <= length - passed <= _SECOND


def _moments(field: str, text: object) -> list[datetime]:
    return possible_utc_times(field, parse_local_time(field, text), KYIV)
