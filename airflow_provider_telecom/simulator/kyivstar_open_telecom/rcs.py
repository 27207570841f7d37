"""RCS messages, in API v1: a text, a text with buttons, or a card. Duplicates are not detected."""

from __future__ import annotations

from collections.abc import Mapping

from airflow_provider_telecom.simulator.fields import (
    Field,
    between,
    is_filled_list,
    is_filled_text,
    is_object,
    one_of,
)
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom import fields
from airflow_provider_telecom.simulator.kyivstar_open_telecom.messages import (
    accept,
    check_sender,
    status,
    with_new_state,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method


def send(call: Call) -> JsonObject:
    """Accept a message. A duplicate is accepted too."""
    check_sender(call.state, call.body["from"])
    stages = with_new_state(call.state, ["accepted", "delivered", "seen"])
    content = call.body["contentExtendedRcs"]
    message = accept(call, "rcs", stages, "rcs", text=content.get("text"), content=content)
    call.charge(1)
    return {"reqId": call.request_id, "msgId": message.id}


def rcs_status(call: Call) -> JsonObject:
    """Return a message's status: accepted, delivered or seen."""
    return status(call, "rcs", "msgId")


def _body(content: Mapping[str, Field]) -> dict[str, Field]:
    return {
        "from": Field(is_filled_text),
        "to": Field(fields.is_msisdn),
        "messageTtlSec": Field(between(1, 2**31 - 1), required=False),
        "callbackNumber": Field(is_filled_text, required=False),
        "contentExtendedRcs": Field(is_object, inner=content),
    }


_TEXT = {"text": Field(is_filled_text)}
_SUGGESTION = {
    "type": Field(is_filled_text, required=False),
    "text": Field(is_filled_text, required=False),
    "openUrlAction": Field(fields.is_url, required=False),
}
_SUGGESTIONS = {"suggestions": Field(is_filled_list, required=False, items=_SUGGESTION)}
_MEDIA = {
    "height": Field(is_filled_text, required=False),
    "thumbnailUrl": Field(fields.is_url, required=False),
    "fileUrl": Field(fields.is_url, required=False),
}
_CONTENT = {
    "title": Field(is_filled_text, required=False),
    "description": Field(is_filled_text, required=False),
    "media": Field(is_object, required=False, inner=_MEDIA),
    **_SUGGESTIONS,
}
_CARD = {
    "thumbnailImageAlignment": Field(is_filled_text, required=False),
    "cardOrientation": Field(one_of("horizontal", "vertical"), required=False),
    "cardContent": Field(is_object, inner=_CONTENT),
}

METHODS = (
    Method("POST", "/rcs/text", send, _body(_TEXT)),
    Method("POST", "/rcs/suggestion", send, _body({**_TEXT, **_SUGGESTIONS})),
    Method("POST", "/rcs/richcard", send, _body({"standaloneCard": Field(is_object, inner=_CARD)})),
    Method("GET", "/rcs/{message_id}", rcs_status),
)
