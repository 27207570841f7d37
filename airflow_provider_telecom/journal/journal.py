"""The send journal: what is about to be sent is written down first, so that no later try guesses.

It stands in Airflow's task state store, which belongs to a task of a run and outlives its tries.

    nothing, planned,
    rejected            nothing is under way: write the intent, send, write the outcome
    intent, unknown     an earlier try may have sent it
                          keyed:   send again under the same key; the vendor does it once
                          unkeyed: `on_unknown` decides
    done                return what is written; send nothing

Guaranteed for unkeyed effects: never twice (`fail`), or never zero (`resend`), not both. What is kept
is hashes, our keys and the vendor's ids; no number, no text, no token.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Any, Literal, Protocol, get_args

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)

OnUnknown = Literal["fail", "resend", "assume_sent"]
Facts = Mapping[str, Any]


class Store(Protocol):
    """What is used of Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what stands under a key."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Write it; durable when it returns."""


class State(str, Enum):
    """How far something that is to be sent once has come."""

    PLANNED = "planned"
    """Nothing has reached the vendor."""
    INTENT = "intent"
    """It is being sent, or was when the task died."""
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """No answer said whether it happened."""


@dataclass(frozen=True)
class Entry:
    """What is written of one effect. `body` is the SHA-256 of what is sent, `facts` are ids."""

    state: State
    body: str
    facts: Facts = field(default_factory=dict)


class OutcomeUnknownError(TelecomUnknownError, AirflowFailException):
    """Nobody can know whether an effect happened. Airflow does not retry the task, whatever its policy."""


def check_on_unknown(value: str) -> OnUnknown:
    """Return a policy. Raises TelecomInputError."""
    chosen: OnUnknown = one_of("on_unknown", value, get_args(OnUnknown))  # type: ignore[arg-type]
    return chosen


class Journal:
    """The journal of one task of one run.

    `ready` waits until a request may be sent, and raises if that takes too long. It is called before an
    intent is written, so that what waits or is refused here never counts as sent.
    """

    def __init__(self, store: Store, ready: Callable[[], object] = lambda: None) -> None:
        self._store, self._ready = store, ready

    def read(self, name: str) -> Entry | None:
        """Return the entry of an effect, or None."""
        found = self._store.get(_key(name))
        return Entry(State(found["state"]), found["body"], found["facts"]) if found else None

    def write(self, name: str, entry: Entry) -> None:
        """Write an entry. It stays as long as the Dag run does."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        value = {"state": entry.state.value, "body": entry.body, "facts": dict(entry.facts)}
        self._store.set(_key(name), value, retention=NEVER_EXPIRE)

    def unkeyed(self, name: str, body: str, send: Callable[[], Facts], on_unknown: OnUnknown) -> Facts:
        """Send what the vendor cannot tell a copy of, and return its facts; once only, or say so.

        Raises OutcomeUnknownError (`fail`), TelecomUnknownError (`resend`: the next try sends again),
        TelecomInputError (something else has been sent under this name), and what `send` raises.
        """
        entry = self.read(name)
        if entry and entry.state is State.DONE:
            _same(entry, body)
            return _without_mark(entry.facts)
        if entry and entry.state in (State.INTENT, State.UNKNOWN) and on_unknown != "resend":
            if on_unknown == "assume_sent":
                _same(entry, body)
            return self._unsettled(name, entry.body, on_unknown, "an earlier try may have sent it")
        in_doubt = entry is not None and entry.state in (State.INTENT, State.UNKNOWN)
        try:
            return self._sent(name, Entry(State.INTENT, body), send, in_doubt)
        except TelecomUnknownError as error:
            self.write(name, Entry(State.UNKNOWN, body))
            if on_unknown == "resend":
                raise
            return self._unsettled(name, body, on_unknown, str(error))

    def keyed(self, name: str, body: str, reference: str, send: Callable[[], Facts], to: str = "") -> Facts:
        """Send what the vendor does once under our key, and return its facts.

        After an unknown outcome the next try sends it again under the same key. Under another key the vendor
        would not recognise it: so, with the same `to` as before, a mark of whom it is for, another key is
        refused by TelecomInputError. With another `to` it is for somebody else, and goes out.
        """
        entry = self.read(name)
        if entry and entry.state is State.DONE and entry.body == body:
            return _without_mark(entry.facts)
        if entry and to and entry.facts.get("to") == to and entry.facts["reference"] != reference:
            raise _changed()
        intent = {"reference": reference, **({"to": to} if to else {})}
        return _without_mark(self._sent(name, Entry(State.INTENT, body, intent), send))

    def _sent(self, name: str, intent: Entry, send: Callable[[], Facts], in_doubt: bool = False) -> Facts:
        """Send between intent and outcome. That this copy was refused settles no earlier one `in_doubt`."""
        self._ready()
        self.write(name, intent)
        try:
            facts = send()
        except TelecomError as error:
            if (state := State.UNKNOWN if in_doubt else _state_after(error)) is not None:
                self.write(name, Entry(state, intent.body, {"code": error.code or error.status}))
            raise
        done = Entry(State.DONE, intent.body, {**intent.facts, **facts})
        self.write(name, done)
        return done.facts

    def _unsettled(self, name: str, body: str, on_unknown: OnUnknown, why: str) -> Facts:
        if on_unknown == "assume_sent":
            facts = {"assumed_sent": True}
            self.write(name, Entry(State.DONE, body, facts))
            return facts
        self.write(name, Entry(State.UNKNOWN, body))
        raise OutcomeUnknownError(
            f"{why}; nobody can know whether it happened, and a copy would be a second one. Ask the vendor, "
            "then clear the task with on_unknown='assume_sent' (it happened) or 'resend' (it did not)"
        )


def _state_after(error: TelecomError) -> State | None:
    """Return what an error says about the effect, or None when the outcome stays open."""
    if isinstance(error, (TelecomUnknownError, TelecomNoAnswerError, TelecomServerError, TelecomAnswerError)):
        return None
    if isinstance(error, (TelecomNotSentError, TelecomThrottledError)):
        return State.PLANNED
    return State.REJECTED


def _same(entry: Entry, body: str) -> None:
    if entry.body != body:
        raise _changed()


def _changed() -> TelecomInputError:
    return TelecomInputError(
        "dedupe_key",
        "this task has already sent something else in this run, or may have: the number or the text has "
        "changed since. Another dedupe_key sends this as well",
    )


def _without_mark(facts: Facts) -> Facts:
    return {name: fact for name, fact in facts.items() if name != "to"}


def _key(name: str) -> str:
    return f"telecom.{name}"
