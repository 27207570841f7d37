"""The limits that all calls of one account share: circuit breaker, retry budget and rate limit.

They never sleep: they return how long to wait, and the call yields that as a step.
"""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from airflow_provider_telecom.calls.endpoint import TakeTurn
from airflow_provider_telecom.calls.errors import (
    TelecomInputError,
    TelecomNotSentError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.retry_after import (
    MAX_RETRY_AFTER,
    MAX_WAIT,
    is_quota_exhausted,
    parse_wait,
)

Clock = Callable[[], float]

_FAILURES_TO_OPEN = 5
_SECONDS_TO_PROBE = 30.0
_BUDGET, _RETRY_COST, _SUCCESS_REFUND = 100, 5, 1
_RATE = re.compile(r"(\d+(?:\.\d+)?)\s*/\s*(s|m|h)")
_SECONDS = {"s": 1, "m": 60, "h": 3600}


def parse_rate_limit(rate: str) -> float:
    """Return the seconds between two requests for a rate such as `10/s`, `600/m` or `1000/h`."""
    found = _RATE.fullmatch(rate.strip())
    if not found or float(found.group(1)) <= 0:
        raise TelecomInputError("rate_limit", "must be like 10/s, 600/m or 1000/h")
    return _SECONDS[found.group(2)] / float(found.group(1))


def raise_if_too_long(wait: float, so_far: float = 0.0) -> None:
    """Raise TelecomThrottledError for a wait that, with what was waited before, is above MAX_WAIT."""
    if so_far + wait > MAX_WAIT:
        raise TelecomThrottledError(
            "not sent: the vendor's quota or rate_limit is used up",
            retry_after=math.ceil(min(wait, MAX_RETRY_AFTER)),
        )


@dataclass
class AccountLimits:
    """The limits of one account in this process. Thread-safe."""

    spacing: float = 0.0
    """Seconds between two requests of this process; 0 for no limit."""
    shared: TakeTurn | None = None
    """The step that reserves a turn in the store of the deployment, if there is one."""
    clock: Clock = time.monotonic
    wall_clock: Clock = time.time
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False)
    _failures: int = 0
    _last_failure: float = float("-inf")
    _opened_at: float | None = None
    _budget: int = _BUDGET
    _next_turn: float = 0.0

    def delay(self) -> float:
        """Return the seconds until a request may be sent. Changes nothing, unlike `reserve_turn`.

        Raises TelecomNotSentError while the breaker is open, and TelecomThrottledError for a wait of more
        than MAX_WAIT.
        """
        with self._lock:
            self._raise_while_open()
            return self._wait()

    def check_breaker(self) -> None:
        """Raise TelecomNotSentError while the breaker is open, except for one probe every 30 s."""
        with self._lock:
            if self._raise_while_open():
                self._opened_at = self.clock()

    def _raise_while_open(self) -> bool:
        """Return whether the breaker is open and the next request is its probe."""
        if self._failures < _FAILURES_TO_OPEN or self._opened_at is None:
            return False
        open_for = self._opened_at + _SECONDS_TO_PROBE - self.clock()
        if open_for > 0:
            raise TelecomNotSentError(
                f"not sent: the last {self._failures} requests failed; the next one is sent soon",
                retry_after=round(open_for, 1),
            )
        return True

    def reserve_turn(self) -> float:
        """Reserve the next free turn and return the seconds until it comes.

        Raises TelecomThrottledError, and reserves nothing, for a wait of more than MAX_WAIT.
        """
        with self._lock:
            wait = self._wait()
            if self.spacing:
                self._next_turn = self.clock() + wait + self.spacing
            return wait

    def _wait(self) -> float:
        wait = max(0.0, self._next_turn - self.clock())
        raise_if_too_long(wait)
        return wait

    def pause_sending(self, seconds: float) -> None:
        """Let no call send for `seconds`, at most MAX_RETRY_AFTER: the vendor asked for it."""
        with self._lock:
            self._next_turn = max(self._next_turn, self.clock() + min(seconds, MAX_RETRY_AFTER))

    def record_success(self) -> None:
        """Record a response, which may be a refusal: the vendor is up."""
        with self._lock:
            self._failures, self._opened_at = 0, None
            self._budget = min(_BUDGET, self._budget + _SUCCESS_REFUND)

    def record_failure(self, began: float) -> None:
        """Record that a request that began at `began` (by the clock) failed or did not reach the vendor.

        Requests that fail at the same time count as one failure: when a host drops its idle connections, all
        threads see it at once.
        """
        with self._lock:
            if began < self._last_failure:
                return
            self._failures += 1
            self._last_failure = self.clock()
            if self._failures >= _FAILURES_TO_OPEN:
                self._opened_at = self._last_failure

    def spend_retry(self) -> bool:
        """Pay for one retry. False if the budget is used up, as it is while a vendor is down."""
        with self._lock:
            if self._budget < _RETRY_COST:
                return False
            self._budget -= _RETRY_COST
            return True

    def apply_headers(self, headers: Mapping[str, str]) -> None:
        """Stop sending until the reset if `X-Rate-Limit-Remaining` says that the quota is used up."""
        if "x-rate-limit-reset" not in headers or not is_quota_exhausted(headers):
            return
        reset = parse_wait(headers["x-rate-limit-reset"], self.wall_clock)
        if reset is not None:
            self.pause_sending(reset)
