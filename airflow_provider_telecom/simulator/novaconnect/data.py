"""What NovaConnect stores: the data that all modules of this package read and change."""

from __future__ import annotations

import itertools
import random
import sys
from collections.abc import Callable

from airflow_provider_telecom.simulator.novaconnect.models import (
    Action,
    Bill,
    Group,
    JsonObject,
    Queue,
    Session,
    Sim,
    User,
)
from airflow_provider_telecom.simulator.state import Effect, SimulatorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender


class VendorData:
    """A company with its SIMs, groups, users, bills, report rows and queues, each by its id.

    No page has more than `max_rows` rows, whatever is requested. The days of reports and bills begin
    `utc_offset` seconds before those of UTC. Each of `after_pages` is called once, after the next page of a
    report: so rows can move while somebody reads. `last_report` is the body of the last request for a report.
    `transcripts` has files, by a bill's id, that are sent instead of generated ones.
    """

    def __init__(self, simulator: SimulatorState) -> None:
        self.simulator = simulator
        self.random = random.Random(f"novaconnect-{simulator.seed}")
        self.ids = itertools.count(900001)
        self.switches = simulator.switches("novaconnect")
        self.max_rows = sys.maxsize
        self.utc_offset = 0
        self.after_pages: list[Callable[[], object]] = []
        self.last_report: JsonObject = {}
        self.transcripts: dict[int, bytes] = {}
        self.company: JsonObject = {}
        self.sims: dict[int, Sim] = {}
        self.groups: dict[int, Group] = {}
        self.users: dict[int, User] = {}
        self.bills: dict[int, Bill] = {}
        self.sessions: list[Session] = []
        self.actions: list[Action] = []
        self.queues: dict[str, Queue] = {}

    def now(self) -> int:
        """Return the simulator's time in Unix seconds."""
        return int(self.simulator.clock.now().timestamp())

    def record(self, kind: str, **facts: object) -> Effect:
        """Write an effect of NovaConnect into the simulator's ledger."""
        return self.simulator.record("novaconnect", kind, **facts)

    @property
    def webhook_sender(self) -> WebhookSender:
        """The sender of webhooks that all vendors share."""
        sender: WebhookSender = self.simulator.vendor_state("webhook_sender", WebhookSender)
        return sender

    def post(self, url: str, body: JsonObject) -> None:
        """Post a body to an address."""
        self.webhook_sender.post(url, body)

    def show_sim(self, sim: Sim) -> JsonObject:
        """Return a SIM's JSON object in the form that the switches choose."""
        return sim.shown(self.groups, self.switches)

    def add_group(self, name: str) -> Group:
        """Add a group."""
        group = Group(next(self.ids), name, self.now())
        self.groups[group.id] = group
        return group

    def create_group(self, name: str) -> Group:
        """Add a group for a customer and record that in the ledger."""
        group = self.add_group(name)
        self.record("group_created", id=group.id, name=group.name)
        return group
