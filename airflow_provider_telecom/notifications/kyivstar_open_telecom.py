"""Notifiers of Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_telecom.notifications.base import Notification
from airflow_provider_telecom.notifications.message_types import (
    NumberNotifier,
    NumberTextArguments,
    TextNotifier,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook


class KyivstarSmsNotifier(NumberNotifier, TextNotifier):
    """Alert by SMS, one paid segment per recipient: 160 characters of GSM-7, or 70 of any alphabet.

    :param sender: the alpha name; by default the connection's.

    See `TelecomNotifier`, `TextNotifier` and `NumberNotifier` for the rest. Source: "/sms", POST.
    """

    template_fields: Sequence[str] = (
        *dict.fromkeys((*NumberNotifier.template_fields, *TextNotifier.template_fields)),
        "sender",
    )
    vendor = VENDOR

    def __init__(self, *, sender: str | None = None, **kwargs: Unpack[NumberTextArguments]) -> None:
        super().__init__(**kwargs)
        self.sender = sender

    def _call(
        self,
        hook: KyivstarOpenTelecomHook,
        recipient: str,
        notification: Notification,
        suppressed: int,
        key: str,
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of

        text = self._text(notification, suppressed)
        return call_of(hook.send_sms, recipient, text, sender=notification.fields["sender"], max_segments=1)
