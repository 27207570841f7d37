"""Queues of operations on SIMs: SIMs are processed one by one, and the webhook reports the end."""

from __future__ import annotations

import uuid

from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.models import JsonObject, Queue, User
from airflow_provider_telecom.simulator.novaconnect.operations import OPERATIONS, NotApplicableError
from airflow_provider_telecom.simulator.novaconnect.webhooks import queue_body

DOCUMENTED_CALLBACKS = ("block", "unblock", "disconnect", "ping", "group")
"""The operations whose webhook one line of the document lists; sim/reconnect is "disconnect" here."""
_PROGRESS_REPORTS = 4


def enqueue(
    data: VendorData, code: str, sims: list[int], params: JsonObject, user: User, callback_url: str | None
) -> Queue:
    """Queue an operation for SIMs. Immediate transitions have happened when this returns."""
    stages = [str(done) for done in range(len(sims) + 1)]
    progression = data.simulator.start_progression("novaconnect.queue", stages)
    queue_id = str(uuid.UUID(int=data.random.getrandbits(128), version=4))
    queue = Queue(queue_id, code, list(sims), params, user, data.now(), progression, callback_url)
    data.queues[queue_id] = queue
    settle(data)
    if callback_url is not None and not queue.finished:
        _schedule_webhooks(data, queue)
    return queue


def _schedule_webhooks(data: VendorData, queue: Queue) -> None:
    """Make the webhooks come in time, whether somebody polls or not."""
    transition = data.simulator.transition("novaconnect.queue")
    if transition.mode == "after_seconds":
        for turn in range(1, len(queue.sims) + 1):
            data.webhook_sender.schedule(lambda: settle(data), turn * transition.count)


def settle(data: VendorData, polling: bool = False) -> None:
    """Process what is due by now in every queue, the oldest first, and send its webhooks.

    With `polling` (a request) it counts as a poll, which may advance a queue.
    """
    for queue in [queue for queue in data.queues.values() if not queue.finished]:
        due = int(queue.progression.poll() if polling else queue.progression.stage)
        while len(queue.statuses) < due:
            queue.statuses.append(_process(data, queue, queue.sims[len(queue.statuses)]))
            _send_webhook(data, queue)


def _process(data: VendorData, queue: Queue, sim_id: int) -> str:
    sim = data.sims[sim_id]
    try:
        facts = OPERATIONS[queue.code](data, sim, queue.params)
    except NotApplicableError:
        return "error"
    if facts is not None:
        data.record(queue.code, id=sim.id, iccid=sim.iccid, msisdn=sim.number, queue_id=queue.id, **facts)
    return "success"


def _send_webhook(data: VendorData, queue: Queue) -> None:
    is_listed = queue.code in DOCUMENTED_CALLBACKS or not data.switches.on("callbacks_listed")
    if queue.callback_url is None or not is_listed:
        return
    part = -(-len(queue.sims) // _PROGRESS_REPORTS)
    progress = data.switches.on("progress_callbacks") and len(queue.statuses) % part == 0
    if queue.finished or progress or data.switches.on("single_item"):
        data.post(queue.callback_url, queue_body(data, queue))
