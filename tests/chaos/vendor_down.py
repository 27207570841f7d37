"""A vendor is down for 10 minutes, and one process makes 200 calls in that time.

One form is in virtual time: a call every three seconds, whose pauses move the clock. The other makes all
calls at once, in threads. What is counted are requests that the client tried to send, also those that found
no listening socket.
"""

from __future__ import annotations

import os
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.request import Idempotency, Outcome, Request
from airflow_provider_telecom.hooks.base import forget_clients
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.registry import find_vendor
from tests.chaos.scenario import Round, Scenario

CALLS, SECONDS = 200, 600.0
MAX_SHARE = 1.2
"""How many requests may be made for each call."""

Call = Callable[[int], object]

CALL_OF: dict[str, tuple[Idempotency, Callable[[Any, int], object]]] = {
    "kyivstar_open_telecom": (Idempotency.NONE, lambda hook, number: hook.send_sms("380670000200", "Hi")),
    "ketchup_loyalty": (
        Idempotency.WITH_KEY,
        lambda hook, number: hook.send_sms("380670000200", "Hi", reference=f"r{number}", originator="Shop"),
    ),
    "kyivstar_fmc": (
        Idempotency.NONE,
        lambda hook, number: hook.originate_call("380670000200", "380670000201"),
    ),
    "sunsim": (Idempotency.NONE, lambda hook, number: hook.create_callback("79000000277", "79000000000")),
    "novaconnect": (Idempotency.READ, lambda hook, number: hook.get_user()),
}
"""A call of each vendor, and what a duplicate of it costs."""

DOWN: dict[str, dict[str, Any] | None] = {
    "refuses connections": None,
    "answers 503": {"kind": "status", "status": 503, "body": "down"},
    "resets connections": {"kind": "reset_before"},
    "answers pages": {"kind": "html"},
    "acts and answers nothing": {"kind": "reset_after"},
}


@dataclass(frozen=True)
class Outage:
    """What a process did while its vendor was down, and right after."""

    how: str
    calls: int
    requests: int
    effects: int
    """What the vendor did for the calls that failed."""
    outcomes: Counter[str]
    loud: int
    """Calls whose errors say that their outcome is unknown."""
    first_after: str
    """The outcome of the first call after the vendor was up again and the breaker had its time."""


class Clock:
    """A clock that only pauses move."""

    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now

    def sleep(self, seconds: float) -> None:
        """Move it."""
        self.now += seconds


def with_clock(hook: Any) -> Clock:
    """Let the limits of a hook's account, and those of its token calls, use a new clock; return it."""
    clock, client = Clock(), hook._client()
    limits = client.account.limits
    limits.clock = clock
    client.account = replace(client.account, auth=hook._auth(hook._read(), limits))
    return clock


class Counting:
    """A transport that counts requests."""

    def __init__(self, transport: Any) -> None:
        self._transport, self._lock, self.requests = transport, threading.Lock(), 0

    def send(self, request: Request) -> Outcome:
        """Count and send."""
        with self._lock:
            self.requests += 1
        outcome: Outcome = self._transport.send(request)
        return outcome

    def close(self) -> None:
        """Close the pooled connections."""
        self._transport.close()


@contextmanager
def down(simulator: Any, how: str, vendor: str) -> Iterator[None]:
    """Let the vendor be down within a `with` block."""
    fault = DOWN[how]
    if fault is None:
        with simulator.refusing():
            yield
        return
    before = list(simulator.state.faults)
    simulator.fault(**fault, vendor=vendor, times=10**9)
    try:
        yield
    finally:
        simulator.state.faults[:] = before


def one_after_the_other(hook: Any, simulator: Any, how: str, call: Call, calls: int = CALLS) -> Outage:
    """Make calls in virtual time, evenly over the outage."""
    clock = with_clock(hook)
    hook._client().sync_transport._sleep = clock.sleep
    outcomes: list[str] = []

    def make() -> None:
        began = clock.now
        for number in range(calls):
            clock.now = max(clock.now, began + number * SECONDS / calls)
            outcomes.append(_outcome(call, number))

    return _outage(hook, simulator, how, call, make, outcomes, clock)


def all_at_once(hook: Any, simulator: Any, how: str, call: Call, calls: int = CALLS) -> Outage:
    """Make all calls at the same time."""
    clock = with_clock(hook)
    hook._client().sync_transport._sleep = lambda seconds: None
    outcomes: list[str] = []

    def make() -> None:
        with ThreadPoolExecutor(50) as threads:
            outcomes.extend(threads.map(lambda number: _outcome(call, number), range(calls)))

    return _outage(hook, simulator, how, call, make, outcomes, clock)


def _outage(
    hook: Any,
    simulator: Any,
    how: str,
    call: Call,
    make: Callable[[], None],
    outcomes: list[str],
    clock: Clock,
) -> Outage:
    transport = hook._client().sync_transport
    counting = transport._transport = Counting(transport._transport)
    effects = _effects(simulator)
    with down(simulator, how, hook.conn_type):
        make()
    requests, made = counting.requests, _effects(simulator) - effects
    clock.sleep(60)
    after = _outcome(call, len(outcomes))
    loud = sum(outcome == "TelecomUnknownError" for outcome in outcomes)
    return Outage(how, len(outcomes), requests, made, Counter(outcomes), loud, after)


def _effects(simulator: Any) -> int:
    return sum(effect.kind != "token" for effect in simulator.state.ledger.effects)


def _outcome(call: Call, number: int) -> str:
    try:
        call(number)
    except TelecomError as error:
        return type(error).__name__
    return "done"


def violations(outage: Outage, idempotency: Idempotency) -> list[str]:
    """Return what is wrong with an outage."""
    wrong = []
    if outage.requests > MAX_SHARE * outage.calls:
        wrong.append(f"{outage.how}: {outage.requests} requests for {outage.calls} calls")
    if not outage.requests:
        wrong.append(f"{outage.how}: nothing was tried")
    if outage.outcomes["done"]:
        wrong.append(f"{outage.how}: {outage.outcomes['done']} calls were reported as done")
    if idempotency.is_effect and outage.effects > outage.loud:
        wrong.append(f"{outage.how}: {outage.effects} effects, {outage.loud} unknown outcomes")
    if outage.first_after != "done":
        wrong.append(f"{outage.how}: the first call afterwards ended with {outage.first_after}")
    return wrong


FORMS = {"one after the other": one_after_the_other, "all at once": all_at_once}
CASES = [(vendor, how, form) for vendor in CALL_OF for how in DOWN for form in FORMS]


def play(round_: Round) -> dict[str, float]:
    """Play one outage of one vendor, and return what was requested."""
    simulator = round_.fresh()
    os.environ.update(round_.environment())
    forget_clients()
    vendor, how, form = CASES[round_.number]
    idempotency, call = CALL_OF[vendor]
    hook = import_from(find_vendor(vendor).hook_path)()  # type: ignore[union-attr]
    outage = FORMS[form](hook, simulator, how, partial(call, hook))
    forget_clients()
    round_.expect(not (wrong := violations(outage, idempotency)), f"{vendor}: " + "\n".join(wrong))
    return {"outages": 1, "calls": outage.calls, "requests": outage.requests, "reported": outage.loud}


SCENARIOS = (Scenario("vendor_down", play, "outages", len(CASES), rounds_at_most=len(CASES), waits=True),)
