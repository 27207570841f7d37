"""What Kyivstar Open Telecom answers.

The vendor's document shows no bodies. Field names are those that public clients use; whatever else an
answer holds is kept under the vendor's names in `model_extra`, and null means that a field is not there.
Statuses stay the vendor's words; `state` says which of them we know. Message ids of the mock server hold
the phone number: treat ids as personal data.
"""

from __future__ import annotations

import re
from datetime import datetime
from enum import StrEnum
from typing import Annotated, Any

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

Word = Annotated[str, StringConstraints(strip_whitespace=True, min_length=1)]
"""An id, a status or a code: blanks around it mean nothing. Texts keep theirs."""


def _no_truth(value: object) -> object:
    if isinstance(value, bool):
        raise ValueError("true and false are no numbers")
    return value


Whole = Annotated[int, BeforeValidator(_no_truth), Field(ge=0)]
"""A count. pydantic would read true as 1, and no device would look like one."""
Number = Annotated[int | float, BeforeValidator(_no_truth), Field(allow_inf_nan=False)]


def _an_id(value: str) -> str:
    if not re.fullmatch("[!-~]{1,128}", value) or value.startswith("-") or value == "0":
        raise ValueError("must be printable, without blanks, and neither 0 nor negative")
    return value


MessageId = Annotated[Word, AfterValidator(_an_id)]
"""The id of a message that was taken over. Without one that can be asked for the send is unknown."""

_MOMENT: TypeAdapter[datetime] = TypeAdapter(AwareDatetime)


class Answer(BaseModel):
    """What all answers share. `request_id` is the id that the vendor's support asks for."""

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


class State(StrEnum):
    """A vendor's status that we know. It is found in any case of letters; all others are UNKNOWN."""

    @classmethod
    def _missing_(cls, value: object) -> State:
        word = str(value).strip().casefold()
        return next((state for state in cls if state.value.casefold() == word), cls["UNKNOWN"])


class MessageState(State):
    """Where an SMS or a Viber message is."""

    ACCEPTED = "accepted"
    DELIVERED = "delivered"
    SEEN = "seen"
    EXPIRED = "expired"
    """Final: it was not delivered in time. Found in a public client; the document names no such state."""
    UNKNOWN = "unknown"
    """A status that is not known here. It is never taken for a final one."""


class PromoState(State):
    """Where a mailing is. Only WAITING (into the queue) and SUSPENDED (stop) can be set."""

    DRAFT = "DRAFT"
    WAITING = "WAITING"
    ACTIVE = "ACTIVE"
    SUSPENDED = "SUSPENDED"
    COMPLETED = "COMPLETED"
    UNKNOWN = "UNKNOWN"
    """A status that is not known here. It is never taken for a final one."""


class SimCheck(Answer):
    """Whether the SIM was changed within the hours asked for, and whether it is active now."""

    sim_changed: bool
    is_active: bool


class SimCount(Answer):
    """How many SIMs a number had within the days asked for; 10 means 10 or more."""

    sim_count: Whole

    @property
    def is_at_least(self) -> bool:
        """Whether there may have been more than `sim_count`."""
        return self.sim_count >= 10


class DeviceCheck(Answer):
    """`imei_result` answers an IMEI (COMPLETELY_MATCHED and others), `imei_count` a period in days."""

    imei_result: Word | None = Field(None, validation_alias=AliasChoices("imeiRes", "imei_result"))
    imei_count: Whole | None = None

    @model_validator(mode="after")
    def _says_something(self) -> DeviceCheck:
        if self.imei_result is None and self.imei_count is None:
            raise ValueError("neither imeiRes nor imeiCount")
        return self

    @property
    def matches(self) -> bool:
        """Whether the vendor says that the whole IMEI is the subscriber's. Any other word is no match."""
        return (self.imei_result or "").casefold() == "completely_matched"


