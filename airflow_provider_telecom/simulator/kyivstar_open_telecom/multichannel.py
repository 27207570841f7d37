"""Multichannel messages, in API v1: the channel with the lowest priority is tried first, then the next."""

from __future__ import annotations

from airflow_provider_telecom.simulator.fields import Field, between, is_filled_text, is_object
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom import fields
from airflow_provider_telecom.simulator.kyivstar_open_telecom.messages import (
    MAX_SEGMENTS,
    accept,
    check_sender,
    find,
    is_viber_text,
    rfc3339,
    status_of,
    with_new_state,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import wrong
from airflow_provider_telecom.simulator.sms import segments

_CONTENTS = {"smsContent": "sms", "viberContent": "viber"}


def send(call: Call) -> JsonObject:
    """Accept a message for one channel or more. A duplicate is accepted too."""
    contents = {bearer: call.body[name] for name, bearer in _CONTENTS.items() if name in call.body}
    if not contents:
        raise wrong("smsContent", "give at least one channel")
    for content in contents.values():
        check_sender(call.state, content["from"])
    priorities = [content["priority"] for content in contents.values()]
    if len(set(priorities)) < len(priorities):
        raise wrong("priority", "must differ")
    if "sms" in contents and segments(contents["sms"]["text"]) > MAX_SEGMENTS:
        raise wrong("smsContent.text", "is too long")
    viber = contents.get("viber", {})
    if ("caption" in viber) != ("action" in viber) or ("action" in viber and "img" not in viber):
        raise wrong("viberContent", "a button takes img, caption and action")
    order = sorted(contents, key=lambda bearer: contents[bearer]["priority"])
    number = fields.msisdn(call.body["to"])
    tried = next((place for place, bearer in enumerate(order) if _arrives(call, number, bearer)), None)
    bearers = order if tried is None else order[: tried + 1]
    stages = with_new_state(call.state, ["accepted", "delivered"])
    if tried is None and number not in call.state.unreachable:
        stages = [stages[0], "expired"]
    texts = {bearer: content["text"] for bearer, content in contents.items()}
    message = accept(
        call, "multichannel", stages, "multichannel", bearers, order=call.body, channels=order, texts=texts
    )
    call.charge(1)
    return {"multiMsgId": message.id}


def status(call: Call) -> JsonObject:
    """Return what became of a message, on the whole and on each channel that was tried."""
    found = status_of(call, "multichannel", call.path["message_id"], "multiMsgId")
    message = find(call, "multichannel", call.path["message_id"])
    if found["status"] in ("accepted", "routing"):
        return found
    bearers = ("sms", "viber") if message is None else message.bearers
    date = rfc3339(call.state, call.state.simulator.clock.now())
    reports = [
        {"bearerType": bearer, "date": date, "mid": call.state.new_id(), "state": "expired"}
        for bearer in bearers
    ]
    reports[-1]["state"] = found["status"]
    shown = call.state.switches["channel_reports"]
    if shown != "reports":
        found = {**found, "bearerType": bearers[-1]}
    return found if shown == "channel" else {**found, "reports": reports}


def _arrives(call: Call, number: str | None, bearer: str) -> bool:
    is_missing = bearer == "viber" and number in call.state.without_viber
    return number not in call.state.unreachable and not is_missing


_SMS = {
    "priority": Field(between(0, 100)),
    "from": Field(fields.is_alpha_name),
    "text": Field(is_filled_text),
    "messageTtlSec": Field(between(0, 86_400)),
    "callbackNumber": Field(is_filled_text, required=False),
}
_VIBER = {
    "priority": Field(between(0, 100)),
    "from": Field(is_filled_text),
    "promoType": Field(is_filled_text, required=False),
    "text": Field(is_viber_text),
    "messageTtlSec": Field(between(30, 1_209_600)),
    "img": Field(fields.is_url, required=False),
    "caption": Field(is_filled_text, required=False),
    "action": Field(fields.is_url, required=False),
}
_BODY = {
    "to": Field(fields.is_msisdn),
    "smsContent": Field(is_object, required=False, inner=_SMS),
    "viberContent": Field(is_object, required=False, inner=_VIBER),
}

METHODS = (
    Method("POST", "/messaging/multichannel", send, _BODY),
    Method("GET", "/messaging/multichannel/{message_id}", status),
)
