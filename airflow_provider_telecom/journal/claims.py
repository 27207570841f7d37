"""What tasks claim of a budget: the keys of Variables that say so, read and written as text.

    telecom_budget.<name>.<currency>.<date in UTC>.<second>.<task>.<reservation>.<number><state><amount>

The last `number` of a reservation is the valid one. States: `a` asked for, `c` confirmed, `s` settled.
`bulk/budget_store.py` says why an amount is part of a key.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import NamedTuple

PREFIX = "telecom_budget."
_LAST = re.compile(r"([0-9]{8})([acs])([0-9.]+)")


class Claim(NamedTuple):
    """What one task claims of a budget: the content of a key."""

    name: str
    currency: str
    at: int
    """When it was reserved, in seconds since 1970: it counts for the day of this instant."""
    task: str
    reservation: str
    number: int
    state: str
    amount: Decimal

    @property
    def key(self) -> str:
        """The key of its Variable."""
        head = key_head(self.name, self.currency, datetime.fromtimestamp(self.at, UTC).date())
        last = f"{self.number:08d}{self.state}{self.amount:f}"
        return f"{head}{self.at}.{self.task}.{self.reservation}.{last}"


def key_head(name: str, currency: str, utc_date: date) -> str:
    """Return how the keys of a budget's claims of a date begin."""
    return f"{PREFIX}{name}.{currency}.{utc_date:%Y-%m-%d}."


def read_claim(key: str) -> Claim | None:
    """Return what a key says; None for a key of something else."""
    parts = key.removeprefix(PREFIX).split(".", 6)
    if not key.startswith(PREFIX) or len(parts) != 7 or not (last := _LAST.fullmatch(parts[6])):
        return None
    name, currency, _, at, task, reservation, _ = parts
    return Claim(name, currency, int(at), task, reservation, int(last[1]), last[2], Decimal(last[3]))


def valid_claims(keys: Iterable[str]) -> list[Claim]:
    """Return the valid claim of each reservation."""
    found: dict[str, Claim] = {}
    for key in keys:
        claim = read_claim(key)
        if claim and (claim.reservation not in found or found[claim.reservation].number < claim.number):
            found[claim.reservation] = claim
    return list(found.values())
