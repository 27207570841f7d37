"""The engine of bulk sends: in chunks, each message under a key of its own. It knows no kind of message."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from datetime import UTC, datetime
from decimal import Decimal
from itertools import count
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.audience import cut
from airflow_provider_telecom.bulk.chunks import in_halves
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.unknown import OnUnknown, OutcomeUnknownError
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    NO_FUNDS,
    VENDOR_FAILED,
    SendCounts,
    is_temporary,
    is_too_large,
    raise_if_out_of_funds,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models import AcceptedResults

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import MessageKind, Messages
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import Price, SendResult

    Results = Sequence[SendResult | None]
    """One for each message; None if nobody can know whether it was sent."""

_BATCH = 500
"""So many keys and texts are made at once."""
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


class BulkSender:
    """Sends messages of one kind to many recipients, and asks for their price.

    While the vendor is not known to recognise keys, nothing of unknown outcome is sent again: `on_unknown`
    decides what happens then. Each call is made in the context `window`, which may refuse it.
    """

    def __init__(
        self,
        kind: MessageKind,
        chunk_size: int,
        on_unknown: OnUnknown = "fail",
        pause: Callable[[float], None] = time.sleep,
        window: Callable[[], AbstractContextManager[None]] = nullcontext,
    ) -> None:
        self.window = window
        self._kind, self.on_unknown = kind, on_unknown
        self.chunk_size = chunk_size
        self._sleep, self._delay = pause, 0.0
        self._may_be_sent = False
        """Whether any message of the present calls may have been sent."""
        self._call_size = 0
        """How many messages the present call has."""
        self.read_at = datetime.now(UTC)
        """When the last response was read, or could not be read."""
        self.quotes: list[tuple[int, Decimal]] = []
        """The last prices that were asked for: of how many messages, and the price."""
        self.possibly_sent = 0
        """How many messages after the counted ones may have been sent, if an error is raised now."""

    @property
    def quoted(self) -> int:
        """How many messages the last prices are of."""
        return sum(size for size, _ in self.quotes)

    def messages(
        self, audience: Audience | Group, skip: int = 0, size: Callable[[], int] = lambda: _BATCH
    ) -> Iterator[Messages]:
        """Yield the messages to all recipients in their order, without the first `skip`.

        `size` says how many come next.
        """
        return map(self._kind.messages, cut(audience.columns(skip), size))

    def first_messages(self, audience: Audience | Group, skip: int, count: int) -> Messages:
        """Return the first messages after the first `skip`."""
        return next(self.messages(audience, skip, lambda: count))

    def cost(
        self, audience: Audience | Group, max_cost: Decimal | None, after: SendCounts
    ) -> tuple[Decimal, str | None]:
        """Return what all would cost: what `after` has cost, and the vendor's price for those after it.

        Raises TelecomInputError as soon as it is more than `max_cost`, and when prices come in several
        currencies. Nothing is sent.
        """
        total = Decimal(after.price)
        currencies = set(after.currencies)
        self.quotes.clear()
        for size, price in self._prices(audience, after.rows):
            self.quotes.append((size, price.total_price))
            total += price.total_price
            currencies.add(price.currency)
            if len(currencies) > 1:
                raise TelecomInputError("max_cost", f"prices come in {', '.join(sorted(currencies))}")
            if max_cost is not None and total > max_cost:
                rule = f"is less than what it would cost (at least {total} {price.currency})"
                raise TelecomInputError("max_cost", f"{rule}; nothing was sent", shown=str(max_cost))
        return total, next(iter(currencies), None)

    def send(self, messages: Messages, counts: SendCounts) -> Iterator[tuple[Messages, Results]]:
        """Send messages chunk by chunk, and add the results to `counts`.

        Yields the results of each part of a chunk once they are counted. Messages that are refused only for
        now are sent again, here or by a later try: TelecomThrottledError, TelecomFundsError. Also raises
        OutcomeUnknownError, and what the hook raises.
        """
        place = 0
        while place < len(messages):
            chunk = messages[place : place + self.chunk_size]
            try:
                for part, results in self._send_chunk(chunk):
                    place += len(part)
                    counts.add(results)
                    yield part, results
            except TelecomUnknownError as error:
                unknown = messages[place : place + self.possibly_sent]
                if not self._is_assumed_sent(unknown, error):
                    raise
                self.possibly_sent = 0
                place += len(unknown)
                counts.add([None] * len(unknown))
                yield unknown, [None] * len(unknown)
            if self._delay:
                self._sleep(self._delay)

    def _is_assumed_sent(self, messages: Messages, error: TelecomUnknownError) -> bool:
        """Return whether messages of unknown outcome count as sent. Raises OutcomeUnknownError.

        Not if keys work or `on_unknown` is "resend": then the next try sends them again.
        """
        if self.on_unknown == "resend" or self._keys_work(messages):
            return False
        if self.on_unknown == "fail":
            raise outcome_unknown(error.summary)
        return True

    def _keys_work(self, messages: Messages) -> bool:
        """Return whether the vendor is known to recognise keys; not if it does not answer."""
        try:
            return self._kind.keys_work(messages)
        except TelecomError:
            return False

    def _send_chunk(self, chunk: Messages) -> Iterator[tuple[Messages, Results]]:
        """Send a chunk, and yield its parts with their results, in order."""
        parts, place = in_halves(chunk, self._send, is_too_large), 0
        while place < len(chunk):
            self._may_be_sent = False
            try:
                size, results = next(parts)
            except BaseException:
                self.possibly_sent = self._call_size if self._may_be_sent else 0
                raise
            if size < len(chunk):  # it was too large: later chunks are no larger than its parts
                self.chunk_size = min(self.chunk_size, size)
            yield from self._until_final(chunk[place : place + size], results)
            place += size

    def _until_final(
        self, part: Messages, results: Sequence[SendResult]
    ) -> Iterator[tuple[Messages, Results]]:
        """Yield the results of a part, after sending again what was refused only for now.

        The results before the first such message are yielded before an error is raised, and if keys are not
        known to work, at once: they must not be in doubt after it. Nor are those that were refused last.
        """
        if isinstance(results, AcceptedResults):
            self._count_down()
            yield part, results
            return
        found: list[SendResult | None] = list(results)
        start = 0
        for round_ in count():
            open_places: Sequence[int] = [
                place for place, one in enumerate(found) if one and one.code and _is_open(one)
            ]
            if not open_places:
                self._count_down()
                yield part[start:], found[start:]
                return
            self.possibly_sent = len(part) - start
            keys_work = self._keys_work(part)
            if not keys_work or round_ == _MAX_ROUNDS or _is_out_of_funds(found):
                if (first := open_places[0]) > start:
                    self.possibly_sent = max(0, _place_after_sent(found) - first)
                    yield part[start:first], found[start:first]
                    start = first
                if not keys_work:
                    self.possibly_sent = len(part) - start
                    open_places = self._without_unknown(found, open_places)
                self.possibly_sent = max(0, _place_after_sent(found) - start)
            raise_if_out_of_funds([one for place in open_places if (one := found[place])], self._kind.call)
            if not open_places:
                continue
            if round_ == _MAX_ROUNDS:
                text = f"{len(open_places)} messages are still refused as too many at once"
                raise TelecomThrottledError(text, retry_after=_MAX_PAUSE)
            self._delay = min(_MAX_PAUSE, _FIRST_PAUSE * 2**round_)
            self._sleep(self._delay)
            self._send_again(part, found, open_places, len(part) - start)

    def _count_down(self) -> None:
        """All messages of a part have their results: none is in doubt, and the next pause is shorter."""
        self._delay = self._delay / 2 if self._delay > 0.1 else 0.0
        self.possibly_sent = 0

    def _send_again(
        self, part: Messages, found: list[SendResult | None], places: Sequence[int], uncounted: int
    ) -> None:
        """Send some messages of a part again, and replace their results."""
        self._may_be_sent = False
        try:
            calls = list(in_halves(part.at(places), self._send, is_too_large))
        except BaseException:
            if self._may_be_sent:
                self.possibly_sent = uncounted
            raise
        for place, result in zip(places, (one for _, batch in calls for one in batch), strict=True):
            found[place] = result

    def _without_unknown(self, found: list[SendResult | None], places: Sequence[int]) -> Sequence[int]:
        """Return the places without those of code 5, if these may have been sent and must not be repeated."""
        unknown = [place for place in places if (one := found[place]) and one.code == VENDOR_FAILED]
        if not unknown or self.on_unknown == "resend":
            return places
        if self.on_unknown == "fail":
            text = f"unknown error for {len(unknown)} messages, which may have been sent"
            raise TelecomUnknownError(text, call=self._kind.call, code=VENDOR_FAILED)
        for place in unknown:
            found[place] = None
        return [place for place in places if place not in unknown]

    def _prices(self, audience: Audience | Group, skip: int) -> Iterator[tuple[int, Price]]:
        for chunk in self.messages(audience, skip, lambda: self.chunk_size):
            for size, price in in_halves(chunk, self._kind.price, is_too_large):
                if size < len(chunk):
                    self.chunk_size = min(self.chunk_size, size)
                yield size, price

    def _send(self, messages: Messages) -> Sequence[SendResult]:
        with self.window():
            may_be_sent_before, self._may_be_sent = self._may_be_sent, True
            self._call_size = len(messages)
            try:
                return self._kind.send(messages)
            except _NOTHING_WAS_SENT as error:
                self._may_be_sent = may_be_sent_before or error.partial
                raise
            finally:
                self.read_at = datetime.now(UTC)


def _is_out_of_funds(found: Results) -> bool:
    return any(one is not None and one.code == NO_FUNDS for one in found)


def _is_open(result: SendResult) -> bool:
    return is_temporary(result) or result.code == NO_FUNDS


def _place_after_sent(found: Results) -> int:
    """Return the place after the last message that was, or may have been, sent."""
    return max((place + 1 for place, one in enumerate(found) if _may_be_sent(one)), default=0)


def _may_be_sent(result: SendResult | None) -> bool:
    return result is None or result.accepted or result.code == VENDOR_FAILED


def outcome_unknown(why: str) -> OutcomeUnknownError:
    """Return the error of messages that may have been sent."""
    return OutcomeUnknownError(
        f"{why}; nobody can know whether these messages were sent, and sending them again could do it twice. "
        "Ask the vendor, then clear the task with on_unknown='assume_sent' (they were) or 'resend' (they "
        "were not)"
    )
