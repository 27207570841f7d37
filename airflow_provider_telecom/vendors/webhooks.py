"""What a vendor's webhook says, in the form that the receiver stores. Each vendor's `webhooks` module returns
it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a post says about one thing. `facts` are small JSON without phone numbers and texts, fit to be
    shown.

    Of two events about one `subject` the one with the higher `sequence` counts, unless the other is `final`.
    `event` is the asset event that it causes, if any. Tasks wait for it by its `topics`. `about` is for
    people to read: a masked number, a count. All events of a subject have the same `identity`. If
    `is_awaited`, the event is stored under the topic of its address until the waiting task has read it.
    `required_reference` is one of the references that the address was made for; None if the signature already
    shows that.
    """

    subject: str
    state: str
    sequence: float
    final: bool
    facts: Mapping[str, Any]
    event: str | None = None
    topics: Sequence[str] = ()
    about: str = ""
    identity: str = ""
    is_awaited: bool = False
    required_reference: str | None = None

    def supersedes(self, sequence: float, final: bool) -> bool:
        """Whether it is news after an event with this sequence: a status never goes back."""
        return not final and self.sequence > sequence


@dataclass(frozen=True, slots=True)
class Subscription:
    """The topics of the webhooks about something that is waited for.

    `entry` is the topic whose last webhook the status check gets as its argument `stored_webhook`: for what
    no call returns. Without it a webhook only starts the next poll. `entries` are those of several requests:
    their last webhooks are the list `stored_webhooks`.
    """

    topics: Sequence[str]
    entry: str | None = None
    entries: Sequence[str] = ()

    @property
    def all_entries(self) -> Sequence[str]:
        """The topics whose webhooks are stored until they have been used."""
        return (self.entry,) if self.entry else self.entries


@dataclass(frozen=True, slots=True)
class Progress:
    """How far an operation is, for the page: `done` of `total`, `failed` of these."""

    operation: str | None
    id: str | None
    done: int
    total: int
    failed: int
