"""The rules for settings of the virtual PBX. Source: "POST /api/v1/Vats/settings/set"."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, NamedTuple

from airflow_provider_telecom.calls.checks import in_range, non_empty, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164
from airflow_provider_telecom.vendors.sunsim.vats_schedule import (
    DAYS,
    Settings,
    check_day,
    day_spans,
    iter_objects,
    require_list,
    require_object,
)

DIAL_MODES = (1, 2, 21)
"""One after another, all at once, evenly spread."""
MAX_DIAL_SECONDS = 90
_FLAG = (0, 1)


class Fault(NamedTuple):
    """What is wrong with a value, and the value."""

    error: TelecomInputError
    value: Any = None

    @property
    def mark(self) -> str:
        """What tells a fault from others."""
        return f"{self.error} {self.value!r}"


Faults = Iterator[Fault]


def _tried(value: Any, rule: Callable[..., object], *arguments: Any) -> Faults:
    """Yield what a rule says against a value, if anything."""
    try:
        rule(*arguments)
    except TelecomInputError as error:
        yield Fault(error, value)


def faults(number: str, entry: Mapping[str, Any], region: str, last_seconds: bool) -> Faults:
    """Yield what is wrong with the settings of a number. `last_seconds` is as in `check_day`."""
    yield from _list_faults(f"{number} profiles", entry.get("profiles"))
    for profile in iter_objects(entry.get("profiles")):
        yield from _profile_faults(f"{number}, profile {profile.get('id')}", profile, region, last_seconds)


def _list_faults(field: str, values: Any) -> Faults:
    """Yield what is wrong with a list of objects, of which there must be one at least."""
    yield from _tried(values, lambda: non_empty(field, require_list(field, values)))
    for value in values if isinstance(values, list) else ():
        yield from _tried(value, require_object, field, value)


def _profile_faults(place: str, profile: Settings, region: str, last_seconds: bool) -> Faults:
    yield from _calendar_faults(place, profile)
    yield from _list_faults(f"{place}: scheduleBlocks", profile.get("scheduleBlocks"))
    blocks = list(iter_objects(profile.get("scheduleBlocks")))
    for block in blocks:
        yield from _block_faults(f"{place}, block {block.get('id')}", block, region)
    for day in DAYS if blocks else ():
        yield from _tried(day_spans(blocks, day), check_day, f"{place}, day {day}", blocks, day, last_seconds)


def _calendar_faults(place: str, profile: Settings) -> Faults:
    yield from _choice_faults(place, profile, "isUseCalendar", _FLAG)
    workday, field = profile.get("workdayDefDay"), f"{place}: workdayDefDay"
    if workday is not None and profile.get("isUseCalendar"):
        yield from _tried(workday, in_range, field, workday, 1, 7)
    elif workday is not None and workday != 0:
        yield Fault(TelecomInputError(field, "may be set only with isUseCalendar = 1"), workday)


def _block_faults(place: str, block: Settings, region: str) -> Faults:
    yield from _choice_faults(place, block, "isActive", _FLAG)
    yield from _choice_faults(place, block, "dialModeCode", DIAL_MODES)
    if redirects := block.get("redirectNums"):
        yield from _list_faults(f"{place}: redirectNums", redirects)
    for redirect in iter_objects(redirects):
        yield from _redirect_faults(place, redirect, region)


def _redirect_faults(place: str, redirect: Settings, region: str) -> Faults:
    yield from _choice_faults(place, redirect, "isActive", _FLAG)
    yield from _choice_faults(place, redirect, "isMlp", _FLAG)
    if (seconds := redirect.get("dialTime")) is not None:
        yield from _tried(seconds, in_range, f"{place}: dialTime", seconds, 0, MAX_DIAL_SECONDS)
    number = redirect.get("num")
    yield from _tried(number, russian_number, f"{place}: redirectNums.num", number, region)


def russian_number(field: str, written: Any, region: str) -> str:
    """Return a Russian number as E.164 digits without the plus. Raises TelecomInputError."""
    number = e164("" if written is None else written, region, field=field)
    if not (number.startswith("7") and len(number) == 11):
        raise TelecomInputError(field, "must be a Russian number")
    return number


def _choice_faults(place: str, owner: Settings, name: str, allowed: tuple[int, ...]) -> Faults:
    if (value := owner.get(name)) is not None:
        yield from _tried(value, _choose, f"{place}: {name}", value, allowed)


def _choose(field: str, value: Any, allowed: tuple[int, ...]) -> None:
    if type(value) is not int:
        raise TelecomInputError(field, f"must be a whole number, not {type(value).__name__}")
    one_of(field, value, allowed)
