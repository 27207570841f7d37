"""When Airflow should try a task again: the errors of this provider say it."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from airflow.sdk import RetryDecision, RetryPolicy

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.retry_after import MAX_RETRY_AFTER

_FIRST_SECONDS = 5.0


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
        if not exception.temporary:
            return RetryDecision.fail(reason=f"{kind} does not pass by itself")
        if exception.retry_after is None:
            return RetryDecision.default()
        return RetryDecision.retry(
            timedelta(seconds=max(exception.retry_after, _least(try_number, context))),
            reason=f"{kind}: to be tried again after {exception.retry_after:g} s",
        )


def _least(try_number: int, context: Any) -> float:
    """Return the seconds to wait at least, 5, 10, 20, ...: a vendor that asks for 0 uses up no retries."""
    growing = min(_FIRST_SECONDS * 2.0 ** min(try_number - 1, 16), MAX_RETRY_AFTER)
    task = (context or {}).get("task")
    return growing if task is None else min(growing, task.retry_delay.total_seconds())


POLICY = TelecomRetryPolicy()
