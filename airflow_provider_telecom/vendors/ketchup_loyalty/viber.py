"""Viber messages. KetchUp may recognise our keys or not, which only its responses can show."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import TypeVar, Unpack

from airflow_provider_telecom.calls.checks import matching, non_blank
from airflow_provider_telecom.calls.endpoint import Call, Sleep, call_of, endpoint
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Idempotency, Json, Response
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments, models
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import KetchUpRequests
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import single
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpDuplicateKeyError
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.results import (
    batch_result_reader,
    read_price_list,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.times import iso_time

_KEYS_WORK = "viber keys work"
"""Learned about an account: KetchUp recognises our keys of Viber messages."""
_NO_KEY_RETURNED = "viber responses hold no external_id"
"""Learned about an account: KetchUp may know our keys by the other name, `reference`."""
_NUMBER_NAMES, _KEY_NAMES = ("msisdn", "phone"), ("external_id", "reference")
"""How the document's sample and its text name the number, and how they name our key."""
_MAX_LOOK_UPS = 3
"""For how many recipients a message is looked up by its key; one that is found is enough."""
_PAUSES = (1.0, 3.0)
"""Seconds between two look-ups: a message may take a while to appear."""
_LOOK_UP_DEADLINE = 10.0


Body = tuple[Mapping[str, object], Mapping[str, object]]
Variant = tuple[str, Sequence[str]]
"""The names of the number and of our key."""
T = TypeVar("T")


