"""The status check of SunSim."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from datetime import UTC, date, datetime, timedelta, tzinfo
from typing import Any

import pendulum

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import start_of
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from airflow_provider_telecom.vendors.sunsim.api import SunSimApi
from airflow_provider_telecom.vendors.sunsim.arguments import RECORD_ID, Direction
from airflow_provider_telecom.vendors.sunsim.schema import time_of, to_row
from airflow_provider_telecom.vendors.times import local_period, possible_utc_times, utc, wall_clock

_MAX_CALL_LENGTH = timedelta(days=1)
"""No call is expected to last longer."""
_MAX_PERIOD = timedelta(days=28)
"""Shorter than the shortest reading of the document's "one month"."""
_LEAST_OFFSET, _GREATEST_OFFSET = timedelta(hours=-12), timedelta(hours=14)
"""The local times on earth, from UTC: where the vendor is, is not known without `vendor_timezone`."""


def callback(
    api: SunSimApi,
    phone_to: str | int,
    phone_from: str | int,
    since: str | date,
    direction: Direction | None = None,
    min_duration_seconds: int = 0,
    searched_until: str | None = None,
) -> Call[PollResult]:
    """Check for a call between two numbers that began at `since` or later, at most one month ago.

    `since` is a date (the beginning of the day in the vendor's time), a datetime, or the text of either. With
    `vendor_timezone` in the connection's extra a datetime is aware; otherwise it is naive, in the vendor's
    time. The rows of a call list are not documented: a call is a row that contains `phone_to`, in the list of
    the calls of `phone_from`. A row with a time counts if the time is not before `since`; a row without one
    counts if nothing earlier was requested. In the hour that happens twice, a call of the first pass may be
    taken for one of the second: see docs/decisions/0007-wall-clock-times.md. `searched_until` is when the
    previous poll was: then only calls of the last day before it can have ended since.
    """
    number = api._msisdn(phone_to, "phone_to")
    own_number = api._contract_number(str(phone_from), "phone_from")
    zone_name = api.options.vendor_timezone
    zone = None if zone_name is None else pendulum.timezone(zone_name)
    start = start_of("since", since, zone).replace(microsecond=0)
    local_start = wall_clock("since", start, zone_name)
    now = utc(pendulum.now("UTC"))
    if searched_until is None and local_start < wall_clock("now", now, zone_name or "UTC").subtract(months=1):
        raise TelecomInputError("since", "must be at most one month ago: the vendor searches no older calls")
    start, first, end = _bounds(start, now, searched_until, zone)
    found: list[dict[str, Any]] = []
    for window_start, window_end in _windows(first, end):
        listed = yield from call_of(
            api.list_calls,
            [own_number],
            window_start,
            window_end,
            direction=direction,
            duration_from_seconds=min_duration_seconds or None,
        )
        is_later = _requested_from(window_start, window_end, zone) >= local_start
        for call in listed.calls:
            if call.mentions(number) and _began_within(call.row, start, end, zone, default=is_later):
                row: dict[str, Any] = to_row(call.row, zone, api.options.default_region)
                if row["duration_seconds"] is None or row["duration_seconds"] >= min_duration_seconds:
                    found.append(row)
        if found:
            return PollResult(Stage.SUCCEEDED, _facts(min(found, key=lambda row: str(row["call_time"]))))
    return PollResult(Stage.WAITING, {}, {"searched_until": now.isoformat()})


def _bounds(
    start: datetime, now: datetime, searched_until: str | None, zone: tzinfo | None
) -> tuple[datetime, datetime, datetime]:
    """Return `start`, the moment from which calls are listed, and the present, all with or without a zone."""
    searched = None if searched_until is None else datetime.fromisoformat(searched_until) - _MAX_CALL_LENGTH
    if zone is not None:
        start, end = utc(start), now.replace(microsecond=0)
        return start, start if searched is None else max(start, searched), end
    end = (now + _GREATEST_OFFSET).replace(microsecond=0, tzinfo=None)
    if searched is None:
        return start, start, end
    return start, max(start, (searched + _LEAST_OFFSET).replace(tzinfo=None)), end


def _windows(start: datetime, end: datetime) -> Iterator[tuple[datetime, datetime]]:
    while start < end:
        until = min(start + _MAX_PERIOD, end)
        yield start, until
        start = until


def _requested_from(start: datetime, end: datetime, zone: tzinfo | None) -> datetime:
    return start if zone is None else local_period(start, end, zone, avoid_repeated_hour=True)[0]


def _began_within(
    row: Mapping[str, Any], start: datetime, end: datetime, zone: tzinfo | None, *, default: bool
) -> bool:
    """Return whether a call began between `start` and `end`; `default` if its row has no time."""
    try:
        began = time_of(row)
        if began is None:
            return default
        moments = [began] if zone is None else possible_utc_times("call_time", began, zone)
    except TelecomInputError:
        return False
    return any(start <= moment <= end for moment in moments)


def _facts(row: Mapping[str, Any]) -> dict[str, Any]:
    record_id = row["record_id"]
    began = row["start_utc"]
    return {
        "started_at": row["call_time"] if began is None else began.astimezone(UTC).isoformat(),
        "duration_seconds": row["duration_seconds"],
        "direction": row["direction"],
        "record_id": record_id if record_id and re.fullmatch(RECORD_ID, record_id) else None,
    }
