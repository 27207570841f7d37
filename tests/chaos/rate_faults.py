"""The rate limit of all workers while its store crashes, stays away and loses its connections.

Four processes, whose clocks are two minutes apart, send as fast as they may (`tests.system.test_rate_limit`).
While the store is away nothing may be sent; afterwards all go on, and never faster than the rate.
"""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.chaos.disturbed_postgres import KINDS, disturbed_postgres
from tests.chaos.scenario import Round, Scenario
from tests.system.services import ServiceControl, controlled_redis
from tests.system.test_rate_limit import Run, Store, check_never_exceeded, run_workers

SECONDS = 24.0


@dataclass
class DisturbedRedis:
    """A running Redis and what can be done to it. It keeps nothing."""

    url: str
    control: ServiceControl

    def disturb(self, kind: str, seconds: float) -> None:
        """Do one thing to it."""
        pause = threading.Event()
        if kind == "cut_connections":
            import redis

            with redis.Redis.from_url(self.url) as client:
                client.execute_command("CLIENT", "KILL", "TYPE", "normal")
        elif kind == "crash":
            self.control.restart()
        else:
            self.control.stop()
            pause.wait(seconds)
            self.control.start()


Disturb = Callable[[str, float], None]


@contextmanager
def store(kind: str) -> Iterator[tuple[Store, Disturb, tuple[str, ...]]]:
    """Run a store; give it, what disturbs it, and the ways to do so."""
    if kind == "redis":
        with controlled_redis() as (url, control):
            found = DisturbedRedis(url, control)
            yield Store(url, control.restart), found.disturb, ("crash", "cut_connections", "stay_away")
        return
    with disturbed_postgres() as postgres:
        address = postgres.server.new_database("turns")
        yield Store(address, lambda: postgres.disturb("crash", 0)), postgres.disturb, KINDS


def send_while_disturbed(simulator: Any, kind: str, seed: int) -> tuple[Run, int]:
    """Let workers send while their store is disturbed in each way; return what they did, and how often."""
    dice, done = random.Random(seed), 0

    def disturb() -> None:
        nonlocal done
        for way in dice.sample(ways, len(ways)):
            pause.wait(dice.uniform(0.5, 2))
            act(way, dice.uniform(0.5, 2))
            done += 1

    pause = threading.Event()
    with store(kind) as (found, act, ways):
        return run_workers(simulator, found, SECONDS, disturb), done


def violations(run: Run) -> list[str]:
    """Return what is wrong: more requests than the rate allows, requests without a turn, who stopped."""
    wrong = []
    try:
        check_never_exceeded(run)
    except AssertionError as error:
        wrong.append(f"faster than the rate, or without a turn: {str(error)[:500]}")
    stopped = [place for place, turns in enumerate(run.turns) if turns[-1] < turns[0] + SECONDS / 2]
    if stopped:
        wrong.append(f"the processes {stopped} did not go on")
    if not run.errors and not run.void:
        wrong.append("nothing was disturbed")
    return wrong


def play(round_: Round) -> dict[str, float]:
    """Let workers send while one kind of store is disturbed."""
    kind = ("redis", "postgresql")[round_.number % 2]
    run, done = send_while_disturbed(round_.fresh(), kind, round_.dice.randrange(1 << 30))
    round_.expect(not (wrong := violations(run)), f"{kind}: " + "\n".join(wrong))
    return {"disturbances": done, "requests": len(run.arrivals), "not_sent": len(run.errors)}


SCENARIOS = (Scenario("services.rate_limit", play, "disturbances", 28, waits=True),)
