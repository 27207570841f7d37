"""Sending SMS to any number of recipients in batches, without idempotency keys.

The vendor cannot detect a duplicate. So the journal knows, before a batch is sent, which recipients it has,
and afterwards what became of them. A batch whose response was lost is never sent again by itself.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from itertools import islice
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_telecom.bulk.chunks import in_halves
from airflow_provider_telecom.bulk.outcomes import REFUSED, Origin, time_text
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError, TelecomUnknownError
from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.journal.checkpoint import EVERY_SECONDS, Checkpoint
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import add_units

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience
    from airflow_provider_telecom.bulk.results_file import ResultsFile
    from airflow_provider_telecom.bulk.text_template import Text
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
    from airflow_provider_telecom.journal.journal import OnUnknown
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import BatchItem, BatchResult

log = logging.getLogger(__name__)

_TOO_LARGE = 413


@dataclass
class Counts:
    """What became of the first `rows` recipients. All of it is JSON, for the journal."""

    rows: int = 0
    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By the vendor's code."""
    unknown: int = 0
    """Nobody knows whether these were sent: the response was lost, or leaves them out."""
    resent: int = 0
    """These were sent again after a lost response: a refusal does not settle the first request."""
    reserved_segments: int = 0
    reserved_units: float | None = None
    """What they cost in the vendor's units; None if the vendor does not say it."""

    @property
    def may_be_paid(self) -> int:
        """How many messages the vendor may have charged."""
        return self.accepted + self.unknown + self.resent

    def add(self, items: Sequence[BatchItem], units: float | None) -> None:
        """Count the results of the next recipients."""
        states = Counter(item.state for item in items)
        refused = Counter(self.refused)
        refused.update(str(item.code) for item in items if item.state == "refused")
        self.rows += len(items)
        self.accepted += states["accepted"]
        self.unknown += states["unknown"]
        self.refused = dict(refused)
        self.reserved_segments += sum(item.reserved_segments or 0 for item in items)
        self.reserved_units = add_units(self.reserved_units, units)


class Message(NamedTuple):
    """An SMS to one recipient, and the recipient's variant."""

    sms: BatchSms
    variant: str | None = None


class Messages:
    """The SMS to all recipients, in their order.

    `variant_place` is the place of their variant in an entry.
    """

    def __init__(
        self,
        audience: Audience,
        text: Text,
        sender: str | None,
        names: IdempotencyKeys,
        variant_place: int | None = None,
    ) -> None:
        if sender is None:
            raise TelecomInputError("sender", "must be given here or in the connection's extra")
        self.audience, self._text, self._sender, self._names = audience, text, sender, names
        self._variant_place = variant_place

    @property
    def content(self) -> Mapping[str, object]:
        """All that decides what is sent to whom."""
        return {"recipients": self.audience.sha256, "text": self._text.source, "sender": self._sender}

    def __len__(self) -> int:
        return self.audience.count

    def after(self, rows: int) -> Iterator[Message]:
        """Return the messages without the first `rows`.

        A message has the same name in each try of the task, and no other one has it. Should the vendor take
        a repeated name for a duplicate, it sends each message once.
        """
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms

        place = self._variant_place
        for entry in self.audience.entries(rows):
            msisdn, *values = entry
            text = self._text.fill(values)
            sms = BatchSms(msisdn, text, self._sender, self._names(msisdn, self._sender, text))
            yield Message(sms, None if place is None else entry[place])


