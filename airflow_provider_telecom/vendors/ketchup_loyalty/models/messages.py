"""SMS and Viber messages and their statuses, which stay the vendor's own words."""

from __future__ import annotations

from datetime import datetime
from enum import Enum

from pydantic import AliasChoices, Field

from airflow_provider_telecom.vendors.ketchup_loyalty.models.answer import (
    Answer,
    Money,
    PerhapsMoney,
    PerhapsText,
    Text,
)
from airflow_provider_telecom.vendors.times import utc_or_none


class MessageState(Enum):
    """The states that the document names. A word that it does not name is UNKNOWN, and never final."""

    SCHEDULED = "scheduled"
    MODERATION = "moderation"
    ACCEPTED = "accepted"
    SENDING = "sending"
    SENT = "sent"
    DELIVERED = "delivered"
    READ = "read"
    EXPIRED = "expired"
    FAILED = "failed"
    REJECTED = "rejected"
    UNDELIVERED = "undelivered"
    UNDELIVERABLE = "undeliverable"
    NOT_VIBER_USER = "not-viber-user"
    UNKNOWN = "unknown"

    @classmethod
    def of(cls, word: str) -> MessageState:
        """Return the state that a vendor's word means, whatever its case."""
        return next((state for state in cls if state.value == word.strip().casefold()), cls.UNKNOWN)

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come. A delivered Viber message may still become read."""
        return self in _FINAL


_FINAL = frozenset({
    MessageState.DELIVERED,
    MessageState.READ,
    MessageState.EXPIRED,
    MessageState.FAILED,
    MessageState.REJECTED,
    MessageState.UNDELIVERED,
    MessageState.UNDELIVERABLE,
    MessageState.NOT_VIBER_USER,
})


class MessageStatus(Answer):
    """An SMS or a Viber message and what became of it. Times are the vendor's own, without a zone."""

    status: Text
    msisdn: Text
    reference: PerhapsText = None
    id: PerhapsText = None
    time_in: PerhapsText = None
    time_sent: PerhapsText = None
    time_dr: PerhapsText = None
    price: PerhapsMoney = None
    currency: PerhapsText = None

    @property
    def state(self) -> MessageState:
        """The status as one of the known states."""
        return MessageState.of(self.status)

    def delivered_at(self, vendor_timezone: str | None) -> datetime | None:
        """Return when the delivery report came, aware; None without a report, or with no zone known."""
        return utc_or_none(self.time_dr, vendor_timezone)


class SmsTask(Answer):
    """The counts of a batch. `sent` counts those that went out to the network so far."""

    sent: int
    delivered: int
    undeliverable: int
    expired: int
    unknown: int
    total_price: Money = Field(validation_alias=AliasChoices("totalprice", "total_price"))
    currency: PerhapsText = None
    originator: PerhapsText = None
    body: str | None = None
    validity: int | None = None

    @property
    def undelivered(self) -> int:
        """How many ended without being delivered."""
        return self.undeliverable + self.expired

    @property
    def final(self) -> int:
        """How many have their final receipt."""
        return self.delivered + self.undelivered
