"""KetchUp's HLR look-ups: one by a multipart form, many by a JSON array; status, prices, reports."""

from __future__ import annotations

import json
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from fastapi import HTTPException, Request

from airflow_provider_telecom.simulator.ketchup_loyalty import fields, reports
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import HLR, Refusal, refuse_known, single
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY, Country
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Delivery, Message, VendorState

_FIELDS = {"msisdn", "reference", "tariff", "callback_url"}
_ACCEPTED = {"multipart": {"form", "raw"}, "form": {"form"}, "raw": {"raw"}, "json": {"json"}}
"""The forms of a body that are understood, by the switch `hlr_body`."""


@dataclass(slots=True)
class Draft:
    """One look-up that can be made as it is asked for."""

    msisdn: str
    reference: str
    tariff: int
    country: Country
    callback_url: str | None

    @property
    def price(self) -> Decimal:
        """What it costs, in EUR."""
        return self.country.hlr


async def create(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Look up one number (an object, or a form with its fields) or many (a list, or a form's payload)."""
    form = await _form_of(request)
    if form not in _ACCEPTED[vendor_state.switches["hlr_body"]]:
        raise Refusal(HLR.payload)
    if form != "form":
        content = await fields.json_body(request, HLR.payload)
        return _one(vendor_state, content) if isinstance(content, dict) else _many(vendor_state, content)
    sent = await _fields_of(request)
    if sent.keys() == {"payload"}:
        try:
            return _many(vendor_state, json.loads(sent["payload"]))
        except ValueError:
            raise Refusal(HLR.payload) from None
    if sent.get("tariff", "").isdecimal():
        return _one(vendor_state, {**sent, "tariff": int(sent["tariff"])})
    return _one(vendor_state, sent)


async def _form_of(request: Request) -> str:
    """Return how a body is posted: as JSON, as JSON under the content type of a form, or as a form."""
    is_json = (await request.body()).lstrip()[:1] in {b"[", b"{"}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if is_json:
        return "raw" if kind == "multipart/form-data" else "json"
    return "form" if kind == "multipart/form-data" else "another"


async def by_id(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return a look-up by its id, or, where that is the switch, by its reference."""
    key = request.path_params["key"]
    message = vendor_state.by_id("hlr", key)
    if message is None and vendor_state.switches["reference_path"] == "shared":
        message = vendor_state.by_reference("hlr", key)
    return _found(vendor_state, message)


async def by_reference(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return a look-up by its reference."""
    return _found(vendor_state, vendor_state.by_reference("hlr", request.path_params["key"]))


async def prices(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return the price list."""
    return fields.prices(vendor_state, "hlr", request.path_params.get("tariff"))


def _found(vendor_state: VendorState, message: Message | None) -> dict[str, Any]:
    if message is None:
        raise Refusal(HLR.not_found)
    return reports.read(vendor_state, message)


async def _fields_of(request: Request) -> dict[str, str]:
    """Return the text fields of a multipart form."""
    try:
        async with request.form() as content:
            pairs = content.multi_items()
    except HTTPException:
        raise Refusal(HLR.payload) from None
    form = {name: value for name, value in pairs if isinstance(value, str)}
    if len(form) != len(pairs):
        raise Refusal(HLR.payload)
    return form


def _one(vendor_state: VendorState, item: dict[str, Any]) -> dict[str, Any]:
    fields.only(item, _FIELDS, HLR.payload)
    draft = _draft(vendor_state, item, fields.Recipients(HLR, vendor_state.references["hlr"]))
    vendor_state.admit(1)
    vendor_state.pay(draft.price)
    message = _look_up(vendor_state, draft)
    created = {"error": "0", "id": message.id, "price": str(message.price), "currency": CURRENCY}
    return single(created, vendor_state.switches)


def _many(vendor_state: VendorState, payload: Any) -> dict[str, Any]:
    items = fields.entries(payload, _FIELDS, HLR.payload)
    if any("msisdn" not in item for item in items):
        raise Refusal(HLR.payload, "Incorrect payload: missing msisdn")
    recipients = fields.Recipients(HLR, vendor_state.references["hlr"])
    lines = [_line(vendor_state, item, recipients) for item in items]
    refuse_known(lines, HLR, vendor_state.switches)
    total = sum((line.price for line in lines if isinstance(line, Draft)), Decimal(0))
    vendor_state.admit(len(lines))
    vendor_state.pay(total)
    result = [
        line.body(vendor_state.switches)
        if isinstance(line, Refusal)
        else _created(_look_up(vendor_state, line))
        for line in lines
    ]
    return {"result": result, "error": "0", "totalprice": str(total), "currency": CURRENCY}


def _line(vendor_state: VendorState, item: dict[str, Any], recipients: fields.Recipients) -> Draft | Refusal:
    try:
        return _draft(vendor_state, item, recipients)
    except Refusal as refusal:
        return fields.about(refusal, item.get("reference"))


def _draft(vendor_state: VendorState, item: dict[str, Any], recipients: fields.Recipients) -> Draft:
    tariff = fields.tariff(vendor_state, item.get("tariff", 0))
    reference = item.get("reference")
    try:
        country = recipients.check(item.get("msisdn"), reference)
    except Refusal as refusal:
        if refusal.code == HLR.exists and reference in vendor_state.references["hlr"]:
            refusal.facts = {"id": vendor_state.references["hlr"][reference].id}
        raise
    return Draft(item["msisdn"], str(reference), tariff, country, _callback_url(vendor_state, item))


def _callback_url(vendor_state: VendorState, item: dict[str, Any]) -> str | None:
    """Return where to report to. A wrong URL is no error: the account's own takes its place."""
    url = item.get("callback_url")
    return (
        url if isinstance(url, str) and url.startswith(("http://", "https://")) else vendor_state.callback_url
    )


def _created(message: Message) -> dict[str, Any]:
    return {
        "reference": message.reference,
        "id": message.id,
        "error": "0",
        "price": str(message.price),
        "currency": CURRENCY,
    }


def _look_up(vendor_state: VendorState, draft: Draft) -> Message:
    now, first = vendor_state.simulator.clock.now(), vendor_state.switches["hlr_first_status"]
    message = Message(
        id=vendor_state.new_id(),
        module="hlr",
        msisdn=draft.msisdn,
        country=draft.country,
        price=draft.price,
        created=now,
        delivery=Delivery(
            vendor_state.simulator, "ketchup_loyalty.hlr", (first, _outcome(draft.msisdn)), now
        ),
        reference=draft.reference,
        callback_url=draft.callback_url,
    )
    vendor_state.add(message, tariff=draft.tariff)
    reports.promise(vendor_state, message)
    return message


def _outcome(msisdn: str) -> str:
    """Return how a look-up ends: a number in 9 is absent, in 88 failed, in another 8 unknown, else active."""
    if msisdn.endswith("88"):
        return "failed"
    return {"9": "absent", "8": "unknown"}.get(msisdn[-1], "active")


ROUTES = (
    (("PUT", "POST"), "/rest/hlr/create", create),
    (("GET",), "/rest/hlr/prices", prices),
    (("GET",), "/rest/hlr/prices/{tariff}", prices),
    (("GET",), "/rest/hlr/reference/{key}", by_reference),
    (("GET",), "/rest/hlr/{key}", by_id),
)
