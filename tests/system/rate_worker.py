"""A worker process for the test of the rate limit: sends SMS as fast as it may, in several threads.

It prints a JSON line for each request that was sent: its turn, whether it was waited for, and when the answer
was there, by the clock of this machine; and a line for each turn that was void.
"""

from __future__ import annotations

import argparse
import json
import sys
import threading
import time
from collections.abc import Callable
from typing import Any

import time_machine

from airflow_provider_telecom.calls.endpoint import TakeTurn, Turn
from airflow_provider_telecom.calls.errors import TelecomRateLimitStoreError
from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
from airflow_provider_telecom.transport.wire import TurnStore


class Recorded:
    """A store that remembers the last turn of each thread, and reports turns that were replaced."""

    def __init__(self, store: TurnStore, say: Callable[[dict[str, Any]], None]) -> None:
        self._store, self._say, self.last = store, say, threading.local()

    def take(self, step: TakeTurn, /) -> Turn:
        turn = self._store.take(step)
        if step.held is None or step.held.at != turn.at:
            if step.held is not None:
                self._say(self.of_thread() | {"void": True})
            self.last.turn, self.last.waited = turn.at / 1e6, turn.wait > 0
        return turn

    def of_thread(self) -> dict[str, Any]:
        """Return the last turn of this thread."""
        return {"turn": self.last.turn, "waited": self.last.waited}

    def close(self) -> None:
        self._store.close()


def main() -> None:
    chosen = argparse.ArgumentParser()
    chosen.add_argument("--name", required=True)
    chosen.add_argument("--seconds", type=float, required=True)
    chosen.add_argument("--threads", type=int, required=True)
    chosen.add_argument("--clock", type=float, default=0.0, help="how many seconds the clock is ahead")
    options = chosen.parse_args()
    booted_at = time.time() - time.clock_gettime(time.CLOCK_BOOTTIME)  # by the right clock
    if options.clock:
        time_machine.travel(time.time() + options.clock, tick=True).start()
    ends = time.monotonic() + options.seconds
    hook = KetchUpHook()
    lock = threading.Lock()

    def say(line: dict[str, Any]) -> None:
        with lock:
            sys.stdout.write(json.dumps(line) + "\n")
            sys.stdout.flush()

    store = Recorded(hook._client()._turns, say)  # type: ignore[arg-type]
    hook._client().sync_transport._turns = store

    def send(thread: int) -> None:
        number = 0
        while time.monotonic() < ends:
            number += 1
            try:
                hook.send_sms("380670000200", "Hi", reference=f"{options.name}_{thread}_{number}")
            except TelecomRateLimitStoreError as error:
                say({"error": error.text})
            else:
                say(store.of_thread() | {"done": booted_at + time.clock_gettime(time.CLOCK_BOOTTIME)})

    threads = [threading.Thread(target=send, args=(thread,)) for thread in range(options.threads)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


main()
