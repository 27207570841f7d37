"""Quiet hours: local times of a day at which nobody is written to. Values only; nothing here waits.

A clock change needs no rule of its own: what counts is the local time that a clock shows at an instant. An
hour that is skipped shows no time, and both copies of a doubled hour show the same.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError

HORIZON = timedelta(days=8)
"""How long a window may stay closed. Zones whose windows do not overlap within it are refused."""
_TIME = re.compile(r"([01][0-9]|2[0-3]):([0-5][0-9])")
_RULE = "must be two local times such as ('21:00', '09:00') or '21:00-09:00', from 00:00 to 23:59"
_DAY = timedelta(days=1)


@dataclass(frozen=True)
class QuietHours:
    """The local times from `start` up to `end`, which is not quiet any more. `end` may be on the next day."""

    start: time
    end: time

    @classmethod
    def parse(cls, value: object, field: str = "quiet_hours") -> QuietHours:
        """Return the quiet hours of two times, or of a text of both. Raises TelecomInputError."""
        parts = value.split("-") if isinstance(value, str) else value
        if not isinstance(parts, (list, tuple)) or len(parts) != 2:
            raise TelecomInputError(field, _RULE)
        start, end = (_time(field, part) for part in parts)
        if start == end:
            raise TelecomInputError(field, "has two equal times, which leave no hour to send in")
        return cls(start, end)

    def __str__(self) -> str:
        return f"{self.start:%H:%M}-{self.end:%H:%M}"

    def is_open(self, zones: Sequence[str], at: datetime) -> bool:
        """Return whether it is not quiet in any of the zones at an instant."""
        at = _in_utc(at)
        return not any(self._is_quiet(_local(zone, at).time()) for zone in zones)

    def opens_at(self, zones: Sequence[str], after: datetime, least: timedelta = timedelta(0)) -> datetime:
        """Return the first instant, not before `after`, from which it is open for more than `least`.

        Raises TelecomInputError, which names the zones, if there is none within `HORIZON`.
        """
        at = _in_utc(after)
        last = at + HORIZON
        while at < last:
            if not self.is_open(zones, at):
                at = self._next_change(zones, at)
            elif (closes := self.closes_at(zones, at)) - at > least:
                return at
            else:
                at = closes
        long_enough = f" for more than {least.total_seconds():.0f} s" if least else ""
        raise TelecomInputError(
            "quiet_hours",
            f"{self} leave no time at which all of {', '.join(zones)} are open{long_enough} within "
            f"{HORIZON.days} days",
        )

    def closes_at(self, zones: Sequence[str], after: datetime) -> datetime:
        """Return the first instant, not before `after`, at which it is quiet in one of the zones."""
        at = _in_utc(after)
        while self.is_open(zones, at):
            at = self._next_change(zones, at)
        return at

    def _is_quiet(self, local: time) -> bool:
        if self.start < self.end:
            return self.start <= local < self.end
        return local >= self.start or local < self.end

    def _next_change(self, zones: Sequence[str], at: datetime) -> datetime:
        """Return the next instant at which a clock shows `start` or `end`, or is changed."""
        return min(self._next_change_in(zone, at) for zone in zones)

    def _next_change_in(self, zone: str, at: datetime) -> datetime:
        local = _local(zone, at)
        shown = local.replace(tzinfo=None)
        today = [datetime.combine(shown, edge) for edge in (self.start, self.end)]
        ahead = min(edge if edge > shown else edge + _DAY for edge in today) - shown
        change = _clock_change(zone, at, at + ahead)
        return at + ahead if change is None else change


def _clock_change(zone: str, start: datetime, end: datetime) -> datetime | None:
    """Return the first instant after `start`, up to `end`, of another offset; None if there is none.

    There is at most one in a day: no zone changes its clock twice in 24 hours.
    """
    before = _local(zone, start).utcoffset()
    if _local(zone, end).utcoffset() == before:
        return None
    low, high = start, end  # the offset is the old one at `low`, another one at `high`
    while high - low > timedelta.resolution:
        middle = low + (high - low) / 2
        if middle in (low, high):
            break
        if _local(zone, middle).utcoffset() == before:
            low = middle
        else:
            high = middle
    return high


@lru_cache(maxsize=1024)
def zone_info(zone: str) -> ZoneInfo:
    """Return a time zone by its name. Raises TelecomInputError."""
    try:
        return ZoneInfo(zone)
    except (ValueError, OSError, KeyError):
        raise TelecomInputError("timezone", "must be an IANA name such as Europe/Kyiv", shown=zone) from None


def _local(zone: str, at: datetime) -> datetime:
    return at.astimezone(zone_info(zone))


def _in_utc(at: datetime) -> datetime:
    if type(at) is not datetime:  # Airflow's are of pendulum, whose arithmetic is another one
        at = datetime.fromisoformat(aware_datetime("time", at).isoformat())
    return aware_datetime("time", at).astimezone(UTC)


def _time(field: str, value: object) -> time:
    if isinstance(value, time) and value.tzinfo is None and not (value.second or value.microsecond):
        return value
    found = _TIME.fullmatch(value.strip()) if isinstance(value, str) else None
    if found is None:
        raise TelecomInputError(field, _RULE)
    return time(int(found[1]), int(found[2]))
