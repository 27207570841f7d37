"""SunSim's token is revoked again and again under workers on several hosts, some of which stall or die.

The workers run the library's protocol in virtual time (`tests.auth.rotating_world`), so a seed gives the
same run each time. In each round the token is revoked while calls are under way, and each worker makes a paid
call:

    plain   nothing else happens
    stalls  some workers stop for 1 to 40 s at any of their steps, also while they hold the lease
    death   the worker that is about to create a token is killed, once or twice in a row
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

from airflow_provider_telecom.auth.rotating_jwt import RotationTiming
from airflow_provider_telecom.calls.request import Idempotency, Request
from tests.auth.rotating_world import KEY, TIMING, Host, Worker, World, is_create, stored
from tests.chaos.scenario import ChaosError, Round, Scenario

Kind = Literal["plain", "stalls", "death"]
KINDS: tuple[Kind, ...] = ("plain", "stalls", "death")
MAX_ROTATIONS, USUAL_ROTATIONS, USUAL_SHARE = 5, 2, 0.99
MAX_RECOVERY = {"plain": 5.0, "death": 60.0}
"""The 99th percentile of the seconds until the last worker that was not stopped has made its call."""
STALLED_SHARE = 0.05
KILLS_PER_ROUND = 100
MANY_REVOCATIONS = 1000
"""Of fewer, a share of 99 % says little."""


@dataclass(frozen=True)
class Revocation:
    """What happened after one revocation."""

    kind: Kind
    rotations: int
    recovery: float
    """Seconds until the last of the workers that were not stopped has made its call."""
    failed: int
    """Calls that ended with an error."""
    doubled: int
    """Paid calls that the vendor made twice."""
    lost: int
    """Calls that were reported as made and were not."""


class Scene:
    """A vendor, hosts and their workers."""

    def __init__(
        self,
        seed: int,
        workers: int = 200,
        hosts: int = 3,
        timing: RotationTiming = TIMING,
        world: World | None = None,
    ) -> None:
        self.world = world or World(seed)
        self.chance = random.Random(seed)
        self._timing, self._named, self._ordered = timing, 0, 0
        self.hosts = [Host() for _ in range(hosts)]
        first = self.world.mint()
        self.world.store[KEY] = stored(first, self.world.now + 86_400, self.world.now)
        self.workers = [self._worker(self.hosts[number % hosts]) for number in range(workers)]

    def _worker(self, host: Host) -> Worker:
        self._named += 1
        return Worker(self.world, f"W{self._named}", self._timing, host=host)

    def _begin(self, worker: Worker) -> str:
        self._ordered += 1
        order = str(self._ordered)
        worker.begin(Request("GET", "/callback", Idempotency.NONE, query={"order": order}))
        return order

    def round(self, kind: Kind) -> Revocation:
        """Revoke the token in the middle of everybody's calls, and let all of them end."""
        world = self.world
        world.now += self.chance.uniform(120, 7200)
        world.orders.clear()
        revoked_at, mints = world.now, world.mints
        deaths = self.chance.choice([1, 1, 2]) if kind == "death" else 0
        orders: dict[str, Worker] = {}
        stopped: set[Worker] = set()
        calling = []
        for worker in self.workers:
            orders[self._begin(worker)] = worker
            worker.wakes += self.chance.uniform(-1, 2)  # some have sent their request before
            calling.append(worker)
        recovered, is_revoked = world.now, False
        while calling:
            first = min(calling, key=lambda worker: worker.wakes)
            if not is_revoked and first.wakes >= revoked_at:
                is_revoked, world.live = True, None
            world.now = max(world.now, first.wakes) if is_revoked else first.wakes
            if deaths and first.coming is not None and is_create(first.coming):
                deaths -= 1
                calling.remove(first)
                self._replace(first)
                stopped.add(first)
                continue
            if kind == "stalls" and self.chance.random() < STALLED_SHARE and first not in stopped:
                stopped.add(first)
                first.wakes = world.now + self.chance.uniform(1, 40)
                continue
            first.step()
            if first.coming is None:
                calling.remove(first)
                if first not in stopped:
                    recovered = world.now
        return self._result(kind, orders, recovered - revoked_at, world.mints - mints)

    def _replace(self, dead: Worker) -> None:
        """Kill a worker; another process takes its place, without its memory."""
        dead.die()
        self.workers[self.workers.index(dead)] = self._worker(dead.host)

    def _result(self, kind: Kind, orders: dict[str, Worker], recovery: float, rotations: int) -> Revocation:
        made = self.world.orders
        ended = {order: worker for order, worker in orders.items() if worker.result is not None}
        failed = [order for order, worker in ended.items() if getattr(worker.result, "status", None) != 200]
        lost = [order for order in ended if order not in failed and not made[order]]
        doubled = [order for order, times in made.items() if times > 1]
        return Revocation(kind, rotations, recovery, len(failed), len(doubled), len(lost))


def rounds(scene: Scene, kills: int) -> Iterator[Revocation]:
    """Yield as many rounds, of each kind in turn."""
    for number in range(kills):
        yield scene.round(KINDS[number % len(KINDS)])


def percentile(values: list[float], share: float) -> float:
    """Return the value that this share of the values does not exceed."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(share * len(ordered)))]


def violations(found: list[Revocation]) -> list[str]:
    """Return what some revocations have broken of the acceptance figures."""
    wrong = []
    for number, one in enumerate(found):
        if one.rotations > MAX_ROTATIONS:
            wrong.append(f"round {number} ({one.kind}): {one.rotations} rotations")
        if one.failed or one.doubled or one.lost:
            wrong.append(
                f"round {number} ({one.kind}): {one.failed} failed, {one.doubled} twice, {one.lost} lost"
            )
    for kind, most in MAX_RECOVERY.items():
        recoveries = [one.recovery for one in found if one.kind == kind]
        if recoveries and percentile(recoveries, 0.99) > most:
            wrong.append(f"{kind}: recovery takes more than {most:g} s")
    return wrong


def conclude(total: Counter[str]) -> str:
    """Return how many tokens the revocations needed.

    Raises ChaosError if more than 1 % of all revocations needed more than two.
    """
    counts = {name: total[f"rotations_{name}"] for name in range(1, MAX_ROTATIONS + 1)}
    usual = sum(count for rotations, count in counts.items() if rotations <= USUAL_ROTATIONS)
    exceeded = total["revocations"] - usual
    if total["revocations"] >= MANY_REVOCATIONS and usual < total["revocations"] * USUAL_SHARE:
        raise ChaosError(f"{exceeded} of {total['revocations']} revocations needed more than 2 tokens")
    most = max(rotations for rotations, count in counts.items() if count)
    return f"at most {most} tokens for a revocation; at most 2 for {usual / total['revocations']:.2%}"


def play(round_: Round) -> dict[str, float]:
    """Play 100 revocations, and return how they went."""
    found = list(rounds(Scene(round_.dice.randrange(1 << 30)), KILLS_PER_ROUND))
    round_.expect(not (wrong := violations(found)), "\n".join(wrong))
    return {
        "revocations": len(found),
        **Counter(f"rotations_{one.rotations}" for one in found),
        **Counter(f"recovered_{one.kind}_{_bound(one.recovery)}" for one in found),
    }


def _bound(seconds: float) -> str:
    return next((f"within_{bound}s" for bound in (5, 60) if seconds <= bound), "later")


SCENARIOS = (Scenario("tokens.sunsim", play, "revocations", 2000, conclude=conclude, waits=True),)
