"""Differences between settings of the virtual PBX: what was edited, and whether the vendor has what was sent.

The vendor changes the form of some values: a redirect number, the id of a new redirect, the text that
describes a code. These are no differences, nor are fields that only the vendor's side has.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Sequence
from copy import deepcopy

from airflow_provider_telecom.vendors.sunsim.vats_rules import DAYS, Settings, iter_objects
from airflow_provider_telecom.vendors.sunsim.vats_settings import Entry, SettingsList, label, number_of

MAX_NAMED_DIFFERENCES = 10
_DESCRIPTIONS = frozenset({"dialModeTerm", "vatsModeTerm"})
_UNNAMED = frozenset({"scheduleJson", "schedule", "days"})
_LIST_ITEMS = {"profiles": "profile", "scheduleBlocks": "block", "redirectNums": "redirect"}


def differences(wanted: SettingsList, found: SettingsList) -> list[str]:
    """Return where settings differ, as `number 90000***00, profile 11, block 111, day 6: times`."""
    return [where for one, other in _pairs(wanted, found) for where in _differences(label(one), one, other)]


def missing_fields(wanted: SettingsList, read: SettingsList) -> list[str]:
    """Return where settings lack a field that the vendor has, in the form of `differences`."""
    numbers = {number_of(entry) for entry in wanted}
    edits = set(differences(wanted, read))
    shown = [entry for entry in read if number_of(entry) in numbers]
    return [where for where in differences(shown, wanted) if where not in edits]


def summarize(places: Sequence[str]) -> str:
    """Return the first places for an error message, and how many more there are."""
    more = len(places) - MAX_NAMED_DIFFERENCES
    return "; ".join(places[:MAX_NAMED_DIFFERENCES]) + (f" and {more} more" if more > 0 else "")


def restore_unedited(wanted: Sequence[Settings], read: SettingsList) -> list[Settings]:
    """Return settings in which each profile without an edit is exactly as it was read.

    Profiles of VIP contact lists must not be edited, and nothing in the settings marks them.
    """
    return [_restored(entry, other) for entry, other in _pairs(deepcopy(list(wanted)), read)]


def _restored(entry: Entry, read: Entry) -> Settings:
    known = {str(profile.get("id")): profile for profile in iter_objects(read.get("profiles"))}

    def restored(profile: object) -> object:
        if not isinstance(profile, dict) or not (before := known.get(str(profile.get("id")))):
            return profile
        return profile if any(_differences("", profile, before)) else deepcopy(before)

    profiles = entry["profiles"]
    return {**entry, "profiles": [*map(restored, profiles)] if isinstance(profiles, list) else profiles}


def _pairs(wanted: SettingsList, found: SettingsList) -> Iterator[tuple[Entry, Entry]]:
    by_number = {number_of(entry): entry for entry in found}
    for entry in wanted:
        yield entry, by_number.get(number_of(entry), {})


def _differences(place: str, wanted: Entry, found: Entry) -> Iterator[str]:
    for name, value in wanted.items():
        other = found.get(name)
        if name in _LIST_ITEMS and isinstance(value, list):
            yield from _list_differences(place, name, value, other if isinstance(other, list) else [])
        elif isinstance(value, dict) and isinstance(other, dict):
            suffix = f", day {name}" if name in DAYS else "" if name in _UNNAMED else f", {name}"
            yield from _differences(place + suffix, value, other)
        elif name not in _DESCRIPTIONS and not _is_equal(name, value, other):
            yield f"{place}: {name}"


def _list_differences(place: str, name: str, wanted: list[object], found: list[object]) -> Iterator[str]:
    items, others = _keyed(name, wanted), dict(_keyed(name, found))
    if len(items) != len(found) or {key for key, _ in items} != set(others):
        yield f"{place}: {name}"
        return
    for key, item in items:
        where, other = f"{place}, {_LIST_ITEMS[name]} {key}", others[key]
        if isinstance(item, dict) and isinstance(other, dict):
            yield from _differences(where, item, other)
        elif item != other:
            yield where


def _keyed(name: str, items: list[object]) -> list[tuple[str, object]]:
    """Return each item with its id; redirects with their position from 1, which is the order of dialling."""
    if name == "redirectNums":
        return [(str(position), item) for position, item in enumerate(items, 1)]
    return [(str(item.get("id")) if isinstance(item, dict) else "", item) for item in items]


def _is_equal(name: str, wanted: object, found: object) -> bool:
    if name == "num":
        return _last_ten_digits(wanted) == _last_ten_digits(found)
    if name == "times" and isinstance(wanted, list) and isinstance(found, list):
        return _sorted(wanted) == _sorted(found)
    return wanted == found or (name == "id" and not wanted)


def _last_ten_digits(number: object) -> str:
    return re.sub(r"\D", "", str(number))[-10:]


def _sorted(times: list[object]) -> list[str]:
    return sorted(json.dumps(time, sort_keys=True) for time in times)
