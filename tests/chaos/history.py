"""What clients and the simulated vendors did, in order: the ledger that the checker reads.

An *intent* is something that shall happen once, such as an SMS to one number. An *operation* is one attempt
at some intents: a try of a task, or a call of a hook. It is invoked, and completes with an outcome for each
intent, or its process dies. Effects are what the simulator says that happened.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Literal

Guarantee = Literal["key", "fail", "assume_sent", "resend"]
"""`key`: the vendor does it once for our idempotency key. The others are values of `on_unknown`."""
Outcome = Literal["ok", "fail", "unknown", "again"]
"""`ok`: it happened. `fail`: it did not. `unknown`: nobody knows, and the client has said so, loudly.
`again`: nothing is said; a later operation must follow."""
Kind = Literal["invoke", "ok", "fail", "unknown", "again", "killed", "effect", "disturbed"]


@dataclass(frozen=True)
class Event:
    """One line of a history. `operation` is 0 for effects, whose operation is not known."""

    kind: Kind
    intent: str
    operation: int
    seconds: float
    note: str = ""
    """The guarantee of an `invoke`; otherwise a remark."""


class History:
    """Events in order. Several threads may add to it."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self._lock = threading.RLock()
        self._began = time.monotonic()
        self._operations: dict[int, tuple[str, ...]] = {}
        self._seen = 0

    def invoke(self, intents: Iterable[str], guarantee: Guarantee) -> int:
        """Record that an operation begins, and return its number. Call it before anything can be sent."""
        with self._lock:
            number, names = len(self._operations) + 1, tuple(dict.fromkeys(intents))
            self._operations[number] = names
            for name in names:
                self._add("invoke", name, number, guarantee)
            return number

    def complete(self, operation: int, outcomes: Mapping[str, Outcome] | Outcome, note: str = "") -> None:
        """Record what an operation says of its intents. Add the effects first (`effects`)."""
        with self._lock:
            names = self._operations[operation]
            given = dict.fromkeys(names, outcomes) if isinstance(outcomes, str) else outcomes
            if set(given) != set(names):
                raise ValueError(f"outcomes for {sorted(given)}, intents are {sorted(names)}")
            for name in names:
                self._add(given[name], name, operation, note)

    def killed(self, operation: int, note: str = "") -> None:
        """Record that the process of an operation died before it could say anything."""
        with self._lock:
            for name in self._operations[operation]:
                self._add("killed", name, operation, note)

    def disturbed(self, note: str) -> None:
        """Record that something was done to the world: a fault, a lost connection, a full disk."""
        with self._lock:
            self._add("disturbed", "", 0, note)

    def effect(self, intent: str, note: str = "") -> None:
        """Record one effect."""
        with self._lock:
            self._add("effect", intent, 0, note)

    def effects(self, simulator: Any, intents_of: Callable[[Any], Iterable[str]]) -> None:
        """Record the effects of the simulator's ledger since the last call.

        `intents_of` returns the intents that an effect fulfils: none if it costs nothing and reaches nobody,
        several if it is a campaign.
        """
        with self._lock:
            effects = simulator.state.ledger.effects
            new, self._seen = effects[self._seen :], len(effects)
            for one in new:
                for intent in intents_of(one):
                    self.effect(intent)

    def ledger_was_reset(self) -> None:
        """Tell that the simulator's ledger is empty again."""
        self._seen = 0

    @contextmanager
    def operation(self, intents: Iterable[str], guarantee: Guarantee) -> Iterator[int]:
        """Invoke an operation. If the block does not complete it, it counts as killed."""
        number = self.invoke(intents, guarantee)
        yield number
        with self._lock:
            if not any(one.operation == number and one.kind != "invoke" for one in self.events):
                self.killed(number)

    def _add(self, kind: Kind, intent: str, operation: int, note: str) -> None:
        self.events.append(Event(kind, intent, operation, round(time.monotonic() - self._began, 6), note))

    def write(self, path: Path) -> None:
        """Write the events as JSON lines."""
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("".join(json.dumps(asdict(event)) + "\n" for event in self.events))