class Lifetime(Answer):
    """How long ago the SIM was activated or changed: between `at_least` and `at_most`, in `time_unit`.

    `at_most` is None when the vendor names no upper bound.
    """

    at_least: Whole = Field(0, validation_alias=AliasChoices("from", "at_least"))
    at_most: Whole | None = Field(None, validation_alias=AliasChoices("to", "at_most"))
    time_unit: Word


class LifetimeCheck(Answer):
    """What the lifetime check answers."""

    lifetime_duration: Lifetime


class Score(Answer):
    """A subscriber's financial score, by some predictive model."""

    score: Number = Field(validation_alias=AliasChoices("score", "scoreBal"))


class Accepted(Answer):
    """A message that the vendor took over. `reserved_segments` are the SMS reserved for it, if it said so."""

    message_id: MessageId = Field(validation_alias=AliasChoices("msgId", "msgID", "mid", "message_id"))
    reserved_segments: Whole | None = Field(
        None, validation_alias=AliasChoices("reservedSmsSegments", "reserved_segments")
    )


class MessageStatus(Answer):
    """One message's status, and since when it has been in it: `date` as it came, `moment` as a time."""

    message_id: Word = Field(validation_alias=AliasChoices("msgId", "msgID", "mid", "message_id"))
    status: Word
    date: str | None = None

    @property
    def state(self) -> MessageState:
        """The status, if it is one that is known here."""
        return MessageState(self.status)

    @property
    def is_delivered(self) -> bool:
        """Whether the message has arrived, read or not."""
        return self.state in (MessageState.DELIVERED, MessageState.SEEN)

    @property
    def moment(self) -> datetime | None:
        """`date` as an aware time; None if there is none or it is not the RFC 3339 that was promised."""
        try:
            return _MOMENT.validate_python(self.date)
        except ValidationError:
            return None


class MessageContent(Answer):
    """What a mailing sends. `message_param_count` is how many variables its text holds."""

    message_param_count: Whole = 0


class Promo(Answer):
    """A mailing. Its dates stay as they come: the document does not say which form and zone they have."""

    id: Word
    status: Word
    next_available_statuses: list[Word] = Field(default_factory=list)
    author_username: str | None = None
    start_date: str | None = None
    end_date: str | None = None
    text_to_send: str | None = None
    message_content: MessageContent | None = None

    @property
    def state(self) -> PromoState:
        """The status, if it is one that is known here."""
        return PromoState(self.status)

    @property
    def param_count(self) -> int | None:
        """How many params each recipient needs; None if the vendor did not say."""
        return self.message_content.message_param_count if self.message_content else None


class PromoList(Answer):
    """One page of the list of mailings, with the numbers that the vendor gives for the whole."""

    promos: list[Promo] = Field(default_factory=list)
    total_pages: Whole | None = None
    total_elements: Whole | None = None

    @model_validator(mode="after")
    def _says_something(self) -> PromoList:
        if not self.model_fields_set & {"promos", "total_elements"}:
            raise ValueError("neither promos nor totalElements")
        return self


class Audience(Answer):
    """A chunk of recipients that a draft took. `name` is the vendor's name of the list of numbers."""

    name: Word


class PromoStatistics(Answer):
    """How many messages of a mailing went out, and what became of them.

    Counts that the vendor leaves out are None. Portions are SMS segments.
    """

    sent_count: Whole
    deliveries_count: Whole
    undelivered_count: Whole | None = None
    unknown_status_count: Whole | None = None
    expired_count: Whole | None = None
    seen_count: Whole | None = None
    blacklisted_count: Whole | None = None
    declined_count: Whole | None = None
    was_not_sent: Whole | None = None
    unmatched_count: Whole | None = None
    canceled_by_contact_policy_count: Whole | None = None
    deliveries_portions_count: Whole | None = None
    deliveries_unmatched_portions_count: Whole | None = None
    deliveries_internal_portions_count: Whole | None = None
    deliveries_external_portions_count: Whole | None = None
