"""The operator that sends SMS to any number of recipients through KetchUp."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.calls.checks import filled, within
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.journal.cursor import Cursor
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.operators.base import AwaitingOperator, KeyedOperator
from airflow_provider_telecom.operators.campaigns.operator import CampaignOperator, path_of
from airflow_provider_telecom.operators.campaigns.personal import PersonalText
from airflow_provider_telecom.operators.ketchup_loyalty.campaign import Campaign, Message, Tally, line_of
from airflow_provider_telecom.operators.ketchup_loyalty.operator import KetchUpOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.operators.campaigns.recipients import Audience
    from airflow_provider_telecom.operators.campaigns.results import Results

_WATCH = "airflow_provider_telecom.vendors.ketchup_loyalty.watches.sms_tasks"
_LARGEST_CHUNK = 10_000


class KetchUpSendBulkSmsOperator(KetchUpOperator, CampaignOperator, KeyedOperator, AwaitingOperator):
    """Send an SMS to each of any number of recipients: one text, or texts with columns of their rows.

    Each message goes under a key of its own, derived from run, task, number and text, so a killed or
    retried task sends nothing twice: it goes on where it was, and KetchUp recognises what it has had.
    Returns

        {"recipients", "duplicates", "bad_rows", "accepted", "known_before", "refused": {code: count},
         "price", "currency", "task_ids", "results", "rejects"}

    where `price` is that of the accepted ones, `known_before` counts messages of an earlier try whose
    answer was lost, and `task_ids` are for `KetchUpSmsTaskFinishedSensor`; and what became of them with
    `wait_for_completion`. A cleared task that is done sends nothing; messages that were refused stand in
    `results`. Further parameters are those of the classes that it stands on.

    :param text: the text, in which `{column}` stands for a recipient's own value.
    :param originator: the sender, at most 14 characters; the connection's without it.
    :param results_path: a file of JSON lines to stream what became of each message to (it holds numbers).
    :param chunk_size: messages in one call; halved by itself when the vendor says that it is too large.
    :param max_cost: refuse to send when the vendor's price call says that it would cost more, in the
        account's currency. All chunks are priced before the first is sent.
    :param max_rejected: fail the task, after all was sent, when more messages than that were refused;
        without it only when all were.
    :param min_delivered_percent: with `wait_for_completion`: fail when fewer are delivered.
    :param validity_hours: how long the vendor tries, 1 to 72.
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
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.originator, self.results_path = originator, results_path
        self.chunk_size = within("chunk_size", chunk_size, 1, _LARGEST_CHUNK)
        self.max_cost, self.max_rejected = max_cost, max_rejected
        self.min_delivered_percent = min_delivered_percent
        self.validity_hours = within("validity_hours", validity_hours, 1, 72)
        self.tariff, self.schedule_at = arguments.tariff(tariff), schedule_at

    def execute(self, context: Context) -> dict[str, Any]:
        """Check all, then send to all."""
        from airflow_provider_telecom.operators.campaigns.results import Results

        message, most = self._message(), _amount(self.max_cost)
        results = Results(path) if (path := path_of(self.results_path)) else None
        text, region = message.text, self.hook.options.default_region
        with self._gathered(text.columns, region, text.is_blank_alone) as audience:
            campaign = Campaign(self.hook, message, self._namer(context), self.chunk_size)
            if self.rehearsal:
                return self._rehearsed(campaign, audience)
            cursor = Cursor(
                Journal(context["task_state_store"]), self._entry_name("bulk"), self._plan(audience)
            )
            done, facts = cursor.begin(asdict(Tally()))
            tally = Tally(**facts)
            if not done:
                if most is not None and not tally.rows:
                    campaign.cost(audience, most)
                self._note_text(context, message)
                self._send(campaign, audience, tally, cursor, results)
                if not tally.accepted + tally.known_before:
                    self._note_text(context, message, State.PLANNED)
        self._judge(tally)
        summary = self._summary(audience, tally)
        if self.wait_for_completion and not tally.task_ids:
            self.log.warning("The ids of all sends were lost with their answers; nothing can be waited for")
            return summary
        return self._completed(summary, _WATCH, self._awaited(tally))

    def _note_text(self, context: Context, message: Message, state: State = State.INTENT) -> None:
        """Refuse another text or sender than earlier tries had: it has other keys, so all would get both."""
        journal, name = Journal(context["task_state_store"]), self._entry_name("text")
        body = fingerprint({"text": self.revealed("text"), "originator": message.originator})
        entry = journal.read(name)
        if entry and entry.state is State.INTENT and entry.body != body:
            raise TelecomInputError(
                "dedupe_key",
                "this task may have sent another text, or from another sender, in this run; another "
                "dedupe_key sends this to everybody as well",
            )
        if entry != Entry(state, body):
            journal.write(name, Entry(state, body))

    def _send(
        self, campaign: Campaign, audience: Audience, tally: Tally, cursor: Cursor, results: Results | None
    ) -> None:
        def keep() -> None:
            if results:
                results.close_part(tally.rows)
            cursor.advance(asdict(tally))

        if results:
            results.begin(tally.rows)
        try:
            for chunk in campaign.send(audience, tally):
                if results:
                    results.add(line_of(*found) for found in chunk)
                if cursor.is_due:
                    self.log.info("%s of %s recipients", f"{tally.rows:,}", f"{audience.count:,}")
                    keep()
        except Exception:
            keep()
            raise
        if results:
            results.close_part(tally.rows)
            results.finish()
        if tally.accepted + tally.known_before:
            cursor.finish(asdict(tally))
        else:  # nobody has got anything, so a cleared task may try all of it again
            cursor.advance(asdict(Tally()))
        if results:
            results.forget_parts()

    def _message(self) -> Message:
        options = {
            "validity_hours": self.validity_hours,
            "tariff": self.tariff,
            "schedule_at": self.schedule_at,
        }
        text = PersonalText(filled("text", self.revealed("text")))
        originator = self.originator or self.hook.options.originator
        if not originator:
            raise TelecomInputError("originator", "must be given here or in the connection's extra")
        return Message(text, filled("originator", originator, 14), options)

    def _plan(self, audience: Audience) -> str:
        return fingerprint({
            "recipients": audience.sha256,
            "text": self.revealed("text"),
            "originator": self.originator,
        })

    def _rehearsed(self, campaign: Campaign, audience: Audience) -> dict[str, Any]:
        price, currency = campaign.cost(audience, _amount(self.max_cost))
        return {**self._counts(audience), "dry_run": True, "price": str(price), "currency": currency}

    def _summary(self, audience: Audience, tally: Tally) -> dict[str, Any]:
        facts = asdict(tally)
        del facts["rows"]
        return {**self._counts(audience), **facts, "results": self.results_path}

    def _awaited(self, tally: Tally) -> dict[str, Any]:
        return {
            "task_ids": tally.task_ids,
            "expected": tally.accepted,
            "min_delivered_percent": self.min_delivered_percent,
        }

    def _judge(self, tally: Tally) -> None:
        refused = sum(tally.refused.values())
        most = tally.rows - 1 if self.max_rejected is None else self.max_rejected
        if refused > most:
            codes = ", ".join(f"code {code}: {count}" for code, count in tally.refused.items())
            raise TelecomRejectedError(f"{refused} of {tally.rows} messages were refused ({codes})")


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
