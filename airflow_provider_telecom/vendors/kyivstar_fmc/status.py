"""The status check of Kyivstar FMC."""

from __future__ import annotations

import re
from datetime import datetime

import pendulum

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.kyivstar_fmc.api import KyivstarFmcApi
from airflow_provider_telecom.vendors.kyivstar_fmc.models import CallRecord
from airflow_provider_telecom.vendors.kyivstar_fmc.times import parse_times
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage


def call_record(
    api: KyivstarFmcApi, calling_number: str | None, called_number: str, since: str
) -> Call[PollResult]:
    """Check for the record of a call between two numbers that began at `since` (ISO, aware) or later.

    A record appears when the call has ended. A call that was not answered may never have one. In the hour
    that happens twice, a call of the first pass may be taken for one of the second: see
    docs/decisions/0007-wall-clock-times.md.
    """
    start = datetime.fromisoformat(since)
    numbers = _last_digits(calling_number or api.options.calling_number), _last_digits(called_number)
    records = yield from call_of(api.get_call_records, start)
    now = pendulum.now("UTC")
    for record in records:
        is_ours = (_last_digits(record.calling_number), _last_digits(record.called_number)) == numbers
        if is_ours and start <= _start_of(record, now) <= now:
            return PollResult(Stage.SUCCEEDED, {"duration": record.duration})
    return PollResult(Stage.WAITING, {})


def _start_of(record: CallRecord, now: datetime) -> datetime:
    """Return when a past call began; the earliest possible moment if the record's times are invalid."""
    try:
        times = parse_times(record.start_timestamp, record.end_timestamp, record.duration, now)
    except TelecomInputError:
        return pendulum.from_timestamp(0)
    return times.start


def _last_digits(number: str | int | None) -> str:
    """Return the last nine digits: records write 067..., 380... and +380... alike."""
    return re.sub(r"\D", "", str(number))[-9:]
