"""Viber messages. KetchUp may recognise our keys or not, which only its responses can show."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, TypeVar, Unpack, cast

from airflow_provider_telecom.calls.checks import non_blank
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
    grouped_result_reader,
    read_price,
    read_price_list,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.times import iso_time

_KEYS_WORK = "viber keys work"
"""Learned about an account: KetchUp recognises our keys of Viber messages."""
_NO_KEY_RETURNED = "viber responses hold no external_id"
"""Learned about an account: KetchUp may know our keys by the other name, `reference`."""
_FOUND_BY_KEY = "a viber message was found by its key"
"""Learned about an account. It does not say by which name KetchUp knows the keys."""
_NUMBER_NAMES, _KEY_NAMES = ("msisdn", "phone"), ("external_id", "reference")
"""How the document's sample and its text name the number, and how they name our key."""
_MAX_LOOK_UPS = 3
"""For how many recipients a message is looked up by its key; one that is found is enough."""
_PAUSES = (1.0, 3.0)
"""Seconds between two look-ups: a message may take a while to appear."""
_LOOK_UP_DEADLINE = 10.0


Variant = tuple[str, Sequence[str]]
"""The names of the number and of our key."""
T = TypeVar("T")


@dataclass(frozen=True)
class _Line:
    """A recipient, and the body of the message to them, which several may share."""

    recipient: models.ViberRecipient
    message: Mapping[str, object]


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
        `image_url`, `caption`, `action_url`; a button needs the last two. `callback_url` receives delivery
        reports. `schedule_at` (aware) is when it is sent.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError, TelecomUnknownError.
        Source: "Отправка Viber-сообщения".
        """
        terms, messages = _one_message(recipients, text, options)
        return (yield from self._send_viber(messages, without_keys, **terms))

    @endpoint
    def send_viber_messages(
        self,
        messages: Sequence[models.ViberMessage],
        *,
        without_keys: bool = False,
        **terms: Unpack[arguments.ViberTerms],
    ) -> Call[models.BatchResult]:
        """Send several Viber messages in one call, each to its own recipients.

        Returns a result for each recipient: those of the first message, those of the second, and so on. No
        number and no key may occur twice in the call. Code 12 means that the call is too large: nothing of
        it was sent. Otherwise as `send_viber`.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError, TelecomUnknownError.
        Source: "Отправка Viber-сообщения", `messages`.
        """
        return (yield from self._send_viber(messages, without_keys, **terms))

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
                self.account.learned.update((_KEYS_WORK, _FOUND_BY_KEY))
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
        terms, messages = _one_message(recipients, text, options)
        return (yield from self._price_viber(messages, **terms))

    @endpoint
    def price_viber_messages(
        self, messages: Sequence[models.ViberMessage], **terms: Unpack[arguments.ViberTerms]
    ) -> Call[models.Price]:
        """Return what `send_viber_messages` with these arguments would cost. A read: nothing is sent.

        Source: "Получение цены Viber-сообщения".
        """
        return (yield from self._price_viber(messages, **terms))

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
        request = self._get("/viber/reference/{reference}", reference=arguments.check_any_key(reference))
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

    def _send_viber(
        self,
        messages: Sequence[models.ViberMessage],
        without_keys: bool,
        **terms: Unpack[arguments.ViberTerms],
    ) -> Call[models.BatchResult]:
        """Send messages; if their keys prove to work after a lost response, once more under the same keys."""
        common, lines = self._viber_body(messages, **terms)
        has_keys = _all_have_keys(lines, without_keys) and not without_keys
        keys_worked_before = self._keys_work

        def create(part: Sequence[_Line]) -> Call[models.BatchResult]:
            return self._create(common, part, has_keys)

        try:
            return (yield from self._create_all(lines, create))
        except TelecomUnknownError:
            recipients = [line.recipient for line in lines]
            if not has_keys or keys_worked_before or not (yield from self._finds_one(recipients)):
                raise
        try:
            return (yield from self._create_all(lines, create))
        except TelecomError as error:
            error.partial = True  # one was found, so a refusal now does not prove that nothing was sent
            raise

    def _price_viber(
        self, messages: Sequence[models.ViberMessage], **terms: Unpack[arguments.ViberTerms]
    ) -> Call[models.Price]:
        common, lines = self._viber_body(messages, **terms)
        return self._post_viber("/viber/price", Idempotency.READ, common, lines, read_price)

    def _create(
        self, common: Mapping[str, object], lines: Sequence[_Line], has_keys: bool
    ) -> Call[models.BatchResult]:
        """Send messages to some recipients, and learn from the response whether our keys work."""
        idempotency = Idempotency.WITH_KEY if has_keys and self._keys_work else Idempotency.NONE
        keys = [[line.recipient.external_id for line in part] for part in _by_message(lines)]
        read = grouped_result_reader(keys)
        try:
            batch = yield from self._post_viber("/viber/create", idempotency, common, lines, read)
        except KetchUpDuplicateKeyError:
            self.account.learned.add(_KEYS_WORK)
            raise
        pairs = zip(lines, batch.results, strict=True)
        self._learn([result for line, result in pairs if line.recipient.external_id is not None])
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
        request = self._get(
            "/viber/reference/{reference}", reference=arguments.check_any_key(key, "external_id")
        )
        try:
            status = yield from self._call(
                replace(request, deadline=_LOOK_UP_DEADLINE), single(models.MessageStatus)
            )
        except TelecomNotFoundError:
            return False
        digits = "".join(filter(str.isdecimal, status.msisdn))
        return status.reference in (None, key) and digits == self._msisdn(recipient.msisdn)

    def _viber_body(
        self,
        messages: Sequence[models.ViberMessage],
        *,
        validity_seconds: int = arguments.MAX_VALIDITY_SECONDS,
        allow_short_validity: bool = False,
        tariff: int | None = None,
    ) -> tuple[Mapping[str, object], Sequence[_Line]]:
        """Return what the messages of a request have in common, and a line for each recipient."""
        lines = []
        for message in arguments.list_of(models.ViberMessage, "messages", messages):
            people = arguments.list_of(models.ViberRecipient, "recipients", message.recipients)
            body = self._message_body(message)
            lines += [_Line(each, body) for each in people]
        keys = [
            None if key is None else arguments.check_any_key(key, "external_id")
            for key in (line.recipient.external_id for line in lines)
        ]
        arguments.reject_duplicates((self._msisdn(line.recipient.msisdn) for line in lines), keys)
        validity = arguments.check_viber_validity(validity_seconds, allow_short_validity)
        return {"tariff": self._tariff(tariff), "validity": validity}, lines

    def _message_body(self, message: models.ViberMessage) -> Mapping[str, object]:
        """Return the body of a message without its recipients."""
        image, caption, action, url, at = (
            message.image_url,
            message.caption,
            message.action_url,
            message.callback_url,
            message.schedule_at,
        )
        check_url = arguments.check_callback_url
        extras = _given(
            img=None if image is None else check_url("image_url", image),
            caption=None if caption is None else non_blank("caption", caption),
            action=None if action is None else check_url("action_url", action),
        )
        arguments.check_button(caption, action)
        return _given(
            text=non_blank("text", message.text),
            alpha_name=arguments.choose_viber_sender(message.sender, self.options.viber_sender),
            is_promotional=bool(message.promotional),
            callback_url=None if url is None else check_url("callback_url", url),
            scheduledDatetime=None if at is None else iso_time("schedule_at", at),
            options={"viber": extras} if extras else None,
        )

    @property
    def _name_is_uncertain(self) -> bool:
        return not self.account.learned.isdisjoint((_NO_KEY_RETURNED, _FOUND_BY_KEY))

    @property
    def _field_names(self) -> Sequence[Variant]:
        """The names of number and key in the order in which they are tried.

        The sample's come first, with the key as the connection says; or under both names, if it has not been
        in a response, or if a message was found by its key: another process may have sent it under the other
        name.
        """
        option = self.options.viber_key
        chosen = _KEY_NAMES if option == "both" else (option,)
        first = _KEY_NAMES if self._name_is_uncertain else chosen
        keys = dict.fromkeys((first, chosen, _KEY_NAMES, *((name,) for name in _KEY_NAMES)))
        return [(number, names) for number in _NUMBER_NAMES for names in keys]

    def _post_viber(
        self,
        path: str,
        idempotency: Idempotency,
        common: Mapping[str, object],
        lines: Sequence[_Line],
        read: Callable[[Response], T],
    ) -> Call[T]:
        """Post messages to these recipients, in the variant that the vendor understands."""

        def call(variant: Variant) -> Call[T]:
            messages = [
                {**part[0].message, "to": [self._recipient(line.recipient, variant) for line in part]}
                for part in _by_message(lines)
            ]
            return self._call(self._post(path, idempotency, Json({**common, "messages": messages})), read)

        name = "viber, under both names" if self._name_is_uncertain else "viber"
        return (yield from self._call_first_variant(name, self._field_names, call, idempotency))

    def _recipient(self, recipient: models.ViberRecipient, variant: Variant) -> dict[str, str]:
        number, names = variant
        fields = {number: self._msisdn(recipient.msisdn)}
        if recipient.external_id is not None:
            fields |= dict.fromkeys(names, recipient.external_id)
        return fields


def _one_message(
    recipients: Sequence[models.ViberRecipient], text: str, options: arguments.ViberOptions
) -> tuple[arguments.ViberTerms, Sequence[models.ViberMessage]]:
    """Return the arguments of a call for one message as those for several."""
    content: dict[str, Any] = {**options}
    terms = {name: content.pop(name) for name in arguments.ViberTerms.__annotations__ if name in content}
    people = arguments.list_of(models.ViberRecipient, "recipients", recipients)
    return cast("arguments.ViberTerms", terms), [models.ViberMessage(people, text, **content)]


def _by_message(lines: Iterable[_Line]) -> Sequence[Sequence[_Line]]:
    """Return the lines of each message."""
    return [list(part) for _, part in groupby(lines, key=lambda line: id(line.message))]


def _all_have_keys(lines: Sequence[_Line], without_keys: bool) -> bool:
    have_keys = all(line.recipient.external_id is not None for line in lines)
    if not have_keys and not without_keys:
        raise TelecomInputError("external_id", "must be given for each recipient, or without_keys=True")
    return have_keys


def _given(**fields: object) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
