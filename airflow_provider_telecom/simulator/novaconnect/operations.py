"""What a queued operation does to one SIM.

Each returns the facts for the ledger, or None when the SIM is already so; `NotApplicableError` is the SIM's
own
failure, which leaves the rest of the queue alone.
"""

from __future__ import annotations

from collections.abc import Callable

from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.models import Action, JsonObject, Limit, Sim, Tariff

CHANGE_LOCK_SECONDS = 30 * 86400

Operation = Callable[[VendorData, Sim, JsonObject], JsonObject | None]


class NotApplicableError(Exception):
    """The operation is not for this SIM: wrong profile, or a block that is not ours to lift."""


def _require_profile(profile: str, sim: Sim) -> None:
    if sim.profile != profile:
        raise NotApplicableError(sim.profile)


def block(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject | None:
    """Put the voluntary block on a SIM that has none."""
    if sim.block == "u":
        return None
    over_package = sim.block == "p" and data.switches.on("block_over_package")
    if sim.block != "n" and not over_package:
        raise NotApplicableError(sim.block)
    sim.block = "u"
    return {}


def unblock(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject | None:
    """Lift the voluntary block, and no other."""
    if sim.block == "n":
        return None
    if sim.block != "u":
        raise NotApplicableError(sim.block)
    sim.block = "n"
    return {}


def disconnect(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Drop the SIM from the network."""
    return {}


def ping(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Send an SMS with the text PING to a TD SIM."""
    return sms(data, sim, {"text": "PING"})


def sms(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Send an SMS to a TD SIM; the report shows it from the next day."""
    _require_profile("TD", sim)
    data.actions.append(Action(next(data.ids), sim.id, data.now(), "in_sms", sim.number, 0.0))
    return {"text": params["text"]}


def limit(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Set or lift the monthly limit of a TC SIM, in megabytes."""
    _require_profile("TC", sim)
    value = params["value"] if params["type"] == "month1" else None
    used = sim.limit.used if value is not None else None
    now = data.now()
    sim.limit = Limit(params["type"], value, used, now, now)
    return {"type": params["type"], "limit_mb": params["value"]}


def tariff(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Change a TD SIM's package (in kilobytes), and lock its tariff against the next change."""
    _require_profile("TD", sim)
    now, auto, world = data.now(), params["auto_package"], params.get("all_world", False)
    if (sim.tariff.change_lock or 0) > now:
        raise NotApplicableError("change_lock")
    number, name = (2, "TD_Mega") if world else (1, "TD")
    sim.tariff = Tariff(number, name, now + CHANGE_LOCK_SECONDS, auto)
    sim.limit = Limit("p_unlim" if auto else "p_lim", params["value"] // 1024, 0, now, now)
    return {"package_kb": params["value"], "auto_package": auto, "all_world": world}


def repackage(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Buy a TD SIM's package again; this lifts the block of a package that ran out."""
    _require_profile("TD", sim)
    now = data.now()
    sim.limit.used, sim.limit.updated, sim.limit.created = 0, now, now
    if sim.block == "p":
        sim.block = "n"
    return {"package_mb": sim.limit.value}


def rename(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Give the SIM another name."""
    sim.name = params["name"]
    return {"name": sim.name}


def group(data: VendorData, sim: Sim, params: JsonObject) -> JsonObject:
    """Make these the SIM's groups, or add them to those it has."""
    kept = sim.groups if data.switches.on("groups_added") else []
    sim.groups = [one for one in dict.fromkeys([*kept, *params["groups"]]) if one in data.groups]
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
