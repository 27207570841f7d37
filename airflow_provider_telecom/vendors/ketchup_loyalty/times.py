"""KetchUp's times: ISO 8601 in requests to send, elsewhere mostly the vendor's local time without a zone."""

from __future__ import annotations

from datetime import datetime

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.vendors.times import inclusive_local_period


def iso_time(field: str, at: datetime) -> str:
    """Return an aware time as ISO 8601 with its offset."""
    return aware_datetime(field, at).isoformat(timespec="seconds")


def aware_or_none(text: str | None) -> datetime | None:
    """Return an ISO 8601 time of the vendor's; None without a time or without an offset."""
    try:
        found = datetime.fromisoformat(text or "")
    except ValueError:
        return None
    return found if found.tzinfo else None


def period_fields(
    name: str, start: datetime | None, end: datetime | None, zone: str | None
) -> dict[str, str | None]:
    """Return the two ends of a filter, `<name>_from` and `<name>_to`, in the vendor's local time.

    The second end is included.
    """
    fields = (f"{name}_from", f"{name}_to")
    ends = inclusive_local_period(fields, start, end, zone)
    return {
        field: None if one is None else f"{one:%Y-%m-%d %H:%M:%S}"
        for field, one in zip(fields, ends, strict=True)
    }
