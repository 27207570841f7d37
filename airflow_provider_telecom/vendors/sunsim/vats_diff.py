"""What has been edited in settings of the virtual PBX, and whether the vendor's state is what was sent.

The vendor writes some things in its own way: a redirect number in another form, the id of a new one, the
text that stands for a code. Those are no differences; neither are fields that only the vendor's side has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_telecom.calls.privacy import mask_number
from airflow_provider_telecom.vendors.sunsim.vats_schedule import DAYS, Settings, iter_objects
from airflow_provider_telecom.vendors.sunsim.vats_settings import number_of

MAX_NAMED_DIFFERENCES = 10
_TEXTS_OF_CODES = frozenset({"dialModeTerm", "vatsModeTerm"})
_FRAMES = frozenset({"scheduleJson", "schedule", "days"})
_WORDS = {"profiles": "profile", "scheduleBlocks": "block", "redirectNums": "redirect"}


def differences(wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where settings differ, as `number 90000***00, profile 11, block 111, day 6: times`."""
    return [
        where for entry, other in _paired(wanted, found) for where in _differing(_number(entry), entry, other)
    ]


def missing_fields(wanted: Sequence[Mapping[str, Any]], read: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return where settings lack a field that the vendor shows, in the words of `differences`."""
    asked = {number_of(entry) for entry in wanted}
    edits = set(differences(wanted, read))
    shown = [entry for entry in read if number_of(entry) in asked]
    return [where for where in differences(shown, wanted) if where not in edits]


def told(places: Sequence[str]) -> str:
    """Return the first places for an error, and how many more there are."""
    more = f" and {len(places) - MAX_NAMED_DIFFERENCES} more" if len(places) > MAX_NAMED_DIFFERENCES else ""
    return "; ".join(places[:MAX_NAMED_DIFFERENCES]) + more


def restore_unedited(wanted: Sequence[Settings], read: Sequence[Mapping[str, Any]]) -> list[Settings]:
    """Return settings in which each profile that was not edited is as it was read, to the letter.

    The profiles of lists of VIP contacts may not be edited, and nothing in the settings tells them.
    """
    return [_merged(entry, other) for entry, other in _paired(deepcopy(list(wanted)), read)]


def _merged(entry: Mapping[str, Any], read: Mapping[str, Any]) -> Settings:
    known = {str(profile.get("id")): profile for profile in iter_objects(read.get("profiles"))}

    def merged(profile: Any) -> Any:
        before = known.get(str(profile.get("id")), {}) if isinstance(profile, dict) else {}
        return profile if not before or list(_differing("", profile, before)) else deepcopy(before)

    profiles = entry["profiles"]
    return {**entry, "profiles": [*map(merged, profiles)] if isinstance(profiles, list) else profiles}


def _paired(
    wanted: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> Iterator[tuple[Mapping[str, Any], Mapping[str, Any]]]:
    there = {number_of(entry): entry for entry in found}
    for entry in wanted:
        yield entry, there.get(number_of(entry), {})


def _number(entry: Mapping[str, Any]) -> str:
    return f"number {mask_number(number_of(entry))}"


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
    by_place = name == "redirectNums"  # their order is that of dialling
    pairs, others = _keyed(wanted, by_place), dict(_keyed(found, by_place))
    if len(pairs) != len(found) or {key for key, _ in pairs} != set(others):
        yield f"{place}: {name}"
        return
    for key, one in pairs:
        where = f"{place}, {_WORDS[name]} {key}"
        if isinstance(one, dict) and isinstance(others[key], dict):
            yield from _differing(where, one, others[key])
        elif one != others[key]:
            yield where


def _keyed(things: list[Any], by_place: bool) -> list[tuple[str, Any]]:
    """Return each thing with its place, from 1, or with its id."""
    if by_place:
        return [(str(place), one) for place, one in enumerate(things, 1)]
    return [(str(one.get("id")) if isinstance(one, dict) else "", one) for one in things]


def _alike(name: str, wanted: Any, found: Any) -> bool:
    if name == "num":
        return _ten_digits(wanted) == _ten_digits(found)
    if name == "times" and isinstance(wanted, list) and isinstance(found, list):
        return _in_order(wanted) == _in_order(found)
    return bool(wanted == found) or (name == "id" and not wanted)


def _ten_digits(number: Any) -> str:
    return re.sub(r"\D", "", str(number))[-10:]


def _in_order(times: list[Any]) -> list[str]:
    return sorted(json.dumps(time, sort_keys=True) for time in times)
