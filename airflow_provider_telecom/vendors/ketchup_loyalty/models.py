"""What KetchUp is asked with, and what its responses contain. Money is Decimal, never a float."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from enum import Enum
from typing import Annotated, NamedTuple, overload

from pydantic import AliasChoices, BaseModel, BeforeValidator, ConfigDict, Field

from airflow_provider_telecom.vendors.ketchup_loyalty.times import aware_or_none
from airflow_provider_telecom.vendors.times import utc_or_none

# Arguments: one recipient or look-up each


class Recipient(NamedTuple):
    """A number, and our key for the message to it."""

    msisdn: str | int
    reference: str


class IndividualSms(NamedTuple):
    """An SMS with its own text: number, text, our key, and the sender if it is not the connection's."""

    msisdn: str | int
    text: str
    reference: str
    originator: str | None = None


@dataclass(frozen=True, slots=True)
class SmsColumns(Sequence[IndividualSms]):
    """Individual SMS by columns. Many of them take less time than as objects."""

    msisdns: Sequence[str | int]
    texts: Sequence[str]
    references: Sequence[str]
    originators: Sequence[str | None]

    def __len__(self) -> int:
        return len(self.msisdns)

    @overload
    def __getitem__(self, place: int) -> IndividualSms: ...

    @overload
    def __getitem__(self, place: slice) -> SmsColumns: ...

    def __getitem__(self, place: int | slice) -> IndividualSms | SmsColumns:
        cells = self.msisdns[place], self.texts[place], self.references[place], self.originators[place]
        return SmsColumns(*cells) if isinstance(place, slice) else IndividualSms(*cells)  # type: ignore[arg-type]


class HlrQuery(NamedTuple):
    """A number to look up, and our key for the look-up. KetchUp posts the result to `callback_url`."""

    msisdn: str | int
    reference: str
    tariff: int | None = None
    callback_url: str | None = None


class ViberRecipient(NamedTuple):
    """A number, and our key for the message to it; without a key a repeated request is a second message."""

    msisdn: str | int
    external_id: str | None = None


@dataclass(frozen=True)
class ViberMessage:
    """A message to one or several recipients. `sender` is an alpha name, if it is not the connection's.

    Picture and button: `image_url`, `caption` (the button's text) and `action_url` (its link). `schedule_at`
    (aware) is when it is sent. KetchUp posts delivery reports to `callback_url`.
    """

    recipients: Sequence[ViberRecipient]
    text: str
    sender: str | None = None
    promotional: bool = False
    image_url: str | None = None
    caption: str | None = None
    action_url: str | None = None
    callback_url: str | None = None
    schedule_at: datetime | None = None


# Results of sending


class SendResult(NamedTuple):
    """The result of one message or look-up: accepted with `id` and price, a duplicate, or refused.

    KetchUp has had a duplicate under this key before; it is not sent or charged again. Its id is given for
    HLR only; the others can be found by reference. `throttled`: refused because too many are in progress;
    send it again later. `key_returned` is False when the response does not contain our key: KetchUp may then
    not recognise a repeated request. `task_id` is the batch in which the message was accepted.
    """

    reference: str | None
    id: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    code: str | None = None
    duplicate: bool = False
    throttled: bool = False
    key_returned: bool = True
    task_id: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether KetchUp has the message, from this call or an earlier one."""
        return self.code is None or self.duplicate

    @property
    def is_new(self) -> bool:
        """Whether KetchUp has accepted it in this call."""
        return self.code is None


@dataclass(frozen=True, slots=True, eq=False)
class AcceptedResults(Sequence[SendResult]):
    """The results of messages that are all accepted now, by columns."""

    references: Sequence[str]
    ids: Sequence[str]
    prices: Sequence[Decimal | None]
    currencies: Sequence[str | None]
    task_id: str | None = None

    def __len__(self) -> int:
        return len(self.references)

    @overload
    def __getitem__(self, place: int) -> SendResult: ...

    @overload
    def __getitem__(self, place: slice) -> Sequence[SendResult]: ...

    def __getitem__(self, place: int | slice) -> SendResult | Sequence[SendResult]:
        if isinstance(place, slice):
            return list(self)[place]
        return SendResult(
            self.references[place],
            self.ids[place],
            self.prices[place],
            self.currencies[place],
            task_id=self.task_id,
        )

    def __iter__(self) -> Iterator[SendResult]:
        for cells in zip(self.references, self.ids, self.prices, self.currencies, strict=True):
            yield SendResult(*cells, task_id=self.task_id)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment]


@dataclass(frozen=True)
class BatchResult:
    """The results of many messages, in the order of the recipients: some may be refused."""

    results: Sequence[SendResult]
    total_price: Decimal | None = None
    currency: str | None = None

    @property
    def task_ids(self) -> Sequence[str]:
        """The vendor's batches: one, or more when the messages had to be sent in parts.

        Empty when nothing was accepted. The id in a lost response is not known.
        """
        return list(dict.fromkeys(one.task_id for one in self.results if one.task_id is not None))

    @property
    def task_id(self) -> str | None:
        """The first of `task_ids`."""
        return next(iter(self.task_ids), None)


@dataclass(frozen=True)
class StatisticsExport:
    """An export that the vendor keeps. `raw` is its item as it came: the document shows no response."""

    key: str
    raw: object


# Responses


def _as_text(value: object) -> object:
    return str(value) if isinstance(value, (int, Decimal)) and not isinstance(value, bool) else value


def _or_none(value: object) -> object:
    return None if value in ("", [], {}) else _as_text(value)


def _as_bool(value: object) -> object:
    return {"1": True, "true": True, "0": False, "false": False}.get(str(value).strip().casefold())


Text = Annotated[str, BeforeValidator(_as_text)]
Money = Annotated[Decimal, BeforeValidator(_as_text)]
OptionalText = Annotated[str | None, BeforeValidator(_or_none)]
OptionalMoney = Annotated[Decimal | None, BeforeValidator(_or_none)]
OptionalBool = Annotated[bool | None, BeforeValidator(_as_bool)]
TotalPrice = Annotated[Money, Field(validation_alias=AliasChoices("totalprice", "total_price"))]


class KetchUpModel(BaseModel):
    """Base class of the responses: immutable; unknown fields are ignored."""

    model_config = ConfigDict(frozen=True, extra="ignore")


class Price(KetchUpModel):
    """What a send would cost."""

    total_price: TotalPrice
    currency: Text


class CountryPrice(KetchUpModel):
    """The price of one message or look-up in a country; `mcc` is its mobile country code."""

    country: Text
    price: Money
    currency: Text
    country_name: OptionalText = None
    mcc: OptionalText = None
    type: OptionalText = None


class MessageState(Enum):
    """The states in the document. A word that is not in the document is UNKNOWN, which is not final."""

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
        """Return the state that a vendor's word means, in any case."""
        return _STATES.get(word.strip().casefold(), cls.UNKNOWN)

    @property
    def is_final(self) -> bool:
        """Whether the state can't change any more. A delivered Viber message may still become read."""
        return self not in _NOT_FINAL


