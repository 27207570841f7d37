"""The times of a week in settings of the virtual PBX: all blocks of a profile cover each day once.

Source: "POST /api/v1/Vats/settings/set", which gives times in seconds from 0 to 86400.
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


def check_day(place: str, blocks: Sequence[Settings], day: str, last_seconds: bool) -> None:
    """Check that the times of all blocks together cover a day from 0 to 86400 once.

    `last_seconds`: the vendor ends a time with its last second, so the next one begins a second later.
    """
    covered, steps = 0, (0, 1) if last_seconds else (0,)
    for start, end in sorted(_times(place, blocks, day)):
        if start >= end:
            raise TelecomInputError(place, f"the time {start}-{end} ends before it starts")
        if start - covered not in (steps if covered else (0,)):
            what = "overlap" if start < covered else "leave a gap"
            raise TelecomInputError(
                place, f"times {what} between {min(start, covered)} and {max(start, covered)}"
            )
        covered = end
    if DAY_SECONDS - covered not in steps:
        raise TelecomInputError(place, f"times leave a gap between {covered} and {DAY_SECONDS}")


def uses_inclusive_ends(entry: Mapping[str, Any]) -> bool:
    """Whether a vendor's own settings end times with their last second: 0 to 32399, then 32400 to 86399."""
    week = (
        day_spans(list(iter_objects(profile.get("scheduleBlocks"))), day)
        for profile in iter_objects(entry.get("profiles"))
        for day in DAYS
    )
    return any(after[0] - before[1] == 1 for spans in week for before, after in pairwise(spans))


def day_spans(blocks: Sequence[Settings], day: str) -> list[tuple[int, int]]:
    """Return the times of a day in order; none if one of them cannot be read."""
    try:
        return sorted(_times("", blocks, day))
    except TelecomInputError:
        return []


def _times(place: str, blocks: Sequence[Settings], day: str) -> Iterator[tuple[int, int]]:
    for block in blocks:
        holder: Any = block
        for name in ("scheduleJson", "schedule", "days"):
            holder = require_object(f"{place}: {name}", holder.get(name))
        times = require_object(place, holder.get(day, {})).get("times")
        for time in require_list(f"{place}: times", times or []):
            time = require_object(f"{place}: times", time)
            start, end = (
                in_range(f"{place}: {name}", time.get(name), 0, DAY_SECONDS)  # type: ignore[arg-type]
                for name in ("time_start", "time_end")
            )
            yield start, end


def require_object(field: str, value: Any) -> Settings:
    """Return an object. Raises TelecomInputError."""
    if not isinstance(value, dict):
        raise TelecomInputError(field, "must be an object")
    return value


def require_list(field: str, value: Any) -> list[Any]:
    """Return a list. Raises TelecomInputError."""
    if not isinstance(value, list):
        raise TelecomInputError(field, "must be a list")
    return value


def iter_objects(value: Any) -> Iterator[Settings]:
    """Yield the objects of a list; none of what is no list."""
    for one in value if isinstance(value, list) else ():
        if isinstance(one, dict):
            yield one
