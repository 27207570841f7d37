"""The send journal: the intent is written before anything is sent, so that no later try has to guess.

Its entries are in Airflow's task state store, which belongs to a task of a run and outlives its tries.

    no entry, planned,
    rejected            nothing is under way: write the intent, send, write the outcome
    intent, unknown     an earlier try may have sent it
                          with an idempotency key:    send again with the same key; the vendor does it once
                          without an idempotency key: `on_unknown` decides
    done                return the stored result; send nothing

Without an idempotency key the guarantee is at-most-once (`fail`) or at-least-once (`resend`). The journal
holds hashes, our keys and the vendor's ids; no number, no text, no token.

A later try may have other content: a template was edited, or the list of a mapped task has changed. If the
earlier content may have been sent, other content is rejected under every policy: it would be a second
message, or the first one would be forgotten. A mapped task rejects it even if nothing was sent: the earlier
content may now be at another place of the list, which may have sent it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any, Protocol, TypedDict

from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.unknown import Facts, OnUnknown, OutcomeUnknownError


class StoredIdentity(TypedDict, total=False):
    """The hashes by which a later try recognizes an effect; empty without an idempotency key."""

    key: str
    to: str
    """16 bits of the hash of the number: too few to find the number."""


class StoredEntry(TypedDict):
    """An entry as it is stored. A rename of these keys would make stored entries unreadable."""

    state: str
    body: str
    facts: dict[str, Any]
    order: StoredIdentity


class StateStore(Protocol):
    """The part of Airflow's task state store that the journal uses."""

    def get(self, key: str, default: None = None) -> Any:
        """Return the value stored under a key."""

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        """Store a value; it is durable when this returns."""


class State(StrEnum):
    """The state of one effect."""

    PLANNED = "planned"
    """Nothing has reached the vendor."""
    INTENT = "intent"
    """It is being sent, or was when the task died."""
    DONE = "done"
    REJECTED = "rejected"
    UNKNOWN = "unknown"
    """No response said whether it happened."""


IN_DOUBT = (State.INTENT, State.UNKNOWN)
"""An earlier try may have had the effect, and nobody knows."""
_MAYBE_SENT = (*IN_DOUBT, State.DONE)


@dataclass(frozen=True)
class Entry:
    """The journal's entry of one effect. `body` is the SHA-256 of the content, `facts` hold ids."""

    state: State
    body: str
    facts: Facts = field(default_factory=dict)
    identity: StoredIdentity = field(default_factory=StoredIdentity)


@dataclass(frozen=True)
class EffectIdentity:
    """What makes an effect with an idempotency key the same in each try: connection, recipient and key.

    The vendor recognizes a key only in the account that it was used in. Without a `key` any other content may
    follow: each lookup of a number, for example, has a key that depends on the number alone.
    """

    conn_id: str
    msisdn: str = ""
    key: str = ""

    @property
    def hashes(self) -> StoredIdentity:
        """What the journal stores."""
        return {"key": fingerprint([self.conn_id, self.key]), "to": fingerprint(self.msisdn)[:4]}

    def is_same_as(self, entry: Entry) -> bool:
        """Whether the vendor would recognize it as the effect of an entry."""
        return self.hashes["key"] == entry.identity.get("key")

    def has_same_recipient(self, entry: Entry) -> bool:
        """Whether it is for the same person."""
        return self.hashes["to"] == entry.identity.get("to")


