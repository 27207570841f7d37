"""Rules for the fields of SunSim's requests. Each fault is refused with its own code."""

from __future__ import annotations

from airflow_provider_telecom.simulator.fields import Fault, is_filled_list, matches, one_of
from airflow_provider_telecom.simulator.sunsim.responses import (
    BAD_VALUE,
    MISSING_FIELD,
    UNKNOWN_FIELD,
    RefusedError,
)

_REFUSALS: dict[Fault, tuple[int, str]] = {
    "unknown": (UNKNOWN_FIELD, "unknown field"),
    "missing": (MISSING_FIELD, "missing field"),
    "invalid": (BAD_VALUE, "wrong value of"),
}

is_flag = one_of(0, 1)
is_own_number = matches(r"[0-9]{10}")
"""A number of the contract: ten digits, without the leading 8."""
is_dialled_number = matches(r"8[2-9][0-9]{9}|810[1-9][0-9]{6,14}")
"""A number as dialled in Russia: 8 and ten digits, or 810 and a foreign number."""
is_number_in_settings = matches(r"8?[0-9]{10}")
"""A number of the contract as settings show it: ten digits, perhaps after an 8."""
_is_redirect_number = matches(r"(8|\+7)?[2-9][0-9]{9}")


def refuse(fault: Fault, path: str) -> RefusedError:
    """Return the refusal of a field."""
    code, text = _REFUSALS[fault]
    return RefusedError(code, f"{text} {path}")


def is_numbers(value: object) -> bool:
    """Return whether it is a list of at least one number of the contract."""
    return is_filled_list(value) and isinstance(value, list) and all(map(is_own_number, value))


def is_redirect_number(value: object) -> bool:
    """Return whether it is ten digits, alone or after 8 or +7, as a string or a number."""
    return _is_redirect_number(str(value) if type(value) is int else value)
