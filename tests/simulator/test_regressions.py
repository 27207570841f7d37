"""Regressions: each of these tests failed once."""

from __future__ import annotations

import socket
from datetime import timedelta

import httpx

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.kyivstar_fmc import KYIV
from airflow_provider_telecom.simulator.server import Simulator
from airflow_provider_telecom.simulator.webhooks import WebhookSender
from tests.eventually import HANG_SECONDS, eventually

ANSWERED = b'"effects"'


def _kept(simulator: Simulator) -> socket.socket:
    """Return a connection that is kept open after one response."""
    peer = socket.create_connection(("127.0.0.1", simulator.port), timeout=HANG_SECONDS)
    peer.sendall(b"GET /_control/health HTTP/1.1\r\nHost: simulator\r\n\r\n")
    received = b""
    while ANSWERED not in received:
        received += peer.recv(65536)
    return peer


def test_kept_connections_are_closed_when_refuse_returns(telecom_simulator: Simulator) -> None:
    """Otherwise a request could be sent on one, and its outcome would be unknown instead of not sent."""
    for _ in range(60):
        with _kept(telecom_simulator) as peer:
            telecom_simulator.refuse()
            peer.setblocking(False)
            assert peer.recv(1) == b""  # BlockingIOError: it is still open
        telecom_simulator.accept()


def test_a_call_is_in_the_records_only_when_it_has_ended(telecom_simulator: Simulator) -> None:
    state, base = telecom_simulator.state, telecom_simulator.base("kyivstar_fmc")
    numbers = {"calling_number": "0670000201", "called_number": "0670000202"}
    token = {"token": credentials.FMC_TOKEN}
    since = f"{state.clock.now().astimezone(KYIV) - timedelta(minutes=5):%Y-%m-%dT%H:%M:%S}"

    def told() -> int:
        answer = httpx.get(
            f"{base}/api/cdr/v1/callstat.json", params={**token, "from": since}, timeout=HANG_SECONDS
        )
        return len(answer.json()["calls"])

    assert (
        httpx.get(
            f"{base}/api/onebox/v1/originate", params={**token, **numbers}, timeout=HANG_SECONDS
        ).status_code
        == 200
    )
    assert told() == 0
    state.clock.advance(60)
    assert told() == 1


def test_a_body_that_is_no_json_does_not_end_the_sender(telecom_simulator: Simulator) -> None:
    webhook_sender: WebhookSender = telecom_simulator.state.vendor_state("webhook_sender", WebhookSender)
    webhook_sender.post("http://127.0.0.1:9/", {"price": float("nan")})
    webhook_sender.post("http://127.0.0.1:9/", {})
    assert eventually(lambda: len(webhook_sender.log) == 2)
    assert [posted.verdict for posted in webhook_sender.log] == ["ValueError", "ConnectError"]
