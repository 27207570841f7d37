"""What NovaConnect's responses contain. Source: "Типы данных" and "Отчёты" of the vendor's document.

Times are Unix seconds; the property `<field>_at` is the same as an aware datetime in UTC (None for 0). Codes
stay open strings; the enums name the documented ones.
"""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal
from enum import StrEnum

from pydantic import BaseModel, ConfigDict, model_validator

from airflow_provider_telecom.vendors.novaconnect.numbers import (
    Id,
    Lock,
    Name,
    OptionalDecimal,
    OptionalInt,
    amount_in,
)
from airflow_provider_telecom.vendors.novaconnect.times import from_unix


class Answer(BaseModel):
    """Base class of everything that NovaConnect sends. Fields that the document does not know are kept."""

    model_config = ConfigDict(frozen=True, extra="allow", coerce_numbers_to_str=True)


class SimBlock(StrEnum):
    """Why a SIM is blocked. Customers can set and lift only `VOLUNTARY`."""

    NONE = "n"
    VOLUNTARY = "u"
    MSU = "m"
    """By the operator for too many MSU; never lifted. Profile TC only."""
    PACKAGE = "p"
    """The package ran out; buying it again lifts the block."""
    FINANCIAL = "f"
    OPERATOR = "g"


class LimitType(StrEnum):
    """The type of a SIM's limit."""

    OFF = "off"
    CALENDAR_MONTH = "month1"
    """Profile TC only."""
    PACKAGE = "p_lim"
    """A package that ends when it is used up. Profile TD only."""
    PACKAGE_RENEWED = "p_unlim"
    """A package that is bought again when it is used up. Profile TD only."""


class Group(Answer):
    """A named group of SIMs. `added` is missing inside a SIM."""

    id: Id
    name: str
    added: OptionalInt = None

    @property
    def added_at(self) -> datetime | None:
        """When the group was created."""
        return from_unix(self.added)


class Limit(Answer):
    """A SIM's limit or package: `value` and `used` in megabytes. `type` is a `LimitType`."""

    type: str
    value: OptionalInt = None
    used: OptionalDecimal = None
    updated: OptionalInt = None
    created: OptionalInt = None

    @property
    def updated_at(self) -> datetime | None:
        """When `used` was updated."""
        return from_unix(self.updated)

    @property
    def created_at(self) -> datetime | None:
        """When the limit was set."""
        return from_unix(self.created)


class Tariff(Answer):
    """A SIM's tariff. `change_lock` is the Unix time until which it cannot be changed, or a truth value."""

    id: OptionalInt = None
    name: str | None = None
    change_lock: Lock = None
    package_auto: bool | None = None

    @property
    def locked_until(self) -> datetime | None:
        """Until when the tariff cannot be changed; None without a lock or without its date."""
        return None if isinstance(self.change_lock, bool) else from_unix(self.change_lock)


class Sim(Answer):
    """A SIM. `profile` is TD or TC; `block` is a `SimBlock`. `balance` is for TC only.

    `groups` is missing in webhooks, `queue_status` is only in those of queues.
    """

    id: Id
    iccid: str
    profile: str
    block: str
    number: str | None = None
    external_number: str | None = None
    name: str | None = None
    balance: OptionalDecimal = None
    currency: str | None = None
    msu_value: OptionalInt = None
    comment: str | None = None
    groups: tuple[Group, ...] | None = None
    limit: Limit | None = None
    tariff: Tariff | None = None
    queue_status: str | None = None


class Queued(Answer):
    """A queued operation. No call returns its state: the webhook or the list of SIMs shows it."""

    queue_id: Name


class RenamedSim(Answer):
    """A SIM's id and new name; or a `queue_id`, as the text of the document says."""

    id: OptionalInt = None
    name: str | None = None
    queue_id: Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> RenamedSim:
        if self.id is None and self.queue_id is None:
            raise ValueError("neither id nor queue_id")
        return self


class Bill(Answer):
    """A bill. `cost` is in EUR, `valute_cost` in `currency`, at the rate `valute_course` of its day."""

    id: Id
    period: str | None = None
    added: OptionalInt = None
    paided: OptionalInt = None
    cost: OptionalDecimal = None
    valute_course: OptionalDecimal = None
    country: str | None = None
    valute_cost: OptionalDecimal = None
    bid: str | None = None
    currency: str | None = None

    @property
    def added_at(self) -> datetime | None:
        """When the bill was added."""
        return from_unix(self.added)

    @property
    def paid_at(self) -> datetime | None:
        """When the payment arrived; None while the bill is unpaid."""
        return from_unix(self.paided)


class Company(Answer):
    """The company. `billing_type` is 0 for payment afterwards, 1 for payment in advance.

    The three balances are texts with a currency sign; the properties return the number in them, or None if it
    is ambiguous.
    """

    id: Id
    name: str
    unique_id: str | None = None
    contract: str | None = None
    country: str | None = None
    billing_type: OptionalInt = None
    overdraft: str | None = None
    balance: str | None = None
    preliminary_balance: str | None = None

    @property
    def balance_amount(self) -> Decimal | None:
        """The number in `balance`."""
        return amount_in(self.balance)

    @property
    def preliminary_balance_amount(self) -> Decimal | None:
        """The number in `preliminary_balance`."""
        return amount_in(self.preliminary_balance)

    @property
    def overdraft_amount(self) -> Decimal | None:
        """The number in `overdraft`."""
        return amount_in(self.overdraft)


class User(Answer):
    """A user of the company. The document does not list the codes of `role`."""

    id: Id
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    active: bool | None = None
    role: str | None = None


class ActionType(StrEnum):
    """The type of a row of the report on calls and SMS."""

    CALL = "call"
    INCOMING_SMS = "in_sms"
    OUTGOING_SMS = "out_sms"
    USSD = "ussd"


class ReportRow(Answer):
    """The fields of the rows of all reports. `id` is that of the SIM; `session_cost` is in EUR."""

    sid: int
    id: Id
    original_number: str | None = None
    iccid: str | None = None
    name: str | None = None
    session_cost: OptionalDecimal = None

    @property
    def key(self) -> tuple[int, ...]:
        """What identifies the row in its report."""
        return (self.sid,)


class SessionRow(ReportRow):
    """A data session. `value` is its traffic in both directions; the document does not name the unit."""

    start: OptionalInt = None
    end: OptionalInt = None
    country_name: str | None = None
    operator_name: str | None = None
    operator_code: str | None = None
    value: OptionalInt = None

    @property
    def start_at(self) -> datetime | None:
        """When the session began."""
        return from_unix(self.start)

    @property
    def end_at(self) -> datetime | None:
        """When the session ended."""
        return from_unix(self.end)


class DayRow(ReportRow):
    """A session's traffic on one day. A session over midnight has a row for each day."""

    day: int
    value: OptionalInt = None

    @property
    def key(self) -> tuple[int, ...]:
        """The session and the day: one `sid` may be on several days."""
        return (self.sid, self.day)

    @property
    def day_at(self) -> datetime | None:
        """The time that stands for the day."""
        return from_unix(self.day)


class ActionRow(ReportRow):
    """A call, an SMS or a USSD request. `type` is an `ActionType`."""

    type: str
    date: OptionalInt = None
    to_number: str | None = None

    @property
    def date_at(self) -> datetime | None:
        """When it was sent or received."""
        return from_unix(self.date)
