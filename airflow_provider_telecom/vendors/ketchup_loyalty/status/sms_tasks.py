"""Counts over the SMS tasks (batches) of one send, and whether enough messages were delivered.

A task does not say how many messages it has: `sent` counts those that have gone out so far, whatever their
state. `unknown` ones have no final receipt, and may still get one.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from airflow_provider_telecom.vendors.ketchup_loyalty.models import SmsTask
from airflow_provider_telecom.vendors.poll_result import Stage

_COUNTED = ("sent", "delivered", "undeliverable", "expired", "unknown")


@dataclass(frozen=True)
class TaskCounts:
    """How many messages are in which state. `price` is Decimal as text."""

    sent: int = 0
    delivered: int = 0
    undeliverable: int = 0
    expired: int = 0
    unknown: int = 0
    price: str = "0"
    currency: str | None = None
    """One, or several separated by commas."""

    @classmethod
    def of(cls, task: SmsTask) -> TaskCounts:
        """Return the counts of one task."""
        counts = {name: getattr(task, name) for name in _COUNTED}
        return cls(**counts, price=str(task.total_price + 0), currency=task.currency or None)

    def __add__(self, other: TaskCounts) -> TaskCounts:
        if self == _NOTHING:  # so for each waiter of one task, at each poll
            return other
        return TaskCounts(
            **{name: getattr(self, name) + getattr(other, name) for name in _COUNTED},
            price=str(Decimal(self.price) + Decimal(other.price)),
            currency=",".join(sorted({*_currencies(self), *_currencies(other)})) or None,
        )

    @property
    def undelivered(self) -> int:
        """How many have ended without delivery."""
        return self.undeliverable + self.expired

    @property
    def final(self) -> int:
        """How many have their final receipt."""
        return self.delivered + self.undelivered

    @property
    def is_final(self) -> bool:
        """Whether something has gone out, and all of it has its final receipt."""
        return 0 < self.sent <= self.final

    def stored(self) -> dict[str, int | str | None]:
        """Return the fields, from which `TaskCounts(**stored)` makes an equal object."""
        return dict(vars(self))  # each waiter does this at each poll, and `asdict` takes much longer

    def facts(self) -> dict[str, int | str | None]:
        """Return the counts for an XCom. Amounts of several currencies are not added up."""
        price = self.price if len(_currencies(self)) <= 1 else None
        return {**self.stored(), "undelivered": self.undelivered, "price": price}


_NOTHING = TaskCounts()


@dataclass(frozen=True)
class Threshold:
    """When waiting ends. Both are percentages; `expected` is how many messages there are, if known."""

    expected: int | None
    delivered: Decimal | None
    final: Decimal

    def stage(self, counts: TaskCounts, all_begun: bool, all_final: bool) -> Stage:
        """Judge `counts` over all tasks: whether something of each went out, and whether each looks final.

        Before the end it is only known with `expected` that enough are delivered, or can't be any more.
        """
        whole = max(self.expected or 0, counts.sent)
        if self.delivered is not None and self.expected is not None and whole:
            if _reaches(counts.delivered, whole, self.delivered):
                return Stage.SUCCEEDED
            if not _reaches(whole - counts.undelivered, whole, self.delivered):
                return Stage.FAILED
        if not self._is_over(counts, whole, all_begun, all_final):
            return Stage.WAITING
        # Of no messages at all, only no percentage is reached.
        enough = not self.delivered or (whole > 0 and _reaches(counts.delivered, whole, self.delivered))
        return Stage.SUCCEEDED if enough else Stage.FAILED

    def _is_over(self, counts: TaskCounts, whole: int, all_begun: bool, all_final: bool) -> bool:
        if self.final == 100:
            return all_final and counts.final >= whole
        return (all_begun or self.expected is not None) and _reaches(counts.final, whole, self.final)

    def facts(self) -> dict[str, str]:
        """Return the threshold, to be shown beside counts that do not reach it."""
        return {} if self.delivered is None else {"min_delivered_percent": str(self.delivered)}


def _reaches(part: int, whole: int, least: Decimal) -> bool:
    return part * 100 >= least * whole


def _currencies(counts: TaskCounts) -> list[str]:
    return counts.currency.split(",") if counts.currency else []
