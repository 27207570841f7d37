"""NovaConnect's state, and the few things that a test does to it from outside."""

from __future__ import annotations

import itertools
import random
import sys
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from airflow_provider_telecom.simulator.novaconnect.bills import usage_of
from airflow_provider_telecom.simulator.novaconnect.models import Action, Bill, Group, Session, Sim, User
from airflow_provider_telecom.simulator.novaconnect.notices import notice
from airflow_provider_telecom.simulator.novaconnect.queues import Queue, advance
from airflow_provider_telecom.simulator.novaconnect.seed import COMPANY, add_sim, seed_state
from airflow_provider_telecom.simulator.state import Effect, SimulatorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender

ADMIN_ID, PLAIN_ID = 101, 102  # whom the two tokens belong to


class VendorState:
    """A company with its SIMs, groups, users, bills, report rows and queues, each by its id.

    No page holds more than `max_rows`, whatever is asked for; the days of reports and
    bills begin `utc_offset` seconds before those of UTC. `after_pages` are done one by one, each after the
    next page of a report: so rows can move while somebody reads. `last_report` is what one was asked for.
    `transcripts` holds files, by a bill's id, that are served in place of those made of the books.
    """

    def __init__(self, state: SimulatorState) -> None:
        self.simulator = state
        self.random = random.Random(f"novaconnect-{state.seed}")
        self.ids = itertools.count(900001)
        self.switches = state.switches("novaconnect")
        self.max_rows = sys.maxsize
        self.utc_offset = 0
        self.after_pages: list[Callable[[], Any]] = []
        self.last_report: dict[str, Any] = {}
        self.transcripts: dict[int, bytes] = {}
        self.company: dict[str, Any] = dict(COMPANY)
        self.sims: dict[int, Sim] = {}
        self.groups: dict[int, Group] = {}
        self.users: dict[int, User] = {}
        self.bills: dict[int, Bill] = {}
        self.sessions: list[Session] = []
        self.actions: list[Action] = []
        self.queues: dict[str, Queue] = {}
        seed_state(self)

    def now(self) -> int:
        """Return the town's time in Unix seconds."""
        return int(self.simulator.clock.now().timestamp())

    def record(self, kind: str, **facts: Any) -> Effect:
        """Write an effect of NovaConnect into the town's ledger."""
        return self.simulator.record("novaconnect", kind, **facts)

    def show_sim(self, sim: Sim) -> dict[str, Any]:
        """Return a SIM's JSON object in the form that the switches choose."""
        return sim.shown(self.groups, self.switches)

    def add_sims(self, count: int) -> list[Sim]:
        """Add `count` unblocked SIMs, two of profile TD to one of TC, without groups or report rows."""
        return [add_sim(self, "TD" if place % 3 else "TC") for place in range(count)]

    def add_group(self, name: str) -> Group:
        """Add a group."""
        group = Group(next(self.ids), name, self.now())
        self.groups[group.id] = group
        return group

    def new_group(self, name: str) -> Group:
        """Add a group on a customer's behalf: the ledger says so."""
        group = self.add_group(name)
        self.record("group_created", id=group.id, name=group.name)
        return group

    def month_before(self, moment: int) -> str:
        """Return the month before that of `moment`, as MM-YYYY: what a bill of that day is for."""
        first = datetime.fromtimestamp(moment, UTC).replace(day=1)
        return (first - timedelta(days=1)).strftime("%m-%Y")

    def make_bill(self, period: str) -> Bill:
        """Make the bill of a month (MM-YYYY) out of what reports show of it."""
        number, charges = max(self.bills, default=500) + 1, usage_of(self, period)
        cost = round(sum(charges.values()) / 10_000, 2)
        self.bills[number] = Bill(number, period, self.now(), 0, cost, 515.5, f"NC-{number}", charges=charges)
        return self.bills[number]

    def enqueue(
        self, code: str, sims: list[int], params: dict[str, Any], user: User, callback_url: str | None
    ) -> Queue:
        """Queue an operation for SIMs; what ripens at once has happened when this returns."""
        stages = [str(done) for done in range(len(sims) + 1)]
        progression = self.simulator.start_progression("novaconnect.queue", stages)
        queue_id = str(uuid.UUID(int=self.random.getrandbits(128), version=4))
        queue = Queue(queue_id, code, list(sims), params, user, self.now(), progression, callback_url)
        self.queues[queue_id] = queue
        self.settle()
        if callback_url is not None and not queue.finished:
            self._schedule_callbacks(queue)
        return queue

    def _schedule_callbacks(self, queue: Queue) -> None:
        """See to it that the call-backs come in time, whether somebody looks or not."""
        transition = self.simulator.transition("novaconnect.queue")
        if transition.mode == "after_seconds":
            for turn in range(1, len(queue.sims) + 1):
                self.simulator.vendor_state("webhook_sender", WebhookSender).remind(
                    self.settle, turn * transition.count
                )

    def settle(self, polling: bool = False) -> None:
        """Let every queue do what is due by now, the oldest first, and send its call-backs.

        A request settles by itself, with a look; from outside there is none.
        """
        for queue in [queue for queue in self.queues.values() if not queue.finished]:
            advance(self, queue, polling)

    def post(self, url: str, body: dict[str, Any]) -> None:
        """Hand a body to the town's postman."""
        self.simulator.vendor_state("webhook_sender", WebhookSender).post(url, body)

    def notify(self, kind: str, url: str) -> None:
        """Post a documented account notice, such as `package_empty` or `unpaid_bill_3`.

        The notice changes nothing: no SIM is blocked by `unpaid_bill_6`. Raises ValueError if there
        is no such type.
        """
        self.post(url, notice(self, kind))
