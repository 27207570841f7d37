"""The errors of token calls, as errors of the call that needed the token."""

from __future__ import annotations

from typing import TypeVar

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomError, TelecomNotSentError

T = TypeVar("T")


def as_not_sent(fetch: Call[T]) -> Call[T]:
    """Return the token of `fetch`. If its outcome is unknown, raise TelecomNotSentError for the call itself.

    Otherwise a lost response to the token call would look like a lost response to a paid call.
    """
    try:
        return (yield from fetch)
    except TelecomError as error:
        if not error.outcome_unknown:
            raise
        raise _not_sent(error) from None


def _not_sent(error: TelecomError) -> TelecomNotSentError:
    return TelecomNotSentError(
        f"not sent: no token could be fetched: {error.text}",
        call=error.call,
        status=error.status,
        code=error.code,
        retry_after=error.retry_after,
    )
