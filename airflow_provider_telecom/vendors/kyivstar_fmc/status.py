"""The status check of Kyivstar FMC."""

from __future__ import annotations

import re
from datetime import UTC, date, datetime
from typing import Literal

import pendulum

from airflow_provider_telecom.calls.checks import aware_datetime
from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import start_of
from airflow_provider_telecom.vendors.kyivstar_fmc.api import KyivstarFmcApi
from airflow_provider_telecom.vendors.kyivstar_fmc.models import CallRecord
from airflow_provider_telecom.vendors.kyivstar_fmc.times import (
    KYIV,
    MAX_AGE,
    MAX_CALL_LENGTH,
    parse_times,
    windows,
)
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from airflow_provider_telecom.vendors.times import utc

_SHORT_NUMBER = re.compile("[0-9]{2,8}")


def call_record(
    api: KyivstarFmcApi,
    calling_number: str | int | None,
    called_number: str | int,
    since: str | date,
    direction: Literal["outgoing", "incoming"] | None = "outgoing",
    min_duration_seconds: int = 0,
    searched_until: str | None = None,
) -> Call[PollResult]:
    """Check for the record of a call between two numbers that began at `since` or later.

    `since` is a date (the beginning of the day in Kyiv), an aware datetime, or the text of either, and at
    most 30 days ago. A record appears when the call has ended. A call that was not answered may never have
    one. `direction` is `outgoing` if `calling_number` called, `incoming` if it was called, and None for both.
    In the hour that happens twice, a call of the first pass may be taken for one of the second: see
    docs/decisions/0007-wall-clock-times.md. `searched_until` is when the previous poll was: then only calls
    of the last day before it can have ended since.
    """
    caller = calling_number or api.options.calling_number
    if not caller:
        raise TelecomInputError("calling_number", "must be given here or in the connection's extra")
    pair = _digits(api, "calling_number", caller), _digits(api, "called_number", called_number)
    pairs = {"outgoing": (pair,), "incoming": (pair[::-1],), None: (pair, pair[::-1])}[direction]
    now = utc(pendulum.now("UTC"))
    start = utc(aware_datetime("since", start_of("since", since, KYIV))).replace(microsecond=0)
    first = start
    if searched_until is not None:
        first = max(start, datetime.fromisoformat(searched_until) - MAX_CALL_LENGTH)
    elif now - start > MAX_AGE:
        raise TelecomInputError("since", "must be at most 30 days ago: the vendor keeps no older calls")
    found: list[tuple[datetime, CallRecord]] = []
    for window in windows(first, now, now) if first < now else ():
        for record in (yield from call_of(api.get_call_records, window.first, window.last)):
            began = _start_of(record, now)
            is_ours = (last_digits(record.calling_number), last_digits(record.called_number)) in pairs
            if is_ours and start <= began <= now and record.duration >= min_duration_seconds:
                found.append((began, record))
        if found:
            began, record = min(found, key=lambda one: one[0])
            facts = {"started_at": began.isoformat(), "duration_seconds": record.duration}
            return PollResult(Stage.SUCCEEDED, facts)
    return PollResult(Stage.WAITING, {}, {"searched_until": now.isoformat()})


def _digits(api: KyivstarFmcApi, field: str, number: str | int) -> str:
    """Return the digits by which records are compared; all of them for a short number of the PBX."""
    text = str(number).strip()
    return text if _SHORT_NUMBER.fullmatch(text) else last_digits(api._msisdn(text, field))


def _start_of(record: CallRecord, now: datetime) -> datetime:
    """Return when a past call began; the earliest possible moment if the record's times are invalid."""
    try:
        times = parse_times(record.start_timestamp, record.end_timestamp, record.duration, now)
    except TelecomInputError:
        return datetime.fromtimestamp(0, UTC)
    return times.start


def last_digits(number: str | int) -> str:
    """Return the digits by which numbers are compared: records may have 067..., 380... and +380... ."""
    return re.sub(r"\D", "", str(number))[-9:]
