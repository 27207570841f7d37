"""Notifiers of NovaConnect."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, ClassVar, Unpack

from airflow_provider_telecom.notifications.base import Notification
from airflow_provider_telecom.notifications.message_types import TextArguments, TextNotifier
from airflow_provider_telecom.notifications.truncation import SEVENTY_CHARACTERS, LengthLimit
from airflow_provider_telecom.vendors.novaconnect import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook
    from airflow_provider_telecom.notifications.on_call import OnCall


class NovaConnectSmsNotifier(TextNotifier):
    """Send the alert by SMS of at most 70 characters to SIMs of profile TD.

    :param sim_ids: the recipients: the id of a SIM, or up to 10, as a list or separated by commas; or
        `OnCall(...)`, whose plan has ids of SIMs as numbers.

    See `TelecomNotifier` and `TextNotifier` for the rest. Source: "СМС".
    """

    template_fields: Sequence[str] = (*TextNotifier.template_fields, "sim_ids")
    vendor = VENDOR
    recipients_field: ClassVar[str] = "sim_ids"
    length_limit: ClassVar[LengthLimit] = SEVENTY_CHARACTERS

    def __init__(
        self, *, sim_ids: int | str | Sequence[int | str] | OnCall, **kwargs: Unpack[TextArguments]
    ) -> None:
        super().__init__(**kwargs)
        self.sim_ids = sim_ids
        self._check_literal_recipients(sim_ids)

    def _check_recipient(self, given: object) -> None:
        _sim_id(given)

    def _recipient(self, hook: object, given: object) -> str:
        return str(_sim_id(given))

    def _call(
        self, hook: NovaConnectHook, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[object]:
        from airflow_provider_telecom.calls.endpoint import call_of

        return call_of(hook.send_sms, [int(recipient)], self._text(notification, suppressed))


def _sim_id(given: object) -> int:
    from airflow_provider_telecom.calls.checks import matching

    return int(matching("sim_ids", str(given).strip(), r"[1-9][0-9]{0,18}", "must be ids of SIMs"))
