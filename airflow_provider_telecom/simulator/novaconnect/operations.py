"""What a queued operation does to one SIM, once its turn has come.

Each returns the facts for the ledger, or None when the SIM is already so; `UnfitError` is the SIM's own
failure, which leaves the rest of the queue alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.records import Action, Limit, Sim, Tariff

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.books import Books

CHANGE_LOCK_SECONDS = 30 * 86400

Facts = dict[str, Any]
Operation = Callable[["Books", Sim, dict[str, Any]], "Facts | None"]


class UnfitError(Exception):
    """The operation is not for this SIM: wrong profile, or a block that is not ours to lift."""


def _demand(profile: str, sim: Sim) -> None:
    if sim.profile != profile:
        raise UnfitError(sim.profile)


def block(books: Books, sim: Sim, params: Facts) -> Facts | None:
    """Put the voluntary block on a SIM that has none."""
    if sim.block == "u":
        return None
    over_package = sim.block == "p" and books.switches.on("block_over_package")
    if sim.block != "n" and not over_package:
        raise UnfitError(sim.block)
    sim.block = "u"
    return {}


def unblock(books: Books, sim: Sim, params: Facts) -> Facts | None:
    """Lift the voluntary block, and no other."""
    if sim.block == "n":
        return None
    if sim.block != "u":
        raise UnfitError(sim.block)
    sim.block = "n"
    return {}


def disconnect(books: Books, sim: Sim, params: Facts) -> Facts:
    """Drop the SIM from the network."""
    return {}


def ping(books: Books, sim: Sim, params: Facts) -> Facts:
    """Send an SMS with the text PING to a TD SIM."""
    return sms(books, sim, {"text": "PING"})


def sms(books: Books, sim: Sim, params: Facts) -> Facts:
    """Send an SMS to a TD SIM; the report shows it from the next day."""
    _demand("TD", sim)
    books.actions.append(Action(next(books.ids), sim.id, books.now(), "in_sms", sim.number, 0.0))
    return {"text": params["text"]}


def limit(books: Books, sim: Sim, params: Facts) -> Facts:
    """Set or lift the monthly limit of a TC SIM, in megabytes."""
    _demand("TC", sim)
    value = params["value"] if params["type"] == "month1" else None
    used = sim.limit.used if value is not None else None
    now = books.now()
    sim.limit = Limit(params["type"], value, used, now, now)
    return {"type": params["type"], "limit_mb": params["value"]}


def tariff(books: Books, sim: Sim, params: Facts) -> Facts:
    """Change a TD SIM's package (in kilobytes), and lock its tariff against the next change."""
    _demand("TD", sim)
    now, auto, world = books.now(), params["auto_package"], params.get("all_world", False)
    if (sim.tariff.change_lock or 0) > now:
        raise UnfitError("change_lock")
    number, name = (2, "TD_Mega") if world else (1, "TD")
    sim.tariff = Tariff(number, name, now + CHANGE_LOCK_SECONDS, auto)
    sim.limit = Limit("p_unlim" if auto else "p_lim", params["value"] // 1024, 0, now, now)
    return {"package_kb": params["value"], "auto_package": auto, "all_world": world}


def repackage(books: Books, sim: Sim, params: Facts) -> Facts:
    """Buy a TD SIM's package anew; this lifts the block of a package that ran out."""
    _demand("TD", sim)
    now = books.now()
    sim.limit.used, sim.limit.updated, sim.limit.created = 0, now, now
    if sim.block == "p":
        sim.block = "n"
    return {"package_mb": sim.limit.value}


def rename(books: Books, sim: Sim, params: Facts) -> Facts:
    """Give the SIM another name."""
    sim.name = params["name"]
    return {"name": sim.name}


def group(books: Books, sim: Sim, params: Facts) -> Facts:
    """Make these the SIM's groups, or add them to those it has."""
    kept = sim.groups if books.switches.on("groups_added") else []
    sim.groups = [one for one in dict.fromkeys([*kept, *params["groups"]]) if one in books.groups]
    return {"groups": list(sim.groups)}


OPERATIONS: dict[str, Operation] = {
    "block": block,
    "unblock": unblock,
    "disconnect": disconnect,
    "ping": ping,
    "sms": sms,
    "limit": limit,
    "tariff": tariff,
    "repackage": repackage,
    "group": group,
    "rename": rename,
}
