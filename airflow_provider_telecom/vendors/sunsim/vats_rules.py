"""The rules for settings of the virtual PBX: allowed values, and the times of a week.

The blocks of a profile must cover each day exactly once, in seconds from 0 to 86400.
Source: "POST /api/v1/Vats/settings/set".
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import pairwise
from typing import Any, NamedTuple

from airflow_provider_telecom.calls.checks import in_range, non_empty, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.sunsim.arguments import russian_number

Settings = dict[str, Any]

DAY_SECONDS = 86_400
DAYS = ("1", "2", "3", "4", "5", "6", "7")
DIAL_MODES = (1, 2, 21)
"""One after another, all at once, evenly distributed."""
MAX_DIAL_SECONDS = 90
_FLAG = (0, 1)


class Fault(NamedTuple):
    """An invalid value and its error. Two faults with the same `key` are the same fault."""

    error: TelecomInputError
    value: object

    @property
    def key(self) -> str:
        """The error and the value as a text."""
        return f"{self.error} {self.value!r}"


Faults = Iterator[Fault]


def find_faults(number: str, entry: Mapping[str, Any], region: str, inclusive_ends: bool) -> Faults:
    """Yield the faults in the settings of a number. `inclusive_ends` is as in `check_day`."""
    yield from _list_faults(f"{number} profiles", entry.get("profiles"))
    for profile in iter_objects(entry.get("profiles")):
        yield from _profile_faults(f"{number}, profile {profile.get('id')}", profile, region, inclusive_ends)


def _check(value: object, rule: Callable[..., object], *arguments: object) -> Faults:
    """Yield a fault if the rule raises an error."""
    try:
        rule(*arguments)
    except TelecomInputError as error:
        yield Fault(error, value)


def _list_faults(field: str, values: object) -> Faults:
    """Yield the faults of a list of objects, which must not be empty."""
    yield from _check(values, lambda: non_empty(field, require_list(field, values)))
    for value in values if isinstance(values, list) else ():
        yield from _check(value, require_object, field, value)


def _profile_faults(place: str, profile: Settings, region: str, inclusive_ends: bool) -> Faults:
    yield from _choice_faults(place, profile, "isUseCalendar", _FLAG)
    workday, field = profile.get("workdayDefDay"), f"{place}: workdayDefDay"
    if workday is not None and profile.get("isUseCalendar"):
        yield from _check(workday, in_range, field, workday, 1, 7)
    elif workday is not None and workday != 0:
        yield Fault(TelecomInputError(field, "may be set only with isUseCalendar = 1"), workday)
    yield from _list_faults(f"{place}: scheduleBlocks", profile.get("scheduleBlocks"))
    blocks = list(iter_objects(profile.get("scheduleBlocks")))
    for block in blocks:
        yield from _block_faults(f"{place}, block {block.get('id')}", block, region)
    for day in DAYS if blocks else ():
        spans = day_spans(blocks, day)
        yield from _check(spans, check_day, f"{place}, day {day}", blocks, day, inclusive_ends)


def _block_faults(place: str, block: Settings, region: str) -> Faults:
    yield from _choice_faults(place, block, "isActive", _FLAG)
    yield from _choice_faults(place, block, "dialModeCode", DIAL_MODES)
    if redirects := block.get("redirectNums"):
        yield from _list_faults(f"{place}: redirectNums", redirects)
    for redirect in iter_objects(redirects):
        yield from _choice_faults(place, redirect, "isActive", _FLAG)
        yield from _choice_faults(place, redirect, "isMlp", _FLAG)
        if (seconds := redirect.get("dialTime")) is not None:
            yield from _check(seconds, in_range, f"{place}: dialTime", seconds, 0, MAX_DIAL_SECONDS)
        number = redirect.get("num")
        yield from _check(number, russian_number, f"{place}: redirectNums.num", number, region)


def _choice_faults(place: str, owner: Settings, name: str, allowed: tuple[int, ...]) -> Faults:
    value, field = owner.get(name), f"{place}: {name}"
    if value is None:
        return
    if type(value) is not int:
        rule = f"must be a whole number, not {type(value).__name__}"
        yield Fault(TelecomInputError(field, rule), value)
    else:
        yield from _check(value, one_of, field, value, allowed)


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
