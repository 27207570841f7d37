"""Bills, the company and its people. Source: "Типы данных" of the vendor's document."""

from __future__ import annotations

from datetime import datetime
from decimal import Decimal

from airflow_provider_telecom.vendors.novaconnect.models.answer import Answer
from airflow_provider_telecom.vendors.novaconnect.numbers import Id, OptionalDecimal, OptionalInt, amount_in
from airflow_provider_telecom.vendors.novaconnect.times import from_unix


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
        """When the bill was made."""
        return from_unix(self.added)

    @property
    def paid_at(self) -> datetime | None:
        """When the payment came in; None while the bill is unpaid."""
        return from_unix(self.paided)


class Company(Answer):
    """The company. `billing_type` is 0 for payment afterwards, 1 for payment in advance.

    The three balances are texts with a currency sign; the properties hold the number in them, or None
    when it cannot be told for sure.
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
    """A person of the company. The document does not list the codes of `role`."""

    id: Id
    first_name: str | None = None
    last_name: str | None = None
    phone: str | None = None
    email: str | None = None
    active: bool | None = None
    role: str | None = None
