"""Notifiers of Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Literal, Unpack

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.notifications.base import Notification
from airflow_provider_telecom.notifications.message_types import (
    NumberNotifier,
    NumberTextArguments,
    TextNotifier,
)
from airflow_provider_telecom.notifications.truncation import THOUSAND_CHARACTERS, LengthLimit
from airflow_provider_telecom.vendors.kyivstar_open_telecom import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook


class KyivstarNotifier(NumberNotifier, TextNotifier):
    """Base class of the notifiers that send texts; uses a `kyivstar_open_telecom` connection."""

    template_fields: Sequence[str] = (
        *dict.fromkeys((*NumberNotifier.template_fields, *TextNotifier.template_fields)),
        "sender",
    )
    vendor = VENDOR


class KyivstarSmsNotifier(KyivstarNotifier):
    """Alert by SMS, one paid segment per recipient: 160 characters of GSM-7, or 70 of any alphabet.

    :param sender: the alpha name; by default the connection's.

    See `TelecomNotifier`, `TextNotifier` and `NumberNotifier` for the rest. Source: "/sms", POST.
    """

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


class KyivstarViberNotifier(KyivstarNotifier):
    """Alert by a Viber message of at most 1000 characters. Recipients without Viber get nothing.

    :param sender: the Viber alpha name; by default the connection's `viber_sender`, or else its `sender`.
    :param kind: `transaction` (default) or `promotion` (an advertisement). A transaction whose text does not
        match a template that is agreed with the vendor is charged as an advertisement.

    See `TelecomNotifier`, `TextNotifier` and `NumberNotifier` for the rest. Source: "/viber/transaction" and
    "/viber/promotion".
    """

    length_limit: ClassVar[LengthLimit] = THOUSAND_CHARACTERS

    def __init__(
        self,
        *,
        sender: str | None = None,
        kind: Literal["transaction", "promotion"] = "transaction",
        **kwargs: Unpack[NumberTextArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.sender, self.kind = sender, one_of("kind", kind, ("transaction", "promotion"))

    def _call(
        self,
        hook: KyivstarOpenTelecomHook,
        recipient: str,
        notification: Notification,
        suppressed: int,
        key: str,
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of

        text, sender = self._text(notification, suppressed), notification.fields["sender"]
        if self.kind == "promotion":
            return call_of(hook.send_viber_promotion, recipient, text, sender=sender)
        return call_of(hook.send_viber_transaction, recipient, text, sender=sender)
