"""SMS: to one number, to many numbers with one text, to many with a text each."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import TypeVar, Unpack

from airflow_provider_telecom.calls.checks import are_non_blank, in_range, non_blank
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.json_columns import JsonColumns
from airflow_provider_telecom.calls.phone import are_canonical
from airflow_provider_telecom.calls.request import Idempotency, Json, Response
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments, models
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import KetchUpRequests
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import single
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.results import (
    batch_result_reader,
    read_price_list,
    send_result_reader,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.times import iso_time

_TIME_NAMES = ("send_time", "scheduledDatetime")
T = TypeVar("T")


class SmsCalls(KetchUpRequests):
    """SMS calls. Each message carries our key, so KetchUp recognises a repeated request."""

    @endpoint
    def send_sms(
        self, msisdn: str | int, text: str, *, reference: str, **options: Unpack[arguments.SmsOptions]
    ) -> Call[models.SendResult]:
        """Send one SMS under our key `reference` (1 to 32 of a-z A-Z 0-9) and return its id and price.

        `originator` (at most 14 characters) and `tariff` (0 to 9, default 0) come from the connection when
        left out. `validity_hours` is 1 to 72 (default 72). `schedule_at` (aware) is when it is sent.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError (code 8), TelecomThrottledError
        (code 11). A repeated request under the same key costs nothing: the result is then marked as a
        duplicate and has no id. Source: "Отправка SMS", destination phone.
        """
        body, read = self._one(msisdn, text, reference, **options), send_result_reader(reference)
        return (yield from self._post_sms("/sms/create", Idempotency.WITH_KEY, body, read))

    @endpoint
    def send_sms_to_many(
        self, recipients: Sequence[models.Recipient], text: str, **options: Unpack[arguments.SmsOptions]
    ) -> Call[models.BatchResult]:
        """Send one text to many and return a result for each, in order, with the id of the batch.

        The call may succeed while some recipients are refused: check each result. A number or a key that
        occurs twice is refused here. Otherwise as `send_sms`. Code 12 means that the batch is too large:
        nothing of it was sent. Source: "Отправка SMS", destination phones.
        """
        return (yield from self._send_batch(*self._many(recipients, text, **options)))

    @endpoint
    def send_individual_sms(
        self, messages: Sequence[models.IndividualSms], **terms: Unpack[arguments.SmsTerms]
    ) -> Call[models.BatchResult]:
        """Send each recipient a text of their own and return a result for each, in order.

        `messages` are a list, or `SmsColumns`, which take less time if they are many. Otherwise as
        `send_sms_to_many`. Source: "Отправка SMS", destination individual.
        """
        return (yield from self._send_batch(*self._individual(messages, **terms)))

    @endpoint
    def price_sms(
        self,
        msisdn: str | int,
        text: str,
        *,
        reference: str = "price",
        **options: Unpack[arguments.SmsOptions],
    ) -> Call[models.Price]:
        """Return what `send_sms` with these arguments would cost. A read: nothing is sent.

        Raises what `send_sms` raises for its arguments. Source: "Получение цены смс".
        """
        return (yield from self._price(self._one(msisdn, text, reference, **options)))

    @endpoint
    def price_sms_to_many(
        self, recipients: Sequence[models.Recipient], text: str, **options: Unpack[arguments.SmsOptions]
    ) -> Call[models.Price]:
        """Return what `send_sms_to_many` would cost. A read. Source: "Получение цены смс"."""
        phones, body = self._many(recipients, text, **options)
        return (yield from self._price({**body, "phones": phones}))

    @endpoint
    def price_individual_sms(
        self, messages: Sequence[models.IndividualSms], **terms: Unpack[arguments.SmsTerms]
    ) -> Call[models.Price]:
        """Return what `send_individual_sms` would cost. A read. Source: "Получение цены смс"."""
        phones, body = self._individual(messages, **terms)
        return (yield from self._price({**body, "phones": phones}))

    @endpoint
    def get_sms(self, message_id: str | int) -> Call[models.MessageStatus]:
        """Return an SMS and its status by the vendor's id.

        Raises TelecomNotFoundError (code 20; right after sending it may still appear). A read.
        Source: "Получение статусов смс".
        """
        request = self._get("/sms/{message_id}", message_id=arguments.vendor_id("message_id", message_id))
        return (yield from self._call(request, single(models.MessageStatus)))

    @endpoint
    def get_sms_by_reference(self, reference: str) -> Call[models.MessageStatus]:
        """Return an SMS and its status by our key, otherwise as `get_sms`.

        Source: "Получение статусов смс" (GET /sms/reference/{reference}) and "View an SMS status"
        (GET /sms/{reference}, which is called if the first does not exist).
        """
        key = arguments.check_reference(reference)
        return (yield from self._call_by_reference("/sms", key, single(models.MessageStatus)))

    @endpoint
    def get_sms_task(self, task_id: str | int) -> Call[models.SmsTask]:
        """Return the counts of a batch.

        Raises TelecomNotFoundError (code 30). A read. Source: "Получение статусов смс" (GET /sms/task/{id})
        and "View an SMS status" (GET /sms/{task_id}, which is called if the first does not exist).
        """
        number = arguments.vendor_id("task_id", task_id)
        requests = [self._get(path, task_id=number) for path in ("/sms/task/{task_id}", "/sms/{task_id}")]
        return (yield from self._call_first_address(requests, single(models.SmsTask)))

    @endpoint
    def list_sms_prices(self, tariff: int | None = None) -> Call[list[models.CountryPrice]]:
        """Return the SMS prices of all countries in a tariff (default 0, "Global").

        Raises TelecomRejectedError (code 6: no such tariff). A read. Source: "Получение таблицы цен SMS".
        """
        request = self._get("/sms/prices/{tariff}", tariff=str(self._tariff(tariff)))
        return (yield from self._call(request, read_price_list))

    def _one(
        self,
        msisdn: str | int,
        text: str,
        reference: str,
        originator: str | None = None,
        **terms: Unpack[arguments.SmsTerms],
    ) -> dict[str, object]:
        return {
            "destination": "phone",
            **self._phone(msisdn, reference),
            "originator": arguments.choose_originator(originator, self.options.originator),
            "body": non_blank("text", text),
            **self._terms(**terms),
        }

    def _many(
        self,
        recipients: Sequence[models.Recipient],
        text: str,
        originator: str | None = None,
        **terms: Unpack[arguments.SmsTerms],
    ) -> tuple[JsonColumns, dict[str, object]]:
        """Return the recipients and what they have in common."""
        people = arguments.list_of(models.Recipient, "recipients", recipients)
        numbers, references = [each.msisdn for each in people], [each.reference for each in people]
        if _are_checked(numbers, references):
            phones = JsonColumns({"msisdn": numbers, "reference": references})
        else:
            phones = _phones([self._phone(each.msisdn, each.reference) for each in people])
        common = {
            "originator": arguments.choose_originator(originator, self.options.originator),
            "body": non_blank("text", text),
        }
        return phones, {"destination": "phones", **common, **self._terms(**terms)}

    def _individual(
        self, messages: Sequence[models.IndividualSms], **terms: Unpack[arguments.SmsTerms]
    ) -> tuple[JsonColumns, dict[str, object]]:
        """Return the messages and what they have in common."""
        if isinstance(messages, models.SmsColumns) and messages:
            columns = messages
        else:
            people = arguments.list_of(models.IndividualSms, "messages", messages)
            columns = models.SmsColumns(*zip(*people, strict=True))
        numbers, texts, references = columns.msisdns, columns.texts, columns.references
        if _are_checked(numbers, references) and are_non_blank(texts):
            senders = self._originators(columns.originators)
            phones = JsonColumns({
                "msisdn": numbers,
                "reference": references,
                "originator": senders,
                "body": texts,
            })
        else:
            phones = _phones([self._individual_phone(each) for each in columns])
        return phones, {"destination": "individual", **self._terms(**terms)}

    def _originators(self, given: Sequence[str | None]) -> Sequence[str]:
        """Return the sender of each message; mostly all have the same."""
        default = self.options.originator
        if given.count(given[0]) == len(given):
            return [arguments.choose_originator(given[0], default)] * len(given)
        return [arguments.choose_originator(one, default) for one in given]

    def _individual_phone(self, message: models.IndividualSms) -> dict[str, str]:
        return {
            **self._phone(message.msisdn, message.reference),
            "originator": arguments.choose_originator(message.originator, self.options.originator),
            "body": non_blank("text", message.text),
        }

    def _phone(self, msisdn: str | int, reference: str) -> dict[str, str]:
        return {"msisdn": self._msisdn(msisdn), "reference": arguments.check_reference(reference)}

    def _terms(
        self,
        validity_hours: int = arguments.MAX_VALIDITY_HOURS,
        tariff: int | None = None,
        schedule_at: datetime | None = None,
    ) -> dict[str, object]:
        validity = in_range("validity_hours", validity_hours, 1, arguments.MAX_VALIDITY_HOURS)
        at = {} if schedule_at is None else {"send_time": iso_time("schedule_at", schedule_at)}
        return {"validity": validity, "tariff": self._tariff(tariff), **at}

    def _send_batch(self, phones: JsonColumns, body: Mapping[str, object]) -> Call[models.BatchResult]:
        def create(part: JsonColumns) -> Call[models.BatchResult]:
            read = batch_result_reader(part.columns["reference"])
            return self._post_sms("/sms/create", Idempotency.WITH_KEY, {**body, "phones": part}, read)

        return self._create_all(phones, create)

    def _price(self, body: Mapping[str, object]) -> Call[models.Price]:
        return self._post_sms("/sms/price", Idempotency.READ, body, single(models.Price))

    def _post_sms(
        self, path: str, idempotency: Idempotency, body: Mapping[str, object], read: Callable[[Response], T]
    ) -> Call[T]:
        """Post a body as the samples of the document have it, or else as its text has it.

        For individual texts the sample's `destination` is "individual", and in the text it is "phones". The
        sending time has one name there, and another one for the other two destinations.
        """
        common = dict(body)
        destination, at = str(common.pop("destination")), common.pop("send_time", None)
        is_individual = destination == "individual"
        destinations = ("individual", "phones") if is_individual else (destination,)
        names = _TIME_NAMES[::-1] if is_individual else _TIME_NAMES
        variants = [(each, name) for each in destinations for name in (names if at is not None else ("",))]

        def call(variant: tuple[str, str]) -> Call[T]:
            chosen, name = variant
            time = {name: at} if name else {}
            return self._call(
                self._post(path, idempotency, Json({**common, "destination": chosen, **time})), read
            )

        return self._call_first_variant(f"SMS to {destination}", variants, call)


def _are_checked(numbers: Sequence[str | int], references: Sequence[str]) -> bool:
    """Return whether numbers and keys are right as they are, which is checked for all of them at once.

    If not, each is checked alone: it is changed, or its error says what is wrong.
    """
    return (
        are_canonical(numbers)
        and arguments.are_references(references)
        and len(set(numbers)) == len(set(references)) == len(numbers)
    )


def _phones(rows: Sequence[Mapping[str, str]]) -> JsonColumns:
    """Return the columns of phones. Raises TelecomInputError for a number or a key that occurs twice."""
    columns = {name: [row[name] for row in rows] for name in rows[0]}
    arguments.reject_duplicates(columns["msisdn"], columns["reference"])
    return JsonColumns(columns)
