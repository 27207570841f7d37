"""Notifiers of SunSim."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Unpack

from airflow_provider_telecom.notifications.base import Notification
from airflow_provider_telecom.notifications.message_types import NumberArguments, NumberNotifier
from airflow_provider_telecom.tasks.literals import is_literal
from airflow_provider_telecom.vendors.sunsim import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.sunsim import SunSimHook


class SunSimCallbackNotifier(NumberNotifier):
    """Alert by a telephone call: a number of the contract is called first, then `msisdn`. It has no content.

    Charged as an incoming call on the first number. Without a Fernet key, and in the `SyncCallback` of a
    deadline, the access token can't be shared: the call creates one, and the token of all others is replaced
    once more.

    :param phone_from: the number of the contract that is called first, in any common form.

    Suppressed alerts are not reported by a later call; the log counts them. See `TelecomNotifier` and
    `NumberNotifier` for the rest. Source: "GET /api/v1/callback/create".
    """

    template_fields: Sequence[str] = (*NumberNotifier.template_fields, "phone_from")
    vendor = VENDOR

    def __init__(self, *, phone_from: str | int, **kwargs: Unpack[NumberArguments]) -> None:
        super().__init__(**kwargs)
        self.phone_from = phone_from
        if self._is_parsing and is_literal(phone_from):
            from airflow_provider_telecom.vendors.sunsim.arguments import russian_number

            russian_number("phone_from", phone_from, VENDOR.region)

    def _call(
        self, hook: SunSimHook, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of

        return call_of(hook.create_callback, recipient, str(notification.fields["phone_from"]))
