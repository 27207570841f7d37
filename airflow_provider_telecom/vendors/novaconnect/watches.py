"""What can be waited for at NovaConnect: operations that show in the SIMs, or that a call-back tells of.

No call asks for a queue.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.novaconnect import targets
from airflow_provider_telecom.vendors.novaconnect.models import Sim
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.progress import Progress, Stage

GONE = "it is not in the list of SIMs"
FAILED = "the vendor says that it failed"


def sims(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    target: Mapping[str, Any] | None = None,
    queue_id: str | None = None,
    callback_key: str | None = None,
    done: int = 0,
    told: Mapping[str, Any] | None = None,
) -> Call[Progress]:
    """Wait until an operation is done for all SIMs.

    `told` is what the vendor's call-back has said last, if one was asked for (`callback_key`). It is believed
    only where nothing else tells: where an operation shows in the SIMs, they are looked at.
    """
    if told is not None and queue_id and told.get("queue_id") not in (None, queue_id):
        raise TelecomInputError("callback_key", "is of another operation than queue_id")
    if operation not in targets.SHOWN and callback_key:
        return _by_word(operation, targets.ids("sim_ids", sim_ids), queue_id, told or {})
    return (yield from _by_list(api, operation, sim_ids, target, queue_id, done, told or {}))


def _by_word(
    operation: str, sim_ids: Sequence[int], queue_id: str | None, told: Mapping[str, Any]
) -> Progress:
    """Believe the call-back: no call asks how such an operation is."""
    facts = {"operation": operation, "queue_id": told.get("queue_id", queue_id)}
    if sim_ids and not told.get("final"):
        return Progress(Stage.WAITING, {**facts, "reached": told.get("process", 0)})
    if failed := told.get("failed"):
        return Progress(Stage.MISSED, {**facts, "missed": {str(one): FAILED for one in failed}})
    return Progress(Stage.REACHED, {**facts, "reached": told.get("process", len(sim_ids))})


def _by_list(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    target: Mapping[str, Any] | None,
    queue_id: str | None,
    done: int,
    told: Mapping[str, Any],
) -> Call[Progress]:
    """Look at the SIMs: one look is one reading of the list.

    A SIM that was seen so once counts (`done` is how many did in earlier looks): what somebody does to it
    later is another matter. Without SIMs there is nothing to wait for. It is over as soon as a SIM is gone,
    or is in a state that keeps it from ever coming to be so, or is said to have failed: the facts name these
    under `missed`. A locked tariff is no such state, since the change itself locks it.
    """
    wanted, aim = targets.ids("sim_ids", sim_ids), targets.checked(operation, target)
    found = {sim.id: sim for sim in (yield from call_of(api.all_sims))}
    left = [one for one in wanted if one not in found or not targets.reached(operation, aim, found[one])]
    failed = set(told.get("failed") or ()) if told.get("final") else set()
    missed = {
        str(one): why
        for one in left
        if (why := _obstacle(operation, found.get(one)) or (FAILED if one in failed else None)) is not None
    }
    done += len(wanted) - len(left)
    facts = {"operation": operation, "queue_id": queue_id, "reached": done}
    if missed:
        return Progress(Stage.MISSED, {**facts, "missed": missed})
    if left:
        return Progress(Stage.WAITING, {**facts, "waiting": len(left)}, {"sim_ids": left, "done": done})
    return Progress(Stage.REACHED, facts)


def _obstacle(operation: str, sim: Sim | None) -> str | None:
    return GONE if sim is None else targets.obstacle(operation, sim)
