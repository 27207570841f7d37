"""What an operation is to bring SIMs to, when that is reached, and what stands in its way.

Only five operations show in a SIM (`OBSERVABLE`); of the others nothing but the vendor's call-back tells. A
target is plain JSON, named as the arguments of the hook's calls are.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from inspect import signature
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.novaconnect import arguments

if TYPE_CHECKING:
    from airflow_provider_telecom.vendors.novaconnect.models import Sim

Target = Mapping[str, Any]

OBSERVABLE = ("block", "unblock", "limit", "tariff", "group")
OPERATIONS = (*OBSERVABLE, "disconnect", "reconnect", "ping", "sms", "repackage")
PROFILES = {"limit": "TC", "tariff": "TD", "repackage": "TD", "sms": "TD", "ping": "TD"}
"""The one profile that an operation is for."""

_MEGABYTE_KB = 1024
_WORLD_TARIFF = "TD_Mega"
_BLOCKS = {
    "m": "blocked for MSU (m), for good",
    "p": "blocked as its package ran out (p); buying it anew lifts that",
    "f": "blocked for unpaid bills (f)",
    "g": "blocked by the operator (g)",
}
_HARMLESS = {"block": "nu", "unblock": "nu", "repackage": "nup"}
"""The blocks of a SIM in spite of which an operation makes sense, where some do not."""


def check_observable(operation: str) -> str:
    """Return an operation whose end shows in the SIMs. Raises TelecomInputError."""
    if operation not in OBSERVABLE:
        raise TelecomInputError(
            "operation",
            f"the end of {operation} shows in no SIM, and no call asks for a queue: only the vendor's "
            "call-back tells, which takes a receiver and its callback_key. "
            f"Without it one can wait for {', '.join(OBSERVABLE)}",
        )
    return operation


def rendered(value: Any) -> Any:
    """Return a whole number that a template has made a text of as a number again."""
    return int(value) if isinstance(value, str) and value.strip().isdecimal() else value


def ids(field: str, values: Any) -> list[int]:
    """Return ids, perhaps none, given as a list or as its text, which is what a template makes of it."""
    return arguments.id_list(field, [rendered(value) for value in _list_page(field, values)])


def non_empty_ids(field: str, values: Any) -> list[int]:
    """Return at least one id."""
    return arguments.ids(field, ids(field, values))


def _list_page(field: str, values: Any) -> Any:
    if isinstance(values, str):
        try:
            values = json.loads(values)
        except ValueError:
            raise TelecomInputError(field, "must be a list") from None
    if isinstance(values, (str, bytes, Mapping)) or not hasattr(values, "__iter__"):
        raise TelecomInputError(field, "must be a list")
    return values


def limit(limit_mb: int | str | None = None, limit_type: str = "month1") -> dict[str, Any]:
    """Return the target of sim/limit: `limit_mb` megabytes a month, or none at all (`off`)."""
    one_of("limit_type", limit_type, ("off", "month1"))
    if limit_mb is None and limit_type != "off":
        raise TelecomInputError("limit_mb", "must be given unless limit_type is off")
    megabytes = 0 if limit_mb is None else rendered(limit_mb)
    return {"limit_mb": arguments.limit_mb(megabytes), "limit_type": limit_type}


def tariff(package_kb: int | str, auto_package: bool, all_world: bool | None = None) -> dict[str, Any]:
    """Return the target of sim/tariff. Without `all_world` it says nothing of roaming."""
    return {
        "package_kb": arguments.package_kb(rendered(package_kb)),
        "auto_package": arguments.boolean("auto_package", auto_package),
        "all_world": None if all_world is None else arguments.boolean("all_world", all_world),
    }


def group(group_ids: Any = (), new_group_names: Any = (), exact: bool = False) -> dict[str, Any]:
    """Return the target of sim/group: these groups, and if it is `exact`, no others."""
    existing = ids("group_ids", group_ids or ())
    new = arguments.names("new_group_names", _list_page("new_group_names", new_group_names or ()))
    if not existing and not new:
        raise TelecomInputError("group_ids", "must be given, or new_group_names, or both")
    return {"group_ids": existing, "new_group_names": new, "exact": arguments.boolean("exact", exact)}


def rename(name: str) -> dict[str, Any]:
    """Return the target of sim/edit."""
    return {"name": non_blank("name", name)}


def repackage(only_used_up: bool = False) -> dict[str, Any]:
    """Return the target of sim/repackage: with `only_used_up` whatever is left of a package is used first."""
    return {"only_used_up": arguments.boolean("only_used_up", only_used_up)}


def nothing() -> dict[str, Any]:
    """Return the target of an operation that takes no arguments."""
    return {}


_TARGETS: Mapping[str, Callable[..., dict[str, Any]]] = {"limit": limit, "tariff": tariff, "group": group}


def checked(operation: str, target: Target | None) -> dict[str, Any]:
    """Return the target of an operation whose end shows in the SIMs, whole. Raises TelecomInputError."""
    make: Callable[..., dict[str, Any]] = _TARGETS.get(check_observable(operation), nothing)
    given = dict(target or {})
    try:
        signature(make).bind(**given)
    except TypeError as error:
        raise TelecomInputError("target", f"for {operation}: {error}") from None
    return make(**given)


# How a SIM stands


def reached(operation: str, target: Target, sim: Sim) -> bool:
    """Whether there is nothing left to do for a SIM."""
    if operation not in _IS_REACHED or sim.profile != PROFILES.get(operation, sim.profile):
        return False
    return _IS_REACHED[operation](sim, target)


def obstacle(operation: str, sim: Sim, now: float | None = None) -> str | None:
    """Return why an operation cannot be done to a SIM that it has not reached, or None.

    With `now` (Unix seconds) a locked tariff counts, which keeps a change from being begun.
    """
    if sim.profile != (wanted := PROFILES.get(operation, sim.profile)):
        return f"profile {sim.profile}: {operation} is for {wanted} only"
    if operation == "tariff" and now is not None:
        return _lock(sim, now)
    if sim.block in _HARMLESS.get(operation, sim.block):
        return None
    return _BLOCKS.get(sim.block, f"blocked in a way that is not known ({sim.block})")


def _lock(sim: Sim, now: float) -> str | None:
    change_lock = sim.tariff.change_lock if sim.tariff else None
    if not change_lock:
        return None
    until = sim.tariff.locked_until if sim.tariff else None
    if until is None:
        return "its tariff is locked; the vendor names no date"
    return f"its tariff is locked until {until.isoformat()}" if until.timestamp() > now else None


def state(operation: str, sim: Sim) -> Any:
    """Return, as JSON, what a set-state operation changes of a SIM; equal until somebody changes it."""
    if operation == "limit":
        return [sim.limit.type, sim.limit.value] if sim.limit else None
    if operation == "group":
        return sorted(one.id for one in sim.groups or ())
    return sim.name if operation == "rename" else sim.block


def _limit_is(sim: Sim, target: Target) -> bool:
    if sim.limit is None or sim.limit.type != target["limit_type"]:
        return False
    return sim.limit.type == "off" or sim.limit.value == target["limit_mb"]


def _tariff_is(sim: Sim, target: Target) -> bool:
    if sim.limit is None or sim.limit.value is None or sim.tariff is None:
        return False
    auto = sim.tariff.package_auto
    renews = sim.limit.type == "p_unlim" if auto is None else auto
    world, wanted = sim.tariff.name == _WORLD_TARIFF, target["all_world"]
    size = sim.limit.value * _MEGABYTE_KB
    return (size, renews) == (target["package_kb"], target["auto_package"]) and wanted in (None, world)


def _groups_are(sim: Sim, target: Target) -> bool:
    return _has_groups(sim, target) and not (target["exact"] and other_groups(sim, target))


def _has_groups(sim: Sim, target: Target) -> bool:
    groups = sim.groups or ()
    ids, names = {one.id for one in groups}, {one.name.strip() for one in groups}
    return set(target["group_ids"]) <= ids and _names_in(target) <= names


def _names_in(target: Target) -> set[str]:
    """Return the groups that a target names. The vendor may take blanks off the ends of a name."""
    return {name.strip() for name in target["new_group_names"]}


def other_groups(sim: Sim, target: Target) -> tuple[int, ...]:
    """Return the ids of the groups that a SIM is in besides those of a target of sim/group."""
    ids, names = set(target["group_ids"]), _names_in(target)
    others = [one.id for one in sim.groups or () if one.id not in ids and one.name.strip() not in names]
    return tuple(sorted(others))


def only_added(operation: str, target: Target, sim: Sim) -> str | None:
    """Return what keeps a SIM from its groups when it has all of them, and others that it should not have.

    None when that is not so. The vendor has then added groups and replaced none, or the SIM was in all of
    them before and its turn has not come: the two look the same.
    """
    if operation != "group" or not _has_groups(sim, target) or _groups_are(sim, target):
        return None
    return (
        f"it is in {len(other_groups(sim, target))} other groups as well: the vendor adds groups and "
        "replaces none, so exact=True cannot be reached; use exact=False, or take the SIM out of them by hand"
    )


def _has_traffic_left(sim: Sim, target: Target) -> bool:
    if not target["only_used_up"] or sim.block == "p" or sim.limit is None or sim.limit.value is None:
        return False
    return (sim.limit.used or 0) < sim.limit.value


_IS_REACHED: Mapping[str, Callable[[Sim, Target], bool]] = {
    "block": lambda sim, _: sim.block == "u",
    "unblock": lambda sim, _: sim.block == "n",
    "limit": _limit_is,
    "tariff": _tariff_is,
    "group": _groups_are,
    "rename": lambda sim, target: (sim.name or "").strip() == target["name"].strip(),
    "repackage": _has_traffic_left,
}
