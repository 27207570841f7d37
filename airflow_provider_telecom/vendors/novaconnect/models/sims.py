"""SIMs, and what becomes of an operation for them. Source: "Сим-карта" of the vendor's document."""

from __future__ import annotations

from datetime import datetime
from enum import StrEnum

from pydantic import model_validator

from airflow_provider_telecom.vendors.novaconnect.models.answer import Answer
from airflow_provider_telecom.vendors.novaconnect.numbers import Id, Lock, Name, OptionalDecimal, OptionalInt
from airflow_provider_telecom.vendors.novaconnect.times import from_unix


class SimBlock(StrEnum):
    """Why a SIM is blocked. Only `VOLUNTARY` is ours to set and lift."""

    NONE = "n"
    VOLUNTARY = "u"
    MSU = "m"
    """By the operator for too many MSU; never lifted. Profile TC only."""
    PACKAGE = "p"
    """The package ran out; buying it anew lifts it."""
    FINANCIAL = "f"
    OPERATOR = "g"


class LimitType(StrEnum):
    """What kind of limit a SIM has."""

    OFF = "off"
    CALENDAR_MONTH = "month1"
    """Profile TC only."""
    PACKAGE = "p_lim"
    """A package that ends when it is used up. Profile TD only."""
    PACKAGE_RENEWED = "p_unlim"
    """A package that is bought anew when it is used up. Profile TD only."""


class Group(Answer):
    """A named group of SIMs. `added` is missing inside a SIM."""

    id: Id
    name: str
    added: OptionalInt = None

    @property
    def added_at(self) -> datetime | None:
        """When the group was made."""
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
        """When `used` was brought up to date."""
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
        """Until when the tariff cannot be changed; None when there is no lock or no date of it."""
        return None if isinstance(self.change_lock, bool) else from_unix(self.change_lock)


class Sim(Answer):
    """A SIM. `profile` is TD or TC; `block` is a `SimBlock`. `balance` means something for TC only.

    `groups` is missing in call-backs and notices, `queue_status` stands in call-backs only.
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
    """An operation that waits its turn. No call asks how it is: the call-back tells, or the SIMs do."""

    queue_id: Name


class RenamedSim(Answer):
    """A SIM's id and new name; or a `queue_id`, which is what the document's words promise instead."""

    id: OptionalInt = None
    name: str | None = None
    queue_id: Name | None = None

    @model_validator(mode="after")
    def _one_of_both(self) -> RenamedSim:
        if self.id is None and self.queue_id is None:
            raise ValueError("neither id nor queue_id")
        return self
