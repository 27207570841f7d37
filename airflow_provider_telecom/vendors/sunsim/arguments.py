"""Checks of SunSim's arguments. Each error names the field and the rule."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_telecom.calls.checks import in_range, matching
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.calls.privacy import mask_number

DIRECTIONS: Mapping[str, int] = {"outgoing": 1, "incoming": 2}
RECORD_ID = r"[A-Za-z0-9-]{1,64}"
"""The id of a recording. The document's sample is a damaged UUID, so no stricter rule is possible."""
_MAX_SECONDS = 2**31 - 1


def russian_number(field: str, number: object, region: str, rule: str = "must be a Russian number") -> str:
    """Return a Russian number as E.164 digits without the plus sign."""
    found = e164(str("" if number is None else number), region, field=field)
    if not (found.startswith("7") and len(found) == 11):
        raise TelecomInputError(field, rule, shown=mask_number(found))
    return found


def record_id(value: str, field: str = "record_id", prefix: str = "") -> str:
    """Return the id of a recording. `prefix` says which one is wrong in a list of ids."""
    return matching(field, value, RECORD_ID, f"{prefix}must be 1 to 64 of the characters A-Z a-z 0-9 and -")


def duration_limits(shortest: int | None, longest: int | None) -> tuple[int | None, int | None]:
    """Return the limits of a call's duration in seconds. None means no limit."""
    for field, value in (("duration_from_seconds", shortest), ("duration_to_seconds", longest)):
        if value is not None:
            in_range(field, value, 0, _MAX_SECONDS)
    if shortest is not None and longest is not None and shortest > longest:
        raise TelecomInputError("duration_to_seconds", "must not be less than duration_from_seconds")
    return shortest, longest
