"""Multichannel messages to any number of recipients: their texts, and how one is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, NamedTuple

from airflow_provider_telecom.bulk.outcomes import ACCEPTED, REFUSED, Origin
from airflow_provider_telecom.bulk.requests_without_keys import Result, now_text
from airflow_provider_telecom.bulk.sender_without_keys import Counts
from airflow_provider_telecom.calls.segments import sms_segments
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys, fingerprint
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import add_units
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import SmsContent, ViberContent

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.audience import Audience, Entry, Group
    from airflow_provider_telecom.bulk.text_template import Text
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook


@dataclass
class MultichannelCounts(Counts):
    """What became of the first recipients, and what it costs."""

    reserved_units: float | None = None
    """What they cost in the vendor's units; None if the vendor does not say it."""

    def add(self, results: Sequence[Result]) -> None:
        """Count the results of the next recipients."""
        super().add(results)
        for result in results:
            self.reserved_units = add_units(self.reserved_units, result.extra.get("units"))

    def merge(self, other: Counts) -> None:
        """Add the counts of other recipients."""
        super().merge(other)
        if isinstance(other, MultichannelCounts):
            self.reserved_units = add_units(self.reserved_units, other.reserved_units)


class Message(NamedTuple):
    """A message to one recipient, by its channels in their order, and the recipient's variant."""

    msisdn: str
    contents: Sequence[SmsContent | ViberContent]
    key: str
    variant: str | None

    @property
    def sms_text(self) -> str:
        """The text of its SMS."""
        return next(content.text for content in self.contents if isinstance(content, SmsContent))


def filler(text: Text, columns: Sequence[str]) -> Callable[[Sequence[str]], str]:
    """Return the function that fills a text from the values of all `columns`."""
    places = [columns.index(column) for column in text.columns]
    return lambda values: text.fill([values[place] for place in places])


@dataclass(frozen=True)
class MultichannelMessages:
    """The messages to recipients, in their order.

    `contents` are those of all messages, in the order of the channels, without their texts; `fill_viber` and
    `fill_sms` return a recipient's texts.
    """

    recipients: Audience | Group
    contents: Sequence[SmsContent | ViberContent]
    fill_viber: Callable[[Sequence[str]], str]
    fill_sms: Callable[[Sequence[str]], str]
    names: IdempotencyKeys
    origin: Origin
    variant_place: int | None = None
    noun: ClassVar[str] = "messages"

    def __len__(self) -> int:
        return self.recipients.count

    def after(self, rows: int) -> Iterator[Message]:
        """Return the messages without the first `rows`."""
        same = fingerprint([[type(content).__name__, asdict(content)] for content in self.contents])
        for entry in self.recipients.entries(rows):
            yield self._message(entry, same)

    def _message(self, entry: Entry, same: str) -> Message:
        msisdn, *values = entry
        viber, sms = self.fill_viber(values), self.fill_sms(values)
        contents = [
            replace(content, text=viber if isinstance(content, ViberContent) else sms)
            for content in self.contents
        ]
        variant = None if self.variant_place is None else entry[self.variant_place]
        return Message(msisdn, contents, self.names(msisdn, same, viber, sms), variant)

    def key(self, message: Message) -> str:
        """Return the name by which a later try recognizes a message. The vendor does not get it."""
        return message.key

    def line(self, message: Message, result: Result) -> dict[str, Any]:
        """Return the line of a message in the file of outcomes. Its receipt will say the channel."""
        line = self.origin.line(
            message.msisdn,
            result.state,
            reference=message.key,
            message_id=result.message_id,
            variant=message.variant,
            code=result.code,
            segments=sms_segments(message.sms_text),
            sent_at=result.at,
            final_at=result.at if result.state == REFUSED else None,
        )
        last = "viber" if isinstance(message.contents[-1], ViberContent) else "sms"
        return {**line, "bearer_type": None, "last_channel": last}


def send_one(hook: KyivstarOpenTelecomHook, message: Message) -> Result:
    """Send one message."""
    at = now_text()
    accepted = hook.send_multichannel(message.msisdn, message.contents)
    extra = {"units": accepted.reserved_units}
    return Result(ACCEPTED, at, message_id=accepted.message_id, extra=extra)
