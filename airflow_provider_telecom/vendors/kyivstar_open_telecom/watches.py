"""What can be waited for at Kyivstar Open Telecom, and which states are final."""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomNotFoundError
from airflow_provider_telecom.vendors.kyivstar_open_telecom.messages import MessageCalls
from airflow_provider_telecom.vendors.progress import Progress, Stage


def sms(api: MessageCalls, message_id: str) -> Call[Progress]:
    """Wait until an SMS is delivered. The vendor names no state in which it is lost.

    Code 1040 means that the SMS is on its way, or that the vendor does not know it: nobody can tell.
    """
    try:
        status = yield from call_of(api.get_sms, message_id)
    except TelecomNotFoundError:
        return Progress(Stage.WAITING, {"message_id": message_id, "status": None})
    facts = {"message_id": message_id, "status": status.status, "date": status.date}
    return Progress(Stage.REACHED if status.is_delivered else Stage.WAITING, facts)
