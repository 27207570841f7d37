"""Webhooks per second that a real api-server stores, on SQLite, and on PostgreSQL with two workers.

Each accepted webhook is about another HLR lookup, so it creates a deduplication record, a log line and a
payload in an asset event; refused ones lack fields. The CPU time is that of the server's processes.
"""

from __future__ import annotations

import asyncio
import json
import multiprocessing
import os
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from functools import partial
from typing import Any
from urllib.parse import urlsplit

import psutil
from measuring import ROOT, Figure, Sample, figure, in_turn, require, run, server

CONNECTIONS, CLIENTS = 64, 2
HANG_SECONDS = 600
_SCOPES = 60
"""The number of Airflow connections that the lookups are of."""


def requests(url: str, count: int, start: int, kind: str) -> Iterator[bytes]:
    """Yield whole HTTP requests."""
    from airflow_provider_telecom.webhooks.address import WebhookAddress
    from tests.system.receiver_load import hlr, receiver_settings

    settings = receiver_settings(url)
    for number in range(start, start + count):
        reference = f"n{number}"
        address = WebhookAddress("ketchup_loyalty", "hlr", f"c{number % _SCOPES}", reference)
        body = json.dumps(hlr(reference, "active") if kind == "accepted" else {"status": number}).encode()
        head = (
            f"POST {urlsplit(settings.url(address)).path} HTTP/1.1\r\nHost: x\r\n"
            f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
        )
        yield head.encode() + body


async def _connection(host: str, port: int, waiting: list[bytes], answers: list[tuple[int, float]]) -> None:
    """Post over one connection; open a new one when the server has closed it."""
    streams: Any = None
    while waiting:
        post, began = waiting.pop(), time.perf_counter()
        while True:
            try:
                reader, writer = streams or await asyncio.open_connection(host, port)
                streams = reader, writer
                writer.write(post)
                head = (await reader.readuntil(b"\r\n\r\n")).lower()
                length = int(head.split(b"content-length: ")[1].split(b"\r\n")[0])
                await reader.readexactly(length)
                break
            except (OSError, asyncio.IncompleteReadError):
                streams = None
        status = int(head[9:12])
        answers.append((status, time.perf_counter() - began))
        if b"connection: close" in head:
            writer.close()
            streams = None
        if status in (429, 503):
            waiting.insert(0, post)
            await asyncio.sleep(0.1)


def client(url: str, count: int, start: int, kind: str, ready: Any, done: Any) -> None:
    """Post, and return the statuses."""
    parts, answers = urlsplit(url), list[tuple[int, float]]()
    waiting = list(requests(url, count, start, kind))

    async def post() -> None:
        each = CONNECTIONS // CLIENTS
        await asyncio.gather(
            *(_connection(str(parts.hostname), int(parts.port or 0), waiting, answers) for _ in range(each))
        )

    ready.wait()
    began = time.time()
    asyncio.run(post())
    done.put((began, time.time(), answers))


def posted(url: str, count: int, start: int, kind: str) -> Sample:
    """Post from several processes; return the rate, and the time that an answer took."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(CLIENTS), context.Queue()
    each = count // CLIENTS
    clients = [
        context.Process(target=client, args=(url, each, start + turn * each, kind, ready, done), daemon=True)
        for turn in range(CLIENTS)
    ]
    for one in clients:
        one.start()
    results = [done.get(timeout=HANG_SECONDS) for _ in clients]
    answers = [answer for _, _, several in results for answer in several]
    seconds = max(end for _, end, _ in results) - min(began for began, _, _ in results)
    final = sorted(second for status, second in answers if status not in (429, 503))
    wanted, statuses = (200, 204) if kind == "accepted" else (400, 422), Counter(one[0] for one in answers)
    right = sum(number for status, number in statuses.items() if status in wanted)
    require(len(final) == right == each * CLIENTS, f"of {each * CLIENTS} posts: {dict(statuses)}")
    return {"rate": right / seconds, "p50": final[right // 2], "p99": final[right * 99 // 100]}


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and all its descendants."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


@contextmanager
def api_server(database: str, workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run an api-server with a new database; yield its URL and the process that started it."""
    program = (
        "import json, sys; from pathlib import Path\n"
        "from tests.system.receiver_load import running_api_server\n"
        "nobody = {'AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS': 'False'}\n"  # as in production
        "with running_api_server(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), **nobody) as server:\n"
        "    print(json.dumps(server.url), file=lines, flush=True); sys.stdin.read()"
    )
    apart = "import os, sys; lines = os.fdopen(os.dup(1), 'w'); os.dup2(2, 1)\n"  # imports may print
    with tempfile.TemporaryDirectory(prefix="telecom-bench-") as home:
        where = database or f"sqlite:///{home}/airflow.db"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": home}
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = where
        command = [sys.executable, "-c", apart + program, home, where, str(workers)]
        with server(command, env=environment, cwd=ROOT) as (url, process):
            yield url, psutil.Process(process.pid)


def receiver(database: str, workers: int, quick: bool) -> list[Figure]:
    """Post accepted and refused webhooks in turn."""
    from tests.system.services import running_postgres

    count = 600 if quick else 4_000
    starts = iter(range(1_000_000, 100_000_000, 1_000_000))
    with ExitStack() as stack:
        is_sqlite = database == "sqlite"
        where = "" if is_sqlite else stack.enter_context(running_postgres()).new_database("receiver")
        url, process = stack.enter_context(api_server(where, workers))
        posted(url, 10 * CONNECTIONS, 0, "accepted")  # warm up

        def post(kind: str) -> Sample:
            before = cpu_seconds(process)
            found = posted(url, count, next(starts), kind)
            return {**found, "cpu": (cpu_seconds(process) - before) / count}

        rounds = in_turn({"ours": partial(post, "accepted"), "refused": partial(post, "refused")})
    name, title = f"receiver.{database}", f"{database}, {workers} worker{'s' if workers > 1 else ''}"
    facts = {"posts": count, "workers": workers}
    ms = {"scale": 1e3, **facts}
    return [
        figure(
            f"{name}.rate",
            f"Webhooks stored a second, {title}",
            "webhooks/s",
            rounds,
            of="rate",
            limit=500,
            limit_of="ours",
            more_is_better=True,
            **facts,
        ),
        figure(f"{name}.cpu", f"A webhook at the server, {title}", "ms of CPU", rounds, **ms),
        figure(f"{name}.p99", f"Answer to a webhook, 99th percentile, {title}", "ms", rounds, of="p99", **ms),
        figure(
            f"{name}.refused.cpu", f"A refused webhook, {title}", "ms of CPU", rounds, ours="refused", **ms
        ),
    ]


CASES = {
    "sqlite": partial(receiver, "sqlite", 1),
    "postgresql": partial(receiver, "postgresql", 2),
}

if __name__ == "__main__":
    run(CASES, __doc__)
