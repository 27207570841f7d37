"""Checks of SunSim's arguments. Each error names the field and the rule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, TypedDict

from airflow_provider_telecom.calls.checks import in_range, matching, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.calls.privacy import mask_number

Direction = Literal["outgoing", "incoming"]
RECORD_ID = r"[A-Za-z0-9-]{1,64}"
"""The id of a recording. The document's sample is a damaged UUID, so no stricter rule is possible."""
_DIRECTIONS: Mapping[Direction, int] = {"outgoing": 1, "incoming": 2}
_MAX_SECONDS = 2**31 - 1


class CallFilters(TypedDict, total=False):
    """Filters of a call list; `list_calls` describes them. None means no filter."""

    direction: Direction | None
    duration_from_seconds: int | None
    duration_to_seconds: int | None
    only_recorded: bool
    is_read: bool | None


def russian_number(field: str, number: object, region: str, rule: str = "must be a Russian number") -> str:
    """Return a Russian number as E.164 digits without the plus sign."""
    found = e164(str("" if number is None else number), region, field=field)
    if not (found.startswith("7") and len(found) == 11):
        raise TelecomInputError(field, rule, shown=mask_number(found))
    return found


def record_id(value: str, field: str = "record_id", prefix: str = "") -> str:
    """Return the id of a recording. `prefix` says which one is wrong in a list of ids."""
    return matching(field, value, RECORD_ID, f"{prefix}must be 1 to 64 of the characters A-Z a-z 0-9 and -")


def filter_fields(filters: CallFilters) -> dict[str, int | None]:
    """Return the filters of a call list as the fields of a request."""
    shortest, longest = filters.get("duration_from_seconds"), filters.get("duration_to_seconds")
    for field, value in (("duration_from_seconds", shortest), ("duration_to_seconds", longest)):
        if value is not None:
            in_range(field, value, 0, _MAX_SECONDS)
    if shortest is not None and longest is not None and shortest > longest:
        raise TelecomInputError("duration_to_seconds", "must not be less than duration_from_seconds")
    direction = one_of("direction", filters.get("direction"), (None, *_DIRECTIONS))
    is_read = one_of("is_read", filters.get("is_read"), (None, True, False))
    # "No limit" is 0 where the document says "empty or 0", and null where it says "empty, use null".
    return {
        "direction": _DIRECTIONS[direction] if direction else 0,
        "durationFrom": shortest,
        "durationTo": longest,
        "isCallRecord": 1 if filters.get("only_recorded") else 0,
        "isRead": None if is_read is None else int(is_read),
    }
