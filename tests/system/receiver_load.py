"""Load for the webhook receiver: vendors that repeat webhooks, a check of the results, and an api-server."""

from __future__ import annotations

import base64
import json
import os
import random
import secrets
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import httpx
import psutil

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.webhooks.address import ReceiverSettings, WebhookAddress
from airflow_provider_telecom.webhooks.keys import ENTRY, deduplication_key
from tests.eventually import HANG_SECONDS
from tests.system.running import ROOT
from tests.system.services import free_port

SECRET = "made-up-secret-for-load-0123456789abcdef"
READY_WITHIN_SECONDS = 600  # only a guard against hanging
STEPS = 5
"""Number of webhooks of a queue, from nothing done to everything done."""
_VIBER = ("sent", "delivered", "read")
_HLR = ("sent", "active")
_CONNECTIONS = 12


def receiver_settings(url: str) -> ReceiverSettings:
    """Return the settings that sign the addresses of a server."""
    return ReceiverSettings(url, (Secret(SECRET),))


@dataclass(frozen=True)
class Post:
    """A webhook, and the position of its state in the life of its subject."""

    address: WebhookAddress
    body: dict[str, Any]
    place: int
    state: str
    event: bool


@dataclass(frozen=True)
class Sent:
    """An acknowledged webhook: the verdict, the seconds it took, and the number of tries."""

    number: int
    verdict: str
    seconds: float
    tries: int


def viber(reference: str, state: str) -> dict[str, Any]:
    """Return KetchUp's webhook about a Viber message."""
    return {"reference": reference, "msisdn": "380670000200", "status": state, "time_dr": "2026-01-01"}


def hlr(reference: str, state: str) -> dict[str, Any]:
    """Return KetchUp's webhook about an HLR lookup."""
    details = {"ported": 0, "roaming": 0}
    facts = {"id": f"h-{reference}", "reference": reference, "msisdn": "380670000200", "status": state}
    return {**facts, "network": "25503", "details": details}


def queue(queue_id: str, process: int, count: int = STEPS - 1) -> dict[str, Any]:
    """Return NovaConnect's webhook about a queue."""
    sim = {"id": 1001, "iccid": "8970100000000000001", "profile": "TD", "block": "n"}
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    return {"qid": queue_id, "queue": "block", "items": [sim], "status": status}


def message_lives(count: int) -> Iterator[Post]:
    """Yield at least `count` different webhooks: all states of messages, HLR lookups and queues.

    A third of the subjects does not reach its final state.
    """
    made = number = 0
    while made < count:
        life = list(_life(number))
        yield from life
        made, number = made + len(life), number + 1


def _life(number: int) -> Iterator[Post]:
    name, conn_id = f"n{number}", f"c{number % _CONNECTIONS}"
    whole = number // 3 % 3 != 2
    if number % 3 == 0:
        address = WebhookAddress("ketchup_loyalty", "viber", conn_id, name)
        for place, state in enumerate(_VIBER if whole else _VIBER[:2]):
            yield Post(address, viber(name, state), place, state, state != "sent")
    elif number % 3 == 1:
        address = WebhookAddress("ketchup_loyalty", "hlr", conn_id, name)
        for place, state in enumerate(_HLR if whole else _HLR[:1]):
            yield Post(address, hlr(name, state), place, state, state != "sent")
    else:
        address = WebhookAddress("novaconnect", "queue", conn_id, name)
        for place in range(STEPS if whole else STEPS - 1):
            ended = place == STEPS - 1
            yield Post(address, queue(f"q-{name}", place), place, "done" if ended else "running", ended)


def shuffled_duplicates(posts: Sequence[Post], count: int, seed: int) -> list[int]:
    """Return `count` indexes of webhooks in random order; each index occurs several times."""
    numbers = [turn % len(posts) for turn in range(count)]
    random.Random(seed).shuffle(numbers)
    return numbers


def vendor(
    settings: ReceiverSettings,
    posts: Sequence[Post],
    numbers: Sequence[int],
    progress: Any = None,
    concurrency: int = 1,
) -> list[Sent]:
    """Send webhooks as a vendor does: concurrently, and each one again until it is acknowledged."""
    with httpx.Client(timeout=30, trust_env=False) as client, ThreadPoolExecutor(concurrency) as threads:
        return list(
            threads.map(
                lambda number: _acknowledged(client, settings, posts[number], number, progress), numbers
            )
        )


def _acknowledged(
    client: httpx.Client, settings: ReceiverSettings, post: Post, number: int, progress: Any
) -> Sent:
    url = settings.url(post.address)
    for tries in range(1, 20_000):
        started = time.monotonic()
        with suppress(httpx.HTTPError):
            answer = client.post(url, json=post.body)
            if answer.status_code == 200:
                if progress is not None:
                    with progress.get_lock():
                        progress.value += 1
                return Sent(number, answer.json()["detail"], time.monotonic() - started, tries)
            assert answer.status_code in (429, 500, 503), answer.text
        time.sleep(0.1 + random.random() / 5)
    raise AssertionError(f"{post} was never acknowledged")


