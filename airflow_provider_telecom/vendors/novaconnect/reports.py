"""The three reports. Source: "Отчёты" of the vendor's document.

The vendor learns of a day from the operators in the night after it. Its reports know neither a sort nor
a count, and a row's `id` is its SIM's. What a page holds may move while others are read.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date
from typing import TypeVar

from airflow_provider_telecom.calls.endpoint import Call, Page, endpoint
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.request import Repeat
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.models import ActionRow, DayRow, ReportRow, SessionRow
from airflow_provider_telecom.vendors.novaconnect.posting import READINGS, Posting, given, paging

RowT = TypeVar("RowT", bound=ReportRow)

REPORT_PAGE_SIZE = 500
_Ids = Sequence[int] | None
_Day = date | str | None


class ReportCalls(Posting):
    """Sessions, traffic by days, calls and messages: page by page, or whole.

    `sim_ids` and `group_ids` choose SIMs; without both it is all of them. `start` and `end` are days (a
    date, YYYY-MM-DD or DD-MM-YYYY), both included; in which time zone, the document does not say.
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
        return self._report("report/sessions", list[SessionRow], body, page)

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
        return self._whole_report("report/sessions", list[SessionRow], body, size)

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
        return self._report("report/day", list[DayRow], body, page)

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
        return self._whole_report("report/day", list[DayRow], body, size)

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
        return self._report("report/call_sms", list[ActionRow], body, page)

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
        return self._whole_report("report/call_sms", list[ActionRow], body, size)

    def _report(
        self, path: str, rows: type[list[RowT]], body: dict[str, object], page: int, full: int | None = None
    ) -> Call[Page[RowT]]:
        """Return one page. `full` is the length of the page before it, which a last page falls short of.

        It is not the size that was asked for: the vendor may give less than that on every page.
        """
        items = yield from self._post(path, Repeat.READ, body, lambda envelope: envelope.items(rows))
        following = {**body, "page": page + 1}
        over = not items or (full is not None and len(items) < full)
        return Page(
            items, None if over else lambda: self._report(path, rows, following, page + 1, len(items))
        )

    def _whole_report(
        self, path: str, rows: type[list[RowT]], body: dict[str, object], size: int
    ) -> Call[list[RowT]]:
        """Return the rows of all pages, each once, if the first page still reads the same afterwards.

        A first page with room for more rows held all of them, and is not read again.
        """
        for _ in range(READINGS):
            pages = yield from self._pages(path, rows, body)
            found = _each_once(pages)
            if found is not None and len(found) == len(pages[0]) < size:
                return found
            again = yield from self._report(path, rows, body, 0)
            if found is not None and _keys(again.items) == _keys(pages[0]):
                return found
        raise TelecomAnswerError(
            f"rows moved between pages in {READINGS} readings: the report changes as it is read",
            call=f"POST {self._path(path)}",
        )

    def _pages(self, path: str, rows: type[list[RowT]], body: dict[str, object]) -> Call[list[list[RowT]]]:
        """Return the rows of each page. Raises TelecomAnswerError when the vendor does not turn the page."""
        page = yield from self._report(path, rows, body, 0)
        pages = [page.items]
        while page.rest is not None:
            page = yield from page.rest()
            if page.items and _keys(page.items) == _keys(pages[-1]):
                raise TelecomAnswerError(
                    f"page {len(pages)} is a copy of the one before it", call=f"POST {self._path(path)}"
                )
            pages.append(page.items)
        return pages


def _body(start: _Day, end: _Day, sim_ids: _Ids, group_ids: _Ids, page: int, size: int) -> dict[str, object]:
    first = None if start is None else arguments.day("start", start)
    last = None if end is None else arguments.day("end", end)
    if first and last and last < first:
        raise TelecomInputError("end", "must not be before start")
    days = {name: f"{day:%d-%m-%Y}" for name, day in (("start", first), ("end", last)) if day}
    return {**paging(page, size), **given(filter=days or None), "select": _selected(sim_ids, group_ids)}


def _selected(sim_ids: _Ids, group_ids: _Ids) -> list[str]:
    """Return what the report is about. A list without entries is an error, not "all"."""
    if sim_ids is None and group_ids is None:
        return ["all"]
    sims = [] if sim_ids is None else arguments.ids("sim_ids", sim_ids)
    groups = [] if group_ids is None else arguments.ids("group_ids", group_ids)
    return [*(f"s_{sim}" for sim in sims), *(f"g_{group}" for group in groups)]


def _each_once(pages: list[list[RowT]]) -> list[RowT] | None:
    """Return each row once, or None when a key stands for two different rows."""
    found: dict[tuple[int, ...], RowT] = {}
    for row in (row for page in pages for row in page):
        if found.setdefault(row.key, row) != row:
            return None
    return list(found.values())


def _keys(rows: list[RowT]) -> list[tuple[int, ...]]:
    return [row.key for row in rows]
