"""What was spent of budgets, read from Airflow's database: for `airflow telecom budget`, not for tasks."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from itertools import groupby
from operator import itemgetter
from typing import TypedDict
from zoneinfo import ZoneInfo

from airflow_provider_telecom.bulk.budget import shown
from airflow_provider_telecom.journal.claims import PREFIX, Claim, valid_claims

_KEYS_AT_ONCE = 500


class TaskRow(TypedDict):
    """What one task has spent, or has reserved and may still spend."""

    task: str
    spent: str
    reserved: str


class DayRow(TypedDict):
    """A day of a budget. The cap and the time zone are those of the task that reserved last."""

    budget: str
    currency: str
    day: str
    timezone: str
    spent: str
    reserved: str
    cap: str | None
    left: str | None
    tasks: list[TaskRow]


@dataclass(frozen=True)
class _Entry:
    claim: Claim
    about: Mapping[str, str | None]

    @property
    def spent(self) -> Decimal:
        return self.claim.amount if self.claim.state == "s" else Decimal(0)


def read_budgets(name: str | None = None) -> list[DayRow]:
    """Return the days of a budget, or of all, that Airflow's database has; the last day comes first."""
    from airflow.models.variable import Variable
    from airflow.utils.session import create_session
    from sqlalchemy import select

    head = PREFIX if name is None else f"{PREFIX}{name}."
    with create_session(scoped=False) as session:
        query = select(Variable.key).where(Variable.key.startswith(head, autoescape=True))
        claims = valid_claims(key for key in session.scalars(query) if key.startswith(head))
        claims = [claim for claim in claims if claim.amount]
        about: dict[str, Mapping[str, str | None]] = {}
        keys = [claim.key for claim in claims]
        for start in range(0, len(keys), _KEYS_AT_ONCE):
            some = select(Variable).where(Variable.key.in_(keys[start : start + _KEYS_AT_ONCE]))
            about |= {found.key: json.loads(found.val or "{}") for found in session.scalars(some)}
    return day_rows(_Entry(claim, about.get(claim.key, {})) for claim in claims)


def day_rows(entries: Iterable[_Entry]) -> list[DayRow]:
    """Return a row for each day of each budget."""
    rows = []
    by_budget = sorted(entries, key=lambda each: (each.claim.name, each.claim.currency, -each.claim.at))
    for _, of_budget in groupby(by_budget, lambda each: (each.claim.name, each.claim.currency)):
        found = list(of_budget)
        zone = ZoneInfo(found[0].about.get("timezone") or "UTC")
        days = [datetime.fromtimestamp(each.claim.at, zone).date() for each in found]
        for day, of_day in groupby(zip(days, found, strict=True), itemgetter(0)):
            rows.append(_day_row(day.isoformat(), zone.key, [each for _, each in of_day]))
    return rows


def budget_lines(rows: Sequence[DayRow], name: str | None) -> list[str]:
    """Return a table of days; for the budget `name` also the tasks of each."""
    if not rows:
        return [f"Nothing was spent of {'a budget' if name is None else f'the budget {name}'}."]
    lines = [f"{'budget':<24} {'day':<10} {'':<3} {'spent':>14} {'reserved':>14} {'cap':>14} {'left':>14}"]
    for row in rows:
        amounts = " ".join(
            f"{value or '-':>14}" for value in (row["spent"], row["reserved"], row["cap"], row["left"])
        )
        lines.append(f"{row['budget']:<24} {row['day']:<10} {row['currency']:<3} {amounts}")
        if name is not None:
            lines += [
                f"  {task['task']:<37} {task['spent']:>14} {task['reserved']:>14}" for task in row["tasks"]
            ]
    return lines


def _day_row(day: str, timezone: str, entries: Sequence[_Entry]) -> DayRow:
    claim, cap = entries[0].claim, entries[0].about.get("per_day")
    total = sum((each.claim.amount for each in entries), Decimal(0))
    spent = sum((each.spent for each in entries), Decimal(0))
    return {
        "budget": claim.name,
        "currency": claim.currency,
        "day": day,
        "timezone": timezone,
        "spent": shown(spent),
        "reserved": shown(total - spent),
        "cap": cap,
        "left": None if cap is None else shown(max(Decimal(cap) - total, Decimal(0))),
        "tasks": _task_rows(entries),
    }


def _task_rows(entries: Sequence[_Entry]) -> list[TaskRow]:
    by_task = sorted(entries, key=lambda each: each.claim.task)
    rows: list[TaskRow] = []
    for _, of_task in groupby(by_task, lambda each: each.claim.task):
        found = list(of_task)
        spent = sum((each.spent for each in found), Decimal(0))
        total = sum((each.claim.amount for each in found), Decimal(0))
        name = found[0].about.get("run") or found[0].claim.task
        rows.append({"task": name, "spent": shown(spent), "reserved": shown(total - spent)})
    return sorted(rows, key=lambda row: row["task"])