@dataclass
class Found:
    """The content of a database afterwards."""

    rows: dict[str, Any]
    events: list[tuple[str, dict[str, Any]]]

    @classmethod
    def from_database(cls, database: str) -> Found:
        """Read a database."""
        from sqlalchemy import create_engine, text
        from sqlalchemy.pool import NullPool

        rows = "select key, value from asset_state_store"
        events = "select a.name, e.extra from asset_event e join asset a on a.id = e.asset_id"
        with create_engine(database, poolclass=NullPool).connect() as connection:
            return cls(
                {key: _json(value) for key, value in connection.execute(text(rows))},
                [(name, _json(extra)) for name, extra in connection.execute(text(events))],
            )

    @cached_property
    def log(self) -> list[dict[str, Any]]:
        """The logged webhooks, oldest first."""
        return [one for key, page in sorted(self.rows.items()) if key.startswith("log:") for one in page]

    @cached_property
    def accepted(self) -> dict[str, list[tuple[str, str]]]:
        """The accepted states of each topic, in this order, and what they are about."""
        found: dict[str, list[tuple[str, str]]] = {}
        for one in self.log:
            for topic in one["topics"]:
                found.setdefault(topic, []).append((one["state"], one["about"]))
        return found

    @cached_property
    def reports(self) -> list[tuple[str, dict[str, Any]]]:
        """The payloads of the asset events, with the names of the assets."""
        return [(name, report) for name, extra in self.events for report in extra["reports"]]

    @cached_property
    def event_states(self) -> dict[str, Counter[str]]:
        """How often each state occurs in asset events, by topic."""
        found: dict[str, Counter[str]] = {}
        for name, report in self.reports:
            _, *words, kind = name.split("-")
            subject = report["queue_id"].removeprefix("q-") if kind == "queue" else report["reference"]
            topic = f"{'_'.join(words)}/{kind}/{report['conn_id']}/{subject}"
            found.setdefault(topic, Counter())[report.get("status", "done")] += 1
        return found


def _json(value: Any) -> Any:
    return json.loads(value) if isinstance(value, str) else value


def find_problems(posts: Sequence[Post], sent: Sequence[Sent], found: Found) -> list[str]:
    """Return which acknowledged webhooks were lost, processed twice or miscounted."""
    by_address: dict[WebhookAddress, list[Post]] = {}
    for number in {one.number for one in sent}:
        by_address.setdefault(posts[number].address, []).append(posts[number])
    wrong = [
        problem
        for address, of_it in by_address.items()
        for problem in _problems_of_subject(address, of_it, found)
    ]
    return [*wrong, *_miscounted(sent, found)]


def _problems_of_subject(
    address: WebhookAddress, acknowledged: Sequence[Post], found: Found
) -> Iterator[str]:
    last = max(acknowledged, key=lambda post: post.place)
    subject = {"viber": address.nonce, "hlr": f"h-{address.nonce}", "queue": ""}[address.kind]
    record = found.rows.get(deduplication_key(address.topic, subject))
    if record is None or record["state"] != last.state:
        yield f"{address}: {last.state} was acknowledged, the deduplication record says {record}"
    if address.kind == "queue":
        entry = found.rows.get(ENTRY + address.topic) or {}
        if entry.get("process") != last.place or entry.get("final") is not last.event:
            yield f"{address}: process {last.place} was acknowledged, the entry says {entry}"
    events = found.event_states.get(address.topic, Counter())
    if last.event and events[last.state] != 1:
        yield f"{address}: {events[last.state]} events of {last.state}"
    allowed = {post.state for post in acknowledged if post.event}
    if set(events) - allowed or any(count > 1 for count in events.values()):
        yield f"{address}: events {events}"
    accepted = found.accepted.get(address.topic, [])
    places = [post.place for step in accepted for post in acknowledged if step == _step(post)]
    if places != sorted(set(places)) or not places or places[-1] != last.place:
        yield f"{address}: accepted were {accepted}"


def _step(post: Post) -> tuple[str, str]:
    about = f"block: {post.place} of {STEPS - 1}" if post.address.kind == "queue" else "********0200"
    return post.state, about


def _miscounted(sent: Sequence[Sent], found: Found) -> Iterator[str]:
    days = [value for key, value in found.rows.items() if key.startswith("day:")]
    counted: Counter[str] = Counter()
    for day in days:
        for verdicts in day["verdicts"].values():
            counted.update(verdicts)
    logged = Counter(one["verdict"] for one in found.log)
    if counted != logged or found.rows["head"]["next"] != len(found.log):
        yield f"counted {counted}, logged {logged}, the next number is {found.rows['head']}"
    by_hour = sum(count for day in days for states in day["hours"].values() for count in states.values())
    with_event = sum(one["verdict"] == "accepted" and one["state"] in _STATES_WITH_EVENT for one in found.log)
    if not with_event == by_hour == len(found.reports):
        yield f"{with_event} states that make events, {by_hour} by hour, {len(found.reports)} in events"
    said = Counter(one.verdict for one in sent)
    if any(said[verdict] > logged[verdict] for verdict in said):
        yield f"answered {said}, logged {logged}"


