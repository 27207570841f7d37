"""Operators that start, suspend and count Kyivstar promos: SMS mailings to a list of one's own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.journal.journal import Journal
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import start_promo, suspend_promo
from airflow_provider_telecom.tasks.arguments import DeferrableArguments, OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import promo_uuid

if TYPE_CHECKING:
    from airflow.sdk import Context


class _PromoOperator(KyivstarOperator):
    """A task about one mailing."""

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "promo_id")

    def __init__(self, *, promo_id: str, **kwargs: Unpack[OperatorArguments]) -> None:
        super().__init__(**kwargs)
        self.promo_id = promo_id
        if is_literal(promo_id):
            promo_uuid(promo_id)


class StartPromoArguments(DeferrableArguments):
    """The parameters of the bases of `KyivstarStartPromoOperator`."""

    promo_id: str


class KyivstarStartPromoOperator(DeferrableOperator, _PromoOperator):
    """Put a mailing into the queue, so that it starts; return `{"promo_id", "status", "changed"}`.

    This is what costs money and reaches people. The task looks first: a DRAFT is started; one that is
    WAITING, ACTIVE or COMPLETED is left as it is, and `changed` says whether it was this task, in any of
    its tries, that started it. After a lost answer it looks again, and repeats only what is a DRAFT still.
    With `wait_for_completion` it succeeds once the mailing is COMPLETED, and returns the counts of its
    statistics too.

    :param promo_id: the mailing's id.
    :param resume_suspended: start a SUSPENDED mailing as well: somebody has stopped it. Once only: one that
        this task may have started before, in an earlier try or before "Clear", is never started again.
    :param suspend_on_kill: with `wait_for_completion`: suspend a mailing that was started here when the
        waiting task is ended: by a person, and in a worker also by `execution_timeout`, the worker's
        shutdown, or heartbeats that do not arrive. It stays suspended until a person starts it again; a
        retry does not.

    Raises PromoStateError, which no retry helps: it is SUSPENDED, or in a state that is not known here.
    Raises TelecomInputError, TelecomNotFoundError, TelecomRejectedError, TelecomUnknownError (no request was
    answered; a later try looks first). Source: "/promo/{promoUUID}/status/{status}".
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

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, start it if need be, and wait if asked to."""
        journal = Journal(context["task_state_store"])
        started = start_promo(self.hook, journal, self.promo_id, resume_suspended=self.resume_suspended)
        stop = f"{STATUS_MODULE}.stop_promo" if self.suspend_on_kill and started["changed"] else None
        return self._wait_if_requested(started, f"{STATUS_MODULE}.promo", {"promo_id": self.promo_id}, stop)


class KyivstarSuspendPromoOperator(_PromoOperator):
    """Stop a mailing; return `{"promo_id", "status", "changed"}`. What went out stays out.

    The task looks first: one that is SUSPENDED or COMPLETED is left as it is; `status` says which, and
    `changed` whether it was this task, in any of its tries, that suspended it. After a lost answer it looks
    again, and repeats only while the mailing is WAITING or ACTIVE.

    :param promo_id: the mailing's id.

    Raises PromoStateError, which no retry helps: it is a DRAFT or in a state that is not known here, or it
    runs although this task has suspended it before, so that somebody started it again. Raises
    TelecomInputError, TelecomNotFoundError, TelecomRejectedError, TelecomUnknownError (no request was
    answered; a later try looks first). Source: "/promo/{promoUUID}/status/{status}".
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Look, and stop it if need be."""
        return suspend_promo(self.hook, Journal(context["task_state_store"]), self.promo_id)


class KyivstarPromoStatisticsOperator(_PromoOperator):
    """Return how many messages of a mailing went out, and what became of them.

    `{"promo_id", "sent_count", "deliveries_count", "undelivered_count", ...}`: all the counts that the vendor
    gave, under the names of `PromoStatistics`. Portions are SMS segments.

    :param promo_id: the mailing's id.

    Raises TelecomInputError, TelecomNotFoundError. A read: it costs nothing and may be repeated.
    Source: "/promo/{promoUUID}/statistics".
    """

    def execute(self, context: Context) -> dict[str, Any]:
        """Read them."""
        from airflow_provider_telecom.vendors.kyivstar_open_telecom.status import counts

        return {"promo_id": self.promo_id, **counts(self.hook.get_promo_statistics(self.promo_id))}
