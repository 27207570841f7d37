"""Operators of Kyivstar Open Telecom."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.operators.base import AwaitingOperator, TelecomOperator, UnkeyedOperator

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

_WATCHES = "airflow_provider_telecom.vendors.kyivstar_open_telecom.watches"


class KyivstarOperator(TelecomOperator):
    """A task about a `kyivstar_open_telecom` connection."""

    default_conn_id: ClassVar[str] = "kyivstar_open_telecom_default"
    hook_path: ClassVar[str] = "airflow_provider_telecom.hooks.kyivstar_open_telecom.KyivstarOpenTelecomHook"

    @cached_property
    def hook(self) -> KyivstarOpenTelecomHook:
        """The hook of the connection."""
        from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook

        return KyivstarOpenTelecomHook(self.conn_id)


class KyivstarSendSmsOperator(KyivstarOperator, UnkeyedOperator, AwaitingOperator):
    """Send one SMS and return `{"message_id", "reserved_segments"}`, and its status if it waits for it.

    Nothing tells a copy from a second SMS: `on_unknown` says what to do when no answer came. With
    `wait_for_completion` the task succeeds once the SMS is delivered.

    :param msisdn: whom to, in any common form.
    :param text: what to say, in at most `max_segments` SMS (1 to 6; 6 without it).
    :param sender: the alpha name; the connection's without it.
    :param ttl_seconds: how long the vendor tries, 0 to 86400.

    Source: "/sms" of the vendor's document.
    """

    template_fields: Sequence[str] = (*UnkeyedOperator.template_fields, "msisdn", "text", "sender")
    private_fields: ClassVar[Sequence[str]] = ("msisdn", "text")

    def __init__(
        self,
        *,
        msisdn: str | int,
        text: str,
        sender: str | None = None,
        max_segments: int | None = None,
        ttl_seconds: int | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.msisdn, self.text, self.sender = msisdn, text, sender
        self.max_segments, self.ttl_seconds = max_segments, ttl_seconds

    def execute(self, context: Context) -> dict[str, Any]:
        """Send it, once."""
        message = {
            "msisdn": self.revealed("msisdn"),
            "text": self.revealed("text"),
            "sender": self.sender,
            "max_segments": self.max_segments,
            "ttl_seconds": self.ttl_seconds,
        }
        started = self._once(context, message, lambda: self._send(message))
        if (message_id := started.get("message_id")) is None:
            return dict(started)
        return self._completed(started, f"{_WATCHES}.sms", {"message_id": message_id})

    def _send(self, message: Mapping[str, Any]) -> dict[str, Any]:
        accepted = self.hook.send_sms(**message)
        return {"message_id": accepted.message_id, "reserved_segments": accepted.reserved_segments}
