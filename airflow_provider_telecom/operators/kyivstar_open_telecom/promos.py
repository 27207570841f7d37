"""Operators that start and suspend Kyivstar promos, and read their statistics."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.journal.journal import Journal
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import start_promo, suspend_promo
from airflow_provider_telecom.tasks.arguments import DeferrableArguments, OperatorArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import promo_uuid

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import PromoFacts


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
