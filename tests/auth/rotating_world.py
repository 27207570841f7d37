"""A model for the rotating token: one vendor, one store, workers on hosts, one clock.

A worker takes one step at a time. A test either says who takes the next step, or lets time decide. Each
worker has a host of its own, unless it is given one: the workers of a host share its lock.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, RotatingToken, RotationTiming
from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, SaveToken, Sleep, Step
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Request, Response

KEY, LEASE = "token", "token_lease"
CREATE = Request("GET", "/create", Idempotency.TOKEN)
CALLBACK = Request("GET", "/callback", Idempotency.NONE)
TIMING = RotationTiming()
HOST_LOCK_POLL = 0.05


class World:
    """The vendor, the store and the time of day."""

    def __init__(self, seed: int = 0) -> None:
        self.now = 1_800_000_000.0
        self.store: dict[str, str] = {}
        self.chance = random.Random(seed)
        self.live: str | None = None
        self.mints = self.callbacks = 0
        self.orders: Counter[str] = Counter()
        self.create_fails: list[Exception] = []
        self.step_takes = 0.01

    def mint(self) -> str:
        """Create a new token and revoke the one before."""
        if self.create_fails:
            raise self.create_fails.pop(0)
        self.mints += 1
        self.live = f"T{self.mints}"
        return self.live

    def answer(self, request: Request) -> Any:
        """Serve one request: authorization comes before any effect."""
        if request.path == "/create":
            return self.mint()
        if request.headers["Authorization"] != Secret(f"Bearer {self.live}"):
            return Response(401, {})
        self.act(request)
        return Response(200, {}, b"{}")

    def act(self, request: Request) -> None:
        """Do what is paid for."""
        self.callbacks += 1
        self.orders[str(request.query.get("order", ""))] += 1


@dataclass
class Host:
    """The lock that the processes of a host share, and those that wait for it."""

    holder: Worker | None = None
    waiting: list[Worker] = field(default_factory=list)


class Worker:
    """One process, making one call."""

    def __init__(
        self,
        world: World,
        name: str = "A",
        timing: RotationTiming = TIMING,
        skew: float = 0.0,
        host: Host | None = None,
    ) -> None:
        self.world, self.wakes, self.host = world, world.now, host or Host()
        self.jwt = RotatingJwt(
            self._mint,
            KEY,
            timing,
            clock=lambda: world.now + skew,
            monotonic=lambda: world.now,
            worker_id=name,
        )
        self.lifetime = 24 * 3600.0
        self.refresh: Secret | None = None
        self.unauthorized = 0
        self.replaced: list[RotatingToken | None] = []
        """What each new token was created for."""
        self.result: Any = None
        self.steps: list[Step] = []
        self._stack: list[Call[Any]] = []
        self._next: Step | None = None
        self._lock_depth, self._waits_until = 0, 0.0

    def _mint(self, dead: RotatingToken | None) -> Call[RotatingToken]:
        self.replaced.append(dead)
        access: str = yield CREATE
        now = self.jwt.clock()
        return RotatingToken(Secret(access), now + self.lifetime, now, self.refresh)

    def begin(self, request: Request = CALLBACK) -> Worker:
        """Begin a call; its first step is taken by `step`."""
        self.result, self._stack, self.steps = None, [self.jwt.flow(request)], []
        self._lock_depth = 0
        self.wakes = self.world.now
        self._go(None)
        return self

    @property
    def coming(self) -> Step | None:
        """The step that the next `step` takes; None when the call has ended."""
        return self._next

    def step(self) -> None:
        """Take the step that is coming, and wake when it is over."""
        step, self.wakes = self._next, self.world.now + self.world.step_takes
        assert step is not None
        self.steps.append(step)
        match step:
            case Request():
                self._answer(step)
            case Sleep(low, high):
                self.wakes = self.world.now + self.world.chance.uniform(low, high)
                self._go(None)
            case LoadToken(key):
                self._go(self.world.store.get(key))
            case SaveToken(key, value):
                self.world.store[key] = value
                self._go(None)
            case Exclusive(call, _):
                self._take_lock(call)

    def die(self) -> None:
        """End the process: its call has no result, and the kernel frees its lock."""
        self._stack, self._next = [], None
        self._leave_lock()

    def _take_lock(self, call: Call[Any]) -> None:
        """Run a call under the host's lock; wait for it, and give up in the end."""
        if self.host.holder is None:
            self.host.holder, self._lock_depth = self, len(self._stack) + 1
            self._stack.append(call)
            self._go(None)
        elif self.world.now >= self._waits_until:
            self._go(TelecomNotSentError("not sent: another process of this host holds the lock"))
        else:
            self.host.waiting.append(self)
            self.wakes = self._waits_until

    def _leave_lock(self) -> None:
        if self.host.holder is self:
            self.host.holder, self._lock_depth = None, 0
            for worker in self.host.waiting:
                if worker.coming is not None:
                    worker.wakes = self.world.now + self.world.chance.uniform(0, HOST_LOCK_POLL)
            self.host.waiting.clear()

    def _answer(self, request: Request) -> None:
        try:
            answer = self.world.answer(request)
        except Exception as error:
            self._go(error)
            return
        self.unauthorized += isinstance(answer, Response) and answer.status == 401
        self._go(answer)

    def _go(self, answer: Any) -> None:
        """Pass an answer or an error to the call; get the next step. Exclusive calls run in their place."""
        while self._stack:
            call = self._stack[-1]
            depth = len(self._stack)
            try:
                found = call.throw(answer) if isinstance(answer, Exception) else call.send(answer)
            except StopIteration as done:
                self._stack.pop()
                answer = done.value
            except Exception as error:
                self._stack.pop()
                answer = error
            else:
                if not isinstance(found, Exclusive):
                    self._next = found
                    return
                if self.host.holder is not None:
                    self._next, self._waits_until = found, self.world.now + found.timeout
                    return
                self.host.holder, self._lock_depth = self, depth + 1
                self._stack.append(found.call)
                answer = None
                continue
            if depth == self._lock_depth:
                self._leave_lock()
        self._next, self.result = None, answer

    def until(self, reached: Callable[[Step], bool]) -> Worker:
        """Take steps, and the time that they need, until the coming one is what is waited for."""
        while self._next is not None and not reached(self._next):
            self.world.now = max(self.world.now, self.wakes)
            self.step()
        return self

    def finish(self) -> Any:
        """Take all steps to the end and return the call's outcome; raise its error."""
        self.until(lambda step: False)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def run_together(world: World, workers: list[Worker]) -> None:
    """Let time decide who takes the next step, until all calls have ended."""
    while waiting := [worker for worker in workers if worker.coming is not None]:
        first = min(waiting, key=lambda worker: (worker.wakes, world.chance.random()))
        world.now = max(world.now, first.wakes)
        first.step()


def with_a_revoked_token(world: World, *workers: Worker) -> None:
    """Give all workers the same token, stored long ago and revoked since."""
    token = RotatingToken(Secret("T0"), world.now + 12 * 3600, world.now - 12 * 3600)
    for worker in workers:
        worker.jwt._token = token
    world.store[KEY] = stored("T0", token.expires, token.minted)


def stored(access: str, expires: float, minted: float, **more: Any) -> str:
    """Return a token as it is stored."""
    import json

    return json.dumps({"access": access, "expires": expires, "minted": minted, "young_deaths": [], **more})


def is_store(key: str) -> Callable[[Step], bool]:
    """Whether a step stores under `key`."""
    return lambda step: isinstance(step, SaveToken) and step.key == key


def is_load(key: str) -> Callable[[Step], bool]:
    """Whether a step loads `key`."""
    return lambda step: isinstance(step, LoadToken) and step.key == key


def is_create(step: Step) -> bool:
    """Whether a step mints."""
    return isinstance(step, Request) and step.path == "/create"


def quick(**changes: Any) -> RotationTiming:
    """Return the usual timing with changes."""
    return replace(TIMING, **changes)
