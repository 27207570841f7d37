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
    message = _accept(call, "sms", ["accepted", "delivered"], "sms", segments=needed)
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
    message = _accept(call, "viber", ["accepted", "delivered", "seen"], kind, **facts)
    return {"reqId": call.request_id, "mid": message.id}


def _accept(call: Call, channel: Channel, stages: Sequence[str], kind: str, **facts: Any) -> Message:
    state, number = call.state, fields.msisdn(call.body["to"]) or ""
    now = state.simulator.clock.now()
    if number in state.unreachable:
        stages = [stages[0], "expired"] if state.switches.on("expired") else stages[:1]
    progression = state.simulator.start_progression(f"kyivstar_open_telecom.{channel}", stages)
    message = Message(
        state.message_id(call.environment, number), call.environment, progression, "accepted", now
    )
    state.messages[channel][message.id] = message
    facts |= {"sender": call.body["from"], "text": call.body.get("text")}
    call.record(kind, id=message.id, msisdn=number, **facts)
    return message


def sms_status(call: Call) -> JsonObject:
    """Return an SMS's status: accepted or delivered."""
    return _status(call, "sms", "msgId")


def viber_status(call: Call) -> JsonObject:
    """Return a Viber message's status: accepted, delivered or seen."""
    return _status(call, "viber", "mid")


def _status(call: Call, channel: Channel, id_field: str) -> JsonObject:
    message = call.state.messages[channel].get(call.path["message_id"])
    if message is None or message.environment != call.environment:
        if call.environment == "mock" and call.state.switches.on("mock_status"):
            date = rfc3339(call.state, call.state.simulator.clock.now())
            id_ = call.path["message_id"]
            return {"reqId": call.request_id, id_field: id_, "status": "delivered", "date": date}
        raise _no_status()
    status = message.progression.poll()
    if status != message.status:
        message.status, message.changed = status, call.state.simulator.clock.now()
    if call.state.switches.on("late_status") and status == "accepted":
        raise _no_status()
    date = rfc3339(call.state, message.changed)
    return {"reqId": call.request_id, id_field: message.id, "status": status, "date": date}


def _no_status() -> RefusedError:
    return RefusedError(404, NO_MESSAGE_STATUS, "The message does not exist or is not delivered yet")


def _is_viber_text(value: object) -> bool:
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
    "text": Field(_is_viber_text),
    "messageTtlSec": Field(between(30, 1_209_600), required=False),
}
_EXTENDED = {
    "img": Field(fields.is_url, required=False),
    "caption": Field(is_filled_text, required=False),
    "action": Field(fields.is_url, required=False),
}
_PROMOTION = {
    **_TRANSACTION,
    "text": Field(_is_viber_text, required=False),
    "contentExtended": Field(is_object, required=False),
}

METHODS = (
    Method("POST", "/sms", send_sms, _SMS),
    Method("GET", "/sms/{message_id}", sms_status),
    Method("POST", "/viber/transaction", send_transaction, _TRANSACTION),
    Method("POST", "/viber/promotion", send_promotion, _PROMOTION),
    Method("GET", "/viber/status/{message_id}", viber_status),
)
