"""Checks of arguments, before anything is sent. Each error names the field and the rule."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from airflow_provider_telecom.calls.errors import TelecomInputError

T = TypeVar("T")

_SURROGATE = re.compile(r"[\ud800-\udfff]")


def in_range(field: str, value: int, low: int, high: int, step: int = 1) -> int:
    """Return an integer from `low` to `high`, in steps of `step`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TelecomInputError(field, f"must be a whole number, not {type(value).__name__}")
    if not low <= value <= high or (value - low) % step:
        every = f" in steps of {step}" if step > 1 else ""
        raise TelecomInputError(field, f"must be {low} to {high}{every}", shown=str(value))
    return value


def one_of(field: str, value: T, allowed: Collection[T]) -> T:
    """Return an allowed value."""
    if value not in allowed:
        raise TelecomInputError(field, f"must be one of {', '.join(map(str, allowed))}")
    return value


def non_blank(field: str, value: str | None, max_length: int | None = None) -> str:
    """Return a text that is not blank and has at most `max_length` characters."""
    if value is None or not isinstance(value, str) or not value.strip():
        raise TelecomInputError(field, "must not be empty")
    if max_length is not None and len(value) > max_length:
        raise TelecomInputError(field, f"has {len(value)} characters; at most {max_length} are allowed")
    return encodable(field, value)


def are_non_blank(values: Sequence[str]) -> bool:
    """Return whether `non_blank` takes each of these texts, without a limit of their length."""
    try:
        "".join(values).encode()
    except (TypeError, UnicodeEncodeError):
        return False
    return all(map(str.strip, values))


def encodable(field: str, value: str) -> str:
    """Return a text that UTF-8 can encode: no unpaired surrogate, as a truncated emoji leaves it."""
    if not isinstance(value, str):
        raise TelecomInputError(field, f"must be a text, not {type(value).__name__}")
    if _SURROGATE.search(value):
        raise TelecomInputError(field, "holds half of a surrogate pair")
    return value


def matching(field: str, value: str, pattern: str, rule: str) -> str:
    """Return a text that matches a pattern; the error says the `rule`."""
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise TelecomInputError(field, rule)
    return value


def non_empty(field: str, values: Sequence[T], max_length: int | None = None) -> Sequence[T]:
    """Return a list with at least one and at most `max_length` entries."""
    if isinstance(values, (str, bytes)) or not values:
        raise TelecomInputError(field, "must be a list with at least one entry")
    if max_length is not None and len(values) > max_length:
        raise TelecomInputError(
            field, f"has {len(values)} entries; at most {max_length} are allowed in one call"
        )
    return values


def aware_datetime(field: str, value: datetime) -> datetime:
    """Return a datetime that has a time zone."""
    if not isinstance(value, datetime) or value.utcoffset() is None:
        raise TelecomInputError(field, "must be a datetime with a time zone")
    return value


def parse_datetime(field: str, value: datetime | str) -> datetime:
    """Return a datetime from a datetime or its ISO 8601 text, which is what a template renders."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        raise TelecomInputError(field, "must be a datetime, or its text like 2026-01-31T08:00:00") from None


def percent(field: str, value: str | float | Decimal) -> Decimal:
    """Return a percentage from 0 to 100, with the digits that were given."""
    try:
        number = Decimal(str(value).strip())
    except InvalidOperation:
        number = Decimal("NaN")
    if isinstance(value, bool) or not number.is_finite() or not 0 <= number <= 100:
        raise TelecomInputError(field, "must be a number of 0 to 100")
    return number
