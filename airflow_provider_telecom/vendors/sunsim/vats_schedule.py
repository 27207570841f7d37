"""The times of a week in settings of the virtual PBX: a profile's blocks must cover each day exactly once.

Source: "POST /api/v1/Vats/settings/set", which has times in seconds from 0 to 86400.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError

Settings = dict[str, Any]

DAY_SECONDS = 86_400
DAYS = ("1", "2", "3", "4", "5", "6", "7")


def check_day(place: str, blocks: Sequence[Settings], day: str, inclusive_ends: bool) -> None:
    """Check that the times of all blocks together cover a day from 0 to 86400 exactly once.

    `inclusive_ends`: the vendor ends a time with its last second, and the next one begins a second later.
    """
    covered, steps = 0, (0, 1) if inclusive_ends else (0,)
    for start, end in sorted(_times(place, blocks, day)):
        if start >= end:
            raise TelecomInputError(place, f"the time {start}-{end} ends before it starts")
        if start - covered not in (steps if covered else (0,)):
            fault = "overlap" if start < covered else "leave a gap"
            between = f"between {min(start, covered)} and {max(start, covered)}"
            raise TelecomInputError(place, f"times {fault} {between}")
        covered = end
    if DAY_SECONDS - covered not in steps:
        raise TelecomInputError(place, f"times leave a gap between {covered} and {DAY_SECONDS}")


def uses_inclusive_ends(entry: Mapping[str, Any]) -> bool:
    """Return whether the vendor's settings end times with their last second: 0 to 32399, 32400 to 86399."""
    week = (
        day_spans(list(iter_objects(profile.get("scheduleBlocks"))), day)
        for profile in iter_objects(entry.get("profiles"))
        for day in DAYS
    )
    return any(after[0] - before[1] == 1 for spans in week for before, after in pairwise(spans))


def day_spans(blocks: Sequence[Settings], day: str) -> list[tuple[int, int]]:
    """Return the times of a day in order; none if one of them is invalid."""
    try:
        return sorted(_times("", blocks, day))
    except TelecomInputError:
        return []


def _times(place: str, blocks: Sequence[Settings], day: str) -> Iterator[tuple[int, int]]:
    for block in blocks:
        container = block
        for name in ("scheduleJson", "schedule", "days"):
            container = require_object(f"{place}: {name}", container.get(name))
        times = require_object(place, container.get(day, {})).get("times") or []
        for time in require_list(f"{place}: times", times):
            time = require_object(f"{place}: times", time)
            yield _seconds(place, time, "time_start"), _seconds(place, time, "time_end")


def _seconds(place: str, time: Settings, name: str) -> int:
    return in_range(f"{place}: {name}", time.get(name), 0, DAY_SECONDS)  # type: ignore[arg-type]


def require_object(field: str, value: Any) -> Settings:
    """Return an object. Raises TelecomInputError."""
    if not isinstance(value, dict):
        raise TelecomInputError(field, "must be an object")
    return value


def require_list(field: str, value: object) -> list[Any]:
    """Return a list. Raises TelecomInputError."""
    if not isinstance(value, list):
        raise TelecomInputError(field, "must be a list")
    return value


def iter_objects(value: object) -> Iterator[Settings]:
    """Yield the objects of a list; nothing if it is not a list."""
    yield from (one for one in value if isinstance(one, dict)) if isinstance(value, list) else ()
