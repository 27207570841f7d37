"""Applies the plan of a fleet: phase by phase, each SIM only while it is as it was planned.

Every operation but the tariff sets a state: a later try reads the list of SIMs, and sends it again for those
that are as they were before, which costs nothing. A tariff may buy something and has no idempotency key:
each request has an entry in the journal, and is sent once.
"""

from __future__ import annotations

import json
import logging
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from itertools import groupby
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import IN_DOUBT, Entry, Journal, State
from airflow_provider_telecom.journal.unknown import Facts, OutcomeUnknownError
from airflow_provider_telecom.vendors.novaconnect.fleet import (
    StoredChange,
    setting_of,
    state_of,
)
from airflow_provider_telecom.vendors.novaconnect.operations import Operation, operation_of

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
    from airflow_provider_telecom.operators.novaconnect.fleet_plan import FleetPlan
    from airflow_provider_telecom.vendors.novaconnect.models import Sim

log = logging.getLogger(__name__)
_MAX_NAMED = 20
_TRIES = 3
_GONE = "it is no longer in the list of SIMs"
_MOVED = "somebody else has changed it since it was planned"
_LOST = "the vendor's answer was lost; it may be paid for"
_IN_QUEUE = "the vendor has accepted it, and the list of SIMs does not show it yet; it may be paid for"
_MAYBE_SENT = (*IN_DOUBT, State.DONE)
_NOT_SET = "its limit or tariff is not as planned, so it is not unblocked"


@dataclass(frozen=True)
class Step:
    """One operation for several SIMs. It is JSON for the status check."""

    operation: str
    arguments: Mapping[str, Any]
    sim_ids: Sequence[int]

    @property
    def stored(self) -> dict[str, Any]:
        """The step as JSON."""
        return {
            "operation": self.operation,
            "arguments": dict(self.arguments),
            "sim_ids": list(self.sim_ids),
        }


def check_unchanged(plan: FleetPlan, sims: Sequence[Sim], only_planned: bool) -> None:
    """Raise TelecomInputError if the fleet is not in the state that it was planned from."""
    now = {str(sim.id): state_of(sim, fingerprint) for sim in sims}
    names = set(map(str, plan.managed)) if only_planned else {*plan.fleet, *now}
    if moved := sorted((name for name in names if now.get(name) != plan.fleet.get(name)), key=int):
        shown = ", ".join(moved[:_MAX_NAMED]) + (", ..." if len(moved) > _MAX_NAMED else "")
        raise TelecomInputError(
            "plan_path",
            f"fleet: {len(moved)} SIMs have changed since the plan was made ({shown}), so nothing was sent; "
            "plan again",
        )


