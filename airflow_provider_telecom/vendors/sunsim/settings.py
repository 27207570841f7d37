"""Settings of the virtual PBX: what may be sent, and how two states of them are told apart.

Settings are the vendor's own form, edited: `[{"num": ..., "profiles": [...]}]`. Nothing is left out of
them, so that what this module does not know goes back as it came. Source: "POST /api/v1/Vats/settings/set".
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_telecom.calls.checks import one_of, some, within
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164, ten_digits
from airflow_provider_telecom.calls.privacy import shortened

Settings = dict[str, Any]

DAY_SECONDS = 86_400
DAYS = ("1", "2", "3", "4", "5", "6", "7")
DIAL_MODES = (1, 2, 21)
"""One after another, all at once, evenly spread."""
LONGEST_DIAL_SECONDS = 90
_FLAG = (0, 1)


def settings_hash(settings: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of settings: equal for equal settings, whatever the order of their fields."""
    text = json.dumps(list(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode()).hexdigest()


def checked(settings: Sequence[Mapping[str, Any]], region: str) -> list[Settings]:
    """Return a copy of settings fit to be sent, redirect numbers with ten digits. The original stays.

    Raises TelecomInputError that names number, profile and day. A field that may be edited is checked
    when it is there: what the vendor leaves out of its settings may stay out.
    """
    some("settings", settings)
    copies = [deepcopy(dict(_mapping("settings", entry))) for entry in settings]
    numbers = [_number_of(entry) for entry in copies]
    if len(set(numbers)) < len(numbers):
        raise TelecomInputError("settings", "holds a number twice")
    for number, entry in zip(numbers, copies, strict=True):
        for profile in some(f"{number} profiles", _list(f"{number} profiles", entry.get("profiles"))):
            _check_profile(number, _mapping(f"{number} profiles", profile), region)
    return copies


def numbers_of(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the numbers that checked settings are about, as the vendor wrote them."""
    return [str(entry["num"]) for entry in settings]


def _number_of(entry: Settings) -> str:
    number = str(entry.get("num") or "")
    if not number:
        raise TelecomInputError("settings", "an entry without num")
    return f"number {shortened(number)}"


def _check_profile(number: str, profile: Settings, region: str) -> None:
    place = f"{number}, profile {profile.get('id')}"
    _check_calendar(place, profile)
    blocks = [
        _mapping(place, block) for block in _list(f"{place}: scheduleBlocks", profile.get("scheduleBlocks"))
    ]
    for block in some(f"{place}: scheduleBlocks", blocks):
        _check_block(f"{place}, block {block.get('id')}", block, region)
    for day in DAYS:
        _check_day(f"{place}, day {day}", blocks, day)


def _check_calendar(place: str, profile: Settings) -> None:
    uses = _choice(place, profile, "isUseCalendar", _FLAG)
    workday = profile.get("workdayDefDay")
    if workday is not None:
        within(f"{place}: workdayDefDay", workday, 1 if uses else 0, 7)


def _check_block(place: str, block: Settings, region: str) -> None:
    _choice(place, block, "isActive", _FLAG)
    _choice(place, block, "dialModeCode", DIAL_MODES)
    for redirect in _list(f"{place}: redirectNums", block.get("redirectNums") or []):
        _check_redirect(place, _mapping(f"{place}: redirectNums", redirect), region)


def _check_redirect(place: str, redirect: Settings, region: str) -> None:
    _choice(place, redirect, "isActive", _FLAG)
    _choice(place, redirect, "isMlp", _FLAG)
    if redirect.get("dialTime") is not None:
        within(f"{place}: dialTime", redirect["dialTime"], 0, LONGEST_DIAL_SECONDS)
    written = redirect.get("num")
    number = e164("" if written is None else written, region, field=f"{place}: redirectNums.num")
    if not (number.startswith("7") and len(number) == 11):
        raise TelecomInputError(f"{place}: redirectNums.num", "must be a Russian number")
    redirect["num"] = int(ten_digits(number)) if isinstance(written, int) else ten_digits(number)


def _choice(place: str, owner: Settings, name: str, allowed: tuple[int, ...]) -> int | None:
    value: int | None = owner.get(name)
    if value is None:
        return None
    if type(value) is not int:
        raise TelecomInputError(f"{place}: {name}", f"must be a whole number, not {type(value).__name__}")
    return one_of(f"{place}: {name}", value, allowed)


def _check_day(place: str, blocks: Sequence[Settings], day: str) -> None:
    """Check that the times of all blocks together cover a day from 0 to 86400 once."""
    covered = 0
    for start, end in sorted(_times(place, blocks, day)):
        if start >= end:
            raise TelecomInputError(place, f"the time {start}-{end} ends before it starts")
        if start != covered:
            what = "overlap" if start < covered else "leave a gap"
            raise TelecomInputError(
                place, f"times {what} between {min(start, covered)} and {max(start, covered)}"
            )
        covered = end
    if covered != DAY_SECONDS:
        raise TelecomInputError(place, f"times leave a gap between {covered} and {DAY_SECONDS}")


def _times(place: str, blocks: Sequence[Settings], day: str) -> Iterator[tuple[int, int]]:
    for block in blocks:
        holder: Any = block
        for name in ("scheduleJson", "schedule", "days"):
            holder = _mapping(f"{place}: {name}", holder.get(name))
        times = _mapping(place, holder.get(day, {})).get("times")
        for time in _list(f"{place}: times", times or []):
            time = _mapping(f"{place}: times", time)
            start, end = (
                within(f"{place}: {name}", time.get(name), 0, DAY_SECONDS)  # type: ignore[arg-type]
                for name in ("time_start", "time_end")
            )
            yield start, end


def _mapping(field: str, value: Any) -> Settings:
    if not isinstance(value, dict):
        raise TelecomInputError(field, "must be an object")
    return value


def _list(field: str, value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise TelecomInputError(field, "must be a list")
    return value
