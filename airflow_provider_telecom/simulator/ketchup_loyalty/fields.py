"""The rules of KetchUp's request fields. What breaks one is refused with the code of its module."""

from __future__ import annotations

import json
import re
from collections.abc import Set
from datetime import datetime
from typing import Any

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty.answers import VIBER, Codes, Refusal
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import Country, Module, country_of, table
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Message, VendorState

_REFERENCE = re.compile(r"[a-zA-Z0-9]{1,32}")
_VIBER_KEY = re.compile(r"[a-zA-Z0-9_]{1,32}")  # the document's own sample is example_12
_ISO_8601 = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d)?)(?:\.\d+)?(?:(Z)|([+-]\d\d):?(\d\d))", re.ASCII)


async def json_body(request: Request, code: int) -> Any:
    """Return the request's JSON, whatever its content type says."""
    try:
        return json.loads(await request.body())
    except (ValueError, RecursionError):
        raise Refusal(code) from None


async def json_object(request: Request, code: int) -> dict[str, Any]:
    """Return the request's JSON object."""
    body = await json_body(request, code)
    if not isinstance(body, dict):
        raise Refusal(code)
    return body


def only(item: Any, fields: Set[str], code: int) -> None:
    """Refuse what is not an object, or has a field that is not known."""
    if not isinstance(item, dict) or not item.keys() <= fields:
        raise Refusal(code)


def entries(items: Any, fields: Set[str], code: int) -> list[dict[str, Any]]:
    """Return a list of objects, not empty, with known fields only."""
    if not isinstance(items, list) or not items:
        raise Refusal(code)
    for item in items:
        only(item, fields, code)
    return items


def tariff(vendor_state: VendorState, value: Any) -> int:
    """Return a tariff's number, 0 to 9."""
    if type(value) is not int:
        raise Refusal(7)
    if not 0 <= value <= 9:
        raise Refusal(6)
    if value in vendor_state.inactive_tariffs:
        raise Refusal(9)
    return value


def validity(value: Any, low: int, high: int, code: int) -> int:
    """Return how long a message is worth delivering: a whole number, low to high."""
    if type(value) is not int or not low <= value <= high:
        raise Refusal(code)
    return value


def sending_time(vendor_state: VendorState, body: dict[str, Any], field: str) -> datetime | None:
    """Return the aware time to send at, or None for now. It must be ISO 8601 with an offset, and not past."""
    if field not in body:
        return None
    found = _ISO_8601.fullmatch(body[field]) if isinstance(body[field], str) else None
    if not found:
        raise Refusal(10)
    local, zulu, hours, minutes = found.groups()
    try:
        moment = datetime.fromisoformat(local + ("+00:00" if zulu else f"{hours}:{minutes}"))
    except ValueError:
        raise Refusal(10) from None
    if moment < vendor_state.simulator.clock.now():
        raise Refusal(10)
    return moment


def prices(vendor_state: VendorState, module: Module, tariff_text: str | None) -> dict[str, Any]:
    """Return a module's price list; the tariff comes from the path."""
    if tariff_text is not None and not re.fullmatch(r"[0-9]", tariff_text):
        raise Refusal(6)
    if tariff_text is not None:
        tariff(vendor_state, int(tariff_text))
    return {"error": "0", "prices": table(module)}


class Recipients:
    """Checks the recipients of one request in turn: numbers, references, and that none comes twice."""

    def __init__(self, codes: Codes, known: dict[str, Message]) -> None:
        """`known` are the references that have been used before."""
        self._codes, self._known = codes, known
        self._pattern = _VIBER_KEY if codes is VIBER else _REFERENCE
        self._phones: set[str] = set()
        self._references: set[str] = set()

    def check(self, msisdn: Any, reference: Any, *, reference_needed: bool = True) -> Country:
        """Return the recipient's country."""
        country = country_of(msisdn)
        if country is None:
            raise Refusal(self._codes.msisdn)
        if reference_needed or reference is not None:
            self._check_reference(reference)
        if msisdn in self._phones:
            raise Refusal(self._codes.repeated)
        self._phones.add(msisdn)
        if reference is not None:
            self._references.add(reference)
        return country

    def _check_reference(self, reference: Any) -> None:
        if reference is None or not reference:
            raise Refusal(self._codes.no_reference)
        if not isinstance(reference, str) or not self._pattern.fullmatch(reference):
            raise Refusal(self._codes.reference)
        if reference in self._known or reference in self._references:
            raise Refusal(self._codes.exists)


def about(refusal: Refusal, reference: Any) -> Refusal:
    """Return a recipient's refusal with its reference, if it is a text."""
    if isinstance(reference, str):
        refusal.facts = {"reference": reference, **refusal.facts}
    return refusal
