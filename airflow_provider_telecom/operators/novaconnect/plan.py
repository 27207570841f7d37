"""Which SIMs a NovaConnect task changes. All of it is read before anything is sent."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, NamedTuple, NotRequired, TypedDict

from airflow_provider_telecom.calls.checks import non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.vendors.novaconnect.arguments import as_list, boolean, rendered_int

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
    from airflow_provider_telecom.vendors.novaconnect.models import Sim
    from airflow_provider_telecom.vendors.novaconnect.operations import Operation

Ids = str | list[str | None] | None
"""One id; several, one for each request; or none."""
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


class ChunkResult(TypedDict, total=False):
    """What became of one chunk of a long list of SIMs."""

    sims: int
    first_sim_id: int
    last_sim_id: int
    queue_id: Ids
    callback_key: Ids
    assumed_sent: bool


class SimsResult(TypedDict):
    """The result for each SIM: the XCom of the task. After several requests the first two are lists."""

    queue_id: Ids
    callback_key: Ids
    changed: list[int]
    unchanged: list[int]
    skipped: list[SkippedSim]
    chunks: NotRequired[list[ChunkResult]]
    """If the SIMs were sent in several chunks."""
    assumed_sent: NotRequired[list[int]]
    """The SIMs of chunks whose outcome is unknown, and that count as sent."""


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

    @property
    def all_sim_ids(self) -> set[int]:
        """All SIMs of the plan, whether they are to be changed or not."""
        return {*self.sim_ids, *self.changed, *self.unchanged, *(one["sim_id"] for one in self.skipped)}

    def without(self, sim_ids: Collection[int]) -> Plan:
        """Return the plan for the other SIMs."""
        return Plan(
            {key: state for key, state in self.before.items() if int(key) not in sim_ids},
            [one for one in self.changed if one not in sim_ids],
            [one for one in self.unchanged if one not in sim_ids],
            [one for one in self.skipped if one["sim_id"] not in sim_ids],
        )

    def only(self, keys: Collection[str]) -> Plan:
        """Return the plan for these SIMs."""
        return self.without(self.all_sim_ids - set(map(int, keys)))

    def chunk(self, size: int) -> Plan:
        """Return the part of the plan for the first `size` SIMs to change, by their ids."""
        keys = sorted(self.before, key=int)[:size]
        return replace(self, before={key: self.before[key] for key in keys})

    def outcome(
        self, queue_ids: Sequence[str | None] = (), callback_keys: Sequence[str | None] = ()
    ) -> SimsResult:
        """Return the result for each SIM, with the ids of its requests."""
        return {
            "queue_id": _joined(queue_ids),
            "callback_key": _joined(callback_keys),
            "changed": sorted([*self.changed, *self.sim_ids]),
            "unchanged": sorted(self.unchanged),
            "skipped": self.skipped,
        }

    def skip(self, sim_id: int, reason: str) -> None:
        """Skip a SIM for a reason."""
        self.skipped.append({"sim_id": sim_id, "reason": reason})

    def check_covers(self, intent: Facts) -> None:
        """Raise TelecomInputError if this plan lacks SIMs of an earlier try whose outcome is unknown."""
        if missing := sorted({int(key) for key in intent["before"]} - self.all_sim_ids):
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


def entry_of_chunk(kind: str, number: int) -> str:
    """Return the kind of the journal's entry for a chunk. That of the first one has no number."""
    return f"{kind}.{number}" if number else kind


class Chunk(NamedTuple):
    """A chunk that is settled: the SIMs that were sent, and the result that the journal has."""

    sim_ids: Sequence[int]
    facts: Facts

    @property
    def settled(self) -> set[int]:
        """The SIMs that nothing more is to be done for."""
        skipped = [one["sim_id"] for one in self.facts.get("skipped", ())]
        return {*self.sim_ids, *self.facts.get("changed", ()), *self.facts.get("unchanged", ()), *skipped}

    @property
    def shown(self) -> ChunkResult:
        """Return what the XCom has of the chunk."""
        sent = sorted(self.sim_ids or self.facts.get("changed", ()))
        shown = ChunkResult(sims=len(sent))
        if sent:
            shown |= ChunkResult(first_sim_id=sent[0], last_sim_id=sent[-1])
        if self.facts.get("assumed_sent"):
            return shown | ChunkResult(assumed_sent=True)
        return shown | ChunkResult(queue_id=self.facts["queue_id"], callback_key=self.facts["callback_key"])


class SentChunk(NamedTuple):
    """What an earlier try has sent as one chunk, or may have sent; `more` chunks follow. Empty if none."""

    before: Mapping[str, str]
    more: bool = False

    def next_chunk(self, rest: Plan, size: int) -> tuple[Plan, bool]:
        """Return what to send as this chunk, and whether other chunks follow.

        If it may have been sent already, it holds the same SIMs, without those that show it, and no others:
        `assume_sent` must not hold for a SIM that nothing was sent for.
        """
        rest.check_covers({"before": self.before})
        if not self.before:
            plan = rest.chunk(size)
            return plan, len(plan.before) < len(rest.before)
        if self.more or not rest.before.keys() <= self.before.keys():
            return rest.only(self.before), True
        return rest, False


def join_chunks(chunks: Sequence[Chunk]) -> Facts:
    """Return the result of a task that has sent these chunks; that of one chunk is the chunk's own."""
    if len(chunks) == 1:
        return chunks[0].facts
    requests = [request for chunk in chunks for request in _requests(chunk.facts)]
    assumed = [sim for chunk in chunks if chunk.facts.get("assumed_sent") for sim in chunk.sim_ids]
    return {
        "queue_id": _joined([queue_id for queue_id, _ in requests]),
        "callback_key": _joined([key for _, key in requests]),
        "changed": sorted(sim for chunk in chunks for sim in chunk.facts.get("changed", ())),
        "unchanged": sorted(sim for chunk in chunks for sim in chunk.facts.get("unchanged", ())),
        "skipped": [one for chunk in chunks for one in chunk.facts.get("skipped", ())],
        "chunks": [chunk.shown for chunk in chunks],
        **({"assumed_sent": assumed} if assumed else {}),
    }


def _requests(facts: Facts) -> list[tuple[str | None, str | None]]:
    """Return the queue id and the callback key of each request."""
    queue_ids, keys = as_list(facts.get("queue_id")), as_list(facts.get("callback_key"))
    pairs = zip_longest(queue_ids, keys)
    return [pair for pair in pairs if pair != (None, None)]


def _joined(ids: Sequence[str | None]) -> Ids:
    """Return one id as it is, several as a list, and None if there is none."""
    if not any(ids):
        return None
    return ids[0] if len(ids) == 1 else [*ids]


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
            plan.skip(sim.id, operation.unchanged_reason(sim) or _MOVED)
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
