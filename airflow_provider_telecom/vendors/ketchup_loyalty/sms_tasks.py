"""How the tasks of one send stand as a whole: counts over many tasks, and whether enough has come of them.

A task does not say how many messages it has: `sent` counts those that went out so far, whatever came of
them. `unknown` ones have no final receipt, and may get one yet.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from decimal import Decimal
from typing import Any

from airflow_provider_telecom.vendors.ketchup_loyalty.models import SmsTask
from airflow_provider_telecom.vendors.poll_result import Stage


@dataclass(frozen=True)
class Counts:
    """What has become of messages so far. `price` is Decimal as text; all of it is JSON by `asdict`."""

    sent: int = 0
    delivered: int = 0
    undeliverable: int = 0
    expired: int = 0
    unknown: int = 0
    price: str = "0"
    currency: str | None = None
    """One, or several with commas between them."""

    @classmethod
    def of(cls, task: SmsTask) -> Counts:
        """Return the counts of one task."""
        return cls(
            sent=task.sent,
            delivered=task.delivered,
            undeliverable=task.undeliverable,
            expired=task.expired,
            unknown=task.unknown,
            price=str(task.total_price),
            currency=task.currency,
        )

    def __add__(self, other: Counts) -> Counts:
        currencies = {*_names(self.currency), *_names(other.currency)}
        return Counts(
            sent=self.sent + other.sent,
            delivered=self.delivered + other.delivered,
            undeliverable=self.undeliverable + other.undeliverable,
            expired=self.expired + other.expired,
            unknown=self.unknown + other.unknown,
            price=str(Decimal(self.price) + Decimal(other.price)),
            currency=",".join(sorted(currencies)) or None,
        )

    @property
    def lost(self) -> int:
        """How many ended without being delivered."""
        return self.undeliverable + self.expired

    @property
    def final(self) -> int:
        """How many have their final receipt."""
        return self.delivered + self.lost

    @property
    def is_final(self) -> bool:
        """Whether something went out, and all that did has its final receipt."""
        return 0 < self.sent <= self.final

    def facts(self) -> dict[str, Any]:
        """Return what may stand in an XCom. Amounts of several currencies are not added up."""
        facts = {**asdict(self), "undelivered": self.lost}
        if len(_names(self.currency)) > 1:
            facts["price"] = None
        return facts


@dataclass(frozen=True)
class Wanted:
    """What is waited for. Shares are of 100; `expected` is how many messages there are, if that is known."""

    expected: int | None
    delivered: Decimal | None
    final: Decimal

    def stage(self, counts: Counts, all_begun: bool, all_final: bool) -> Stage:
        """Judge `counts` over all tasks: whether something of each went out, and whether each looks final.

        Only who knows how many there are can tell before the end that enough are delivered, or can no
        longer be.
        """
        whole = max(self.expected or 0, counts.sent)
        if self.delivered is not None and self.expected is not None and whole:
            if _share(counts.delivered, whole, self.delivered):
                return Stage.SUCCEEDED
            if not _share(whole - counts.lost, whole, self.delivered):
                return Stage.FAILED
        if not self._is_over(counts, whole, all_begun, all_final):
            return Stage.WAITING
        return Stage.SUCCEEDED if self._is_enough(counts.delivered, whole) else Stage.FAILED

    def _is_over(self, counts: Counts, whole: int, all_begun: bool, all_final: bool) -> bool:
        if self.final == 100:
            return all_final and counts.final >= whole
        return (all_begun or self.expected is not None) and _share(counts.final, whole, self.final)

    def _is_enough(self, delivered: int, whole: int) -> bool:
        """Whether enough is delivered. Of nothing, only nothing is enough."""
        if not self.delivered:
            return True
        return whole > 0 and _share(delivered, whole, self.delivered)

    def facts(self) -> dict[str, str]:
        """Return what was wanted, to stand beside the counts that missed it."""
        return {} if self.delivered is None else {"min_delivered_percent": str(self.delivered)}


def _share(part: int, whole: int, least: Decimal) -> bool:
    return part * 100 >= least * whole


def _names(currency: str | None) -> list[str]:
    return currency.split(",") if currency else []
