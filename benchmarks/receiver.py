"""Webhooks per second that a real api-server stores, on SQLite, and on PostgreSQL with two workers.

Each accepted webhook is about another HLR lookup, so it creates a deduplication record, a log line and a
payload in an asset event; refused ones lack fields. Prints JSON lines. `server_cpu_ms` is the CPU time of the
server's processes per webhook.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import psutil

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT))

CONNECTIONS, CLIENTS = 64, 2
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


def posted(url: str, count: int, start: int, kind: str) -> dict[str, Any]:
    """Post from several processes, and return the figures."""
    context = multiprocessing.get_context("spawn")
    ready, done = context.Barrier(CLIENTS), context.Queue()
    each = count // CLIENTS
    clients = [
        context.Process(target=client, args=(url, each, start + turn * each, kind, ready, done), daemon=True)
        for turn in range(CLIENTS)
    ]
    for one in clients:
        one.start()
    results = [done.get(timeout=3600) for _ in clients]
    answers = [answer for _, _, several in results for answer in several]
    statuses = Counter(status for status, _ in answers)
    seconds = max(end for _, end, _ in results) - min(began for began, _, _ in results)
    took = sorted(second for status, second in answers if status not in (429, 503))
    return {
        "posts": each * CLIENTS,
        "a_second": round(each * CLIENTS / seconds, 1),
        "p50_ms": round(1000 * took[len(took) // 2]),
        "p99_ms": round(1000 * took[len(took) * 99 // 100]),
        "answers": {str(status): number for status, number in sorted(statuses.items())},
    }


def cpu_seconds(process: psutil.Process) -> float:
    """Return the CPU seconds of a process and all its descendants."""
    return sum(sum(one.cpu_times()[:2]) for one in (process, *process.children(recursive=True)))


@contextmanager
def api_server(database: str, workers: int) -> Iterator[tuple[str, psutil.Process]]:
    """Run an api-server with a new database; yield its URL and the process that started it."""
    program = (
        "import sys; from pathlib import Path; from tests.system.receiver_load import running_api_server\n"
        "nobody = {'AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS': 'False'}\n"  # as in production
        "with running_api_server(Path(sys.argv[1]), sys.argv[2], int(sys.argv[3]), **nobody) as server:\n"
        "    print(server.url, flush=True); sys.stdin.read()"
    )
    with tempfile.TemporaryDirectory(prefix="telecom-bench-") as home:
        where = database or f"sqlite:///{home}/airflow.db"
        environment = {**os.environ, "PYTHONPATH": str(ROOT), "AIRFLOW_HOME": home}
        environment["AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"] = where
        with subprocess.Popen(
            [sys.executable, "-c", program, home, where, str(workers)],
            env=environment,
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        ) as process:
            assert process.stdout is not None
            try:
                url = next(line.strip() for line in process.stdout if line.startswith("http://"))
                yield url, psutil.Process(process.pid)
            finally:
                process.communicate("")


def main() -> None:
    """Print the figures."""
    from tests.system.services import running_postgres

    arguments = argparse.ArgumentParser(description=__doc__)
    arguments.add_argument("--posts", type=int, default=20_000)
    arguments.add_argument("--only", choices=("sqlite", "postgresql"))
    chosen = arguments.parse_args()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres()) if chosen.only != "sqlite" else None
        for database, workers in (("sqlite", 1), ("postgresql", 2)):
            if chosen.only not in (None, database):
                continue
            where = postgres.new_database("receiver") if postgres and database == "postgresql" else ""
            with api_server(where, workers) as (url, server):
                posted(url, 10 * CONNECTIONS, 0, "accepted")  # warm up
                for kind in ("accepted", "refused"):
                    before = cpu_seconds(server)
                    found = posted(url, chosen.posts, 1_000_000, kind)
                    cpu = (cpu_seconds(server) - before) / found["posts"]
                    what = {"bench": "receiver", "database": database, "workers": workers, "kind": kind}
                    print(json.dumps({**what, **found, "server_cpu_ms": round(1000 * cpu, 2)}), flush=True)


if __name__ == "__main__":
    main()
