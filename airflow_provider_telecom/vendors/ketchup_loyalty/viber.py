"""Viber messages. With a key of ours a copy is recognised; without one it is a second message."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any

from airflow_provider_telecom.calls.checks import filled, matching
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Repeat
from airflow_provider_telecom.vendors.ketchup_loyalty.answers import one
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
    ViberRecipient,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.posting import (
    KetchUpRequests,
    moment,
    numeric_id,
    orders,
    without_twins,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.results import price_table, sent_many

NO_KEYS_BACK = "viber messages get no key back"


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

        Each recipient needs an `external_id`, our key; with it a copy costs nothing. `unkeyed=True` permits
        recipients without one: they get no delivery report, and after a time-out nobody can know whether
        the message went out, so it is not repeated. If the vendor does not give our key back, the result
        is marked `keyed=False`, and from then on this process treats messages with a key as unkeyed too.

        `validity_seconds` is 15 to 86400; less than 60 is most likely meant in hours, as in the document's
        own sample, and needs `allow_short_validity`. `sender` (alpha name) and `tariff` come from the
        connection when left out. Picture and button: `image_url`, `caption`, `action_url`.

        Raises TelecomInputError, TelecomRejectedError, TelecomFundsError, TelecomUnknownError.
        Source: "Отправка Viber-сообщения".
        """
        keyed = _all_keyed(recipients, unkeyed)
        message = self._message(recipients, text, sender, promotional, callback_url, schedule_at)
        _add_extras(message, image_url, caption, action_url)
        body = self._package(message, validity_seconds, allow_short_validity, tariff)
        repeat = Repeat.KEYED if keyed and NO_KEYS_BACK not in self.account.learned else Repeat.UNKEYED
        request = self._post("/viber/create", repeat, body)
        batch = yield from self._call(request, sent_many([one.external_id for one in recipients]))
        if keyed and not all(result.keyed for result in batch.results):
            self.account.learned.add(NO_KEYS_BACK)
        return batch

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
        return (yield from self._call(self._post("/viber/price", Repeat.READ, body), one(Price)))

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

    def _message(
        self,
        recipients: Sequence[ViberRecipient],
        text: str,
        sender: str | None,
        promotional: bool,
        callback_url: str | None,
        schedule_at: datetime | None,
    ) -> dict[str, Any]:
        to = [self._recipient(one) for one in orders("recipients", recipients, ViberRecipient)]
        without_twins((item["msisdn"] for item in to), (one.external_id for one in recipients))
        message: dict[str, Any] = {
            "to": to,
            "text": filled("text", text),
            "alpha_name": self._alpha_name(sender),
            "is_promotional": bool(promotional),
        }
        if callback_url is not None:
            message["callback_url"] = callback("callback_url", callback_url)
        if schedule_at is not None:
            message["scheduledDatetime"] = moment("schedule_at", schedule_at)
        return message

    def _recipient(self, recipient: ViberRecipient) -> dict[str, str]:
        fields = {"msisdn": self._msisdn(recipient.msisdn)}
        if recipient.external_id is not None:
            names = {"both": ("external_id", "reference")}.get(
                self.options.viber_key, (self.options.viber_key,)
            )
            fields |= dict.fromkeys(names, viber_key(recipient.external_id, "external_id"))
        return fields

    def _alpha_name(self, sender: str | None) -> str:
        chosen = sender if sender is not None else self.options.viber_sender
        if chosen is None:
            raise TelecomInputError(
                "sender", "must be given here or as viber_sender in the connection's extra"
            )
        return filled("sender", chosen)

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
        "caption": None if caption is None else filled("caption", caption),
        "action": None if action_url is None else callback("action_url", action_url),
    }
    if given := {name: value for name, value in extras.items() if value is not None}:
        message["options"] = {"viber": given}
