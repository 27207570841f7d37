"""The webhook receiver under attack: killed under load, fuzzed, and flooded; its logs hold no addresses."""

from __future__ import annotations

import base64
import json
import multiprocessing
import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from airflow_provider_telecom.webhooks.address import WebhookAddress
from tests.eventually import HANG_SECONDS, eventually
from tests.system.hostile import Shot, fuzz
from tests.system.receiver_load import (
    ApiServer,
    Found,
    Post,
    Sent,
    find_problems,
    message_lives,
    receiver_settings,
    running_api_server,
    shuffled_duplicates,
    vendor,
    viber,
)
from tests.system.running import wait_until
from tests.system.services import Postgres

pytestmark = [pytest.mark.system, pytest.mark.xdist_group("airflow")]
DUPLICATES, CLIENTS, CONCURRENCY = 5, 4, 16
SHOTS, WARM_UP, SENDERS = 10_000, 3000, 4
RETURN_FREE_MEMORY = {  # free memory is returned at once, so the process has only what it uses
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_MMAP_THRESHOLD_": "65536",
    "MALLOC_TRIM_THRESHOLD_": "65536",
}
MIB = 1 << 20


def _vendor(url: str, posts: list[Post], numbers: list[int], progress: Any, done: Any) -> None:
    done.put(vendor(receiver_settings(url), posts, numbers, progress, CONCURRENCY))


@pytest.fixture(scope="module")
def server(postgres: Postgres, tmp_path_factory: pytest.TempPathFactory) -> Iterator[ApiServer]:
    """An api-server with one process, so that its memory is easy to measure."""
    home = tmp_path_factory.mktemp("airflow")
    with running_api_server(home, postgres.new_database("fire"), workers=1, **RETURN_FREE_MEMORY) as one:
        yield one


