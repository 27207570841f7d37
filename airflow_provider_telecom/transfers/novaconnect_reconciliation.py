"""Whether a bill of NovaConnect, its transcript and the usage reports say the same."""

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
    """What SIMs have used, in EUR, and by which ICCIDs and numbers SIMs are known."""

    costs: dict[int, Decimal] = field(default_factory=dict)
    names: dict[int, list[str | None]] = field(default_factory=dict)

    def add(self, row: dict[str, Any]) -> None:
        """Add a row of a report."""
        sim = row["sim_id"]
        self.costs[sim] = self.costs.get(sim, Decimal(0)) + (row["session_cost"] or 0)
        known = self.names.setdefault(sim, [])
        known += [name for name in (row["iccid"], row["original_number"]) if name not in known]


def usage_of(hook: NovaConnectHook, days: tuple[date, date]) -> Usage:
    """Return what was used on the vendor's own days. Raises TelecomAnswerError for a row without sense."""
    names = {sim.id: [sim.iccid, sim.number, sim.external_number] for sim in hook.all_sims()}
    usage, asked = Usage(names=names), (days[0], _end_for(hook, days[1]))
    for report in _REPORTS:
        usage = _added_up(hook, report, asked, usage)
    return usage


def _end_for(hook: NovaConnectHook, last: date) -> date:
    """Return the end that a report is asked for, so that `last` is its last day.

    The document does not say whether the end is included. The report on days shows it: if it is not, nothing
    comes for the one day `last`, and with the next day as its end rows of `last` come.
    """
    if hook.report_days(last, last, size=1).items:
        return last
    rows = hook.report_days(last, last + _DAY, size=1).items
    return last + _DAY if any(day_of(row.day) == last for row in rows) else last


def _added_up(hook: NovaConnectHook, report: str, days: tuple[date, date], before: Usage) -> Usage:
    """Return the usage before, and that of a report; begin with that again when rows moved."""
    usage, number = _copy(before), 0
    call = hook.report_records(report, *days)
    while True:
        page = hook.run(call)
        if page.restarted:
            usage, number = _copy(before), 0
        for record in page.items:
            number += 1
            try:
                usage.add(to_row(report, record))
            except TelecomInputError as error:
                raise TelecomAnswerError(f"{report}, row {number}: {error.text}") from None
        if page.next_page is None:
            return usage
        call = page.next_page()


def _copy(usage: Usage) -> Usage:
    return Usage(dict(usage.costs), {sim: list(names) for sim, names in usage.names.items()})


@dataclass
class Reconciliation:
    """A bill's cost, its transcript and the usage of its days, and what difference makes none."""

    bill_cost: Decimal | None
    transcript: Transcript
    usage: Usage
    tolerance: Decimal

    def written(self, file: Path) -> dict[str, Any]:
        """Write a line for each SIM into a file, and return what it all comes to, fit for an XCom."""
        sims = differing = 0
        with file.open("w", encoding="utf-8") as lines:
            for line in self._lines():
                sims, differing = sims + 1, differing + line["differs"]
                lines.write(json_text(line) + "\n")
        total, used = self.transcript.total, sum(self.usage.costs.values(), Decimal(0))
        beside = None if self.bill_cost is None else self.bill_cost - total
        off = [one for one in (total - used, beside) if one is not None and abs(one) > self.tolerance]
        return {
            "sims": sims,
            "sims_differing": differing,
            "transcript_total": decimal_text(total),
            "usage_total": decimal_text(used),
            "difference": decimal_text(total - used),
            "bill_cost": None if self.bill_cost is None else decimal_text(self.bill_cost),
            "bill_difference": None if beside is None else decimal_text(beside),
            "other_rows": self.transcript.other_rows,
            "other_cost": decimal_text(self.transcript.other_cost),
            "agrees": not (differing or off),
        }

    def _lines(self) -> Iterator[dict[str, Any]]:
        return compare_costs(self.transcript.costs, self.usage.costs, self.usage.names, self.tolerance)
