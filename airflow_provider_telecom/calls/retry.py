"""When a request may be sent again: the rule table, and the loop that applies it.

| class | not sent | unknown, 5xx, 408, 425, 499, unreadable 2xx | 429 |
|---|---|---|---|
| READ, TOKEN, WITH_KEY | 4 requests in all | 4 (WITH_KEY: with the same key) | 4, after Retry-After |
| BILLED_READ | 4 | 2 | 4, after Retry-After |
| SET_STATE, DRAFT, NONE | 4 | 1: the caller gets TelecomUnknownError | 4, after Retry-After |

A 401 is handled by the auth scheme (`auth/`); every other refusal is final. Three things can end the retries
sooner: the call's deadline, the retry budget, and a Retry-After that is too long for a worker.

Redirects are not followed. 301, 307 and 308 say that the request belongs elsewhere. A server may answer 302
or another 3xx after it has acted, so the outcome of an effect is unknown then.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from traceback import format_tb
from typing import Protocol, TypeVar

from airflow_provider_telecom.calls.endpoint import Call, Sleep, TakeTurn, Turn
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomRateLimitStoreError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits, raise_if_too_long
from airflow_provider_telecom.calls.redaction import redact, redact_reference
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
_NEVER_ACTED_ON = (301, 307, 308)
_FIRST_BACK_OFF, _MAX_BACK_OFF = 0.5, 20.0
_MAX_QUEUE_AFTER_INTENT = 1.0
"""With a shared rate limit: about how many seconds an effect waits between its intent and the request."""


class Auth(Protocol):
    """An authentication scheme."""

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the authenticated request, and the steps to renew a token; return the last outcome."""


def wait_until_ready(auth: Auth, limits: AccountLimits) -> Call[None]:
    """Wait until a request may be sent and a token is at hand.

    It runs before the intent of an effect is written: a task that is killed while it waits or fetches a token
    has then left no intent. Raises TelecomNotSentError, TelecomThrottledError and TelecomAuthError.
    """
    if wait := limits.delay():
        yield Sleep(wait, wait)
    if limits.shared:
        wait = (yield from _take_turn(replace(limits.shared, reserve=False))).wait
        raise_if_too_long(wait)
        # A place in the queue is only taken for the request itself: not to sleep through the whole queue here
        # keeps it filled, so that no turn is lost.
        if wait > _MAX_QUEUE_AFTER_INTENT:
            yield Sleep(wait - _MAX_QUEUE_AFTER_INTENT, wait - _MAX_QUEUE_AFTER_INTENT)
    flow = auth.flow(Request("GET", "/", Idempotency.READ))  # it is never sent
    answer: object = None
    failure: Exception | None = None
    while not isinstance(step := flow.throw(failure) if failure else flow.send(answer), Request):
        try:
            answer, failure = (yield step), None
        except Exception as error:
            answer, failure = None, error


def should_retry(idempotency: Idempotency, error: TelecomError, requests_so_far: int) -> bool:
    """Whether a request of this class may be sent again after `error`: the rule table as a pure function."""
    most = MAX_REQUESTS_IF_UNKNOWN[idempotency] if error.outcome_unknown else MAX_REQUESTS
    return error.temporary and requests_so_far < most


def backoff_after(requests_so_far: int, retry_after: float | None) -> Sleep:
    """Return the backoff: random, up to a bound that doubles, and never less than `retry_after`."""
    bound = min(_MAX_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** (requests_so_far - 1))
    asked = retry_after or 0.0
    return Sleep(asked, asked + bound)


def send_with_retry(
    request: Request, auth: Auth, read: Callable[[Response], T], limits: AccountLimits, deadline: float
) -> Call[T]:
    """Send `request`, and again as the rules allow, until `read` returns a result.

    `read` returns the result of a response or raises a TelecomError. `deadline` is in seconds for the whole
    call, not counting the waits that the vendor asks for. Errors hold the request's label.
    """
    ends = limits.clock() + deadline
    in_doubt = False  # whether an earlier request may have arrived
    for attempt in count(1):
        try:
            limits.check_breaker()
            ends += yield from _wait_for_turn(limits)
            left = max(0.1, ends - limits.clock())
            began = limits.clock()
            outcome = yield from auth.flow(request.with_deadline(min(request.deadline or left, left)))
        except TelecomError as error:
            raise _final_error(error, request, None, in_doubt) from None
        try:
            result = _evaluate(outcome, read, limits, began)
        except TelecomError as error:
            backoff = backoff_after(attempt, error.retry_after)
            is_allowed = should_retry(request.idempotency, error, attempt)
            if not is_allowed or not _is_within_limits(error, backoff, limits, ends):
                raise _final_error(error, request, outcome, in_doubt) from None
            in_doubt = in_doubt or _is_outcome_unknown(error)
            log.debug("%s: %s; sending request %d", request.label, type(error).__name__, attempt + 1)
            yield backoff
            ends += backoff.low
        else:
            return result
    raise AssertionError("count() does not end")


