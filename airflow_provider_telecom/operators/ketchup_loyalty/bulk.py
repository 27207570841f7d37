"""The operator that sends SMS to any number of recipients through KetchUp."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from itertools import islice
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.operators.campaigns.operator import (
    CampaignOperator,
    DeferrableCampaignArguments,
    object_path,
)
from airflow_provider_telecom.operators.campaigns.text_template import TextTemplate
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import (
    BulkSender,
    Message,
    SendCounts,
    line_of,
)
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import IdempotentOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.campaigns.recipients import Audience
    from airflow_provider_telecom.operators.campaigns.results_file import ResultsFile

_STATUS_CHECK = "airflow_provider_telecom.vendors.ketchup_loyalty.status.sms_tasks"
_LARGEST_CHUNK = 10_000


class KetchUpSendBulkSmsOperator(KetchUpOperator, CampaignOperator, IdempotentOperator, DeferrableOperator):
    """Send an SMS to each of any number of recipients: one text, or texts with columns of their rows.

    Each message goes under a key of its own, derived from run, task, number and text, so a killed or
    retried task sends nothing twice: it goes on where it was, and KetchUp recognises what it has had. Once
    anything may have been sent, the recipients and their texts must begin with those of before; further
    ones may follow, after success too. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "known_before", "refused": {code: count},
         "price", "currency", "task_ids", "results", "rejects"}

    where `price` is that of the accepted ones, `known_before` counts messages of an earlier try whose
    answer was lost, and `task_ids` are for `KetchUpSmsTaskFinishedSensor`; and what became of them with
    `wait_for_completion`. A cleared task that is done sends nothing; messages that were refused stand in
    `results`.

    :param text: the text, in which `{column}` stands for a recipient's own value.
    :param originator: the sender, at most 14 characters; the connection's without it.
    :param results_path: a file of JSON lines to stream what became of each message to (it holds numbers).
        It must be the same path in each try.
    :param chunk_size: messages in one call; halved by itself when the vendor says that it is too large.
    :param max_cost: refuse to send when the vendor's price call says that it would cost more, in the
        account's currency. All chunks are priced before the first is sent. In a later try: more than this
        with what was paid before.
    :param max_rejected: fail the task, after all was sent, when more messages than that were refused;
        without it only when all were.
    :param min_delivered_percent: with `wait_for_completion`: fail when fewer are delivered.
    :param validity_hours: how long the vendor tries, 1 to 72.
    :param tariff: the vendor's number of the tariff; the connection's without it.
    :param schedule_at: when it is sent, aware.

    Raises TelecomInputError before anything is sent, TelecomFundsError (top up and clear the task: it goes
    on), TelecomRejectedError, TelecomThrottledError. Source: "Отправка SMS" of the vendor's document.
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
        self.chunk_size = in_range("chunk_size", chunk_size, 1, _LARGEST_CHUNK)
        self.max_cost, self.max_rejected = max_cost, max_rejected
        self.min_delivered_percent = min_delivered_percent
        self.validity_hours = in_range("validity_hours", validity_hours, 1, 72)
        self.tariff, self.schedule_at = arguments.tariff(tariff), schedule_at

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all, then send to all."""
        from airflow_provider_telecom.operators.campaigns.results_file import ResultsFile

        message, most = self._message(), _amount(self.max_cost)
        results = ResultsFile(path) if (path := object_path(self.results_path)) else None
        text, region = message.text, self.hook.options.default_region
        with self._read_recipients(text.columns, region, text.has_only_placeholders) as audience:
            campaign = BulkSender(self.hook, message, self._idempotency_keys(context), self.chunk_size)
            if self.is_dry_run:
                return self._dry_run_result(campaign, audience)
            checkpoint = Checkpoint(self._journal(context), self._entry_name("bulk"), self.conn_id)
            keys = (order.reference for order in campaign.orders(audience))
            counts = SendCounts(**checkpoint.resume(keys, asdict(SendCounts())))
            if not checkpoint.is_done or counts.rows < audience.count:
                if most is not None:
                    campaign.cost(audience, most, counts)
                self._send(campaign, audience, counts, checkpoint, results)
        self._judge(counts)
        summary = self._summary(audience, counts)
        if self.wait_for_completion and not counts.task_ids:
            self.log.warning("The ids of all sends were lost with their answers; nothing can be waited for")
            return summary
        return self._wait_if_requested(summary, _STATUS_CHECK, self._awaited(counts))

    def _send(
        self,
        campaign: BulkSender,
        audience: Audience,
        counts: SendCounts,
        checkpoint: Checkpoint,
        results: ResultsFile | None,
    ) -> None:
        if results:
            results.begin(counts.rows)
        self.hook.wait_until_ready()
        try:
            self._send_blocks(campaign, audience, counts, checkpoint, results)
        except Exception:
            # The first error is the one to tell. Of results that could not be written, nothing counts.
            with suppress(OSError):
                _close_part(results, counts)
                checkpoint.stop(asdict(counts), campaign.perhaps_sent)
            raise
        _close_part(results, counts)
        if results:
            results.finish(counts.rows)
        if counts.accepted + counts.known_before:
            checkpoint.finish(asdict(counts))
        else:
            checkpoint.forget(asdict(SendCounts()))
        if results:
            results.forget_parts()

    def _send_blocks(
        self,
        campaign: BulkSender,
        audience: Audience,
        counts: SendCounts,
        checkpoint: Checkpoint,
        results: ResultsFile | None,
    ) -> None:
        """Send what is left. The checkpoint never says more than what the results hold."""
        orders = campaign.orders(audience, counts.rows)
        while block := list(islice(orders, checkpoint.block_size(campaign.chunk_size))):
            _close_part(results, counts)
            checkpoint.announce(asdict(counts), [order.reference for order in block])
            for chunk in campaign.send(block, counts):
                if results:
                    results.add(line_of(*found) for found in chunk)
                if checkpoint.is_due:
                    _close_part(results, counts)
                    checkpoint.advance(asdict(counts))
                    self.log.info("%s of %s recipients", f"{counts.rows:,}", f"{audience.count:,}")

    def _message(self) -> Message:
        options = {
            "validity_hours": self.validity_hours,
            "tariff": self.tariff,
            "schedule_at": self.schedule_at,
        }
        text = TextTemplate(non_blank("text", self.reveal("text")))
        originator = self.originator or self.hook.options.originator
        if not originator:
            raise TelecomInputError("originator", "must be given here or in the connection's extra")
        return Message(text, non_blank("originator", originator, 14), options)

    def _dry_run_result(self, campaign: BulkSender, audience: Audience) -> dict[str, Any]:
        price, currency = campaign.cost(audience, _amount(self.max_cost), SendCounts())
        return {
            **self._recipient_counts(audience),
            "dry_run": True,
            "price": str(price),
            "currency": currency,
        }

    def _summary(self, audience: Audience, counts: SendCounts) -> dict[str, Any]:
        facts = asdict(counts)
        del facts["rows"]
        return {**self._recipient_counts(audience), **facts, "results": self.results_path}

    def _awaited(self, counts: SendCounts) -> dict[str, Any]:
        return {
            "task_ids": counts.task_ids,
            "expected": counts.accepted,
            "min_delivered_percent": self.min_delivered_percent,
        }

    def _judge(self, counts: SendCounts) -> None:
        refused = sum(counts.refused.values())
        most = counts.rows - 1 if self.max_rejected is None else self.max_rejected
        if refused > most:
            codes = ", ".join(f"code {code}: {count}" for code, count in counts.refused.items())
            raise TelecomRejectedError(f"{refused} of {counts.rows} messages were refused ({codes})")


def _close_part(results: ResultsFile | None, counts: SendCounts) -> None:
    if results:
        results.close_part(counts.rows)


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
