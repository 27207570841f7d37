"""Sending SMS to any number of recipients through KetchUp: in chunks, each message under a key of its own."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.journal.reference import Namer
from airflow_provider_telecom.operators.campaigns.personal import PersonalText
from airflow_provider_telecom.operators.campaigns.recipients import Audience, Entry
from airflow_provider_telecom.operators.ketchup_loyalty.results import NO_FUNDS, TOO_LARGE, VENDOR_FAILED

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import BatchResult, SendResult

_ROUNDS = 8
_FIRST_PAUSE, _LONGEST_PAUSE = 1.0, 60.0


@dataclass(frozen=True)
class Message:
    """What everybody gets. Options are the hook's: `validity_hours`, `tariff`, `schedule_at`."""

    text: PersonalText
    originator: str
    options: Mapping[str, Any]


@dataclass
class Tally:
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

    def take(self, rows: int, results: Sequence[SendResult], task_ids: Sequence[str]) -> None:
        """Count the results of the next `rows` recipients."""
        self.rows += rows
        self.known_before += sum(result.duplicate for result in results)
        self.accepted += sum(result.accepted and not result.duplicate for result in results)
        refused = Counter(self.refused)
        refused.update(str(result.code) for result in results if not result.accepted)
        self.refused = dict(refused)
        new = [result for result in results if result.accepted and result.price is not None]
        self.price = str(sum((result.price or Decimal(0) for result in new), Decimal(self.price)))
        self.currency = next((result.currency for result in new if result.currency), self.currency)
        self.task_ids += task_ids


class Campaign:
    """One send: what, through which hook, in chunks of which size."""

    def __init__(
        self,
        hook: KetchUpHook,
        message: Message,
        namer: Namer,
        chunk_size: int,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._hook, self._message, self._namer, self._size = hook, message, namer, chunk_size
        self._sleep, self._slowness = pause, 0.0

    def cost(self, audience: Audience, most: Decimal | None) -> tuple[Decimal, str | None]:
        """Return what all would cost by the vendor's price call; stop as soon as it is more than `most`.

        Raises TelecomInputError then, and when prices come in several currencies. Nothing is sent.
        """
        total, currencies = Decimal(0), set()
        for entries in _chunks(audience.entries(), lambda: self._size):
            price = self._in_pieces(entries, self._price)
            total += sum((one.total_price for one in price), Decimal(0))
            currencies |= {one.currency for one in price}
            if len(currencies) > 1:
                raise TelecomInputError("max_cost", f"prices come in {', '.join(sorted(currencies))}")
            if most is not None and total > most:
                rule = f"is less than what it would cost (at least {total} {price[0].currency})"
                raise TelecomInputError("max_cost", f"{rule}; nothing was sent", shown=str(most))
        return total, next(iter(currencies), None)

    def send(self, audience: Audience, tally: Tally) -> Iterator[list[tuple[Entry, SendResult, str | None]]]:
        """Send to all recipients after the first `tally.rows`, and count in `tally`.

        Yields what became of each chunk once it is counted. Raises TelecomFundsError (nothing of the
        chunk counts then, and a later try sends it again under the same keys), and what the hook raises.
        """
        for entries in _chunks(audience.entries(tally.rows), lambda: self._size):
            done = self._settled(entries)
            task_ids = list(dict.fromkeys(task for _, task in done if task is not None))
            tally.take(len(entries), [result for result, _ in done], task_ids)
            yield [(entry, *found) for entry, found in zip(entries, done, strict=True)]
            if self._slowness:
                self._sleep(self._slowness)

    def _settled(self, entries: Sequence[Entry]) -> list[tuple[SendResult, str | None]]:
        """Send a chunk until the vendor has said something lasting about each message of it."""
        found: dict[int, tuple[SendResult, str | None]] = {}
        open_places = list(range(len(entries)))
        for round_ in range(_ROUNDS):
            batches = self._in_pieces([entries[place] for place in open_places], self._send)
            results = [(result, batch.task_id) for batch in batches for result in batch.results]
            for place, (result, task_id) in zip(open_places, results, strict=True):
                mine = task_id if result.accepted and not result.duplicate else None
                found[place] = (result, mine)
            if any(result.code == NO_FUNDS for result, _ in results):
                raise TelecomFundsError("the account is out of money", call="POST /sms/create", code=NO_FUNDS)
            open_places = [place for place in open_places if _passes(found[place][0])]
            if not open_places:
                self._slowness = self._slowness / 2 if self._slowness > 0.1 else 0.0
                return [found[place] for place in range(len(entries))]
            self._slowness = min(_LONGEST_PAUSE, _FIRST_PAUSE * 2**round_)
            self._sleep(self._slowness)
        raise TelecomThrottledError(
            f"{len(open_places)} messages are still refused as too many at once", retry_after=_LONGEST_PAUSE
        )

    def _in_pieces(self, entries: Sequence[Entry], call: Callable[[Sequence[Entry]], Any]) -> list[Any]:
        """Make a call for a chunk; in halves when the vendor says that it is too large, and ever after."""
        try:
            return [call(entries)]
        except TelecomRejectedError as error:
            if error.code != TOO_LARGE or len(entries) == 1:
                raise
        half = -(-len(entries) // 2)
        self._size = min(self._size, half)
        return [*self._in_pieces(entries[:half], call), *self._in_pieces(entries[half:], call)]

    def _send(self, entries: Sequence[Entry]) -> BatchResult:
        batch: BatchResult = self._asked(entries, self._hook.send_sms_to_many, self._hook.send_individual_sms)
        return batch

    def _price(self, entries: Sequence[Entry]) -> Any:
        return self._asked(entries, self._hook.price_sms_to_many, self._hook.price_individual_sms)

    def _asked(
        self, entries: Sequence[Entry], to_many: Callable[..., Any], individual: Callable[..., Any]
    ) -> Any:
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import IndividualSms, Recipient

        text, originator = self._message.text, self._message.originator
        if not text.columns:
            same = text.fill(())
            people = [Recipient(msisdn, self._namer(msisdn, originator, same)) for (msisdn,) in entries]
            return to_many(people, same, originator=originator, **self._message.options)
        filled = [(entry[0], text.fill(entry[1:])) for entry in entries]
        messages = [
            IndividualSms(msisdn, own, self._namer(msisdn, originator, own), originator)
            for msisdn, own in filled
        ]
        return individual(messages, **self._message.options)


def line_of(entry: Entry, result: SendResult, task_id: str | None) -> dict[str, Any]:
    """Return the line of a message in the file of results."""
    state = "known_before" if result.duplicate else "accepted" if result.accepted else "refused"
    return {
        "msisdn": entry[0],
        "reference": result.reference,
        "state": state,
        "id": result.id,
        "code": result.code,
        "price": None if result.price is None else str(result.price),
        "currency": result.currency,
        "task_id": task_id,
    }


def _passes(result: SendResult) -> bool:
    return result.throttled or result.code == VENDOR_FAILED


def _chunks(entries: Iterator[Entry], size: Callable[[], int]) -> Iterator[list[Entry]]:
    while chunk := list(islice(entries, size())):
        yield chunk
