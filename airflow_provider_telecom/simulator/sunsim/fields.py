"""What a request may hold: an unknown name, a missing one or a wrong value is refused with its own code."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from airflow_provider_telecom.simulator.sunsim.responses import (
    BAD_VALUE,
    MISSING_FIELD,
    UNKNOWN_FIELD,
    RefusedError,
)


@dataclass(frozen=True)
class Field:
    """One field of a JSON body or one parameter of a query.

    `inner` are an object's own fields, `each` those of every object of a list.
    """

    fits: Callable[[Any], bool]
    required: bool = True
    inner: Mapping[str, Field] | None = None
    each: Mapping[str, Field] | None = None


def check(values: Mapping[str, Any], fields: Mapping[str, Field], path: str = "") -> None:
    """Refuse values that do not have the documented form. `path` is the outer objects' names."""
    for name in values:
        if name not in fields:
            raise RefusedError(UNKNOWN_FIELD, f"unknown field {path}{name}")
    for name, field in fields.items():
        if name in values:
            _check_value(values[name], field, path + name)
        elif field.required:
            raise RefusedError(MISSING_FIELD, f"missing field {path}{name}")


def _check_value(value: Any, field: Field, path: str) -> None:
    if not field.fits(value):
        raise RefusedError(BAD_VALUE, f"wrong value of {path}")
    if field.inner is not None:
        check(value, field.inner, f"{path}.")
    for item in value if field.each is not None else ():
        if not isinstance(item, dict):
            raise RefusedError(BAD_VALUE, f"wrong value in {path}")
        check(item, field.each or {}, f"{path}.")


def is_text(value: Any) -> bool:
    """Whether it is a string, and Unicode (no lone surrogates)."""
    return isinstance(value, str) and re.search(r"[\ud800-\udfff]", value) is None


def is_object(value: Any) -> bool:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_list(value: Any) -> bool:
    """Whether it is a JSON array."""
    return isinstance(value, list)


def is_filled(value: Any) -> bool:
    """Whether it is a JSON array that is not empty."""
    return isinstance(value, list) and bool(value)


def is_numbers(value: Any) -> bool:
    """Whether it is a list of at least one number of ten digits, without the leading 8."""
    return is_filled(value) and all(is_own_number(one) for one in value)


def is_own_number(value: Any) -> bool:
    """Whether it is ten digits: a number of the contract without the leading 8."""
    return isinstance(value, str) and re.fullmatch(r"[0-9]{10}", value) is not None


def is_national_number(value: Any) -> bool:
    """Whether it is a number to be dialled from Russia: 8 and ten digits, or 810 and a foreign number."""
    return isinstance(value, str) and re.fullmatch(r"8[2-9][0-9]{9}|810[1-9][0-9]{6,14}", value) is not None


def is_number_of_settings(value: Any) -> bool:
    """Whether it is a number of the contract as settings show it: ten digits, perhaps after the 8."""
    return isinstance(value, str) and re.fullmatch(r"8?[0-9]{10}", value) is not None


def is_redirect_number(value: Any) -> bool:
    """Whether it is a number to redirect to: ten digits, alone or after 8 or +7; a JSON number will do."""
    text = str(value) if type(value) is int else value
    return isinstance(text, str) and re.fullmatch(r"(8|\+7)?[2-9][0-9]{9}", text) is not None


def is_redirect_number_or_0(value: Any) -> bool:
    """Whether it is a number to redirect to, or the 0 of the document's sample."""
    return (type(value) is int and value == 0) or is_redirect_number(value)


def between(low: int, high: int) -> Callable[[Any], bool]:
    """Return a rule that takes JSON integers from `low` to `high`."""
    return lambda value: type(value) is int and low <= value <= high


def one_of(*values: int | None) -> Callable[[Any], bool]:
    """Return a rule that takes these JSON integers, and null if None is among them."""
    return lambda value: type(value) in (int, type(None)) and value in values


is_flag = one_of(0, 1)
