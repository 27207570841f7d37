"""How far a long keyed send has come, so that a later try does not begin from the start.

Sending a chunk again is safe, since each message has a key of its own, so the cursor is written every few
seconds at most: a write costs as much as a call.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from airflow_provider_telecom.journal.journal import Entry, Facts, Journal, State

EVERY_SECONDS = 5.0


class Cursor:
    """The entry of one bulk send. `plan` is the SHA-256 of what is to be sent, and to whom."""

    def __init__(
        self, journal: Journal, name: str, plan: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._journal, self._name, self._plan, self._clock = journal, name, plan, clock
        self._written = clock()

    def begin(self, nothing: Facts) -> tuple[bool, Facts]:
        """Return whether all is done already, and how far it has come: `nothing` for a plan that is new."""
        entry = self._journal.read(self._name)
        if entry and entry.body == self._plan:
            return entry.state is State.DONE, entry.facts
        self._write(State.INTENT, nothing)
        return False, nothing

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return self._clock() - self._written >= EVERY_SECONDS

    def advance(self, facts: Facts) -> None:
        """Write how far it has come."""
        self._write(State.INTENT, facts)

    def finish(self, facts: Facts) -> None:
        """Write that all is done."""
        self._write(State.DONE, facts)

    def _write(self, state: State, facts: Facts) -> None:
        self._journal.write(self._name, Entry(state, self._plan, facts))
        self._written = self._clock()
