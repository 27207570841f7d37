"""The SMS to any number of recipients, and how they are sent without idempotency keys.

API v1 takes batches; v1beta takes one SMS in a request.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

from airflow_provider_telecom.bulk.outcomes import ACCEPTED, REFUSED, Origin
from airflow_provider_telecom.bulk.requests_without_keys import BatchRequests, Result, now_text
from airflow_provider_telecom.bulk.sender_without_keys import Counts
from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import add_units

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.text_template import Text
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
    from airflow_provider_telecom.journal.unknown import OnUnknown
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import BatchSms
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import BatchItem, BatchResult

_TOO_LARGE = 413


@dataclass
class SmsCounts(Counts):
    """What became of the first recipients, and what it costs."""

    reserved_segments: int = 0
    reserved_units: float | None = None
    """What they cost in the vendor's units; None if the vendor does not say it."""

    def add(self, results: Sequence[Result]) -> None:
        """Count the results of the next recipients."""
        super().add(results)
        for result in results:
            self.reserved_segments += result.extra.get("reserved_segments") or 0
            self.reserved_units = add_units(self.reserved_units, result.extra.get("units"))

    def merge(self, other: Counts) -> None:
        """Add the counts of other recipients."""
        super().merge(other)
        if isinstance(other, SmsCounts):
            self.reserved_segments += other.reserved_segments
            self.reserved_units = add_units(self.reserved_units, other.reserved_units)


class Message(NamedTuple):
    """An SMS to one recipient, and the recipient's variant."""

    sms: BatchSms
    variant: str | None = None


class SmsMessages:
    """The SMS to all recipients, in their order.

    `variant_place` is the place of their variant in an entry.
    """

    noun = "SMS"

    def __init__(
        self,
        audience: Audience | Group,
        text: Text,
        sender: str,
        names: IdempotencyKeys,
        origin: Origin,
        variant_place: int | None = None,
    ) -> None:
        self.audience, self._text, self._sender, self._names = audience, text, sender, names
        self._origin, self._variant_place = origin, variant_place

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

    def key(self, message: Message) -> str:
        """Return the name by which a later try recognizes a message."""
        return str(message.sms.name)

    def line(self, message: Message, result: Result) -> dict[str, Any]:
        """Return the line of a message in the file of outcomes."""
        reserved = result.extra.get("reserved_segments")
        line = self._origin.line(
            str(message.sms.msisdn),
            result.state,
            reference=message.sms.name,
            message_id=result.message_id,
            variant=message.variant,
            code=result.code,
            segments=sms_segments(message.sms.text) if reserved is None else reserved,
            sent_at=result.at,
            final_at=result.at if result.state == REFUSED else None,
        )
        return {**line, "reason": result.extra.get("reason"), "reserved_segments": reserved}


def batch_requests(
    hook: KyivstarOpenTelecomHook,
    on_unknown: OnUnknown,
    in_window: Callable[[], AbstractContextManager[None]] = nullcontext,
) -> BatchRequests[Message]:
    """Return how batches of SMS are sent; each in the context that `in_window` returns."""

    def request(messages: Sequence[Message]) -> Sequence[Result]:
        with in_window():
            return _results(hook.send_sms_batch([message.sms for message in messages]))

    return BatchRequests(request, lambda error: error.status == _TOO_LARGE, on_unknown, SmsMessages.noun)


def single_request(
    hook: KyivstarOpenTelecomHook, max_segments: int | None, ttl_seconds: int | None, message: Message
) -> Result:
    """Send one SMS."""
    at, sms = now_text(), message.sms
    limits = {"max_segments": max_segments, "ttl_seconds": ttl_seconds}
    accepted = hook.send_sms(sms.msisdn, sms.text, sender=sms.sender, **limits)
    extra = {"reserved_segments": accepted.reserved_segments, "units": accepted.reserved_units}
    return Result(ACCEPTED, at, message_id=accepted.message_id, extra=extra)


def _results(batch: BatchResult) -> Sequence[Result]:
    """Return the results of a batch. The first one holds what the whole batch costs."""
    at = now_text()
    units = [batch.reserved_units, *[None] * len(batch.items)]
    return [_result(item, at, cost) for item, cost in zip(batch.items, units, strict=False)]


def _result(item: BatchItem, at: str, units: float | None) -> Result:
    extra = {"reason": item.reason, "reserved_segments": item.reserved_segments, "units": units}
    return Result(item.state, at, item.code, item.message_id, extra)
