"""The rate limit of all workers with real stores: several processes that send as fast as they may.

The simulator says when requests arrived; the workers say when their turns were. A request arrives after its
turn by as much as the machine is slow. So the bounds are those of the turns, and for arrivals those that
follow from the longest delay of the same run: no test fails because a machine is slow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.system.services import restartable_postgres, restartable_redis

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("rate")]

RATE = 30
WINDOW = 10.0
CLOCKS = (0.0, 120.0, -120.0, 0.0)
"""How many seconds the clock of each process is ahead."""
THREADS = 4


@dataclass
class Store:
    url: str
    restart: Callable[[], None]
    snapshot: Callable[[], object] = lambda: None


@contextmanager
def redis_store() -> Iterator[Store]:
    import redis

    with restartable_redis() as (url, restart), redis.Redis.from_url(url) as client:
        yield Store(url, restart, client.save)


@contextmanager
def postgres_store() -> Iterator[Store]:
    with restartable_postgres() as (server, restart):
        yield Store(server.new_database("turns"), restart)


STORES = {"redis": redis_store, "postgresql": postgres_store}


@dataclass
class Run:
    """What workers and simulator have seen. Times are in seconds."""

    turns: list[list[float]]
    """The turns at which each process has sent, in order."""
    waited: list[float]
    """The turns that a caller had to wait for."""
    void: list[float]
    """The turns for which a caller came too late, or which a restart has made void."""
    delay: float
    """The longest time from a turn to its answer."""
    errors: list[str]
    arrivals: list[float]

    @property
    def merged(self) -> list[float]:
        return sorted(turn for turns in self.turns for turn in turns)

    def together(self) -> list[list[float]]:
        """Return the turns of each process in the time in which all of them sent."""
        begin, end = max(turns[0] for turns in self.turns), min(turns[-1] for turns in self.turns)
        return [[turn for turn in turns if begin <= turn <= end] for turns in self.turns]


def most_in(moments: Sequence[float], window: float) -> int:
    """Return the largest number of moments in a window."""
    most = first = 0
    for last, moment in enumerate(moments):
        while moments[first] <= moment - window:
            first += 1
        most = max(most, last - first + 1)
    return most


def run_workers(
    simulator: Any, store: Store, seconds: float, meanwhile: Callable[[], None] = lambda: None
) -> Run:
    """Let processes send for so many seconds, and call `meanwhile` when all of them do."""
    connection = simulator.connection("ketchup_loyalty")
    connection["extra"] |= {"rate_limit": f"{RATE}/s", "originator": "Shop"}
    environment = {
        **os.environ,
        "PYTHONPATH": str(Path(__file__).parent.parent.parent),
        "AIRFLOW_CONN_KETCHUP_LOYALTY_DEFAULT": json.dumps(connection),
        "AIRFLOW__TELECOM__RATE_LIMIT_URL": store.url,
    }
    workers = [
        subprocess.Popen(
            [
                *[sys.executable, "-m", "tests.system.rate_worker", f"--name=w{number}"],
                *[f"--seconds={seconds}", f"--threads={THREADS}", f"--clock={clock}"],
            ],
            env=environment,
            stdout=subprocess.PIPE,
            text=True,
        )
        for number, clock in enumerate(CLOCKS)
    ]
    lines: list[list[dict[str, Any]]] = [[] for _ in workers]
    sending = [threading.Event() for _ in workers]

    def listen(number: int) -> None:
        for line in workers[number].stdout or ():
            if line.startswith("{"):  # the rest is from Airflow
                lines[number].append(json.loads(line))
                sending[number].set()
        sending[number].set()

    readers = [threading.Thread(target=listen, args=(number,)) for number in range(len(workers))]
    for reader in readers:
        reader.start()
    try:
        for event in sending:
            assert event.wait(600)
        meanwhile()
        for worker in workers:
            assert worker.wait(600) == 0
    finally:
        for worker in workers:
            worker.kill()
        for reader in readers:
            reader.join()
        for worker in workers:
            worker.wait()
            if worker.stdout:
                worker.stdout.close()
    sent = [[line for line in found if "done" in line] for found in lines]
    turns = [line for found in lines for line in found if "turn" in line]
    return Run(
        [sorted(line["turn"] for line in found) for found in sent],
        [line["turn"] for line in turns if line["waited"]],
        [line["turn"] for line in turns if "void" in line],
        max(line["done"] - line["turn"] for found in sent for line in found),
        [line["error"] for found in lines for line in found if "error" in line],
        sorted(effect.at.timestamp() for effect in simulator.state.ledger.of("ketchup_loyalty", "sms")),
    )


def check_never_exceeded(run: Run) -> None:
    gap, earlier = min((later - earlier, earlier) for earlier, later in pairwise(run.merged))
    assert gap >= 1 / RATE - 2e-6, f"{gap:.6f} s after the turn at {earlier:.6f} is the next one"
    turns, arrivals = most_in(run.merged, WINDOW), most_in(run.arrivals, WINDOW)
    assert turns <= RATE * WINDOW + 1, f"{turns} turns in {WINDOW:g} s"
    assert len(run.arrivals) == len(run.merged), "each arrival has a turn"
    assert arrivals <= RATE * (WINDOW + run.delay) + 1, (
        f"{arrivals} arrivals in {WINDOW:g} s, at most {run.delay:.3f} s after their turn"
    )


@pytest.mark.parametrize("kind", STORES)
def test_processes_share_the_rate(telecom_simulator: Any, tell: Callable[[str], None], kind: str) -> None:
    with STORES[kind]() as store:
        run = run_workers(telecom_simulator, store, 25)
    check_never_exceeded(run)
    together = run.together()
    counts = [len(turns) for turns in together]
    merged = sorted(turn for turns in together for turn in turns)
    used = len(merged) / ((merged[-1] - merged[0]) * RATE)
    tell(
        f"{kind}: at most {most_in(run.arrivals, WINDOW)} of {RATE * WINDOW:g} requests arrived in "
        f"{WINDOW:g} s; in all {used:.1%} of the rate, {counts} by process, {len(run.void)} turns were void, "
        f"the longest delay {run.delay:.2f} s"
    )
    waited = set(run.waited)
    for earlier, later in pairwise(sorted(run.merged + run.void)):
        assert later not in waited or later - earlier <= 1 / RATE + 2e-6, (
            "no turn is lost while somebody waits"
        )
    assert min(counts) >= 0.9 * max(counts)
    assert run.errors == []


@pytest.mark.parametrize(
    ("kind", "remembers"), [("redis", "nothing"), ("redis", "an old state"), ("postgresql", "its data")]
)
def test_a_restart_of_the_store_lets_no_more_through(
    telecom_simulator: Any, tell: Callable[[str], None], kind: str, remembers: str
) -> None:
    restarts = 0

    def restart_often() -> None:
        nonlocal restarts
        if remembers == "an old state":
            store.snapshot()
        pause = threading.Event()
        for seconds in (3, 2, 0.1, 3):
            pause.wait(seconds)
            store.restart()
            restarts += 1

    with STORES[kind]() as store:
        run = run_workers(telecom_simulator, store, 16, restart_often)
    check_never_exceeded(run)
    gaps = sorted(later - earlier for earlier, later in pairwise(run.merged))
    tell(
        f"{kind}, remembers {remembers}: {restarts} restarts, at most {most_in(run.arrivals, WINDOW)} of "
        f"{RATE * WINDOW:g} requests arrived in {WINDOW:g} s, longest gap {gaps[-1]:.2f} s, "
        f"{len(run.void)} void turns, {len(run.errors)} errors"
    )
    assert all(turns[-1] > turns[0] + 5 for turns in run.turns), "all go on after the restarts"


def test_a_wrong_password_is_never_shown(
    hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    import redis

    from airflow_provider_telecom.calls.errors import TelecomRateLimitStoreError

    with redis_store() as store, redis.Redis.from_url(store.url) as client:
        client.config_set("requirepass", "right")
        url = store.url.replace("redis://", "redis://:wrong-word@")
        monkeypatch.setenv("AIRFLOW__TELECOM__RATE_LIMIT_URL", url)
        with pytest.raises(TelecomRateLimitStoreError, match="AuthenticationError") as caught:
            hook_for("ketchup_loyalty", rate_limit="10/s").list_sms_prices()
    assert "wrong-word" not in f"{caught.value!r} {caught.value}"


def test_no_secret_is_in_the_store(hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    import redis

    with redis_store() as store, redis.Redis.from_url(store.url) as client:
        monkeypatch.setenv("AIRFLOW__TELECOM__RATE_LIMIT_URL", store.url)
        hook = hook_for("ketchup_loyalty", rate_limit="10/s")
        hook.list_sms_prices()
        (key,) = client.keys("*")
        assert key.decode() == f"telecom:turns:ketchup_loyalty/{hook.account_key}"
        assert set(client.hgetall(key)) == {b"next_turn", b"seen", b"era"}