_STATES = {state.value: state for state in MessageState}
_NOT_FINAL = {
    MessageState(word) for word in ["scheduled", "moderation", "accepted", "sending", "sent", "unknown"]
}


class MessageStatus(KetchUpModel):
    """The status of an SMS or a Viber message. The vendor's times have no zone."""

    status: Text
    msisdn: Text
    reference: OptionalText = None
    id: OptionalText = None
    time_in: OptionalText = None
    time_sent: OptionalText = None
    time_dr: OptionalText = None
    price: OptionalMoney = None
    currency: OptionalText = None

    @property
    def state(self) -> MessageState:
        """The status as one of the known states."""
        return MessageState.of(self.status)

    def delivered_at(self, vendor_timezone: str | None) -> datetime | None:
        """Return when the delivery report came, aware; None without a report or without a zone."""
        return utc_or_none(self.time_dr, vendor_timezone)


class SmsTask(KetchUpModel):
    """The counts of a batch. `sent` counts the messages that the network has taken so far."""

    sent: int
    delivered: int
    undeliverable: int
    expired: int
    unknown: int
    total_price: TotalPrice
    currency: OptionalText = None
    originator: OptionalText = None
    body: str | None = None
    validity: int | None = None

    @property
    def undelivered(self) -> int:
        """How many have ended without delivery."""
        return self.undeliverable + self.expired

    @property
    def final(self) -> int:
        """How many have their final receipt."""
        return self.delivered + self.undelivered


_HLR_RESULT_WITHIN = timedelta(minutes=5)


class HlrState(Enum):
    """The states in the document. SENT, and words that are not in the document, are not final.

    The document does not say whether UNKNOWN is.
    """

    SENT = "sent"
    ABSENT = "absent"
    ACTIVE = "active"
    UNKNOWN = "unknown"
    FAILED = "failed"
    OTHER = "other"


class HlrDetails(KetchUpModel):
    """Whether the number is ported and roaming; complete for active numbers."""

    ported: OptionalBool = None
    roaming: OptionalBool = None


class HlrStatus(KetchUpModel):
    """A look-up and its result. `network` is MCC and MNC for absent and active numbers."""

    id: Text
    reference: OptionalText = None
    msisdn: Text
    network: OptionalText = None
    status: Text
    details: Annotated[HlrDetails, BeforeValidator(lambda value: value or {})] = HlrDetails()
    created_datetime: OptionalText = Field(None, validation_alias="createdDatetime")
    status_datetime: OptionalText = Field(None, validation_alias="statusDatetime")

    @property
    def state(self) -> HlrState:
        """The status as one of the known states."""
        word = self.status.strip().casefold()
        return next((state for state in HlrState if state.value == word), HlrState.OTHER)

    @property
    def created_at(self) -> datetime | None:
        """When the look-up was requested, aware; None if the vendor's time has no zone."""
        return aware_or_none(self.created_datetime)

    @property
    def status_at(self) -> datetime | None:
        """When the status came, aware; None if the vendor's time has no zone."""
        return aware_or_none(self.status_datetime)

    @property
    def is_final(self) -> bool:
        """Whether the result is there. "unknown" is none: see `has_result`."""
        return self.has_result()

    def has_result(self, unknown_is_final: bool = False) -> bool:
        """Return whether the result is there.

        The document does not say whether "unknown" is a result: its sample has it with the time of the
        request. With `unknown_is_final` it is one as soon as its time differs, or some minutes after the
        request.
        """
        if self.state is not HlrState.UNKNOWN:
            return self.state not in (HlrState.SENT, HlrState.OTHER)
        if (created := self.created_at) is None or self.status_at != created:
            return unknown_is_final
        return unknown_is_final and datetime.now(UTC) - created >= _HLR_RESULT_WITHIN
