"""What all simulated vendors share: clock, ledger of effects, faults, switches, and how states change.

Each vendor's own state is in its package. Nothing here imports the client, and the client never imports the
simulator: if they shared a model, a wrong field name would be wrong on both sides and no test would fail.
"""

from __future__ import annotations

import random
import re
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any, Literal, get_args

from annotated_types import Ge, Interval
from pydantic import ConfigDict

from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.simulator.switches import Preset, Switches, of_vendor

VENDORS = tuple(ACCOUNTS)


class Clock:
    """The simulator's clock: it runs with the real one and can be set."""

    def __init__(self) -> None:
        self._offset = timedelta(0)

    def now(self) -> datetime:
        """Return the simulator's time, aware, in UTC."""
        return datetime.now(UTC) + self._offset

    def advance(self, seconds: float) -> None:
        """Move the clock ahead by `seconds`."""
        self._offset += timedelta(seconds=seconds)

    def set(self, moment: datetime) -> None:
        """Set the clock to `moment` (aware); it runs on from there."""
        self._offset = moment - datetime.now(UTC)


@dataclass(frozen=True)
class Effect:
    """Something a vendor did that costs money, rings a phone or changes a state."""

    vendor: str
    kind: str
    at: datetime
    facts: dict[str, Any]


@dataclass
class Ledger:
    """All effects in order. Tests compare them with what the client reports."""

    effects: list[Effect] = field(default_factory=list)

    def of(self, vendor: str | None = None, kind: str | None = None, **facts: Any) -> list[Effect]:
        """Return the effects of a vendor and kind whose facts include those given."""
        return [
            effect
            for effect in list(self.effects)
            if vendor in (None, effect.vendor)
            and kind in (None, effect.kind)
            and all(effect.facts.get(name) == value for name, value in facts.items())
        ]


@dataclass(frozen=True)
class ReceivedRequest:
    """A request that reached a vendor, with or without a fault."""

    vendor: str
    method: str
    path: str
    query: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""
    """Query, headers (names in lower case) and body are recorded with `record_content`."""


TransitionMode = Literal["immediate", "after_polls", "after_seconds"]
TRANSITION_MODES: tuple[TransitionMode, ...] = get_args(TransitionMode)


@dataclass(frozen=True)
class Transition:
    """When a state moves to its next stage: at once, after `count` polls, or after `count` seconds."""

    mode: TransitionMode = "immediate"
    count: float = 0


class Progression:
    """A state that moves through `stages`, one transition after the other."""

    def __init__(self, state: SimulatorState, kind: str, stages: Sequence[str]) -> None:
        self._simulator, self._kind, self._stages = state, kind, tuple(stages)
        self._born, self._polls = state.clock.now(), 0

    def poll(self) -> str:
        """Return the current stage, and count the poll: it may move the state on."""
        self._polls += 1
        return self.stage

    @property
    def stage(self) -> str:
        """The current stage; reading it does not count as a poll."""
        transition, last = self._simulator.transition(self._kind), len(self._stages) - 1
        if transition.mode == "immediate" or not transition.count:
            return self._stages[last]
        if transition.mode == "after_polls":
            return self._stages[min(last, int(self._polls / transition.count))]
        age = (self._simulator.clock.now() - self._born).total_seconds()
        return self._stages[min(last, max(0, int(age / transition.count)))]

    @property
    def final(self) -> bool:
        """Whether the last stage is reached."""
        return self.stage == self._stages[-1]


FaultKind = Literal[
    "status",  # answer with `status`, `headers` and `body`, without effect
    "status_after",  # the same, but the effect has happened
    "reset_before",  # read the request, then reset the connection: no effect
    "reset_after",  # the effect happens, then the connection is reset
    "close_before",  # read the request, then close cleanly without an answer: no effect
    "close_after",  # the effect happens, then a clean close without an answer
    "half_body",  # the effect happens; the answer breaks off in its middle
    "drip",  # the effect happens; the answer comes at a byte per `seconds`
    "silence",  # the effect happens; the answer comes only after `seconds`
    "html",  # 200 with an HTML page, without effect
    "garbage",  # the effect happens; 200 with a body that is not JSON
    "bad_status_line",  # the effect happens; what comes back is not HTTP
    "two_lengths",  # the effect happens; the answer has two Content-Length headers that contradict each other
    "gzip_bomb",  # 200 with `size` bytes of gzip-packed zeros
    "redirect",  # 302 to `headers["location"]`
    "body",  # 200 with `body` as given, without effect
]


