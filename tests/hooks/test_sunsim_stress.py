"""Threads in several processes share one SunSim token over one store, and it is invalidated again and again.

Four threads in two processes in `make test`, more of both in `make test-long` and `make test-system`.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from tests.eventually import HANG_SECONDS, eventually

MAX_ROTATIONS_PER_KILL = 5


@pytest.mark.parametrize(
    ("lock", "kills", "processes", "threads"),
    [
        ("none", 1, 2, 2),
        pytest.param("none", 2, 3, 5, marks=pytest.mark.long),
        pytest.param("host", 1, 3, 5, marks=pytest.mark.long),
        pytest.param("none", 20, 4, 50, marks=pytest.mark.system),
        pytest.param("host", 5, 4, 50, marks=pytest.mark.system),
    ],
)
def test_a_killed_token_is_replaced_once_or_so_and_no_call_is_lost_or_made_twice(
    lock: str,
    kills: int,
    processes: int,
    threads: int,
    telecom_simulator: Any,
    tmp_path: Path,
    record_property: Any,
) -> None:
    from airflow_provider_telecom.simulator.sunsim import VendorState

    vendor_state = telecom_simulator.state.vendor_state("sunsim", VendorState)
    ledger = telecom_simulator.state.ledger
    store = tmp_path / "store"
    workers = [_process(telecom_simulator, store, number, threads, lock) for number in range(processes)]
    try:
        rotations = _kill_again_and_again(kills, processes * threads, vendor_state, ledger)
        results = _results(workers)
    finally:
        for worker in workers:
            worker.kill()
            worker.wait()
    calls = Counter(effect.facts["phone_to"] for effect in ledger.of("sunsim", "callback"))
    record_property("rotations", rotations)
    assert set(results) <= {"paid", "read"}, results
    assert len(calls) == results["paid"]
    assert set(calls.values()) == {1}
    assert max(rotations) <= MAX_ROTATIONS_PER_KILL, rotations


def _process(simulator: Any, store: Path, number: int, threads: int, lock: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tests.hooks.sunsim_stress", str(store), str(threads), str(number), lock],
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
        out, err = worker.communicate(timeout=HANG_SECONDS)
        assert worker.returncode == 0, err[-2000:]
        results.update(json.loads(out))
    return results


def _kill_again_and_again(kills: int, callers: int, vendor_state: Any, ledger: Any) -> list[int]:
    """Invalidate the token each time all callers use the last one; return the new tokens per kill."""
    rotations: list[int] = []
    _let_calls_through(callers, ledger)
    for _ in range(kills):
        minted = len(ledger.of("sunsim", "token"))
        vendor_state.revoke_access_tokens()
        _let_calls_through(callers, ledger)
        rotations.append(len(ledger.of("sunsim", "token")) - minted)
    return rotations


def _let_calls_through(callers: int, ledger: Any) -> None:
    """Wait until every thread has made a paid call from now on. A called number begins with its caller."""
    start = len(ledger.effects)

    def have_called() -> bool:
        since = ledger.effects[start:]
        return len({one.facts["phone_to"][2:6] for one in since if one.kind == "callback"}) >= callers

    assert eventually(have_called, every=0.05), "no calls go through any more"
