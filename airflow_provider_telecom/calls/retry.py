"""When a request may be sent again: the one rule table, and the loop that keeps to it.

| class | not sent | unknown, 5xx, 408, 425, 499, unreadable 2xx | 429 |
|---|---|---|---|
| READ, TOKEN, KEYED | 4 requests in all | 4 (KEYED: with the same key) | 4, after Retry-After |
| BILLED_READ | 4 | 2 | 4, after Retry-After |
| SET_STATE, DRAFT, UNKEYED | 4 | 1: the caller gets TelecomUnknownError | 4, after Retry-After |

A 401 is the auth scheme's affair (`auth/`); every other refusal is final. Three things can end the
repeating sooner: the call's deadline, the retry budget, and a Retry-After too long for a worker.

No redirect is followed. 301, 307 and 308 say that the request belongs elsewhere. A server may answer 302 or
another 3xx after it has done what was asked, so the outcome of an effect is unknown then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Generator
from dataclasses import replace
from itertools import count
from traceback import format_tb
from typing import Any, Protocol, TypeVar

from airflow_provider_telecom.calls.endpoint import Call, Sleep, Step
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.redaction import redact
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Outcome, Request, Response, Unknown
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.calls.retry_after import MAX_WAIT

T = TypeVar("T")
log = logging.getLogger(__name__)

MAX_REQUESTS = 4
MAX_REQUESTS_IF_UNKNOWN = {
    Idempotency.READ: MAX_REQUESTS,
    Idempotency.TOKEN: MAX_REQUESTS,
    Idempotency.WITH_KEY: MAX_REQUESTS,
    Idempotency.BILLED_READ: 2,
    Idempotency.SET_STATE: 1,
    Idempotency.DRAFT: 1,
    Idempotency.NONE: 1,
}
_MOVED = (301, 307, 308)
_FIRST_BACK_OFF, _LONGEST_BACK_OFF = 0.5, 20.0


class Auth(Protocol):
    """How a request proves who we are."""

    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        """Yield the signed request, and what renewing takes; return the last outcome."""


def wait_until_ready(auth: Auth, limits: AccountLimits) -> Call[None]:
    """Wait until a request may be sent, and have what it takes to sign it, such as a token.

    What writes down that something is about to be sent runs this first. Then a task that is killed while it
    waits or fetches a token has left no intent behind. Raises TelecomNotSentError, TelecomThrottledError and
    TelecomAuthError.
    """
    if wait := limits.delay():
        yield Sleep(wait, wait)
    signing = auth.flow(Request("GET", "/", Idempotency.READ))  # is signed, and never sent
    answer: Any = None
    failure: Exception | None = None
    while not isinstance(step := signing.throw(failure) if failure else signing.send(answer), Request):
        try:
            answer, failure = (yield step), None
        except Exception as error:
            answer, failure = None, error
    signing.close()


def should_retry(idempotency: Idempotency, error: TelecomError, requests_so_far: int) -> bool:
    """Whether a request of this class may go out again after `error`. Pure: this is the rule table."""
    most = MAX_REQUESTS_IF_UNKNOWN[idempotency] if error.outcome_unknown else MAX_REQUESTS
    return error.temporary and requests_so_far < most


def backoff_after(requests_so_far: int, retry_after: float | None) -> Sleep:
    """Return how long to wait: full jitter from nothing to a doubling bound, never less than asked for."""
    bound = min(_LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** (requests_so_far - 1))
    asked = retry_after or 0.0
    return Sleep(asked, asked + bound)


def send_with_retry(
    request: Request, auth: Auth, read: Callable[[Response], T], limits: AccountLimits, deadline: float
) -> Call[T]:
    """Send `request` until `read` makes sense of an answer or the rules say stop.

    `read` turns an answer into a result or raises a TelecomError. `deadline` is in seconds for the whole
    call; waits that the vendor asks for come on top. Errors carry the request's label.
    """
    ends = limits.clock() + deadline
    in_doubt = False  # whether an earlier copy may have arrived
    for attempt in count(1):
        try:
            limits.check_breaker()
            if wait := limits.reserve_turn():
                yield Sleep(wait, wait)
                ends += wait
            left = max(0.1, ends - limits.clock())
            began = limits.clock()
            outcome = yield from auth.flow(replace(request, deadline=min(request.deadline or left, left)))
        except TelecomError as error:
            raise _final(error, request, None, in_doubt) from None
        try:
            result = _judged(outcome, read, limits, began)
        except TelecomError as error:
            pause = backoff_after(attempt, error.retry_after)
            if not should_retry(request.idempotency, error, attempt) or not _affordable(
                error, pause, limits, ends
            ):
                raise _final(error, request, outcome, in_doubt) from None
            in_doubt = in_doubt or _is_unclear(error)
            log.debug("%s: %s; request %d follows", request.label, type(error).__name__, attempt + 1)
            yield pause
            ends += pause.low
        else:
            return result
    raise AssertionError("count() does not end")


def _judged(outcome: Outcome, read: Callable[[Response], T], limits: AccountLimits, began: float) -> T:
    try:
        if isinstance(outcome, NotSent):
            raise TelecomNotSentError(f"not sent: {outcome.reason}")
        if isinstance(outcome, Unknown):
            raise TelecomNoAnswerError(f"no whole answer: {outcome.reason}")
        limits.apply_headers(outcome.headers)
        result = _understood(outcome, read)
    except TelecomThrottledError as error:
        limits.pause_sending(error.retry_after or 0.0)
        raise
    except TelecomError as error:
        if error.temporary:
            limits.record_failure(began)
        else:
            limits.record_success()
        raise
    limits.record_success()
    return result


def _understood(answer: Response, read: Callable[[Response], T]) -> T:
    """Return what `read` makes of an answer. Raises TelecomError, whatever `read` raises.

    The log says where another error arose, but not its text, which may hold a part of the answer.
    """
    try:
        return read(answer)
    except TelecomError:
        raise
    except Exception as error:
        place = "".join(format_tb(error.__traceback__))
        log.error("%s while an answer was read; please report this:\n%s", type(error).__name__, place)
        raise unreadable_response("an answer of an unexpected kind", answer.body, answer.status) from None


def _affordable(error: TelecomError, pause: Sleep, limits: AccountLimits, ends: float) -> bool:
    if pause.low > MAX_WAIT:
        return False
    in_time = bool(error.retry_after) or limits.clock() + pause.high < ends
    return in_time and limits.spend_retry()


def _is_unclear(error: TelecomError) -> bool:
    if isinstance(error, TelecomRedirectError):
        return error.status not in _MOVED
    return error.outcome_unknown


def _final(error: TelecomError, request: Request, outcome: Outcome | None, in_doubt: bool) -> TelecomError:
    """Return what the caller gets: redacted, and an effect without a clear answer as TelecomUnknownError.

    When an earlier copy may have arrived, that the last one did not, or came too fast, or could not be
    paid for, settles nothing. A refusal for what the request says does: it holds for all copies. Without a
    code of the vendor's, it may be a gateway that refuses, which has let the earlier copy through.
    """
    if isinstance(outcome, Response):
        sent = outcome.request or request
        error.text, error.code = redact(error.text, sent), error.code and redact(error.code, sent)
        error.args = (error.text,)
    settled = (
        isinstance(error, TelecomRejectedError) and error.applies_to_duplicates and error.code is not None
    )
    if request.idempotency.is_effect and (_is_unclear(error) or (in_doubt and not settled)):
        what = "its answer cannot be read" if isinstance(error, TelecomAnswerError) else error.text
        return TelecomUnknownError(
            f"outcome unknown: {what}; it may or may not have happened",
            call=request.label,
            status=error.status,
            code=error.code,
            retry_after=error.retry_after,
        )
    error.call = error.call or request.label
    return error
