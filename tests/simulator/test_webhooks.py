"""Webhooks of the simulated vendors: by the simulator's clock, to loopback addresses only."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.simulator.novaconnect.queues import enqueue
from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender
from tests.eventually import HANG_SECONDS, eventually


class Receiver(ThreadingHTTPServer):
    """Receives webhooks, and answers with the next of `answers`; the last one is repeated."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.answers = [200]
        self.bodies: list[Any] = []
        self.types: list[str | None] = []
        self.url = f"http://127.0.0.1:{self.server_port}/hook"


class _Handler(BaseHTTPRequestHandler):
    server: Receiver

    def do_POST(self) -> None:
        length = int(self.headers["Content-Length"])
        self.server.bodies.append(json.loads(self.rfile.read(length)))
        self.server.types.append(self.headers["Content-Type"])
        answers = self.server.answers
        self.send_response(answers.pop(0) if len(answers) > 1 else answers[0])
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, format: str, *args: Any) -> None:
        """Say nothing."""


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Listen on loopback."""
    with Receiver() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        yield server
        server.shutdown()
        thread.join(HANG_SECONDS)


@pytest.fixture
def state() -> Iterator[SimulatorState]:
    """A new state whose sender ends with the test."""
    made = SimulatorState()
    yield made
    made.reset()


def webhook_sender_of(state: SimulatorState) -> WebhookSender:
    webhook_sender: WebhookSender = state.vendor_state("webhook_sender", WebhookSender)
    return webhook_sender


def verdicts(webhook_sender: WebhookSender) -> list[str]:
    return [posted.verdict for posted in webhook_sender.log]


def test_a_webhook_comes_as_json_and_is_logged(state: SimulatorState, receiver: Receiver) -> None:
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(receiver.url, {"status": "доставлено"})
    assert eventually(lambda: verdicts(webhook_sender) == ["200"])
    assert receiver.bodies == [{"status": "доставлено"}]
    assert receiver.types == ["application/json"]
    assert webhook_sender.log[0].url == receiver.url
    assert webhook_sender.waiting == 0


def test_a_webhook_for_later_waits_for_the_clock(state: SimulatorState, receiver: Receiver) -> None:
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(receiver.url, 1, (60,))
    time.sleep(0.2)
    assert (receiver.bodies, webhook_sender.waiting) == ([], 1)
    state.clock.advance(61)
    assert eventually(lambda: receiver.bodies == [1])


def test_webhooks_come_in_the_order_in_which_they_are_due(state: SimulatorState, receiver: Receiver) -> None:
    webhook_sender = webhook_sender_of(state)
    for number, delay in enumerate([30, 10, 20, 10]):
        webhook_sender.post(receiver.url, number, (delay,))
    state.clock.advance(60)
    assert eventually(lambda: len(receiver.bodies) == 4)
    assert receiver.bodies == [1, 3, 2, 0]


def test_a_failed_attempt_is_repeated_when_the_next_is_due(state: SimulatorState, receiver: Receiver) -> None:
    receiver.answers = [500, 404, 200]
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(receiver.url, "a", (0, 60, 360, 3600))
    assert eventually(lambda: verdicts(webhook_sender) == ["500"])
    time.sleep(0.2)
    assert verdicts(webhook_sender) == ["500"]
    state.clock.advance(61)
    assert eventually(lambda: verdicts(webhook_sender) == ["500", "404"])
    state.clock.advance(300)
    assert eventually(lambda: verdicts(webhook_sender) == ["500", "404", "200"])
    state.clock.advance(86_400)
    time.sleep(0.2)
    assert receiver.bodies == ["a"] * 3
    assert webhook_sender.waiting == 0
    first, second, third = (posted.at for posted in webhook_sender.log)
    assert (second - first).total_seconds() >= 60
    assert (third - second).total_seconds() >= 299


def test_a_webhook_is_given_up_after_the_last_attempt(state: SimulatorState, receiver: Receiver) -> None:
    receiver.answers = [503]
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(receiver.url, "a", (0, 60))
    state.clock.advance(3600)
    assert eventually(lambda: verdicts(webhook_sender) == ["503", "503"])
    time.sleep(0.2)
    assert (len(receiver.bodies), webhook_sender.waiting) == (2, 0)


def test_a_redirect_is_not_followed_and_counts_as_failed(state: SimulatorState, receiver: Receiver) -> None:
    receiver.answers = [302, 200]
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(receiver.url, "a", (0, 0))
    assert eventually(lambda: verdicts(webhook_sender) == ["302", "200"])


def test_a_refused_connection_is_a_failed_attempt(state: SimulatorState, receiver: Receiver) -> None:
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post("http://127.0.0.1:1/", "a", (0, 0))
    assert eventually(lambda: verdicts(webhook_sender) == ["ConnectError", "ConnectError"])
    webhook_sender.post(receiver.url, "b")
    assert eventually(lambda: receiver.bodies == ["b"])


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/x", "http://127.0.0.1:1/\x00", "http://127.0.0.1:99999/"])
def test_an_invalid_address_does_not_end_the_sender(
    state: SimulatorState, receiver: Receiver, url: str
) -> None:
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(url, "a")
    webhook_sender.post(receiver.url, "b")
    assert eventually(lambda: len(webhook_sender.log) == 2)
    assert receiver.bodies == ["b"]
    assert not verdicts(webhook_sender)[0].startswith("2")


@pytest.mark.parametrize(
    "url",
    [
        "http://192.0.2.1/",
        "http://0.0.0.0/",
        "http://10.0.0.1/",
        "http://[2001:db8::1]/",
        "http://example.com/",
        "http://localhost.example.com/",
        "http://127.0.0.1@example.com/",
        "http://[::1",
        "//",
        "127.0.0.1",
        "",
    ],
)
def test_webhooks_go_to_loopback_only(state: SimulatorState, url: str) -> None:
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(url, {})
    assert verdicts(webhook_sender) == ["refused: not a loopback address"]
    assert webhook_sender.waiting == 0


def test_localhost_is_loopback(state: SimulatorState, receiver: Receiver) -> None:
    webhook_sender = webhook_sender_of(state)
    webhook_sender.post(receiver.url.replace("127.0.0.1", "localhost"), "a")
    assert eventually(lambda: receiver.bodies == ["a"])


def test_a_reset_ends_the_old_sender_and_its_deliveries(state: SimulatorState, receiver: Receiver) -> None:
    old = webhook_sender_of(state)
    old.post(receiver.url, "old", (30,))
    walking = old._thread
    assert walking is not None
    state.reset()
    walking.join(HANG_SECONDS)
    assert not walking.is_alive()
    new = webhook_sender_of(state)
    assert new is not old
    state.clock.advance(60)
    new.post(receiver.url, "new")
    assert eventually(lambda: verdicts(new) == ["200"])
    assert (receiver.bodies, old.log) == (["new"], [])


def test_a_queue_sends_its_webhook_in_time_without_a_poll(state: SimulatorState, receiver: Receiver) -> None:
    vendor_state: VendorState = state.vendor_state("novaconnect", VendorState)
    state.set_transition("novaconnect.queue", "after_seconds", 600)
    user = next(iter(vendor_state.users.values()))
    enqueue(vendor_state, "block", [1001, 1002], {}, user, receiver.url)
    state.clock.advance(700)
    assert eventually(lambda: vendor_state.sims[1001].block == "u")
    assert receiver.bodies == []
    state.clock.advance(600)
    assert eventually(lambda: len(receiver.bodies) == 1)
    assert receiver.bodies[0]["status"] == {"count": 2, "process": 2, "percentage": 100}


def test_bytes_are_posted_as_they_are_and_without_a_content_type(
    state: SimulatorState, receiver: Receiver
) -> None:
    sender = webhook_sender_of(state)
    sender.post(receiver.url, '[{"a" : "я"}]'.encode(), content_type=None)
    sender.post(receiver.url, {"a": "я"})
    assert eventually(lambda: len(receiver.bodies) == 2, every=0.02)
    assert receiver.bodies == [[{"a": "я"}], {"a": "я"}]
    assert receiver.types == [None, "application/json"]
