"""What a vendor's post tells, cleaned: each vendor's `callbacks` read it, the receiver keeps it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ACCOUNT = "account"
"""Stands in place of a message's key in addresses that are for all that an account is told."""


def topic_prefix(vendor: str, kind: str, conn_id: str) -> str:
    """Return what all topics of this kind and connection begin with; a key follows."""
    return f"{vendor}/{kind}/{conn_id}"


@dataclass(frozen=True, slots=True)
class WebhookEvent:
    """What a post tells of one thing. All of it is small JSON without numbers and texts, fit to be shown.

    Of two reports about one `subject` the one with the higher `rank` counts, unless the other is `final`.
    `event` is the kind of asset event that it makes, if any. `topics` are the keys by which it is waited for.
    `about` is for people to read: a shortened number, a count. All reports of a subject have one `identity`.
    `bound` is a reference that the post's address must have been given out for; None when it surely was.
    """

    subject: str
    state: str
    sequence: float
    final: bool
    facts: Mapping[str, Any]
    event: str | None = None
    topics: Sequence[str] = field(default_factory=tuple)
    about: str = ""
    identity: str = ""
    required_reference: str | None = None

    def supersedes(self, sequence: float, final: bool) -> bool:
        """Whether it is news after a report of this rank: a status never goes back."""
        return not final and self.sequence > sequence


@dataclass(frozen=True, slots=True)
class Subscription:
    """The topics of the webhooks about something that is waited for.

    `entry` is the topic whose last webhook the status check gets as its argument `stored_webhook`: for what
    no call returns. Without it a webhook only starts the next poll.
    """

    topics: Sequence[str]
    entry: str | None = None
