"""Wrong clocks and clock changes: SunSim's shared token for days, and call records loaded as they end.

Workers' clocks are up to two hours ahead or behind. The token is used in virtual time. The records are those
of Kyivstar's PBX, whose times have no zone, around both changes of the clocks; the vendor's clock is right. A
worker that is behind takes the end of an interval for the future, and must refuse it rather than load a part;
another worker loads it then.
"""

from __future__ import annotations

import os
import random
from collections import Counter
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import time_machine

from airflow_provider_telecom.hooks.base import forget_clients
from airflow_provider_telecom.simulator.kyivstar_fmc import VendorState
from airflow_provider_telecom.transfers.kyivstar_fmc_to_object_storage import (
    KyivstarFmcCallsToObjectStorageOperator,
)
from tests.auth.rotating_world import Host, Worker, World
from tests.chaos.scenario import Round, Scenario
from tests.running import Run
from tests.transfers.test_kyivstar_fmc import AUTUMN, SPRING, fill, on_the_wall, rows_in, shown

SKEWS = (-7200.0, 0.0, 7200.0)
LIFETIME_HOURS = 24


@dataclass
class Days:
    """What workers with wrong clocks did in some days."""

    hours: int
    calls: int = 0
    failed: int = 0
    tokens: int = 0


def use_a_token(
    seed: int, workers: int, hours: int, every: float = 120.0, world: World | None = None
) -> Days:
    """Let workers on three hosts, a third with each skew, make calls for so many hours."""
    world, found = world or World(seed), Days(hours)
    hosts = [Host() for _ in range(3)]
    team = [
        Worker(world, f"W{place}", skew=SKEWS[place // 3 % 3], host=hosts[place % 3])
        for place in range(workers)
    ]
    ends = world.now + hours * 3600
    begins = {worker: world.now + world.chance.uniform(0, every) for worker in team}
    while True:
        next_ = min(team, key=lambda worker: begins[worker] if worker.coming is None else worker.wakes)
        if next_.coming is not None:
            world.now = max(world.now, next_.wakes)
            next_.step()
            if next_.coming is None:
                found.calls += 1
                found.failed += getattr(next_.result, "status", None) != 200
                begins[next_] = world.now + world.chance.uniform(0.5, 1.5) * every
        elif begins[next_] > ends:
            found.tokens = world.mints
            return found
        else:
            world.now = max(world.now, begins[next_])
            next_.begin()


def violations_of_days(days: Days) -> list[str]:
    """Return what is wrong: a call that failed, or more than one token an hour beside those needed."""
    wrong = [f"{days.failed} of {days.calls} calls failed"] if days.failed else []
    needed = 1 + days.hours // (LIFETIME_HOURS - 2)
    if days.tokens > needed + days.hours:
        wrong.append(f"{days.tokens} tokens in {days.hours} hours")
    return wrong


def load_around(simulator: Any, change: datetime, skew: float, folder: Path, seed: int) -> list[str]:
    """Load calls around a clock change as they end, with a wrong clock; return what is wrong."""
    dice = random.Random(seed)
    state = simulator.state.vendor_state("kyivstar_fmc", VendorState)
    state.calls.clear()
    with time_machine.travel(change + timedelta(days=1)):
        fill(state, change, 150, 0.1)
    calls = [call for call in state.calls if call.seconds == 0]
    edges = [change - timedelta(hours=3)]
    while edges[-1] < change + timedelta(hours=3):
        edges.append(edges[-1] + timedelta(minutes=dice.choice((10, 15, 30, 47))))
    for start, end in pairwise(edges):
        for ahead in dict.fromkeys((skew, 0.0)):
            now = end + timedelta(seconds=5)
            with time_machine.travel(now + timedelta(seconds=ahead)):
                simulator.state.clock.set(now)
                state.calls[:] = [call for call in calls if call.start <= end]
                refused = _load(start, end, folder)
            if not refused:
                break
            if ahead >= 0 or "end: must not be in the future" not in refused:
                return [f"{start} to {end}, {ahead:g} s ahead: {refused}"]
    found = Counter(shown(row) for row in rows_in(folder))
    wanted = Counter(on_the_wall(call) for call in calls if edges[0] <= call.start < edges[-1])
    return problems_of_records(found, wanted)


def _load(start: datetime, end: datetime, folder: Path) -> str:
    """Load an interval; return the error, if it fails."""
    operator = KyivstarFmcCallsToObjectStorageOperator(task_id="load", path=str(folder), start=start, end=end)
    try:
        Run().execute(operator)
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return ""


def problems_of_records(found: Counter[Any], wanted: Counter[Any]) -> list[str]:
    """Return how many records are missing or too many."""
    counts = {"missing": (wanted - found).total(), "extra": (found - wanted).total()}
    return [f"{count} records are {what}" for what, count in counts.items() if count]


def play(round_: Round) -> dict[str, float]:
    """Use a token for two days, and load records around a clock change."""
    days = use_a_token(round_.dice.randrange(1 << 30), 30, 48)
    round_.expect(not (wrong := violations_of_days(days)), "\n".join(wrong))
    simulator = round_.fresh()
    os.environ.update(round_.environment())
    forget_clients()
    change, skew = round_.dice.choice((AUTUMN, SPRING)), round_.dice.choice(SKEWS)
    seed = round_.dice.randrange(1 << 30)
    wrong = load_around(simulator, change, skew, round_.folder, seed)
    round_.expect(not wrong, "\n".join(wrong))
    return {"changes": 1, "hours_with_a_token": days.hours, "tokens": days.tokens, "calls": days.calls}


SCENARIOS = (Scenario("clocks", play, "changes", 30, waits=True),)
