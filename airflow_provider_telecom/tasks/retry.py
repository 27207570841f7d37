"""When Airflow retries a task: the error decides."""

from __future__ import annotations

import logging
import re
from datetime import timedelta
from typing import TYPE_CHECKING

from airflow.sdk import RetryDecision, RetryPolicy
from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.retry_after import MAX_RETRY_AFTER

if TYPE_CHECKING:
    from airflow.sdk import Context

log = logging.getLogger(__name__)

ERROR_KEY = "telecom.error"
"""Under which the last error of a task is in its state store."""
_MAX_CHARACTERS = 1000
_LONG_NUMBER = re.compile(r"\d{9,}")
_FIRST_SECONDS = 5.0


class TelecomRetryPolicy(RetryPolicy):
    """Retries temporary errors, after as long as the vendor asked for; other errors fail at once.

    It is the default of all operators and sensors; `retry_policy` replaces it. The send journal makes sure
    that a retry sends nothing twice. A task is retried at most `retries` times.
    """

    def __repr__(self) -> str:
        return "TelecomRetryPolicy()"

    def evaluate(
        self, exception: BaseException, try_number: int, max_tries: int, context: Context | None = None
    ) -> RetryDecision:
        """Return what to do after `exception`. Airflow calls this once for each failure of a task."""
        if not isinstance(exception, TelecomError):
            return RetryDecision.default()
        _store(exception, try_number, context)
        kind = type(exception).__name__
        if not exception.temporary:
            return RetryDecision.fail(reason=f"{kind} is not temporary")
        if exception.retry_after is None:
            return RetryDecision.default()
        return RetryDecision.retry(
            timedelta(seconds=max(exception.retry_after, _min_delay(try_number, context))),
            reason=f"{kind}: retry after {exception.retry_after:g} s",
        )


def _store(error: TelecomError, try_number: int, context: Context | None) -> None:
    """Store a task's error for the page "Telecom": Airflow has it in the task's log only."""
    store = (context or {}).get("task_state_store")
    if store is None:
        return
    text = _LONG_NUMBER.sub("***", str(error))[:_MAX_CHARACTERS]
    try:
        store.set(ERROR_KEY, {"kind": type(error).__name__, "text": text, "try": try_number})
    except Exception as failure:  # the error itself is what matters, and it is in the log
        log.debug("The error could not be stored for the page: %s", type(failure).__name__)


def is_final(error: BaseException, context: Context) -> bool:
    """Return whether Airflow runs no further try after an error, unless a person clears the task."""
    ti = context["ti"]
    has_tries = ti.try_number <= (getattr(ti, "max_tries", None) or 0)
    permanent = isinstance(error, TelecomError) and not error.temporary
    return not has_tries or permanent or isinstance(error, AirflowFailException)


def _min_delay(try_number: int, context: Context | None) -> float:
    """Return the least seconds until the retry: 5, 10, 20, ... Otherwise a vendor that asks for 0 seconds
    would use up all retries at once."""
    growing = min(_FIRST_SECONDS * 2.0 ** min(try_number - 1, 16), MAX_RETRY_AFTER)
    task = (context or {}).get("task")
    return growing if task is None else min(growing, task.retry_delay.total_seconds())


POLICY = TelecomRetryPolicy()
