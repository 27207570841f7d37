"""Sending SMS to any number of recipients: in chunks, each message under a key of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, TypeVar

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.operators.campaigns.chunks import in_halves
from airflow_provider_telecom.operators.campaigns.recipients import Audience
from airflow_provider_telecom.operators.campaigns.text_template import TextTemplate
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    SendCounts,
    is_temporary,
    is_too_large,
    raise_if_out_of_funds,
)

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
    from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import SmsTerms
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
        BatchResult,
        IndividualSms,
        Price,
        Recipient,
        SendResult,
    )

    Sms = Recipient | IndividualSms

R = TypeVar("R")

_CALL = "POST /sms/create"
_MAX_ROUNDS = 8
_FIRST_PAUSE, _MAX_PAUSE = 1.0, 60.0
_NOTHING_WAS_SENT = (
    TelecomInputError,
    TelecomRejectedError,
    TelecomAuthError,
    TelecomThrottledError,
    TelecomNotSentError,
)
"""The errors of a send that prove it. After any other error the messages may have been sent."""


@dataclass(frozen=True)
class Message:
    """What all recipients get: a text, a sender, and options of the hook."""

    text: TextTemplate
    originator: str
    terms: SmsTerms


class BulkSender:
    """Sends one message to many recipients through a hook, and asks for its price."""

    def __init__(
        self,
        hook: KetchUpHook,
        message: Message,
        idempotency_keys: IdempotencyKeys,
        chunk_size: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hook, self._message, self._idempotency_keys = hook, message, idempotency_keys
        self.chunk_size = chunk_size
        self._sleep, self._delay = pause, 0.0
        self._may_be_sent = False
        """Whether any message of the present chunk may have been sent."""
        self.possibly_sent = 0
        """How many messages of the chunk that raised an error may have been sent."""

    def messages(self, audience: Audience, skip: int = 0) -> Iterator[Sms]:
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

    def cost(
        self, audience: Audience, max_cost: Decimal | None, after: SendCounts
    ) -> tuple[Decimal, str | None]:
        """Return what all would cost: what `after` has cost, and the vendor's price for those after it.

        Raises TelecomInputError as soon as it is more than `max_cost`, and when prices come in several
        currencies. Nothing is sent.
        """
        total = Decimal(after.price)
        currencies = set() if after.currency is None else {after.currency}
        for price in self._in_chunks(self.messages(audience, after.rows), self._price):
            total += price.total_price
            currencies.add(price.currency)
            if len(currencies) > 1:
                raise TelecomInputError("max_cost", f"prices come in {', '.join(sorted(currencies))}")
            if max_cost is not None and total > max_cost:
                rule = f"is less than what it would cost (at least {total} {price.currency})"
                raise TelecomInputError("max_cost", f"{rule}; nothing was sent", shown=str(max_cost))
        return total, next(iter(currencies), None)

    def send(self, messages: Sequence[Sms], counts: SendCounts) -> Iterator[list[tuple[Sms, SendResult]]]:
        """Send messages chunk by chunk, and add the results to `counts`.

        Yields the results of each chunk once they are counted. Raises TelecomFundsError (nothing of the
        chunk is counted then, and a later try sends it again under the same keys), and what the hook raises.
        """
        left = list(messages)
        while left:
            chunk, left = left[: self.chunk_size], left[self.chunk_size :]
            self._may_be_sent = False
            try:
                results = self._send_until_final(chunk)
            except BaseException:
                self.possibly_sent = len(chunk) if self._may_be_sent else 0
                raise
            counts.add(results)
            yield list(zip(chunk, results, strict=True))
            if self._delay:
                self._sleep(self._delay)

    def _send_until_final(self, chunk: Sequence[Sms]) -> list[SendResult]:
        """Send a chunk until no message of it is refused only for now."""
        found: dict[int, SendResult] = {}
        open_places = list(range(len(chunk)))
        for round_ in range(_MAX_ROUNDS):
            batches = self._in_halves([chunk[place] for place in open_places], self._send)
            results = [result for batch in batches for result in batch.results]
            found |= zip(open_places, results, strict=True)
            raise_if_out_of_funds(results, _CALL)
            open_places = [place for place in open_places if is_temporary(found[place])]
            if not open_places:
                self._delay = self._delay / 2 if self._delay > 0.1 else 0.0
                return [found[place] for place in range(len(chunk))]
            self._delay = min(_MAX_PAUSE, _FIRST_PAUSE * 2**round_)
            self._sleep(self._delay)
        raise TelecomThrottledError(
            f"{len(open_places)} messages are still refused as too many at once", retry_after=_MAX_PAUSE
        )

    def _in_chunks(self, messages: Iterator[Sms], call: Callable[[Sequence[Sms]], R]) -> Iterator[R]:
        while chunk := list(islice(messages, self.chunk_size)):
            yield from self._in_halves(chunk, call)

    def _in_halves(self, chunk: Sequence[Sms], call: Callable[[Sequence[Sms]], R]) -> list[R]:
        """Make a call for a chunk. If it has to be halved, later chunks are no larger than its parts."""
        parts = list(in_halves(chunk, call, is_too_large))
        if len(parts) > 1:
            self.chunk_size = min(self.chunk_size, *(size for size, _ in parts))
        return [result for _, result in parts]

    def _send(self, messages: Sequence[Sms]) -> BatchResult:
        may_be_sent_before, self._may_be_sent = self._may_be_sent, True
        hook = self._hook
        try:
            return self._call_hook(messages, hook.send_sms_to_many, hook.send_individual_sms)
        except _NOTHING_WAS_SENT as error:
            self._may_be_sent = may_be_sent_before or error.partial
            raise

    def _price(self, messages: Sequence[Sms]) -> Price:
        """Return a price, asked for under other keys: the vendor knows those that an earlier try has sent."""
        asked = [replace(each, reference=f"p{place}") for place, each in enumerate(messages)]
        return self._call_hook(asked, self._hook.price_sms_to_many, self._hook.price_individual_sms)

    def _call_hook(
        self, messages: Sequence[Sms], to_many: Callable[..., R], individual: Callable[..., R]
    ) -> R:
        text, originator, terms = self._message.text, self._message.originator, self._message.terms
        if text.columns:
            return individual(messages, **terms)
        return to_many(messages, text.fill(()), originator=originator, **terms)


def result_line(message: Sms, result: SendResult) -> dict[str, str | int | None]:
    """Return the line of a message in the file of results."""
    state = "known_before" if result.duplicate else "accepted" if result.accepted else "refused"
    return {
        "msisdn": message.msisdn,
        "reference": result.reference,
        "state": state,
        "id": result.id,
        "code": result.code,
        "price": None if result.price is None else str(result.price),
        "currency": result.currency,
        "task_id": result.task_id,
    }
