"""When Airflow should try a task again: the errors of this provider say it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)

_PASSING = (
    TelecomNotSentError,
    TelecomThrottledError,
    TelecomServerError,
    TelecomNoAnswerError,
    TelecomUnknownError,
)


class TelecomRetryPolicy(RetryPolicy):
    """Retry what passes, after as long as the vendor asked for; fail at once on what will not.

    The journal keeps retries of effects safe. The default of all operators and sensors; `retry_policy`
    replaces it, and None gives Airflow's own rules. A task is never retried more than `retries` times.
    """

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Any = None
    ) -> RetryDecision:
        """Return what to do after `exception`."""
        if not isinstance(exception, TelecomError):
            return RetryDecision.default()
        kind = type(exception).__name__
        if not isinstance(exception, _PASSING):
            return RetryDecision.fail(reason=f"{kind} does not pass by itself")
        if exception.retry_after is None:
            return RetryDecision.default()
        return RetryDecision.retry(
            timedelta(seconds=exception.retry_after),
            reason=f"{kind}: the vendor asks for {exception.retry_after:g} s",
        )


POLICY = TelecomRetryPolicy()
