"""Base class of operators that contact recipients one by one, at a vendor without idempotency keys."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Generic, NamedTuple, TypeVar

from airflow_provider_telecom.bulk.failover import NOT_SENT, check_failover
from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomRejectedError
from airflow_provider_telecom.journal.unknown import OutcomeUnknownError
from airflow_provider_telecom.operators.recipients import (
    ReadingArguments,
    RecipientsOperator,
    check_budget,
    check_price,
    check_results_path,
    object_path,
    price_facts,
)
from airflow_provider_telecom.operators.send_windows import SendWindowArguments, SendWindowOperator
from airflow_provider_telecom.tasks.arguments import NonIdempotentArguments
from airflow_provider_telecom.tasks.base import DEFERRABLE
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.bulk.budget import Budget
    from airflow_provider_telecom.bulk.failover import Failover
    from airflow_provider_telecom.bulk.outcomes import Origin
    from airflow_provider_telecom.bulk.requests_without_keys import Requests, Result
    from airflow_provider_telecom.bulk.sender_without_keys import Counts, Messages, SenderWithoutKeys
    from airflow_provider_telecom.operators.send_windows import SendWindow

MessageT = TypeVar("MessageT")
_MAX_RECIPIENTS = 10**12


class OneByOneArguments(ReadingArguments, NonIdempotentArguments, SendWindowArguments, total=False):
    """The parameters of `OneByOneOperator`, except for `recipients`."""

    results_path: str | None
    max_unknown: int
    max_rejected: int | None
    budget: Budget | None
    failover: Failover | None
    price_per_message: Decimal | str | int | None
    deferrable: bool


class Kind(NamedTuple, Generic[MessageT]):
    """What is sent to each recipient, and how."""

    messages: Callable[[Audience | Group], Messages[MessageT]]
    request: Callable[[MessageT], Result]
    content: Mapping[str, object]
    """All that decides what is sent, besides the recipients."""
    counts: type[Counts]


class OneByOneOperator(RecipientsOperator, NonIdempotentOperator, SendWindowOperator):
    """A task that contacts each of any number of recipients with a request of its own.

    :param results_path: the file of outcomes, with a row for each recipient: its number, its state (accepted,
        refused or unknown), code and time. JSON lines, or Parquet if it ends in `.parquet`. It must be the
        same path in each try.
    :param max_unknown: stop after so many requests in a row whose response was lost, in all tries together.
        They are unknown and are not repeated; the cleared task goes on after them.
    :param max_rejected: fail the task, after all were contacted, if more than that were refused; by default
        only if all were.
    :param budget: a `Budget`: what all tasks that share it may spend in a day, and this task in a run. It
        takes `price_per_message`.
    :param failover: a `Failover`: when the connection fails for everybody, the task records who has got
        nothing (`refused` with the code `not_sent` in the file of outcomes), contacts nobody more, also after
        "Clear", and succeeds. Its XCom then has `handed_over`, their number.
    :param price_per_message: what one recipient costs, in the currency of the budget: the vendor has no call
        that returns a price.
    :param deferrable: with `quiet_hours`: wait in the triggerer, without a worker slot. The default is
        Airflow's `[operators] default_deferrable`.
    :param on_unknown: what to do about recipients of whom nobody knows whether they were contacted, after a
        lost response or a killed task. `fail` (default): they are not contacted again, the others are, and
        then the task fails. `assume_sent`: the same, and the task succeeds. `resend`: the task stops at the
        first one, and the next try contacts them again. Whoever is `unknown` in the file stays so.
    """

    template_fields: Sequence[str] = (
        *RecipientsOperator.template_fields,
        *SendWindowOperator.template_fields,
        "results_path",
    )
    channel: ClassVar[str]
    noun: ClassVar[str]
    """What is sent, in the plural."""
    call: str
    """The label of the vendor's call."""
    chunk_size: int | None = 1
    """How many recipients the journal names before they are contacted."""
    concurrency: int = 1

    def __init__(
        self,
        *,
        results_path: str | None = None,
        max_unknown: int = 10,
        max_rejected: int | None = None,
        budget: Budget | None = None,
        failover: Failover | None = None,
        price_per_message: Decimal | str | int | None = None,
        deferrable: bool = DEFERRABLE,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.results_path, self.deferrable = results_path, deferrable
        check_results_path(results_path)
        self.failover = check_failover(failover, results_path)
        self.max_unknown = in_range("max_unknown", max_unknown, 1, _MAX_RECIPIENTS)
        if max_rejected is not None:
            in_range("max_rejected", max_rejected, 0, _MAX_RECIPIENTS)
        self.max_rejected = max_rejected
        self.budget, self.price_per_message = check_budget(budget), price_per_message
        check_price(budget, price_per_message)

    def _columns(self, others: Sequence[str] = ()) -> Sequence[str]:
        """Return the columns of an entry, without the number: `others`, time zone and variant."""
        own = (self.timezone_column, self._variant_column())
        return list(dict.fromkeys([*others, *(name for name in own if name is not None)]))

    def _variant_place(self, columns: Sequence[str]) -> int | None:
        """Return the place of the variant in an entry."""
        variant = self._variant_column()
        return None if variant is None else 1 + list(columns).index(variant)

    def _origin(self, context: Context) -> Origin:
        """Return what the lines of all recipients have in common."""
        from airflow_provider_telecom.bulk.outcomes import Origin, run_text

        ti = context["ti"]
        return Origin(self.channel, self.conn_id, run_text(ti.dag_id, ti.run_id, ti.task_id, ti.map_index))

    def _contact_all(
        self,
        context: Context,
        audience: Audience,
        columns: Sequence[str],
        kind: Kind[MessageT],
        preview: Callable[[], Mapping[str, Any]] = dict,
    ) -> dict[str, Any]:
        """Contact all recipients that earlier tries have not contacted; return the XCom. May defer.

        With `dry_run` it returns what would be sent, with what `preview` returns.
        """
        self._check_prefixes(audience)
        if self.is_dry_run:
            return self._dry_run(audience, columns, preview())
        with self.hook.add_connection_to_errors():
            senders = self._send(context, audience, columns, kind)
        return self._complete(audience, _merged(kind.counts, [each.counts for each in senders]))

    def _dry_run(
        self, audience: Audience, columns: Sequence[str], preview: Mapping[str, Any]
    ) -> dict[str, Any]:
        from airflow_provider_telecom.bulk.preview import windows

        found = {**preview, **price_facts(self.budget, self.price_per_message, audience.count)}
        if (window_of := self._windows()) is not None:
            groups = self._groups(audience, columns)
            opens = {group: window_of(group.zones).opens_at for group in groups}
            found["windows"] = windows(opens, type(self).now())
        return self._report_dry_run(found, audience, self.budget)

    def _send(
        self, context: Context, audience: Audience, columns: Sequence[str], kind: Kind[MessageT]
    ) -> Sequence[SenderWithoutKeys[MessageT, Counts]]:
        """Contact all, each group of time zones while its window is open; return the senders."""
        from airflow_provider_telecom.bulk.audience import Group
        from airflow_provider_telecom.operators.bulk_groups import BulkGroups
        from airflow_provider_telecom.operators.bulk_windows import WindowedSend

        journal, windows = self._journal(context), self._windows()
        content = {"recipients": audience.sha256, **kind.content}
        journal.earlier_entry(self._entry_name("bulk_audience"), self._fingerprint(content))
        if windows is None:
            found: Sequence[Group] = [Group("", audience.count, audience.sha256, audience.entries)]
        else:
            found = self._groups(audience, columns)
        groups = BulkGroups(journal, self._entry_name, found, object_path(self.results_path))
        groups.check()
        sender_of = partial(self._sender, context, audience, groups, kind)
        if windows is None:
            senders = {found[0]: sender_of(found[0], None)}
            self._check_results_path(context, senders)
            if not senders[found[0]].is_complete(found[0].count):
                send = partial(self._send_within_budget, context, senders, senders[found[0]].send)
                self._send_or_hand_over(senders[found[0]], send)
            self._settle(context, senders)
            return list(senders.values())
        run = WindowedSend(
            found,
            windows,
            lambda group: sender_of(group, windows(group.zones)),
            lambda group, sender, window: self._send_or_hand_over(sender, sender.send),
            self._wait_until_open,
        )
        self._check_results_path(context, run.progress)
        if run.left:
            run.opens_at()  # refuses time zones that are never open at once, before the first message

            def send_all() -> None:
                groups.begin()
                run.send_all()

            self._send_within_budget(context, run.progress, send_all)
        groups.finish()
        self._settle(context, run.progress)
        return list(run.progress.values())

    def _send_or_hand_over(
        self, sender: SenderWithoutKeys[MessageT, Counts], send: Callable[[], None]
    ) -> None:
        """Send; with `failover`, record who is left if the connection fails for everybody."""
        from airflow_provider_telecom.bulk.failover import send_or_hand_over

        send_or_hand_over(self.failover, send, sender.resume, sender.hand_over, has_keys=lambda: False)

    def _check_results_path(
        self, context: Context, senders: Mapping[Group, SenderWithoutKeys[MessageT, Counts]]
    ) -> None:
        """Raise TelecomInputError if the file has the results of another task of this run."""
        from airflow_provider_telecom.bulk.results_file import ResultsFile

        path = object_path(self.results_path)
        if path is not None and not any(each.counts.rows or each.in_doubt for each in senders.values()):
            ResultsFile(path).check_run(self._origin(context).run)

    def _sender(
        self,
        context: Context,
        audience: Audience,
        groups: Any,
        kind: Kind[MessageT],
        group: Group,
        window: SendWindow | None,
    ) -> SenderWithoutKeys[MessageT, Counts]:
        """Return the sender of a group, which knows how far earlier tries have come."""
        from airflow_provider_telecom.bulk.results_file import ResultsFile
        from airflow_provider_telecom.bulk.sender_without_keys import SenderWithoutKeys
        from airflow_provider_telecom.journal.checkpoint import Checkpoint

        identity = self._audience_identity(context, audience, kind.content.get("text"))
        path = groups.results(group)
        sender = SenderWithoutKeys(
            kind.messages(group),
            self._requests(kind, window),
            Checkpoint(self._journal(context), groups.entry(group), self.conn_id, audience=identity),
            None if path is None else ResultsFile(path),
            self.on_unknown,
            self._block_size,
            self._wait_until_ready,
            kind.counts,
        )
        sender.resume()
        return sender

    def _requests(self, kind: Kind[MessageT], window: SendWindow | None) -> Requests[MessageT]:
        """Return how the recipients of a group are contacted."""
        from airflow_provider_telecom.bulk.requests_without_keys import SingleRequests

        def request(message: MessageT) -> Result:
            with self._in_window(window):
                return kind.request(message)

        return SingleRequests(
            request, self.on_unknown, max_unknown=self.max_unknown, concurrency=self.concurrency
        )

    def _in_window(self, window: SendWindow | None) -> AbstractContextManager[None]:
        """Return the context of a call: it may refuse it, and no request leaves after the window."""
        return nullcontext() if window is None else window.call(self.hook)

    @property
    def _block_size(self) -> int:
        """How many recipients the journal names before they are contacted."""
        return self.chunk_size or 1

    def _wait_until_ready(self) -> None:
        """Wait until a request may be sent. The journal is written after that."""
        self.hook.wait_until_ready()

    def _send_within_budget(
        self,
        context: Context,
        senders: Mapping[Group, SenderWithoutKeys[MessageT, Counts]],
        send: Callable[[], None],
    ) -> None:
        """Reserve what the others cost, if there is a budget, then send.

        After an error all stays reserved.
        """
        from airflow_provider_telecom.tasks.metrics import counting_sends

        if self.budget is not None:
            price, again = check_price(self.budget, self.price_per_message), self.on_unknown == "resend"
            spent = sum(each.counts.may_be_paid for each in senders.values())
            rest = sum(
                group.count - each.counts.rows + (each.in_doubt if again else 0)
                for group, each in senders.items()
            )
            self._reservation(context, self.budget).reserve(price * spent, price * rest)
        with counting_sends(self.conn_id, self.channel, lambda: (_accepted(senders.values()), {})):
            send()

    def _settle(self, context: Context, senders: Mapping[Group, SenderWithoutKeys[MessageT, Counts]]) -> None:
        """Replace what was reserved by what may have been charged."""
        if self.budget is None or not (reservation := self._reservation(context, self.budget)).is_open:
            return
        from airflow_provider_telecom.bulk.budget_store import settle_and_log

        price = check_price(self.budget, self.price_per_message)
        settle_and_log(reservation, price * sum(each.counts.may_be_paid for each in senders.values()))

    def _complete(self, audience: Audience, counts: Counts) -> dict[str, Any]:
        """Return the XCom, or raise an error if too many were refused or somebody is in doubt."""
        codes_of_refused = {code: count for code, count in counts.refused.items() if code != NOT_SENT}
        refused, where = sum(codes_of_refused.values()), f"see {self.results_path or 'results_path'}"
        self.log.info(
            "%s of %s %s accepted, %s refused, %s unknown",
            *(f"{counts.accepted:,}", f"{counts.rows:,}", self.noun, f"{refused:,}", f"{counts.unknown:,}"),
        )
        if refused > (counts.rows - 1 if self.max_rejected is None else self.max_rejected):
            codes = ", ".join(f"code {code}: {count}" for code, count in codes_of_refused.items())
            raise TelecomRejectedError(
                f"{refused} of {counts.rows} {self.noun} were refused ({codes}); {where}",
                call=self.call,
                code=next(iter(codes_of_refused)),
            )
        if counts.unknown and self.on_unknown != "assume_sent":
            raise OutcomeUnknownError(
                f"all recipients are done, but it is unknown whether {counts.unknown} of {counts.rows} "
                f"{self.noun} were accepted ({where}); they are not repeated. on_unknown='assume_sent' "
                "accepts that"
            )
        facts = {name: count for name, count in asdict(counts).items() if name not in ("rows", "resent")}
        facts["refused"] = codes_of_refused
        if self.failover is not None:
            facts["handed_over"] = counts.handed_over
        return {**self._recipient_counts(audience), **facts, "results": self.results_path}


def _accepted(senders: Iterable[SenderWithoutKeys[MessageT, Counts]]) -> int:
    return sum(each.counts.accepted for each in senders)


def _merged(kind: type[Counts], parts: Sequence[Counts]) -> Counts:
    """Return the counts of all groups together."""
    if len(parts) == 1:
        return parts[0]
    whole = kind()
    for part in parts:
        whole.merge(part)
    return whole
