"""The period of a call list: in the vendor's wall-clock time, and within its limits."""

from __future__ import annotations

from datetime import datetime

import pendulum

from airflow_provider_telecom.calls.checks import aware
from airflow_provider_telecom.calls.errors import TelecomInputError


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


def period(start: datetime, end: datetime, zone: str | None) -> tuple[str, str]:
    """Return both ends as `yyyy-mm-dd hh:mm:ss`. Raises TelecomInputError.

    "One month" may mean the period's length or how far back it begins: both are kept to. Without a zone
    "now" is taken from UTC, which lets a period begin some hours too early rather than refuse a good one.
    """
    first, last = wall_clock("start", start, zone), wall_clock("end", end, zone)
    now = wall_clock("now", pendulum.now("UTC"), zone or "UTC")
    if first >= last:
        raise TelecomInputError("end", "must be later than start")
    if last > first.add(months=1):
        raise TelecomInputError("end", "must be at most one month after start")
    if first < now.subtract(months=1):
        raise TelecomInputError("start", "must be at most one month ago")
    return first.format("YYYY-MM-DD HH:mm:ss"), last.format("YYYY-MM-DD HH:mm:ss")