class ViberCalls(KetchUpRequests):
    """Viber calls."""

    @endpoint
    def send_viber(
        self,
        recipients: Sequence[models.ViberRecipient],
        text: str,
        *,
        without_keys: bool = False,
        **options: Unpack[arguments.ViberOptions],
    ) -> Call[models.BatchResult]:
        """Send a Viber message to one or many and return a result for each.

        Each recipient needs an `external_id`, our key. `without_keys=True` permits recipients without one;
        they get no delivery report.

        Whether the vendor recognises the keys is not known before it has returned one, has answered that
        one exists already (code 43), or has found a message by one. Until then, and with
        `without_keys=True`, the message is sent only once: after a lost response it is looked up by its key,
        and if it is not found, nobody can know whether it went out. Later messages of this process are
        repeated under their keys, which costs nothing. `key_returned=False` marks a result without our key.

        `validity_seconds` is 15 to 86400 (default 86400); less than 60 is probably meant in hours, as in the
        document's own sample, and needs `allow_short_validity`. `sender` (alpha name) and `tariff` come from
        the connection when left out. `promotional`: the message is an advertisement. Picture and button:
        `image_url`, `caption`, `action_url`. `callback_url` receives delivery reports. `schedule_at` (aware)
        is when it is sent.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError, TelecomUnknownError.
        Source: "Отправка Viber-сообщения".
        """
        has_keys = _all_have_keys(recipients, without_keys) and not without_keys
        body = self._message_body(recipients, text, **options)
        keys_worked_before = self._keys_work

        def create(part: Sequence[models.ViberRecipient]) -> Call[models.BatchResult]:
            return self._create(body, part, has_keys)

        try:
            return (yield from self._create_all(recipients, create))
        except TelecomUnknownError:
            if not has_keys or keys_worked_before or not (yield from self._finds_one(recipients)):
                raise
        return (yield from self._create_all(recipients, create))

    @endpoint
    def viber_keys_work(self, recipients: Sequence[models.ViberRecipient]) -> Call[bool]:
        """Return whether KetchUp is known to recognise our keys of Viber messages.

        An earlier response to this process may have shown it. If not, the messages to the first three of
        `recipients` are looked up by their keys; one that is found shows it too. False means not known.

        Raises TelecomNoAnswerError and what the look-up raises. A read.
        Source: "Получение статусов Viber-сообщения".
        """
        for each in arguments.list_of(models.ViberRecipient, "recipients", recipients)[:_MAX_LOOK_UPS]:
            if not self._keys_work and each.external_id is not None and (yield from self._finds(each)):
                self.account.learned.add(_KEYS_WORK)
        return self._keys_work

    @endpoint
    def price_viber(
        self,
        recipients: Sequence[models.ViberRecipient],
        text: str,
        **options: Unpack[arguments.ViberOptions],
    ) -> Call[models.Price]:
        """Return what `send_viber` with these arguments would cost. A read: nothing is sent.

        Source: "Получение цены Viber-сообщения".
        """
        body, read = self._message_body(recipients, text, **options), single(models.Price)
        return (yield from self._post_viber("/viber/price", Idempotency.READ, body, recipients, read))

    @endpoint
    def get_viber(self, message_id: str | int) -> Call[models.MessageStatus]:
        """Return a Viber message and its status by the vendor's id.

        Raises TelecomNotFoundError (code 40; right after sending it may still appear). A read.
        Source: "Получение статусов Viber-сообщения".
        """
        request = self._get("/viber/{message_id}", message_id=arguments.vendor_id("message_id", message_id))
        return (yield from self._call(request, single(models.MessageStatus)))

    @endpoint
    def get_viber_by_reference(self, reference: str) -> Call[models.MessageStatus]:
        """Return a Viber message and its status by our key. Otherwise as `get_viber`.

        Source: "Получение статусов Viber-сообщения", GET /viber/reference/{reference}.
        """
        request = self._get("/viber/reference/{reference}", reference=viber_key(reference))
        return (yield from self._call(request, single(models.MessageStatus)))

    @endpoint
    def list_viber_prices(self, tariff: int | None = None) -> Call[list[models.CountryPrice]]:
        """Return the Viber prices of all countries in a tariff (default 0, "Global").

        Raises TelecomRejectedError (code 6: no such tariff). A read. Source: "Получение таблицы цен Viber".
        """
        request = self._get("/viber/prices/{tariff}", tariff=str(self._tariff(tariff)))
        return (yield from self._call(request, read_price_list))

    @property
    def _keys_work(self) -> bool:
        return _KEYS_WORK in self.account.learned

    def _learn(self, results: Sequence[models.SendResult]) -> None:
        learned, accepted = self.account.learned, [result for result in results if result.accepted]
        if any(result.duplicate for result in accepted):
            learned.add(_KEYS_WORK)
        elif accepted:
            change = learned.add if all(result.key_returned for result in accepted) else learned.discard
            change(_KEYS_WORK)
            if not any(result.key_returned for result in accepted):
                learned.add(_NO_KEY_RETURNED)

    def _create(
        self, body: Body, recipients: Sequence[models.ViberRecipient], has_keys: bool
    ) -> Call[models.BatchResult]:
        """Send a message to some recipients, and learn from the response whether our keys work."""
        idempotency = Idempotency.WITH_KEY if has_keys and self._keys_work else Idempotency.NONE
        read = batch_result_reader([each.external_id for each in recipients], may_rename=True)
        try:
            batch = yield from self._post_viber("/viber/create", idempotency, body, recipients, read)
        except KetchUpDuplicateKeyError:
            self.account.learned.add(_KEYS_WORK)
            raise
        pairs = zip(recipients, batch.results, strict=True)
        self._learn([result for recipient, result in pairs if recipient.external_id is not None])
        return batch

    def _finds_one(self, recipients: Sequence[models.ViberRecipient]) -> Call[bool]:
        """Return whether one of these messages can be found after all, in a few attempts."""
        for pause in (0.0, *_PAUSES):
            if pause:
                yield Sleep(pause, pause)
            try:
                if (yield from call_of(self.viber_keys_work, recipients)):
                    return True
            except TelecomError:
                return False
        return False

    def _finds(self, recipient: models.ViberRecipient) -> Call[bool]:
        """Return whether KetchUp has a message to this number under this key."""
        key = str(recipient.external_id)
        request = self._get("/viber/reference/{reference}", reference=viber_key(key, "external_id"))
        try:
            status = yield from self._call(
                replace(request, deadline=_LOOK_UP_DEADLINE), single(models.MessageStatus)
            )
        except TelecomNotFoundError:
            return False
        digits = "".join(filter(str.isdecimal, status.msisdn))
        return status.reference in (None, key) and digits == self._msisdn(recipient.msisdn)

    def _message_body(
        self,
        recipients: Sequence[models.ViberRecipient],
        text: str,
        *,
        sender: str | None = None,
        promotional: bool = False,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        validity_seconds: int = arguments.MAX_VALIDITY_SECONDS,
        allow_short_validity: bool = False,
        tariff: int | None = None,
        callback_url: str | None = None,
        schedule_at: datetime | None = None,
    ) -> Body:
        """Return the body of a request and its message, both without the recipients."""
        people = arguments.list_of(models.ViberRecipient, "recipients", recipients)
        keys = [
            None if each.external_id is None else viber_key(each.external_id, "external_id")
            for each in people
        ]
        arguments.reject_duplicates((self._msisdn(each.msisdn) for each in people), keys)
        button = _given(
            img=None if image_url is None else arguments.check_callback_url("image_url", image_url),
            caption=None if caption is None else non_blank("caption", caption),
            action=None if action_url is None else arguments.check_callback_url("action_url", action_url),
        )
        message = _given(
            text=non_blank("text", text),
            alpha_name=arguments.choose_viber_sender(sender, self.options.viber_sender),
            is_promotional=bool(promotional),
            callback_url=None
            if callback_url is None
            else arguments.check_callback_url("callback_url", callback_url),
            scheduledDatetime=None if schedule_at is None else iso_time("schedule_at", schedule_at),
            options={"viber": button} if button else None,
        )
        validity = arguments.check_viber_validity(validity_seconds, allow_short_validity)
        return {"tariff": self._tariff(tariff), "validity": validity}, message

    @property
    def _field_names(self) -> Sequence[Variant]:
        """The names of number and key in the order in which they are tried.

        The sample's come first, with the key as the connection says, or under both names if it has not been
        in a response.
        """
        option = self.options.viber_key
        chosen = _KEY_NAMES if option == "both" else (option,)
        first = _KEY_NAMES if _NO_KEY_RETURNED in self.account.learned else chosen
        keys = dict.fromkeys((first, chosen, _KEY_NAMES, *((name,) for name in _KEY_NAMES)))
        return [(number, names) for number in _NUMBER_NAMES for names in keys]

    def _post_viber(
        self,
        path: str,
        idempotency: Idempotency,
        body: Body,
        recipients: Sequence[models.ViberRecipient],
        read: Callable[[Response], T],
    ) -> Call[T]:
        """Post a message to these recipients, in the variant that the vendor understands."""

        def call(variant: Variant) -> Call[T]:
            to = [self._recipient(recipient, variant) for recipient in recipients]
            common, message = body
            sent = Json({**common, "messages": [{**message, "to": to}]})
            return self._call(self._post(path, idempotency, sent), read)

        name = "viber, since no key was returned" if _NO_KEY_RETURNED in self.account.learned else "viber"
        return (yield from self._call_first_variant(name, self._field_names, call, idempotency))

    def _recipient(self, recipient: models.ViberRecipient, variant: Variant) -> dict[str, str]:
        number, names = variant
        fields = {number: self._msisdn(recipient.msisdn)}
        if recipient.external_id is not None:
            fields |= dict.fromkeys(names, recipient.external_id)
        return fields


def viber_key(value: str, field: str = "reference") -> str:
    """Return our key for a Viber message. It may have an underscore, as in the document's own samples."""
    return matching(field, value, r"[A-Za-z0-9_]{1,32}", "must be 1 to 32 of the characters a-z A-Z 0-9 _")


def _all_have_keys(recipients: Sequence[models.ViberRecipient], without_keys: bool) -> bool:
    people = arguments.list_of(models.ViberRecipient, "recipients", recipients)
    have_keys = all(each.external_id is not None for each in people)
    if not have_keys and not without_keys:
        raise TelecomInputError("external_id", "must be given for each recipient, or without_keys=True")
    return have_keys


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
