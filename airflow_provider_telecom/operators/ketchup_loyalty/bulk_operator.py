"""Base class of KetchUp's operators that send, or look up, any number of recipients."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from decimal import Decimal, InvalidOperation
from functools import partial
from itertools import chain
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.failover import check_failover
from airflow_provider_telecom.bulk.garbage import old_objects_frozen
from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.unknown import OnUnknown
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_waiting import FinalStatesOperator
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.operators.ketchup_loyalty.results import (
    SendCounts,
    merged,
    raise_if_refused,
)
from airflow_provider_telecom.operators.recipients import (
    ReadingArguments,
    RecipientsOperator,
    check_budget,
    check_results_path,
    object_path,
)
from airflow_provider_telecom.operators.send_windows import (
    SendWindow,
    SendWindowArguments,
    SendWindowOperator,
)
from airflow_provider_telecom.tasks.arguments import DeferrableArguments
from airflow_provider_telecom.tasks.effects import IdempotentOperator
from airflow_provider_telecom.tasks.retry import is_final
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.budget import Budget
    from airflow_provider_telecom.bulk.budget_store import Reservation
    from airflow_provider_telecom.bulk.failover import Failover
    from airflow_provider_telecom.bulk.outcomes import Origin
    from airflow_provider_telecom.bulk.preview import CampaignText
    from airflow_provider_telecom.journal.journal import Journal
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import MessageKind, RowColumns
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender


class BulkArguments(ReadingArguments, DeferrableArguments, SendWindowArguments, total=False):
    """The parameters of `KetchUpBulkOperator`, except for `recipients` and `chunk_size`."""

    results_path: str | None
    max_cost: Decimal | str | int | None
    budget: Budget | None
    failover: Failover | None
    max_rejected: int | None
    reference_column: str | None
    result_columns: Sequence[str]


class KetchUpBulkOperator(
    KetchUpOperator, RecipientsOperator, IdempotentOperator, SendWindowOperator, FinalStatesOperator
):
    """A task that sends a message to each of any number of recipients, or looks each of them up.

    :param results_path: the file of outcomes, with a row for each message (it contains numbers): JSON lines,
        or Parquet if it ends in `.parquet`. It must be the same path in each try, and another one in each
        run.
    :param chunk_size: messages in one call; halved automatically if the vendor refuses it as too large.
    :param max_cost: send nothing if it would cost more, in the account's currency. All chunks are priced
        before the first is sent. In a later try it includes what was paid before, as far as KetchUp has
        reported it: it gives no price again for messages known before.
    :param budget: a `Budget`: what all tasks that share it may spend in a day, and this task in a run. The
        price of all messages is reserved before the first is sent; then what was charged is settled.
    :param failover: a `Failover`: when the connection fails for everybody, the task records who has got
        nothing (`refused` with the code `not_sent` in the file of outcomes), sends nothing more, also after
        "Clear", and succeeds. Its XCom then has `handed_over`, their number.
    :param max_rejected: fail the task, after all was sent, if more messages than that were refused; by
        default only if all were.
    :param reference_column: the column of your own keys (`reference`, for Viber `external_id`), such as the
        ids of a CRM; by default keys are derived. A key must be new in the account: for one that KetchUp has
        had before it sends nothing, and the message counts as `known_before`.
    :param result_columns: columns of the recipients that are copied to the file of results.
    """

    template_fields: Sequence[str] = (
        *RecipientsOperator.template_fields,
        *SendWindowOperator.template_fields,
        *("results_path", "max_cost"),
    )
    max_segments: int | None = None
    """How many segments a text may have. Only SMS have segments."""

    def __init__(
        self,
        *,
        results_path: str | None = None,
        chunk_size: int = 500,
        max_cost: Decimal | str | int | None = None,
        budget: Budget | None = None,
        failover: Failover | None = None,
        max_rejected: int | None = None,
        reference_column: str | None = None,
        result_columns: Sequence[str] = (),
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.results_path, self.max_cost, self.budget = results_path, max_cost, check_budget(budget)
        check_results_path(results_path)
        self.failover = check_failover(failover, results_path)
        self.chunk_size = in_range("chunk_size", chunk_size, 1, arguments.MAX_CHUNK_SIZE)
        self.max_rejected = arguments.check_max_rejected(max_rejected)
        if reference_column is not None:
            non_blank("reference_column", reference_column)
        if isinstance(result_columns, str):
            raise TelecomInputError("result_columns", "must be a list of names of columns")
        self.reference_column, self.result_columns = reference_column, result_columns

    def _columns(self, text: Sequence[str] = (), sender: str | None = None) -> RowColumns:
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import RowColumns

        return RowColumns(
            text,
            sender,
            self.reference_column,
            tuple(self.result_columns),
            timezone=self.timezone_column,
            variant=self._variant_column(),
        )

    @old_objects_frozen()
    def _send_to_all(
        self, context: Context, kind: MessageKind, on_unknown: OnUnknown = "fail"
    ) -> tuple[SendCounts | None, dict[str, Any]]:
        """Check all recipients, then send to them; return the counts and the XCom. No counts of a dry run."""
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender
        from airflow_provider_telecom.tasks.metrics import counting_sends

        max_cost = _amount(self.max_cost)
        region, unique = self.hook.options.default_region, self.reference_column
        names = kind.columns.names
        checks = {**kind.checks, **self._zone_checks}
        kind.origin = self._origin(context, kind)
        with self._read_recipients(
            names, region, kind.text_values, checks, unique, kind.is_blank
        ) as audience:
            kind.audience = self._audience_identity(context, audience, kind.content)
            sender = BulkSender(kind, self.chunk_size, on_unknown)
            self._check_segments(self._campaign_text(kind), audience, self.max_segments, names, region)
            self._check_prefixes(audience)
            if (windows := self._windows()) is not None:
                return self._send_in_windows(context, kind, audience, on_unknown, windows)
            if self.is_dry_run:
                return None, self._dry_run(sender, kind, audience, max_cost)
            progress = self._progress(context, kind, sender, audience)
            if progress.is_complete(audience.count):
                self.log.info("an earlier try has sent all; nothing is sent now")
                self._settle_budget(context, progress.counts)
            else:
                with counting_sends(self.conn_id, kind.channel, lambda: progress.counts.for_metrics):
                    self._send_or_hand_over(context, kind, sender, audience, progress, max_cost)
            if self.wait_for_completion and kind.has_states:
                self._check_results(_references(sender, [audience]))
        return self._summarize(kind, audience, progress.counts)

    def _send_or_hand_over(
        self,
        context: Context,
        kind: MessageKind,
        sender: BulkSender,
        audience: Audience,
        progress: BulkProgress,
        max_cost: Decimal | None,
    ) -> None:
        """Send to all who are left. With `failover`, record them if the connection fails for everybody."""
        from airflow_provider_telecom.bulk.failover import send_or_hand_over
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_budget import release
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_send import hand_over, send_rest

        results, first = object_path(self.results_path), progress.counts.rows

        def send() -> None:
            nonlocal first
            first = progress.counts.rows
            self._send_within_budget(
                context,
                lambda: progress.counts,
                partial(sender.cost, audience, max_cost),
                partial(send_rest, kind, sender, audience, progress, results),
                partial(release, sender=sender, progress=progress, first=first),
            )

        def record_left() -> None:
            if self.budget is not None and sender.quoted == audience.count - first:
                reservation = self._reservation(context, self.budget)
                if reservation.is_open:  # otherwise it was released, or there is none
                    release(reservation, sender, progress, first)
            hand_over(kind, sender, audience, progress, self._results_object())
            self._settle_budget(context, progress.counts)

        send_or_hand_over(self.failover, send, progress.resume, record_left, has_keys=lambda: kind.is_keyed)

    def _summarize(
        self, kind: MessageKind, audience: Audience, counts: SendCounts
    ) -> tuple[SendCounts, dict[str, Any]]:
        summary = {**self._recipient_counts(audience), **counts.facts(), "results": self.results_path}
        if self.failover is not None:
            summary["handed_over"] = counts.handed_over
        known = {**summary, "unknown": counts.unknown}
        self._log_outcome(known, audience.count, self.results_path, kind.noun)
        raise_if_refused(summary["refused"], counts.rows, self.max_rejected, kind.call, kind.noun)
        return counts, summary

    def _send_within_budget(
        self,
        context: Context,
        counts: Callable[[], SendCounts],
        price: Callable[[SendCounts], tuple[Decimal, str | None]],
        send: Callable[[], None],
        release: Callable[[Reservation], None] | None = None,
    ) -> None:
        """Send if `max_cost` and the budget allow it. After the last try `release` gives back what it can."""
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_budget import send_within_budget

        if self.budget is None:
            if self.max_cost is not None:
                price(counts())
            send()
            return
        reservation = self._reservation(context, self.budget)

        def release_if_final(error: Exception) -> None:
            if release is not None and is_final(error, context):
                release(reservation)

        send_within_budget(reservation, counts, price, send, release_if_final)

    def _settle_budget(self, context: Context, counts: SendCounts) -> None:
        """Settle what an earlier try has reserved, if it was killed before it did so."""
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_budget import settle

        if self.budget is not None and (reservation := self._reservation(context, self.budget)).is_open:
            settle(reservation, counts)

    def _dry_run(
        self,
        sender: BulkSender,
        kind: MessageKind,
        audience: Audience,
        max_cost: Decimal | None,
        opens: Mapping[Group, datetime] | None = None,
    ) -> dict[str, Any]:
        """Return the XCom of a dry run. `opens` says when the windows open; None without quiet hours."""
        from airflow_provider_telecom.bulk.preview import windows
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_preview import preview_send

        found = preview_send(sender, self._campaign_text(kind), audience, max_cost)
        if opens is not None:
            found["windows"] = windows(opens, type(self).now())
        return self._report_dry_run(found, audience, self.budget)

    def _campaign_text(self, kind: MessageKind) -> CampaignText:
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_preview import campaign_text

        text = self.reveal("text") if "text" in self.private_fields else ""
        return campaign_text(kind, text)

    def _origin(self, context: Context, kind: MessageKind) -> Origin:
        """Return what the lines of all messages have in common."""
        from airflow_provider_telecom.bulk.outcomes import Origin, run_text

        ti = context["ti"]
        return Origin(kind.channel, self.conn_id, run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))

    def _send_in_windows(
        self,
        context: Context,
        kind: MessageKind,
        audience: Audience,
        on_unknown: OnUnknown,
        windows: Callable[[Sequence[str]], SendWindow],
    ) -> tuple[SendCounts | None, dict[str, Any]]:
        """Send to the recipients whose windows are open, and wait for the others. May raise TaskDeferred."""
        from airflow_provider_telecom.bulk.failover import send_or_hand_over
        from airflow_provider_telecom.operators.bulk_groups import BulkGroups
        from airflow_provider_telecom.operators.bulk_windows import WindowedSend
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_send import hand_over, send_rest
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender
        from airflow_provider_telecom.tasks.metrics import counting_sends

        max_cost, sender = _amount(self.max_cost), BulkSender(kind, self.chunk_size, on_unknown)
        found = self._groups(audience, kind.columns.names)
        journal = self._journal(context)
        results = object_path(self.results_path)
        groups = BulkGroups(journal, self._entry_name, found, results)

        def progress_of(group: Group) -> BulkProgress:
            entry, path = groups.entry(group), groups.results(group)
            return self._progress_of(journal, kind, sender, group, entry, path)

        def send(group: Group, progress: BulkProgress, window: SendWindow) -> None:
            own = BulkSender(kind, self.chunk_size, on_unknown, window=lambda: window.call(self.hook))
            parts = kind, own, group, progress
            send_or_hand_over(
                self.failover,
                partial(send_rest, *parts, results),
                progress.resume,
                lambda: hand_over(*parts, self._results_object()),
                has_keys=lambda: kind.is_keyed,
            )

        if self.is_dry_run:
            opens = {group: windows(group.zones).opens_at for group in found}
            return None, self._dry_run(sender, kind, audience, max_cost, opens)
        groups.check()
        run = WindowedSend(found, windows, progress_of, send, self._wait_until_open)

        def counts() -> SendCounts:
            return merged(each.counts for each in run.progress.values())

        if not run.has_begun:
            self._check_place(journal, kind, sender, audience)
        if run.left:
            run.opens_at()  # refuses time zones that are never open at once, before the first message
            price = partial(self._cost_of_groups, sender, run.progress, max_cost)

            def send_all() -> None:
                groups.begin()
                run.send_all()

            def record_left() -> None:  # the vendor was asked for the price, and nothing was sent
                groups.begin()
                for group in run.left:
                    hand_over(kind, sender, group, run.progress[group], self._results_object())
                self._settle_budget(context, counts())

            with counting_sends(self.conn_id, kind.channel, lambda: counts().for_metrics):
                send_or_hand_over(
                    self.failover,
                    partial(self._send_within_budget, context, counts, price, send_all),
                    lambda: counts().rows,
                    record_left,
                    has_keys=lambda: False,  # a group's own send decides about unknown outcomes
                )
        else:
            self.log.info("an earlier try has sent all; nothing is sent now")
            self._settle_budget(context, counts())
        groups.finish()
        if self.wait_for_completion and kind.has_states:
            self._check_results(_references(sender, groups.all))
        return self._summarize(kind, audience, counts())

    def _cost_of_groups(
        self,
        sender: BulkSender,
        progress: Mapping[Group, BulkProgress],
        max_cost: Decimal | None,
        spent: SendCounts,
    ) -> tuple[Decimal, str | None]:
        """Return what all groups together would cost. Raises TelecomInputError if it is more than allowed."""
        for group, each in progress.items():
            price, currency = sender.cost(group, max_cost, replace(spent, rows=each.counts.rows))
            spent = replace(spent, price=str(price), currency=currency)
        return Decimal(spent.price), spent.currency

    def _progress(
        self, context: Context, kind: MessageKind, sender: BulkSender, audience: Audience
    ) -> BulkProgress:
        from airflow_provider_telecom.operators.bulk_groups import SINGLE, check_same_groups

        journal, path = self._journal(context), object_path(self.results_path)
        name = self._entry_name(SINGLE)
        progress = self._progress_of(journal, kind, sender, audience, name, path)
        if not progress.counts.rows and not progress.in_doubt:
            check_same_groups(journal, self._entry_name, [""])
            self._check_place(journal, kind, sender, audience)
        return progress

    def _progress_of(
        self,
        journal: Journal,
        kind: MessageKind,
        sender: BulkSender,
        recipients: Audience | Group,
        name: str,
        path: ObjectStoragePath | None,
    ) -> BulkProgress:
        from airflow_provider_telecom.bulk.results_file import ResultsFile
        from airflow_provider_telecom.journal.checkpoint import Checkpoint
        from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress

        return BulkProgress(
            Checkpoint(journal, name, self.conn_id, audience=kind.audience),
            lambda: chain.from_iterable(map(kind.identities, sender.messages(recipients))),
            None if path is None else ResultsFile(path),
        )

    def _check_place(
        self, journal: Journal, kind: MessageKind, sender: BulkSender, audience: Audience
    ) -> None:
        """Raise TelecomInputError if this place of a mapped list had other recipients before.

        It has sent nothing, but another place may have sent to these.
        """
        if kind.must_prove_keys:
            (first,) = kind.identities(sender.first_messages(audience, 0, 1))
            content = {"recipients": audience.sha256, "text": self.reveal("text"), "first": first}
            journal.earlier_entry(self._entry_name("bulk_audience"), self._fingerprint(content))


def _references(sender: BulkSender, recipients: Iterable[Audience | Group]) -> Iterator[str]:
    return (key for each in recipients for messages in sender.messages(each) for key in messages.references)


def _amount(value: Decimal | str | int | None) -> Decimal | None:
    if value is None:
        return None
    try:
        amount = Decimal(str(value))
    except InvalidOperation:
        amount = Decimal("NaN")
    if not amount.is_finite() or amount < 0 or isinstance(value, float):
        raise TelecomInputError("max_cost", "must be an amount such as '100.50': no float, not empty")
    return amount
