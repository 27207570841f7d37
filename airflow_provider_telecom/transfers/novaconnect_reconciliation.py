"""Whether a bill of NovaConnect, its transcript and the usage reports agree."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, timedelta
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.columns import decimal_text, json_text
from airflow_provider_telecom.vendors.novaconnect.schema import to_row
from airflow_provider_telecom.vendors.novaconnect.times import day_of
from airflow_provider_telecom.vendors.novaconnect.transcripts import Transcript, compare_costs

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

_REPORTS = ("sessions", "calls_and_sms")
_DAY = timedelta(days=1)


@dataclass
class Usage:
    """The usage of each SIM in EUR, and the ICCIDs and numbers of each SIM."""

    costs: dict[int, Decimal] = field(default_factory=dict)
    names: dict[int, list[str | None]] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of a report."""
        sim = row["sim_id"]
        self.costs[sim] = self.costs.get(sim, Decimal(0)) + (row["session_cost"] or 0)
        known = self.names.setdefault(sim, [])
        known += [name for name in (row["iccid"], row["original_number"]) if name not in known]


def usage_of(hook: NovaConnectHook, days: tuple[date, date]) -> Usage:
    """Return the usage of these days of the vendor. Raises TelecomAnswerError for an unreadable row."""
    names = {sim.id: [sim.iccid, sim.number, sim.external_number] for sim in hook.all_sims()}
    usage, days = Usage(names=names), (days[0], _end_for(hook, days[1]))
    for report in _REPORTS:
        usage = _add_report(hook, report, days, usage)
    return usage


def _end_for(hook: NovaConnectHook, last: date) -> date:
    """Return the `end` of a report whose last day is `last`.

    The document does not say whether the end is included. The report on days shows it: if it is not, the
    report from `last` to `last` is empty, and the report to the next day has rows of `last`.
    """
    if hook.report_days(last, last, size=1).items:
        return last
    rows = hook.report_days(last, last + _DAY, size=1).items
    return last + _DAY if any(day_of(row.day) == last for row in rows) else last


def _add_report(hook: NovaConnectHook, report: str, days: tuple[date, date], before: Usage) -> Usage:
    """Return the usage `before` plus that of a report; start again with `before` if rows moved."""
    usage, number = _copy(before), 0
    for page in hook.report_pages(report, *days):
        if page.restarted:
            usage, number = _copy(before), 0
        for record in page.items:
            number += 1
            try:
                usage.add(to_row(report, record))
            except TelecomInputError as error:
                raise TelecomAnswerError(f"{report}, row {number}: {error.text}") from None
    return usage


def _copy(usage: Usage) -> Usage:
    return Usage(dict(usage.costs), {sim: list(names) for sim, names in usage.names.items()})


@dataclass
class Reconciliation:
    """A bill's cost, its transcript, the usage of its days, and the difference that is tolerated."""

    bill_cost: Decimal | None
    transcript: Transcript
    usage: Usage
    tolerance: Decimal

    def write(self, file: Path) -> dict[str, Any]:
        """Write a line for each SIM into a file, and return the totals for the XCom."""
        sims = differing = 0
        with file.open("w", encoding="utf-8") as lines:
            for line in self._lines():
                sims, differing = sims + 1, differing + line["differs"]
                lines.write(json_text(line) + "\n")
        total, used = self.transcript.total, sum(self.usage.costs.values(), Decimal(0))
        bill_difference = None if self.bill_cost is None else self.bill_cost - total
        off = [
            one for one in (total - used, bill_difference) if one is not None and abs(one) > self.tolerance
        ]
        return {
            "sims": sims,
            "sims_differing": differing,
            "transcript_total": decimal_text(total),
            "usage_total": decimal_text(used),
            "difference": decimal_text(total - used),
            "bill_cost": None if self.bill_cost is None else decimal_text(self.bill_cost),
            "bill_difference": None if bill_difference is None else decimal_text(bill_difference),
            "other_rows": self.transcript.other_rows,
            "other_cost": decimal_text(self.transcript.other_cost),
            "agrees": not (differing or off),
        }

    def _lines(self) -> Iterator[dict[str, Any]]:
        return compare_costs(self.transcript.costs, self.usage.costs, self.usage.names, self.tolerance)
