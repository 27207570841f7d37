"""Checks of request fields: an unknown name, a missing field and an invalid value are refused."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Literal

Rule = Callable[[object], bool]
Fault = Literal["unknown", "missing", "invalid"]


@dataclass(frozen=True)
class Field:
    """A field of a JSON object, or a parameter of a query. null is invalid unless the rule allows it.

    `inner` are the fields of an object, `items` those of each object in a list.
    """

    is_valid: Rule
    required: bool = True
    inner: Mapping[str, Field] | None = None
    items: Mapping[str, Field] | None = None


def check(
    values: Mapping[str, object],
    fields: Mapping[str, Field],
    refuse: Callable[[Fault, str], Exception],
    path: str = "",
) -> None:
    """Raise what `refuse` returns for the first fault and its path. `path` is the prefix of all paths."""
    for name in values:
        if name not in fields:
            raise refuse("unknown", path + name)
    for name, field in fields.items():
        if name in values:
            _check_value(values[name], field, refuse, path + name)
        elif field.required:
            raise refuse("missing", path + name)


def _check_value(value: object, field: Field, refuse: Callable[[Fault, str], Exception], path: str) -> None:
    if not field.is_valid(value):
        raise refuse("invalid", path)
    if field.inner is not None and isinstance(value, dict):
        check(value, field.inner, refuse, f"{path}.")
    for item in value if field.items is not None and isinstance(value, list) else ():
        if not isinstance(item, dict):
            raise refuse("invalid", path)
        check(item, field.items or {}, refuse, f"{path}.")


def is_text(value: object) -> bool:
    """Return whether it is a string of Unicode characters, without lone surrogates."""
    return isinstance(value, str) and re.search(r"[\ud800-\udfff]", value) is None


def is_filled_text(value: object) -> bool:
    """Return whether it is such a string, and not blank."""
    return is_text(value) and bool(str(value).strip())


def is_object(value: object) -> bool:
    """Return whether it is a JSON object."""
    return isinstance(value, dict)


def is_list(value: object) -> bool:
    """Return whether it is a JSON array."""
    return isinstance(value, list)


def is_filled_list(value: object) -> bool:
    """Return whether it is a JSON array that is not empty."""
    return isinstance(value, list) and bool(value)


def between(low: int, high: int) -> Rule:
    """Return a rule that allows JSON integers from `low` to `high`."""
    return lambda value: isinstance(value, int) and not isinstance(value, bool) and low <= value <= high


def digits_between(low: int, high: int) -> Rule:
    """Return a rule that allows whole numbers from `low` to `high` in a query."""
    is_number = matches("[0-9]{1,9}")
    return lambda value: is_number(value) and low <= int(str(value)) <= high


def one_of(*allowed: str | int | None) -> Rule:
    """Return a rule that allows these values. 1 and true are different."""
    return lambda value: any(type(value) is type(one) and value == one for one in allowed)


def matches(pattern: str) -> Rule:
    """Return a rule that allows strings that match the whole pattern."""
    return lambda value: isinstance(value, str) and re.fullmatch(pattern, value) is not None
