"""The operator that sends SMS to any number of recipients by Kyivstar Open Telecom, API v1."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.bulk.text_template import blank_check, check_text
from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomRejectedError
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.recipients import (
    CampaignArguments,
    CampaignOperator,
    check_budget,
    check_max_segments,
    check_price,
    check_results_path,
    object_path,
    price_facts,
)
from airflow_provider_telecom.tasks.arguments import NonIdempotentArguments
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience
    from airflow_provider_telecom.bulk.budget import Budget
    from airflow_provider_telecom.bulk.sender_without_keys import SenderWithoutKeys
    from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sender import (
        Message,
        SmsCounts,
        SmsMessages,
    )


class BulkSmsArguments(CampaignArguments, NonIdempotentArguments):
    """The parameters of the bases of `KyivstarSendBulkSmsOperator`."""


class KyivstarSendBulkSmsOperator(KyivstarOperator, CampaignOperator, NonIdempotentOperator):
    """Send an SMS to each of any number of recipients: one text, or texts with values from their rows.

    The messages are sent in batches. A killed or retried task continues where it was. **The vendor cannot
    detect a duplicate:** if the response to a batch is lost, nobody knows whether its messages were sent.
    Such a batch is never sent again by itself: the task stops, and `on_unknown` decides when a person clears
    it. Recipients that a response leaves out are not sent to again either: they are counted, the other
    messages are sent, and the task fails at its end (unless `on_unknown` is `assume_sent`).

    Once anything may have been sent, the recipients and their texts must begin with the same ones; further
    ones may follow, also after success. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "refused": {code: count}, "unknown",
         "reserved_segments", "reserved_units", "results", "rejects"}

    **The connection's `api_version` must be v1.** The vendor's document does not have batches; all is found
    in a public client.

    :param text: the message, in which `{column}` is replaced by each recipient's value; or one per variant of
        the audience, as `{"A": "...", "B": "..."}`.
    :param sender: the alpha name; by default the connection's.
    :param results_path: the file of outcomes, with a row for each message: its number, its state (accepted,
        refused or unknown), the vendor's id, code and reason. JSON lines, or Parquet if it ends in
        `.parquet`. It must be the same path in each try. Without it the ids are lost.
    :param chunk_size: messages in one batch, 1 to 1000; halved automatically if the vendor refuses it as too
        large. So many messages are in doubt if a response is lost.
    :param max_segments: how many SMS (segments) a text may take, 1 to 6 (6 by default). If a text takes
        more, nothing is sent.
    :param budget: a `Budget`: what all tasks that share it may spend in a day, and this task in a run. It
        takes `price_per_message`.
    :param price_per_message: what one message costs, with all its segments, in the currency of the budget:
        the vendor has no call that returns a price.
    :param max_rejected: fail the task, after all was sent, if more messages than that were refused; by
        default only if all were.
    :param on_unknown: what to do about a batch whose response was lost: `fail` (default) stops before the
        next batch; `assume_sent` counts its messages as unknown and goes on; `resend` sends it again in the
        next try.

    Raises TelecomInputError before anything is sent, also for a connection without API v1,
    OutcomeUnknownError, TelecomRejectedError, TelecomThrottledError. Source: v1, "/sms/batch"; found in a
    public client.
    """

    template_fields: Sequence[str] = (
        *CampaignOperator.template_fields,
        "sender",
        "results_path",
    )
    private_fields: ClassVar[Sequence[str]] = CampaignOperator.private_fields

    def __init__(
        self,
        *,
        sender: str | None = None,
        results_path: str | None = None,
        chunk_size: int = 100,
        max_segments: int | None = None,
        max_rejected: int | None = None,
        budget: Budget | None = None,
        price_per_message: Decimal | str | int | None = None,
        **kwargs: Unpack[BulkSmsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.budget, self.price_per_message = check_budget(budget), price_per_message
        check_price(budget, price_per_message)
        self.sender, self.results_path = sender, results_path
        check_results_path(results_path)
        self.chunk_size = in_range("chunk_size", chunk_size, 1, arguments.MAX_BATCH_SIZE)
        self.max_segments, self.max_rejected = max_segments, max_rejected
        check_max_segments(arguments.segments_allowed(max_segments), text=self.text)
        check_if_literal(sender, partial(non_blank, "sender"))
        check_text(self.text)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients and texts, then send to them."""
        from airflow_provider_telecom.bulk.outcomes import Origin, run_text
        from airflow_provider_telecom.bulk.preview import CampaignText, texts_facts
        from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sender import SmsMessages

        self.hook.require_v1("batches of SMS")
        text, region = self._text(), self.hook.options.default_region
        variant = self._variant_column()
        columns = list(dict.fromkeys([*text.columns, *([] if variant is None else [variant])]))
        with self._read_recipients(columns, region, text.text_values, is_blank=blank_check(text)) as audience:
            sent_from = self.sender or self.hook.options.sender
            place = None if variant is None else 1 + columns.index(variant)
            ti = context["ti"]
            origin = Origin("sms", self.conn_id, run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))
            messages = SmsMessages(audience, text, sent_from, self._names(context), origin, place)
            campaign = CampaignText(self.reveal("text"), text.fill, place)
            allowed = arguments.segments_allowed(self.max_segments)
            self._check_segments(campaign, audience, allowed, text.columns, region)
            self._check_prefixes(audience)
            if self.is_dry_run:
                found = texts_facts(campaign.previews(audience))
                found |= price_facts(self.budget, self.price_per_message, audience.count)
                return self._report_dry_run(found, audience, self.budget)
            sender = self._bulk_sender(context, messages)
            with self.hook.add_connection_to_errors():
                self._send(context, sender, len(messages))
        return self._complete(audience, sender.counts)

    def _send(self, context: Context, sender: SenderWithoutKeys[Message, SmsCounts], recipients: int) -> None:
        """Send, within the budget if there is one. After an error all stays reserved."""
        if self.budget is None:
            return sender.run()
        from airflow_provider_telecom.bulk.budget_store import settle_and_log

        reservation = self._reservation(context, self.budget)
        price = check_price(self.budget, self.price_per_message)

        def reserve(counts: SmsCounts, in_doubt: int) -> None:
            again = in_doubt if self.on_unknown == "resend" else 0  # they may be paid for twice
            reservation.reserve(price * counts.may_be_paid, price * (recipients - counts.rows + again))

        sender.run(reserve)
        if reservation.is_open:
            settle_and_log(reservation, price * sender.counts.may_be_paid)
        return None

    def _names(self, context: Context) -> IdempotencyKeys:
        """Return the function that names the messages of this task in this run."""
        ti = context["ti"]
        return IdempotencyKeys(ti.dag_id, ti.run_id, ti.task_id, self._dedupe_key)

    def _bulk_sender(self, context: Context, messages: SmsMessages) -> SenderWithoutKeys[Message, SmsCounts]:
        from airflow_provider_telecom.bulk.results_file import ResultsFile
        from airflow_provider_telecom.bulk.sender_without_keys import SenderWithoutKeys
        from airflow_provider_telecom.journal.checkpoint import Checkpoint
        from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sender import (
            SmsCounts,
            batch_requests,
        )

        journal = self._journal(context)
        journal.earlier_entry(self._entry_name("bulk_audience"), self._fingerprint(messages.content))
        identity = self._audience_identity(messages.audience, messages.content["text"])
        checkpoint = Checkpoint(journal, self._entry_name("bulk"), self.conn_id, audience=identity)
        path = object_path(self.results_path)
        return SenderWithoutKeys(
            messages,
            batch_requests(self.hook, self.on_unknown),
            checkpoint,
            None if path is None else ResultsFile(path),
            self.on_unknown,
            self.chunk_size,
            self.hook.wait_until_ready,
            SmsCounts,
        )

    def _complete(self, audience: Audience, counts: SmsCounts) -> dict[str, Any]:
        """Return the summary of a send, or raise an error if too few messages were accepted."""
        refused, where = sum(counts.refused.values()), f"see {self.results_path or 'results_path'}"
        self.log.info(
            "%s of %s SMS accepted, %s refused, %s unknown; %s segments",
            *(f"{counts.accepted:,}", f"{counts.rows:,}", f"{refused:,}", f"{counts.unknown:,}"),
            f"{counts.reserved_segments:,}",
        )
        if refused > (counts.rows - 1 if self.max_rejected is None else self.max_rejected):
            codes = ", ".join(f"code {code}: {count}" for code, count in counts.refused.items())
            raise TelecomRejectedError(
                f"{refused} of {counts.rows} SMS were refused ({codes}); {where}",
                call="POST /sms/batch",
                code=next(iter(counts.refused)),
            )
        if counts.unknown and self.on_unknown != "assume_sent":
            raise OutcomeUnknownError(
                f"all batches were sent, but it is unknown whether {counts.unknown} of {counts.rows} SMS "
                f"were accepted ({where}); they are not sent again. on_unknown='assume_sent' accepts that"
            )
        facts = {name: count for name, count in asdict(counts).items() if name not in ("rows", "resent")}
        return {**self._recipient_counts(audience), **facts, "results": self.results_path}
