"""CPU and memory of waiting triggers, beside a bare aiohttp session and HttpSensorTrigger.

All contenders wait for a message each, in one event loop, at the same interval, in turn, each in a fork. The
server is a process of its own. Then 10,000 triggers wait for 100 tasks, and 5,000 for a message each.
"""

from __future__ import annotations

import asyncio
import json
import os
import random
import ssl
import sys
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from measuring import (
    Figure,
    Rounds,
    Sample,
    figure,
    idle_megabytes,
    in_fork,
    in_turn,
    megabytes,
    peer_package,
    require,
    run,
)
from measuring import server as server_process

POLLS_A_SECOND = 500
SECONDS, START_SECONDS = 3.0, 300.0
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
        if path in (b"/_paths", b"/_forget"):
            body = json.dumps([sum(self.paths.values()), len(self.paths)]).encode()
            if path == b"/_forget":
                self.paths.clear()
        else:
            self.paths[path] += 1
            status = 404 if path.startswith(b"/missing/") else 200  # HttpSensorTrigger waits while it is 404
            reference = path.rpartition(b"/")[2]
            body = TASK if b"/task/" in path else MESSAGE.replace(b"r1", reference)
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
def server() -> Iterator[tuple[dict[str, str], Path]]:
    """Run the server; yield its addresses by scheme, and its certificate."""
    from tests.transport.scripted import certificate as new_certificate

    with tempfile.TemporaryDirectory() as folder:
        certificate = new_certificate(Path(folder))
        with server_process([sys.executable, __file__, "--serve", str(certificate)]) as (ports, _):
            urls = zip(("http", "https"), ports, strict=True)
            yield {scheme: f"{scheme}://127.0.0.1:{port}" for scheme, port in urls}, certificate


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


async def counts(url: str, path: str = "/_paths") -> tuple[int, int]:
    """Return how many requests the server had, and to how many paths; with `/_forget` it begins anew."""
    import aiohttp

    async with (
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(ssl=False)) as session,
        session.get(f"{url}{path}") as response,
    ):
        requests, paths = await response.json()
    return requests, paths


