"""The operator that sends SMS to any number of recipients through KetchUp."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Required, Unpack

from airflow_provider_telecom.bulk.text_template import check_text
from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_operator import (
    BulkArguments,
    KetchUpBulkOperator,
)
from airflow_provider_telecom.operators.ketchup_loyalty.operator import STATUS_CHECKS
from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts
from airflow_provider_telecom.operators.recipients import CampaignOperator, check_max_segments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import SmsKind
    from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import SmsTerms


class BulkSmsArguments(BulkArguments, total=False):
    """The parameters of the base classes of `KetchUpSendBulkSmsOperator`."""

    recipients: Required[Any]
    text: Required[str | Mapping[str, str]]
    chunk_size: int


class KetchUpSendBulkSmsOperator(KetchUpBulkOperator, CampaignOperator):
    """Send an SMS to each of any number of recipients: one text, or texts with values from their rows.

    Each message has an idempotency key, derived from run, task, number, sender and text, so a killed or
    retried task sends nothing twice: it continues where it was, and KetchUp recognises repeated messages.
    Once anything may have been sent, the recipients and their texts must begin with the same ones; further
    ones may follow, also after success. Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "known_before", "refused": {code: count},
         "price", "currency", "task_ids", "results", "rejects"}

    where `price` is that of the accepted ones, `known_before` counts messages that were not sent now because
    KetchUp has had their keys before (as after an earlier try whose response was lost), and `task_ids` are
    for `KetchUpSmsTaskFinishedSensor`; with `wait_for_completion` also the counts of the receipts. A cleared
    task that is done sends nothing; refused messages are in `results`.

    :param text: the message, in which `{column}` is replaced by each recipient's value; or one per variant of
        the audience, as `{"A": "...", "B": "..."}`.
    :param originator: the sender, at most 14 characters; by default the connection's.
    :param originator_column: the column of each recipient's own sender. A row without one gets `originator`;
        if that is not given either, it is a bad row.
    :param min_delivered_percent: with `wait_for_completion`: fail if fewer are delivered.
    :param validity_hours: how long KetchUp tries to deliver each, 1 to 72.
    :param tariff: the tariff's number, 0 to 9; by default the connection's.
    :param schedule_at: when to send them: a datetime with a time zone, or its ISO 8601 text.
    :param max_segments: how many SMS (segments) a text may take. If a text takes more, nothing is sent.

    Raises TelecomInputError before anything is sent, TelecomFundsError (top up and clear the task: it
    continues), TelecomRejectedError, TelecomThrottledError. Source: "Отправка SMS" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *KetchUpBulkOperator.template_fields,
        "text",
        "originator",
        "schedule_at",
    )
    private_fields: ClassVar[Sequence[str]] = CampaignOperator.private_fields

    def __init__(
        self,
        *,
        originator: str | None = None,
        originator_column: str | None = None,
        min_delivered_percent: int | str | None = None,
        validity_hours: int = 72,
        tariff: int | None = None,
        schedule_at: datetime | str | None = None,
        max_segments: int | None = None,
        **kwargs: Unpack[BulkSmsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.originator = originator
        if originator_column is not None:
            non_blank("originator_column", originator_column)
        self.originator_column = originator_column
        self.min_delivered_percent = min_delivered_percent
        self.validity_hours = in_range("validity_hours", validity_hours, 1, arguments.MAX_VALIDITY_HOURS)
        self.tariff, self.schedule_at = arguments.check_tariff(tariff), schedule_at
        self.max_segments = check_max_segments(max_segments, text=self.text)
        check_text(self.text)
        check_if_literal(schedule_at, partial(arguments.optional_datetime, "schedule_at"))
        self._check_no_schedule(schedule_at)

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, then send to them."""
        counts, summary = self._send_to_all(context, self._kind(context))
        return summary if counts is None else self._complete(counts, summary)

    def _kind(self, context: Context) -> SmsKind:
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import SmsKind

        text, given = self._text(), self.originator or None
        originator = given
        if given is not None or self.originator_column is None:
            originator = arguments.choose_originator(given, self.hook.options.originator)
        terms: SmsTerms = {
            "validity_hours": self.validity_hours,
            "tariff": self.tariff,
            "schedule_at": arguments.optional_datetime("schedule_at", self.schedule_at),
        }
        columns = self._columns(text.columns, self.originator_column)
        return SmsKind(self.hook, self._idempotency_keys(context), columns, text, originator, terms)

    def _complete(self, counts: SendCounts, sent: dict[str, Any]) -> dict[str, Any]:
        """Return the summary of a send, after waiting for its receipts if the task does that."""
        summary = {**sent, "task_ids": counts.task_ids}
        if self.wait_for_completion and not counts.task_ids:
            self.log.warning("The ids of all batches were lost with their responses; can't wait for receipts")
            return summary
        awaited = {
            "task_ids": counts.task_ids,
            "expected": counts.accepted,
            "min_delivered_percent": self.min_delivered_percent,
        }
        return self._wait_if_requested(summary, f"{STATUS_CHECKS}.sms_tasks", awaited)
