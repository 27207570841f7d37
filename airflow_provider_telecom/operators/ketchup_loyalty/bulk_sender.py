"""Sending SMS to any number of recipients through KetchUp: in chunks, each message under a key of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.journal.reference import IdempotencyKeys
from airflow_provider_telecom.operators.campaigns.recipients import Audience
from airflow_provider_telecom.operators.campaigns.text_template import TextTemplate
from airflow_provider_telecom.operators.ketchup_loyalty.results import NO_FUNDS, TOO_LARGE, VENDOR_FAILED

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
        BatchResult,
        IndividualSms,
        Recipient,
        SendResult,
    )

    Order = Recipient | IndividualSms

_ROUNDS = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0
_NOTHING_WAS_SENT = (
    TelecomInputError,
    TelecomRejectedError,
    TelecomAuthError,
    TelecomThrottledError,
    TelecomNotSentError,
)
"""The errors of a send that say so. After any other error the messages may have been sent."""


@dataclass(frozen=True)
class Message:
    """What everybody gets. Options are the hook's: `validity_hours`, `tariff`, `schedule_at`."""

    text: TextTemplate
    originator: str
    options: Mapping[str, Any]


@dataclass
class SendCounts:
    """What has become of the first `rows` recipients. All of it is JSON, for the journal."""

    rows: int = 0
    accepted: int = 0
    known_before: int = 0
    """Messages of an earlier try, which the vendor recognised by their keys."""
    refused: dict[str, int] = field(default_factory=dict)
    """By the vendor's code."""
    price: str = "0"
    """Of accepted messages; the vendor does not say that of those known before."""
    currency: str | None = None
    task_ids: list[str] = field(default_factory=list)

    def take(self, results: Sequence[SendResult]) -> None:
        """Count the results of the next recipients."""
        self.rows += len(results)
        self.known_before += sum(result.duplicate for result in results)
        self.accepted += sum(result.is_new for result in results)
        refused = Counter(self.refused)
        refused.update(str(result.code) for result in results if not result.accepted)
        self.refused = dict(refused)
        new = [result for result in results if result.accepted and result.price is not None]
        self.price = str(sum((result.price or Decimal(0) for result in new), Decimal(self.price)))
        self.currency = next((result.currency for result in new if result.currency), self.currency)
        self.task_ids += dict.fromkeys(result.task_id for result in results if result.task_id is not None)