class Journal:
    """The journal of one task of one run.

    `wait_until_ready` waits until a request may be sent, and raises if that takes too long. It runs before an
    intent is written, so that a request which waits or is refused here never counts as sent. `is_mapped`: the
    task is one place of a mapped list.
    """

    def __init__(
        self,
        store: StateStore,
        wait_until_ready: Callable[[], object] = lambda: None,
        is_mapped: bool = False,
    ) -> None:
        self._store, self._wait_until_ready, self._is_mapped = store, wait_until_ready, is_mapped

    def read(self, name: str) -> Entry | None:
        """Return the entry of an effect, or None."""
        stored: StoredEntry | None = self._store.get(_key(name))
        if not stored:
            return None
        return Entry(State(stored["state"]), stored["body"], stored["facts"], stored.get("order", {}))

    def write(self, name: str, entry: Entry) -> None:
        """Write an entry. It is kept as long as the Dag run."""
        from airflow.sdk.execution_time.context import NEVER_EXPIRE

        stored = StoredEntry(
            state=entry.state.value, body=entry.body, facts=dict(entry.facts), order=entry.identity
        )
        self._store.set(_key(name), stored, retention=NEVER_EXPIRE)

    def write_intent(self, name: str, entry: Entry) -> None:
        """Write what is about to be sent, so that no later try can miss it. Raises TelecomNotSentError.

        Airflow checks that the try is the current one, and then writes. If the write is late, the next try
        may have begun, and read the journal, in between. If this try can still read what it wrote, the next
        one had not begun: a try that was given up cannot read any more. See docs/decisions/0008.
        """
        self.write(name, entry)
        if self.read(name) != entry:
            raise TelecomNotSentError("not sent: another try of this task has taken over")

    def is_in_doubt(self, name: str) -> bool:
        """Return whether an earlier try may have had the effect, and nobody knows."""
        entry = self.read(name)
        return entry is not None and entry.state in IN_DOUBT

    def earlier_entry(self, name: str, body: str) -> Entry | None:
        """Return the entry of an earlier try, if it had no idempotency key. Raises TelecomInputError.

        The error is for other content. A place of a mapped list stores its content before it sends for the
        first time: if it fails before it sends, the list may be another one in the next try.
        """
        entry = self._entry_or_place(name, Entry(State.PLANNED, body))
        if entry and entry.body != body and (self._is_mapped or entry.state in _MAYBE_SENT):
            raise _content_changed(entry.state)
        return entry

    def send_without_key(
        self, name: str, body: str, send: Callable[[], Facts], on_unknown: OnUnknown
    ) -> Facts:
        """Send once, without an idempotency key, and return the facts.

        Raises OutcomeUnknownError (`fail`), TelecomUnknownError (`resend`: the next try sends again),
        TelecomInputError (other content was sent under this name), and what `send` raises.
        """
        entry = self.earlier_entry(name, body)
        if entry and entry.state is State.DONE:
            return entry.facts
        in_doubt = entry is not None and entry.state in IN_DOUBT
        if in_doubt and on_unknown != "resend":
            return self._settle_unknown(name, body, on_unknown, "an earlier try may have sent it")
        try:
            return self._send(name, Entry(State.INTENT, body), send, in_doubt)
        except TelecomUnknownError as error:
            self.write(name, Entry(State.UNKNOWN, body))
            if on_unknown == "resend":
                raise
            return self._settle_unknown(name, body, on_unknown, error.summary)

    def send_with_key(
        self, name: str, body: str, identity: EffectIdentity, send: Callable[[], Facts]
    ) -> Facts:
        """Send what the vendor does once for our idempotency key, and return the facts.

        After an unknown outcome the next try sends it again with the same key. The vendor would not recognize
        another key, or the same key in another account: once anything may have been sent, those raise
        TelecomInputError. Only a place of a mapped list may send to somebody else after it is done.
        """
        planned = Entry(State.PLANNED, body, identity=identity.hashes)
        entry = self._entry_or_place(name, planned)
        if entry:
            is_same = identity.is_same_as(entry)
            if entry.state is State.DONE and (entry.body == body or (is_same and identity.key)):
                return entry.facts
            if not is_same and not self._may_change(entry, identity):
                raise _content_changed(entry.state)
        in_doubt = entry is not None and entry.state in IN_DOUBT
        return self._send(name, replace(planned, state=State.INTENT), send, in_doubt)

    def _entry_or_place(self, name: str, planned: Entry) -> Entry | None:
        entry = self.read(name)
        if entry or not self._is_mapped:
            return entry
        place = f"{name}.place"  # its own entry: a late write of it must not hide what was sent
        if (stored := self.read(place)) is None:
            self.write(place, planned)
        return stored

    def _may_change(self, entry: Entry, identity: EffectIdentity) -> bool:
        """Whether another effect may follow: nobody is in doubt, forgotten, or gets two texts."""
        if not self._is_mapped:
            return entry.state not in _MAYBE_SENT
        harmless = State.PLANNED if identity.has_same_recipient(entry) else State.DONE
        return entry.state in (State.REJECTED, harmless)

    def _send(self, name: str, intent: Entry, send: Callable[[], Facts], in_doubt: bool) -> Facts:
        """Send between intent and outcome. An error of this request settles no earlier one `in_doubt`."""
        self._wait_until_ready()
        self.write_intent(name, intent)
        try:
            facts = send()
        except TelecomError as error:
            if not in_doubt and (state := state_after(error)) is not None:
                self.write(name, replace(intent, state=state, facts={"code": error.code or error.status}))
            raise
        self.write(name, replace(intent, state=State.DONE, facts=facts))
        return facts

    def _settle_unknown(self, name: str, body: str, on_unknown: OnUnknown, why: str) -> Facts:
        if on_unknown == "assume_sent":
            facts = {"assumed_sent": True}
            self.write(name, Entry(State.DONE, body, facts))
            return facts
        self.write(name, Entry(State.UNKNOWN, body))
        raise OutcomeUnknownError(
            f"{why}; nobody can know whether it happened, and sending it again could do it twice. Ask the "
            "vendor, then clear the task with on_unknown='assume_sent' (it happened) or 'resend' (it did not)"
        )


def state_after(error: TelecomError) -> State | None:
    """Return the state of the effect after an error, or None if the outcome is unknown."""
    if error.partial or error.outcome_unknown:
        return None
    return State.PLANNED if error.temporary else State.REJECTED


_MAY_HAVE = "this task may already have sent something else in this run, and nobody knows whether it has"
_EARLIER = {
    State.DONE: "this task has already sent something else in this run",
    State.INTENT: _MAY_HAVE,
    State.UNKNOWN: _MAY_HAVE,
    State.PLANNED: "this place of the mapped list had something else before, and it was not sent",
    State.REJECTED: "this place of the mapped list had something else before, and it was refused",
}


def _content_changed(earlier: State) -> TelecomInputError:
    return TelecomInputError(
        "dedupe_key",
        f"{_EARLIER[earlier]}: the number, the text, the connection or another argument has changed since. "
        "Nothing was sent now. Restore it, or give another dedupe_key, which sends this as well",
    )


def _key(name: str) -> str:
    return f"telecom.{name}"
