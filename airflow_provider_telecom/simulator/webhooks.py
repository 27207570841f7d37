"""Webhooks that the simulated vendors post to their customers. They are sent to loopback addresses only."""

from __future__ import annotations

import heapq
import ipaddress
import itertools
import json
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any
from urllib.parse import urlsplit

import httpx

from airflow_provider_telecom.simulator.state import SimulatorState

_POLL_SECONDS = 0.05
_TIMEOUT_SECONDS = 10.0
_JSON = "application/json"


@dataclass(frozen=True)
class DeliveryAttempt:
    """One attempt to post a webhook: its address, the simulator's time, and the status or error."""

    url: str
    at: datetime
    verdict: str


@dataclass(order=True)
class _Delivery:
    """A webhook to post, or a function to call, when it is due; `later` are further attempts."""

    due: datetime
    number: int
    url: str = field(compare=False)
    body: object = field(compare=False)
    later: tuple[datetime, ...] = field(default=(), compare=False)
    content_type: str | None = field(default=_JSON, compare=False)


class WebhookSender:
    """Posts webhooks in a background thread, by the simulator's clock, and keeps a log of attempts."""

    def __init__(self, state: SimulatorState) -> None:
        self._simulator = state
        self._deliveries: list[_Delivery] = []
        self._numbers = itertools.count()
        self._lock = threading.Lock()
        self._thread: threading.Thread | None = None
        self.log: list[DeliveryAttempt] = []

    def post(
        self,
        url: str,
        body: object,
        tries: tuple[float, ...] = (0,),
        content_type: str | None = _JSON,
    ) -> None:
        """Queue a body: JSON, or bytes as they are. None sends it without a content type.

        `tries` are seconds from now; each is used only if the one before has failed.
        """
        now = self._simulator.clock.now()
        if not _on_loopback(url):
            self.log.append(DeliveryAttempt(url, now, "refused: not a loopback address"))
            return
        first, *later = (now + timedelta(seconds=seconds) for seconds in tries)
        self._queue(_Delivery(first, next(self._numbers), url, body, tuple(later), content_type))

    def schedule(self, act: Callable[[], None], seconds: float) -> None:
        """Call `act` after `seconds`, while it holds the lock of the state."""
        due = self._simulator.clock.now() + timedelta(seconds=seconds)
        self._queue(_Delivery(due, next(self._numbers), "", act))

    def _queue(self, delivery: _Delivery) -> None:
        with self._lock:
            heapq.heappush(self._deliveries, delivery)
            if self._thread is None:
                self._thread = threading.Thread(target=self._run, name="simulator-webhooks", daemon=True)
                self._thread.start()

    @property
    def waiting(self) -> int:
        """How many webhooks are not delivered yet."""
        return len(self._deliveries)

    def _is_current(self) -> bool:
        current: Any = self._simulator.vendor_state("webhook_sender", WebhookSender)
        return current is self

    def _run(self) -> None:
        with httpx.Client(timeout=_TIMEOUT_SECONDS, trust_env=False) as client:
            while self._is_current():
                delivery = self._due()
                if delivery is None:
                    time.sleep(_POLL_SECONDS)
                    continue
                if callable(delivery.body):
                    with self._simulator.lock:
                        delivery.body()
                else:
                    self._deliver(client, delivery)

    def _due(self) -> _Delivery | None:
        with self._lock:
            if self._deliveries and self._deliveries[0].due <= self._simulator.clock.now():
                return heapq.heappop(self._deliveries)
            return None

    def _deliver(self, client: httpx.Client, delivery: _Delivery) -> None:
        try:
            body = delivery.body
            if not isinstance(body, bytes):
                body = json.dumps(body, ensure_ascii=False, allow_nan=False).encode()
            headers = {"content-type": delivery.content_type} if delivery.content_type else {}
            verdict = str(client.post(delivery.url, content=body, headers=headers).status_code)
        except (httpx.HTTPError, httpx.InvalidURL, ValueError, TypeError) as error:  # last two: no JSON
            verdict = type(error).__name__
        self.log.append(DeliveryAttempt(delivery.url, self._simulator.clock.now(), verdict))
        if not verdict.startswith("2") and delivery.later:
            due, *later = delivery.later
            self._queue(replace(delivery, due=due, number=next(self._numbers), later=tuple(later)))


def _on_loopback(url: str) -> bool:
    try:
        host = urlsplit(url).hostname or ""
        return host == "localhost" or ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
