"""SunSim's clock: the period of a call list in the vendor's local time, and when tokens expire."""

from __future__ import annotations

import re
from datetime import datetime

import pendulum

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.times import checked_local_period, wall_clock

_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*( ?[+-]\d\d:?\d\d)?")
_DOTTED = re.compile(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d")
_NUMBER = re.compile(r"[0-9]{4,15}")
_SECONDS_LEFT, _UNIX_SECONDS = range(3600, 10**8), range(10**9, 10**11)


def period(start: datetime, end: datetime, zone: str | None) -> tuple[str, str]:
    """Return both ends as `yyyy-mm-dd hh:mm:ss`. They are aware if the `zone` is known, and naive otherwise.

    An end within an hour that happens twice is moved out of it. Raises TelecomInputError.
    """
    local = checked_local_period(("start", "end"), start, end, zone, avoid_repeated_hour=True)
    return format_period(*local, zone)


def format_period(start: datetime, end: datetime, zone: str | None) -> tuple[str, str]:
    """Return both ends, which are naive and in the vendor's local time, as `yyyy-mm-dd hh:mm:ss`.

    "One month" may limit the length of the period or the age of its start: both are checked. Without a zone
    the current time is taken from UTC. This lets a period begin some hours too early, but refuses no valid
    one. Raises TelecomInputError.
    """
    first, last = wall_clock("start", start, None), wall_clock("end", end, None)
    now = wall_clock("now", pendulum.now("UTC"), zone or "UTC")
    if first >= last:
        raise TelecomInputError("end", "must be later than start")
    if last > first.add(months=1):
        raise TelecomInputError("end", "must be at most one month after start")
    if first < now.subtract(months=1):
        raise TelecomInputError("start", "must be at most one month ago")
    return first.format("YYYY-MM-DD HH:mm:ss"), last.format("YYYY-MM-DD HH:mm:ss")


def parse_expiry(value: object, zone: str | None, now: datetime) -> datetime | None:
    """Return a token's expiry time, whose format is not documented; None if it cannot be read.

    It may be Unix seconds or milliseconds, the seconds that are left, an ISO 8601 time, or `31.01.2026
    08:00:00`.
    """
    text = "" if value is None else str(value).strip()
    if _NUMBER.fullmatch(text):
        return _from_number(int(text), now)
    try:
        if _DOTTED.fullmatch(text):
            return pendulum.from_format(text, "DD.MM.YYYY HH:mm:ss", tz=zone or "UTC")
        found = pendulum.parse(text, tz=zone or "UTC") if _ISO.fullmatch(text) else None
    except ValueError:
        return None
    return found if isinstance(found, datetime) else None


def _from_number(number: int, now: datetime) -> datetime | None:
    if number in _SECONDS_LEFT:
        return pendulum.instance(now).add(seconds=number)
    seconds = number if number in _UNIX_SECONDS else number // 1000
    return pendulum.from_timestamp(seconds) if seconds in _UNIX_SECONDS else None
