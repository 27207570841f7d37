"""When a send that fails for everybody is handed over to another connection."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomInputError,
    TelecomRateLimitStoreError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.unknown import OutcomeUnknownError

NOT_SENT = "not_sent"
"""The code of recipients who have certainly got nothing, because their connection has failed."""
_MAX_FAILURES = 1_000

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Failover:
    """When a send gives up its connection, so that another task sends to the others by another one.

    It does so after `failures` failed tries in a row within the time `within`, or when all tries have failed
    for that long; at once if the credentials are invalid or the account has no money. Between tries it waits
    `within / failures`. Each try is a request with the connection's own retries.

    Raises TelecomInputError when the Dag is parsed.
    """

    failures: int = 5
    within: timedelta = timedelta(minutes=5)

    def __post_init__(self) -> None:
        in_range("failover failures", self.failures, 1, _MAX_FAILURES)
        if not isinstance(self.within, timedelta) or self.within <= timedelta(0):
            raise TelecomInputError("failover within", "must be a timedelta of more than 0")


def check_failover(failover: Failover | None, results_path: object) -> Failover | None:
    """Return when to fail over. Raises TelecomInputError, also without a file of outcomes."""
    if failover is not None and not isinstance(failover, Failover):
        raise TelecomInputError("failover", "must be a Failover of airflow_provider_telecom.campaigns")
    if failover is not None and not results_path:
        raise TelecomInputError(
            "failover", "needs results_path: the next task reads there who has got nothing"
        )
    return failover


def send_or_hand_over(
    failover: Failover | None,
    send: Callable[[], None],
    resume: Callable[[], int],
    hand_over: Callable[[], None],
    has_keys: Callable[[], bool] = lambda: True,
    clock: Callable[[], float] = time.monotonic,
    sleep: Callable[[float], None] = time.sleep,
) -> None:
    """Send, again and again while the connection fails for everybody, and at last hand over.

    `resume` reads from the journal how far the send is, as another try of the task would, and returns the
    number of recipients whose outcome is known. `hand_over` records the others. Other errors are raised; so
    is an unknown outcome unless `has_keys`: only the next try of the task may send that again.
    """
    if failover is None:
        return send()
    within = failover.within.total_seconds()
    known, failed_at = resume(), list[float]()
    while True:
        try:
            return send()
        except TelecomError as error:
            may_be_sent_again = not isinstance(error, TelecomUnknownError) or has_keys()
            if not (is_connection_failure(error) and may_be_sent_again):
                raise
            failure = error
        if (now_known := resume()) > known:
            known, failed_at = now_known, []
        failed_at.append(now := clock())
        if is_permanent(failure) or len(failed_at) >= failover.failures or now - failed_at[0] >= within:
            log.warning(
                "the connection has failed for everybody, so its recipients are handed over: %s", failure
            )
            return hand_over()
        log.warning("try %s of %s has failed: %s", len(failed_at), failover.failures, failure)
        sleep(min(within, max(within / failover.failures, failure.retry_after or 0)))


def is_connection_failure(error: TelecomError) -> bool:
    """Return whether an error says that the connection fails for everybody, and a request may succeed later.

    Errors of Airflow itself have no connection. The store of the rate limit is that of all connections.
    """
    if isinstance(error, (OutcomeUnknownError, TelecomRateLimitStoreError)):  # a person must decide
        return False
    by_vendor = isinstance(error, (TelecomAuthError, TelecomFundsError, TelecomThrottledError))
    return by_vendor or (error.temporary and error.conn_id is not None)


def is_permanent(error: TelecomError) -> bool:
    """Return whether trying again soon is no use."""
    return isinstance(error, (TelecomAuthError, TelecomFundsError))
