"""What a request may hold: an unknown name, a missing one or a wrong type is refused with 400."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from airflow_provider_telecom.simulator.novaconnect.responses import RefusedError


@dataclass(frozen=True)
class Field:
    """One field of a JSON body. An object's own fields stand in `inner`; null never fits."""

    fits: Callable[[Any], bool]
    required: bool = False
    inner: Mapping[str, Field] | None = None


def check(body: Mapping[str, Any], fields: Mapping[str, Field], path: str = "") -> None:
    """Refuse a body that does not have the documented form. `path` is the outer objects' names."""
    for name in body:
        if name not in fields:
            raise RefusedError(400, "unknown_field", path + name)
    for name, field in fields.items():
        if name in body:
            _check_value(body[name], field, path + name)
        elif field.required:
            raise RefusedError(400, "missing_field", path + name)


def _check_value(value: Any, field: Field, path: str) -> None:
    if not field.fits(value):
        raise RefusedError(400, "bad_value", path)
    if field.inner is not None:
        check(value, field.inner, f"{path}.")


def is_int(value: Any) -> bool:
    """Whether it is a JSON integer (true and false are none)."""
    return isinstance(value, int) and not isinstance(value, bool)


def is_natural(value: Any) -> bool:
    """Whether it is an integer from 0."""
    return is_int(value) and value >= 0


def is_positive(value: Any) -> bool:
    """Whether it is an integer from 1."""
    return is_int(value) and value > 0


def is_bool(value: Any) -> bool:
    """Whether it is true or false."""
    return isinstance(value, bool)


def is_text(value: Any) -> bool:
    """Whether it is a string."""
    return isinstance(value, str)


def is_name(value: Any) -> bool:
    """Whether it is a string that says something."""
    return isinstance(value, str) and bool(value.strip())


def is_object(value: Any) -> bool:
    """Whether it is a JSON object."""
    return isinstance(value, dict)


def is_ids(value: Any) -> bool:
    """Whether it is an array of integer ids, possibly empty."""
    return isinstance(value, list) and all(is_int(one) for one in value)


def is_some_ids(value: Any) -> bool:
    """Whether it is an array of at least one integer id."""
    return is_ids(value) and bool(value)


def is_names(value: Any) -> bool:
    """Whether it is an array of names, possibly empty."""
    return isinstance(value, list) and all(is_name(one) for one in value)


def is_url(value: Any) -> bool:
    """Whether it is an address that can be posted to."""
    return isinstance(value, str) and re.fullmatch(r"https?://[^\s/]+\S*", value) is not None


def is_email(value: Any) -> bool:
    """Whether it looks like an e-mail address."""
    return isinstance(value, str) and re.fullmatch(r"[^@\s]+@[^@\s]+", value) is not None


def is_phone(value: Any) -> bool:
    """Whether it is 5 to 15 digits, with or without a plus."""
    return isinstance(value, str) and re.fullmatch(r"\+?[0-9]{5,15}", value) is not None


def is_date(value: Any) -> bool:
    """Whether it is a day written DD-MM-YYYY."""
    if not isinstance(value, str) or re.fullmatch(r"[0-9]{2}-[0-9]{2}-[0-9]{4}", value) is None:
        return False
    try:
        datetime.strptime(value, "%d-%m-%Y")
    except ValueError:
        return False
    return True


def one_of(*values: str) -> Callable[[Any], bool]:
    """Return a rule that takes these strings only."""
    return lambda value: isinstance(value, str) and value in values


PAGES = {"page": Field(is_natural), "size": Field(is_positive)}
REQUIRED_PAGES = {"page": Field(is_natural, True), "size": Field(is_positive, True)}
