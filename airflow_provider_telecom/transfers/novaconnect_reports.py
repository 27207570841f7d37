"""Reports of NovaConnect, a row a session, day or action, to object storage."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.novaconnect import NovaConnectOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import RecordsArguments, RecordsOperator
from airflow_provider_telecom.vendors.novaconnect import arguments

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from airflow.sdk import Context

    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.vendors.novaconnect.reports import Record

REPORTS = ("sessions", "days", "calls_and_sms")
MAX_DAYS = 366
PAGE_SIZE = 500
_MAX_PAGE_SIZE = 100_000
_NAMED = 20
_DAY = timedelta(days=1)


class NovaConnectReportToObjectStorageOperator(RecordsOperator, NovaConnectOperator):
    """Bring one of the three reports to `date=YYYY-MM-DD/sessions.jsonl` (or `days`, `calls_and_sms`).

    Days are those of UTC, by each row's own time: when a session began, when a call or SMS was made, which
    day a row of `days` is about. The document says neither in which zone the vendor's days are, nor whether
    the last one is included. So a day more is asked for on either side, and of it only the rows are kept that
    belong to the interval: each row ends up in the file of one day, whichever days are loaded.

    The vendor learns of a day in the night after it, by clocks of its own. So load each day twice: every
    morning an interval of two days that ends yesterday. Of yesterday hours may be missing, the day before is
    whole. A rerun replaces the files.

    A report knows neither a sort nor a count. It counts as read when no key stood for two different rows and
    its first page still reads as it did; else it is read again, twice at most. A session or action that
    comes twice, alike, is one row.

    :param report: `sessions`, `days` (a session's traffic of each day) or `calls_and_sms`.
    :param start: the first day: a date, YYYY-MM-DD or DD-MM-YYYY.
    :param end: the last day, included; before today in UTC, and at most 366 days in all.
    :param sim_ids: of these SIMs only: a list of the vendor's ids or (from a template) its JSON text. With
        any choice the files are called `sessions_<hash>.jsonl`, and never replace those of all SIMs. Who
        reads all files of a folder then counts rows twice: read by name.
    :param group_ids: of the SIMs of these groups; with `sim_ids` as well, of both.
    :param page_size: rows of a page.

    The XCom has `elsewhere`, how many rows came along that belong to days outside of the interval, besides
    what all have.

    Raises TelecomInputError (interval, target, a SIM or group that is not there), TelecomAuthError,
    TelecomAnswerError (rows that cannot be read, or that moved in three readings). Reads only: nothing is
    paid for. Source: "Отчёты" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *RecordsOperator.template_fields,
        *("start", "end", "sim_ids", "group_ids"),
    )

    def __init__(
        self,
        *,
        report: str,
        start: date | str,
        end: date | str,
        sim_ids: Any = None,
        group_ids: Any = None,
        page_size: int = PAGE_SIZE,
        **kwargs: Unpack[RecordsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.report = one_of("report", report, REPORTS)
        self.start, self.end, self.sim_ids, self.group_ids = start, end, sim_ids, group_ids
        self.page_size = in_range("page_size", page_size, 1, _MAX_PAGE_SIZE)
        for field in ("start", "end"):
            check_if_literal(getattr(self, field), partial(arguments.day, field))
        for field in ("sim_ids", "group_ids"):
            check_if_literal(getattr(self, field), partial(arguments.rendered_nonempty_ids, field))

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the days."""
        start, end = interval(self.start, self.end)
        chosen = self._chosen()
        self.dataset_name = self.report + _mark(chosen)
        opened = partial(self._opened, start, end)
        with opened():
            pass  # where nothing can be written, nothing is asked
        self._refuse_unknown(chosen)
        with ExitStack() as stack:
            loaded = self._read(
                stack, lambda: _Load(stack.enter_context(opened()), self.report, start, end), chosen
            )
            summary = loaded.dataset.publish()
        return self._emit_asset_event(context, {**summary, "elsewhere": loaded.elsewhere})

    def _chosen(self) -> dict[str, list[int]]:
        given = {"sim_ids": self.sim_ids, "group_ids": self.group_ids}
        return {
            field: sorted(arguments.rendered_nonempty_ids(field, ids))
            for field, ids in given.items()
            if ids is not None
        }

    def _opened(self, start: date, end: date) -> AbstractContextManager[Dataset]:
        from airflow_provider_telecom.transfers.parts import parts_by_day
        from airflow_provider_telecom.vendors.novaconnect.schema import COLUMNS

        first, last = (datetime.combine(day, time(), UTC) for day in (start, end + _DAY))
        parts = parts_by_day(first, last, UTC)
        return self._open_dataset(COLUMNS[self.report], parts, f"{start:%Y%m%d}-{end:%Y%m%d}")

    def _refuse_unknown(self, chosen: Mapping[str, Sequence[int]]) -> None:
        known: dict[str, Callable[[], Iterable[Any]]] = {
            "sim_ids": self.hook.all_sims,
            "group_ids": self.hook.all_groups,
        }
        for field, ids in chosen.items():
            refuse_unknown(field, ids, {one.id for one in known[field]()})

    def _read(
        self, stack: ExitStack, begin: Callable[[], _Load], chosen: Mapping[str, Sequence[int]]
    ) -> _Load:
        """Return what `begin` gave, with all rows; begin anew when rows moved."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

        progress, load = ProgressLogger(self.log), begin()
        first, last = load.start - _DAY, load.end + _DAY
        call = self.hook.report_records(self.report, first, last, size=self.page_size, **chosen)
        while True:
            page = self.hook.run(call)
            if page.restarted:
                self.log.warning("Rows moved while the report was read; it is read again")
                stack.close()
                load = begin()
            load.take(page.items)
            progress.add(rows=len(page.items), pages=1)
            if page.next_page is None:
                return load
            call = page.next_page()


@dataclass
class _Load:
    """A report's rows on their way to a data set; `elsewhere` counts those of other days."""

    dataset: Dataset
    report: str
    start: date
    end: date
    number: int = 0
    elsewhere: int = 0

    def take(self, records: Sequence[Record]) -> None:
        for record in records:
            self.number += 1
            self._take(record)
        self.dataset.check()

    def _take(self, record: Record) -> None:
        from airflow_provider_telecom.vendors.columns import json_text
        from airflow_provider_telecom.vendors.novaconnect.schema import day_in, to_row

        try:
            day = day_in(self.report, record)
            if not self.start <= day <= self.end:
                self.elsewhere += 1
                return
            self.dataset.add(to_row(self.report, record), day)
        except TelecomInputError as error:
            self.dataset.add_bad_row(f"row {self.number}", error.text, json_text(record))


def today() -> date:
    """Return the day, in UTC."""
    return datetime.now(UTC).date()


def interval(
    start: date | str, end: date | str, names: tuple[str, str] = ("start", "end")
) -> tuple[date, date]:
    """Return days, both included, that the vendor can know of. Raises TelecomInputError."""
    first, last = arguments.day(names[0], start), arguments.day(names[1], end)
    if last < first:
        raise TelecomInputError(names[1], f"must not be before {names[0]}")
    if last >= today():
        raise TelecomInputError(
            names[1], "must be before today (UTC): the vendor learns of a day in the night after it"
        )
    if last - first >= MAX_DAYS * _DAY:
        raise TelecomInputError(names[1], f"must be within {MAX_DAYS} days: load longer times in parts")
    return first, last


def refuse_unknown(field: str, ids: Iterable[int], known: set[int]) -> None:
    """Raise TelecomInputError, naming the first of them, when there are ids that the vendor does not know."""
    unknown = [one for one in ids if one not in known]
    if unknown:
        shown = ", ".join(map(str, unknown[:_NAMED])) + (", ..." if len(unknown) > _NAMED else "")
        raise TelecomInputError(field, f"must be ids that the vendor knows; it does not know {shown}")


def _mark(chosen: Mapping[str, Sequence[int]]) -> str:
    """Return what a choice of SIMs adds to the data set's name: nothing when it is all of them."""
    if not chosen:
        return ""
    return f"_{hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:10]}"
