"""What can be waited for at NovaConnect: operations that show in the SIMs, or that a call-back tells of.

No call asks for a queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.novaconnect import desired_state
from airflow_provider_telecom.vendors.novaconnect.models import Sim
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

GONE = "it is not in the list of SIMs"
FAILED = "the vendor says that it failed"
MAX_POLLS_IN_OTHER_GROUPS = 10
"""So often a SIM may be in all wanted groups and in others, before the vendor is taken for one that adds."""


def sims(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    target: Mapping[str, Any] | None = None,
    queue_id: str | None = None,
    callback_key: str | None = None,
    done: int = 0,
    added: int = 0,
    told: Mapping[str, Any] | None = None,
) -> Call[PollResult]:
    """Wait until an operation is done for all SIMs.

    `told` is what the vendor's call-back has said last, if one was asked for (`callback_key`). It is believed
    only where nothing else tells: where an operation shows in the SIMs, they are looked at.
    """
    if told is not None and queue_id and told.get("queue_id") not in (None, queue_id):
        raise TelecomInputError("callback_key", "is of another operation than queue_id")
    if operation not in desired_state.OBSERVABLE and callback_key:
        return _from_webhook(operation, desired_state.ids("sim_ids", sim_ids), queue_id, told or {})
    return (yield from _from_sims(api, operation, sim_ids, target, queue_id, done, added, told or {}))


def _from_webhook(
    operation: str, sim_ids: Sequence[int], queue_id: str | None, told: Mapping[str, Any]
) -> PollResult:
    """Believe the call-back: no call asks how such an operation is."""
    facts = {"operation": operation, "queue_id": told.get("queue_id", queue_id)}
    if sim_ids and not told.get("final"):
        return PollResult(Stage.WAITING, {**facts, "reached": told.get("process", 0)})
    if failed := told.get("failed"):
        return PollResult(Stage.FAILED, {**facts, "missed": {str(one): FAILED for one in failed}})
    return PollResult(Stage.SUCCEEDED, {**facts, "reached": told.get("process", len(sim_ids))})


def _from_sims(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    target: Mapping[str, Any] | None,
    queue_id: str | None,
    done: int,
    added: int,
    told: Mapping[str, Any],
) -> Call[PollResult]:
    """Look at the SIMs: one look is one reading of the list.

    A SIM that was seen so once counts (`done` is how many did in earlier looks): what somebody does to it
    later is another matter. Without SIMs there is nothing to wait for. It is over as soon as a SIM is gone,
    or is in a state that keeps it from ever coming to be so, or is said to have failed: the facts name these
    under `missed`. A locked tariff is no such state, since the change itself locks it.

    A SIM that is in all wanted groups, and also in others that it should not be in, may be one whose turn has
    not come. So the waiting ends once all SIMs that are left have been like that for some looks in a row
    (`added` is how many), or once the vendor says that it is done.
    """
    wanted, aim = desired_state.ids("sim_ids", sim_ids), desired_state.checked(operation, target)
    found = {sim.id: sim for sim in (yield from call_of(api.all_sims))}
    left = [
        one for one in wanted if one not in found or not desired_state.reached(operation, aim, found[one])
    ]
    failed = set(told.get("failed") or ()) if told.get("final") else set()
    others = {one: desired_state.only_added(operation, aim, found[one]) for one in left if one in found}
    added = added + 1 if others and all(others.values()) and not _is_running(told) else 0
    if not (told.get("final") or added > MAX_POLLS_IN_OTHER_GROUPS):
        others = {}
    missed = {
        str(one): why
        for one in left
        if (why := _obstacle(operation, found.get(one)) or (FAILED if one in failed else others.get(one)))
    }
    done += len(wanted) - len(left)
    facts = {"operation": operation, "queue_id": queue_id, "reached": done}
    if missed:
        return PollResult(Stage.FAILED, {**facts, "missed": missed})
    if left:
        return PollResult(Stage.WAITING, {**facts, "waiting": len(left)}, _rest(left, done, added))
    return PollResult(Stage.SUCCEEDED, facts)


def _rest(left: list[int], done: int, added: int) -> dict[str, Any]:
    return {"sim_ids": left, "done": done, **({"added": added} if added else {})}


def _is_running(told: Mapping[str, Any]) -> bool:
    """Whether the vendor has said something, and not that it is done."""
    return bool(told) and not told.get("final")


def _obstacle(operation: str, sim: Sim | None) -> str | None:
    return GONE if sim is None else desired_state.obstacle(operation, sim)
