"""What may be spent: a cap for each task, a cap for each day, in one currency. Values only, no I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from zoneinfo import ZoneInfo

from airflow_provider_telecom.calls.errors import TelecomInputError

Amount = Decimal | str | int
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_PREFIX = re.compile(r"\+?([0-9]{1,15})")
_MAX_AMOUNT = Decimal(10**15)
_SMALLEST = Decimal("1e-9")
_STEP = timedelta(minutes=15)
"""Clocks are changed at multiples of it, and offsets are multiples of it."""


@dataclass(frozen=True)
class Budget:
    """How much money tasks may spend. All tasks of a deployment that name the same budget share it.

    `name` (letters, digits, `_` and `-`) and `currency` (like EUR) identify the money. `per_task` is what one
    task of one run may spend in all its tries, also after "Clear"; each place of a mapped list is a task of
    its own. `per_day` is what all tasks together may spend in a day of `timezone`. A message counts for the
    day in which its price was reserved. `allow_prefixes`: numbers that do not begin with one of these, such
    as +380, are refused. Amounts are Decimal, int or text, never float.

    Raises TelecomInputError when the Dag is parsed.
    """

    name: str
    currency: str
    per_task: Amount | None = None
    per_day: Amount | None = None
    timezone: str = "UTC"
    allow_prefixes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not _NAME.fullmatch(self.name):
            raise TelecomInputError("budget name", "must have 1 to 64 letters, digits, _ or -")
        if not isinstance(self.currency, str) or not _CURRENCY.fullmatch(self.currency):
            raise TelecomInputError("budget currency", "must be three capital letters, like EUR")
        if self.per_task is None and self.per_day is None:
            raise TelecomInputError("budget", "needs a cap: per_task, per_day or both")
        for field in ("per_task", "per_day"):
            if (value := getattr(self, field)) is not None:
                object.__setattr__(self, field, amount(f"budget {field}", value))
        from airflow_provider_telecom.bulk.timezones import check_zone

        object.__setattr__(self, "timezone", check_zone(self.timezone, "budget timezone"))
        object.__setattr__(self, "allow_prefixes", _prefixes(self.allow_prefixes))

    @property
    def task_cap(self) -> Decimal | None:
        """The cap of a task, or None."""
        return None if self.per_task is None else Decimal(self.per_task)

    @property
    def day_cap(self) -> Decimal | None:
        """The cap of a day, or None."""
        return None if self.per_day is None else Decimal(self.per_day)

    def day_of(self, at: float) -> date:
        """Return the day of an instant (in seconds since 1970), by a clock in the budget's time zone."""
        return datetime.fromtimestamp(at, ZoneInfo(self.timezone)).date()

    def utc_dates(self, day: date) -> Sequence[date]:
        """Return the days of UTC in which a day of the budget's time zone has an instant, in order."""
        return _utc_dates(self.timezone, day)

    def check_numbers(self, numbers: Iterable[str]) -> None:
        """Raise TelecomInputError if a number (E.164 digits) begins with none of `allow_prefixes`."""
        if not self.allow_prefixes:
            return
        allowed = tuple(self.allow_prefixes)
        count = refused = 0
        for number in numbers:
            count += 1
            refused += not number.startswith(allowed)
        if refused:
            shown = ", ".join(f"+{prefix}" for prefix in allowed)
            raise TelecomInputError(
                "recipients",
                f"{refused:,} of {count:,} numbers do not begin with a prefix that the budget {self.name} "
                f"allows ({shown}); nothing was sent",
            )

    def check_currency(self, currency: str | None) -> None:
        """Raise TelecomInputError if the vendor's prices are in another currency."""
        if currency is not None and currency.upper() != self.currency:
            raise TelecomInputError(
                "budget",
                f"{self.name} is in {self.currency}, but the vendor's price is in {currency}; "
                "nothing was sent",
            )


def amount(field: str, value: object) -> Decimal:
    """Return an amount of money of 0 or more. Raises TelecomInputError, also for a float."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    is_type = isinstance(value, (Decimal, str, int)) and not isinstance(value, bool)
    if not is_type or not number.is_finite() or not 0 <= number < _MAX_AMOUNT:
        raise TelecomInputError(field, "must be an amount such as '100.50', from 0, and no float")
    if number != number.quantize(_SMALLEST):
        raise TelecomInputError(field, "has more than nine decimal places")
    return number


def shown(value: Decimal) -> str:
    """Return an amount for people: without an exponent and without zeros at its end."""
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _prefixes(values: object) -> tuple[str, ...]:
    if isinstance(values, str) or not isinstance(values, Sequence):
        raise TelecomInputError("budget allow_prefixes", "must be a list such as ['+380']")
    found = [_PREFIX.fullmatch(value) if isinstance(value, str) else None for value in values]
    if not all(found):
        raise TelecomInputError("budget allow_prefixes", "must have beginnings of numbers such as '+380'")
    return tuple(one[1] for one in found if one)


@lru_cache(maxsize=64)
def _utc_dates(timezone: str, day: date) -> Sequence[date]:
    zone, dates = ZoneInfo(timezone), []
    for candidate in (day + timedelta(days=offset) for offset in (-1, 0, 1)):
        start = datetime.combine(candidate, time.min, UTC)
        if any((start + place * _STEP).astimezone(zone).date() == day for place in range(96)):
            dates.append(candidate)
    return tuple(dates)
