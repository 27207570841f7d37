"""What can be waited for at KetchUp, and which states are final. Source: "Получение статусов"."""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageState, MessageStatus
from airflow_provider_telecom.vendors.ketchup_loyalty.sms import SmsCalls
from airflow_provider_telecom.vendors.progress import Progress, Stage


def sms(api: SmsCalls, message_id: str | None = None, reference: str | None = None) -> Call[Progress]:
    """Wait until an SMS, by the vendor's id or by our key, is delivered."""
    if message_id is not None:
        return _delivery((yield from call_of(api.get_sms, message_id)))
    return _delivery((yield from call_of(api.get_sms_by_reference, reference or "")))


def _delivery(status: MessageStatus) -> Progress:
    facts = {
        "message_id": status.id,
        "status": status.status,
        "price": None if status.price is None else str(status.price),
        "currency": status.currency,
    }
    if not status.state.is_final:
        return Progress(Stage.WAITING, facts)
    arrived = status.state in (MessageState.DELIVERED, MessageState.READ)
    return Progress(Stage.REACHED if arrived else Stage.MISSED, facts)
