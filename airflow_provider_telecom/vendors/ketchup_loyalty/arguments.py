"""What the arguments of KetchUp's watches and operators must be. Each error names the field and the rule.

Nothing heavy is imported here: operators and sensors check with it when a Dag is parsed.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from airflow_provider_telecom.calls.checks import in_range, parse_datetime, percent
from airflow_provider_telecom.calls.errors import TelecomInputError

SOURCES = ("api", "web", "smpp", "xml", "http", "json")
TYPES = ("sms", "hlr", "viber")
STATUSES = (
    *("Delivered", "Rejected", "Scheduled", "Moderation", "Accepted", "Sending", "Sent"),
    *("Expired", "Failed", "Undelivered", "Unknown", "Read", "not-viber-user"),
)
LONGEST_ORIGINATOR = 14
LONGEST_VALIDITY_HOURS = 72
SHORTEST_VALIDITY_SECONDS, LONGEST_VALIDITY_SECONDS = 15, 86_400
LIKELY_MEANT_IN_HOURS = 60
FILE_KEY = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}"
VIBER_ENDS = ("delivered", "read")


def listed(field: str, values: Any) -> list[str]:
    """Return ids, keys or numbers.

    They are given as one, as a list, or as the text of a list, which is what a template makes of one.
    """
    if isinstance(values, str) and values.strip()[:1] in ("[", "("):
        values = _read(field, values)
    alone = isinstance(values, (str, int)) and not isinstance(values, bool)
    found = [values] if alone else values
    if not isinstance(found, Sequence) or not all(_is_name(one) for one in found):
        raise TelecomInputError(field, "must be one, or a list, of texts or whole numbers")
    return [str(one).strip() for one in found]


def distinct(field: str, values: Any) -> list[str]:
    """Return what `listed` does, without twins."""
    return list(dict.fromkeys(listed(field, values)))


def _read(field: str, text: str) -> Any:
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        raise TelecomInputError(field, "looks like a list, and cannot be read as one") from None


def _is_name(value: Any) -> bool:
    return isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip() != ""


def exactly_one(**given: Any) -> None:
    """Check that exactly one of two arguments is given, whatever it holds."""
    first, second = given
    if (given[first] is None) == (given[second] is None):
        raise TelecomInputError(first, f"give either {first} or {second}, and not both")


def perhaps_percent(field: str, value: Any) -> Decimal | None:
    """Return a share of 0 to 100, or None where none is wanted."""
    return None if value is None else percent(field, value)


def perhaps_count(field: str, value: Any) -> int | None:
    """Return how many, which a template makes a text of, or None where nobody knows."""
    if value is None:
        return None
    number = int(value) if isinstance(value, str) and value.strip().isdecimal() else value
    return in_range(field, number, 0, 2**31)


def tariff(value: Any) -> int | None:
    """Return the number of a tariff, or None for the connection's."""
    return None if value is None else in_range("tariff", value, 0, 9)


def perhaps_moment(field: str, value: Any) -> datetime | None:
    """Return a moment, which a template makes ISO 8601 of, or None where none is wanted."""
    return None if value is None else parse_datetime(field, value)


def viber_validity(seconds: int, short: bool) -> int:
    """Return how long a Viber message is tried; less than a minute is most likely meant in hours."""
    in_range("validity_seconds", seconds, SHORTEST_VALIDITY_SECONDS, LONGEST_VALIDITY_SECONDS)
    if seconds < LIKELY_MEANT_IN_HOURS and not short:
        rule = "is less than a minute, which needs allow_short_validity=True"
        raise TelecomInputError("validity_seconds", rule, shown=str(seconds))
    return seconds
