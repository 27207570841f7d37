"""What a request may hold: an unknown name, a missing one or a wrong value is refused with 422."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import wrong

_MSISDN = re.compile(r"\+?(380[0-9]{9})")
_NUMBER = re.compile(r"[0-9]{1,9}")
_SURROGATE = re.compile(r"[\ud800-\udfff]")


@dataclass(frozen=True)
class Field:
    """One field of a JSON body or one parameter of a query. null never fits."""

    fits: Callable[[Any], bool]
    required: bool = False


def check(values: Mapping[str, Any], fields: Mapping[str, Field], path: str = "") -> None:
    """Refuse values that do not have the documented form. `path` is the outer object's name."""
    for name in values:
        if name not in fields:
            raise wrong(path + name, "unknown field")
    for name, field in fields.items():
        if name not in values and field.required:
            raise wrong(path + name, "required")
        if name in values and not field.fits(values[name]):
            raise wrong(path + name)


def msisdn(value: Any) -> str | None:
    """Return a Ukrainian number as 12 digits, or None if it is none. A plus before it is allowed."""
    found = _MSISDN.fullmatch(value) if isinstance(value, str) else None
    return found and found[1]


def is_msisdn(value: Any) -> bool:
    """Whether it is a Ukrainian number in the international form."""
    return msisdn(value) is not None


def is_text(value: Any) -> bool:
    """Whether it is a string that says something, and is Unicode (no lone surrogates)."""
    return isinstance(value, str) and bool(value.strip()) and not _SURROGATE.search(value)


def is_alpha_name(value: Any) -> bool:
    """Whether it can be a sender of SMS: 1 to 11 Latin letters, digits, blanks and `._-`."""
    return isinstance(value, str) and re.fullmatch(r"[A-Za-z0-9._ -]{1,11}", value) is not None


def is_url(value: Any) -> bool:
    """Whether it is a web address."""
    return isinstance(value, str) and re.fullmatch(r"https?://[^\s/]+\S*", value) is not None


def between(low: int, high: int) -> Callable[[Any], bool]:
    """Return a rule that takes JSON integers from `low` to `high`."""
    return lambda value: type(value) is int and low <= value <= high


def digits_between(low: int, high: int) -> Callable[[Any], bool]:
    """Return a rule that takes whole numbers of a query from `low` to `high`."""
    return lambda value: _NUMBER.fullmatch(value) is not None and low <= int(value) <= high


def one_of(*values: str) -> Callable[[Any], bool]:
    """Return a rule that takes these strings only."""
    return lambda value: isinstance(value, str) and value in values
