"""KetchUp's HLR look-ups: one by a multipart form, many by a JSON array; statuses."""

from __future__ import annotations

import json

from fastapi import HTTPException, Request

from airflow_provider_telecom.simulator.ketchup_loyalty import arguments
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import (
    HLR,
    JsonObject,
    VendorError,
    raise_if_known,
    single,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.sms import created
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Draft, Line, Message, VendorState
from airflow_provider_telecom.simulator.ketchup_loyalty.status import found, read_routes, schedule_webhook

_FIELDS = {"msisdn", "reference", "tariff", "callback_url"}
_FOUND = {"destination"}  # the public client of a twin of KetchUp sends it for one look-up
_ACCEPTED = {
    "multipart": {"form", "raw"},
    "form": {"form"},
    "raw": {"raw"},
    "any": {"form", "raw", "json"},
    "json": {"json"},
}
"""The formats of a body that are understood, by the switch `hlr_body`."""


async def create(state: VendorState, request: Request) -> JsonObject:
    """Look up one number (an object, or a form with its fields) or many (a list, or a form's payload)."""
    body_format = await _format_of(request)
    if body_format not in _ACCEPTED[state.switches["hlr_body"]]:
        raise VendorError(HLR.payload)
    if body_format != "form":
        content = await arguments.json_body(request, HLR.payload)
        return _create_one(state, content) if isinstance(content, dict) else _create_many(state, content)
    form = await _read_form(request)
    if form.keys() == {"payload"}:
        try:
            return _create_many(state, json.loads(form["payload"]))
        except ValueError:
            raise VendorError(HLR.payload) from None
    has_number = form.get("tariff", "").isdecimal()
    return _create_one(state, {**form, "tariff": int(form["tariff"])} if has_number else form)


async def _format_of(request: Request) -> str:
    """Return how a body is posted: as JSON, as JSON under the content type of a form, or as a form."""
    is_json = (await request.body()).lstrip()[:1] in {b"[", b"{"}
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if is_json:
        return "raw" if kind == "multipart/form-data" else "json"
    return "form" if kind == "multipart/form-data" else "another"


async def by_id(state: VendorState, request: Request) -> JsonObject:
    """Return a look-up by its id, or, with the switch, by its reference."""
    key = request.path_params["key"]
    message = state.by_id("hlr", key)
    if message is None and state.switches["reference_path"] == "shared":
        message = state.by_reference("hlr", key)
    return found(state, "hlr", message)


async def _read_form(request: Request) -> dict[str, str]:
    """Return the text fields of a multipart form."""
    try:
        async with request.form() as content:
            pairs = content.multi_items()
    except HTTPException:
        raise VendorError(HLR.payload) from None
    form = {name: value for name, value in pairs if isinstance(value, str)}
    if len(form) != len(pairs):
        raise VendorError(HLR.payload)
    return form


def _create_one(state: VendorState, item: JsonObject) -> JsonObject:
    arguments.check_fields(item, _FIELDS | _FOUND, HLR.payload)
    draft = _draft(state, item, arguments.Recipients(state, HLR, state.references["hlr"].keys()))
    state.accept([draft])
    result: JsonObject = created(_look_up(state, draft))
    del result["reference"]  # as in the document
    return single(result, state.switches)


def _create_many(state: VendorState, payload: object) -> JsonObject:
    items = arguments.check_list(payload, _FIELDS, HLR.payload)
    if any("msisdn" not in item for item in items):
        raise VendorError(HLR.payload, "Incorrect payload: missing msisdn")
    recipients = arguments.Recipients(state, HLR, state.references["hlr"].keys())
    lines = [_line(state, item, recipients) for item in items]
    raise_if_known(lines, HLR, state.switches)
    price = state.accept(lines)
    result = [
        line.body(state.switches) if isinstance(line, VendorError) else created(_look_up(state, line))
        for line in lines
    ]
    return {"result": result, "error": "0", "totalprice": str(price), "currency": CURRENCY}


def _line(state: VendorState, item: JsonObject, recipients: arguments.Recipients) -> Line:
    try:
        return _draft(state, item, recipients)
    except VendorError as error:
        return arguments.with_reference(error, item.get("reference"))


def _draft(state: VendorState, item: JsonObject, recipients: arguments.Recipients) -> Draft:
    tariff = arguments.check_tariff(state, item.get("tariff", 0))
    msisdn, reference, url = item.get("msisdn"), item.get("reference"), item.get("callback_url")
    try:
        country = recipients.check(msisdn, reference)
    except VendorError as error:
        if error.code == HLR.exists and (earlier := state.by_reference("hlr", str(reference))):
            error.facts = {"id": earlier.id}
        raise
    # A wrong URL is no error: the account's own takes its place.
    is_url = isinstance(url, str) and url.startswith(("http://", "https://"))
    callback_url = url if is_url else state.callback_url
    return Draft(
        "hlr", str(msisdn), country, country.hlr, str(reference), tariff=tariff, callback_url=callback_url
    )


def _look_up(state: VendorState, draft: Draft) -> Message:
    stages = (state.switches["hlr_first_status"], _outcome(draft.msisdn))
    message = state.create(draft, stages, tariff=draft.tariff)
    schedule_webhook(state, message)
    return message


def _outcome(msisdn: str) -> str:
    """Return how a look-up ends: numbers in 9 are absent, in 88 failed, in another 8 unknown, else active."""
    if msisdn.endswith("88"):
        return "failed"
    return {"9": "absent", "8": "unknown"}.get(msisdn[-1], "active")


ROUTES = (
    (("PUT", "POST"), "/rest/hlr/create", create),
    *read_routes("hlr"),
    (("GET",), "/rest/hlr/{key}", by_id),
)
