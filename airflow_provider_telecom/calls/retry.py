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

from airflow_provider_telecom.calls.answers import unreadable
from airflow_provider_telecom.calls.endpoint import Call, Pause, Step
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.guard import Guard
from airflow_provider_telecom.calls.quota import LONGEST_WAIT
from airflow_provider_telecom.calls.redaction import redacted
from airflow_provider_telecom.calls.request import NotSent, Outcome, Repeat, Request, Response, Unknown

T = TypeVar("T")
log = logging.getLogger(__name__)

REQUESTS_IN_ALL = 4
REQUESTS_WHEN_UNKNOWN = {
    Repeat.READ: REQUESTS_IN_ALL,
    Repeat.TOKEN: REQUESTS_IN_ALL,
    Repeat.KEYED: REQUESTS_IN_ALL,
    Repeat.BILLED_READ: 2,
    Repeat.SET_STATE: 1,
    Repeat.DRAFT: 1,
    Repeat.UNKEYED: 1,
}
_MOVED = (301, 307, 308)
_FIRST_BACK_OFF, _LONGEST_BACK_OFF = 0.5, 20.0


class Auth(Protocol):
    """How a request proves who we are."""

    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        """Yield the signed request, and what renewing takes; return the last outcome."""


def ready(auth: Auth, guard: Guard) -> Call[None]:
    """Wait until a request may be sent, and have what it takes to sign it, such as a token.

    What writes down that something is about to be sent runs this first. Then a task that is killed while it
    waits or fetches a token has left no intent behind. Raises TelecomNotSentError, TelecomThrottledError and
    TelecomAuthError.
    """
    if wait := guard.delay():
        yield Pause(wait, wait)
    signing = auth.flow(Request("GET", "/", Repeat.READ))  # is signed, and never sent
    answer: Any = None
    failure: Exception | None = None
    while not isinstance(step := signing.throw(failure) if failure else signing.send(answer), Request):
        try:
            answer, failure = (yield step), None
        except Exception as error:
            answer, failure = None, error
    signing.close()


def may_repeat(repeat: Repeat, error: TelecomError, requests_so_far: int) -> bool:
    """Whether a request of this class may go out again after `error`. Pure: this is the rule table."""
    if isinstance(error, (TelecomNotSentError, TelecomThrottledError)):
        return requests_so_far < REQUESTS_IN_ALL
    if isinstance(error, (TelecomNoAnswerError, TelecomServerError)):
        return requests_so_far < REQUESTS_WHEN_UNKNOWN[repeat]
    return False


def pause_after(requests_so_far: int, retry_after: float | None) -> Pause:
    """Return how long to wait: full jitter from nothing to a doubling bound, never less than asked for."""
    bound = min(_LONGEST_BACK_OFF, _FIRST_BACK_OFF * 2.0 ** (requests_so_far - 1))
    asked = retry_after or 0.0
    return Pause(asked, asked + bound)


def perform(
    request: Request, auth: Auth, read: Callable[[Response], T], guard: Guard, deadline: float
) -> Call[T]:
    """Send `request` until `read` makes sense of an answer or the rules say stop.

    `read` turns an answer into a result or raises a TelecomError. `deadline` is in seconds for the whole
    call; waits that the vendor asks for come on top. Errors carry the request's label.
    """
    ends = guard.clock() + deadline
    in_doubt = False  # whether an earlier copy may have arrived
    for attempt in count(1):
        try:
            guard.admit()
            if wait := guard.turn():
                yield Pause(wait, wait)
                ends += wait
            left = max(0.1, ends - guard.clock())
            began = guard.clock()
            outcome = yield from auth.flow(replace(request, deadline=min(request.deadline or left, left)))
        except TelecomError as error:
            raise _final(error, request, None, in_doubt) from None
        try:
            result = _judged(outcome, read, guard, began)
        except TelecomError as error:
            pause = pause_after(attempt, error.retry_after)
            if not may_repeat(request.repeat, error, attempt) or not _affordable(error, pause, guard, ends):
                raise _final(error, request, outcome, in_doubt) from None
            in_doubt = in_doubt or _is_unclear(error)
            log.debug("%s: %s; request %d follows", request.label, type(error).__name__, attempt + 1)
            yield pause
            ends += pause.low
        else:
            return result
    raise AssertionError("count() does not end")


def _judged(outcome: Outcome, read: Callable[[Response], T], guard: Guard, began: float) -> T:
    try:
        if isinstance(outcome, NotSent):
            raise TelecomNotSentError(f"not sent: {outcome.reason}")
        if isinstance(outcome, Unknown):
            raise TelecomNoAnswerError(f"no whole answer: {outcome.reason}")
        guard.obey(outcome.headers)
        result = _understood(outcome, read)
    except (TelecomNotSentError, TelecomNoAnswerError, TelecomServerError):
        guard.failed(began)
        raise
    except TelecomThrottledError as error:
        guard.hold(error.retry_after or 0.0)
        raise
    except TelecomError:
        guard.succeeded()
        raise
    guard.succeeded()
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
        raise unreadable("an answer of an unexpected kind", answer.body, answer.status) from None


def _affordable(error: TelecomError, pause: Pause, guard: Guard, ends: float) -> bool:
    if pause.low > LONGEST_WAIT:
        return False
    in_time = bool(error.retry_after) or guard.clock() + pause.high < ends
    return in_time and guard.spend()


def _is_unclear(error: TelecomError) -> bool:
    if isinstance(error, TelecomRedirectError):
        return error.status not in _MOVED
    return isinstance(error, (TelecomNoAnswerError, TelecomServerError))


def _final(error: TelecomError, request: Request, outcome: Outcome | None, in_doubt: bool) -> TelecomError:
    """Return what the caller gets: redacted, and an effect without a clear answer as TelecomUnknownError.

    When an earlier copy may have arrived, that the last one did not, or came too fast, or could not be
    paid for, settles nothing. A refusal for what the request says does: it holds for all copies. Without a
    code of the vendor's, it may be a gateway that refuses, which has let the earlier copy through.
    """
    if isinstance(outcome, Response):
        sent = outcome.request or request
        error.text, error.code = redacted(error.text, sent), error.code and redacted(error.code, sent)
        error.args = (error.text,)
    settled = isinstance(error, TelecomRejectedError) and error.holds_for_copies and error.code is not None
    if request.repeat.is_effect and (_is_unclear(error) or (in_doubt and not settled)):
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
