"""The rules of KetchUp's request fields. A wrong field is refused with the code of its module."""

from __future__ import annotations

import json
import re
from collections.abc import Set
from datetime import datetime
from typing import Any

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty.prices import Country, country_of
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import (
    HLR,
    SMS,
    VIBER,
    Codes,
    JsonObject,
    VendorError,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState

_WORD, _WORD_WITH_UNDERSCORES = re.compile(r"[a-zA-Z0-9]{1,32}"), re.compile(r"[a-zA-Z0-9_]{1,32}")
_ANY = re.compile(r"\S{1,255}")
_KEYS = {"samples": (_WORD_WITH_UNDERSCORES, _ANY, _ANY), "text": (_WORD, _WORD, _WORD_WITH_UNDERSCORES)}
"""Keys of SMS, look-ups and Viber messages, by the switch `keys`."""
_ISO_8601 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:(Z)|([+-]\d\d):?(\d\d))", re.ASCII)


async def json_body(request: Request, code: int) -> Any:
    """Return the request's JSON, whatever its content type is."""
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise VendorError(code) from None


async def json_object(request: Request, code: int) -> JsonObject:
    """Return the request's JSON object."""
    body = await json_body(request, code)
    if not isinstance(body, dict):
        raise VendorError(code)
    return body


def check_fields(item: object, names: Set[str], code: int) -> None:
    """Refuse anything but an object with known fields."""
    if not isinstance(item, dict) or not item.keys() <= names:
        raise VendorError(code)


def check_list(items: object, names: Set[str], code: int) -> list[JsonObject]:
    """Return a list of objects, not empty, with known fields only."""
    if not isinstance(items, list) or not items:
        raise VendorError(code)
    for item in items:
        check_fields(item, names, code)
    return items


def check_tariff(state: VendorState, value: object) -> int:
    """Return a tariff's number, 0 to 9."""
    if type(value) is not int:
        raise VendorError(7)
    if not 0 <= value <= 9:
        raise VendorError(6)
    if value in state.inactive_tariffs:
        raise VendorError(9)
    return value


def check_tariff_path(state: VendorState, text: str | None) -> None:
    """Refuse a wrong tariff in the path of a price list."""
    if text is not None and not re.fullmatch(r"[0-9]", text):
        raise VendorError(6)
    if text is not None:
        check_tariff(state, int(text))


def check_validity(value: object, low: int, high: int, code: int) -> int:
    """Return how long a message is valid: a whole number, low to high."""
    if type(value) is not int or not low <= value <= high:
        raise VendorError(code)
    return value


def sending_time(state: VendorState, body: JsonObject, field: str) -> datetime | None:
    """Return the aware time to send at, or None for now. It must be ISO 8601 with an offset, and not past."""
    if field not in body:
        return None
    found = _ISO_8601.fullmatch(body[field]) if isinstance(body[field], str) else None
    if not found:
        raise VendorError(10)
    local, zulu, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(local + ("+00:00" if zulu else f"{hours}:{minutes}"))
    except ValueError:
        raise VendorError(10) from None
    if moment < state.now():
        raise VendorError(10)
    return moment


class Recipients:
    """Checks the recipients of one request in turn: numbers, references, and that none occurs twice."""

    def __init__(self, state: VendorState, codes: Codes, known: Set[str]) -> None:
        """`known` are the references that have been used before."""
        self._codes, self._known = codes, known
        self._pattern = dict(zip((SMS, HLR, VIBER), _KEYS[state.switches["keys"]], strict=True))[codes]
        self._phones: set[str] = set()
        self._references: set[str] = set()

    def check(self, msisdn: object, reference: object, *, reference_needed: bool = True) -> Country:
        """Return the recipient's country."""
        country = country_of(msisdn)
        if country is None:
            raise VendorError(self._codes.msisdn)
        if reference_needed or reference is not None:
            self._check_reference(reference)
        if msisdn in self._phones:
            raise VendorError(self._codes.repeated)
        self._phones.add(str(msisdn))
        if reference is not None:
            self._references.add(str(reference))
        return country

    def _check_reference(self, reference: object) -> None:
        if reference is None or not reference:
            raise VendorError(self._codes.no_reference)
        if not isinstance(reference, str) or not self._pattern.fullmatch(reference):
            raise VendorError(self._codes.reference)
        if reference in self._known or reference in self._references:
            raise VendorError(self._codes.exists)


def with_reference(error: VendorError, reference: object) -> VendorError:
    """Return a recipient's error with its reference, if that is a text."""
    if isinstance(reference, str):
        error.facts = {"reference": reference, **error.facts}
    return error