class BulkSender:
    """Sends batch after batch, and keeps counts, checkpoint and results in step."""

    def __init__(
        self,
        hook: KyivstarOpenTelecomHook,
        messages: Messages,
        checkpoint: Checkpoint,
        results: ResultsFile | None,
        on_unknown: OnUnknown,
        chunk_size: int,
        origin: Origin,
    ) -> None:
        self._hook, self._on_unknown, self._chunk_size = hook, on_unknown, chunk_size
        self._origin, self._read_at = origin, datetime.now(UTC)
        self._messages, self._checkpoint, self._results = messages, checkpoint, results
        self._maybe_sent = 0
        """How many messages of the present request may have been sent."""
        self._logged = time.monotonic()
        self.counts = Counts()

    def run(self, reserve: Callable[[Counts, int], None] = lambda counts, in_doubt: None) -> None:
        """Send to all recipients that earlier tries have not sent to.

        `reserve` is called before the first message, with what was sent before and how many are in doubt.
        """
        keys = (_key(message) for message in self._messages.after(0))
        self.counts = Counts(**self._checkpoint.resume(keys, asdict(Counts())))
        if self._checkpoint.is_done and self.counts.rows >= len(self._messages):
            if self._results and self._results.path.exists():
                self._results.forget_parts()  # the earlier try was killed before it did
            return
        in_doubt = self._checkpoint.in_doubt
        if in_doubt and self._on_unknown == "fail":
            raise self._outcome_unknown("an earlier try may have sent it", in_doubt)
        reserve(self.counts, in_doubt)
        if self._results:
            self._results.begin(self.counts.rows)
        self._hook.wait_until_ready()
        try:
            self._send_blocks(in_doubt)
        except TelecomUnknownError as error:
            maybe_sent = self._maybe_sent
            self._stop()
            if self._on_unknown == "resend":
                raise
            raise self._outcome_unknown(error.summary, maybe_sent) from None
        except Exception:
            self._stop()
            raise
        self._finish()

    def _send_blocks(self, in_doubt: int) -> None:
        """Send block by block. The first one is the batch of unknown outcome of an earlier try, if any."""
        messages = self._messages.after(self.counts.rows)
        if in_doubt:
            block = list(islice(messages, in_doubt))
            self._announce(block)
            if self._on_unknown == "assume_sent":
                self._add(block, _unknown_result(block))
            else:
                self.counts.resent += in_doubt
                self._send(block)
        is_first = not in_doubt
        while block := list(islice(messages, self._chunk_size)):
            if not is_first:
                self._hook.wait_until_ready()
            is_first = False
            self._announce(block)
            self._send(block)

    def _announce(self, block: Sequence[Message]) -> None:
        """Write into the journal that these messages may be sent from now on."""
        self._checkpoint.announce(self._saved_counts(), [_key(message) for message in block])

    def _send(self, block: Sequence[Message]) -> None:
        """Send a block in one batch, or in smaller ones if the vendor refuses it as too large."""
        place = 0
        for size, result in in_halves(block, self._request, lambda error: error.status == _TOO_LARGE):
            self._add(block[place : place + size], result)
            place += size
            self._chunk_size = min(self._chunk_size, size) if size < len(block) else self._chunk_size

    def _request(self, batch: Sequence[Message]) -> BatchResult:
        self._maybe_sent = len(batch)
        try:
            result = self._hook.send_sms_batch([message.sms for message in batch])
        except TelecomUnknownError:
            if self._on_unknown != "assume_sent":
                raise
            log.warning("It is unknown whether %s SMS were sent; going on after them", len(batch))
            result = _unknown_result(batch)
        except TelecomError as error:
            if not (error.outcome_unknown or error.partial):
                self._maybe_sent = 0
            raise
        finally:
            self._read_at = datetime.now(UTC)
        self._maybe_sent = 0
        return result

    def _add(self, batch: Sequence[Message], result: BatchResult) -> None:
        """Count the results of a batch and store them."""
        self.counts.add(result.items, result.reserved_units)
        if self._results:
            pairs = zip(batch, result.items, strict=True)
            at = time_text(self._read_at)
            self._results.add(_line(self._origin, message, item, at) for message, item in pairs)
        self._checkpoint.advance(self._saved_counts())
        if time.monotonic() - self._logged >= EVERY_SECONDS:
            self._logged = time.monotonic()
            log.info("%s of %s recipients", f"{self.counts.rows:,}", f"{len(self._messages):,}")

    def _saved_counts(self) -> dict[str, Any]:
        """Return the counts, once the file of results holds their lines."""
        if self._results:
            self._results.close_part(self.counts.rows)
        return asdict(self.counts)

    def _stop(self) -> None:
        """Store where a send ends that has raised an error.

        If the results can't be written, what was stored last stays: it says that the present block may have
        been sent. The send's own error is the one to raise.
        """
        with suppress(OSError):
            self._checkpoint.stop(self._saved_counts(), self._maybe_sent)

    def _finish(self) -> None:
        facts = self._saved_counts()
        if self._results:
            self._results.finish(self.counts.rows)
        if self.counts.accepted + self.counts.unknown + self.counts.resent:
            self._checkpoint.finish(facts)
        else:
            self._checkpoint.forget(asdict(Counts()))
        if self._results:
            self._results.forget_parts()

    def _outcome_unknown(self, why: str, messages: int) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"{why}: nobody can know whether {messages} SMS after the first {self.counts.rows} were sent, "
            "and sending them again could send them twice. Ask the vendor, then clear the task with "
            "on_unknown='assume_sent' (they were sent: it goes on after them) or 'resend' (they were not: it "
            "sends them again and goes on)"
        )


def _key(message: Message) -> str:
    """Return the name by which a later try recognizes a message."""
    return str(message.sms.name)


def _unknown_result(batch: Sequence[Message]) -> BatchResult:
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import UNKNOWN_ITEM, BatchResult

    return BatchResult([UNKNOWN_ITEM] * len(batch))


def _line(origin: Origin, message: Message, item: BatchItem, read_at: str) -> dict[str, Any]:
    """Return the line of a message in the file of outcomes. `read_at` is when the response was read."""
    reserved = item.reserved_segments
    line = origin.line(
        str(message.sms.msisdn),
        item.state,
        reference=message.sms.name,
        message_id=item.message_id,
        variant=message.variant,
        code=item.code,
        segments=sms_segments(message.sms.text) if reserved is None else reserved,
        sent_at=read_at,
        final_at=read_at if item.state == REFUSED else None,
    )
    return {**line, "reason": item.reason, "reserved_segments": reserved}
