"""The three reports. Source: "Отчёты" of the vendor's document.

The vendor gets a day's data from the operators in the night after it. Its reports have no sort and no count,
and the `id` of a row is that of its SIM. Rows may move between pages while the pages are read.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import date
from functools import partial
from itertools import chain
from typing import Any, NamedTuple, TypedDict, TypeVar, Unpack

import msgspec

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.endpoint import Call, Page, endpoint
from airflow_provider_telecom.calls.json_columns import SIMPLE_TYPES, columns_of
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.consistent_read import (
    ConsistentPage,
    PagedReport,
    RowHash,
    read_all,
    read_consistently,
    row_hashes,
)
from airflow_provider_telecom.vendors.novaconnect.models import ActionRow, DayRow, ReportRow, SessionRow
from airflow_provider_telecom.vendors.novaconnect.requests import (
    MAX_READS,
    NovaConnectCalls,
    Query,
    drop_none,
    page_arguments,
)

T = TypeVar("T")
RowT = TypeVar("RowT", bound=ReportRow)
Record = dict[str, Any]
"""A row as the vendor sent it."""
Day = date | str | None

REPORT_PAGE_SIZE = 500
_ENCODER = msgspec.json.Encoder(decimal_format="number")  # a text is never the same as a number


class _Report(NamedTuple):
    path: str
    key: Sequence[str]
    """The fields that identify a row."""


REPORTS = {
    "sessions": _Report("report/sessions", ("sid",)),
    "days": _Report("report/day", ("sid", "day")),
    "calls_and_sms": _Report("report/call_sms", ("sid",)),
}
"""The reports by our names, which are those of the hook's methods."""


class ReportFilter(TypedDict, total=False):
    """Which SIMs a report is about (all, without both), and how many rows a page has."""

    sim_ids: Sequence[int] | None
    group_ids: Sequence[int] | None
    size: int


class ReportCalls(NovaConnectCalls):
    """Sessions, traffic by days, calls and messages: page by page, or all rows.

    `sim_ids` and `group_ids` choose SIMs; without both it is all of them. `start` and `end` are days (a date,
    YYYY-MM-DD or DD-MM-YYYY). The document says neither in which time zone they are, nor whether the end is
    included. `page` counts from 0, and `size` is the number of rows of a page. All are reads, and raise
    TelecomInputError, TelecomAuthError, TelecomNotFoundError, TelecomAnswerError. The `all_*` also raise
    TelecomAnswerError if rows moved between pages in two readings.
    """

    @endpoint
    def report_sessions(
        self, start: Day = None, end: Day = None, *, page: int = 0, **choice: Unpack[ReportFilter]
    ) -> Call[Page[SessionRow]]:
        """Return one page of data sessions.

        Optional: `sim_ids`, `group_ids`, `size`. Source: "По сессиям".
        """
        return self._page(_query("sessions", list[SessionRow], start, end, page, **choice))

    @endpoint
    def all_report_sessions(
        self, start: Day = None, end: Day = None, **choice: Unpack[ReportFilter]
    ) -> Call[list[SessionRow]]:
        """Return all data sessions of the days, each once.

        Optional: `sim_ids`, `group_ids`, `size`. Source: "По сессиям".
        """
        return self._all_rows("sessions", list[SessionRow], start, end, **choice)

    @endpoint
    def report_days(
        self, start: Day = None, end: Day = None, *, page: int = 0, **choice: Unpack[ReportFilter]
    ) -> Call[Page[DayRow]]:
        """Return one page of traffic by days.

        Optional: `sim_ids`, `group_ids`, `size`. Source: "По дням".
        """
        return self._page(_query("days", list[DayRow], start, end, page, **choice))

    @endpoint
    def all_report_days(
        self, start: Day = None, end: Day = None, **choice: Unpack[ReportFilter]
    ) -> Call[list[DayRow]]:
        """Return all traffic by days, each row once.

        Optional: `sim_ids`, `group_ids`, `size`. Source: "По дням".
        """
        return self._all_rows("days", list[DayRow], start, end, **choice)

    @endpoint
    def report_calls_and_sms(
        self, start: Day = None, end: Day = None, *, page: int = 0, **choice: Unpack[ReportFilter]
    ) -> Call[Page[ActionRow]]:
        """Return one page of calls, SMS and USSD requests.

        Optional: `sim_ids`, `group_ids`, `size`. Source: "СМС и звонки".
        """
        return self._page(_query("calls_and_sms", list[ActionRow], start, end, page, **choice))

    @endpoint
    def all_report_calls_and_sms(
        self, start: Day = None, end: Day = None, **choice: Unpack[ReportFilter]
    ) -> Call[list[ActionRow]]:
        """Return all calls, SMS and USSD requests, each once.

        Optional: `sim_ids`, `group_ids`, `size`. Source: "СМС и звонки".
        """
        return self._all_rows("calls_and_sms", list[ActionRow], start, end, **choice)

    def report_pages(
        self, report: str, start: Day, end: Day, **choice: Unpack[ReportFilter]
    ) -> Iterator[ConsistentPage[Record]]:
        """Yield the pages of `sessions`, `days` or `calls_and_sms`, with the rows as the vendor sends them.

        For reports of any length, in a worker. Each row comes once. The report is read up to three times if
        rows move: a page that is `restarted` means that the pages before it must be discarded.
        """
        one_of("report", report, REPORTS)
        query = _query(report, list[Record], start, end, 0, **choice)
        hash_records = partial(_record_hashes, key=REPORTS[report].key)
        page = self.run(read_consistently(self._report(query, hash_records, MAX_READS + 1)))
        while True:
            yield page
            if page.next_page is None:
                return
            page = self.run(page.next_page())

    def _all_rows(
        self, report: str, rows: type[list[RowT]], start: Day, end: Day, **choice: Unpack[ReportFilter]
    ) -> Call[list[RowT]]:
        query = _query(report, rows, start, end, 0, **choice)
        return read_all(self._report(query, _row_hashes, MAX_READS))

    def _report(
        self, query: Query[T], hash_rows: Callable[[Sequence[T]], list[RowHash]], max_reads: int
    ) -> PagedReport[T]:
        call = f"POST {self._path(query.path)}"
        return PagedReport(
            lambda: self._page(query), int(str(query.body["size"])), hash_rows, call, max_reads
        )