_STATES_WITH_EVENT = ("delivered", "read", "active", "done")


class ApiServer:
    """A real `airflow api-server` of two processes or more, with an open receiver."""

    def __init__(self, home: Path, database: str, workers: int = 2, **extra: str) -> None:
        port = free_port()
        self.url, self.database, self.out = f"http://127.0.0.1:{port}", database, home / "api-server.out"
        self.settings = receiver_settings(self.url)
        self._environment = {
            **{name: value for name, value in os.environ.items() if not name.startswith("AIRFLOW")},
            "PYTHONPATH": str(ROOT),
            "AIRFLOW_HOME": str(home),
            "AIRFLOW__CORE__LOAD_EXAMPLES": "False",
            "AIRFLOW__CORE__FERNET_KEY": base64.urlsafe_b64encode(os.urandom(32)).decode(),
            "AIRFLOW__CORE__SIMPLE_AUTH_MANAGER_ALL_ADMINS": "True",
            "AIRFLOW__USAGE_DATA_COLLECTION__ENABLED": "False",
            "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN": database,
            "AIRFLOW__API__PORT": str(port),
            "AIRFLOW__API__HOST": "127.0.0.1",
            "AIRFLOW__API__BASE_URL": self.url,
            "AIRFLOW__API__WORKERS": str(workers),
            "AIRFLOW__API_AUTH__JWT_SECRET": secrets.token_hex(32),
            "AIRFLOW__TELECOM__PUBLIC_BASE_URL": self.url,
            "AIRFLOW__TELECOM__WEBHOOK_SECRET": SECRET,
            **extra,
        }
        self._process: subprocess.Popen[bytes] | None = None

    def prepare(self) -> None:
        """Create the database's tables, and the assets whose events are counted."""
        command = [sys.executable, "-m", "airflow", "db", "migrate"]
        subprocess.run(command, env=self._environment, check=True, capture_output=True, timeout=120)
        from airflow.models.asset import AssetModel
        from sqlalchemy import create_engine
        from sqlalchemy.orm import Session
        from sqlalchemy.pool import NullPool

        from tests.webhooks.conftest import EVENTS

        with Session(create_engine(self.database, poolclass=NullPool)) as session:
            session.add_all(
                AssetModel(name=one.name, uri=one.uri, group=one.group, extra={}) for one in EVENTS.values()
            )
            session.commit()

    def start(self) -> None:
        """Start it, and wait until it answers."""
        with self.out.open("ab") as out:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "airflow", "api-server", "--apps", "core"],
                env=self._environment,
                stdout=out,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        ends = time.monotonic() + READY_WITHIN_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self.log()[-3000:]
            assert time.monotonic() < ends, self.log()[-3000:]
            time.sleep(0.05)

    def _answers(self) -> bool:
        with suppress(httpx.HTTPError):
            return httpx.post(f"{self.url}/telecom/hook/x", timeout=10, trust_env=False).status_code == 404
        return False

    def kill(self) -> None:
        """End all of its processes at once, with SIGKILL."""
        assert self._process is not None
        doomed = self.processes()
        os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait(HANG_SECONDS)
        _, alive = psutil.wait_procs(doomed, timeout=HANG_SECONDS)
        assert not alive

    def stop(self) -> None:
        """Ask it to end, as an orchestrator does, and wait until it has."""
        assert self._process is not None
        doomed = self.processes()
        os.kill(self._process.pid, signal.SIGTERM)
        self._process.wait(HANG_SECONDS)
        _, alive = psutil.wait_procs(doomed, timeout=HANG_SECONDS)
        assert not alive, self.log()[-3000:]

    def processes(self) -> list[psutil.Process]:
        """Return its processes: the first has started the others."""
        assert self._process is not None
        first = psutil.Process(self._process.pid)
        return [first, *first.children(recursive=True)]

    def memory(self) -> int:
        """Return how many bytes its processes have in memory."""
        return sum(process.memory_info().rss for process in self.processes())

    def log(self) -> str:
        """Return what it has written."""
        return self.out.read_text(errors="replace")


@contextmanager
def running_api_server(home: Path, database: str, workers: int = 2, **extra: str) -> Iterator[ApiServer]:
    """Run an api-server with a new database."""
    server = ApiServer(home, database, workers, **extra)
    server.prepare()
    server.start()
    try:
        yield server
    finally:
        server.kill()
