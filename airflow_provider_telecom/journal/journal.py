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

A later try may be given other content: a template was edited, or the list of a mapped task has changed.
If the earlier content may have been sent, the other content is refused under every policy: it would be a
second message, or the first one would be forgotten. In a mapped task it is refused even if nothing was
sent: the earlier content may now be at another place of the list, which may have sent it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Literal, Protocol, get_args

from airflow.sdk.exceptions import AirflowFailException

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.reference import fingerprint

OnUnknown = Literal["fail", "resend", "assume_sent"]
Facts = Mapping[str, Any]


class Store(Protocol):
    """What is used of Airflow's task state store."""

    def get(self, key: str, default: Any = None) -> Any:
        """Return what stands under a key."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Write it; durable when it returns."""


class State(StrEnum):
    """How far something that is to be sent once has come."""

    PLANNED = "planned"
    """Nothing has reached the vendor."""
    INTENT = "intent"
    """It is being sent, or was when the task died."""
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """No answer said whether it happened."""


IN_DOUBT = (State.INTENT, State.UNKNOWN)
"""An earlier try may have had the effect, and nobody knows."""


@dataclass(frozen=True)
class Entry:
    """What is written of one effect. `body` is the SHA-256 of what is sent, `facts` are ids.

    `order` tells a keyed effect from others (see `Order.marks`).
    """

    state: State
    body: str
    facts: Facts = field(default_factory=dict)
    order: Facts = field(default_factory=dict)


@dataclass(frozen=True)
class EffectIdentity:
    """What makes a keyed effect the same in each try: the connection, the recipient, and our key.

    The vendor recognises a key in the account only that it came from. Without a `key` any other content may
    follow: each look-up of a number, for example, has a key that depends on the number alone.
    """

    conn_id: str
    msisdn: str = ""
    key: str = ""

    @property
    def hashes(self) -> Facts:
        """What the journal keeps. `to` is 16 bits of the number's hash: too few to find the number by."""
        return {"key": fingerprint([self.conn_id, self.key]), "to": fingerprint(self.msisdn)[:4]}

    def is_same_as(self, entry: Entry) -> bool:
        """Whether the vendor would recognise it as the one that an entry was written for."""
        return bool(self.hashes["key"] == entry.order.get("key"))

    def has_same_recipient(self, entry: Entry) -> bool:
        """Whether it is for the same person."""
        return bool(self.hashes["to"] == entry.order.get("to"))


class OutcomeUnknownError(TelecomUnknownError, AirflowFailException):
    """Nobody can know whether an effect happened. Airflow does not retry the task, whatever its policy."""


def check_on_unknown(value: str) -> OnUnknown:
    """Return a policy. Raises TelecomInputError."""
    chosen: OnUnknown = one_of("on_unknown", value, get_args(OnUnknown))  # type: ignore[arg-type]
    return chosen