def _query(
    report: str,
    rows: type[list[T]],
    start: Day,
    end: Day,
    page: int,
    *,
    sim_ids: Sequence[int] | None = None,
    group_ids: Sequence[int] | None = None,
    size: int = REPORT_PAGE_SIZE,
) -> Query[T]:
    if start is not None and end is not None:
        arguments.day_range(start, end)
    given = {"start": start, "end": end}
    days = {name: f"{arguments.day(name, day):%d-%m-%Y}" for name, day in given.items() if day is not None}
    select: list[str] = []  # an empty list of ids is an error, and does not mean "all"
    for field, letter, ids in (("sim_ids", "s", sim_ids), ("group_ids", "g", group_ids)):
        select += [] if ids is None else [f"{letter}_{one}" for one in arguments.ids(field, ids)]
    body = {**page_arguments(page, size), **drop_none(filter=days or None), "select": select or ["all"]}
    return Query(REPORTS[report].path, rows, body, is_counted=False)


def _row_hashes(rows: Sequence[ReportRow]) -> list[RowHash]:
    return row_hashes([repr(row.key) for row in rows], [repr(row) for row in rows])


def _record_hashes(records: Sequence[Record], key: Sequence[str]) -> list[RowHash]:
    """Return the hashes of records. A record without its key is identified by its whole content."""
    columns = columns_of(records) or {}
    contents = _json_lines(columns) or [_content(one) for one in records]
    keys = [[*map(str, columns[name])] if name in columns else _each(name, records) for name in key]
    ids: list[str | bytes] = [*map(" ".join, zip(*keys, strict=True))]
    if not all(map(all, keys)) or not "".join(chain.from_iterable(keys)).isdecimal():
        decimal = [all(map(str.isdecimal, one)) for one in zip(*keys, strict=True)]
        triples = zip(decimal, ids, contents, strict=True)
        ids = [one if is_decimal else content for is_decimal, one, content in triples]
    return row_hashes(ids, contents)


def _each(name: str, records: Sequence[Record]) -> list[str]:
    return [str(record.get(name)) for record in records]


def _content(record: Record) -> bytes:
    """Return a text of a record: of two records the same if they are equal, in whatever order."""
    found = _json_lines({name: (value,) for name, value in record.items()})
    return found[0] if found else json.dumps(record, sort_keys=True, default=repr).encode()


def _json_lines(columns: Mapping[str, Sequence[Any]]) -> list[bytes] | None:
    """Return `_content` of each record; None if there is a list or object inside, or a value without JSON."""
    names = sorted(columns)
    values = [columns[name] for name in names]
    if not {*chain.from_iterable(map(type, one) for one in values)} <= SIMPLE_TYPES:
        return None
    try:
        before = _ENCODER.encode(names)
        lines = _ENCODER.encode_lines([*zip(*values, strict=True)])
    except (ValueError, OverflowError):  # half of a character, a number of more than 64 bits
        return None
    return [before + line for line in lines.split(b"\n")[:-1]]
