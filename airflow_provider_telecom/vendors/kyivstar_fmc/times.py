"""The clocks of Kyiv: which moments a record's wall-clock times mean, and which windows to ask for.

The vendor asks and answers in wall-clock time of Europe/Kyiv without a zone. In autumn an hour happens twice,
and nothing in a record says which of the two it means; in spring an hour does not exist.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_telecom.calls.checks import aware
from airflow_provider_telecom.calls.errors import TelecomInputError

KYIV = ZoneInfo("Europe/Kyiv")
_HOUR, _SECOND = timedelta(hours=1), timedelta(seconds=1)
_KEPT = timedelta(days=30)
_LONGEST = timedelta(days=7)
_MARGIN = _HOUR
_STEP = _LONGEST - 2 * _MARGIN - _HOUR  # a window across the change in spring is an hour longer on the wall


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

    def holds(self, moment: datetime) -> bool:
        """Return whether a call that began at `moment` is this window's."""
        return self.start <= moment < self.end

    def surely_lacks(self, start: object) -> bool:
        """Return whether a record that cannot be read is another window's, if at least its start can."""
        try:
            readings = _readings("start_timestamp", start)
        except TelecomInputError:
            return False
        return not any(map(self.holds, readings))


def windows(start: datetime, end: datetime, now: datetime) -> list[Window]:
    """Return the windows of an interval, the oldest first: each call of it is in exactly one of them.

    Raises TelecomInputError for an interval that is turned round, older than 30 days, or not over yet.
    """
    first, last = (aware(*named).astimezone(timezone.utc) for named in (("start", start), ("end", end)))
    if first >= last:
        raise TelecomInputError("end", "must be later than start")
    if now - first > _KEPT:
        raise TelecomInputError("start", "must be at most 30 days ago: the vendor keeps no older calls")
    if last > now:
        raise TelecomInputError("end", "must not be in the future")
    return list(_cut(first, last, now))


def _cut(start: datetime, end: datetime, now: datetime) -> Iterator[Window]:
    while start < end:
        until = min(start + _STEP, end)
        yield Window(
            start, until, max(_on_the_wall(start, -_MARGIN), now - _KEPT + _SECOND), _asked(until, now)
        )
        start = until


def _asked(until: datetime, now: datetime) -> datetime:
    """Return the end to ask for: not after now, unless the clocks have just been put back."""
    wanted = _on_the_wall(until, _MARGIN)
    just_put_back = (now - 2 * _HOUR).astimezone(KYIV).utcoffset() != now.astimezone(KYIV).utcoffset()
    return wanted if just_put_back else min(wanted, now)


def _on_the_wall(moment: datetime, by: timedelta) -> datetime:
    """Return a moment moved by what the clocks on the wall show."""
    return (moment.astimezone(KYIV).replace(tzinfo=None) + by).replace(tzinfo=KYIV)


@dataclass(frozen=True)
class Times:
    """When a call began and ended, in UTC. `ambiguous`: the hour of its start happens twice."""

    start: datetime
    end: datetime
    ambiguous: bool


def read_times(start: str, end: str, duration_seconds: int) -> Times:
    """Return what a record's wall-clock times mean.

    Where the start can mean two moments, it is the one that fits the duration; if both do, the later: so a
    call is not looked for before it can have happened. Raises TelecomInputError.
    """
    starts, ends = _readings("start_timestamp", start), _readings("end_timestamp", end)
    length = timedelta(seconds=duration_seconds)
    began = next((one for one in starts if _fits(one, ends, length)), starts[0])
    ended = min(ends, key=lambda one: abs(one - began - length))
    return Times(began, ended, len(starts) > 1)


def _fits(start: datetime, ends: Sequence[datetime], length: timedelta) -> bool:
    """The vendor rounds durations up: 14 for 13 seconds."""
    return any(timedelta(0) <= length - (end - start) <= _SECOND for end in ends)


def _readings(field: str, text: Any) -> list[datetime]:
    """Return the moments that a wall-clock time can mean, the later first."""
    try:
        naive = datetime.fromisoformat(text)
    except (TypeError, ValueError):
        naive = None
    if naive is None or naive.tzinfo is not None or len(text) != len("2017-04-29 14:25:00"):
        raise TelecomInputError(field, "must be a time like 2017-04-29 14:25:00")
    earlier, later = naive.replace(tzinfo=KYIV), naive.replace(tzinfo=KYIV, fold=1)
    before, after = earlier.utcoffset(), later.utcoffset()
    if before == after:
        return [earlier.astimezone(timezone.utc)]
    if before is None or after is None or before < after:
        raise TelecomInputError(field, "does not exist: the clocks of Kyiv were put forward over it")
    return [later.astimezone(timezone.utc), earlier.astimezone(timezone.utc)]
