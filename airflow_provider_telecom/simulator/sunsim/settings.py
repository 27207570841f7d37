"""The settings of the virtual PBX, which are read and written as a whole."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import TYPE_CHECKING

from airflow_provider_telecom.simulator.fields import (
    Field,
    between,
    is_filled_list,
    is_list,
    is_object,
    is_text,
    one_of,
)
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.sunsim import fields
from airflow_provider_telecom.simulator.sunsim.calls import check_owned
from airflow_provider_telecom.simulator.sunsim.responses import (
    BAD_SCHEDULE,
    BAD_VALUE,
    MISSING_FIELD,
    NOT_EDITABLE,
    UNKNOWN_FIELD,
    RefusedError,
)
from airflow_provider_telecom.simulator.sunsim.seed import DAY_SECONDS, DIAL_MODES

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.sunsim.state import VendorState


WEEKDAYS = tuple(str(day) for day in range(1, 8))
_FIXED = ("contractNum", "vatsModeCode")
_NEW_REDIRECT = _NO_MODE = 0
_SECONDS = between(0, DAY_SECONDS)
_ID = between(0, 10**9)

_TIMES = {"time_start": Field(_SECONDS), "time_end": Field(_SECONDS)}
_DAYS = {day: Field(is_object, inner={"times": Field(is_list, items=_TIMES)}) for day in WEEKDAYS}
_SCHEDULE = {"schedule": Field(is_object, inner={"days": Field(is_object, inner=_DAYS)})}
_REDIRECT = {
    "id": Field(_ID),
    "num": Field(lambda value: True),  # _check_redirects checks it
    "name": Field(is_text),
    "isActive": Field(fields.is_flag),
    "isMlp": Field(fields.is_flag),
    "dialTime": Field(between(0, 90)),
}
_BLOCK = {
    "scheduleJson": Field(is_object, inner=_SCHEDULE),
    "redirectNums": Field(is_list, items=_REDIRECT),
    "id": Field(_ID),
    "typTerm": Field(is_text),
    "isActive": Field(fields.is_flag),
    "nameTerm": Field(is_text),
    "dialModeCode": Field(one_of(_NO_MODE, *DIAL_MODES)),
    "dialModeTerm": Field(is_text),
}
_PROFILE = {
    "scheduleBlocks": Field(is_filled_list, items=_BLOCK),
    "id": Field(_ID),
    "isUseCalendar": Field(fields.is_flag),
    "workdayDefDay": Field(between(0, 7)),
}
_NUMBER = {
    "profiles": Field(is_filled_list, items=_PROFILE),
    "contractNum": Field(is_text),
    "num": Field(fields.is_number_in_settings),
    "vatsModeCode": Field(_ID),
    "vatsModeTerm": Field(is_text),
}
GET = {"nums": Field(fields.is_numbers)}
SET = {key: Field(is_filled_list, required=False, items=_NUMBER) for key in ("vatsSettings", "vatssettings")}


def get_settings(state: VendorState, body: JsonObject) -> JsonObject:
    """Return the settings of the numbers."""
    check_owned(state, body["nums"])
    numbers = dict.fromkeys(body["nums"])
    return {state.switches["settings_key"]: [_shown(state, number) for number in numbers]}


def _shown(state: VendorState, number: str) -> JsonObject:
    settings = state.settings[number]
    if number in state.replaced:
        old, progression = state.replaced[number]
        settings = settings if progression.poll() == "new" else old
    return {**settings, "num": f"8{settings['num']}"} if state.switches.on("long_numbers") else settings


def set_settings(state: VendorState, body: JsonObject) -> JsonObject:
    """Store edited settings, all or none. The last writer wins."""
    key = state.switches["settings_key"]
    if list(body) != [key]:
        raise RefusedError(UNKNOWN_FIELD if body else MISSING_FIELD, f"the settings must be in {key}")
    edited: list[JsonObject] = [{**one, "num": one["num"][-10:]} for one in body[key]]
    numbers = [one["num"] for one in edited]
    check_owned(state, numbers)
    if len(set(numbers)) < len(numbers):
        raise RefusedError(BAD_VALUE, "a number comes twice")
    for one in edited:
        _check_number(state, state.settings[one["num"]], one)
    for one in edited:
        state.replaced[one["num"]] = (
            state.settings[one["num"]],
            state.simulator.start_progression("sunsim.settings", ["old", "new"]),
        )
        _keep(state, state.settings[one["num"]], one)
    state.simulator.record("sunsim", "settings", nums=numbers)
    return {}


def _check_number(state: VendorState, old: JsonObject, new: JsonObject) -> None:
    for name in _FIXED:
        if new[name] != old[name]:
            raise RefusedError(NOT_EDITABLE, f"{name} cannot be edited")
    for profile, before in _paired(old["profiles"], new["profiles"], "profile"):
        if before["id"] in state.vip_profiles:
            if profile != before:
                raise RefusedError(NOT_EDITABLE, "the profile of a list of VIP contacts cannot be edited")
        else:
            _check_profile(before, profile, state.switches.on("last_seconds"))


def _paired(
    old: Sequence[JsonObject], new: Sequence[JsonObject], what: str
) -> list[tuple[JsonObject, JsonObject]]:
    """Return each new item with the old one of the same id. All old items must be present, and no others."""
    known = {one["id"]: one for one in old}
    if sorted(one["id"] for one in new) != sorted(known):
        raise RefusedError(NOT_EDITABLE, f"a {what} cannot be added, removed or renumbered")
    return [(one, known[one["id"]]) for one in new]


def _check_profile(old: JsonObject, new: JsonObject, last_seconds: bool) -> None:
    if new["isUseCalendar"]:
        if new["workdayDefDay"] == 0:
            raise RefusedError(BAD_VALUE, "workdayDefDay is a weekday, 1 to 7")
    elif new["workdayDefDay"] not in (0, old["workdayDefDay"]):
        raise RefusedError(NOT_EDITABLE, "workdayDefDay takes isUseCalendar")
    for block, before in _paired(old["scheduleBlocks"], new["scheduleBlocks"], "block"):
        _check_redirects(before, block)
        if block["dialModeCode"] not in (before["dialModeCode"], *DIAL_MODES):
            raise RefusedError(BAD_VALUE, "dialModeCode")
    for day in WEEKDAYS:
        spans = _spans(day, new)
        if spans != _spans(day, old):
            _check_day(day, spans, last_seconds)


def _check_redirects(old: JsonObject, new: JsonObject) -> None:
    known = {redirect["id"] for redirect in old["redirectNums"]}
    ids = [redirect["id"] for redirect in new["redirectNums"] if redirect["id"] != _NEW_REDIRECT]
    if not known.issuperset(ids) or len(set(ids)) < len(ids):
        raise RefusedError(NOT_EDITABLE, "redirectNums.id is not one of this block's; a new number has 0")
    shown = [(redirect["id"], redirect["num"]) for redirect in old["redirectNums"]]
    for redirect in new["redirectNums"]:
        if (redirect["id"], redirect["num"]) not in shown and not fields.is_redirect_number(redirect["num"]):
            raise RefusedError(BAD_VALUE, "wrong value of redirectNums.num")


def _spans(day: str, profile: JsonObject) -> list[tuple[int, int]]:
    schedules = [block["scheduleJson"]["schedule"] for block in profile["scheduleBlocks"]]
    times = [time for schedule in schedules for time in schedule["days"][day]["times"]]
    return sorted((time["time_start"], time["time_end"]) for time in times)


def _check_day(day: str, spans: list[tuple[int, int]], last_seconds: bool) -> None:
    shorter = 1 if last_seconds else 0
    if any(start >= end for start, end in spans):
        raise RefusedError(BAD_SCHEDULE, f"day {day}: a time ends before it starts")
    edges = [(0, -shorter), *spans, (DAY_SECONDS, DAY_SECONDS)]
    if any(before[1] + shorter != after[0] for before, after in pairwise(edges)):
        raise RefusedError(BAD_SCHEDULE, f"day {day}: times overlap or leave a gap")


def _keep(state: VendorState, old: JsonObject, new: JsonObject) -> None:
    """Store the new settings. The texts that describe a code stay the vendor's."""
    terms = {block["id"]: block["typTerm"] for one in old["profiles"] for block in one["scheduleBlocks"]}
    for profile in new["profiles"]:
        for block in profile["scheduleBlocks"]:
            block["typTerm"] = terms[block["id"]]
            block["dialModeTerm"] = DIAL_MODES.get(block["dialModeCode"], block["dialModeTerm"])
            for redirect in block["redirectNums"]:
                _keep_redirect(state, redirect)
    state.settings[new["num"]] = new | {"vatsModeTerm": old["vatsModeTerm"]}


def _keep_redirect(state: VendorState, redirect: JsonObject) -> None:
    redirect["id"] = redirect["id"] or 1 + state.simulator.random.getrandbits(29)
    if state.switches.on("plain_redirects") and fields.is_redirect_number(redirect["num"]):
        redirect["num"] = int(str(redirect["num"])[-10:])
