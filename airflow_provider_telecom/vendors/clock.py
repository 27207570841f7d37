"""Vendors' wall-clock times, which come and go without a zone."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import pendulum
from pydantic import AfterValidator

from airflow_provider_telecom.calls.checks import aware
from airflow_provider_telecom.calls.errors import TelecomInputError


def _a_zone(name: str) -> str:
    try:
        pendulum.timezone(name)
    except (ValueError, OSError):
        raise ValueError("must be the IANA name of a time zone, like Europe/Kyiv") from None
    return name


ZoneName = Annotated[str, AfterValidator(_a_zone)]
"""The IANA name of a time zone, for options."""


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


def moment_of(text: str | None, zone: str | None) -> datetime | None:
    """Return a vendor's `YYYY-MM-DD HH:MM:SS` as an aware moment, or None without a zone or a time."""
    if not text or zone is None:
        return None
    try:
        return pendulum.from_format(text.strip(), "YYYY-MM-DD HH:mm:ss", tz=zone)
    except ValueError:
        return None