def _wait_for_turn(limits: AccountLimits) -> Call[float]:
    """Wait until the account's next request may be sent; return the seconds waited.

    A turn of the shared store is checked after the wait: it is void if the store has lost its schedule since,
    or if this process woke up too late. Then a new one is reserved.
    """
    waited = limits.reserve_turn()
    if waited:
        yield Sleep(waited, waited)
    if limits.shared:
        step = replace(limits.shared, max_wait=MAX_WAIT - waited)
        while (turn := (yield from _take_turn(step))).wait:
            raise_if_too_long(turn.wait, waited)
            yield Sleep(turn.wait, turn.wait)
            waited += turn.wait
            step = replace(step, held=turn, max_wait=max(0.0, MAX_WAIT - waited))
    return waited


def _take_turn(step: TakeTurn) -> Call[Turn]:
    """Ask the store for a turn; again, as for a request that was not sent, while it cannot be used."""
    for attempt in count(1):
        try:
            turn: Turn = yield step
        except TelecomRateLimitStoreError as error:
            if not should_retry(Idempotency.READ, error, attempt):
                raise
            yield backoff_after(attempt, None)
        else:
            return turn
    raise AssertionError("count() does not end")


def _evaluate(outcome: Outcome, read: Callable[[Response], T], limits: AccountLimits, began: float) -> T:
    try:
        if isinstance(outcome, NotSent):
            raise TelecomNotSentError(f"not sent: {outcome.reason}")
        if isinstance(outcome, Unknown):
            raise TelecomNoAnswerError(f"no complete response: {outcome.reason}")
        limits.apply_headers(outcome.headers)
        result = _read(outcome, read)
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


def _read(response: Response, read: Callable[[Response], T]) -> T:
    """Return the result that `read` returns. Raises TelecomError, whatever `read` raises.

    The log says where another error was raised, but not its text, which may hold a part of the response.
    """
    try:
        return read(response)
    except TelecomError:
        raise
    except Exception as error:
        place = "".join(format_tb(error.__traceback__))
        log.error("%s while reading a response; please report this:\n%s", type(error).__name__, place)
        raise unreadable_response("an unexpected response", response.body, response.status) from None


def _is_within_limits(error: TelecomError, backoff: Sleep, limits: AccountLimits, ends: float) -> bool:
    if backoff.low > MAX_WAIT:
        return False
    in_time = bool(error.retry_after) or limits.clock() + backoff.high < ends
    return in_time and limits.spend_retry()


def _is_outcome_unknown(error: TelecomError) -> bool:
    if isinstance(error, TelecomRedirectError):
        return error.status not in _NEVER_ACTED_ON
    return error.outcome_unknown


def _final_error(
    error: TelecomError, request: Request, outcome: Outcome | None, in_doubt: bool
) -> TelecomError:
    """Return the error for the caller: redacted, and as TelecomUnknownError if the effect may have happened.

    If an earlier request may have arrived, the outcome stays unknown when the last one was not sent, was
    throttled or could not be paid for. It is known when the vendor refuses what the request says, since it
    must have refused the earlier one as well. Without a code of the vendor's, a gateway may have refused the
    last request and forwarded the earlier one.
    """
    if isinstance(outcome, Response):
        sent = outcome.request or request
        error.text, error.code = redact(error.text, sent), error.code and redact(error.code, sent)
        error.args = (error.text,)
        if error.reference:
            error.reference = redact_reference(error.reference, sent)
    settled = (
        isinstance(error, TelecomRejectedError) and error.applies_to_duplicates and error.code is not None
    )
    if request.idempotency.is_effect and (_is_outcome_unknown(error) or (in_doubt and not settled)):
        what = "the response cannot be read" if isinstance(error, TelecomAnswerError) else error.text
        unknown = TelecomUnknownError(
            f"outcome unknown: {what}; it may or may not have happened",
            call=request.label,
            status=error.status,
            code=error.code,
            retry_after=error.retry_after,
        )
        if error.reference:
            unknown.reference = error.reference
        return unknown
    error.call = error.call or request.label
    return error
