"""The period of a call list: in the vendor's wall-clock time, and within its limits."""

from __future__ import annotations

from datetime import datetime

import pendulum

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.times import checked_local_period, wall_clock


def period(start: datetime, end: datetime, zone: str | None) -> tuple[str, str]:
    """Return both ends, aware if the `zone` is known and else naive, as `yyyy-mm-dd hh:mm:ss`.

    An end within an hour that happens twice is moved out of it. Raises TelecomInputError.
    """
    return written(*checked_local_period(("start", "end"), start, end, zone, avoid_repeated_hour=True), zone)


def written(start: datetime, end: datetime, zone: str | None) -> tuple[str, str]:
    """Return both ends, which are what the vendor's clocks show, likewise. Raises TelecomInputError.

    "One month" may mean the period's length or how far back it begins: both are kept to. Without a zone
    "now" is taken from UTC, which lets a period begin some hours too early rather than refuse a good one.
    """
    first, last = (wall_clock(name, end, None) for name, end in (("start", start), ("end", end)))
    now = wall_clock("now", pendulum.now("UTC"), zone or "UTC")
    if first >= last:
        raise TelecomInputError("end", "must be later than start")
    if last > first.add(months=1):
        raise TelecomInputError("end", "must be at most one month after start")
    if first < now.subtract(months=1):
        raise TelecomInputError("start", "must be at most one month ago")
    return first.format("YYYY-MM-DD HH:mm:ss"), last.format("YYYY-MM-DD HH:mm:ss")