class BulkSender:
    """One send: what, through which hook, in chunks of which size."""

    def __init__(
        self,
        hook: KetchUpHook,
        message: Message,
        namer: IdempotencyKeys,
        chunk_size: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hook, self._message, self._idempotency_keys = hook, message, namer
        self.chunk_size = chunk_size
        self._sleep, self._slowness = pause, 0.0
        self._is_in_doubt = False
        """Whether anything of the present chunk may have been sent."""
        self.perhaps_sent = 0
        """How many messages of the chunk that raised an error may have been sent."""

    def orders(self, audience: Audience, skip: int = 0) -> Iterator[Order]:
        """Return the messages to all recipients in their order, without the first `skip`."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import IndividualSms, Recipient

        text, originator = self._message.text, self._message.originator
        if text.columns:
            for msisdn, *values in audience.entries(skip):
                own = text.fill(values)
                yield IndividualSms(msisdn, own, self._idempotency_keys(msisdn, originator, own), originator)
        else:
            same = text.fill(())
            for (msisdn,) in audience.entries(skip):
                yield Recipient(msisdn, self._idempotency_keys(msisdn, originator, same))

    def cost(self, audience: Audience, most: Decimal | None, after: SendCounts) -> tuple[Decimal, str | None]:
        """Return what all would cost: what `after` has cost, and the vendor's price for those after it.

        Raises TelecomInputError as soon as it is more than `most`, and when prices come in several
        currencies. Nothing is sent.
        """
        total = Decimal(after.price)
        currencies = set() if after.currency is None else {after.currency}
        orders = self.orders(audience, after.rows)
        while chunk := list(islice(orders, self.chunk_size)):
            prices = self._in_pieces(chunk, self._price)
            total += sum((price.total_price for price in prices), Decimal(0))
            currencies |= {price.currency for price in prices}
            if len(currencies) > 1:
                raise TelecomInputError("max_cost", f"prices come in {', '.join(sorted(currencies))}")
            if most is not None and total > most:
                rule = f"is less than what it would cost (at least {total} {prices[0].currency})"
                raise TelecomInputError("max_cost", f"{rule}; nothing was sent", shown=str(most))
        return total, next(iter(currencies), None)

    def send(self, orders: Sequence[Order], counts: SendCounts) -> Iterator[list[tuple[Order, SendResult]]]:
        """Send messages chunk by chunk, and count in `tally`.

        Yields what became of each chunk once it is counted. Raises TelecomFundsError (nothing of the
        chunk counts then, and a later try sends it again under the same keys), and what the hook raises.
        """
        left = list(orders)
        while left:
            chunk, left = left[: self.chunk_size], left[self.chunk_size :]
            self._is_in_doubt = False
            try:
                done = self._settled(chunk)
            except BaseException:
                self.perhaps_sent = len(chunk) if self._is_in_doubt else 0
                raise
            counts.take(done)
            yield list(zip(chunk, done, strict=True))
            if self._slowness:
                self._sleep(self._slowness)

    def _settled(self, orders: Sequence[Order]) -> list[SendResult]:
        """Send a chunk until the vendor has said something lasting about each message of it."""
        found: dict[int, SendResult] = {}
        open_places = list(range(len(orders)))
        for round_ in range(_ROUNDS):
            batches = self._in_pieces([orders[place] for place in open_places], self._send)
            results = [result for batch in batches for result in batch.results]
            found |= zip(open_places, results, strict=True)
            if any(result.code == NO_FUNDS for result in results):
                raise TelecomFundsError("the account is out of money", call="POST /sms/create", code=NO_FUNDS)
            open_places = [place for place in open_places if _passes(found[place])]
            if not open_places:
                self._slowness = self._slowness / 2 if self._slowness > 0.1 else 0.0
                return [found[place] for place in range(len(orders))]
            self._slowness = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**round_)
            self._sleep(self._slowness)
        raise TelecomThrottledError(
            f"{len(open_places)} messages are still refused as too many at once", retry_after=_LONGEST_PAUSE
        )

    def _in_pieces(self, orders: Sequence[Order], call: Callable[[Sequence[Order]], Any]) -> list[Any]:
        """Make a call for a chunk; in halves when the vendor says that it is too large, and ever after."""
        try:
            return [call(orders)]
        except TelecomRejectedError as error:
            if error.code != TOO_LARGE or len(orders) == 1:
                raise
        half = -(-len(orders) // 2)
        self.chunk_size = min(self.chunk_size, half)
        return [*self._in_pieces(orders[:half], call), *self._in_pieces(orders[half:], call)]

    def _send(self, orders: Sequence[Order]) -> BatchResult:
        before, self._is_in_doubt = self._is_in_doubt, True
        try:
            batch: BatchResult = self._called(
                orders, self._hook.send_sms_to_many, self._hook.send_individual_sms
            )
        except _NOTHING_WAS_SENT as error:
            self._is_in_doubt = before or error.partial
            raise
        return batch

    def _price(self, orders: Sequence[Order]) -> Any:
        """Ask for a price under other keys: those of messages that an earlier try has sent are known."""
        asked = [replace(order, reference=f"p{place}") for place, order in enumerate(orders)]
        return self._called(asked, self._hook.price_sms_to_many, self._hook.price_individual_sms)

    def _called(
        self, orders: Sequence[Order], to_many: Callable[..., Any], individual: Callable[..., Any]
    ) -> Any:
        text, originator = self._message.text, self._message.originator
        if text.columns:
            return individual(orders, **self._message.options)
        return to_many(orders, text.fill(()), originator=originator, **self._message.options)


def line_of(order: Order, result: SendResult) -> dict[str, Any]:
    """Return the line of a message in the file of results."""
    state = "known_before" if result.duplicate else "accepted" if result.accepted else "refused"
    return {
        "msisdn": order.msisdn,
        "reference": result.reference,
        "state": state,
        "id": result.id,
        "code": result.code,
        "price": None if result.price is None else str(result.price),
        "currency": result.currency,
        "task_id": result.task_id,
    }


def _passes(result: SendResult) -> bool:
    return result.throttled or result.code == VENDOR_FAILED
