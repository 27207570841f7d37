"""What can be waited for at SunSim."""

from __future__ import annotations

from datetime import datetime

import pendulum

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.vendors.progress import Progress, Stage
from airflow_provider_telecom.vendors.sunsim.api import SunSimApi


def callback(api: SunSimApi, phone_to: str, phone_from: str, since: str) -> Call[Progress]:
    """Wait for a call of the two numbers that began at `since` (ISO, aware) or later.

    Takes `vendor_timezone` in the connection's extra: without it nobody can say what the vendor's clocks
    showed. The rows of a call list are not documented: a call is one whose row holds both numbers.
    """
    end = pendulum.now("UTC").add(minutes=1)
    found = yield from call_of(api.list_calls, [phone_from], datetime.fromisoformat(since), end)
    proven = any(call.mentions(phone_to) and call.mentions(phone_from) for call in found.calls)
    return Progress(Stage.REACHED if proven else Stage.WAITING, {})
