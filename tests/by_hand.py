"""Driving a call by hand: packages without I/O are tested with values."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, Exclusive, Shared, Step


def drive(call: Call[Any], answers: Iterable[Any]) -> tuple[list[Step], Any]:
    """Answer each step with the next of `answers` (an exception is thrown in); return steps and result.

    An exclusive call is driven in its place, with the same answers; so is a shared one, as if it were none.
    """
    waiting = iter(answers)
    steps: list[Step] = []
    return steps, _driven(call, waiting, steps)


def _driven(call: Call[Any], waiting: Any, steps: list[Step]) -> Any:
    answer: Any = None
    while True:
        try:
            step = call.throw(answer) if isinstance(answer, Exception) else call.send(answer)
        except StopIteration as done:
            return done.value
        if not isinstance(step, Shared):
            steps.append(step)
        is_call = isinstance(step, (Exclusive, Shared))
        answer = _driven(step.call, waiting, steps) if is_call else next(waiting)
