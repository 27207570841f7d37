"""200 threads in four processes share one SunSim token over one store, and it is killed twenty times."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

PROCESSES, THREADS = 4, 50
MOST_ROTATIONS_PER_KILL = 5


@pytest.mark.parametrize(("lock", "kills"), [("none", 20), ("host", 5)])
def test_a_killed_token_is_replaced_once_or_so_and_no_call_is_lost_or_made_twice(
    lock: str, kills: int, telecom_simulator: Any, tmp_path: Path, record_property: Any
) -> None:
    from airflow_provider_telecom.simulator.sunsim import Books

    books = telecom_simulator.town.books("sunsim", Books)
    ledger = telecom_simulator.town.ledger
    store = tmp_path / "store"
    workers = [_process(telecom_simulator, store, number, lock) for number in range(PROCESSES)]
    try:
        rotations = _kill_again_and_again(kills, books, ledger)
        results = _results(workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    calls = Counter(effect.facts["phone_to"] for effect in ledger.of("sunsim", "callback"))
    record_property("rotations", rotations)
    assert set(results) == {"paid", "read"}, results
    assert len(calls) == results["paid"]
    assert set(calls.values()) == {1}
    assert max(rotations) <= MOST_ROTATIONS_PER_KILL, rotations


def _process(simulator: Any, store: Path, number: int, lock: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.hooks.sunsim_stress", str(store), str(THREADS), str(number), lock],
        env={**os.environ, **simulator.environment()},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def _results(workers: list[subprocess.Popen[str]]) -> Counter[str]:
    results: Counter[str] = Counter()
    for worker in workers:
        assert worker.stdin is not None
        worker.stdin.close()
    for worker in workers:
        worker.stdin = None
        out, err = worker.communicate(timeout=120)
        assert worker.returncode == 0, err[-2000:]
        results.update(json.loads(out))
    return results


def _kill_again_and_again(kills: int, books: Any, ledger: Any) -> list[int]:
    """Kill the live token, each time when work goes on with the last one; return the mintings by kill."""
    rotations: list[int] = []
    _let_calls_through(ledger)
    for _ in range(kills):
        minted = len(ledger.of("sunsim", "token"))
        books.kill_access()
        _let_calls_through(ledger)
        rotations.append(len(ledger.of("sunsim", "token")) - minted)
    return rotations


def _let_calls_through(ledger: Any) -> None:
    """Wait until every thread has made a paid call since now: the numbers called begin with who calls."""
    start, callers = len(ledger.effects), set()
    ends = time.monotonic() + 120
    while len(callers) < PROCESSES * THREADS:
        assert time.monotonic() < ends, "no calls go through any more"
        time.sleep(0.05)
        found = ledger.effects[start:]
        start += len(found)
        callers |= {effect.facts["phone_to"][2:6] for effect in found if effect.kind == "callback"}
