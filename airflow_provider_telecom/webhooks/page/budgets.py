"""What campaigns have spent of budgets: by their own journals, and by what all tasks claim in a day."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from airflow_provider_telecom.journal.claims import key_head, valid_claims
from airflow_provider_telecom.webhooks.page.steps import amount, count

_ENTRY = "budget."


@dataclass(frozen=True)
class BudgetUse:
    """What one campaign has spent of a budget, and what it has reserved and may still spend."""

    name: str
    currency: str
    timezone: str
    per_task: Decimal | None
    per_day: Decimal | None
    spent: Decimal
    reserved: Decimal
    at: int
    """When it was reserved last, in seconds since 1970."""

    @property
    def facts(self) -> dict[str, Any]:
        """What the page shows."""
        amounts = {name: getattr(self, name) for name in ("per_task", "per_day", "spent", "reserved")}
        texts = {name: None if value is None else f"{value:f}" for name, value in amounts.items()}
        return {"name": self.name, "currency": self.currency, **texts}

    @property
    def day(self) -> date:
        """The day of the budget for which it was reserved."""
        return self.day_of(self.at)

    def day_of(self, at: int) -> date:
        """Return the budget's day of an instant."""
        return datetime.fromtimestamp(at, _zone(self.timezone)).date()

    @staticmethod
    def joined(uses: Iterable[BudgetUse]) -> Sequence[BudgetUse]:
        """Return one for each budget: several tasks of a campaign may share one."""
        found: dict[tuple[str, str], BudgetUse] = {}
        for use in uses:
            key = use.name, use.currency
            other = found.get(key)
            found[key] = (
                use
                if other is None
                else replace(
                    max(use, other, key=lambda each: each.at),
                    spent=use.spent + other.spent,
                    reserved=use.reserved + other.reserved,
                )
            )
        return list(found.values())


def read_budget(name: str, entry: Mapping[str, Any]) -> BudgetUse | None:
    """Return what a task's journal says of a budget; None for another entry."""
    facts = entry.get("facts")
    if not name.startswith(_ENTRY) or not isinstance(facts, dict) or not facts.get("currency"):
        return None
    spent, reserved, last = Decimal(0), Decimal(0), 0
    for record in facts.get("records", []):
        value = amount(record.get("amount")) or Decimal(0)
        if record.get("purpose") in facts.get("doubt", {}):  # it is settled
            spent += value
        else:
            reserved += value
        last = max(last, count(record.get("at")) or 0)
    return BudgetUse(
        str(entry.get("body")),
        str(facts["currency"]),
        str(facts.get("timezone") or "UTC"),
        amount(facts.get("per_task")),
        amount(facts.get("per_day")),
        spent,
        reserved,
        last,
    )


def day_totals(keys: Callable[[str], Iterable[str]], uses: Sequence[BudgetUse]) -> list[dict[str, Any]]:
    """Return what each budget's tasks, also those of other campaigns, have spent on the campaign's day.

    `keys` lists the Variables whose keys begin with a text.
    """
    rows = []
    for use in uses:
        days = [use.day + timedelta(days=offset) for offset in (-1, 0, 1)]
        found = [key for utc_date in days for key in keys(key_head(use.name, use.currency, utc_date))]
        claims = [claim for claim in valid_claims(found) if use.day_of(claim.at) == use.day]
        total = sum((claim.amount for claim in claims), Decimal(0))
        spent = sum((claim.amount for claim in claims if claim.state == "s"), Decimal(0))
        day = {"day": use.day.isoformat(), "day_spent": f"{spent:f}", "day_reserved": f"{total - spent:f}"}
        rows.append({**use.facts, **day})
    return rows


def _zone(name: str) -> Any:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError):
        return UTC
