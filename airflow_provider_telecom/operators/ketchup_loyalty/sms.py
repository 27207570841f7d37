"""The operator that sends one SMS through KetchUp."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.errors import TelecomError, TelecomNotFoundError, TelecomRejectedError
from airflow_provider_telecom.operators.ketchup_loyalty.operator import STATUS_CHECKS, KetchUpOperator
from airflow_provider_telecom.operators.ketchup_loyalty.results import wait_until_found
from airflow_provider_telecom.operators.recipients import check_max_segments
from airflow_provider_telecom.tasks.arguments import JournaledDeferrableArguments
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator
from airflow_provider_telecom.tasks.effects import IdempotentOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageStatus, SendResult

log = logging.getLogger(__name__)


class SmsXCom(TypedDict):
    """What `KetchUpSendSmsOperator` returns."""

    message_id: str | None
    reference: str
    price: str | None
    currency: str | None
    known_before: bool
    status: NotRequired[str]
    """With `wait_for_completion`."""


class KetchUpSendSmsOperator(KetchUpOperator, IdempotentOperator, DeferrableOperator):
    """Send one SMS and return `{"message_id", "reference", "price", "currency", "known_before"}`.

    The SMS has an idempotency key (`reference`), derived from run, task, number, sender and text, so a
    retried or killed task sends nothing twice: KetchUp recognises the key, the id is looked up by it, and
    `known_before` is true. The id may be None if KetchUp does not return it with a status; use the key then.
    With `wait_for_completion` the task succeeds once the SMS is delivered, and returns its `status`
    as well.

    :param msisdn: the recipient's number, in any common form.
    :param text: the message.
    :param originator: the sender, at most 14 characters; by default the connection's.
    :param validity_hours: how long KetchUp tries to deliver it, 1 to 72.
    :param tariff: the tariff's number, 0 to 9; by default the connection's.
    :param schedule_at: when to send it: a datetime with a time zone, or its ISO 8601 text.
    :param max_segments: how many SMS (segments) the text may take. If it takes more, nothing is sent.
    :param reference: your own key, such as the id of a CRM; by default it is derived. It must be new in the
        account: if KetchUp has had it before, the earlier SMS counts, nothing is sent, and `known_before` is
        true.

    Raises TelecomInputError before anything is sent, TelecomRejectedError, TelecomFundsError (top up and
    clear the task), TelecomThrottledError. Source: "Отправка SMS" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *IdempotentOperator.template_fields,
        "msisdn",
        "text",
        "originator",
        "schedule_at",
        "reference",
    )
    private_fields: ClassVar[Sequence[str]] = ("msisdn", "text")

    def __init__(
        self,
        *,
        msisdn: str | int,
        text: str,
        originator: str | None = None,
        validity_hours: int = arguments.MAX_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | str | None = None,
        max_segments: int | None = None,
        reference: str | None = None,
        **kwargs: Unpack[JournaledDeferrableArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.msisdn, self.text, self.originator = msisdn, text, originator
        self.validity_hours = in_range("validity_hours", validity_hours, 1, arguments.MAX_VALIDITY_HOURS)
        self.tariff, self.schedule_at = arguments.check_tariff(tariff), schedule_at
        self.max_segments, self.reference = check_max_segments(max_segments), reference
        check_if_literal(text, self._check_text)
        check_if_literal(originator, partial(arguments.choose_originator, default=None))
        check_if_literal(schedule_at, partial(arguments.optional_datetime, "schedule_at"))
        check_if_literal(reference, arguments.check_reference)

    def execute(self, context: Context) -> SmsXCom:
        """Send the SMS once."""
        message = self._message()
        msisdn = message["msisdn"]
        reference = key = self._idempotency_keys(context)(msisdn, message["originator"], message["text"])
        if self.reference is not None:  # it does not say what the content is
            reference = arguments.check_reference(self.reference)
            key = f"{reference} {key}"
        started = self._send_once(context, message, lambda: self._send(message, reference), msisdn, key)
        if started["known_before"]:
            self.log.warning(
                "The SMS was NOT sent now: KetchUp has had its key before. This is right if an earlier try "
                "of this task sent it; otherwise another SMS has the same key"
            )
        message_id = started["message_id"]
        name = {"reference": reference} if message_id is None else {"message_id": message_id}
        return self._wait_if_requested(started, f"{STATUS_CHECKS}.sms", name)

    def _message(self) -> dict[str, Any]:
        from airflow_provider_telecom.calls.phone import e164

        options = self.hook.options
        return {
            "msisdn": e164(self.reveal("msisdn"), options.default_region),
            "text": self._check_text(self.reveal("text")),
            "originator": arguments.choose_originator(self.originator, options.originator),
            "validity_hours": self.validity_hours,
            "tariff": self.tariff,
            "schedule_at": arguments.optional_datetime("schedule_at", self.schedule_at),
        }

    def _check_text(self, text: str) -> str:
        non_blank("text", text)
        if self.max_segments is None:
            return text
        from airflow_provider_telecom.bulk.preview import check_text_segments

        return check_text_segments(text, self.max_segments)

    def _send(self, message: Mapping[str, Any], reference: str) -> SmsXCom:
        try:
            result = self.hook.send_sms(**message, reference=reference)
        except TelecomRejectedError:
            # The time of a scheduled SMS may pass between two tries. The vendor then refuses it.
            if message["schedule_at"] is None or (found := self._find_known(reference)) is None:
                raise
            return found
        if result.duplicate or result.id is None:
            return self._look_up(reference, result.duplicate)
        return _xcom(reference, result, known_before=False)

    def _look_up(self, reference: str, known_before: bool) -> SmsXCom:
        """Return the facts of an SMS that KetchUp has, even if it does not show them."""
        try:
            status = wait_until_found(lambda: self.hook.get_sms_by_reference(reference))
        except TelecomNotFoundError:
            log.warning("KetchUp has the SMS, but does not find it by its key: its id is not known")
            return _xcom(reference, None, known_before)
        except TelecomError as error:
            error.partial = True
            raise
        return _xcom(reference, status, known_before)

    def _find_known(self, reference: str) -> SmsXCom | None:
        """Return the facts of an SMS that KetchUp has refused now, but knows by its key."""
        try:
            status = self.hook.get_sms_by_reference(reference)
        except TelecomNotFoundError:
            return None
        log.warning("KetchUp refused the SMS, but has had it before under the same key: it counts as sent")
        return _xcom(reference, status, known_before=True)


def _xcom(reference: str, found: MessageStatus | SendResult | None, known_before: bool) -> SmsXCom:
    price = None if found is None else found.price
    return {
        "message_id": None if found is None else found.id,
        "reference": reference,
        "price": None if price is None else str(price),
        "currency": None if found is None else found.currency,
        "known_before": known_before,
    }
