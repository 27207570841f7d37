"""Checks of arguments before anything is sent. Each error names the field and the rule."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import TypeVar

from airflow_provider_telecom.calls.errors import TelecomInputError

T = TypeVar("T")

_GSM_7 = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_7_TWICE = frozenset("^{}\\[~]|€\f")
_HALF_A_PAIR = re.compile(r"[\ud800-\udfff]")


def in_range(field: str, value: int, low: int, high: int, step: int = 1) -> int:
    """Return a whole number between `low` and `high`, `low` plus a multiple of `step`."""
    if isinstance(value, bool) or not isinstance(value, int):
        raise TelecomInputError(field, f"must be a whole number, not {type(value).__name__}")
    if not low <= value <= high or (value - low) % step:
        every = f" in steps of {step}" if step > 1 else ""
        raise TelecomInputError(field, f"must be {low} to {high}{every}", shown=str(value))
    return value


def one_of(field: str, value: T, allowed: Collection[T]) -> T:
    """Return a value that is allowed."""
    if value not in allowed:
        raise TelecomInputError(field, f"must be one of {', '.join(map(str, allowed))}")
    return value


def non_blank(field: str, value: str | None, longest: int | None = None) -> str:
    """Return a text that is not blank and no longer than `longest` characters."""
    if value is None or not isinstance(value, str) or not value.strip():
        raise TelecomInputError(field, "must not be empty")
    if longest is not None and len(value) > longest:
        raise TelecomInputError(field, f"has {len(value)} characters; at most {longest} are allowed")
    return encodable(field, value)


def encodable(field: str, value: str) -> str:
    """Return a text that UTF-8 can carry: half of a surrogate pair, as a cut emoji leaves, it cannot."""
    if not isinstance(value, str):
        raise TelecomInputError(field, f"must be a text, not {type(value).__name__}")
    if _HALF_A_PAIR.search(value):
        raise TelecomInputError(field, "holds half of a surrogate pair")
    return value


def matching(field: str, value: str, pattern: str, rule: str) -> str:
    """Return a text that is made as the vendor wants it."""
    if not isinstance(value, str) or not re.fullmatch(pattern, value):
        raise TelecomInputError(field, rule)
    return value


def non_empty(field: str, values: Sequence[T], most: int | None = None) -> Sequence[T]:
    """Return a list that is not empty and has at most `most` entries."""
    if isinstance(values, (str, bytes)) or not values:
        raise TelecomInputError(field, "must be a list with at least one entry")
    if most is not None and len(values) > most:
        raise TelecomInputError(field, f"has {len(values)} entries; at most {most} are allowed in one call")
    return values


def aware_datetime(field: str, moment: datetime) -> datetime:
    """Return a moment that knows its time zone."""
    if not isinstance(moment, datetime) or moment.utcoffset() is None:
        raise TelecomInputError(field, "must be a datetime with a time zone")
    return moment


def parse_datetime(field: str, value: datetime | str) -> datetime:
    """Return a moment that may come as its ISO 8601 text, which is what a template makes of it."""
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value).strip().replace("Z", "+00:00"))
    except ValueError:
        raise TelecomInputError(field, "must be a datetime, or its text like 2026-01-31T08:00:00") from None


def percent(field: str, value: str | float | Decimal) -> Decimal:
    """Return a share of 0 to 100, as it was written."""
    try:
        found = Decimal(str(value).strip())
    except InvalidOperation:
        found = Decimal("NaN")
    if isinstance(value, bool) or not found.is_finite() or not 0 <= found <= 100:
        raise TelecomInputError(field, "must be a number of 0 to 100")
    return found


def sms_segments(text: str) -> int:
    """Return how many SMS a text takes: 160 or 153 characters each in GSM-7, 70 or 67 in UCS-2.

    A character that takes two places (an escape sequence, a surrogate pair) is never split between two SMS.
    """
    if _GSM_7.union(_GSM_7_TWICE).issuperset(text):
        places, alone, chained = [2 if char in _GSM_7_TWICE else 1 for char in text], 160, 153
    else:
        places, alone, chained = [2 if char > "\uffff" else 1 for char in text], 70, 67
    if sum(places) <= alone:
        return 1
    segments, free = 1, chained
    for needed in places:
        if needed > free:
            segments, free = segments + 1, chained
        free -= needed
    return segments
