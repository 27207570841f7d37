"""What became of orders, what things cost, and which exports are kept."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from pydantic import AliasChoices, Field

from airflow_provider_telecom.vendors.ketchup_loyalty.models.answer import Answer, Money, PerhapsText, Text


@dataclass(frozen=True)
class SendResult:
    """What became of one message or look-up: accepted with `id` and price, known already, or refused.

    A duplicate is one that KetchUp has had under this key before; it is not sent or charged again. Its id
    is given for HLR only; ask by reference for the others. `throttled` ones were refused because too many
    are under way: send them again later. `keyed` is False when the vendor did not give our key back, so
    that nothing would tell a copy from a second message. `task_id` names the batch in which it was accepted.
    """

    reference: str | None
    id: str | None = None
    price: Decimal | None = None
    currency: str | None = None
    code: str | None = None
    duplicate: bool = False
    throttled: bool = False
    keyed: bool = True
    task_id: str | None = None

    @property
    def accepted(self) -> bool:
        """Whether KetchUp has the message, from this call or an earlier one."""
        return self.code is None or self.duplicate

    @property
    def is_new(self) -> bool:
        """Whether KetchUp has accepted it by this call."""
        return self.code is None


@dataclass(frozen=True)
class BatchResult:
    """What became of many messages, one by one: the whole may be fine and single ones refused."""

    results: Sequence[SendResult]
    total_price: Decimal | None = None
    currency: str | None = None

    @property
    def task_ids(self) -> Sequence[str]:
        """The batches that the vendor made of it: one, or more when it had to be sent in parts.

        None when nothing was accepted. That of a lost answer is lost.
        """
        named = (result.task_id for result in self.results)
        return list(dict.fromkeys(task_id for task_id in named if task_id is not None))

    @property
    def task_id(self) -> str | None:
        """The first of `task_ids`."""
        return next(iter(self.task_ids), None)


class Price(Answer):
    """What something would cost."""

    total_price: Money = Field(validation_alias=AliasChoices("totalprice", "total_price"))
    currency: Text


class CountryPrice(Answer):
    """The price of one message or look-up in a country; `mcc` is its mobile country code."""

    country: Text
    price: Money
    currency: Text
    country_name: PerhapsText = None
    mcc: PerhapsText = None
    type: PerhapsText = None


@dataclass(frozen=True)
class StatisticsExport:
    """An export that the vendor keeps, and its item as it came: the document shows no answer."""

    key: str
    raw: Any
