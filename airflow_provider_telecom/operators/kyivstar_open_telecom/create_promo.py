"""The operator that creates a Kyivstar promo and can start it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.operators.campaigns.operator import (
    CampaignOperator,
    DeferrableCampaignArguments,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import STATUS_MODULE, KyivstarOperator
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_draft import build_draft, check_variables
from airflow_provider_telecom.operators.kyivstar_open_telecom.promo_status import (
    may_have_started,
    start_promo,
)
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import MAX_CHUNK_SIZE

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.campaigns.recipients import Audience

_STARTED_ENTRY = "mailing"
"""The name of a journal entry. Entries of earlier versions have it: do not change it."""


class KyivstarCreatePromoOperator(KyivstarOperator, CampaignOperator, DeferrableOperator):
    """Create a promo (an SMS campaign) with its whole audience, and start it if requested.

    There are two phases. The draft and its audience, in chunks, cost nothing and reach nobody. If the outcome
    of a part is unknown or the task dies, the draft is abandoned and another one is created (drafts can't be
    deleted). Then a complete draft is put into the queue, once. A promo that a person suspends stays
    suspended. Returns

        {"promo_id", "recipients", "duplicates", "bad_rows", "started", "rejects"}

    and with `wait_for_completion` the status and the statistics of the promo.

    :param text: the text; `${1}`, `${2}`, ... are replaced by the recipient's values of `param_columns`.
    :param param_columns: the columns for the text's variables, in their order.
    :param sender: the alpha name; by default the connection's.
    :param start: put the promo into the queue (status WAITING). This costs money.
    :param chunk_size: recipients per request, at most 20,000.
    :param suspend_on_kill: with `wait_for_completion`: suspend the promo when the waiting task is ended.
        Airflow ends it when a person marks or clears it. A task that waits in a worker is also ended at
        `execution_timeout`, at the worker's shutdown, and when its heartbeats do not arrive. A suspended
        promo stays suspended until a person, or `KyivstarStartPromoOperator(resume_suspended=True)`, starts
        it again.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomUnknownError (the outcome
    of three drafts was unknown; Airflow may retry). Source: "/promo" and the calls below it.
    """

    template_fields: Sequence[str] = (*CampaignOperator.template_fields, "sender")
    private_fields: ClassVar[Sequence[str]] = CampaignOperator.private_fields

    def __init__(
        self,
        *,
        param_columns: Sequence[str] = (),
        sender: str | None = None,
        start: bool = False,
        chunk_size: int = MAX_CHUNK_SIZE,
        suspend_on_kill: bool = True,
        **kwargs: Unpack[DeferrableCampaignArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.param_columns, self.sender, self.start = param_columns, sender, start
        self.chunk_size = in_range("chunk_size", chunk_size, 1, MAX_CHUNK_SIZE)
        self.suspend_on_kill = suspend_on_kill
        if self.wait_for_completion and not start:
            raise TelecomInputError("wait_for_completion", "is for a promo that is started: start=True")

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all recipients, create the draft, and start it."""
        text = non_blank("text", self.reveal("text"))
        check_variables(text, self.param_columns)
        journal = self._journal(context)
        with self._read_recipients(self.param_columns, self.hook.options.default_region) as audience:
            counts = self._recipient_counts(audience)
            if self.is_dry_run:
                return {**counts, "dry_run": True}
            content = {"recipients": audience.sha256, "text": text, "sender": self.sender}
            body = self._fingerprint(content)
            promo_id = self._draft(journal, audience, text, body)
        started_here = self.start and self._put_into_queue(journal, promo_id, body)
        facts = {"promo_id": promo_id, "started": self.start, **counts}
        stop = f"{STATUS_MODULE}.stop_promo" if started_here and self.suspend_on_kill else None
        return self._wait_if_requested(facts, f"{STATUS_MODULE}.promo", {"promo_id": promo_id}, stop)

    def _draft(self, journal: Journal, audience: Audience, text: str, body: str) -> str:
        """Return the id of the complete draft: the one of an earlier try, or a new one.

        Raises TelecomInputError if an earlier try may have started a promo with other content.
        """
        started = journal.earlier_entry(self._entry_name(_STARTED_ENTRY), body)
        if started and started.state is State.INTENT:
            return str(started.facts["promo_id"])
        name = self._entry_name("promo")
        entry = journal.read(name)
        if entry and entry.body == body:
            return str(entry.facts["promo_id"])
        promo_id = build_draft(self.hook, audience, text, self.sender, self.chunk_size)
        journal.write(name, Entry(State.DONE, body, {"promo_id": promo_id}))
        return promo_id

    def _put_into_queue(self, journal: Journal, promo_id: str, body: str) -> bool:
        """Start the promo, and return whether this task started it, in any try.

        The journal first records which promo is started, in a separate entry: two tries that run at once may
        each have created a draft, and the draft's entry may be that of the other try.
        """
        name = self._entry_name(_STARTED_ENTRY)
        journal.write_intent(name, Entry(State.INTENT, body, {"promo_id": promo_id}))
        try:
            return bool(start_promo(self.hook, journal, promo_id)["changed"])
        except TelecomError:
            if not may_have_started(journal, promo_id):
                journal.write(name, Entry(State.PLANNED, body))
            raise
