"""Rules for the fields of Kyivstar's requests. Each fault is refused with 422."""

from __future__ import annotations

import re

from airflow_provider_telecom.simulator.fields import Fault, matches
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import RefusedError, wrong

_TEXTS: dict[Fault, str] = {"unknown": "unknown field", "missing": "required", "invalid": "wrong value"}

is_alpha_name = matches(r"[A-Za-z0-9._ -]{1,11}")
is_imei = matches(r"[0-9]{14,16}")
is_url = matches(r"https?://[^\s/]+\S*")


def refuse(fault: Fault, path: str) -> RefusedError:
    """Return the refusal of a field."""
    return wrong(path, _TEXTS[fault])


def msisdn(value: object) -> str | None:
    """Return a Ukrainian number as 12 digits, without a plus sign; None for anything else."""
    found = re.fullmatch(r"\+?(380[0-9]{9})", value) if isinstance(value, str) else None
    return found and found[1]


def is_msisdn(value: object) -> bool:
    """Return whether it is a Ukrainian number in the international format."""
    return msisdn(value) is not None
