"""Viber messages. A copy is recognised by our key if the vendor takes our keys, which must be seen first."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

from airflow_provider_telecom.calls.checks import matching, non_blank
from airflow_provider_telecom.calls.endpoint import Call, Sleep, call_of, endpoint
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotFoundError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.request import Idempotency, Response
from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import (
    LONGEST_VALIDITY_SECONDS,
    viber_validity,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.hlr import callback
from airflow_provider_telecom.vendors.ketchup_loyalty.models import (
    BatchResult,
    CountryPrice,
    MessageStatus,
    Price,
    SendResult,
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import (
    KetchUpRequests,
    iso_datetime,
    numeric_id,
    orders,
    reject_duplicates,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import KetchUpDuplicateKeyError, one
from airflow_provider_telecom.vendors.ketchup_loyalty.results import price_table, sent_many

_KEYS_WORK = "viber keys work"
"""Learned of an account: KetchUp recognises our keys of Viber messages."""
_NO_KEY_BACK = "viber answers hold no external_id"
"""Learned of an account: it may know our keys by the other name, `reference`."""
_NUMBER_NAMES, _KEY_NAMES = ("msisdn", "phone"), ("external_id", "reference")
"""How the document's sample and its text name the number, and how they name our key."""
_LOOKED_FOR = 3
"""For how many recipients a message is looked for by its key; one that is found is enough."""
_PAUSES = (1.0, 3.0)
"""Seconds between two look-ups: a message may take a while to show."""
_LONGEST_LOOK = 10.0


Form = tuple[str, Sequence[str]]
T = TypeVar("T")


