"""One process of the SunSim stress test: threads that make paid and free calls over a shared store.

`python -m tests.hooks.sunsim_stress STORE THREADS PROCESS LOCK` with the connection in the environment;
LOCK is `host` or `none` (as if each process had a host of its own). It works until its input ends, then
writes a JSON object: the paid calls and the reads that succeeded and, by name, the errors.
"""

from __future__ import annotations

import itertools
import json
import random
import sqlite3
import sys
import threading
from collections import Counter
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from airflow_provider_telecom.auth.rotating_jwt import RotationTiming
from airflow_provider_telecom.hooks.store import HostLock
from airflow_provider_telecom.hooks.sunsim import SunSimHook
from airflow_provider_telecom.transport.wire import TokenStore

TOLERANT_PACE = RotationTiming(max_early_revocations=10_000, tolerated_early_revocations=10_000)
"""The real times, without the rule that takes tokens invalidated by a test for another system's doing."""


class FileStore(TokenStore):
    """Texts in a file that processes share, with the semantics of Variables: upsert, no compare-and-swap."""

    def __init__(self, path: Path) -> None:
        self._path = path
        with self._database() as database:
            database.execute("create table if not exists variable (key text primary key, val text)")

    @contextmanager
    def _database(self) -> Iterator[sqlite3.Connection]:
        with closing(sqlite3.connect(self._path, timeout=600, isolation_level=None)) as database:
            yield database

    def load(self, key: str) -> str | None:
        with self._database() as database:
            row = database.execute("select val from variable where key = ?", (key,)).fetchone()
        return row[0] if row else None

    def save(self, key: str, value: str) -> None:
        with self._database() as database:
            database.execute(
                "insert into variable values (?, ?) on conflict (key) do update set val = excluded.val",
                (key, value),
            )


def main(store: str, threads: str, process: str, lock: str) -> None:
    """Make calls until the input ends, and write their results."""

    class Hook(SunSimHook):
        timing = TOLERANT_PACE

        def _sharing(self, settings: Any) -> Any:
            host_lock = HostLock(settings.credentials.key) if lock == "host" else None
            return FileStore(Path(store)), host_lock

    hook = Hook()
    results: Counter[str] = Counter()
    counting = threading.Lock()

    ended = threading.Event()

    def work(thread: int) -> None:
        for turn in itertools.count():
            outcome = _one_call(hook, int(process), thread, turn)
            with counting:
                results[outcome] += 1
            if ended.wait(random.uniform(0.5, 1.0)):
                return

    workers = [threading.Thread(target=work, args=(number,)) for number in range(int(threads))]
    for worker in workers:
        worker.start()
    sys.stdin.read()
    ended.set()
    for worker in workers:
        worker.join()
    sys.stdout.write(json.dumps(results))


def _one_call(hook: SunSimHook, process: int, thread: int, turn: int) -> str:
    """Order a paid callback to a number of its own; every fourth time, make a read."""
    try:
        if turn % 4 == 3:
            now = datetime.now()
            hook.list_calls(["79000000000"], now - timedelta(minutes=1), now)
            return "read"
        hook.create_callback(f"79{process}{thread:03d}{turn:05d}", "79000000000")
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return "paid"


if __name__ == "__main__":
    main(*sys.argv[1:])
