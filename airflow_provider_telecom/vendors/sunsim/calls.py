"""Lists of telephone calls."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.request import MEGABYTE, Request, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.sunsim.arguments import CallFilters, Direction, filter_fields
from airflow_provider_telecom.vendors.sunsim.models import CallList, CallRecord
from airflow_provider_telecom.vendors.sunsim.requests import SunSimRequests
from airflow_provider_telecom.vendors.sunsim.responses import (
    METADATA_FIELDS,
    EnvelopeFacts,
    envelope,
    facts_of,
    require_result,
)
from airflow_provider_telecom.vendors.sunsim.times import format_period, period

_MAX_LIST_BYTES = 64 * MEGABYTE
_COUNT = re.compile("count|total", re.IGNORECASE)


class CallListCalls(SunSimRequests):
    """Reading lists of calls."""

    @endpoint
    def list_calls(
        self,
        numbers: Sequence[str],
        start: datetime,
        end: datetime,
        *,
        direction: Direction | None = None,
        duration_from_seconds: int | None = None,
        duration_to_seconds: int | None = None,
        only_recorded: bool = False,
        is_read: bool | None = None,
    ) -> Call[CallList]:
        """Return the calls of numbers of the contract between `start` and `end`.

        With `vendor_timezone` in the connection's extra both ends are aware; without it they are naive, in
        the vendor's local time. The period is at most one month long and begins at most one month ago.
        `is_read` selects voice mail that was (True) or was not (False) listened to. A `duration_to_seconds`
        of 0 selects calls of 0 seconds; None means no limit.

        Raises TelecomInputError, TelecomAuthError, TelecomRejectedError (a number that is not on the
        contract), TelecomAnswerError. A read. Source: "POST /api/v1/request/getcalllist".
        """
        filters: CallFilters = {
            "direction": direction,
            "duration_from_seconds": duration_from_seconds,
            "duration_to_seconds": duration_to_seconds,
            "only_recorded": only_recorded,
            "is_read": is_read,
        }
        ends = period(start, end, self.options.vendor_timezone)
        return (yield from self._call(self._list_request(numbers, ends, filters), read_calls))

    @endpoint
    def list_call_rows(
        self, numbers: Sequence[str], start: datetime, end: datetime, filters: CallFilters
    ) -> Call[list[Any]]:
        """Return the rows of `list_calls` unchanged, also rows that are not objects.

        `start` and `end` are naive and in the vendor's local time, even if its zone is known. `filters` are
        the filters of `list_calls`. Raises the same errors. A read.
        Source: "POST /api/v1/request/getcalllist".
        """
        ends = format_period(start, end, self.options.vendor_timezone)
        request = self._list_request(numbers, ends, filters)
        return (yield from self._call(request, lambda response: _rows(response)[0]))

    def _list_request(self, numbers: Sequence[str], ends: tuple[str, str], filters: CallFilters) -> Request:
        body = {
            "nums": self._contract_numbers(numbers),
            "periodStart": ends[0],
            "periodEnd": ends[1],
            **filter_fields(filters),
        }
        return self._request("POST", "/request/getcalllist", body=body, max_bytes=_MAX_LIST_BYTES)


def read_calls(response: Response) -> CallList:
    """Return the calls of a response. Raises TelecomAnswerError for a row that is not an object."""
    rows, others, facts = _rows(response)
    if not all(isinstance(row, dict) for row in rows):
        raise unreadable_response("a call that is no object", response.body, response.status)
    return CallList(calls=[_call_record(row) for row in rows], result=others, **facts)


def _rows(response: Response) -> tuple[list[Any], dict[str, Any], EnvelopeFacts]:
    """Return the rows, the other fields, and the facts of the envelope.

    The list's name is not documented: the only list is taken.
    """
    body = envelope(response)
    result = require_result(body, response)
    lists = {name: value for name, value in result.items() if isinstance(value, list)}
    if len(lists) > 1:
        raise unreadable_response(
            "several lists where one of calls was expected", response.body, response.status
        )
    name, rows = next(iter(lists.items()), (None, []))
    others = {key: value for key, value in result.items() if key != name}
    if name is None and any(value for key, value in others.items() if key not in METADATA_FIELDS):
        raise unreadable_response("no list of calls", response.body, response.status)
    if any(_COUNT.search(key) and _count(value) > len(rows) for key, value in others.items()):
        raise unreadable_response("fewer calls than the vendor counts", response.body, response.status)
    return rows, others, facts_of(body)


def _count(value: object) -> int:
    """Return a whole number; 0 for anything else."""
    text = str(value).strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0


def _call_record(row: Mapping[str, Any]) -> CallRecord:
    found = next((value for name, value in row.items() if name.casefold() == "callrecordid"), None)
    return CallRecord(row=dict(row), record_id=None if found is None else str(found).strip() or None)
