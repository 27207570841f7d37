"""Settings of the virtual PBX: which may be sent, in which form, and their hash.

Settings have the vendor's own format: `[{"num": ..., "profiles": [...]}]`. Fields that are not known here are
sent back unchanged. Source: "POST /api/v1/Vats/settings/set".

The rules apply to edits only. What the vendor shows may break them (the document's own sample has a redirect
number 0 and no redirects) and may be sent back as it was read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import Any

from airflow_provider_telecom.calls.checks import non_empty
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import without_country_code
from airflow_provider_telecom.calls.privacy import mask_number
from airflow_provider_telecom.vendors.sunsim.arguments import russian_number
from airflow_provider_telecom.vendors.sunsim.vats_rules import (
    Settings,
    find_faults,
    iter_objects,
    require_object,
    uses_inclusive_ends,
)

Entry = Mapping[str, Any]
"""The settings of one number."""
SettingsList = Sequence[Entry]

_DOCUMENTED_NUMBER = re.compile(r"(8|\+7)?[0-9]{10}")


def settings_hash(settings: SettingsList) -> str:
    """Return the SHA-256 of settings. The order of fields does not matter."""
    text = json.dumps(list(settings), sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def copy_settings(settings: SettingsList) -> list[Settings]:
    """Return a deep copy of settings with one entry per number. Raises TelecomInputError."""
    copies = [deepcopy(dict(require_object("settings", entry))) for entry in non_empty("settings", settings)]
    numbers = numbers_of(copies)
    if len(set(numbers)) < len(numbers):
        raise TelecomInputError("settings", "holds a number twice")
    return copies


def numbers_of(settings: SettingsList) -> list[str]:
    """Return the numbers of settings as ten digits. Raises TelecomInputError."""
    numbers = [number_of(entry) for entry in settings]
    if "" in numbers:
        raise TelecomInputError("settings", "an entry without num")
    return numbers


def number_of(entry: Entry) -> str:
    """Return the number of an entry as ten digits, or an empty text if it has none."""
    value = entry.get("num")
    is_number = isinstance(value, (str, int)) and not isinstance(value, bool)
    digits = re.sub(r"[^0-9]", "", str(value)) if is_number else ""
    return digits[-10:] if 10 <= len(digits) <= 11 else ""


def label(entry: Entry) -> str:
    """Return how errors name an entry: `number 90000***00`."""
    return f"number {mask_number(number_of(entry))}"


def check(wanted: Sequence[Settings], read: SettingsList, region: str) -> None:
    """Check edited settings against those that were read, which may stay as they are.

    Raises TelecomInputError that names number, profile and day. An editable field is checked if it is
    present: the vendor's settings may lack it.
    """
    shown = {number_of(entry): entry for entry in read}
    for entry in wanted:
        number, before = label(entry), shown.get(number_of(entry), {})
        inclusive_ends = uses_inclusive_ends(before)
        allowed = Counter(fault.key for fault in find_faults(number, before, region, inclusive_ends))
        for fault in find_faults(number, entry, region, inclusive_ends):
            if not allowed[fault.key]:
                raise fault.error
            allowed[fault.key] -= 1


def format_redirect_numbers(settings: Sequence[Settings], region: str) -> None:
    """Write redirect numbers as ten digits, unless they have one of the document's three forms."""
    profiles = (profile for entry in settings for profile in iter_objects(entry.get("profiles")))
    blocks = (block for profile in profiles for block in iter_objects(profile.get("scheduleBlocks")))
    for redirect in (one for block in blocks for one in iter_objects(block.get("redirectNums"))):
        number = redirect.get("num")
        if isinstance(number, str) and not _DOCUMENTED_NUMBER.fullmatch(number):
            try:
                redirect["num"] = without_country_code(russian_number("num", number, region))
            except TelecomInputError:
                continue  # not an edit: it was read like this