async def waiting(url: str, run: Run, waiters: int, interval: float, seconds: float) -> Sample:
    """Let so many wait; return the requests, CPU time, memory of each, and how late the event loop was."""
    await counts(url, "/_forget")
    idle = idle_megabytes()
    tasks = [asyncio.create_task(run(number, interval)) for number in range(waiters)]
    deadline = time.monotonic() + START_SECONDS
    started = False
    while not started:
        # Until all have polled once. The server does not see each waiter of a shared call.
        await asyncio.sleep((2.4 if is_shared(run) else 1.2) * interval)
        _, seen = await counts(url)
        started = is_shared(run) or seen >= waiters
        if ended := [task for task in tasks if task.done()]:
            raise AssertionError(ended[0].exception())
        require(time.monotonic() < deadline, f"{waiters} waiters did not all poll in {START_SECONDS} s")
    before, _ = await counts(url)
    cpu, late = time.process_time(), list[float]()
    wall = time.monotonic()
    while (began := time.monotonic()) < wall + seconds:
        await asyncio.sleep(0.01)
        late.append(time.monotonic() - began - 0.01)
    cpu, wall = time.process_time() - cpu, time.monotonic() - wall
    memory = megabytes("VmRSS") - idle
    polls = (await counts(url))[0] - before
    for task in tasks:
        task.cancel()
    for ended in await asyncio.gather(*tasks, return_exceptions=True):
        if not isinstance(ended, asyncio.CancelledError):
            raise AssertionError(ended)
    late.sort()
    require(polls > 0, "nobody polled")
    return {
        "requests": polls,
        "seconds": wall,
        "cpu": cpu / polls,
        "cpu_each": cpu / waiters / (wall / interval),
        "late_p99": late[len(late) * 99 // 100],
        "late_worst": late[-1],
        "memory": memory / waiters,
    }


def is_shared(run: Run) -> bool:
    """Return whether the waiters share calls, so that the server does not see each of them."""
    return getattr(run, "shared", False)


# The cases


def contend(name: str, url: str, certificate: Path, waiters: int, seconds: float) -> Sample:
    """Return what the waiting of one contender takes, in a process of its own."""
    interval = waiters / POLLS_A_SECOND

    async def act() -> Sample:
        if name == BARE:
            async with bare(url, certificate) as run:
                return await waiting(url, run, waiters, interval, seconds)
        run = ours("sms", reference=lambda number: f"a{number}") if name == "ours" else peer()
        return await waiting(url, run, waiters, interval, seconds)

    def alone() -> Sample:
        connect(url, certificate)
        return asyncio.run(act())

    return in_fork(alone)


BARE = "one aiohttp session"


def cpu(scheme: str, waiters: int, quick: bool) -> list[Figure]:
    """Let all contenders wait in turn; return what a poll and a waiter take."""
    http = f"HttpSensorTrigger, {peer_package('apache-airflow-providers-http', 'airflow.providers.http')}"
    name, seconds = f"polls.{scheme}.{waiters}", SECONDS
    if quick:
        waiters, seconds = waiters // 10, 1.0
    import_all()
    with server() as (urls, certificate):
        url = urls[scheme]
        contenders = {
            name: partial(contend, name, url, certificate, waiters, seconds) for name in ("ours", BARE, http)
        }
        rounds = in_turn(contenders)
    title = f"{scheme}, {waiters:,} waiters"
    late = {"scale": 1000.0, "peer": http, "limit": 1.0}
    facts = {"waiters": waiters, "polls_a_second": POLLS_A_SECOND}
    return [
        figure(
            f"{name}.cpu", f"A poll, {title}", "ms of CPU", rounds, peer=BARE, limit=1.2, scale=1e3, **facts
        ),
        figure(
            f"{name}.cpu_of_http",
            f"A poll, {title}",
            "ms of CPU",
            rounds,
            peer=http,
            limit=0.5 if scheme == "https" else 1.0,
            scale=1e3,
            **facts,
        ),
        figure(
            f"{name}.late",
            f"Event loop late, 99th percentile, {title}",
            "ms",
            rounds,
            of="late_p99",
            **late,
            **facts,
        ),
        figure(
            f"{name}.late_worst",
            f"Event loop late, worst, {title}",
            "ms",
            rounds,
            of="late_worst",
            **late,
            **facts,
        ),
        figure(
            f"{name}.memory",
            f"Memory of a waiter, {title}",
            "KB",
            rounds,
            of="memory",
            peer=http,
            limit=1.0,
            scale=1024,
            **facts,
        ),
    ]


def import_all() -> None:
    """Import what the contenders import, so that forks neither take time nor memory for it."""
    import aiohttp  # noqa: F401

    from airflow_provider_telecom.hooks import ketchup_loyalty  # noqa: F401
    from airflow_provider_telecom.triggers import poll  # noqa: F401
    from airflow_provider_telecom.vendors.ketchup_loyalty import status  # noqa: F401


def of_ours(run: Run, scheme: str, waiters: int, interval: float, seconds: float) -> Rounds:
    """Let ours alone wait, three times."""
    import_all()

    def alone(url: str, certificate: Path) -> Sample:
        connect(url, certificate)
        return asyncio.run(waiting(url, run, waiters, interval, seconds))

    with server() as (urls, certificate):
        return in_turn({"ours": lambda: in_fork(lambda: alone(urls[scheme], certificate))})


def shared(quick: bool) -> list[Figure]:
    """10,000 triggers that wait for 100 tasks: one call for each task in an interval."""
    waiters, tasks, interval = (200, 2, 1.0) if quick else (10_000, 100, 5.0)
    wait = ours("sms_tasks", task_ids=lambda number: [str(1 + number % tasks)], expected=lambda number: 9)
    wait.shared = True  # type: ignore[attr-defined]
    rounds = of_ours(wait, "http", waiters, interval, 3 * interval)
    for sample in rounds["ours"]:
        sample["calls"] = sample["requests"] * interval / sample["seconds"]
    facts = {"waiters": waiters, "tasks": tasks, "interval_s": interval, "limit_of": "ours"}
    title = f"{waiters:,} wait for {tasks} tasks, every {interval:.0f} s"
    return [
        figure(
            "polls.shared.calls",
            f"Calls in an interval; {title}",
            "calls",
            rounds,
            of="calls",
            limit=tasks * 4 / 3,  # one more in three intervals
            **facts,
        ),
        figure(
            "polls.shared.cpu",
            f"A waiter and interval; {title}",
            "ms of CPU",
            rounds,
            of="cpu_each",
            scale=1e3,
            limit=0.07,  # a twentieth of HttpSensorTrigger's poll
            **facts,
        ),
        figure(
            "polls.shared.late",
            f"Event loop late, 99th percentile; {title}",
            "ms",
            rounds,
            of="late_p99",
            scale=1e3,
            limit=50,
            **facts,
        ),
    ]


def many(quick: bool) -> list[Figure]:
    """5,000 triggers that wait for a message each, over https."""
    waiters, interval = (200, 1.0) if quick else (5_000, 10.0)
    wait = ours("sms", reference=lambda number: f"a{number}")
    rounds = of_ours(wait, "https", waiters, interval, interval)
    return [
        figure(
            "polls.many.late",
            f"Event loop late, 99th percentile; {waiters:,} waiters, https, every {interval:.0f} s",
            "ms",
            rounds,
            of="late_p99",
            scale=1e3,
            limit=50,
            limit_of="ours",
            waiters=waiters,
        )
    ]


CASES = {
    **{
        f"{scheme}_{waiters}": partial(cpu, scheme, waiters)
        for scheme in ("http", "https")
        for waiters in (200, 2_000)
    },
    "shared": shared,
    "many": many,
}

if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        asyncio.run(_serve(sys.argv[2]))
    else:
        run(CASES, __doc__)
