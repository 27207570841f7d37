"""Operators that list, start and suspend Kyivstar promos, and read their status and statistics."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, date, datetime
from typing import TYPE_CHECKING, Any, ClassVar, Literal, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import aware_datetime, in_range, non_blank, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import end_of, start_of
from airflow_provider_telecom.journal.journal import Journal
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import start_promo, suspend_promo
from airflow_provider_telecom.tasks.arguments import DeferrableArguments, OperatorArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import MAX_INT32, promo_uuid

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import PromoFacts
    from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import Promo

SortDirection = Literal["ASC", "DESC"]


class PromoXCom(TypedDict):
    """A promo. Dates are the vendor's texts; what the vendor does not send is None."""

    promo_id: str
    status: str
    next_available_statuses: list[str]
    start_date: str | None
    end_date: str | None
    param_count: int | None
    author_username: NotRequired[str | None]
    text_to_send: NotRequired[str | None]


class PromoListXCom(TypedDict):
    """What `KyivstarListPromosOperator` returns."""

    count: int
    promos: list[PromoXCom]
    has_more: bool
    """Whether another page may follow; false without `page_number`."""


class _PromoOperator(KyivstarOperator):
    """Base class of the operators for one promo."""

    template_fields: Sequence[str] = (*KyivstarOperator.template_fields, "promo_id")

    def __init__(self, *, promo_id: str, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)
        self.promo_id = promo_id
        check_if_literal(promo_id, promo_uuid)


class StartPromoArguments(DeferrableArguments):
    """The parameters of the bases of `KyivstarStartPromoOperator`."""

    promo_id: str


