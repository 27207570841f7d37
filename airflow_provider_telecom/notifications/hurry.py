"""A call that gives up in time."""

from __future__ import annotations

import time
from collections.abc import Generator
from dataclasses import replace
from typing import Any, TypeVar

from airflow_provider_telecom.calls.endpoint import Call, Exclusive, Sleep, Step
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.request import Request

T = TypeVar("T")


def hurried(call: Call[T], ends: float) -> Call[T]:
    """Return the result of `call`, which must be had when `time.monotonic()` shows `ends`.

    A request under way then ends as it does when its deadline passes. What would come too late is not
    begun, and the call is told so: it knows whether an earlier copy may have arrived.
    """
    answer: Any = None
    failure: BaseException | None = None
    late = False
    while True:
        try:
            step = call.throw(failure) if failure else call.send(answer)
        except StopIteration as done:
            result: T = done.value
            return result
        late = late or _comes_too_late(step, ends)
        try:
            answer, failure = (yield from _taken(step, ends, late)), None
        except Exception as error:
            answer, failure = None, error


def _comes_too_late(step: Step, ends: float) -> bool:
    return time.monotonic() + (step.low if isinstance(step, Sleep) else 0.0) >= ends


def _taken(step: Step, ends: float, late: bool) -> Generator[Step, Any, Any]:
    """Yield a step with the time that is left; no pause before what will not be."""
    left = max(0.0, ends - time.monotonic())
    match step:
        case Sleep(low, high):
            return None if late else (yield Sleep(low, max(low, min(high, left))))
        case _ if late:
            raise TelecomNotSentError("not sent: deadline_seconds would pass")
        case Request():
            return (yield replace(step, deadline=min(step.deadline or left, left)))
        case Exclusive(inner, timeout):
            return (yield Exclusive(hurried(inner, ends), min(timeout, left)))
    return (yield step)
