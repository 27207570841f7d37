"""Counting the results of messages and look-ups, and when they are an error of the whole task."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomThrottledError,
)

if TYPE_CHECKING:
    from airflow_provider_telecom.journal.unknown import Facts
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import AcceptedResults, SendResult

T = TypeVar("T")

VENDOR_FAILED, NO_FUNDS, TOO_LARGE = "5", "8", "12"
_LEFT_OUT = ("unknown", "unkeyed", "announced_keyed", "unpriced")
_FIRST_PAUSE, _MAX_PAUSE = 0.5, 10.0
_RETRY_AFTER = 60.0


@dataclass
class SendCounts:
    """The results of the first `rows` recipients, counted. All of it is JSON, for the journal."""

    rows: int = 0
    accepted: int = 0
    known_before: int = 0
    """Those that the vendor recognised by their keys: an earlier try has sent them."""
    refused: dict[str, int] = field(default_factory=dict)
    """By the vendor's code."""
    price: str = "0"
    """Of the accepted ones; the vendor does not give the price of those known before again."""
    currency: str | None = None
    """One, or several separated by commas."""
    task_ids: list[str] = field(default_factory=list)
    unknown: int = 0
    """Those of which nobody can know whether they were sent."""
    unkeyed: int = 0
    """Accepted ones whose keys the vendor did not return."""
    announced_keyed: bool = False
    """Whether the vendor had returned keys to the process that announced the next messages. Viber only."""
    unpriced: int = 0
    """Those that may have been charged, but whose price the vendor did not give."""

    def add(self, results: Sequence[SendResult | None]) -> None:
        """Count the results of the next recipients; None for one that nobody can know."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import AcceptedResults

        if isinstance(results, AcceptedResults):
            self._add_accepted(results)
            return
        known = [result for result in results if result is not None]
        new = [result for result in known if result.code is None]
        coded = [result for result in known if result.code is not None]  # duplicates and refused ones
        accepted = [*new, *(result for result in coded if result.duplicate)]
        priced = [(result.price, result.currency) for result in accepted if result.price is not None]
        refused = Counter(self.refused)
        refused.update(str(result.code) for result in coded if not result.duplicate)
        self.rows += len(results)
        self.accepted += len(new)
        self.known_before += sum(result.duplicate for result in coded)
        self.unknown += len(results) - len(known)
        self.unpriced += len(results) - len(priced) - sum(not result.duplicate for result in coded)
        self.unkeyed += len([result for result in accepted if not result.key_returned])
        self.refused = dict(refused)
        self.price = str(sum((price for price, _ in priced if price), Decimal(self.price)))
        currencies = {currency for _, currency in priced if currency}.union(self.currencies)
        self.currency = ",".join(sorted(currencies)) or None
        task_ids = [result.task_id for result in known if result.task_id is not None]
        self.task_ids += dict.fromkeys(task_ids)

    def _add_accepted(self, results: AcceptedResults) -> None:
        self.rows += len(results)
        self.accepted += len(results)
        amounts, currencies = Counter(results.prices), set(self.currencies)
        self.unpriced += amounts.pop(None, 0)
        whole = sum((price * times for price, times in amounts.items() if price), Decimal(self.price))
        self.price = str(whole)
        pairs = set(zip(results.prices, results.currencies, strict=True))
        currencies.update(currency for price, currency in pairs if currency and price is not None)
        self.currency = ",".join(sorted(currencies)) or None
        if results.task_id is not None:
            self.task_ids.append(results.task_id)

    @property
    def currencies(self) -> Sequence[str]:
        """Return the currencies of the price."""
        return self.currency.split(",") if self.currency else ()

    @property
    def for_metrics(self) -> tuple[int, Mapping[str | None, Decimal]]:
        """Return how many were accepted and what they cost; amounts of several currencies are left out."""
        names = self.currencies
        return self.accepted, {names[0]: Decimal(self.price)} if len(names) == 1 else {}

    @property
    def may_be_sent(self) -> int:
        """How many messages the vendor has, or may have."""
        return self.accepted + self.known_before + self.unknown

    @property
    def handed_over(self) -> int:
        """How many have certainly got nothing because the connection has failed."""
        return self.refused.get(NOT_SENT, 0)

    def stored(self) -> Facts:
        """Return the counts for the journal. Some are left out while they are 0."""
        return {name: value for name, value in asdict(self).items() if value or name not in _LEFT_OUT}

    def facts(self) -> Facts:
        """Return `{"accepted", "known_before", "refused": {code: count}, "price", "currency"}`.

        Amounts of several currencies are not added up: `price` is None.
        """
        names = ("accepted", "known_before", "refused", "price", "currency")
        facts = {name: getattr(self, name) for name in names}
        facts["refused"] = {code: times for code, times in self.refused.items() if code != NOT_SENT}
        return facts if len(self.currencies) <= 1 else {**facts, "price": None}


def merged(all_counts: Iterable[SendCounts]) -> SendCounts:
    """Return the counts of several groups together."""
    whole, price, currencies = SendCounts(), Decimal(0), set[str]()
    refused, task_ids = Counter[str](), dict[str, None]()
    for counts in all_counts:
        for name in ("rows", "accepted", "known_before", "unknown", "unkeyed", "unpriced"):
            setattr(whole, name, getattr(whole, name) + getattr(counts, name))
        price += Decimal(counts.price)
        currencies.update(counts.currencies)
        refused.update(counts.refused)
        task_ids.update(dict.fromkeys(counts.task_ids))
    whole.price, whole.currency = str(price), ",".join(sorted(currencies)) or None
    whole.refused, whole.task_ids = dict(refused), list(task_ids)
    return whole


def count_results(results: Sequence[SendResult]) -> SendCounts:
    """Return the counts of all results of a task."""
    counts = SendCounts()
    counts.add(results)
    return counts


def is_too_large(error: TelecomRejectedError) -> bool:
    """Return whether the vendor has refused a whole batch because it is too large."""
    return error.code == TOO_LARGE


def is_temporary(result: SendResult) -> bool:
    """Return whether a message is refused only for now."""
    return result.throttled or result.code == VENDOR_FAILED


def raise_if_out_of_funds(results: Sequence[SendResult], call: str, partial: bool = False) -> None:
    """Raise TelecomFundsError if a message was refused for lack of money."""
    if any(result.code == NO_FUNDS for result in results):
        raise TelecomFundsError("the account is out of money", call=call, code=NO_FUNDS, partial=partial)


def raise_if_temporary(results: Sequence[SendResult], call: str) -> None:
    """Raise an error if messages are refused only for now. The next try sends all again, under their keys.

    It is `partial` also if the vendor does not know what became of a message: it may have been sent.
    """
    partial = any(result.accepted or result.code == VENDOR_FAILED for result in results)
    raise_if_out_of_funds(results, call, partial)
    if late := [result for result in results if is_temporary(result)]:
        text = f"{len(late)} of {len(results)} are refused for now"
        raise TelecomThrottledError(
            text, call=call, code=late[0].code, retry_after=_RETRY_AFTER, partial=partial
        )


def raise_if_refused(
    refused: Mapping[str, int], whole: int, max_rejected: int | None, call: str, noun: str = "messages"
) -> None:
    """Raise TelecomRejectedError if more than `max_rejected` of `whole` were refused; None: if all were."""
    count = sum(refused.values())
    if count > (whole - 1 if max_rejected is None else max_rejected):
        codes = ", ".join(f"code {code}: {times}" for code, times in refused.items())
        text = f"{count} of {whole} {noun} were refused ({codes})"
        raise TelecomRejectedError(text, call=call, code=next(iter(refused)))


def wait_until_found(find: Callable[[], T], seconds: float = 60.0) -> T:
    """Return what `find` returns about something that the vendor has; it may take a while to appear.

    Raises TelecomNotFoundError after `seconds`.
    """
    ends, pause = time.monotonic() + seconds, _FIRST_PAUSE
    while True:
        try:
            return find()
        except TelecomNotFoundError:
            if time.monotonic() + pause > ends:
                raise
        time.sleep(pause)
        pause = min(2 * pause, _MAX_PAUSE)