class KyivstarStartPromoOperator(DeferrableOperator, _PromoOperator):
    """Put a promo into the queue, so that it starts; return `{"promo_id", "status", "changed"}`.

    This costs money and reaches people. The task reads the status first: it starts a DRAFT, and leaves a
    promo that is WAITING, ACTIVE or COMPLETED as it is. `changed` says whether this task started it, in any
    of its tries. After a lost response it reads the status again, and repeats the request only for a DRAFT.
    With `wait_for_completion` it succeeds once the promo is COMPLETED, and returns its statistics too.

    :param promo_id: the promo's id.
    :param resume_suspended: also start a SUSPENDED promo, which somebody has stopped; once only. A promo that
        this task may have started before, in an earlier try or before "Clear", is never started again.
    :param suspend_on_kill: with `wait_for_completion`: suspend a promo that this task started when the
        waiting task is ended: by a person, and in a worker also by `execution_timeout`, the worker's
        shutdown, or missing heartbeats. It stays suspended until a person starts it again; a retry does not.

    Raises PromoStateError if it is SUSPENDED or in an unknown state: a retry does not help. Raises
    TelecomInputError, TelecomNotFoundError, TelecomRejectedError, TelecomUnknownError (no request was
    answered; a later try reads the status first). Source: "/promo/{promoUUID}/status/{status}".
    """

    def __init__(
        self,
        *,
        resume_suspended: bool = False,
        suspend_on_kill: bool = True,
        **kwargs: Unpack[StartPromoArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.resume_suspended, self.suspend_on_kill = resume_suspended, suspend_on_kill

    def execute(self, context: Context) -> PromoFacts:
        """Read the status, start the promo if necessary, and wait if requested."""
        journal = Journal(context["task_state_store"])
        started = start_promo(self.hook, journal, self.promo_id, resume_suspended=self.resume_suspended)
        stop = f"{STATUS_MODULE}.stop_promo" if self.suspend_on_kill and started["changed"] else None
        return self._wait_if_requested(started, f"{STATUS_MODULE}.promo", {"promo_id": self.promo_id}, stop)


class KyivstarSuspendPromoOperator(_PromoOperator):
    """Stop a promo; return `{"promo_id", "status", "changed"}`. Messages already sent are not recalled.

    The task reads the status first, and leaves a promo that is SUSPENDED or COMPLETED as it is. `status` says
    which, and `changed` whether this task suspended it, in any of its tries. After a lost response it reads
    the status again, and repeats the request only while the promo is WAITING or ACTIVE.

    :param promo_id: the promo's id.

    Raises PromoStateError if it is a DRAFT, in an unknown state, or running although this task has suspended
    it before, so that somebody has started it again: a retry does not help. Raises TelecomInputError,
    TelecomNotFoundError, TelecomRejectedError, TelecomUnknownError (no request was answered; a later try
    reads the status first). Source: "/promo/{promoUUID}/status/{status}".
    """

    def execute(self, context: Context) -> PromoFacts:
        """Read the status, and stop the promo if necessary."""
        return suspend_promo(self.hook, Journal(context["task_state_store"]), self.promo_id)


class KyivstarPromoStatisticsOperator(_PromoOperator):
    """Return how many messages of a promo were sent, and their states.

    `{"promo_id", "sent_count", "deliveries_count", "undelivered_count", ...}`: all counts that the vendor
    sends, under the names of `PromoStatistics`. Portions are SMS segments.

    :param promo_id: the promo's id.

    Raises TelecomInputError, TelecomNotFoundError. A read: it costs nothing and may be repeated.
    Source: "/promo/{promoUUID}/statistics".
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Read the statistics."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.status import counts

        return {"promo_id": self.promo_id, **counts(self.hook.get_promo_statistics(self.promo_id))}


class KyivstarGetPromoOperator(_PromoOperator):
    """Return a promo's status, and the statuses that can follow.

    `{"promo_id", "status", "next_available_statuses", "start_date", "end_date", "param_count"}`. Dates are
    the vendor's texts; what the vendor does not send is None. `KyivstarPromoFinishedSensor` waits for the
    end.

    :param promo_id: the promo's id.

    Raises TelecomInputError, TelecomNotFoundError. A read: it costs nothing and may be repeated.
    Source: "/promo/{promoUUID}".
    """

    def execute(self, context: Context) -> PromoXCom:
        """Read the promo."""
        return _promo_xcom(self.hook.get_promo(self.promo_id))


class KyivstarListPromosOperator(KyivstarOperator):
    """List the promos that were created through the API; return `{"count", "promos", "has_more"}`.

    Each promo is `{"promo_id", "status", "next_available_statuses", "start_date", "end_date",
    "param_count"}`, and the `fields`. By default all pages are read, and each promo is listed once; with
    `page_number` only that page.

    :param start_date_from: only promos that start then or later: a datetime with a time zone, a date, or the
        ISO 8601 text of one. A day is one of UTC, and is included.
    :param start_date_to: the end of that period.
    :param sort_by: the field to sort by, in the vendor's spelling, such as `startDate`.
    :param sort_direction: `ASC` or `DESC`.
    :param page_size: promos in one request.
    :param page_number: read only this page. Page 0 is the first one; if the vendor counts from 1, page 1 is
        the first one too. `has_more` is true if another page may follow, which may be empty.
    :param fields: what else to return of each: `author_username`, `text_to_send`. XComs are stored in clear
        text in Airflow's database.
    :param max_promos: fail if more promos than this are found; the list is never cut off.

    Raises TelecomInputError, TelecomAnswerError (promos are missing). A read: it costs nothing and may be
    repeated. Source: "/promo", GET.
    """

    template_fields: Sequence[str] = (
        *KyivstarOperator.template_fields,
        "start_date_from",
        "start_date_to",
        "sort_by",
    )
    FIELDS: ClassVar[Sequence[str]] = ("author_username", "text_to_send")

    def __init__(
        self,
        *,
        start_date_from: date | str | None = None,
        start_date_to: date | str | None = None,
        sort_by: str | None = None,
        sort_direction: SortDirection | None = None,
        page_size: int = 100,
        page_number: int | None = None,
        fields: Sequence[str] = (),
        max_promos: int = 1_000,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.start_date_from, self.start_date_to = start_date_from, start_date_to
        self.sort_by, self.sort_direction = sort_by, sort_direction
        self.page_size = in_range("page_size", page_size, 1, MAX_INT32)
        self.page_number, self.max_promos = page_number, in_range("max_promos", max_promos, 1, MAX_INT32)
        if page_number is not None:
            in_range("page_number", page_number, 0, MAX_INT32)
        if sort_direction is not None:
            one_of("sort_direction", sort_direction, ("ASC", "DESC"))
        if isinstance(fields, str):
            raise TelecomInputError("fields", "must be a list of names")
        self.fields = [one_of("fields", name, self.FIELDS) for name in fields]
        check_if_literal(start_date_from, _since)
        check_if_literal(start_date_to, _until)
        check_if_literal(sort_by, lambda given: non_blank("sort_by", given))

    def execute(self, context: Context) -> PromoListXCom:
        """List them."""
        first, last = self.start_date_from, self.start_date_to
        query: dict[str, Any] = {
            "page_size": self.page_size,
            "start_date_from": _since(first) if first else None,
            "start_date_to": _until(last) if last else None,
            "sort_by": self.sort_by or None,
            "sort_direction": self.sort_direction,
        }
        if self.page_number is None:
            found, has_more = self.hook.all_promos(**query), False
        else:
            page = self.hook.list_promos(page_number=self.page_number, **query)
            found, has_more = page.items, page.next_page is not None
        if len(found) > self.max_promos:
            raise TelecomInputError(
                "max_promos",
                f"{len(found)} promos were found, which is more than {self.max_promos}; none is returned",
            )
        promos = [_promo_xcom(promo, self.fields) for promo in found]
        return {"count": len(promos), "promos": promos, "has_more": has_more}


def _since(given: date | str) -> datetime:
    return aware_datetime("start_date_from", start_of("start_date_from", given, UTC))


def _until(given: date | str) -> datetime:
    return aware_datetime("start_date_to", end_of("start_date_to", given, UTC))


def _promo_xcom(promo: Promo, fields: Sequence[str] = ()) -> PromoXCom:
    xcom: PromoXCom = {
        "promo_id": promo.id,
        "status": promo.status,
        "next_available_statuses": promo.next_available_statuses,
        "start_date": promo.start_date,
        "end_date": promo.end_date,
        "param_count": promo.param_count,
    }
    if "author_username" in fields:
        xcom["author_username"] = promo.author_username
    if "text_to_send" in fields:
        xcom["text_to_send"] = promo.text_to_send
    return xcom
