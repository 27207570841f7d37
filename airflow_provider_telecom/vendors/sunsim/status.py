"""The status check of SunSim."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta, tzinfo
from typing import Any

import pendulum

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from airflow_provider_telecom.vendors.sunsim.api import SunSimApi
from airflow_provider_telecom.vendors.sunsim.schema import time_of
from airflow_provider_telecom.vendors.times import local_period, possible_utc_times


def callback(api: SunSimApi, phone_to: str, phone_from: str, since: str) -> Call[PollResult]:
    """Check for a call between two numbers that began at `since` (ISO, aware) or later.

    Needs `vendor_timezone` in the connection's extra: without it the vendor's times cannot be converted. The
    rows of a call list are not documented: a call is a row that contains `phone_to`, in the list of the calls
    of `phone_from`. A row with a time counts if the time is not before `since`; a row without one counts if
    nothing earlier was requested. In the hour that happens twice, a call of the first pass may be taken for
    one of the second: see docs/decisions/0007-wall-clock-times.md.
    """
    start, now = datetime.fromisoformat(since), pendulum.now("UTC")
    found = yield from call_of(api.list_calls, [phone_from], start, now.add(minutes=1))
    zone = pendulum.timezone(api.options.vendor_timezone or "UTC")
    proven = any(call.mentions(phone_to) and _is_later(call.row, start, now, zone) for call in found.calls)
    return PollResult(Stage.SUCCEEDED if proven else Stage.WAITING, {})


def _is_later(row: Mapping[str, Any], start: datetime, now: datetime, zone: tzinfo) -> bool:
    try:
        began = time_of(row)
        if began is not None:
            return any(start <= moment <= now for moment in possible_utc_times("call_time", began, zone))
    except TelecomInputError:
        return False
    requested_from, _ = local_period(start, now + timedelta(minutes=1), zone, avoid_repeated_hour=True)
    return requested_from == start.astimezone(zone).replace(tzinfo=None)
