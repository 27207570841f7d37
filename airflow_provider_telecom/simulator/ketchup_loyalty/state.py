"""KetchUp's own state: what was sent, who pays, and how each message comes to its end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from decimal import Decimal
from itertools import count
from typing import Any

from airflow_provider_telecom.simulator.ketchup_loyalty.answers import Refusal
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import Country, Module
from airflow_provider_telecom.simulator.state import Progression, SimulatorState

SHORT_NAME = "ketchup_loyalty"


class Delivery(Progression):
    """A message's way to its end: "scheduled" before `start`, then through its stages."""

    def __init__(self, state: SimulatorState, kind: str, stages: Sequence[str], start: datetime) -> None:
        super().__init__(state, kind, stages)
        self._born = start
        self._settled: datetime | None = None

    def poll(self) -> str:
        """Return the present stage. Looking may ripen it, but not before its start."""
        if not self.started:
            return "scheduled"
        stage = super().poll()
        if self._settled is None and self.final:
            self._settled = self.settling() or self._simulator.clock.now()
        return stage

    @property
    def stage(self) -> str:
        """The present stage, without a look."""
        return super().stage if self.started else "scheduled"

    @property
    def outcome(self) -> str:
        """The last stage."""
        return self._stages[-1]

    @property
    def started(self) -> bool:
        """Whether the message has gone out."""
        return self._simulator.clock.now() >= self._born

    @property
    def start(self) -> datetime:
        """When the message goes out."""
        return self._born

    @property
    def settled(self) -> datetime | None:
        """When the last stage was reached; None before that."""
        return (self._settled or self.settling()) if self.final else None

    def settling(self) -> datetime | None:
        """Return when the last stage is reached by time alone; None when only looks lead there."""
        transition = self._simulator.transition(self._kind)
        if transition.mode == "immediate" or not transition.count:
            return self._born
        if transition.mode == "after_polls":
            return None
        return self._born + timedelta(seconds=transition.count * (len(self._stages) - 1))


@dataclass(slots=True)
class Message:
    """One SMS, HLR look-up or Viber message. `created` is aware, `price` is in EUR."""

    id: str
    module: Module
    msisdn: str
    country: Country
    price: Decimal
    created: datetime
    delivery: Delivery
    reference: str | None
    originator: str = "HLR"
    text: str = ""
    options: dict[str, str] = field(default_factory=dict)
    callback_url: str | None = None
    reported: bool = False


@dataclass
class Task:
    """A mass sending: what one request to many phones began."""

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
    rows: list[dict[str, Any]]
    message_type: str | None
    by_id: bool
    progression: Progression


class VendorState:
    """KetchUp's state, and the switches by which a test makes it behave in one way or another.

    `throttle` is how many of the next creations are answered with error 11; `refused_senders` are answered
    with 32 (SMS) or 45 (Viber); `callback_url` is the account's own, for HLR; `zone` is that of times
    without an offset.
    """

    def __init__(self, state: SimulatorState) -> None:
        self.simulator = state
        self.switches = state.switches("ketchup_loyalty")
        self.balance = Decimal(100_000)
        self.blocked = False
        self.throttle = 0
        self.max_package = 500
        self.inactive_tariffs: set[int] = set()
        self.refused_senders = {"forbidden"}
        self.callback_url: str | None = None
        self.zone: tzinfo = UTC
        self.messages: dict[str, Message] = {}
        self.references: dict[Module, dict[str, Message]] = {"sms": {}, "hlr": {}, "viber": {}}
        self.tasks: dict[str, Task] = {}
        self.exports: dict[str, Export] = {}
        self._ids = count(22125)

    def new_id(self) -> str:
        """Return an id that no message or task has."""
        return str(next(self._ids))

    def admit(self, recipients: int) -> None:
        """Refuse a creation that is too large, or comes while too much is under way."""
        if recipients > self.max_package:
            raise Refusal(12)
        if self.throttle > 0:
            self.throttle -= 1
            raise Refusal(11)

    def pay(self, total: Decimal) -> None:
        """Take `total` EUR from the balance, or refuse the whole request."""
        if total > self.balance:
            raise Refusal(8)
        self.balance -= total

    def add(self, message: Message, **facts: Any) -> None:
        """Keep a new message, and write it into the ledger with these facts."""
        self.messages[message.id] = message
        if message.reference is not None:
            self.references[message.module][message.reference] = message
        self.simulator.record(
            SHORT_NAME,
            message.module,
            id=message.id,
            msisdn=message.msisdn,
            reference=message.reference,
            price=str(message.price),
            **facts,
        )

    def by_id(self, module: Module, message_id: str) -> Message | None:
        """Return a message of a module by KetchUp's id."""
        message = self.messages.get(message_id)
        return message if message is not None and message.module == module else None

    def by_reference(self, module: Module, reference: str) -> Message | None:
        """Return a message of a module by the client's reference."""
        return self.references[module].get(reference)

    def naive(self, moment: datetime | None) -> str | None:
        """Return a moment as KetchUp writes most of them: without an offset."""
        return None if moment is None else moment.astimezone(self.zone).strftime("%Y-%m-%d %H:%M:%S")
