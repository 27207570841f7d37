"""The deadline of a whole call: each step gets the time that is left."""

from __future__ import annotations

import math
import time
from dataclasses import replace

from airflow_provider_telecom.calls.endpoint import Exclusive, Sleep, Step
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.request import Request


class Deadline:
    """The deadline of one call: its result is wanted before `time.monotonic()` shows `ends_at`."""

    def __init__(self, ends_at: float) -> None:
        self._ends_at, self._is_late = ends_at, False

    def limit(self, step: Step) -> Step:
        """Return a step that ends in time. Raises TelecomNotSentError for one that would not.

        The driver raises the error inside the call, which knows whether an earlier request may have arrived.
        A request under way ends as it does after a read time-out. A sleep that is too long is left out.
        """
        if self._ends_at == math.inf:
            return step
        left = max(0.0, self._ends_at - time.monotonic())
        self._is_late = self._is_late or left <= (step.low if isinstance(step, Sleep) else 0.0)
        match step:
            case Sleep(low, high):
                return Sleep(0.0, 0.0) if self._is_late else Sleep(low, max(low, min(high, left)))
            case _ if self._is_late:
                raise TelecomNotSentError("not sent: the deadline would pass")
            case Request():
                return replace(step, deadline=min(step.deadline or left, left))
            case Exclusive(call, timeout):
                return Exclusive(call, min(timeout, left))
        return step
