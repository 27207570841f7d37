"""Queues of SIM operations: they ripen SIM by SIM, and tell the call-back address when they are done."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.operations import OPERATIONS, UnfitError
from airflow_provider_telecom.simulator.novaconnect.records import User
from airflow_provider_telecom.simulator.town import Ripening

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.books import Books

WAITING, DONE, FAILED = "wait", "success", "error"
LISTED = ("block", "unblock", "disconnect", "ping", "group")  # of which sim/reconnect is "disconnect" here
PARTS = 4  # a queue reports its progress at most so often


@dataclass
class Queue:
    """One operation for some SIMs. `statuses` holds what became of each SIM so far, in their order."""

    id: str
    code: str
    sims: list[int]
    params: dict[str, Any]
    user: User
    added: int
    ripening: Ripening
    callback_url: str | None = None
    statuses: list[str] = field(default_factory=list)

    @property
    def finished(self) -> bool:
        """Whether every SIM has had its turn."""
        return len(self.statuses) == len(self.sims)


def advance(books: Books, queue: Queue, looking: bool) -> None:
    """Give their turn to all SIMs that are due. Looking may ripen the queue."""
    due = int(queue.ripening.look() if looking else queue.ripening.stage)
    while len(queue.statuses) < due:
        queue.statuses.append(_process(books, queue, queue.sims[len(queue.statuses)]))
        _call_back(books, queue)


def _process(books: Books, queue: Queue, sim_id: int) -> str:
    sim = books.sims[sim_id]
    try:
        facts = OPERATIONS[queue.code](books, sim, queue.params)
    except UnfitError:
        return FAILED
    if facts is not None:
        books.record(queue.code, id=sim.id, iccid=sim.iccid, msisdn=sim.number, queue_id=queue.id, **facts)
    return DONE


def _call_back(books: Books, queue: Queue) -> None:
    is_listed = queue.code in LISTED or not books.switches.on("callbacks_listed")
    if queue.callback_url is None or not is_listed:
        return
    part = -(-len(queue.sims) // PARTS)
    progress = books.switches.on("progress_callbacks") and len(queue.statuses) % part == 0
    if queue.finished or progress or books.switches.on("single_item"):
        books.post(queue.callback_url, callback(books, queue))


def callback(books: Books, queue: Queue) -> dict[str, Any]:
    """Return the documented call-back body as the queue stands now.

    With the switch `single_item`, `items` is the object of the SIM that was processed last.
    """
    items: Any
    if books.switches.on("single_item"):
        items = _shown(books, queue, len(queue.statuses) - 1)
    else:
        items = [_shown(books, queue, place) for place in range(len(queue.sims))]
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
            "company_id": books.company["id"],
        },
        "status": _status(books, queue),
    }


def _shown(books: Books, queue: Queue, place: int) -> dict[str, Any]:
    status = queue.statuses[place] if place < len(queue.statuses) else WAITING
    return {**books.show_sim(books.sims[queue.sims[place]]), "queue_status": status}


def _status(books: Books, queue: Queue) -> dict[str, Any]:
    count, process = len(queue.sims), len(queue.statuses)
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    if books.switches.on("count_object"):
        return {name: {"value": value} for name, value in status.items()}
    return status
