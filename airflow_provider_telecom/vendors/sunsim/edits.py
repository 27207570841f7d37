"""What has been edited in settings of the virtual PBX, and whether the vendor's state is what was sent.

The vendor writes some things in its own way: a redirect number in another form, the id of a new one, the
text that stands for a code. Those are no differences; neither are fields that only the vendor's side has.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import shortened
from airflow_provider_telecom.vendors.sunsim.settings import DAYS, Settings

NAMED_DIFFERENCES = 10
_TEXTS_OF_CODES = frozenset({"dialModeTerm", "vatsModeTerm"})
_FRAMES = frozenset({"scheduleJson", "schedule", "days"})
_WORDS = {"profiles": "profile", "scheduleBlocks": "block", "redirectNums": "redirect"}


def differences(wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where settings differ, as `number 90000***00, profile 11, block 111, day 6: times`."""
    return [
        where for entry, other in _paired(wanted, found) for where in _differing(_number(entry), entry, other)
    ]


def told(places: Sequence[str]) -> str:
    """Return the first places for an error, and how many more there are."""
    more = f" and {len(places) - NAMED_DIFFERENCES} more" if len(places) > NAMED_DIFFERENCES else ""
    return "; ".join(places[:NAMED_DIFFERENCES]) + more


def check_workdays(wanted: Sequence[Settings], read: Sequence[Mapping[str, Any]] = ()) -> None:
    """Check that workdayDefDay has been set only with isUseCalendar = 1; what was read may stay.

    Raises TelecomInputError.
    """
    for place, profile, before in _profiles(wanted, read):
        kept = (None, 0, before.get("workdayDefDay"))
        if not profile.get("isUseCalendar") and profile.get("workdayDefDay") not in kept:
            raise TelecomInputError(f"{place}: workdayDefDay", "may be set only with isUseCalendar = 1")


def unedited_as_read(wanted: Sequence[Settings], read: Sequence[Mapping[str, Any]]) -> list[Settings]:
    """Return settings in which each profile that was not edited is as it was read, to the letter.

    The profiles of lists of VIP contacts may not be edited, and nothing in the settings tells them.
    """
    merged = deepcopy(list(wanted))
    for entry in merged:
        before = {id(profile): other for _, profile, other in _profiles([entry], read)}
        entry["profiles"] = [
            profile if list(_differing("", profile, before[id(profile)])) else deepcopy(before[id(profile)])
            for profile in entry["profiles"]
        ]
    return merged


def _paired(
    wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    there = {str(entry.get("num")): entry for entry in found}
    for entry in wanted:
        yield entry, there.get(str(entry["num"]), {})


def _profiles(
    wanted: Sequence[Settings], read: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[str, Settings, Settings]]:
    for entry, other in _paired(wanted, read):
        known = {str(profile.get("id")): profile for profile in other.get("profiles") or []}
        for profile in entry["profiles"]:
            profile_id = str(profile.get("id"))
            yield f"{_number(entry)}, profile {profile_id}", profile, known.get(profile_id, {})


def _number(entry: Mapping[str, Any]) -> str:
    return f"number {shortened(str(entry['num']))}"


def _differing(place: str, wanted: Mapping[str, Any], found: Mapping[str, Any]) -> Iterator[str]:
    for name, value in wanted.items():
        other = found.get(name)
        if name in _WORDS and isinstance(value, list):
            yield from _in_list(place, name, value, other)
        elif isinstance(value, dict) and isinstance(other, dict):
            inner = (
                f"{place}, day {name}" if name in DAYS else place if name in _FRAMES else f"{place}, {name}"
            )
            yield from _differing(inner, value, other)
        elif name not in _TEXTS_OF_CODES and not _alike(name, value, other):
            yield f"{place}: {name}"


def _in_list(place: str, name: str, wanted: list[Any], found: Any) -> Iterator[str]:
    found = found if isinstance(found, list) else []
    if name == "redirectNums":  # their order is that of dialling
        pairs = [(number, one) for number, one in enumerate(wanted, 1)]
        others = dict(enumerate(found, 1))
    else:
        pairs = [(one.get("id"), one) for one in wanted]
        others = {one.get("id"): one for one in found}
    if len(pairs) != len(found) or {key for key, _ in pairs} != set(others):
        yield f"{place}: {name}"
        return
    for key, one in pairs:
        yield from _differing(f"{place}, {_WORDS[name]} {key}", one, others[key])


def _alike(name: str, wanted: Any, found: Any) -> bool:
    if name == "num":
        return _ten_digits(wanted) == _ten_digits(found)
    if name == "times":
        return _spans(wanted) == _spans(found)
    return bool(wanted == found) or (name == "id" and not wanted)


def _ten_digits(number: Any) -> str:
    return re.sub(r"\D", "", str(number))[-10:]


def _spans(times: Any) -> list[tuple[Any, ...]]:
    return sorted((time.get("time_start"), time.get("time_end")) for time in times or [])
