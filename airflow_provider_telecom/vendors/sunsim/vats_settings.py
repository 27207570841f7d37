"""Settings of the virtual PBX: what may be sent, and how two states of them are told apart.

Settings are the vendor's own form, edited: `[{"num": ..., "profiles": [...]}]`. Nothing is left out of
them, so that what this module does not know goes back as it came. Source: "POST /api/v1/Vats/settings/set".

The rules are for what somebody edits. What the vendor itself shows may break them (the document's own sample
has a redirect number 0 and no redirects), and may be sent back as it was read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_telecom.calls.checks import non_empty
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import without_country_code
from airflow_provider_telecom.calls.privacy import mask_number
from airflow_provider_telecom.vendors.sunsim.vats_rules import faults, russian_number
from airflow_provider_telecom.vendors.sunsim.vats_schedule import (
    Settings,
    iter_objects,
    require_object,
    uses_inclusive_ends,
)

_DOCUMENTED_NUMBER = re.compile(r"(8|\+7)?[0-9]{10}")


def settings_hash(settings: Sequence[Mapping[str, Any]]) -> str:
    """Return the SHA-256 of settings: equal for equal settings, whatever the order of their fields."""
    text = json.dumps(list(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def copy_settings(settings: Sequence[Mapping[str, Any]]) -> list[Settings]:
    """Return a copy of settings, one entry a number. The original stays. Raises TelecomInputError."""
    non_empty("settings", settings)
    copies = [deepcopy(dict(require_object("settings", entry))) for entry in settings]
    numbers = numbers_of(copies)
    if len(set(numbers)) < len(numbers):
        raise TelecomInputError("settings", "holds a number twice")
    return copies


def numbers_of(settings: Sequence[Mapping[str, Any]]) -> list[str]:
    """Return the numbers that settings are about, as ten digits. Raises TelecomInputError."""
    numbers = [number_of(entry) for entry in settings]
    if "" in numbers:
        raise TelecomInputError("settings", "an entry without num")
    return numbers


def number_of(entry: Mapping[str, Any]) -> str:
    """Return the number that an entry is about, as ten digits, or nothing if it has none."""
    written = entry.get("num")
    is_written = isinstance(written, (str, int)) and not isinstance(written, bool)
    digits = re.sub(r"[^0-9]", "", str(written)) if is_written else ""
    return digits[-10:] if 10 <= len(digits) <= 11 else ""


def check(wanted: Sequence[Settings], read: Sequence[Mapping[str, Any]], region: str) -> None:
    """Check edited settings, of which `read` is what the vendor shows. What was read may stay.

    Raises TelecomInputError that names number, profile and day. A field that may be edited is checked when it
    is there: what the vendor leaves out of its settings may stay out.
    """
    shown = {number_of(entry): entry for entry in read}
    for entry in wanted:
        number, before = f"number {mask_number(number_of(entry))}", shown.get(number_of(entry), {})
        last_seconds = uses_inclusive_ends(before)
        may_stay = Counter(fault.mark for fault in faults(number, before, region, last_seconds))
        for fault in faults(number, entry, region, last_seconds):
            if not may_stay[fault.mark]:
                raise fault.error
            may_stay[fault.mark] -= 1


def format_redirect_numbers(settings: Sequence[Settings], region: str) -> None:
    """Write redirect numbers as ten digits, unless they are in one of the document's three forms."""
    for entry in settings:
        for redirect in _redirects(entry):
            written = redirect.get("num")
            if not isinstance(written, str) or _DOCUMENTED_NUMBER.fullmatch(written):
                continue
            try:
                redirect["num"] = without_country_code(russian_number("num", written, region))
            except TelecomInputError:
                continue  # it stands there in what was read


def _redirects(entry: Mapping[str, Any]) -> Iterator[Settings]:
    """Yield the redirects of a number, wherever they can be found."""
    for profile in iter_objects(entry.get("profiles")):
        for block in iter_objects(profile.get("scheduleBlocks")):
            yield from iter_objects(block.get("redirectNums"))
