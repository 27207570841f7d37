"""What KetchUp is asked with, one recipient or look-up at a time."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Recipient:
    """A number, and our key for the message to it."""

    msisdn: str | int
    reference: str


@dataclass(frozen=True)
class IndividualSms:
    """An SMS of its own: number, text, our key, and the sender if it is not the connection's."""

    msisdn: str | int
    text: str
    reference: str
    originator: str | None = None


@dataclass(frozen=True)
class HlrQuery:
    """A number to look up, and our key for the look-up. `callback_url` gets the result."""

    msisdn: str | int
    reference: str
    tariff: int | None = None
    callback_url: str | None = None


@dataclass(frozen=True)
class ViberRecipient:
    """A number, and our key for the message to it; without one a copy is a second message."""

    msisdn: str | int
    external_id: str | None = None
