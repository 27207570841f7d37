"""The operator that adds up a report of NovaConnect."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NotRequired, TypedDict, Unpack

from airflow_provider_telecom.calls.checks import in_range, one_of
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.calls.intervals import check_day
from airflow_provider_telecom.operators.novaconnect.account import refuse_more
from airflow_provider_telecom.operators.novaconnect.operator import NovaConnectOperator
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.vendors.novaconnect import arguments
from airflow_provider_telecom.vendors.novaconnect.arguments import REPORTS, finished_days

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.vendors.novaconnect.models import Sim
    from airflow_provider_telecom.vendors.novaconnect.reports import Record

_DAY = timedelta(days=1)
_PAGE_SIZE = 500
_MAX_TOTALS = 1_000_000
_WITHOUT_GROUP = "without_group"


class TotalXCom(TypedDict):
    """The sum of some rows of a report."""

    rows: int
    cost_eur: str
    rows_without_cost: int
    traffic: NotRequired[int]
    """The sum of the vendor's `value`, whose unit is not documented; not for calls and SMS."""


class ReportTotalsXCom(TotalXCom):
    """What `NovaConnectReportTotalsOperator` returns."""

    report: str
    start: str
    end: str
    totals: dict[str, TotalXCom]


class NovaConnectReportTotalsOperator(NovaConnectOperator):
    """Add up the rows of a report, for each SIM or group, and return the sums. No row is stored.

    The XCom has `report`, `start`, `end`, and for all rows together `rows`, `cost_eur` (a Decimal as text),
    `rows_without_cost` (the vendor names costs of sessions for SIMs of profile TC only) and, unless the
    report is `calls_and_sms`, `traffic`: the sum of the vendor's `value`, whose unit is not documented.
    `totals` has the same for each SIM by its id, or for each group by its id; `without_group` are the SIMs
    that are in no group. A SIM that is in several groups counts in each of them, so these may add up to more
    than the whole. Groups are those at the time of the task.

    Days are UTC days, by the time of each row, as in `NovaConnectReportToObjectStorageOperator`. The report
    is read page by page, and again if rows move while it is read.

    :param report: `sessions`, `days` (a session's traffic of each day) or `calls_and_sms`.
    :param start: the first day: a date, its text, or a datetime that is midnight in UTC, as in
        `NovaConnectReportToObjectStorageOperator`.
    :param end: the last day, included (a datetime is not); before today in UTC, and at most 366 days in all.
    :param by: `sim` (default), `group`, or None for the whole only.
    :param sim_ids: only these SIMs: a list of the vendor's ids or (from a template) its JSON text.
    :param group_ids: only the SIMs of these groups; with `sim_ids` too, the SIMs of both.
    :param max_totals: fail if there are more SIMs or groups than this; the result is never cut off.

    A read. Raises TelecomInputError, TelecomAuthError, TelecomAnswerError (rows that cannot be read, or that
    moved in three readings). Source: "Отчёты".
    """

    template_fields: Sequence[str] = (
        *TelecomOperator.template_fields,
        *("start", "end", "sim_ids", "group_ids"),
    )

    def __init__(
        self,
        *,
        report: Literal["sessions", "days", "calls_and_sms"],
        start: date | datetime | str,
        end: date | datetime | str,
        by: Literal["sim", "group"] | None = "sim",
        sim_ids: Any = None,
        group_ids: Any = None,
        max_totals: int = 10_000,
        **kwargs: Unpack[OperatorArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.report = one_of("report", report, REPORTS)
        self.by = one_of("by", by, ("sim", "group", None))
        self.start, self.end, self.sim_ids, self.group_ids = start, end, sim_ids, group_ids
        self.max_totals = in_range("max_totals", max_totals, 1, _MAX_TOTALS)
        for name in ("start", "end"):
            check_if_literal(getattr(self, name), partial(check_day, name))
        for name in ("sim_ids", "group_ids"):
            check_if_literal(getattr(self, name), partial(arguments.rendered_nonempty_ids, name))

    def execute(self, context: Context) -> ReportTotalsXCom:
        """Read the report and add it up."""
        start, end = finished_days(self.start, self.end)
        given = {"sim_ids": self.sim_ids, "group_ids": self.group_ids}
        chosen = {
            name: arguments.rendered_nonempty_ids(name, ids) for name, ids in given.items() if ids is not None
        }
        sims = self.hook.all_sims() if self.by == "group" or "sim_ids" in chosen else []
        arguments.refuse_unknown("sim_ids", chosen.get("sim_ids", ()), {sim.id for sim in sims})
        if "group_ids" in chosen:
            known = {group.id for group in self.hook.all_groups()}
            arguments.refuse_unknown("group_ids", chosen["group_ids"], known)
        groups_of = _groups_by_sim(sims) if self.by == "group" else None
        sums = _Sums()
        first, last = start - _DAY, end + _DAY
        for page in self.hook.report_pages(self.report, first, last, size=_PAGE_SIZE, **chosen):
            if page.restarted:
                self.log.warning("Rows moved while the report was read; it is read again")
                sums = _Sums()
            for record in page.items:
                self._add(sums, record, (start, end), groups_of)
            if self.by is not None:
                refuse_more("max_totals", len(sums.parts), self.max_totals, f"{self.by}s")
        return {
            "report": self.report,
            "start": start.isoformat(),
            "end": end.isoformat(),
            **sums.whole.shown(self.report),
            "totals": {key: sums.parts[key].shown(self.report) for key in sorted(sums.parts, key=_order)},
        }

    def _add(
        self,
        sums: _Sums,
        record: Record,
        days: tuple[date, date],
        groups_of: Mapping[int, Sequence[str]] | None,
    ) -> None:
        """Add a row, unless its day is outside of the interval."""
        from airflow_provider_telecom.vendors.novaconnect.schema import day_in, to_row

        sums.number += 1
        try:
            if not days[0] <= day_in(self.report, record) <= days[1]:
                return
            row = to_row(self.report, record)
        except TelecomInputError as error:
            raise TelecomAnswerError(f"{self.report}, row {sums.number}: {error.text}") from None
        keys: Sequence[str] = ()
        if groups_of is not None:
            keys = groups_of.get(row["sim_id"]) or (_WITHOUT_GROUP,)
        elif self.by == "sim":
            keys = (str(row["sim_id"]),)
        for total in (sums.whole, *(sums.parts.setdefault(key, _Total()) for key in keys)):
            total.add(row)


@dataclass
class _Total:
    """The sum of some rows."""

    rows: int = 0
    cost: Decimal = Decimal(0)
    without_cost: int = 0
    value: int = 0

    def add(self, row: Mapping[str, Any]) -> None:
        self.rows += 1
        self.value += row.get("value") or 0
        if (cost := row["session_cost"]) is None:
            self.without_cost += 1
        else:
            self.cost += cost

    def shown(self, report: str) -> TotalXCom:
        from airflow_provider_telecom.vendors.columns import decimal_text

        cost = decimal_text(self.cost)
        shown = TotalXCom(rows=self.rows, cost_eur=cost, rows_without_cost=self.without_cost)
        if report != "calls_and_sms":
            shown["traffic"] = self.value
        return shown


@dataclass
class _Sums:
    """The sums of the rows of one reading: of all, and of each SIM or group."""

    whole: _Total = field(default_factory=_Total)
    parts: dict[str, _Total] = field(default_factory=dict)
    number: int = 0
    """How many rows were read."""


def _groups_by_sim(sims: Iterable[Sim]) -> dict[int, list[str]]:
    return {sim.id: [str(group.id) for group in sim.groups or ()] for sim in sims}


def _order(key: str) -> tuple[bool, int]:
    """Return the order of a SIM or group: by its id, the SIMs without a group at the end."""
    return (True, 0) if key == _WITHOUT_GROUP else (False, int(key))
