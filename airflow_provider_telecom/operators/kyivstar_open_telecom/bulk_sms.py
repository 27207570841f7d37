"""The operator that sends SMS to any number of recipients by Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.bulk.text_template import blank_check, check_text
from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import KyivstarOperator
from airflow_provider_telecom.operators.one_by_one import Kind, OneByOneArguments, OneByOneOperator
from airflow_provider_telecom.operators.recipients import (
    CampaignArguments,
    CampaignOperator,
    check_max_segments,
)
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.requests_without_keys import Requests
    from airflow_provider_telecom.bulk.sender_without_keys import Counts
    from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sender import SmsMessages
    from airflow_provider_telecom.operators.send_windows import SendWindow

MAX_CONCURRENCY = 32
NAMED_AT_ONCE = 10
"""How many messages the journal names if each is a request. Writing it takes as long as about 10 requests."""
_BATCH_SIZE = 100


class BulkSmsArguments(CampaignArguments, OneByOneArguments):
    """The parameters of the bases of `KyivstarSendBulkSmsOperator`."""


class KyivstarSendBulkSmsOperator(KyivstarOperator, CampaignOperator, OneByOneOperator):
    """Send an SMS to each of any number of recipients: one text, or texts with values from their rows.

    With a connection to API v1 the messages are sent in batches, with v1beta one by one. A killed or retried
    task continues where it was. **The vendor cannot detect a duplicate:** if a response is lost, nobody knows
    whether its messages were sent, and they are never sent again by themselves.

    - v1: after a batch of unknown outcome the task stops, and `on_unknown` decides when a person clears it.
      Recipients that a response leaves out are counted, the others are sent to, and the task fails at its
      end.
    - v1beta: a message of unknown outcome is `unknown` in the results, the others are sent, and the task
      fails at its end. After `max_unknown` of them in a row it stops.

    Once anything may have been sent, the recipients and their texts must begin with the same ones; further
    ones may follow, also after success. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "refused": {code: count}, "unknown",
         "reserved_segments", "reserved_units", "results", "rejects"}

    The vendor's document does not have batches: they are found in a public client.

    :param text: the message, in which `{column}` is replaced by each recipient's value; or one per variant of
        the audience, as `{"A": "...", "B": "..."}`.
    :param sender: the alpha name; by default the connection's.
    :param results_path: the file of outcomes, with a row for each message: its number, its state (accepted,
        refused or unknown), the vendor's id, code and reason. JSON lines, or Parquet if it ends in
        `.parquet`. It must be the same path in each try. Without it the ids are lost.
    :param chunk_size: v1: messages in one batch, 1 to 1000, by default 100; halved automatically if the
        vendor refuses it as too large. So many messages are in doubt if a response is lost. v1beta: messages
        that the journal names before they are sent, by default 10: so many are unknown if the process is
        killed, and the fewer, the more time the journal takes.
    :param concurrency: v1beta: how many requests are made at the same time, 1 (default) to 32. v1 makes one
        at a time.
    :param max_segments: how many SMS (segments) a text may take, 1 to 6 (6 by default). If a text takes
        more, nothing is sent.
    :param ttl_seconds: v1beta: how long the vendor tries to deliver a message, 0 to 86400. Batches of v1 have
        no such field: it is refused.
    :param price_per_message: what one message costs, with all its segments, in the currency of the budget:
        the vendor has no call that returns a price.
    :param max_rejected: fail the task, after all was sent, if more messages than that were refused; by
        default only if all were.
    :param on_unknown: what to do about messages of unknown outcome. `fail` (default): v1 stops before the
        next batch; v1beta sends the others, then the task fails. `assume_sent`: they count as unknown, the
        others are sent, and the task succeeds. `resend`: the next try sends them again.

    Raises TelecomInputError before anything is sent, OutcomeUnknownError, TelecomRejectedError,
    TelecomThrottledError. Source: "/sms" of the vendor's document; v1, "/sms/batch", found in a public
    client.
    """

    template_fields: Sequence[str] = (
        *dict.fromkeys([*CampaignOperator.template_fields, *OneByOneOperator.template_fields]),
        "sender",
    )
    private_fields: ClassVar[Sequence[str]] = CampaignOperator.private_fields
    noun, channel, call = "SMS", "sms", "POST /sms"

    def __init__(
        self,
        *,
        sender: str | None = None,
        chunk_size: int | None = None,
        concurrency: int = 1,
        max_segments: int | None = None,
        ttl_seconds: int | None = None,
        **kwargs: Unpack[BulkSmsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.sender = sender
        if chunk_size is not None:
            in_range("chunk_size", chunk_size, 1, arguments.MAX_BATCH_SIZE)
        self.chunk_size = chunk_size
        self.concurrency = in_range("concurrency", concurrency, 1, MAX_CONCURRENCY)
        self.max_segments, self.ttl_seconds = max_segments, arguments.sms_ttl(ttl_seconds)
        check_max_segments(arguments.segments_allowed(max_segments), text=self.text)
        check_if_literal(sender, partial(non_blank, "sender"))
        check_text(self.text)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients and texts, then send to them."""
        from airflow_provider_telecom.bulk.preview import CampaignText, texts_facts
        from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sender import (
            SmsCounts,
            SmsMessages,
            single_request,
        )

        self.call = "POST /sms/batch" if self._has_batches else "POST /sms"
        if self.ttl_seconds is not None and self._has_batches:
            raise TelecomInputError(
                "ttl_seconds", "is for connections with api_version v1beta: a batch has none"
            )
        text, region = self._text(), self.hook.options.default_region
        columns = self._columns(text.columns)
        with self._read_recipients(
            columns, region, text.text_values, self._zone_checks, is_blank=blank_check(text)
        ) as audience:
            sender = self.sender or self.hook.options.sender
            if sender is None:
                raise TelecomInputError("sender", "must be given here or in the connection's extra")
            names, origin = self._names(context), self._origin(context)
            place = self._variant_place(columns)

            def messages(recipients: Audience | Group) -> SmsMessages:
                return SmsMessages(recipients, text, sender, names, origin, place)

            campaign = CampaignText(self.reveal("text"), text.fill, place)
            allowed = arguments.segments_allowed(self.max_segments)
            self._check_segments(campaign, audience, allowed, text.columns, region)
            request = partial(single_request, self.hook, self.max_segments, self.ttl_seconds)
            kind = Kind(messages, request, {"text": text.source, "sender": sender}, SmsCounts)
            return self._contact_all(
                context, audience, columns, kind, lambda: texts_facts(campaign.previews(audience))
            )

    @property
    def _has_batches(self) -> bool:
        return self.hook.options.api_version == "v1"

    def _requests(self, kind: Kind[Any], window: SendWindow | None) -> Requests[Any]:
        from airflow_provider_telecom.operators.kyivstar_open_telecom.bulk_sender import batch_requests

        if not self._has_batches:
            return super()._requests(kind, window)
        return batch_requests(self.hook, self.on_unknown, partial(self._in_window, window))

    @property
    def _block_size(self) -> int:
        return self.chunk_size or (_BATCH_SIZE if self._has_batches else max(NAMED_AT_ONCE, self.concurrency))

    def _names(self, context: Context) -> IdempotencyKeys:
        """Return the function that names the messages of this task in this run."""
        ti = context["ti"]
        return IdempotencyKeys(ti.dag_id, ti.run_id, ti.task_id, self._dedupe_key)

    def _complete(self, audience: Audience, counts: Counts) -> dict[str, Any]:
        """Return the summary of a send, or raise an error if too few messages were accepted."""
        self.log.info("%s segments", f"{asdict(counts)['reserved_segments']:,}")
        return super()._complete(audience, counts)
