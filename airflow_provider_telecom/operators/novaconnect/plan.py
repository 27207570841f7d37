"""Which SIMs a task of NovaConnect is about, and what is left to do: read before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import Facts
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.vendors.novaconnect import desired_state
from airflow_provider_telecom.vendors.novaconnect.arguments import boolean

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
    from airflow_provider_telecom.vendors.novaconnect.models import Sim

SELECTABLE = ("profile", "group", "query", "blocked", "msu_block")
_NAMED_IDS = 20
_UNKNOWN = "no such SIM"
_GONE = "it is not in the list of SIMs any more"
_MOVED = "somebody else has changed it since the first try"


def check_select(select: Any) -> Mapping[str, Any]:
    """Return a choice of SIMs. Raises TelecomInputError."""
    if not isinstance(select, Mapping) or not select:
        raise TelecomInputError("select", f"must name at least one of {', '.join(SELECTABLE)}")
    for name, value in select.items():
        one_of("select", name, SELECTABLE)
        if name == "profile":
            one_of("select.profile", value, ("TD", "TC"))
        elif name == "query":
            non_blank("select.query", value)
        elif name == "group":
            non_blank("select.group", str(value) if type(value) is int else value)
        else:
            boolean(f"select.{name}", value)
    return select


def select_sims(hook: NovaConnectHook, select: Mapping[str, Any]) -> list[Sim]:
    """Return the SIMs of a choice. Raises TelecomInputError when there is no such group."""
    wanted = dict(check_select(select))
    group = wanted.pop("group", None)
    group_id = None if group is None else _group_id(hook, group)
    return [
        sim
        for sim in hook.all_sims(**wanted)
        if _fits(sim, wanted) and (group_id is None or any(one.id == group_id for one in sim.groups or ()))
    ]


def _fits(sim: Sim, wanted: Mapping[str, Any]) -> bool:
    """Whether a SIM passes the filters: no other may be changed, even if the vendor ignores a filter."""
    facts = {"profile": sim.profile, "blocked": sim.block != "n", "msu_block": sim.block == "m"}
    return all(facts[name] == value for name, value in wanted.items() if name in facts)


def _group_id(hook: NovaConnectHook, group: int | str) -> int:
    """Return the id of a group, given by it or by name; what a template has made of an id is one too."""
    groups = hook.all_groups()
    for one in groups:
        if one.name == group:
            return one.id
    if (number := desired_state.rendered(group)) in {one.id for one in groups}:
        return int(number)
    raise TelecomInputError("select.group", "there is no such group")


def find_sims(hook: NovaConnectHook, sim_ids: Sequence[int]) -> tuple[list[Sim], list[int]]:
    """Return the SIMs with these ids, and the ids that no SIM has."""
    found = {sim.id: sim for sim in hook.all_sims()}
    return [found[one] for one in sim_ids if one in found], [one for one in sim_ids if one not in found]


@dataclass
class Plan:
    """What is left to do. All of it is JSON, and goes into the journal before anything is sent.

    `before` holds the SIMs that are to be changed, with a hash of the state that they are in; `changed`
    those that an earlier try has changed.
    """

    before: dict[str, str] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    skipped: list[dict[str, Any]] = field(default_factory=list)

    @property
    def sim_ids(self) -> list[int]:
        """The SIMs to send the operation for."""
        return sorted(map(int, self.before))

    @property
    def intent(self) -> dict[str, Any]:
        """What the journal keeps until it is done."""
        return {"before": self.before, "unchanged": self.unchanged, "skipped": self.skipped}

    def outcome(self, queue_id: str | None, callback_key: str | None = None) -> dict[str, Any]:
        """Return what has become of each SIM: the task's XCom."""
        return {
            "queue_id": queue_id,
            "callback_key": callback_key,
            "changed": sorted([*self.changed, *self.sim_ids]),
            "unchanged": sorted(self.unchanged),
            "skipped": self.skipped,
        }

    def skip(self, sim_id: int, reason: str) -> None:
        """Leave a SIM out, and say why."""
        self.skipped.append({"sim_id": sim_id, "reason": reason})

    def check_covers(self, intent: Facts) -> None:
        """Raise TelecomInputError if SIMs of an earlier try's plan are not in this one: they are in doubt."""
        here = {*self.sim_ids, *self.changed, *self.unchanged, *(one["sim_id"] for one in self.skipped)}
        if missing := sorted({int(key) for key in intent["before"]} - here):
            raise TelecomInputError(
                "dedupe_key",
                "this task may have changed other SIMs in this run, and nobody knows whether it has: "
                f"{_shown(missing)}. Nothing was sent now. Have them in the list again, or give another "
                "dedupe_key",
            )

    def guard(self, max_changes: int | None) -> None:
        """Refuse to change more SIMs than are allowed."""
        if max_changes is not None and len(self.before) > max_changes:
            raise TelecomInputError(
                "max_changes",
                f"{len(self.before)} SIMs would be changed, at most {max_changes} are allowed; "
                "nothing was sent",
            )


def make_plan(
    operation: str, target: desired_state.Target, sims: Iterable[Sim], unknown: Iterable[int]
) -> Plan:
    """Sort SIMs into those that are to be changed, those that are so already, and those left out."""
    plan, now = Plan(), time.time()
    for sim_id in unknown:
        plan.skip(sim_id, _UNKNOWN)
    for sim in sims:
        if desired_state.reached(operation, target, sim):
            plan.unchanged.append(sim.id)
        elif why := desired_state.obstacle(operation, sim, now):
            plan.skip(sim.id, why)
        else:
            plan.before[str(sim.id)] = _state_hash(operation, sim)
    return plan


def resume_plan(operation: str, target: desired_state.Target, sims: Iterable[Sim], intent: Facts) -> Plan:
    """Return what is left of an earlier try's plan, of which nobody knows whether it was done.

    A SIM that stands where it should counts as changed; one that still stands where it stood is sent again;
    one that stands elsewhere has been changed by somebody, which a copy would undo.
    """
    found = {sim.id: sim for sim in sims}
    plan, now = Plan(unchanged=list(intent["unchanged"]), skipped=list(intent["skipped"])), time.time()
    for key, before in intent["before"].items():
        sim = found.get(int(key))
        if sim is None:
            plan.skip(int(key), _GONE)
        elif desired_state.reached(operation, target, sim):
            plan.changed.append(sim.id)
        elif why := desired_state.obstacle(operation, sim, now) or _added(operation, target, sim, before):
            plan.skip(sim.id, why)
        elif _state_hash(operation, sim) != before:
            plan.skip(sim.id, _MOVED)
        else:
            plan.before[key] = before
    return plan


def _added(operation: str, target: desired_state.Target, sim: Sim, before: str) -> str | None:
    return None if _state_hash(operation, sim) == before else desired_state.only_added(operation, target, sim)


def refuse_unknown(unknown: Sequence[int]) -> None:
    """Raise TelecomInputError when there are unknown SIMs, naming the first of them."""
    if unknown:
        raise TelecomInputError(
            "sim_ids",
            f"{len(unknown)} unknown SIMs, so nothing was sent: {_shown(unknown)} "
            "(on_unknown_sims='skip' leaves them out)",
        )


def _shown(sim_ids: Sequence[int]) -> str:
    return ", ".join(map(str, sim_ids[:_NAMED_IDS])) + (", ..." if len(sim_ids) > _NAMED_IDS else "")


def _state_hash(operation: str, sim: Sim) -> str:
    return fingerprint(desired_state.state(operation, sim))[:16]