@dataclass
class Fault:  # also the body of POST /_control/faults
    """A failure that happens to the next `times` requests that match."""

    kind: FaultKind
    vendor: str | None = None
    method: str | None = None
    path: str = ""
    times: Annotated[int, Ge(1)] = 1
    status: Annotated[int, Interval(ge=200, le=599)] = 503
    headers: dict[str, str] = field(default_factory=dict)
    body: str = ""
    seconds: Annotated[float, Ge(0)] = 1.0
    size: Annotated[int, Ge(0)] = 200_000_000
    __pydantic_config__ = ConfigDict(extra="forbid")

    def __post_init__(self) -> None:
        """Raise ValueError for an unknown vendor or a wrong regular expression."""
        if self.vendor is not None and self.vendor not in VENDORS:
            raise ValueError(f"vendor must be one of {', '.join(VENDORS)}")
        try:
            re.compile(self.path)
        except re.error as error:
            raise ValueError(f"path is not a regular expression: {error}") from None

    def matches(self, request: ReceivedRequest) -> bool:
        """Whether the fault applies to a request; `path` is a regular expression, searched in its path."""
        return (
            self.times > 0
            and self.vendor in (None, request.vendor)
            and self.method in (None, request.method)
            and re.search(self.path, request.path) is not None
        )


class SimulatorState:
    """What all vendors share, and each vendor's own state. `reset` discards it all."""

    def __init__(self, seed: int = 0, preset: Preset = "default") -> None:
        self.lock = threading.RLock()
        self.reset(seed, preset)

    def reset(self, seed: int = 0, preset: Preset = "default") -> None:
        """Discard ledger, faults, requests, time and each vendor's state; set all switches by the preset."""
        with self.lock:
            self.seed = seed
            self.random = random.Random(seed)
            self.clock = Clock()
            self.ledger = Ledger()
            self.requests: list[ReceivedRequest] = []
            self.record_content = False
            self.faults: list[Fault] = []
            self.started = time.monotonic()
            self._transitions: dict[str, Transition] = {}
            self._vendor_states: dict[str, Any] = {}
            self._switches = {vendor: Switches(of_vendor(vendor), preset, seed) for vendor in VENDORS}

    def vendor_state(self, vendor: str, new: type[Any]) -> Any:
        """Return a vendor's state; the first call after a reset makes it with `new(self)`."""
        with self.lock:
            if vendor not in self._vendor_states:
                self._vendor_states[vendor] = new(self)
            return self._vendor_states[vendor]

    def switches(self, vendor: str) -> Switches:
        """Return a vendor's switches: which readings of its document it follows."""
        return self._switches[vendor]

    def set_switch(self, full_name: str, value: str) -> None:
        """Set a switch: `set_switch("ketchup_loyalty.bare_read", "on")`. Raises ValueError if unknown."""
        vendor, _, name = full_name.partition(".")
        if vendor not in self._switches:
            raise ValueError(f"vendor must be one of {', '.join(VENDORS)}")
        self._switches[vendor].set(name, value)

    def record(self, vendor: str, kind: str, **facts: Any) -> Effect:
        """Add an effect to the ledger."""
        effect = Effect(vendor, kind, self.clock.now(), facts)
        self.ledger.effects.append(effect)
        return effect

    def start_progression(self, kind: str, stages: Sequence[str]) -> Progression:
        """Start one, such as `start_progression("ketchup_loyalty.sms", ["accepted", "delivered"])`."""
        return Progression(self, kind, stages)

    def set_transition(self, kind: str, mode: TransitionMode, count: float = 0) -> None:
        """Set how states of `kind` progress; a vendor's id stands for all of its kinds."""
        self._transitions[kind] = Transition(mode, count)

    def transition(self, kind: str) -> Transition:
        """Return the transition of a kind: its own, else its vendor's, else an immediate one."""
        return self._transitions.get(kind) or self._transitions.get(kind.split(".")[0]) or Transition()

    def take_fault(self, request: ReceivedRequest) -> Fault | None:
        """Return the first fault that applies to the request, and count it as used."""
        with self.lock:
            for fault in self.faults:
                if fault.matches(request):
                    fault.times -= 1
                    return fault
            return None
