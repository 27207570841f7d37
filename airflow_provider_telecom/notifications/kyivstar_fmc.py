"""Notifiers of Kyivstar FMC, the virtual mobile PBX."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_telecom.notifications.base import Notification
from airflow_provider_telecom.notifications.message_types import NumberArguments, NumberNotifier
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook


class KyivstarFmcCallNotifier(NumberNotifier):
    """Alert by a telephone call: a subscriber of the PBX is called first, then `msisdn`. It has no content.

    :param calling_number: the subscriber of the PBX who is called first; by default the connection's.

    Suppressed alerts are not reported by a later call; the log counts them. See `TelecomNotifier` and
    `NumberNotifier` for the rest. Source: "Phone call initiation".
    """

    template_fields: Sequence[str] = (*NumberNotifier.template_fields, "calling_number")
    vendor = VENDOR

    def __init__(self, *, calling_number: str | None = None, **kwargs: Unpack[NumberArguments]) -> None:
        super().__init__(**kwargs)
        self.calling_number = calling_number

    def _call(
        self, hook: KyivstarFmcHook, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of

        return call_of(hook.originate_call, recipient, notification.fields["calling_number"])
