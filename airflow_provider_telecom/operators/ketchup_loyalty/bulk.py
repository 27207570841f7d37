"""The operator that sends SMS to any number of recipients through KetchUp."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.operators.campaigns.operator import (
    CampaignOperator,
    DeferrableCampaignArguments,
    object_path,
)
from airflow_provider_telecom.operators.campaigns.text_template import TextTemplate
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender, Message, result_line
from airflow_provider_telecom.operators.ketchup_loyalty.operator import STATUS_CHECKS, KetchUpOperator
from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts, raise_if_refused
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import IdempotentOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.campaigns.recipients import Audience
    from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import SmsTerms


class KetchUpSendBulkSmsOperator(KetchUpOperator, CampaignOperator, IdempotentOperator, DeferrableOperator):
    """Send an SMS to each of any number of recipients: one text, or texts with values from their rows.

    Each message has an idempotency key, derived from run, task, number and text, so a killed or retried task
    sends nothing twice: it continues where it was, and KetchUp recognises repeated messages. Once anything
    may have been sent, the recipients and their texts must begin with the same ones; further ones may follow,
    also after success. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "known_before", "refused": {code: count},
         "price", "currency", "task_ids", "results", "rejects"}

    where `price` is that of the accepted ones, `known_before` counts messages of an earlier try whose
    response was lost, and `task_ids` are for `KetchUpSmsTaskFinishedSensor`; with `wait_for_completion` also
    the counts of the receipts. A cleared task that is done sends nothing; refused messages are in `results`.

    :param text: the message, in which `{column}` is replaced by each recipient's value.
    :param originator: the sender, at most 14 characters; by default the connection's.
    :param results_path: a file of JSON lines to which the result of each message is written (it contains
        numbers). It must be the same path in each try.
    :param chunk_size: messages in one call; halved automatically if the vendor refuses it as too large.
    :param max_cost: send nothing if the vendor's price call says that it would cost more, in the account's
        currency. All chunks are priced before the first is sent. In a later try it includes what was paid
        before.
    :param max_rejected: fail the task, after all was sent, if more messages than that were refused; by
        default only if all were.
    :param min_delivered_percent: with `wait_for_completion`: fail if fewer are delivered.
    :param validity_hours: how long KetchUp tries to deliver each, 1 to 72.
    :param tariff: the tariff's number, 0 to 9; by default the connection's.
    :param schedule_at: when to send them: a datetime with a time zone.

    Raises TelecomInputError before anything is sent, TelecomFundsError (top up and clear the task: it
    continues), TelecomRejectedError, TelecomThrottledError. Source: "Отправка SMS" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *CampaignOperator.template_fields,
        "originator",
        "results_path",
        "max_cost",
    )
    private_fields: ClassVar[Sequence[str]] = CampaignOperator.private_fields

    def __init__(
        self,
        *,
        originator: str | None = None,
        results_path: str | None = None,
        chunk_size: int = 500,
        max_cost: Decimal | str | int | None = None,
        max_rejected: int | None = None,
        min_delivered_percent: int | str | None = None,
        validity_hours: int = 72,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
        **kwargs: Unpack[DeferrableCampaignArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.originator, self.results_path = originator, results_path
        self.chunk_size = in_range("chunk_size", chunk_size, 1, arguments.MAX_CHUNK_SIZE)
        self.max_cost, self.max_rejected = max_cost, max_rejected
        self.min_delivered_percent = min_delivered_percent
        self.validity_hours = in_range("validity_hours", validity_hours, 1, arguments.MAX_VALIDITY_HOURS)
        self.tariff, self.schedule_at = arguments.check_tariff(tariff), schedule_at

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, then send to them."""
        message, max_cost = self._message(), _amount(self.max_cost)
        text, region = message.text, self.hook.options.default_region
        with self._read_recipients(text.columns, region, text.has_only_placeholders) as audience:
            sender = BulkSender(self.hook, message, self._idempotency_keys(context), self.chunk_size)
            if self.is_dry_run:
                price, currency = sender.cost(audience, max_cost, SendCounts())
                return {
                    **self._recipient_counts(audience),
                    "dry_run": True,
                    "price": str(price),
                    "currency": currency,
                }
            progress = self._progress(context, sender, audience)
            if not progress.is_complete(audience.count):
                if max_cost is not None:
                    sender.cost(audience, max_cost, progress.counts)
                self._send(sender, audience, progress)
        return self._complete(audience, progress.counts)

    def _progress(self, context: Context, sender: BulkSender, audience: Audience) -> BulkProgress:
        from airflow_provider_telecom.operators.campaigns.results_file import ResultsFile

        checkpoint = Checkpoint(self._journal(context), self._entry_name("bulk"), self.conn_id)
        keys = (message.reference for message in sender.messages(audience))
        path = object_path(self.results_path)
        return BulkProgress(checkpoint, keys, None if path is None else ResultsFile(path))

    def _send(self, sender: BulkSender, audience: Audience, progress: BulkProgress) -> None:
        """Send to all recipients that earlier tries have not sent to."""
        progress.begin()
        self.hook.wait_until_ready()
        try:
            self._send_blocks(sender, audience, progress)
        except Exception:
            progress.stop(sender.possibly_sent)
            raise
        progress.finish()

    def _send_blocks(self, sender: BulkSender, audience: Audience, progress: BulkProgress) -> None:
        counts = progress.counts
        messages = sender.messages(audience, counts.rows)
        while block := list(islice(messages, progress.block_size(sender.chunk_size))):
            progress.announce([message.reference for message in block])
            for chunk in sender.send(block, counts):
                if progress.add_lines(result_line(*found) for found in chunk):
                    self.log.info("%s of %s recipients", f"{counts.rows:,}", f"{audience.count:,}")

    def _message(self) -> Message:
        text = TextTemplate(non_blank("text", self.reveal("text")))
        originator = arguments.choose_originator(self.originator or None, self.hook.options.originator)
        terms: SmsTerms = {
            "validity_hours": self.validity_hours,
            "tariff": self.tariff,
            "schedule_at": self.schedule_at,
        }
        return Message(text, originator, terms)

    def _complete(self, audience: Audience, counts: SendCounts) -> dict[str, Any]:
        """Return the summary of a send, after waiting for its receipts if the task does that."""
        raise_if_refused(counts.refused, counts.rows, self.max_rejected, "POST /sms/create")
        facts = {**counts.facts(), "task_ids": counts.task_ids, "results": self.results_path}
        summary = {**self._recipient_counts(audience), **facts}
        if self.wait_for_completion and not counts.task_ids:
            self.log.warning("The ids of all batches were lost with their responses; can't wait for receipts")
            return summary
        awaited = {
            "task_ids": counts.task_ids,
            "expected": counts.accepted,
            "min_delivered_percent": self.min_delivered_percent,
        }
        return self._wait_if_requested(summary, f"{STATUS_CHECKS}.sms_tasks", awaited)


def _amount(value: Decimal | str | int | None) -> Decimal | None:
    if value is None or value == "":
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or isinstance(value, float):
        raise TelecomInputError("max_cost", "must be an amount such as '100.50', not a float")
    return amount
