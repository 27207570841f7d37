"""CPU of a status poll of waiting triggers, beside a bare aiohttp session and HttpSensorTrigger.

All contenders wait for a message each, in one event loop, at the same interval, in turn. The server is a
process of its own. Then 10,000 triggers wait for 100 tasks, and 5,000 for a message each. Prints JSON lines.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import random
import ssl
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from typing import Any, ClassVar

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

POLLS_A_SECOND = 500
SECONDS = 4.0
KEY = "not-a-real-key-0000"
HOOK = "airflow_provider_telecom.hooks.ketchup_loyalty.KetchUpHook"
CHECKS = "airflow_provider_telecom.vendors.ketchup_loyalty.status"
MESSAGE = json.dumps({
    "id": "22125",
    "reference": "r1",
    "msisdn": "380670000200",
    "time_in": "2026-01-01 10:00:00",
    "time_sent": "2026-01-01 10:00:01",
    "time_dr": "",
    "status": "sent",
    "price": "0.45",
    "currency": "UAH",
    "error": 0,
}).encode()
TASK = json.dumps({
    "originator": "Shop",
    "body": "Hi",
    "validity": 72,
    "sent": 3,
    "delivered": 1,
    "undeliverable": 0,
    "expired": 0,
    "unknown": 0,
    "totalprice": "1.35",
    "currency": "UAH",
    "error": 0,
}).encode()


class _Server(asyncio.Protocol):
    """Answers each request that its message or task is still waiting, and counts the requests."""

    paths: ClassVar[Counter[bytes]] = Counter()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport, self._received = transport, b""

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer(head.split(b" ", 2)[1])

    def _answer(self, path: bytes) -> None:
        status = 200
        if path == b"/_paths":
            body = json.dumps([sum(self.paths.values()), len(self.paths)]).encode()
        else:
            self.paths[path] += 1
            status = 404 if path.startswith(b"/missing/") else 200  # HttpSensorTrigger waits while it is 404
            body = TASK if b"/task/" in path else MESSAGE
        head = (
            f"HTTP/1.1 {status} OK\r\nContent-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        self._transport.write(head.encode() + body)  # type: ignore[attr-defined]


async def _serve(certificate: str) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    loop = asyncio.get_running_loop()
    servers = [
        await loop.create_server(_Server, "127.0.0.1", 0, ssl=tls, backlog=1024) for tls in (None, context)
    ]
    print(json.dumps([server.sockets[0].getsockname()[1] for server in servers]), flush=True)
    await asyncio.to_thread(sys.stdin.read)


@contextmanager
def server(certificate: Path) -> Iterator[tuple[str, str]]:
    """Run the server; yield its addresses by http and by https."""
    program = [sys.executable, __file__, "--serve", str(certificate)]
    with subprocess.Popen(program, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        http, https = json.loads(process.stdout.readline())
        yield f"http://127.0.0.1:{http}", f"https://127.0.0.1:{https}"
        process.communicate("")


def connect(url: str, certificate: Path) -> None:
    """Set the connections of both providers, and forget the clients of the former ones."""
    from airflow_provider_telecom.hooks.base import forget_clients

    forget_clients()
    verify = str(certificate)
    extra = {"allow_private_hosts": True, "verify": verify}
    ours = {"conn_type": "ketchup_loyalty", "host": url, "password": KEY, "extra": extra}
    os.environ["AIRFLOW_CONN_POLLS"] = json.dumps(ours)
    os.environ["AIRFLOW_CONN_POLLS_HTTP"] = json.dumps({"conn_type": "http", "host": url})


Run = Callable[[int, float], Coroutine[Any, Any, None]]
"""Waits as the waiter of a number, at an interval."""


def ours(check: str, **arguments: Callable[[int], object]) -> Run:
    """Return what waits with a trigger of this provider."""
    from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
    from airflow_provider_telecom.triggers.polling import PollConfig

    async def wait(number: int, interval: float) -> None:
        given = {name: value(number) for name, value in arguments.items()}
        config = PollConfig(HOOK, f"{CHECKS}.{check}", "polls", given, interval, 3)
        async for event in TelecomPollTrigger.from_config(config).run():
            raise AssertionError(event.payload)

    return wait


def peer() -> Run:
    """Return what waits with HttpSensorTrigger."""
    from airflow.providers.http.triggers.http import HttpSensorTrigger

    async def wait(number: int, interval: float) -> None:
        await asyncio.sleep(random.uniform(0, interval))
        trigger = HttpSensorTrigger(
            endpoint=f"/missing/{number}",
            http_conn_id="polls_http",
            headers={"X-API-KEY": KEY},
            extra_options={"verify_ssl": False},
            poke_interval=interval,
        )
        async for event in trigger.run():
            raise AssertionError(event.payload)

    return wait


@asynccontextmanager
async def bare(url: str, certificate: Path) -> AsyncIterator[Run]:
    """Yield what waits with one aiohttp session that all share."""
    import aiohttp

    tls = ssl.create_default_context(cafile=str(certificate)) if url.startswith("https") else True
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=tls)) as session:

        async def wait(number: int, interval: float) -> None:
            await asyncio.sleep(random.uniform(0, interval))
            while True:
                address = f"{url}/rest/sms/reference/a{number}"
                async with session.get(address, headers={"X-API-KEY": KEY}) as response:
                    found = await response.json()
                assert found["status"] == "sent"
                await asyncio.sleep(interval * random.uniform(1, 1.1))

        yield wait


async def counts(url: str) -> tuple[int, int]:
    """Return how many requests the server had, and to how many paths."""
    import aiohttp

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        session.get(f"{url}/_paths") as response,
    ):
        requests, paths = await response.json()
    return requests, paths


async def waiting(url: str, run: Run, waiters: int, interval: float, seconds: float) -> dict[str, Any]:
    """Let so many wait. Return the requests, the CPU time and how late the event loop was."""
    tasks = [asyncio.create_task(run(number, interval)) for number in range(waiters)]
    # Thousands of triggers take a while to begin: each reads its connection.
    await asyncio.sleep(min(interval, 10.0) + 1.2 * interval + 1.0 + waiters / 100)
    before, _ = await counts(url)
    cpu, late = time.process_time(), list[float]()
    ends = time.monotonic() + seconds
    while (began := time.monotonic()) < ends:
        await asyncio.sleep(0.01)
        late.append(time.monotonic() - began - 0.01)
    cpu = time.process_time() - cpu
    requests, _ = await counts(url)
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise AssertionError(ended)
    late.sort()
    return {
        "requests": requests - before - 1,
        "cpu": cpu,
        "late_p99_ms": round(1000 * late[len(late) * 99 // 100], 1),
        "late_worst_ms": round(1000 * late[-1], 1),
    }


async def contend(name: str, url: str, certificate: Path, waiters: int) -> float:
    """Return the CPU time of a poll of one contender, in ms."""
    interval = waiters / POLLS_A_SECOND
    if name == "bare":
        async with bare(url, certificate) as run:
            found = await waiting(url, run, waiters, interval, SECONDS)
    else:
        run = ours("sms", reference=lambda number: f"a{number}") if name == "ours" else peer()
        found = await waiting(url, run, waiters, interval, SECONDS)
    return 1000 * float(found["cpu"]) / max(1, int(found["requests"]))


def cpu_of_a_poll(url: str, certificate: Path, waiters: int, rounds: int) -> dict[str, Any]:
    """Let all contenders wait in turn, and return the medians."""
    found: dict[str, list[float]] = {"ours": [], "bare": [], "peer": []}
    for _ in range(rounds):
        for name, figures in found.items():
            figures.append(asyncio.run(contend(name, url, certificate, waiters)))
    times_bare = statistics.median(
        mine / other for mine, other in zip(found["ours"], found["bare"], strict=True)
    )
    medians = {f"{name}_ms": round(statistics.median(figures), 3) for name, figures in found.items()}
    return {"waiters": waiters, **medians, "times_bare": round(times_bare, 2), "limit": 1.2}


def shared(url: str, waiters: int, tasks: int, interval: float) -> dict[str, Any]:
    """Let many wait for few tasks, and return how many calls they make in an interval."""
    run = ours("sms_tasks", task_ids=lambda number: [str(1 + number % tasks)], expected=lambda number: 9)
    found = asyncio.run(waiting(url, run, waiters, interval, 3 * interval))
    return {
        "waiters": waiters,
        "tasks": tasks,
        "calls_in_an_interval": round(found["requests"] / 3, 1),
        "cpu_ms_per_waiter_and_interval": round(1000 * found["cpu"] / 3 / waiters, 3),
        "late_p99_ms": found["late_p99_ms"],
        "late_worst_ms": found["late_worst_ms"],
    }


def many(url: str, waiters: int, interval: float) -> dict[str, Any]:
    """Let many wait for a message each, and return how late the event loop is."""
    found = asyncio.run(
        waiting(url, ours("sms", reference=lambda number: f"a{number}"), waiters, interval, interval)
    )
    figures = {name: found[name] for name in ("requests", "late_p99_ms", "late_worst_ms")}
    return {"waiters": waiters, "interval_s": interval, **figures, "limit_p99_ms": 50}


def main() -> None:
    """Print the figures."""
    from tests.transport.scripted import certificate as new_certificate

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--serve", help=argparse.SUPPRESS)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--waiters", type=int, nargs="+", default=[200, 2_000])
    arguments.add_argument("--interval", type=float, default=10.0)
    arguments.add_argument("--scheme", choices=("http", "https"), nargs="+", default=["http", "https"])
    arguments.add_argument("--only", choices=("cpu", "shared", "many"))
    chosen = arguments.parse_args()
    if chosen.serve:
        asyncio.run(_serve(chosen.serve))
        return
    figures = os.fdopen(os.dup(1), "w")
    os.dup2(os.open(os.devnull, os.O_WRONLY), 1)  # HttpSensorTrigger logs a line for each poll
    with tempfile.TemporaryDirectory() as folder:
        certificate = new_certificate(Path(folder))
        with server(certificate) as (http, https):
            for scheme in chosen.scheme:
                url = https if scheme == "https" else http
                what = {"bench": "polls", "scheme": scheme}
                connect(url, certificate)
                if chosen.only in (None, "cpu"):
                    for waiters in chosen.waiters:
                        found = cpu_of_a_poll(url, certificate, waiters, chosen.rounds)
                        print(json.dumps({**what, "kind": "cpu", **found}), file=figures, flush=True)
                if chosen.only in (None, "shared"):
                    found = shared(
                        url, 50 * max(chosen.waiters) // 10, max(chosen.waiters) // 20, chosen.interval
                    )
                    print(json.dumps({**what, "kind": "shared", **found}), file=figures, flush=True)
                if chosen.only in (None, "many"):
                    found = many(url, 5 * max(chosen.waiters) // 2, 3 * chosen.interval)
                    print(json.dumps({**what, "kind": "many", **found}), file=figures, flush=True)


if __name__ == "__main__":
    main()
