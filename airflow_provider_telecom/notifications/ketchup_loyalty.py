"""Notifiers of KetchUp Loyalty.

The deduplication key of an event is the message's idempotency key, so KetchUp sends it once, even if two
hosts send it at the same time.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Unpack

from airflow_provider_telecom.notifications.base import Notification
from airflow_provider_telecom.notifications.message_types import (
    NumberNotifier,
    NumberTextArguments,
    TextNotifier,
)
from airflow_provider_telecom.notifications.truncation import THOUSAND_CHARACTERS, LengthLimit
from airflow_provider_telecom.vendors.ketchup_loyalty import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook


class KetchUpNotifier(NumberNotifier, TextNotifier):
    """Base class of KetchUp's notifiers."""

    template_fields: Sequence[str] = (
        *dict.fromkeys((*NumberNotifier.template_fields, *TextNotifier.template_fields)),
    )
    vendor = VENDOR


class KetchUpSmsNotifier(KetchUpNotifier):
    """Send an SMS, one paid segment a recipient: 160 characters of GSM-7, or 70 of any alphabet.

    :param originator: the sender, at most 14 characters; by default the connection's.

    See `TelecomNotifier`, `TextNotifier` and `NumberNotifier` for the rest. Source: "Отправка SMS".
    """

    template_fields: Sequence[str] = (*KetchUpNotifier.template_fields, "originator")

    def __init__(self, *, originator: str | None = None, **kwargs: Unpack[NumberTextArguments]) -> None:
        super().__init__(**kwargs)
        self.originator = originator

    def _call(
        self, hook: KetchUpHook, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of

        text, originator = self._text(notification, suppressed), notification.fields["originator"]
        return call_of(hook.send_sms, recipient, text, reference=key, originator=originator)


class KetchUpViberNotifier(KetchUpNotifier):
    """Send a Viber message of at most 1000 characters. Recipients without Viber get nothing.

    :param sender: the alpha name; by default the connection's `viber_sender`.

    See `TelecomNotifier`, `TextNotifier` and `NumberNotifier` for the rest.
    Source: "Отправка Viber-сообщения".
    """

    template_fields: Sequence[str] = (*KetchUpNotifier.template_fields, "sender")
    length_limit: ClassVar[LengthLimit] = THOUSAND_CHARACTERS

    def __init__(self, *, sender: str | None = None, **kwargs: Unpack[NumberTextArguments]) -> None:
        super().__init__(**kwargs)
        self.sender = sender

    def _call(
        self, hook: KetchUpHook, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of
        from airflow_provider_telecom.calls.errors import TelecomRejectedError, TelecomUnknownError
        from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient

        to, text = [ViberRecipient(recipient, external_id=key)], self._text(notification, suppressed)
        batch = yield from call_of(hook.send_viber, to, text, sender=notification.fields["sender"])
        (result,) = batch.results
        if result.code == "5":  # the document's "unknown error"
            raise TelecomUnknownError("the message may or may not have been sent", code=result.code)
        if not result.accepted:
            raise TelecomRejectedError("the recipient was refused", code=result.code)
        return batch