class ViberCalls(KetchUpRequests):
    """Viber calls."""

    @endpoint
    def send_viber(
        self,
        recipients: Sequence[ViberRecipient],
        text: str,
        *,
        sender: str | None = None,
        promotional: bool = False,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        validity_seconds: int = LONGEST_VALIDITY_SECONDS,
        allow_short_validity: bool = False,
        tariff: int | None = None,
        callback_url: str | None = None,
        schedule_at: datetime | None = None,
        unkeyed: bool = False,
    ) -> Call[BatchResult]:
        """Send a Viber message to one or many and return a result for each.

        Each recipient needs an `external_id`, our key. `unkeyed=True` permits recipients without one: they
        get no delivery report.

        Whether the vendor recognises the keys is not known before it has given one back, has answered that
        one exists already (code 43), or has found a message by one. Until then, and with `unkeyed=True`,
        the message is sent only once: after a lost answer it is looked for by its key, and if it is not
        found, nobody can know whether it went out. Later messages of this process are repeated under
        their keys, and a copy costs nothing. `keyed=False` marks a result that does not hold our key.

        `validity_seconds` is 15 to 86400; less than 60 is most likely meant in hours, as in the document's
        own sample, and needs `allow_short_validity`. `sender` (alpha name) and `tariff` come from the
        connection when left out. Picture and button: `image_url`, `caption`, `action_url`.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError, TelecomUnknownError.
        Source: "Отправка Viber-сообщения".
        """
        is_keyed = _all_keyed(recipients, unkeyed) and not unkeyed
        message = self._message(recipients, text, sender, promotional, callback_url, schedule_at)
        _add_extras(message, image_url, caption, action_url)
        body = self._package(message, validity_seconds, allow_short_validity, tariff)
        is_known_to_work = self._keys_work

        def create(non_empty: Sequence[ViberRecipient]) -> Call[BatchResult]:
            return self._create(body, non_empty, is_keyed)

        try:
            return (yield from self._created(recipients, create))
        except TelecomUnknownError:
            if not is_keyed or is_known_to_work or not (yield from self._finds_one(recipients)):
                raise
        return (yield from self._created(recipients, create))

    @endpoint
    def viber_keys_work(self, recipients: Sequence[ViberRecipient]) -> Call[bool]:
        """Return whether KetchUp is known to recognise our keys of Viber messages.

        An earlier answer of this process may have shown it. If not, KetchUp is asked for messages to the
        first three of `recipients` by their keys; one that is found shows it too. False means not known.

        Raises TelecomNoAnswerError and what the look-up raises. A read.
        Source: "Получение статусов Viber-сообщения".
        """
        for each in orders("recipients", recipients, ViberRecipient)[:_LOOKED_FOR]:
            if not self._keys_work and each.external_id is not None and (yield from self._finds(each)):
                self.account.learned.add(_KEYS_WORK)
        return self._keys_work

    @endpoint
    def price_viber(
        self,
        recipients: Sequence[ViberRecipient],
        text: str,
        *,
        sender: str | None = None,
        promotional: bool = False,
        image_url: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        validity_seconds: int = LONGEST_VALIDITY_SECONDS,
        allow_short_validity: bool = False,
        tariff: int | None = None,
    ) -> Call[Price]:
        """Return what `send_viber` with these arguments would cost. A read: nothing is sent.

        Source: "Получение цены Viber-сообщения".
        """
        message = self._message(recipients, text, sender, promotional, None, None)
        _add_extras(message, image_url, caption, action_url)
        body = self._package(message, validity_seconds, allow_short_validity, tariff)
        return (
            yield from self._in_viber_form("/viber/price", Idempotency.READ, body, recipients, one(Price))
        )

    @endpoint
    def get_viber(self, message_id: str | int) -> Call[MessageStatus]:
        """Return a Viber message and its status by the vendor's id.

        Raises TelecomNotFoundError (code 40; right after sending it is not final). A read.
        Source: "Получение статусов Viber-сообщения".
        """
        request = self._get("/viber/{message_id}", message_id=numeric_id("message_id", message_id))
        return (yield from self._call(request, one(MessageStatus)))

    @endpoint
    def get_viber_by_reference(self, reference: str) -> Call[MessageStatus]:
        """Return a Viber message and its status by our key. Otherwise as `get_viber`.

        Source: "Получение статусов Viber-сообщения", GET /viber/reference/{reference}.
        """
        request = self._get("/viber/reference/{reference}", reference=viber_key(reference))
        return (yield from self._call(request, one(MessageStatus)))

    @endpoint
    def list_viber_prices(self, tariff: int | None = None) -> Call[list[CountryPrice]]:
        """Return the Viber prices of all countries in a tariff (default 0, "Global").

        Raises TelecomRejectedError (code 6: no such tariff). A read. Source: "Получение таблицы цен Viber".
        """
        request = self._get("/viber/prices/{tariff}", tariff=str(self._tariff(tariff)))
        return (yield from self._call(request, price_table))

    @property
    def _keys_work(self) -> bool:
        return _KEYS_WORK in self.account.learned

    def _learn(self, results: Sequence[SendResult]) -> None:
        accepted = [result for result in results if result.accepted]
        if any(result.duplicate for result in accepted):
            self.account.learned.add(_KEYS_WORK)
        elif accepted:
            all_came_back = all(result.keyed for result in accepted)
            change = self.account.learned.add if all_came_back else self.account.learned.discard
            change(_KEYS_WORK)
            if not any(result.keyed for result in accepted):
                self.account.learned.add(_NO_KEY_BACK)

    def _create(
        self, body: Mapping[str, Any], recipients: Sequence[ViberRecipient], is_keyed: bool
    ) -> Call[BatchResult]:
        """Send a message to some recipients, and learn from the answer whether our keys work."""
        idempotency = Idempotency.WITH_KEY if is_keyed and self._keys_work else Idempotency.NONE
        keys, learned = [each.external_id for each in recipients], self.account.learned
        read = sent_many(keys, may_rename=True)
        try:
            batch = yield from self._in_viber_form("/viber/create", idempotency, body, recipients, read)
        except KetchUpDuplicateKeyError:
            learned.add(_KEYS_WORK)
            raise
        pairs = zip(recipients, batch.results, strict=True)
        self._learn([result for recipient, result in pairs if recipient.external_id is not None])
        return batch

    def _finds_one(self, recipients: Sequence[ViberRecipient]) -> Call[bool]:
        """Look a few times whether one of these messages is there after all."""
        for pause in (0.0, *_PAUSES):
            if pause:
                yield Sleep(pause, pause)
            try:
                if (yield from call_of(self.viber_keys_work, recipients)):
                    return True
            except TelecomError:
                return False
        return False

    def _finds(self, recipient: ViberRecipient) -> Call[bool]:
        """Whether KetchUp has a message to this number under this key."""
        key = str(recipient.external_id)
        request = self._get("/viber/reference/{reference}", reference=viber_key(key, "external_id"))
        try:
            status = yield from self._call(replace(request, deadline=_LONGEST_LOOK), one(MessageStatus))
        except TelecomNotFoundError:
            return False
        digits = "".join(filter(str.isdecimal, status.msisdn))
        return status.reference in (None, key) and digits == self._msisdn(recipient.msisdn)

    def _message(
        self,
        recipients: Sequence[ViberRecipient],
        text: str,
        sender: str | None,
        promotional: bool,
        callback_url: str | None,
        schedule_at: datetime | None,
    ) -> dict[str, Any]:
        people = orders("recipients", recipients, ViberRecipient)
        for each in people:
            if each.external_id is not None:
                viber_key(each.external_id, "external_id")
        numbers = (self._msisdn(each.msisdn) for each in people)
        reject_duplicates(numbers, (each.external_id for each in people))
        message: dict[str, Any] = {
            "text": non_blank("text", text),
            "alpha_name": self._alpha_name(sender),
            "is_promotional": bool(promotional),
        }
        if callback_url is not None:
            message["callback_url"] = callback("callback_url", callback_url)
        if schedule_at is not None:
            message["scheduledDatetime"] = iso_datetime("schedule_at", schedule_at)
        return message

    @property
    def _viber_forms(self) -> Sequence[Form]:
        """The names of number and key in the order in which they are tried.

        The sample's come first, with the key as the connection says, or under both names if it has not come
        back in an answer.
        """
        option = self.options.viber_key
        chosen = _KEY_NAMES if option == "both" else (option,)
        first = _KEY_NAMES if _NO_KEY_BACK in self.account.learned else chosen
        keys = dict.fromkeys((first, chosen, _KEY_NAMES, *((name,) for name in _KEY_NAMES)))
        return [(number, names) for number in _NUMBER_NAMES for names in keys]

    def _in_viber_form(
        self,
        path: str,
        idempotency: Idempotency,
        body: Mapping[str, Any],
        recipients: Sequence[ViberRecipient],
        read: Callable[[Response], T],
    ) -> Call[T]:
        """Make a call about a message to these recipients, in the form that the vendor understands."""
        (message,) = body["messages"]

        def call(form: Form) -> Call[T]:
            to = [self._recipient(recipient, form) for recipient in recipients]
            return self._call(
                self._post(path, idempotency, {**body, "messages": [{**message, "to": to}]}), read
            )

        name = "viber, since no key came back" if _NO_KEY_BACK in self.account.learned else "viber"
        return (yield from self._in_any_form(name, self._viber_forms, call, idempotency))

    def _recipient(self, recipient: ViberRecipient, form: Form) -> dict[str, str]:
        number, names = form
        fields = {number: self._msisdn(recipient.msisdn)}
        if recipient.external_id is not None:
            fields |= dict.fromkeys(names, recipient.external_id)
        return fields

    def _alpha_name(self, sender: str | None) -> str:
        chosen = sender if sender is not None else self.options.viber_sender
        if chosen is None:
            raise TelecomInputError(
                "sender", "must be given here or as viber_sender in the connection's extra"
            )
        return non_blank("sender", chosen)

    def _package(
        self, message: dict[str, Any], validity_seconds: int, short: bool, tariff: int | None
    ) -> dict[str, Any]:
        validity = viber_validity(validity_seconds, short)
        return {"tariff": self._tariff(tariff), "validity": validity, "messages": [message]}


def viber_key(value: str, field: str = "reference") -> str:
    """Return our key for a Viber message. The document's own samples have an underscore, so it may too."""
    return matching(field, value, r"[A-Za-z0-9_]{1,32}", "must be 1 to 32 of the characters a-z A-Z 0-9 _")


def _all_keyed(recipients: Sequence[ViberRecipient], unkeyed: bool) -> bool:
    keyed = all(one.external_id is not None for one in orders("recipients", recipients, ViberRecipient))
    if not keyed and not unkeyed:
        raise TelecomInputError("external_id", "must be given for each recipient, or unkeyed=True")
    return keyed


def _add_extras(
    message: dict[str, Any], image_url: str | None, caption: str | None, action_url: str | None
) -> None:
    extras = {
        "img": None if image_url is None else callback("image_url", image_url),
        "caption": None if caption is None else non_blank("caption", caption),
        "action": None if action_url is None else callback("action_url", action_url),
    }
    if given := {name: value for name, value in extras.items() if value is not None}:
        message["options"] = {"viber": given}
