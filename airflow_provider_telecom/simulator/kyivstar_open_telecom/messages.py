"""SMS and Viber messages. Each accepted message is paid for; duplicates are not detected."""

from __future__ import annotations

import re
from collections.abc import Sequence
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from airflow_provider_telecom.simulator.fields import Field, between, check, is_filled_text, is_object
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom import fields
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    NO_MESSAGE_STATUS,
    RefusedError,
    wrong,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import Channel, Message, VendorState
from airflow_provider_telecom.simulator.sms import segments

MAX_SEGMENTS = 6
MAX_VIBER_TEXT = 1000
_NEVER_ARRIVES = {
    "off": (),
    "unknown": ("blocked",),
    "late": ("expired", "delivered"),
    "on": ("expired",),
}


def check_sender(state: VendorState, sender: str) -> None:
    """Refuse an alpha name that is not approved."""
    if sender in state.refused_senders:
        raise wrong("from", "the alpha name is not approved")


def rfc3339(state: VendorState, moment: datetime) -> str:
    """Return a time as RFC 3339 with milliseconds."""
    if state.switches["date_form"] == "offset":
        return moment.astimezone(ZoneInfo("Europe/Kyiv")).isoformat(timespec="milliseconds")
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def send_sms(call: Call) -> JsonObject:
    """Accept an SMS. A duplicate is accepted too."""
    check_sender(call.state, call.body["from"])
    needed = segments(call.body["text"])
    if needed > call.body.get("maxSegments", MAX_SEGMENTS):
        raise wrong("text", f"takes {needed} segments")
    message = accept(call, "sms", ["accepted", "delivered"], "sms", segments=needed)
    call.charge(needed)
    return {"reqId": call.request_id, "msgId": message.id, "reservedSmsSegments": needed}


def send_transaction(call: Call) -> JsonObject:
    """Accept a Viber message. A text that matches no agreed template is charged as advertising."""
    fits = any(re.fullmatch(template, call.body["text"]) for template in call.state.viber_templates)
    return _viber(call, "viber_transaction", charged="transaction" if fits else "promotion")


def send_promotion(call: Call) -> JsonObject:
    """Accept a Viber advertisement: a text, a picture, or a text with a picture and a button."""
    extended = call.body.get("contentExtended", {})
    check(extended, _EXTENDED, fields.refuse, "contentExtended.")
    if "text" not in call.body and "img" not in extended:
        raise wrong("text", "required without a picture")
    if ("caption" in extended) != ("action" in extended):
        raise wrong("contentExtended", "a button takes both caption and action")
    if "action" in extended and "img" not in extended and call.state.switches.on("viber_button_picture"):
        raise wrong("contentExtended", "a button takes a picture")
    return _viber(call, "viber_promotion", charged="promotion", content_extended=extended)


def _viber(call: Call, kind: str, **facts: Any) -> JsonObject:
    check_sender(call.state, call.body["from"])
    message = accept(call, "viber", ["accepted", "delivered", "seen"], kind, **facts)
    call.charge(1)
    return {"reqId": call.request_id, "mid": message.id}


def accept(
    call: Call,
    channel: Channel,
    stages: Sequence[str],
    kind: str,
    bearers: Sequence[str] = (),
    order: JsonObject | None = None,
    **facts: Any,
) -> Message:
    """Take on a message: the body of the request, or one `order` of a batch."""
    body = order or call.body
    state, number = call.state, fields.msisdn(body["to"]) or ""
    now = state.simulator.clock.now()
    if number in state.unreachable:
        stages = [*stages[:1], *_NEVER_ARRIVES[state.switches["expired"]]]
    progression = state.simulator.start_progression(f"kyivstar_open_telecom.{channel}", stages)
    id_ = state.message_id(call.environment, number)
    message = Message(id_, call.environment, progression, "accepted", now, bearers)
    state.messages[channel][message.id] = message
    facts = {"sender": body.get("from"), "text": body.get("text"), **facts}
    call.record(kind, id=message.id, msisdn=number, **facts)
    return message


def sms_status(call: Call) -> JsonObject:
    """Return an SMS's status: accepted or delivered."""
    return status(call, "sms", "msgId")


def viber_status(call: Call) -> JsonObject:
    """Return a Viber message's status: accepted, delivered or seen."""
    return status(call, "viber", "mid")


def status(call: Call, channel: Channel, id_field: str) -> JsonObject:
    """Return the status of the message that the path names."""
    return {"reqId": call.request_id, **status_of(call, channel, call.path["message_id"], id_field)}


def status_of(call: Call, channel: Channel, id_: str, id_field: str) -> JsonObject:
    """Return the status of one message. Raises RefusedError if there is none."""
    message = find(call, channel, id_)
    now = call.state.simulator.clock.now()
    if message is None:
        return {id_field: id_, "status": "delivered", "date": rfc3339(call.state, now)}
    status = message.progression.poll()
    if status != message.status:
        message.status, message.changed = status, now
    if call.state.switches.on("late_status") and status == "accepted":
        raise _no_status()
    return {id_field: message.id, "status": status, "date": rfc3339(call.state, message.changed)}


def find(call: Call, channel: Channel, id_: str) -> Message | None:
    """Return a message of this server; None for one that only the mock server has a status for."""
    message = call.state.messages[channel].get(id_)
    if message is not None and message.environment == call.environment:
        return message
    if call.environment == "mock" and call.state.switches.on("mock_status"):
        return None
    raise _no_status()


def _no_status() -> RefusedError:
    return RefusedError(404, NO_MESSAGE_STATUS, "The message does not exist or is not delivered yet")


def with_new_state(state: VendorState, stages: Sequence[str]) -> Sequence[str]:
    """Return the stages of a message of API v1, with one that nobody knows if the switch says so."""
    return [*stages[:1], "routing", *stages[1:]] if state.switches.on("new_state") else stages


def is_viber_text(value: object) -> bool:
    """Return whether it is a text that Viber takes."""
    return is_filled_text(value) and len(str(value)) <= MAX_VIBER_TEXT


_SMS = {
    "from": Field(fields.is_alpha_name),
    "to": Field(fields.is_msisdn),
    "text": Field(is_filled_text),
    "maxSegments": Field(between(1, MAX_SEGMENTS), required=False),
    "messageTtlSec": Field(between(0, 86_400), required=False),
}
_TRANSACTION = {
    "from": Field(is_filled_text),
    "to": Field(fields.is_msisdn),
    "text": Field(is_viber_text),
    "messageTtlSec": Field(between(30, 1_209_600), required=False),
}
_EXTENDED = {
    "img": Field(fields.is_url, required=False),
    "caption": Field(is_filled_text, required=False),
    "action": Field(fields.is_url, required=False),
}
_PROMOTION = {
    **_TRANSACTION,
    "text": Field(is_viber_text, required=False),
    "contentExtended": Field(is_object, required=False),
}

METHODS = (
    Method("POST", "/sms", send_sms, _SMS),
    Method("GET", "/sms/{message_id}", sms_status),
    Method("POST", "/viber/transaction", send_transaction, _TRANSACTION),
    Method("POST", "/viber/promotion", send_promotion, _PROMOTION),
    Method("GET", "/viber/status/{message_id}", viber_status),
)
