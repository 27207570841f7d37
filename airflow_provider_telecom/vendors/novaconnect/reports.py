"""The three reports. Source: "Отчёты" of the vendor's document.

The vendor learns of a day from the operators in the night after it. Its reports know neither a sort nor
a count, and a row's `id` is its SIM's. What a page holds may move while others are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from datetime import date
from typing import Any, TypeVar

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.endpoint import Call, Page, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.calls.request import Idempotency
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.consistent_read import (
    ConsistentPage,
    PagedReport,
    RowHash,
    read_consistently,
    row_hash,
    whole,
)
from airflow_provider_telecom.vendors.novaconnect.models import ActionRow, DayRow, ReportRow, SessionRow
from airflow_provider_telecom.vendors.novaconnect.requests import (
    MAX_READS,
    NovaConnectCalls,
    drop_none,
    next_page_body,
    page_arguments,
)

T = TypeVar("T")
RowT = TypeVar("RowT", bound=ReportRow)
Record = dict[str, Any]

REPORT_PAGE_SIZE = 500
REPORTS = {"sessions": "report/sessions", "days": "report/day", "calls_and_sms": "report/call_sms"}
"""The reports by our names, which are those of the calls."""
_KEYS = {"sessions": ("sid",), "days": ("sid", "day"), "calls_and_sms": ("sid",)}
_Ids = Sequence[int] | None
_Day = date | str | None


class ReportCalls(NovaConnectCalls):
    """Sessions, traffic by days, calls and messages: page by page, or whole.

    `sim_ids` and `group_ids` choose SIMs; without both it is all of them. `start` and `end` are days (a
    date, YYYY-MM-DD or DD-MM-YYYY). The document says neither in which time zone they are, nor whether the
    end is included.
    All are reads, and raise TelecomInputError, TelecomAuthError, TelecomNotFoundError, TelecomAnswerError.
    """

    @endpoint
    def report_sessions(
        self,
        start: _Day = None,
        end: _Day = None,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        page: int = 0,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[Page[SessionRow]]:
        """Return one page of data sessions, the first being 0. Source: "По сессиям"."""
        body = _body(start, end, sim_ids, group_ids, page, size)
        return self._report("report/sessions", list[SessionRow], body)

    @endpoint
    def all_report_sessions(
        self,
        start: _Day = None,
        end: _Day = None,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[list[SessionRow]]:
        """Return all data sessions of the days, each once.

        Raises TelecomAnswerError as well when rows moved between pages in two readings.
        """
        body = _body(start, end, sim_ids, group_ids, 0, size)
        return self._read_report("report/sessions", list[SessionRow], body, size)

    @endpoint
    def report_days(
        self,
        start: _Day = None,
        end: _Day = None,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        page: int = 0,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[Page[DayRow]]:
        """Return one page of traffic by days, the first being 0. Source: "По дням"."""
        body = _body(start, end, sim_ids, group_ids, page, size)
        return self._report("report/day", list[DayRow], body)

    @endpoint
    def all_report_days(
        self,
        start: _Day = None,
        end: _Day = None,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[list[DayRow]]:
        """Return all traffic by days, each row once. Otherwise as `all_report_sessions`."""
        body = _body(start, end, sim_ids, group_ids, 0, size)
        return self._read_report("report/day", list[DayRow], body, size)

    @endpoint
    def report_calls_and_sms(
        self,
        start: _Day = None,
        end: _Day = None,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        page: int = 0,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[Page[ActionRow]]:
        """Return one page of calls, SMS and USSD requests, the first being 0. Source: "СМС и звонки"."""
        body = _body(start, end, sim_ids, group_ids, page, size)
        return self._report("report/call_sms", list[ActionRow], body)

    @endpoint
    def all_report_calls_and_sms(
        self,
        start: _Day = None,
        end: _Day = None,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[list[ActionRow]]:
        """Return all calls, SMS and USSD requests, each once. Otherwise as `all_report_sessions`."""
        body = _body(start, end, sim_ids, group_ids, 0, size)
        return self._read_report("report/call_sms", list[ActionRow], body, size)

    def report_records(
        self,
        report: str,
        start: _Day,
        end: _Day,
        *,
        sim_ids: _Ids = None,
        group_ids: _Ids = None,
        size: int = REPORT_PAGE_SIZE,
    ) -> Call[ConsistentPage[Record]]:
        """Return the call for the rows of `sessions`, `days` or `calls_and_sms` as the vendor sends them.

        For reports of any length: `hook.run(hook.report_records(...))` gives the first page, and
        `hook.run(page.rest())` the next. Each row comes once; three readings are made when rows move.
        """
        one_of("report", report, REPORTS)
        path, rows, key = REPORTS[report], list[Record], _KEYS[report]
        body = _body(start, end, sim_ids, group_ids, 0, size)
        return read_consistently(
            self._reading(path, rows, body, size, lambda row: _record_hash(row, key), MAX_READS + 1)
        )

    def _report(
        self, path: str, rows: type[list[T]], body: Mapping[str, object], full: int | None = None
    ) -> Call[Page[T]]:
        """Return one page. `full` is the length of the page before it, which a last page falls short of.

        It is not the size that was asked for: the vendor may give less than that on every page.
        """
        items = yield from self._post(path, Idempotency.READ, body, lambda envelope: envelope.items(rows))
        following = next_page_body(body, len(items))
        over = not items or (full is not None and len(items) < full)
        return Page(items, None if over else lambda: self._next_report(path, rows, following, len(items)))

    def _next_report(
        self, path: str, rows: type[list[T]], body: Mapping[str, object], full: int
    ) -> Call[Page[T]]:
        """Return a page that may lie behind the last one, which some vendors answer with "not found"."""
        try:
            return (yield from self._report(path, rows, body, full))
        except TelecomNotFoundError:
            return Page([], None)

    def _read_report(
        self, path: str, rows: type[list[RowT]], body: dict[str, object], size: int
    ) -> Call[list[RowT]]:
        return whole(self._reading(path, rows, body, size, _model_hash, MAX_READS))

    def _reading(
        self,
        path: str,
        rows: type[list[T]],
        body: dict[str, object],
        size: int,
        row_hash: Callable[[T], RowHash],
        readings: int,
    ) -> PagedReport[T]:
        label = f"POST {self._path(path)}"
        return PagedReport(lambda: self._report(path, rows, body), size, row_hash, label, readings)


def _body(start: _Day, end: _Day, sim_ids: _Ids, group_ids: _Ids, page: int, size: int) -> dict[str, object]:
    first = None if start is None else arguments.day("start", start)
    last = None if end is None else arguments.day("end", end)
    if first and last and last < first:
        raise TelecomInputError("end", "must not be before start")
    days = {name: f"{day:%d-%m-%Y}" for name, day in (("start", first), ("end", last)) if day}
    return {
        **page_arguments(page, size),
        **drop_none(filter=days or None),
        "select": _selected(sim_ids, group_ids),
    }


def _selected(sim_ids: _Ids, group_ids: _Ids) -> list[str]:
    """Return what the report is about. A list without entries is an error, not "all"."""
    if sim_ids is None and group_ids is None:
        return ["all"]
    sims = [] if sim_ids is None else arguments.ids("sim_ids", sim_ids)
    groups = [] if group_ids is None else arguments.ids("group_ids", group_ids)
    return [*(f"s_{sim}" for sim in sims), *(f"g_{group}" for group in groups)]


def _model_hash(row: ReportRow) -> RowHash:
    return row_hash(row.key, repr(row))


def _record_hash(record: Record, key: Sequence[str]) -> RowHash:
    """Return the mark of a record; one that lacks its key is told from others by all that it says."""
    content = json.dumps(record, sort_keys=True, default=str)
    names = [str(record.get(name)) for name in key]
    return row_hash(names if all(map(str.isdecimal, names)) else content, content)
