"""Queues of SIM operations: they ripen SIM by SIM, and tell the call-back address when they are done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.models import User
from airflow_provider_telecom.simulator.novaconnect.operations import OPERATIONS, NotApplicableError
from airflow_provider_telecom.simulator.state import Progression

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.state import VendorState

WAITING, DONE, FAILED = "wait", "success", "error"
DOCUMENTED_CALLBACKS = (
    "block",
    "unblock",
    "disconnect",
    "ping",
    "group",
)  # of which sim/reconnect is "disconnect" here
PROGRESS_REPORTS = 4  # a queue reports its progress at most so often


@dataclass
class Queue:
    """One operation for some SIMs. `statuses` holds what became of each SIM so far, in their order."""

    id: str
    code: str
    sims: list[int]
    params: dict[str, Any]
    user: User
    added: int
    progression: Progression
    callback_url: str | None = None
    statuses: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether every SIM has had its turn."""
        return len(self.statuses) == len(self.sims)


def advance(vendor_state: VendorState, queue: Queue, polling: bool) -> None:
    """Give their turn to all SIMs that are due. Looking may ripen the queue."""
    due = int(queue.progression.poll() if polling else queue.progression.stage)
    while len(queue.statuses) < due:
        queue.statuses.append(_process(vendor_state, queue, queue.sims[len(queue.statuses)]))
        _call_back(vendor_state, queue)


def _process(vendor_state: VendorState, queue: Queue, sim_id: int) -> str:
    sim = vendor_state.sims[sim_id]
    try:
        facts = OPERATIONS[queue.code](vendor_state, sim, queue.params)
    except NotApplicableError:
        return FAILED
    if facts is not None:
        vendor_state.record(
            queue.code, id=sim.id, iccid=sim.iccid, msisdn=sim.number, queue_id=queue.id, **facts
        )
    return DONE


def _call_back(vendor_state: VendorState, queue: Queue) -> None:
    is_listed = queue.code in DOCUMENTED_CALLBACKS or not vendor_state.switches.on("callbacks_listed")
    if queue.callback_url is None or not is_listed:
        return
    part = -(-len(queue.sims) // PROGRESS_REPORTS)
    progress = vendor_state.switches.on("progress_callbacks") and len(queue.statuses) % part == 0
    if queue.finished or progress or vendor_state.switches.on("single_item"):
        vendor_state.post(queue.callback_url, callback(vendor_state, queue))


def callback(vendor_state: VendorState, queue: Queue) -> dict[str, Any]:
    """Return the documented call-back body as the queue stands now.

    With the switch `single_item`, `items` is the object of the SIM that was processed last.
    """
    items: Any
    if vendor_state.switches.on("single_item"):
        items = _shown(vendor_state, queue, len(queue.statuses) - 1)
    else:
        items = [_shown(vendor_state, queue, place) for place in range(len(queue.sims))]
    return {
        "qid": queue.id,
        "added": queue.added,
        "queue": queue.code,
        "handler": queue.callback_url,
        "items": items,
        "user": {
            "id": queue.user.id,
            "first_name": queue.user.first_name,
            "last_name": queue.user.last_name,
            "company_id": vendor_state.company["id"],
        },
        "status": _status(vendor_state, queue),
    }


def _shown(vendor_state: VendorState, queue: Queue, place: int) -> dict[str, Any]:
    status = queue.statuses[place] if place < len(queue.statuses) else WAITING
    return {**vendor_state.show_sim(vendor_state.sims[queue.sims[place]]), "queue_status": status}


def _status(vendor_state: VendorState, queue: Queue) -> dict[str, Any]:
    count, process = len(queue.sims), len(queue.statuses)
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    if vendor_state.switches.on("count_object"):
        return {name: {"value": value} for name, value in status.items()}
    return status
