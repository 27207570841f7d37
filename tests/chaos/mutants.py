"""Faults that are planted in the provider, in the child of a killing process: the checker must find each."""

from __future__ import annotations

import itertools
import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from airflow_provider_telecom.journal import checkpoint, idempotency_keys
from airflow_provider_telecom.journal.journal import Entry, Journal, State


def plant(name: str) -> None:
    """Plant a fault in this process. It stays for the rest of its life."""
    MUTANTS[name]()


def _journal_writes_nothing() -> None:
    Journal.write = lambda self, name, entry: None  # type: ignore[method-assign]
    Journal.write_intent = lambda self, name, entry: None  # type: ignore[method-assign]


def _journal_writes_no_intent() -> None:
    write = Journal.write

    def without(self: Journal, name: str, entry: Entry) -> None:
        if entry.state is not State.INTENT:
            write(self, name, entry)

    Journal.write = without  # type: ignore[method-assign]
    Journal.write_intent = without  # type: ignore[method-assign]


def _intent_counts_as_done() -> None:
    write = Journal.write

    def done(self: Journal, name: str, entry: Entry) -> None:
        write(self, name, replace(entry, state=State.DONE) if entry.state is State.INTENT else entry)

    Journal.write = done  # type: ignore[method-assign]
    Journal.write_intent = done  # type: ignore[method-assign]


def _checkpoint_counts_what_is_announced() -> None:
    """What is about to be sent counts as sent."""
    entry = checkpoint.Checkpoint._entry

    def ahead(self: Any, state: State, facts: Any) -> Entry:
        found = entry(self, state, facts)
        return replace(found, facts={**found.facts, "rows": found.facts["ahead"]})

    checkpoint.Checkpoint._entry = ahead  # type: ignore[method-assign]


def _keys_differ_in_each_try() -> None:
    make = idempotency_keys.IdempotencyKeys.__call__
    numbers = itertools.count(os.getpid())
    first = next(numbers)
    idempotency_keys.IdempotencyKeys.__call__ = (  # type: ignore[method-assign]
        lambda self, *parts: make(self, *parts, str(first))
    )


def _unknown_is_stored_as_planned() -> None:
    write = Journal.write

    def planned(self: Journal, name: str, entry: Entry) -> None:
        write(self, name, replace(entry, state=State.PLANNED) if entry.state is State.UNKNOWN else entry)

    Journal.write = planned  # type: ignore[method-assign]


MUTANTS: dict[str, Callable[[], None]] = {
    "journal writes nothing": _journal_writes_nothing,
    "journal writes no intent": _journal_writes_no_intent,
    "intent counts as done": _intent_counts_as_done,
    "checkpoint counts what is announced": _checkpoint_counts_what_is_announced,
    "keys differ in each try": _keys_differ_in_each_try,
    "unknown is stored as planned": _unknown_is_stored_as_planned,
}