class Journal:
    """The journal of one task of one run.

    `ready` waits until a request may be sent, and raises if that takes too long. It is called before an
    intent is written, so that what waits or is refused here never counts as sent. `is_mapped`: the task has
    one place of a mapped list.
    """

    def __init__(
        self, store: Store, ready: Callable[[], object] = lambda: None, is_mapped: bool = False
    ) -> None:
        self._store, self._ready, self._is_mapped = store, ready, is_mapped

    def read(self, name: str) -> Entry | None:
        """Return the entry of an effect, or None."""
        found = self._store.get(_key(name))
        if not found:
            return None
        return Entry(State(found["state"]), found["body"], found["facts"], found.get("order", {}))

    def write(self, name: str, entry: Entry) -> None:
        """Write an entry. It stays as long as the Dag run does."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        value = {
            "state": entry.state.value,
            "body": entry.body,
            "facts": dict(entry.facts),
            "order": dict(entry.order),
        }
        self._store.set(_key(name), value, retention=NEVER_EXPIRE)

    def write_intent(self, name: str, entry: Entry) -> None:
        """Write what is about to be sent, so that no later try can miss it. Raises TelecomNotSentError.

        Airflow checks whose write it is before it writes. If the write is late, the next try may have begun,
        and read the journal, in between. That the same try can still read what it wrote proves that the next
        one had not begun: a try that was given up reads nothing any more. See docs/decisions/0008.
        """
        self.write(name, entry)
        if self.read(name) != entry:
            raise TelecomNotSentError("not sent: another try of this task has taken over")

    def is_in_doubt(self, name: str) -> bool:
        """Return whether an earlier try may have had the effect, and nobody knows."""
        entry = self.read(name)
        return entry is not None and entry.state in IN_DOUBT

    def earlier(self, name: str, body: str) -> Entry | None:
        """Return what an earlier try left of an unkeyed effect. Raises TelecomInputError for other content.

        A place of a mapped list that sends for the first time notes its content: if it fails before it sends,
        the list may be another one in the next try.
        """
        entry = self._left(name, Entry(State.PLANNED, body))
        if entry and entry.body != body and (self._is_mapped or entry.state in _PERHAPS_SENT):
            raise _changed(entry.state)
        return entry

    def unkeyed(self, name: str, body: str, send: Callable[[], Facts], on_unknown: OnUnknown) -> Facts:
        """Send what the vendor cannot tell a copy of, and return its facts; once only, or say so.

        Raises OutcomeUnknownError (`fail`), TelecomUnknownError (`resend`: the next try sends again),
        TelecomInputError (something else has been sent under this name), and what `send` raises.
        """
        entry = self.earlier(name, body)
        if entry and entry.state is State.DONE:
            return entry.facts
        in_doubt = entry is not None and entry.state in IN_DOUBT
        if in_doubt and on_unknown != "resend":
            return self._unsettled(name, body, on_unknown, "an earlier try may have sent it")
        try:
            return self._sent(name, Entry(State.INTENT, body), send, in_doubt)
        except TelecomUnknownError as error:
            self.write(name, Entry(State.UNKNOWN, body))
            if on_unknown == "resend":
                raise
            return self._unsettled(name, body, on_unknown, error.summary)

    def keyed(self, name: str, body: str, order: EffectIdentity, send: Callable[[], Facts]) -> Facts:
        """Send what the vendor does once under our key, and return its facts.

        After an unknown outcome the next try sends it again under the same key. Another key, or another
        account, would not be recognised: once anything may have been sent, TelecomInputError is raised for
        those. Only a place of a mapped list may send to somebody else after it is done.
        """
        planned = Entry(State.PLANNED, body, order=order.hashes)
        entry = self._left(name, planned)
        if entry:
            is_same = order.is_same_as(entry)
            if entry.state is State.DONE and (entry.body == body or (is_same and order.key)):
                return entry.facts
            if not is_same and not self._may_change(entry, order):
                raise _changed(entry.state)
        in_doubt = entry is not None and entry.state in IN_DOUBT
        return self._sent(name, replace(planned, state=State.INTENT), send, in_doubt)

    def _left(self, name: str, planned: Entry) -> Entry | None:
        entry = self.read(name)
        if entry or not self._is_mapped:
            return entry
        place = f"{name}.place"  # an entry of its own: a write that is late must not hide what was sent
        if (noted := self.read(place)) is None:
            self.write(place, planned)
        return noted

    def _may_change(self, entry: Entry, order: EffectIdentity) -> bool:
        """Whether another order may follow: nobody is in doubt, forgotten, or gets two texts."""
        if not self._is_mapped:
            return entry.state not in _PERHAPS_SENT
        harmless = State.PLANNED if order.has_same_recipient(entry) else State.DONE
        return entry.state in (State.REJECTED, harmless)

    def _sent(self, name: str, intent: Entry, send: Callable[[], Facts], in_doubt: bool) -> Facts:
        """Send between intent and outcome. An error of this request settles no earlier one `in_doubt`."""
        self._ready()
        self.write_intent(name, intent)
        try:
            facts = send()
        except TelecomError as error:
            if not in_doubt and (state := state_after(error)) is not None:
                self.write(name, replace(intent, state=state, facts={"code": error.code or error.status}))
            raise
        self.write(name, replace(intent, state=State.DONE, facts=facts))
        return facts

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


def state_after(error: TelecomError) -> State | None:
    """Return what an error says about the effect, or None when the outcome stays open."""
    if error.partial or error.outcome_unknown:
        return None
    return State.PLANNED if error.temporary else State.REJECTED


_PERHAPS_SENT = (*IN_DOUBT, State.DONE)
_MAY_HAVE = "this task may already have sent something else in this run, and nobody knows whether it has"
_EARLIER = {
    State.DONE: "this task has already sent something else in this run",
    State.INTENT: _MAY_HAVE,
    State.UNKNOWN: _MAY_HAVE,
    State.PLANNED: "this place of the mapped list had something else before, and it was not sent",
    State.REJECTED: "this place of the mapped list had something else before, and it was refused",
}


def _changed(earlier: State) -> TelecomInputError:
    return TelecomInputError(
        "dedupe_key",
        f"{_EARLIER[earlier]}: the number, the text, the connection or another argument has changed since. "
        "Nothing was sent now. Make it as it was, or give another dedupe_key, which sends this as well",
    )


def _key(name: str) -> str:
    return f"telecom.{name}"
