"""The town's post: what vendors tell their customers. Letters go to loopback only."""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from airflow_provider_telecom.simulator.state import SimulatorState

_LOOK_EVERY_SECONDS = 0.05
_TIMEOUT_SECONDS = 10.0


@dataclass(frozen=True)
class DeliveryAttempt:
    """One try to deliver a letter: to whom, when by the town's clock, and how it went."""

    url: str
    at: datetime
    verdict: str


@dataclass(order=True)
class _Delivery:
    due: datetime
    number: int
    url: str = field(compare=False)
    body: object = field(compare=False)
    later: tuple[datetime, ...] = field(default=(), compare=False)


class WebhookSender:
    """Delivers letters in the background, by the town's clock, and keeps a log."""

    def __init__(self, state: SimulatorState) -> None:
        self._simulator = state
        self._letters: list[_Delivery] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._round: threading.Thread | None = None
        self.log: list[DeliveryAttempt] = []

    def post(self, url: str, body: object, tries: tuple[float, ...] = (0,)) -> None:
        """Queue a JSON letter. `tries` are seconds from now; the next one counts after a try that failed."""
        now = self._simulator.clock.now()
        if not _on_loopback(url):
            self.log.append(DeliveryAttempt(url, now, "refused: not a loopback address"))
            return
        first, *later = (now + timedelta(seconds=seconds) for seconds in tries)
        self._take(_Delivery(first, next(self._numbers), url, body, tuple(later)))

    def remind(self, act: Callable[[], None], seconds: float) -> None:
        """Run an errand in so many seconds, while nobody else changes the town."""
        due = self._simulator.clock.now() + timedelta(seconds=seconds)
        self._take(_Delivery(due, next(self._numbers), "", act))

    def _take(self, letter: _Delivery) -> None:
        with self._lock:
            heapq.heappush(self._letters, letter)
            if self._round is None:
                self._round = threading.Thread(target=self._walk, name="simulator-post", daemon=True)
                self._round.start()

    @property
    def waiting(self) -> int:
        """How many letters are not delivered yet."""
        return len(self._letters)

    def _on_duty(self) -> bool:
        current: Any = self._simulator.vendor_state("webhook_sender", WebhookSender)
        return current is self

    def _walk(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while self._on_duty():
                letter = self._due()
                if letter is None:
                    time.sleep(_LOOK_EVERY_SECONDS)
                    continue
                if callable(letter.body):
                    with self._simulator.lock:
                        letter.body()
                else:
                    self._deliver(client, letter)

    def _due(self) -> _Delivery | None:
        with self._lock:
            if self._letters and self._letters[0].due <= self._simulator.clock.now():
                return heapq.heappop(self._letters)
            return None

    def _deliver(self, client: httpx.Client, letter: _Delivery) -> None:
        try:
            verdict = str(client.post(letter.url, json=letter.body).status_code)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:  # the last two: no JSON
            verdict = type(error).__name__
        self.log.append(DeliveryAttempt(letter.url, self._simulator.clock.now(), verdict))
        if not verdict.startswith("2") and letter.later:
            due, *later = letter.later
            with self._lock:
                heapq.heappush(
                    self._letters, _Delivery(due, next(self._numbers), letter.url, letter.body, tuple(later))
                )


def _on_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
