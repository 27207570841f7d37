"""Sensors of KetchUp Loyalty."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from airflow_provider_telecom.sensors.base import TelecomSensor

_WATCHES = "airflow_provider_telecom.vendors.ketchup_loyalty.watches"


class KetchUpSensor(TelecomSensor):
    """Waits for something at a `ketchup_loyalty` connection."""

    default_conn_id: ClassVar[str] = "ketchup_loyalty_default"
    hook: ClassVar[str] = "airflow_provider_telecom.hooks.ketchup_loyalty.KetchUpHook"


class KetchUpSmsDeliveredSensor(KetchUpSensor):
    """Wait until an SMS is delivered; return `{"message_id", "status", "price", "currency"}`.

    Raises TelecomMissedError when it expired or failed.

    :param message_id: the vendor's id of the SMS.
    :param reference: our key of it, in place of the id.

    Source: "Получение статусов смс" of the vendor's document.
    """

    watch: ClassVar[str] = f"{_WATCHES}.sms"
    watched: ClassVar[Sequence[str]] = ("message_id", "reference")
    template_fields: Sequence[str] = (*TelecomSensor.template_fields, *watched)

    def __init__(
        self,
        *,
        message_id: str | int | None = None,
        reference: str | None = None,
        start_from_trigger: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.message_id, self.reference = message_id, reference
        self._start_from_trigger(start_from_trigger)