@pytest.mark.parametrize(("end", "ends", "count"), [("kill", 20, 10_000), ("stop", 5, 5_000)])
def test_nothing_acknowledged_is_lost_however_the_server_ends(
    postgres: Postgres, tmp_path: Path, tell: Callable[[str], None], end: str, ends: int, count: int
) -> None:
    posts = list(message_lives(count // DUPLICATES))
    numbers = shuffled_duplicates(posts, count, seed=20)
    context = multiprocessing.get_context("spawn")
    progress, done = context.Value("i", 0), context.Queue()
    with running_api_server(tmp_path, postgres.new_database(end)) as server:
        shares = [(server.url, posts, numbers[turn::CLIENTS], progress, done) for turn in range(CLIENTS)]
        clients = [context.Process(target=_vendor, args=share, daemon=True) for share in shares]
        started = time.monotonic()
        for client in clients:
            client.start()
        down = 0.0
        for turn in range(ends):
            due = (turn + random.uniform(0.3, 1)) * count / (ends + 1)
            while progress.value < due:
                assert all(client.exitcode in (None, 0) for client in clients)
                time.sleep(0.02)
            getattr(server, end)()
            killed = time.monotonic()
            server.start()
            down += time.monotonic() - killed
        sent: list[Sent] = [one for _ in clients for one in done.get(timeout=300)]
        seconds = time.monotonic() - started
        wrong = find_problems(posts, sent, Found.from_database(server.database))
    took = sorted(one.seconds for one in sent)
    figures = {
        "posts": len(posts),
        "acknowledged": len(sent),
        "verdicts": Counter(one.verdict for one in sent),
        "repeated": sum(one.tries > 1 for one in sent),
        f"{end}s": ends,
        "seconds": round(seconds),
        "down_seconds": round(down),
        "posts_per_second_while_up": round(len(sent) / (seconds - down)),
        "p50_ms": round(1000 * took[len(took) // 2]),
        "p99_ms": round(1000 * took[len(took) * 99 // 100]),
    }
    tell(json.dumps(figures))
    assert not wrong, "\n".join(wrong[:20])
    assert len(sent) == count


def test_no_webhook_breaks_the_server(server: ApiServer, tell: Callable[[str], None]) -> None:
    seed = int(os.environ.get("TELECOM_FUZZ_SEED", random.randrange(1 << 32)))
    tell(f"seed {seed} (TELECOM_FUZZ_SEED)")
    shots = list(fuzz(SHOTS + WARM_UP, seed))
    _fire(server, shots[:WARM_UP])
    before, started = server.memory(), time.monotonic()
    answers, seconds = _fire(server, shots[WARM_UP:]), time.monotonic() - started
    grown = server.memory() - before
    figures = {
        "answers": sorted(answers.items()),
        "seconds": round(seconds),
        "grown_mib": round(grown / MIB, 1),
    }
    tell(json.dumps(figures))
    assert set(answers) <= {200, 400, 409, 413, 415, 422}
    assert sum(answers.values()) == SHOTS
    assert grown < 20 * MIB
    assert "Traceback" not in server.log()


def _fire(server: ApiServer, shots: list[Shot]) -> Counter[int]:
    def shoot(share: list[Shot]) -> Counter[int]:
        answers: Counter[int] = Counter()
        with httpx.Client(timeout=60, trust_env=False) as client:
            for shot in share:
                url = server.settings.url(WebhookAddress(shot.vendor, shot.kind, shot.conn_id, shot.nonce))
                while (
                    status := client.post(url, content=shot.body, headers=shot.headers).status_code
                ) == 429:
                    time.sleep(0.2)
                assert status < 500, shot
                answers[status] += 1
        return answers

    with ThreadPoolExecutor(SENDERS) as senders:
        shares = [shots[turn::SENDERS] for turn in range(SENDERS)]
        return sum(senders.map(shoot, shares), Counter())


def test_a_gigabyte_is_neither_read_nor_kept(server: ApiServer, tell: Callable[[str], None]) -> None:
    good = server.settings.url(WebhookAddress("ketchup_loyalty", "viber", "default", "giga"))
    length, unsaid = f"Content-Length: {1 << 30}", "Transfer-Encoding: chunked"
    piece = b" " * 65536
    as_chunk = b"%x\r\n%s\r\n" % (len(piece), piece)
    cases = {
        "its length is said": (good, length, piece, b" 413 "),
        "in chunks": (good, unsaid, as_chunk, b" 413 "),
        "with a wrong signature": (good[:-1], length, piece, b" 404 "),
        "with a wrong signature, in chunks": (good[:-1], unsaid, as_chunk, b" 404 "),
    }
    _poured(server, *cases["in chunks"][:3])
    for name, (url, header, part, status) in cases.items():
        before = server.memory()
        answer, sent, most = _poured(server, url, header, part)
        tell(f"{name}: {sent / MIB:.1f} MiB left the client, memory +{(most - before) / MIB:.1f} MiB")
        assert status in answer
        assert sent < 20 * MIB  # most of it is in the kernel's buffers
        assert most - before < 10 * MIB


def _poured(server: ApiServer, url: str, header: str, piece: bytes) -> tuple[bytes, int, int]:
    """Send a gigabyte until the server refuses; return the answer, the bytes sent, and the peak memory."""
    parts, sent, most = urlsplit(url), 0, 0
    with socket.create_connection((parts.hostname, parts.port), 20) as line:
        line.sendall(f"POST {parts.path} HTTP/1.1\r\nHost: x\r\n{header}\r\n\r\n".encode())
        try:
            while sent < 1 << 30:
                line.sendall(piece)
                sent += len(piece)
                most = max(most, server.memory())
        except (BrokenPipeError, ConnectionResetError):
            pass
        return line.recv(65536), sent, max(most, server.memory())


LARGE = {
    "ones": (b'{"type": "x", "items": [' + b"1," * (8 * MIB - 100) + b"1]}", {413}),
    "files": (
        b'{"type": "x", "files": [{"type": "base64", "body": "%s"}]}' % (b"A" * (16 * MIB - 100)),
        {200, 503},
    ),
}


@pytest.mark.parametrize("what", LARGE)
def test_large_webhooks_take_little_memory_and_do_not_block_others(
    server: ApiServer, tell: Callable[[str], None], what: str
) -> None:
    body, allowed = LARGE[what]
    urls = [
        server.settings.url(WebhookAddress("novaconnect", "notice", f"{what}{number}")) for number in range(8)
    ]
    small = WebhookAddress("ketchup_loyalty", "viber", "default", f"beside-{what}")

    def large(url: str) -> int:
        with httpx.Client(timeout=HANG_SECONDS, trust_env=False) as client, suppress(httpx.WriteError):
            return client.post(url, content=body).status_code
        return 413  # it closed the connection while we were still sending

    assert large(urls[0]) in allowed
    before, most, took = server.memory(), 0, []
    with ThreadPoolExecutor(8) as senders, httpx.Client(timeout=HANG_SECONDS, trust_env=False) as client:
        posts = [senders.submit(large, url) for url in urls]
        while not all(post.done() for post in posts):
            began = time.monotonic()
            assert client.post(server.settings.url(small), json=viber(small.nonce, "sent")).status_code == 200
            took.append(time.monotonic() - began)
            most = max(most, server.memory() - before)
        answers = Counter(post.result() for post in posts)
    tell(
        f"{what}: {dict(answers)}, memory +{most / MIB:.0f} MiB; beside them {len(took)} posts, "
        f"the slowest in {max(took):.2f} s"
    )
    assert set(answers) <= allowed
    assert most < 200 * MIB


def test_a_slow_body_has_ten_seconds(server: ApiServer) -> None:
    parts = urlsplit(server.settings.url(WebhookAddress("ketchup_loyalty", "viber", "default", "slow")))
    with socket.create_connection((parts.hostname, parts.port), 20) as line:
        started = time.monotonic()
        line.sendall(f"POST {parts.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n".encode())
        line.settimeout(1)
        answer = b""
        while not answer and time.monotonic() - started < HANG_SECONDS:
            line.sendall(b" ")
            try:
                answer = line.recv(65536)
            except TimeoutError:
                continue
        assert time.monotonic() - started > 9
        assert b" 408 " in answer
        line.settimeout(HANG_SECONDS)
        while answer:  # and it hangs up
            answer = line.recv(65536)
    why = "it did not arrive within 10 s"
    assert eventually(
        lambda: why in [one["why"] for one in Found.from_database(server.database).log], every=0.2
    )


def test_no_log_contains_an_address(server: ApiServer) -> None:
    address = WebhookAddress("ketchup_loyalty", "viber", "default", "nonce-of-no-log")
    url = server.settings.url(address)
    signature = url.rpartition("/")[2]
    logged = len(server.log())

    def post(**more: Any) -> int:
        with httpx.Client(timeout=60, trust_env=False) as client:
            return client.post(url, json=viber(address.nonce, "delivered"), **more).status_code

    def ask(query: str) -> None:
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        with create_engine(
            server.database, poolclass=NullPool, isolation_level="AUTOCOMMIT"
        ).connect() as line:
            line.execute(text(query))

    assert post() == 200
    assert httpx.post(url, content=b"{", trust_env=False, timeout=HANG_SECONDS).status_code == 400
    assert httpx.post(url + "x", trust_env=False, timeout=HANG_SECONDS).status_code == 404
    for method in ("GET", "PUT", "HEAD", "OPTIONS"):
        assert httpx.request(method, url, trust_env=False, timeout=HANG_SECONDS).status_code == 405
    upgrade = {"Connection": "Upgrade", "Upgrade": "websocket", "Sec-WebSocket-Version": "13"}
    key = {"Sec-WebSocket-Key": base64.b64encode(bytes(16)).decode()}
    assert httpx.get(url, headers={**upgrade, **key}, trust_env=False, timeout=HANG_SECONDS).status_code in (
        403,
        404,
        405,
    )
    ask("alter table asset_state_store rename to elsewhere")
    assert [post(), httpx.post(url, content=b"{", trust_env=False, timeout=HANG_SECONDS).status_code] == [
        503,
        400,
    ]
    assert eventually(lambda: server.log()[logged:].count("could not be") == 2)  # kept, counted
    ask("alter table elsewhere rename to asset_state_store")
    assert post() == 200
    ask("alter table asset_state_store add constraint tight check (length(value) < 10) not valid")
    assert post() == 503
    ask("alter table asset_state_store drop constraint tight")
    ask("update asset_state_store set value = '5' where key like 'mark:%'")
    assert post() == 500
    wait_until(lambda: server.log()[logged:].count("/telecom/hook/***") >= 12, 10)
    said = server.log()[logged:]
    assert said.count("/telecom/hook/***") >= 12
    assert said.count("could not be") == 3
    assert signature not in said
    assert address.nonce not in said
    assert "38067" not in said