class FleetApply:
    """One try of applying a plan."""

    def __init__(
        self,
        hook: NovaConnectHook,
        journal: Journal,
        plan: FleetPlan,
        entry_name: Callable[[str], str],
        *,
        chunk_size: int,
        verify_within_seconds: float,
        sleep: Callable[[float], object],
    ) -> None:
        self._hook, self._journal, self._plan, self._entry_name = hook, journal, plan, entry_name
        self._chunk_size, self._verify_within, self._sleep = chunk_size, verify_within_seconds, sleep
        self._sha256 = plan.sha256
        tariffs = (change for change in plan.changes if change["operation"] == "tariff")
        self._tariff_changes = {change["sim_id"]: change for change in tariffs}

    def send(self, phase: str) -> list[Step]:
        """Send what is left of a phase, and return the steps whose end is to be waited for."""
        changes = [change for change in self._plan.changes if change["operation"] == phase]
        if not changes:
            return []
        if phase == "tariff":
            return self._send_tariffs(changes)
        for tries_left in reversed(range(_TRIES)):
            sims = self._read()
            to_send, waiting = self._sorted(changes, sims)
            log.info("%s: changing %d SIMs", phase, len(to_send))
            try:
                for step in self._steps(to_send):
                    self._send(step)
            except TelecomUnknownError as error:
                if not tries_left:
                    raise
                log.warning("%s; the list of SIMs is read to see whether it happened", error.summary)
                continue
            return self._steps(waiting)
        return []

    def _send(self, step: Step) -> None:
        operation_of(step.operation, step.arguments).send(self._hook, step.sim_ids, lambda count: None)

    def _send_tariffs(self, changes: Sequence[StoredChange]) -> list[Step]:
        """Send each request of a tariff once; see the journal. The requests are the same in each try."""
        requested: list[StoredChange] = []
        for number, step in enumerate(self._steps(changes)):
            name, body = self._tariff(number, step)
            entry = self._journal.earlier_entry(name, body)
            if entry is None or entry.state not in _MAYBE_SENT:
                to_send, _ = self._sorted(self._changes_of(step), self._read())
                if not to_send:
                    continue
                self._leave_out(name, body, set(step.sim_ids) - {change["sim_id"] for change in to_send})
            mine = self._requested(name, step)
            if entry is None or entry.state is not State.DONE:
                self._send_tariff(name, body, mine)
            requested += mine
        sims = self._read()
        # the tariff of a SIM may be locked by this change before it shows, which does not end the waiting
        waiting = [one for one in requested if not _reason(one, sims.get(one["sim_id"]), None)]
        return self._steps(waiting)

    def _send_tariff(self, name: str, body: str, changes: Sequence[StoredChange]) -> None:
        (step,) = self._steps(changes)
        try:
            self._journal.send_without_key(name, body, partial(self._sent, step), "fail")
        except OutcomeUnknownError:
            self._read_back(name, body, changes)

    def _sent(self, step: Step) -> Facts:
        log.info("tariff: changing %d SIMs", len(step.sim_ids))
        self._send(step)
        return {"sims": len(step.sim_ids)}

    def _tariff(self, number: int, step: Step) -> tuple[str, str]:
        """Return the name of the journal's entry of a request, and the hash of its content."""
        return self._entry_name(f"tariff.{number}"), fingerprint({"plan": self._sha256, **step.stored})

    def _leave_out(self, name: str, body: str, sim_ids: Collection[int]) -> None:
        """Write which SIMs of a request are not sent, before it is: no later try waits for them."""
        left_out = f"{name}.left_out"
        if sim_ids or self._journal.read(left_out) is not None:
            entry = Entry(State.PLANNED, body, {"sim_ids": sorted(sim_ids)})
            self._journal.write_intent(left_out, entry)

    def _requested(self, name: str, step: Step) -> list[StoredChange]:
        """Return the changes that a request of a tariff has, or may have, asked for."""
        entry = self._journal.read(f"{name}.left_out")
        left_out = set(entry.facts["sim_ids"]) if entry else set()
        return [change for change in self._changes_of(step) if change["sim_id"] not in left_out]

    def _changes_of(self, step: Step) -> list[StoredChange]:
        return [self._tariff_changes[sim_id] for sim_id in step.sim_ids]

    def _read_back(self, name: str, body: str, changes: Sequence[StoredChange]) -> None:
        """Wait until the list of SIMs shows a request of unknown outcome. Raises OutcomeUnknownError.

        Nothing else shows that it happened: the tariff may be locked, or changed in parts, before it is set.
        """
        ends = time.monotonic() + self._verify_within
        log.warning("The outcome of a tariff is unknown; the list of SIMs is read to see whether it happened")
        while True:
            sims = self._read()
            ids = [one["sim_id"] for one in changes if _reason(one, sims.get(one["sim_id"]), None) != ""]
            if not ids:
                self._journal.write(name, Entry(State.DONE, body, {"read_back": True}))
                return
            if time.monotonic() >= ends:
                break
            self._sleep(min(10.0, self._verify_within))
        shown = ", ".join(map(str, ids[:_MAX_NAMED])) + (", ..." if len(ids) > _MAX_NAMED else "")
        raise OutcomeUnknownError(
            f"nobody can know whether the tariff of {len(ids)} SIMs was changed ({shown}); it may be paid "
            "for, and it is not sent again. Nothing after it was sent. Ask the vendor, then plan again"
        )

    def _read(self) -> dict[int, Sim]:
        return {sim.id: sim for sim in self._hook.all_sims(size=500)}

    def _sorted(
        self, changes: Sequence[StoredChange], sims: Mapping[int, Sim]
    ) -> tuple[list[StoredChange], list[StoredChange]]:
        """Return the changes that are to be sent, and those whose result is to be waited for."""
        reasons = self._reasons(changes, sims)
        to_send = [change for change, reason in reasons if reason is None]
        return to_send, [change for change, reason in reasons if not reason]

    def _reasons(
        self, changes: Sequence[StoredChange], sims: Mapping[int, Sim]
    ) -> list[tuple[StoredChange, str | None]]:
        """Return changes with why each is not to be sent: "" if it is reached; None if it is to be sent."""
        now, held_back = time.time(), self._held_back(changes, sims)
        found = []
        for change in changes:
            reason = _reason(change, sims.get(change["sim_id"]), now)
            is_held_back = "needs" in change and change["sim_id"] in held_back
            found.append((change, _NOT_SET if reason is None and is_held_back else reason))
        return found

    def _held_back(self, changes: Sequence[StoredChange], sims: Mapping[int, Sim]) -> set[int]:
        """Return the SIMs that are not to be unblocked: what limits their costs is not as planned."""
        return {
            change["sim_id"]
            for change in changes
            if (sim := sims.get(change["sim_id"]))
            and not all(operation_of(**need).is_reached(sim) for need in change.get("needs", ()))
        }

    def _steps(self, changes: Sequence[StoredChange]) -> list[Step]:
        """Return changes as steps: the same operation for up to `chunk_size` SIMs; a name for one SIM."""

        def key(change: StoredChange) -> tuple[str, str]:
            return change["operation"], json.dumps(change["arguments"], sort_keys=True)

        found = []
        for _, same in groupby(sorted(changes, key=lambda one: (key(one), one["sim_id"])), key):
            equal = list(same)
            size = 1 if equal[0]["operation"] == "rename" else self._chunk_size
            for start in range(0, len(equal), size):
                ids = [change["sim_id"] for change in equal[start : start + size]]
                found.append(Step(equal[0]["operation"], equal[0]["arguments"], ids))
        return found

    def results(self) -> Iterator[dict[str, Any]]:
        """Return what became of each SIM of the desired state: one row for each setting of it."""
        sims, changed, paid = self._read(), self._plan.changed, self._paid()
        for one in self._plan.managed:
            if one not in changed:
                yield {"sim_id": one, "setting": None, "state": "unchanged", "reason": None}
        for skipped in self._plan.skipped:
            yield {**skipped, "state": "skipped"}
        for change, reason in self._reasons(self._plan.changes, sims):
            row = {"sim_id": change["sim_id"], "setting": change["setting"]}
            state = paid.get(change["sim_id"]) if change["paid"] else None
            if reason == "":
                yield {**row, "state": "changed", "reason": None}
            elif state in IN_DOUBT:
                yield {**row, "state": "unknown", "reason": _LOST}
            elif state is State.DONE and _reason(change, sims.get(change["sim_id"]), None) is None:
                yield {**row, "state": "unknown", "reason": _IN_QUEUE}
            elif reason:
                yield {**row, "state": "skipped", "reason": reason}
            else:
                yield {**row, "state": "not_done", "reason": None}

    def _paid(self) -> dict[int, State]:
        """Return the state of the request of each SIM whose tariff may have been requested."""
        found: dict[int, State] = {}
        for number, step in enumerate(self._steps([*self._tariff_changes.values()])):
            name, _ = self._tariff(number, step)
            entry = self._journal.read(name)
            if entry is not None and entry.state in _MAYBE_SENT:
                found |= {change["sim_id"]: entry.state for change in self._requested(name, step)}
        return found


def _operation(change: StoredChange) -> Operation:
    return operation_of(change["operation"], change["arguments"])


def _reason(change: StoredChange, sim: Sim | None, now: float | None) -> str | None:
    """Return why a change is not to be sent: "" if it is reached; None if it is to be sent.

    Without `now` a locked tariff is no reason: the change itself may have locked it.
    """
    if sim is None:
        return _GONE
    operation = _operation(change)
    if operation.is_reached(sim):
        return ""
    if setting_of(sim, change["setting"]) != change["before"]:
        return operation.unchanged_reason(sim) or _MOVED
    return operation.obstacle(sim, now)


def counts_of_results(rows: Sequence[Mapping[str, Any]]) -> dict[str, int]:
    """Return how many SIMs are in each state. A SIM with several counts in the worst one."""
    worst: dict[int, int] = {}
    order = ("unchanged", "changed", "skipped", "not_done", "unknown")
    for row in rows:
        rank = order.index(row["state"])
        worst[row["sim_id"]] = max(rank, worst.get(row["sim_id"], 0))
    counts = Counter(order[rank] for rank in worst.values())
    return {state: counts[state] for state in order}
