"""One process of several that send Kyivstar SMS at the same time, over a store that they share.

`python -m tests.hooks.kyivstar_stress STORE FIRST MESSAGES WAY` with the connection in the environment; WAY
is `threads` or `loop`. It begins when a line arrives, and writes a JSON object: the messages sent, `ok`, and
the errors by name.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
from airflow_provider_telecom.transport.wire import TokenStore
from tests.hooks.sunsim_stress import FileStore

AT_ONCE, FIRST_NUMBER = 8, 380670000000


def hook_with(store: TokenStore) -> KyivstarOpenTelecomHook:
    """Return a hook that shares tokens through `store`."""

    class Hook(KyivstarOpenTelecomHook):
        def _sharing(self, settings: Any) -> Any:
            return store, None

    return Hook()


def send_in_threads(hook: KyivstarOpenTelecomHook, numbers: list[str]) -> Counter[str]:
    """Send to all numbers, and return what happened."""

    def send(number: str) -> str:
        try:
            hook.send_sms(number, "Hi")
        except TelecomError as error:
            return f"{type(error).__name__}: {error}"
        return "ok"

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return Counter(pool.map(send, numbers))


def send_in_one_loop(hook: KyivstarOpenTelecomHook, numbers: list[str]) -> Counter[str]:
    """Send to all numbers in an event loop, as triggers do, and return what happened."""

    async def send_all() -> list[str]:
        async with hook.async_session():
            places = asyncio.Semaphore(AT_ONCE)

            async def send(number: str) -> str:
                async with places:
                    try:
                        await hook.aio(hook.send_sms, number, "Hi")
                    except TelecomError as error:
                        return f"{type(error).__name__}: {error}"
                    return "ok"

            return await asyncio.gather(*map(send, numbers))

    return Counter(asyncio.run(send_all()))


def send_at_once(
    simulator: Any, store: Path, ways: list[str], messages: int
) -> tuple[Counter[str], dict[str, int]]:
    """Let one process for each way send messages; return their results, and how often each number got one."""
    processes = [
        subprocess.Popen(
            [
                *(sys.executable, "-m", "tests.hooks.kyivstar_stress"),
                *(str(store), str(FIRST_NUMBER + place * messages), str(messages), way),
            ],
            env=os.environ | simulator.environment(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for place, way in enumerate(ways)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    results: Counter[str] = Counter()
    for process in processes:
        results.update(json.loads(process.communicate()[0].splitlines()[-1]))  # the log comes before it
    effects = simulator.state.ledger.effects
    return results, Counter(effect.facts["msisdn"] for effect in effects if effect.kind == "sms")


def main(store: str, first: str, messages: str, way: str) -> None:
    """Send when a line arrives, and write what happened."""
    hook = hook_with(FileStore(Path(store)))
    numbers = [str(int(first) + place) for place in range(int(messages))]
    send = {"threads": send_in_threads, "loop": send_in_one_loop}[way]
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    sys.stdout.write("\n" + json.dumps(send(hook, numbers)))


if __name__ == "__main__":
    main(*sys.argv[1:])
