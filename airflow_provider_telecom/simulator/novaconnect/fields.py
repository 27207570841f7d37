"""Rules of NovaConnect's request fields. A fault is refused with code 400, its reason and its path."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial

from airflow_provider_telecom.simulator import fields
from airflow_provider_telecom.simulator.fields import Fault, Field, between, is_filled_text, matches
from airflow_provider_telecom.simulator.novaconnect.responses import RefusedError
from airflow_provider_telecom.simulator.times import parse_time

_REASONS: Mapping[Fault, str] = {
    "unknown": "unknown_field",
    "missing": "missing_field",
    "invalid": "bad_value",
}
DAY_FORMAT = "%d-%m-%Y"

optional: Callable[..., Field] = partial(Field, required=False)
is_int = between(-(10**30), 10**30)
is_natural = between(0, 10**30)
is_positive = between(1, 10**30)
is_bool = fields.one_of(True, False)
is_url = matches(r"https?://[^\s/]+\S*")
is_email = matches(r"[^@\s]+@[^@\s]+")
is_phone = matches(r"\+?[0-9]{5,15}")


def check(body: Mapping[str, object], allowed: Mapping[str, Field]) -> None:
    """Refuse a body that does not have the documented fields."""
    fields.check(body, allowed, lambda fault, path: RefusedError(400, _REASONS[fault], path))


def is_ids(value: object) -> bool:
    """Return whether it is an array of integer ids, possibly empty."""
    return isinstance(value, list) and all(map(is_int, value))


def is_filled_ids(value: object) -> bool:
    """Return whether it is an array of at least one integer id."""
    return is_ids(value) and bool(value)


def is_names(value: object) -> bool:
    """Return whether it is an array of names, possibly empty."""
    return isinstance(value, list) and all(map(is_filled_text, value))


def is_day(value: object) -> bool:
    """Return whether it is a day written DD-MM-YYYY."""
    return parse_time(value, DAY_FORMAT) is not None


PAGES = {"page": optional(is_natural), "size": optional(is_positive)}
REQUIRED_PAGES = {"page": Field(is_natural), "size": Field(is_positive)}
