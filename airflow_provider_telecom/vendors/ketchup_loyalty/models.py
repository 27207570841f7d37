"""What KetchUp is asked with, and what it answers. Money is Decimal; states stay the vendor's own words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from enum import Enum
from typing import Annotated, Any

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from airflow_provider_telecom.vendors.clock import moment_of


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


Text = Annotated[str, BeforeValidator(_as_text)]
Money = Annotated[Decimal, BeforeValidator(_as_text)]


class Answer(BaseModel):
    """What all answers have in common: they do not change, and fields unknown to us do no harm."""

    model_config = ConfigDict(frozen=True, extra="ignore")


@dataclass(frozen=True)
class Recipient:
    """A number, and our key for the message to it."""

    msisdn: str
    reference: str


@dataclass(frozen=True)
class IndividualSms:
    """An SMS of its own: number, text, our key, and the sender if it is not the connection's."""

    msisdn: str
    text: str
    reference: str
    originator: str | None = None


@dataclass(frozen=True)
class HlrQuery:
    """A number to look up, and our key for the look-up. `callback_url` gets the result."""

    msisdn: str
    reference: str
    tariff: int | None = None
    callback_url: str | None = None


@dataclass(frozen=True)
class ViberRecipient:
    """A number, and our key for the message to it; without one a copy is a second message."""

    msisdn: str
    external_id: str | None = None


@dataclass(frozen=True)
class SendResult:
    """What became of one message or look-up: accepted with `id` and price, known already, or refused.

    A duplicate is one that KetchUp has had under this key before; it is not sent or charged again. Its id
    is given for HLR only; ask by reference for the others. `keyed` is False when the vendor did not give
    our key back, so that nothing would tell a copy from a second message.
    """

    reference: str | None
    id: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    code: str | None = None
    duplicate: bool = False
    keyed: bool = True

    @property
    def accepted(self) -> bool:
        """Whether KetchUp has the message, from this call or an earlier one."""
        return self.code is None or self.duplicate


@dataclass(frozen=True)
class BatchResult:
    """What became of many messages, one by one: the whole may be fine and single ones refused.

    `task_id` names the batch; it is None when nothing was accepted, and it is lost with a lost answer.
    """

    results: Sequence[SendResult]
    total_price: Decimal | None = None
    currency: str | None = None
    task_id: str | None = None


class Price(Answer):
    """What something would cost."""

    total_price: Money = Field(validation_alias=AliasChoices("totalprice", "total_price"))
    currency: Text


class CountryPrice(Answer):
    """The price of one message or look-up in a country; `mcc` is its mobile country code."""

    type: Text
    country: Text
    country_name: Text
    mcc: Text
    price: Money
    currency: Text


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
    reference: Text | None = None
    id: Text | None = None
    time_in: str | None = None
    time_sent: str | None = None
    time_dr: str | None = None
    price: Money | None = None
    currency: Text | None = None

    @property
    def state(self) -> MessageState:
        """The status as one of the known states."""
        return MessageState.of(self.status)

    def delivered_at(self, vendor_timezone: str) -> datetime | None:
        """Return when the delivery report came, aware, if the vendor's zone is known to be this one."""
        return moment_of(self.time_dr, vendor_timezone)


class SmsTask(Answer):
    """The counts of a batch. `sent` counts those that went out to the network so far."""

    sent: int = 0
    delivered: int = 0
    undeliverable: int = 0
    expired: int = 0
    unknown: int = 0
    total_price: Money = Field(Decimal(0), validation_alias=AliasChoices("totalprice", "total_price"))
    currency: Text | None = None
    originator: Text | None = None
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


class HlrState(Enum):
    """The states that the document names. SENT and words that it does not name are not final."""

    SENT = "sent"
    ABSENT = "absent"
    ACTIVE = "active"
    UNKNOWN = "unknown"
    FAILED = "failed"
    OTHER = "other"


class HlrDetails(Answer):
    """Whether the number is ported and roaming; complete for active numbers."""

    ported: bool | None = None
    roaming: bool | None = None


class HlrStatus(Answer):
    """A look-up and its result. `network` is MCC and MNC for absent and active numbers."""

    id: Text
    reference: Text | None = None
    msisdn: Text
    network: Text | None = None
    status: Text
    details: HlrDetails = HlrDetails()
    created_at: datetime | None = Field(None, validation_alias="createdDatetime")
    status_at: datetime | None = Field(None, validation_alias="statusDatetime")

    @property
    def state(self) -> HlrState:
        """The status as one of the known states."""
        word = self.status.strip().casefold()
        return next((state for state in HlrState if state.value == word), HlrState.OTHER)

    @property
    def is_final(self) -> bool:
        """Whether nothing more will come."""
        return self.state in (HlrState.ABSENT, HlrState.ACTIVE, HlrState.UNKNOWN, HlrState.FAILED)


@dataclass(frozen=True)
class StatisticsExport:
    """An export that the vendor keeps, and its item as it came: the document shows no answer."""

    key: str
    raw: Any
