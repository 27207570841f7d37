"""What can be waited for at NovaConnect: operations that show in the SIMs. No call asks for a queue."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.vendors.novaconnect import targets
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.progress import Progress, Stage

GONE = "it is not in the list of SIMs"


def sims(
    api: SimCalls,
    operation: str,
    sim_ids: Sequence[int] | str,
    target: Mapping[str, Any] | None = None,
    queue_id: str | None = None,
    done: int = 0,
) -> Call[Progress]:
    """Wait until all SIMs are what an operation makes of them. One look is one reading of the list.

    A SIM that was seen so once counts (`done` is how many did in earlier looks): what somebody does to it
    later is another matter. Without SIMs there is nothing to wait for. It is over as soon as a SIM is gone,
    or is in a state that keeps it from ever coming to be so: the facts name these under `missed`. A locked
    tariff is no such state, since the change itself locks it.
    """
    wanted, aim = targets.ids("sim_ids", sim_ids), targets.checked(operation, target)
    found = {sim.id: sim for sim in (yield from call_of(api.all_sims))}
    left = [one for one in wanted if one not in found or not targets.reached(operation, aim, found[one])]
    missed = {
        str(one): why
        for one in left
        if (why := targets.obstacle(operation, found[one]) if one in found else GONE) is not None
    }
    done += len(wanted) - len(left)
    facts = {"operation": operation, "queue_id": queue_id, "reached": done}
    if missed:
        return Progress(Stage.MISSED, {**facts, "missed": missed})
    if left:
        return Progress(Stage.WAITING, {**facts, "waiting": len(left)}, {"sim_ids": left, "done": done})
    return Progress(Stage.REACHED, facts)
