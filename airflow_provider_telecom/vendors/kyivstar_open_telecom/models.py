"""Responses of Kyivstar Open Telecom.

The vendor's document shows no bodies. The field names are those of public clients. Other fields of a response
are kept under the vendor's names in `model_extra`; null means that a field is absent. A `status` is the
vendor's text; `state` is the same as one of our enums. Message ids of the mock server contain the phone
number: treat ids as personal data.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any, Literal

from pydantic import (
    AfterValidator,
    AliasChoices,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    TypeAdapter,
    ValidationError,
    model_validator,
)
from pydantic.alias_generators import to_camel

Text = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""An id, a status or a code. Blanks around it are removed."""


def _reject_bool(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


Count = Annotated[int, BeforeValidator(_reject_bool), Field(ge=0)]
"""A count. pydantic would read true as 1."""
Number = Annotated[int | float, BeforeValidator(_reject_bool), Field(allow_inf_nan=False)]


def _check_id(value: str) -> str:
    if not re.fullmatch("[!-~]{1,128}", value) or value.startswith("-") or value == "0":
        raise ValueError("must be printable, without blanks, and neither 0 nor negative")
    return value


MessageId = Annotated[Text, AfterValidator(_check_id)]
"""The id of an accepted message. Without an id that can be queried the outcome of the send is unknown."""

_TIMESTAMP: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class ResponseModel(BaseModel):
    """Base of all responses. `request_id` is the id that the vendor's support asks for."""

    model_config = ConfigDict(
        frozen=True,
        extra="allow",
        alias_generator=to_camel,
        populate_by_name=True,
        coerce_numbers_to_str=True,
    )

    request_id: str | None = Field(None, validation_alias=AliasChoices("reqId", "reqID", "request_id"))

    @model_validator(mode="before")
    @classmethod
    def _null_means_absent(cls, value: Any) -> Any:
        if not isinstance(value, dict):
            return value
        return {name: content for name, content in value.items() if content is not None}


RESERVED_UNITS_HEADER = "x-reserved-tarification-units"


class PaidModel(ResponseModel):
    """Base of the responses to paid calls.

    `reserved_units` is what the call costs, in the vendor's units of tariffs (a header that is found in a
    public client), or None if the vendor does not say it.
    """

    reserved_units: Number | None = Field(
        None, validation_alias=AliasChoices(RESERVED_UNITS_HEADER, "reserved_units")
    )


class State(StrEnum):
    """A known status of the vendor, in any letter case. All other statuses are UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> State:
        text = str(value).strip().casefold()
        return next((state for state in cls if state.value.casefold() == text), cls["UNKNOWN"])


class MessageState(State):
    """The state of an SMS or a Viber message."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    SEEN = "seen"
    EXPIRED = "expired"
    """Final: not delivered in time. Found in a public client; the document does not name this state."""
    UNKNOWN = "unknown"
    """An unknown status. It never counts as final."""


class PromoState(State):
    """The state of a promo. Only WAITING (into the queue) and SUSPENDED (stop) can be set."""

    DRAFT = "DRAFT"
    WAITING = "WAITING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    UNKNOWN = "UNKNOWN"
    """An unknown status. It never counts as final."""


class SimCheck(PaidModel):
    """Whether the SIM was changed within the requested hours, and whether it is active now.

    API v1 does not say whether the SIM is active: `is_active` is None. It says instead what else has changed,
    and whether calls are forwarded; v1beta does not.
    """

    sim_changed: bool
    is_active: bool | None = None
    sim_type_changed: bool | None = None
    geo_changed: bool | None = None
    imei_changed: bool | None = None
    call_forwarding: bool | None = None


class SimCount(PaidModel):
    """How many SIMs a number had within the requested days; 10 means 10 or more."""

    sim_count: Count

    @property
    def is_at_least(self) -> bool:
        """Whether there may have been more SIMs than `sim_count`."""
        return self.sim_count >= 10


class DeviceCheck(PaidModel):
    """`imei_result` (such as COMPLETELY_MATCHED) for an IMEI, or `imei_count` for a period in days."""

    imei_result: Text | None = Field(None, validation_alias=AliasChoices("imeiRes", "imei_result"))
    imei_count: Count | None = None

    @model_validator(mode="after")
    def _check_not_empty(self) -> DeviceCheck:
        if self.imei_result is None and self.imei_count is None:
            raise ValueError("neither imeiRes nor imeiCount")
        return self

    @property
    def matches(self) -> bool:
        """Whether the vendor says that the complete IMEI matches. Any other result is no match."""
        return (self.imei_result or "").casefold() == "completely_matched"


class Lifetime(ResponseModel):
    """How long ago the SIM was activated or changed: between `at_least` and `at_most`, in `time_unit`.

    `at_most` is None when the vendor names no upper bound.
    """

    at_least: Count = Field(0, validation_alias=AliasChoices("from", "at_least"))
    at_most: Count | None = Field(None, validation_alias=AliasChoices("to", "at_most"))
    time_unit: Text


class LifetimeCheck(PaidModel):
    """The response to the lifetime check."""

    lifetime_duration: Lifetime


class Score(PaidModel):
    """A subscriber's financial score."""

    score: Number = Field(validation_alias=AliasChoices("score", "scoreBal"))


class Accepted(PaidModel):
    """An accepted message. `reserved_segments` is how many SMS the vendor has reserved for it, if known."""

    message_id: MessageId = Field(validation_alias=AliasChoices("msgId", "msgID", "mid", "message_id"))
    reserved_segments: Count | None = Field(
        None, validation_alias=AliasChoices("reservedSmsSegments", "reserved_segments")
    )


class BatchAccepted(PaidModel):
    """The response to a batch of SMS: what became of each, by our name of it in this request."""

    data: dict[str, Any]


class BatchItem(ResponseModel):
    """What became of one SMS of a batch: the vendor has accepted or refused it, or does not say it."""

    message_id: MessageId | None = Field(
        None, validation_alias=AliasChoices("msgId", "msgID", "mid", "message_id")
    )
    reserved_segments: Count | None = Field(
        None, validation_alias=AliasChoices("reservedSmsSegments", "reserved_segments")
    )
    code: str | None = Field(None, validation_alias=AliasChoices("errorCode", "code"))
    reason: str | None = Field(None, validation_alias=AliasChoices("errorMsg", "reason"))
    """The vendor's text about a refusal. It may repeat the number."""

    @property
    def state(self) -> Literal["accepted", "refused", "unknown"]:
        """`unknown` if there is neither an id nor a code, or both: it may or may not have been accepted."""
        if (self.message_id is None) == (self.code is None):
            return "unknown"
        return "accepted" if self.code is None else "refused"


UNKNOWN_ITEM = BatchItem.model_validate({})
"""An SMS of a batch that the response says nothing about."""


@dataclass(frozen=True)
class BatchResult:
    """The result of a batch: one item for each SMS, in their order."""

    items: Sequence[BatchItem]
    request_id: str | None = None
    reserved_units: int | float | None = None


class MultichannelAccepted(PaidModel):
    """An accepted multichannel message."""

    message_id: MessageId = Field(validation_alias=AliasChoices("multiMsgId", "message_id"))


class MessageStatus(ResponseModel):
    """A message's status, and the time of its last change: `date` is the vendor's text, `moment` the time."""

    message_id: Text = Field(
        validation_alias=AliasChoices("msgId", "msgID", "mid", "multiMsgId", "message_id")
    )
    status: Text
    date: str | None = None

    @property
    def state(self) -> MessageState:
        """The status as an enum."""
        return MessageState(self.status)

    @property
    def is_delivered(self) -> bool:
        """Whether the message was delivered, read or not."""
        return self.state in (MessageState.DELIVERED, MessageState.SEEN)

    @property
    def moment(self) -> datetime | None:
        """`date` as an aware time; None if it is missing or not RFC 3339, which the document promises."""
        try:
            return _TIMESTAMP.validate_python(self.date)
        except ValidationError:
            return None


class BearerReport(ResponseModel):
    """What became of a multichannel message on one channel (`bearer_type`, such as sms or viber)."""

    bearer_type: Text
    state: Text
    date: str | None = None
    message_id: str | None = Field(None, validation_alias=AliasChoices("mid", "message_id"))


class MultichannelStatus(MessageStatus):
    """The status of a multichannel message.

    `bearer_type` is the channel that the status is about: the one that has delivered it. `reports` has one
    entry for each channel that was tried.
    """

    bearer_type: str | None = None
    reports: list[BearerReport] = Field(default_factory=list)

    def has_expired(self, last_channel: str | None) -> bool:
        """Whether no channel will deliver it. The vendor goes on to the next channel when one has expired.

        Nobody says whether `status` is that of the whole message or of the channel in `bearer_type`. So the
        last channel, or two of them, must have expired, unless no channel is named at all.
        """
        if self.state is not MessageState.EXPIRED:
            return False
        if any(MessageState(one.state) is not MessageState.EXPIRED for one in self.reports):
            return False
        named = {one.bearer_type.casefold() for one in self.reports}
        if self.bearer_type is not None:
            named.add(self.bearer_type.casefold())
        return not named or len(named) > 1 or last_channel in named

    @property
    def delivered_by(self) -> str | None:
        """The channel that has delivered it; without `bearer_type` the one whose report says so."""
        if not self.is_delivered or self.bearer_type is not None:
            return self.bearer_type if self.is_delivered else None
        arrived = (MessageState.DELIVERED, MessageState.SEEN)
        return next((one.bearer_type for one in self.reports if MessageState(one.state) in arrived), None)


class ImageAdded(ResponseModel):
    """The response to a picture for a promo."""

    success: bool


class MessageContent(ResponseModel):
    """The content of a promo. `message_param_count` is the number of variables in its text."""

    message_param_count: Count = 0


class Promo(ResponseModel):
    """A promo: an SMS campaign. Its dates are the vendor's texts, of undocumented format and zone."""

    id: Text
    status: Text
    next_available_statuses: list[Text] = Field(default_factory=list)
    author_username: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    text_to_send: str | None = None
    message_content: MessageContent | None = None

    @property
    def state(self) -> PromoState:
        """The status as an enum."""
        return PromoState(self.status)

    @property
    def param_count(self) -> int | None:
        """The number of params that each recipient needs; None if the vendor does not say it."""
        return self.message_content.message_param_count if self.message_content else None


class PromoList(ResponseModel):
    """One page of the list of promos, and the totals, if the vendor sends them."""

    promos: list[Promo] = Field(default_factory=list)
    total_pages: Count | None = None
    total_elements: Count | None = None

    @model_validator(mode="after")
    def _check_not_empty(self) -> PromoList:
        if not self.model_fields_set & {"promos", "total_elements"}:
            raise ValueError("neither promos nor totalElements")
        return self


class Audience(ResponseModel):
    """A chunk of recipients that was added to a draft. `name` is the vendor's name of the list."""

    name: Text


class PromoStatistics(ResponseModel):
    """How many messages of a promo were sent, and their states. Portions are SMS segments.

    Counts that the vendor does not send are None.
    """

    sent_count: Count
    deliveries_count: Count
    undelivered_count: Count | None = None
    unknown_status_count: Count | None = None
    expired_count: Count | None = None
    seen_count: Count | None = None
    blacklisted_count: Count | None = None
    declined_count: Count | None = None
    was_not_sent: Count | None = None
    unmatched_count: Count | None = None
    canceled_by_contact_policy_count: Count | None = None
    deliveries_portions_count: Count | None = None
    deliveries_unmatched_portions_count: Count | None = None
    deliveries_internal_portions_count: Count | None = None
    deliveries_external_portions_count: Count | None = None
