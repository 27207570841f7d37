"""KetchUp's state: messages, batches, exports, the balance, and how a message reaches its final status."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import count

from airflow_provider_telecom.simulator.ketchup_loyalty.prices import Country, Module
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import JsonObject, VendorError
from airflow_provider_telecom.simulator.state import Progression, SimulatorState
from airflow_provider_telecom.simulator.switches import Switches

VENDOR = "ketchup_loyalty"


class Delivery(Progression):
    """The statuses of a message: "scheduled" before `start`, then its stages."""

    def __init__(self, simulator: SimulatorState, kind: str, stages: Sequence[str], start: datetime) -> None:
        super().__init__(simulator, kind, stages)
        self._born = self.start = start
        self._finished: datetime | None = None

    def poll(self) -> str:
        """Return the present stage. Polling may change it, but not before its start."""
        if not self.started:
            return "scheduled"
        stage = super().poll()
        if self._finished is None and self.final:
            self._finished = self.finish_time() or self._simulator.clock.now()
        return stage

    @property
    def stage(self) -> str:
        """The present stage, without polling."""
        return super().stage if self.started else "scheduled"

    @property
    def outcome(self) -> str:
        """The last stage."""
        return self._stages[-1]

    @property
    def started(self) -> bool:
        """Whether the message has gone out."""
        return self._simulator.clock.now() >= self.start

    @property
    def finished(self) -> datetime | None:
        """When the last stage was reached; None before that."""
        return (self._finished or self.finish_time()) if self.final else None

    def finish_time(self) -> datetime | None:
        """Return when the last stage is reached by time alone; None if only polls lead there."""
        transition = self._simulator.transition(self._kind)
        if transition.mode == "immediate" or not transition.count:
            return self.start
        if transition.mode == "after_polls":
            return None
        return self.start + timedelta(seconds=transition.count * (len(self._stages) - 1))


def receipt_stages(switches: Switches, msisdn: str, stages: Sequence[str]) -> Sequence[str]:
    """Return the statuses of a message under the switches that are about receipts, by its last digit."""
    *before, last = stages
    digit = msisdn[-1]
    if switches.on("changing_receipts") and digit in "56":
        return (*before, *(("undeliverable", last) if digit == "6" else (last, "undeliverable")))
    if switches.on("late_receipts") and digit == "7":
        return (*before, *[before[-1]] * (9 * len(before)), last)
    if switches.on("new_status") and digit == "3":
        return (*before, "filtered")
    return stages


@dataclass(slots=True)
class Draft:
    """An SMS, HLR look-up or Viber message that can be created as requested. `price` is in EUR."""

    module: Module
    msisdn: str
    country: Country
    price: Decimal
    reference: str | None
    originator: str = "HLR"
    text: str = ""
    options: dict[str, str] = field(default_factory=dict)
    callback_url: str | None = None
    tariff: int = 0


Line = Draft | VendorError
"""One recipient of a request: what can be created, or why not."""


def total(lines: Iterable[Line]) -> Decimal:
    """Return the price of all that can be created, in EUR."""
    return sum((line.price for line in lines if isinstance(line, Draft)), Decimal(0))


@dataclass(slots=True)
class Message:
    """A message or look-up that was created. `created` is aware."""

    id: str
    draft: Draft
    created: datetime
    delivery: Delivery
    reported: bool = False
    """Whether its webhook was sent."""


@dataclass
class Task:
    """A batch: the messages of one request to many phones."""

    id: str
    originator: str
    text: str
    validity: int
    messages: list[Message]


@dataclass
class Export:
    """A requested statistics file; its rows are those of the moment of the request."""

    key: str
    created: datetime
    rows: list[JsonObject]
    message_type: str | None
    by_id: bool
    delivery: Delivery
    callback_url: str | None = None
    posted: bool = False
    """Whether its webhook was sent."""


class VendorState:
    """KetchUp's state, and the settings by which a test changes its behaviour.

    `throttle` is how many of the next creations get error 11; `refused_senders` get 32 (SMS) or 45 (Viber);
    `callback_url` is the account's own for HLR, `statistics_callback_url` that for statistics; `zone` is that
    of times without an offset.
    """

    def __init__(self, simulator: SimulatorState) -> None:
        self.simulator = simulator
        self.switches = simulator.switches(VENDOR)
        self.balance = Decimal(100_000)
        self.blocked = False
        self.throttle = 0
        self.max_package = 500
        self.inactive_tariffs: set[int] = set()
        self.refused_senders = {"forbidden"}
        self.callback_url: str | None = None
        self.statistics_callback_url: str | None = None
        self.zone: tzinfo = UTC
        self.messages: dict[str, Message] = {}
        self.references: dict[Module, dict[str, Message]] = {"sms": {}, "hlr": {}, "viber": {}}
        self.tasks: dict[str, Task] = {}
        self.exports: dict[str, Export] = {}
        self._ids = count(22125)

    def now(self) -> datetime:
        """Return the simulator's time."""
        return self.simulator.clock.now()

    def new_id(self) -> str:
        """Return an id that no message or task has."""
        return str(next(self._ids))

    def accept(self, lines: Sequence[Line]) -> Decimal:
        """Take the price of a request from the balance and return it.

        Refuses a request that is too large, comes while too many are in progress, or costs too much.
        """
        if len(lines) > self.max_package:
            raise VendorError(12)
        if self.throttle > 0:
            self.throttle -= 1
            raise VendorError(11)
        price = total(lines)
        if price > self.balance:
            raise VendorError(8)
        self.balance -= price
        return price

    def create(
        self, draft: Draft, stages: Sequence[str], start: datetime | None = None, /, **facts: object
    ) -> Message:
        """Return a new message with its statuses to come; it is recorded in the ledger with these facts."""
        now = self.now()
        delivery = Delivery(self.simulator, f"{VENDOR}.{draft.module}", stages, start or now)
        message = Message(self.new_id(), draft, now, delivery)
        self.messages[message.id] = message
        if draft.reference is not None:
            self.references[draft.module][draft.reference] = message
        self.simulator.record(
            VENDOR,
            draft.module,
            id=message.id,
            msisdn=draft.msisdn,
            reference=draft.reference,
            price=str(draft.price),
            **facts,
        )
        return message

    def by_id(self, module: Module, message_id: str) -> Message | None:
        """Return a message of a module by KetchUp's id."""
        message = self.messages.get(message_id)
        return message if message is not None and message.draft.module == module else None

    def by_reference(self, module: Module, reference: str) -> Message | None:
        """Return a message of a module by the client's reference."""
        return self.references[module].get(reference)

    def local_text(self, moment: datetime | None) -> str | None:
        """Return a time as KetchUp writes most of them: without an offset."""
        return None if moment is None else moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")
