"""SMS: to one, to many with one text, to many with texts of their own."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_telecom.calls.checks import in_range, non_blank
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import Idempotency, Response
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    CountryPrice,
    IndividualSms,
    MessageStatus,
    Price,
    Recipient,
    SendResult,
    SmsTask,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import (
    KetchUpRequests,
    iso_datetime,
    numeric_id,
    orders,
    reference_of,
    reject_duplicates,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import one
from airflow_provider_telecom.vendors.ketchup_loyalty.results import price_table, sent_many, sent_one

LONGEST_VALIDITY_HOURS = 72
_TIMES = ("send_time", "scheduledDatetime")
T = TypeVar("T")


class SmsCalls(KetchUpRequests):
    """SMS calls. Each message carries our key, so that a copy is recognised and not sent again."""

    @endpoint
    def send_sms(
        self,
        msisdn: str | int,
        text: str,
        *,
        reference: str,
        originator: str | None = None,
        validity_hours: int = LONGEST_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> Call[SendResult]:
        """Send one SMS under our key `reference` (1 to 32 of a-z A-Z 0-9) and return its id and price.

        `originator` (at most 14 characters) and `tariff` (0 to 9, default 0) come from the connection when
        left out. `validity_hours` is 1 to 72. `schedule_at` (aware) is when it is sent.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError (code 8), TelecomThrottledError
        (code 11). A copy under the same key costs nothing: the result is then marked as a duplicate and
        has no id. Source: "Отправка SMS", destination phone.
        """
        body = self._one(msisdn, text, reference, originator, validity_hours, tariff, schedule_at)
        return (yield from self._in_sms_form("/sms/create", Idempotency.WITH_KEY, body, sent_one(reference)))

    @endpoint
    def send_sms_to_many(
        self,
        recipients: Sequence[Recipient],
        text: str,
        *,
        originator: str | None = None,
        validity_hours: int = LONGEST_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> Call[BatchResult]:
        """Send one text to many and return a result for each, in order, with the id of the batch.

        The call as a whole may succeed while single recipients are refused: walk the results. A number or
        a key that stands twice is refused here. Otherwise as `send_sms`. Code 12 means that the package is
        too large: nothing of it was sent. Source: "Отправка SMS", destination phones.
        """
        body = self._many(recipients, text, originator, validity_hours, tariff, schedule_at)
        return (yield from self._created(body["phones"], lambda phones: self._send_all(body, phones)))

    @endpoint
    def send_individual_sms(
        self,
        messages: Sequence[IndividualSms],
        *,
        validity_hours: int = LONGEST_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> Call[BatchResult]:
        """Send each recipient a text of their own and return a result for each, in order.

        Otherwise as `send_sms_to_many`. Source: "Отправка SMS", destination individual.
        """
        body = self._individual(messages, validity_hours, tariff, schedule_at)
        return (yield from self._created(body["phones"], lambda phones: self._send_all(body, phones)))

    @endpoint
    def price_sms(
        self,
        msisdn: str | int,
        text: str,
        *,
        reference: str = "price",
        originator: str | None = None,
        validity_hours: int = LONGEST_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> Call[Price]:
        """Return what `send_sms` with these arguments would cost. A read: nothing is sent.

        Raises what `send_sms` raises for its arguments. Source: "Получение цены смс".
        """
        body = self._one(msisdn, text, reference, originator, validity_hours, tariff, schedule_at)
        return (yield from self._in_sms_form("/sms/price", Idempotency.READ, body, one(Price)))

    @endpoint
    def price_sms_to_many(
        self,
        recipients: Sequence[Recipient],
        text: str,
        *,
        originator: str | None = None,
        validity_hours: int = LONGEST_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> Call[Price]:
        """Return what `send_sms_to_many` would cost. A read. Source: "Получение цены смс"."""
        body = self._many(recipients, text, originator, validity_hours, tariff, schedule_at)
        return (yield from self._in_sms_form("/sms/price", Idempotency.READ, body, one(Price)))

    @endpoint
    def price_individual_sms(
        self,
        messages: Sequence[IndividualSms],
        *,
        validity_hours: int = LONGEST_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> Call[Price]:
        """Return what `send_individual_sms` would cost. A read. Source: "Получение цены смс"."""
        body = self._individual(messages, validity_hours, tariff, schedule_at)
        return (yield from self._in_sms_form("/sms/price", Idempotency.READ, body, one(Price)))

    @endpoint
    def get_sms(self, message_id: str | int) -> Call[MessageStatus]:
        """Return an SMS and its status by the vendor's id.

        Raises TelecomNotFoundError (code 20; right after sending it is not final). A read.
        Source: "Получение статусов смс".
        """
        request = self._get("/sms/{message_id}", message_id=numeric_id("message_id", message_id))
        return (yield from self._call(request, one(MessageStatus)))

    @endpoint
    def get_sms_by_reference(self, reference: str) -> Call[MessageStatus]:
        """Return an SMS and its status by our key, otherwise as `get_sms`.

        Source: "Получение статусов смс" (GET /sms/reference/{reference}) and "View an SMS status"
        (GET /sms/{reference}, which is asked where the first is not there).
        """
        return (yield from self._by_reference("/sms", reference_of(reference), one(MessageStatus)))

    @endpoint
    def get_sms_task(self, task_id: str | int) -> Call[SmsTask]:
        """Return the counts of a batch.

        Raises TelecomNotFoundError (code 30). A read. Source: "Получение статусов смс" (GET /sms/task/{id})
        and "View an SMS status" (GET /sms/{task_id}, which is asked where the first is not there).
        """
        number = numeric_id("task_id", task_id)
        requests = [self._get(path, task_id=number) for path in ("/sms/task/{task_id}", "/sms/{task_id}")]
        return (yield from self._at_any_address(requests, one(SmsTask)))

    @endpoint
    def list_sms_prices(self, tariff: int | None = None) -> Call[list[CountryPrice]]:
        """Return the SMS prices of all countries in a tariff (default 0, "Global").

        Raises TelecomRejectedError (code 6: no such tariff). A read. Source: "Получение таблицы цен SMS".
        """
        request = self._get("/sms/prices/{tariff}", tariff=str(self._tariff(tariff)))
        return (yield from self._call(request, price_table))

    def _send_all(self, body: Mapping[str, Any], phones: Sequence[Mapping[str, str]]) -> Call[BatchResult]:
        read = sent_many([phone["reference"] for phone in phones])
        return self._in_sms_form("/sms/create", Idempotency.WITH_KEY, {**body, "phones": phones}, read)

    def _in_sms_form(
        self, path: str, idempotency: Idempotency, body: Mapping[str, Any], read: Callable[[Response], T]
    ) -> Call[T]:
        """Make a call about SMS as the samples have it, or else as the text of the document has it.

        For individual texts the sample's `destination` is "individual", and in the text it is "phones". The
        sending time has one name there, and another one for the other two destinations.
        """
        destination, at = body["destination"], body.get("send_time", body.get("scheduledDatetime"))
        plain = {name: value for name, value in body.items() if name not in _TIMES}
        own = destination == "individual"
        times = (_TIMES[::-1] if own else _TIMES) if at is not None else ("",)
        forms = [
            (other, time) for other in (("individual", "phones") if own else (destination,)) for time in times
        ]

        def call(form: tuple[str, str]) -> Call[T]:
            asked = {**plain, "destination": form[0], **({form[1]: at} if form[1] else {})}
            return self._call(self._post(path, idempotency, asked), read)

        return self._in_any_form(f"SMS to {destination}", forms, call)

    def _one(
        self,
        msisdn: str | int,
        text: str,
        reference: str,
        originator: str | None,
        validity_hours: int,
        tariff: int | None,
        schedule_at: datetime | None,
    ) -> dict[str, Any]:
        return {
            "destination": "phone",
            "msisdn": self._msisdn(msisdn),
            "reference": reference_of(reference),
            "originator": self._originator(originator),
            "body": non_blank("text", text),
            **self._terms(validity_hours, tariff),
            **({"send_time": iso_datetime("schedule_at", schedule_at)} if schedule_at is not None else {}),
        }

    def _many(
        self,
        recipients: Sequence[Recipient],
        text: str,
        originator: str | None,
        validity_hours: int,
        tariff: int | None,
        schedule_at: datetime | None,
    ) -> dict[str, Any]:
        phones = [
            {"msisdn": self._msisdn(one.msisdn), "reference": reference_of(one.reference)}
            for one in orders("recipients", recipients, Recipient)
        ]
        _no_twins(phones)
        return {
            "destination": "phones",
            "phones": phones,
            "originator": self._originator(originator),
            "body": non_blank("text", text),
            **self._terms(validity_hours, tariff),
            **({"send_time": iso_datetime("schedule_at", schedule_at)} if schedule_at is not None else {}),
        }

    def _individual(
        self,
        messages: Sequence[IndividualSms],
        validity_hours: int,
        tariff: int | None,
        schedule_at: datetime | None,
    ) -> dict[str, Any]:
        phones = [
            {
                "msisdn": self._msisdn(one.msisdn),
                "reference": reference_of(one.reference),
                "originator": self._originator(one.originator),
                "body": non_blank("text", one.text),
            }
            for one in orders("messages", messages, IndividualSms)
        ]
        _no_twins(phones)
        return {
            "destination": "individual",
            "phones": phones,
            **self._terms(validity_hours, tariff),
            **(
                {"scheduledDatetime": iso_datetime("schedule_at", schedule_at)}
                if schedule_at is not None
                else {}
            ),
        }

    def _terms(self, validity_hours: int, tariff: int | None) -> dict[str, Any]:
        validity = in_range("validity_hours", validity_hours, 1, LONGEST_VALIDITY_HOURS)
        return {"validity": validity, "tariff": self._tariff(tariff)}


def _no_twins(phones: Sequence[dict[str, str]]) -> None:
    reject_duplicates((phone["msisdn"] for phone in phones), (phone["reference"] for phone in phones))
