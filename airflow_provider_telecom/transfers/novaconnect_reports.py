"""Reports of NovaConnect to object storage: a row for each session, day or action."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import check_day
from airflow_provider_telecom.calls.json_columns import JsonColumns, columns_of
from airflow_provider_telecom.operators.novaconnect import NovaConnectOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import RecordsArguments, RecordsOperator
from airflow_provider_telecom.vendors.novaconnect import arguments

if TYPE_CHECKING:
    from contextlib import AbstractContextManager

    from airflow.sdk import Context

    from airflow_provider_telecom.transfers.columnar import Choice, Columns
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
    from airflow_provider_telecom.vendors.novaconnect.reports import Record

PAGE_SIZE = 500
_MAX_PAGE_SIZE = 100_000
_RECORDS_AT_ONCE = 5_000
_DAY = timedelta(days=1)


class NovaConnectReportToObjectStorageOperator(RecordsOperator, NovaConnectOperator):
    """Load one of the three reports into `date=YYYY-MM-DD/sessions.jsonl` (or `days`, `calls_and_sms`).

    Days are UTC days, by the time of each row: when a session began, when a call or SMS was made, the day of
    a row of `days`. The document says neither in which time zone the vendor's days are, nor whether the last
    one is included. So one more day is requested on either side, and rows outside of the interval are
    dropped: each row is in the file of one day, whichever days are loaded.

    A day's data appears the next night, by the vendor's clock. So load each day twice: every morning an
    interval of two days that ends yesterday. Hours of yesterday may be missing, the day before is complete. A
    rerun replaces the files.

    A report has no sort and no count. A reading counts if no two different rows had the same key and the
    first page is unchanged after the last one; otherwise the report is read again, at most twice. Equal rows
    count once.

    :param report: `sessions`, `days` (a session's traffic of each day) or `calls_and_sms`.
    :param start: the first day: a date, its text (YYYY-MM-DD or DD-MM-YYYY, such as `{{ ds }}`), or a
        datetime that is midnight in UTC (`{{ data_interval_start }}`).
    :param end: the last day, included; before today in UTC, and at most 366 days in all. A datetime is not
        included: the last day is the one before it.
    :param sim_ids: only these SIMs: a list of the vendor's ids or (from a template) its JSON text. With a
        selection of SIMs or groups the files are named `sessions_<hash>.jsonl`, and never replace those of
        all SIMs. Read files by name: reading all files of a folder would count rows twice.
    :param group_ids: only the SIMs of these groups; with `sim_ids` too, the SIMs of both.
    :param page_size: the number of rows of a page.

    The XCom of all transfers has in addition `elsewhere`: the number of dropped rows, whose day is outside of
    the interval.

    Raises TelecomInputError (interval, target, unknown SIMs or groups), TelecomAuthError, TelecomAnswerError
    (rows that cannot be read, or that moved in three readings). Reads only: nothing is paid for. Source:
    "Отчёты" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *RecordsOperator.template_fields,
        *("start", "end", "sim_ids", "group_ids"),
    )

    def __init__(
        self,
        *,
        report: str,
        start: date | datetime | str,
        end: date | datetime | str,
        sim_ids: Any = None,
        group_ids: Any = None,
        page_size: int = PAGE_SIZE,
        **kwargs: Unpack[RecordsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.report = one_of("report", report, arguments.REPORTS)
        self.start, self.end, self.sim_ids, self.group_ids = start, end, sim_ids, group_ids
        self.page_size = in_range("page_size", page_size, 1, _MAX_PAGE_SIZE)
        for name in ("start", "end"):
            check_if_literal(getattr(self, name), partial(check_day, name))
        for name in ("sim_ids", "group_ids"):
            check_if_literal(getattr(self, name), partial(arguments.rendered_nonempty_ids, name))

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the days."""
        start, end = arguments.finished_days(self.start, self.end)
        chosen = self._selection()
        self.dataset_name = self.report + _name_suffix(chosen)
        new_dataset = partial(self._open, start, end)
        with new_dataset():
            pass  # fails before the first request if nothing can be written
        self._refuse_unknown(chosen)
        with ExitStack() as stack:
            loaded = self._read(
                stack, lambda: _Load(stack.enter_context(new_dataset()), self.report, start, end), chosen
            )
            summary = loaded.dataset.publish()
        return self._emit_asset_event(context, {**summary, "elsewhere": loaded.elsewhere})

    def _selection(self) -> dict[str, list[int]]:
        given = {"sim_ids": self.sim_ids, "group_ids": self.group_ids}
        return {
            field: sorted(arguments.rendered_nonempty_ids(field, ids))
            for field, ids in given.items()
            if ids is not None
        }

    def _open(self, start: date, end: date) -> AbstractContextManager[Dataset]:
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
        for name, ids in chosen.items():
            arguments.refuse_unknown(name, ids, {one.id for one in known[name]()})

    def _read(
        self, stack: ExitStack, begin: Callable[[], _Load], chosen: Mapping[str, Sequence[int]]
    ) -> _Load:
        """Return a load with all rows; start a new one if rows moved."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

        progress, load = ProgressLogger(self.log), begin()
        first, last = load.start - _DAY, load.end + _DAY
        for page in self.hook.report_pages(self.report, first, last, size=self.page_size, **chosen):
            if page.restarted:
                self.log.warning("Rows moved while the report was read; it is read again")
                stack.close()
                load = begin()
            load.add(page.items, progress)
            progress.add(pages=1)
        load.add_held(progress)
        return load


@dataclass
class _Load:
    """The rows of a report that are added to a data set; `elsewhere` counts those of other days."""

    dataset: Dataset
    report: str
    start: date
    end: date
    number: int = 0
    elsewhere: int = 0
    held: dict[str, list[Any]] = field(default_factory=dict)
    """The values of each field of records that are added later: of the same fields in the same order."""

    def add(self, records: list[Record], progress: ProgressLogger) -> None:
        """Add records: many at once if the data set takes them so, otherwise one by one."""
        if self.dataset.takes_tables:
            self._hold(records, progress)
            return
        for record in records:
            self.number += 1
            self._add(self.number, record)
        progress.add(rows=len(records))
        self.dataset.check()

    def add_held(self, progress: ProgressLogger) -> None:
        """Add the records that were held until there are enough of them."""
        if self.held:
            held, self.held = JsonColumns(self.held), {}
            self._add_batch(held, progress)

    def _hold(self, records: list[Record], progress: ProgressLogger) -> None:
        if not records:
            return
        columns = columns_of(records)
        if columns is None or list(columns) != list(self.held):
            self.add_held(progress)
        if columns is None:
            self._add_batch(records, progress)
            return
        for name, values in columns.items():
            self.held.setdefault(name, []).extend(values)
        if len(next(iter(self.held.values()))) >= _RECORDS_AT_ONCE:
            self.add_held(progress)

    def _add_batch(self, records: list[Record] | JsonColumns, progress: ProgressLogger) -> None:
        from airflow_provider_telecom.transfers.batches import ObjectBatch
        from airflow_provider_telecom.transfers.columnar import add_records
        from airflow_provider_telecom.vendors.novaconnect.schema import usual_records

        places = range(self.number + 1, self.number + 1 + len(records))
        batch, usual = ObjectBatch(records, places), usual_records(self.report)
        left_out = add_records(self.dataset, [batch], usual, None, self._choose, self._add, progress)
        self.elsewhere += left_out  # `_add` has added to it as well
        self.number += len(records)
        self.dataset.check()

    def _choose(self, found: Columns) -> Choice:
        """Decide what `_add` decides."""
        from airflow_provider_telecom.transfers.columnar import Choice, are_between, days_around
        from airflow_provider_telecom.vendors.novaconnect.schema import time_field

        times = found.times[time_field(self.report)]
        days = days_around(times) if self.report == "days" else times.cast("date32")
        return Choice(days, are_between(days, self.start, self.end))

    def _add(self, number: int, record: Record) -> None:
        from airflow_provider_telecom.vendors.columns import json_text
        from airflow_provider_telecom.vendors.novaconnect.schema import day_in, to_row

        try:
            day = day_in(self.report, record)
            if self.start <= day <= self.end:
                self.dataset.add(to_row(self.report, record), day)
            else:
                self.elsewhere += 1
        except TelecomInputError as error:
            self.dataset.add_bad_row(f"row {number}", error.text, json_text(record))


def _name_suffix(chosen: Mapping[str, Sequence[int]]) -> str:
    """Return the suffix of the data set's name for a selection of SIMs: empty for all SIMs."""
    if not chosen:
        return ""
    return f"_{hashlib.sha256(repr(sorted(chosen.items())).encode()).hexdigest()[:10]}"
