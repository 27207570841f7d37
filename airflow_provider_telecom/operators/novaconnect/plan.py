"""Which SIMs a NovaConnect task changes. All of it is read before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Facts
from airflow_provider_telecom.vendors.novaconnect.arguments import boolean, rendered_int

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
    from airflow_provider_telecom.vendors.novaconnect.models import Sim
    from airflow_provider_telecom.vendors.novaconnect.operations import Operation

SELECTABLE = ("profile", "group", "query", "blocked", "msu_block")
_MAX_NAMED_IDS = 20
_UNKNOWN = "no such SIM"
_GONE = "it is no longer in the list of SIMs"
_MOVED = "somebody else has changed it since the first try"


def check_select(select: object) -> Mapping[str, Any]:
    """Return a selection of SIMs. Raises TelecomInputError."""
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
    """Return the SIMs of a selection. Raises TelecomInputError if there is no such group."""
    wanted = dict(check_select(select))
    group = wanted.pop("group", None)
    group_id = None if group is None else _group_id(hook, group)
    return [
        sim
        for sim in hook.all_sims(**wanted)
        if _fits(sim, wanted) and (group_id is None or any(one.id == group_id for one in sim.groups or ()))
    ]


def _fits(sim: Sim, wanted: Mapping[str, object]) -> bool:
    """Whether a SIM matches the filters, even if the vendor ignores them: no other SIM may be changed."""
    facts = {"profile": sim.profile, "blocked": sim.block != "n", "msu_block": sim.block == "m"}
    return all(facts[name] == value for name, value in wanted.items() if name in facts)


def _group_id(hook: NovaConnectHook, group: int | str) -> int:
    """Return the id of a group that is given by name or id; a template may have rendered the id as a text."""
    groups = hook.all_groups()
    for one in groups:
        if one.name == group:
            return one.id
    if (number := rendered_int(group)) in {one.id for one in groups}:
        return int(number)
    raise TelecomInputError("select.group", "there is no such group")


def find_sims(hook: NovaConnectHook, sim_ids: Sequence[int]) -> tuple[list[Sim], list[int]]:
    """Return the SIMs with these ids, and the ids that no SIM has."""
    found = {sim.id: sim for sim in hook.all_sims()}
    return [found[one] for one in sim_ids if one in found], [one for one in sim_ids if one not in found]


class SkippedSim(TypedDict):
    """A SIM that was not changed, and why."""

    sim_id: int
    reason: str


class SimsResult(TypedDict):
    """The result for each SIM: the XCom of the task."""

    queue_id: str | None
    callback_key: str | None
    changed: list[int]
    unchanged: list[int]
    skipped: list[SkippedSim]


@dataclass
class Plan:
    """What is left to do. It is JSON that the journal stores before anything is sent.

    `before` has the SIMs to change, each with a hash of its present state, and `changed` those that an
    earlier try has changed.
    """

    before: dict[str, str] = field(default_factory=dict)
    changed: list[int] = field(default_factory=list)
    unchanged: list[int] = field(default_factory=list)
    skipped: list[SkippedSim] = field(default_factory=list)

    @property
    def sim_ids(self) -> list[int]:
        """The SIMs to send the operation for."""
        return sorted(map(int, self.before))

    @property
    def intent(self) -> Facts:
        """What the journal stores until the operation is done."""
        return {"before": self.before, "unchanged": self.unchanged, "skipped": self.skipped}

    def outcome(self, queue_id: str | None, callback_key: str | None = None) -> SimsResult:
        """Return the result for each SIM."""
        return {
            "queue_id": queue_id,
            "callback_key": callback_key,
            "changed": sorted([*self.changed, *self.sim_ids]),
            "unchanged": sorted(self.unchanged),
            "skipped": self.skipped,
        }

    def skip(self, sim_id: int, reason: str) -> None:
        """Skip a SIM for a reason."""
        self.skipped.append({"sim_id": sim_id, "reason": reason})

    def check_covers(self, intent: Facts) -> None:
        """Raise TelecomInputError if this plan lacks SIMs of an earlier try whose outcome is unknown."""
        here = {*self.sim_ids, *self.changed, *self.unchanged, *(one["sim_id"] for one in self.skipped)}
        if missing := sorted({int(key) for key in intent["before"]} - here):
            raise TelecomInputError(
                "dedupe_key",
                "this task may have changed other SIMs in this run, and nobody knows whether it has: "
                f"{_first_ids(missing)}. Nothing was sent now. Put them in the list again, or give another "
                "dedupe_key",
            )

    def check_max_changes(self, max_changes: int | None) -> None:
        """Raise TelecomInputError if more SIMs would be changed than are allowed."""
        if max_changes is not None and len(self.before) > max_changes:
            raise TelecomInputError(
                "max_changes",
                f"{len(self.before)} SIMs would be changed, at most {max_changes} are allowed; "
                "nothing was sent",
            )


def make_plan(operation: Operation, sims: Iterable[Sim], unknown: Iterable[int]) -> Plan:
    """Sort SIMs into those to change, those that are already in the state, and those that are skipped."""
    plan, now = Plan(), time.time()
    for sim_id in unknown:
        plan.skip(sim_id, _UNKNOWN)
    for sim in sims:
        if operation.is_reached(sim):
            plan.unchanged.append(sim.id)
        elif reason := operation.obstacle(sim, now):
            plan.skip(sim.id, reason)
        else:
            plan.before[str(sim.id)] = _state_hash(operation, sim)
    return plan


def resume_plan(operation: Operation, sims: Iterable[Sim], intent: Facts) -> Plan:
    """Return the rest of an earlier try's plan whose outcome is unknown.

    A SIM that is in the state counts as changed. One that is as it was before is sent again. One in another
    state was changed by somebody, and a duplicate would undo that: it is skipped.
    """
    found = {sim.id: sim for sim in sims}
    plan, now = Plan(unchanged=list(intent["unchanged"]), skipped=list(intent["skipped"])), time.time()
    for key, before in intent["before"].items():
        sim = found.get(int(key))
        if sim is None:
            plan.skip(int(key), _GONE)
        elif operation.is_reached(sim):
            plan.changed.append(sim.id)
        elif reason := operation.obstacle(sim, now):
            plan.skip(sim.id, reason)
        elif _state_hash(operation, sim) != before:
            plan.skip(sim.id, operation.unreachable_groups(sim) or _MOVED)
        else:
            plan.before[key] = before
    return plan


def refuse_unknown(unknown: Sequence[int]) -> None:
    """Raise TelecomInputError when there are unknown SIMs, naming the first of them."""
    if unknown:
        raise TelecomInputError(
            "sim_ids",
            f"{len(unknown)} unknown SIMs, so nothing was sent: {_first_ids(unknown)} "
            "(on_unknown_sims='skip' skips them)",
        )


def _first_ids(sim_ids: Sequence[int]) -> str:
    return ", ".join(map(str, sim_ids[:_MAX_NAMED_IDS])) + (", ..." if len(sim_ids) > _MAX_NAMED_IDS else "")


def _state_hash(operation: Operation, sim: Sim) -> str:
    return fingerprint(operation.observed(sim))[:16]
