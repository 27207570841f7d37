"""Promos: a draft, its audience in chunks, and a status that the client and the vendor change."""

from __future__ import annotations

import re

from airflow_provider_telecom.simulator.fields import Field, between, is_filled_list, is_filled_text, one_of
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom.fields import is_alpha_name, is_url, msisdn
from airflow_provider_telecom.simulator.kyivstar_open_telecom.messages import check_sender, rfc3339
from airflow_provider_telecom.simulator.kyivstar_open_telecom.promo_list import LIST_QUERY, page
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    BAD_PROMO_STATUS,
    NO_PROMO,
    TOO_LARGE,
    RefusedError,
    wrong,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import Promo, VendorState
from airflow_provider_telecom.simulator.sms import segments

MAX_CHUNK_SIZE = 20_000
NEXT_STATUSES = {
    "DRAFT": ["WAITING"],
    "WAITING": ["ACTIVE", "SUSPENDED"],
    "ACTIVE": ["COMPLETED", "SUSPENDED"],
    "SUSPENDED": ["WAITING"],
    "COMPLETED": [],
}
SETTABLE = ("WAITING", "SUSPENDED")
AUTHOR = "sim_author"


def create(call: Call) -> JsonObject:
    """Create a draft. Its text may contain ${1}, ${2} and so on."""
    check_sender(call.state, call.body["from"])
    if ("caption" in call.body) != ("action" in call.body):
        raise wrong("caption", "a button takes both caption and action")
    promo = _draft(call, call.state.new_id(), call.body["from"], call.body["text"])
    promo.campaign_type = call.body["campaignType"]
    call.state.promos[promo.id] = promo
    call.record(
        "promo_draft", id=promo.id, sender=promo.sender, text=promo.text, campaign_type=promo.campaign_type
    )
    return shown(call.state, promo)


def _draft(call: Call, id_: str, sender: str, text: str) -> Promo:
    return Promo(
        id_,
        call.environment,
        sender=sender,
        text=text,
        param_count=len(set(re.findall(r"\$\{([0-9]+)\}", text))),
        start=call.state.simulator.clock.now(),
    )


def _example(call: Call, id_: str) -> Promo:
    """Return the promo that the mock server has for an example's id: the same one for each request."""
    promo = _draft(call, id_, AUTHOR, "Hello ${1} ${2}")
    promo.campaign_type = "VIBER"
    promo.audience = [(f"3806700002{place:02}", ("John", "Smith")) for place in range(20)]
    return promo


def list_all(call: Call) -> JsonObject:
    """Return one page of this server's promos."""
    mine = [promo for promo in call.state.promos.values() if promo.environment == call.environment]
    for promo in mine:
        settle(call.state, promo, polling=True)
    promos, numbers = page(mine, call.query, call.state.switches)
    return {"reqId": call.request_id, "promos": [shown(call.state, promo) for promo in promos], **numbers}


def get(call: Call) -> JsonObject:
    """Return one promo with its current status."""
    promo = _found(call)
    settle(call.state, promo, polling=True)
    return _state(call, promo)


def add_audience(call: Call) -> JsonObject:
    """Append at most 20,000 recipients to a draft. A duplicate request appends them again."""
    promo = _found(call)
    if promo.status != "DRAFT":
        raise RefusedError(422, BAD_PROMO_STATUS, "The promo is not a draft")
    entries = call.body["audience"]
    if len(entries) > MAX_CHUNK_SIZE:
        raise RefusedError(413, TOO_LARGE, f"At most {MAX_CHUNK_SIZE} records in one request")
    promo.audience += [_recipient(entry, promo.param_count) for entry in entries]
    name = f"audience-{call.state.new_id()}"
    call.record("promo_audience", id=promo.id, name=name, count=len(entries))
    return {"reqId": call.request_id, "name": name}


def add_image(call: Call) -> JsonObject:
    """Add a picture to a draft of a Viber or RCS promo. A later one replaces it."""
    promo = _found(call)
    if promo.status != "DRAFT" or promo.campaign_type == "SMS":
        raise RefusedError(422, BAD_PROMO_STATUS, "The promo is not a draft that takes a picture")
    promo.image = call.file
    call.record("promo_image", id=promo.id, bytes=len(call.file))
    return {"reqId": call.request_id, "success": True}


def _recipient(entry: object, param_count: int) -> tuple[str, tuple[str, ...]]:
    if not isinstance(entry, dict) or not entry.keys() <= {"phoneNumber", "params"}:
        raise wrong("audience", "each record has phoneNumber and params")
    number, params = msisdn(entry.get("phoneNumber")), entry.get("params", [])
    if number is None:
        raise wrong("audience.phoneNumber")
    if not isinstance(params, list) or not all(isinstance(param, str) for param in params):
        raise wrong("audience.params")
    if len(params) != param_count:
        raise wrong("audience.params", f"the text has {param_count} parameters")
    return number, tuple(params)


def set_status(call: Call) -> JsonObject:
    """Put a promo into the queue, or stop it."""
    promo, wanted = _found(call), call.path["status"]
    settle(call.state, promo)
    if wanted not in SETTABLE or wanted not in NEXT_STATUSES[promo.status]:
        raise RefusedError(422, BAD_PROMO_STATUS, f"Cannot go from {promo.status} to {wanted}")
    if not promo.audience:
        raise RefusedError(422, BAD_PROMO_STATUS, "The audience is empty")
    promo.status = wanted
    if wanted == "SUSPENDED":
        promo.progression = None
        call.record("promo_suspended", id=promo.id)
    else:
        promo.progression = call.state.simulator.start_progression(
            "kyivstar_open_telecom.promo", ["WAITING", "ACTIVE", "COMPLETED"]
        )
    answer = _state(call, promo)
    settle(call.state, promo)
    return answer


def _state(call: Call, promo: Promo) -> JsonObject:
    """Return a promo, or only the fields that the document promises."""
    whole = shown(call.state, promo)
    if call.state.switches["promo_answer"] == "whole":
        return whole
    return {"reqId": call.request_id, **{name: whole[name] for name in ("status", "nextAvailableStatuses")}}


def settle(state: VendorState, promo: Promo, polling: bool = False) -> None:
    """Update the status of a queued promo, and record once that it has started to send."""
    if promo.progression is None:
        return
    stage = promo.progression.poll() if polling else promo.progression.stage
    if promo.status == "WAITING" and stage != "WAITING":
        left = len(promo.audience) - promo.sent
        promo.start = state.simulator.clock.now()
        state.simulator.record(
            "kyivstar_open_telecom", "promo_started", environment=promo.environment, id=promo.id, count=left
        )
    promo.status = stage
    if stage == "ACTIVE":
        promo.sent = max(promo.sent, len(promo.audience) // 2)
    if stage == "COMPLETED":
        promo.sent, promo.end = len(promo.audience), state.simulator.clock.now()
        promo.progression = None


def statistics(call: Call) -> JsonObject:
    """Return how many messages were sent, and their states."""
    promo = _found(call)
    settle(call.state, promo)
    undelivered = sum(number in call.state.unreachable for number, _ in promo.audience[: promo.sent])
    delivered = promo.sent - undelivered
    portions = delivered * segments(promo.text)
    return dict.fromkeys(_ZERO_COUNTS, 0) | {
        "sentCount": promo.sent,
        "deliveriesCount": delivered,
        "deliveriesPortionsCount": portions,
        "deliveriesInternalPortionsCount": portions,
        "undeliveredCount": undelivered,
        "wasNotSent": len(promo.audience) - promo.sent,
    }


def _found(call: Call) -> Promo:
    id_ = call.path["promo_id"]
    promo = call.state.promos.get(id_)
    if promo is None and _is_example(call, id_):
        promo = _example(call, id_)
    if promo is None or promo.environment != call.environment:
        raise RefusedError(404, NO_PROMO, "Not Found")
    return promo


def _is_example(call: Call, id_: str) -> bool:
    """Whether it is an id that the mock server knows without a draft before it."""
    is_known = re.fullmatch(r"[0-9]0000000-0000-0000-0000-0000000[0-9]{5}", id_)
    return call.environment == "mock" and call.state.switches.on("mock_status") and is_known is not None


def shown(state: VendorState, promo: Promo) -> JsonObject:
    """Return a promo as the vendor shows it."""
    return {
        "id": promo.id,
        "authorUsername": AUTHOR,
        "status": promo.status,
        "startDate": rfc3339(state, promo.start),
        "endDate": promo.end and rfc3339(state, promo.end),
        "textToSend": promo.text,
        "nextAvailableStatuses": NEXT_STATUSES[promo.status],
        "messageContent": {
            "messageParamCount": promo.param_count,
            "smsContent": {"text": promo.text, "sourceNumber": promo.sender},
        },
    }


_ZERO_COUNTS = (
    *("unmatchedCount", "deliveriesUnmatchedPortionsCount", "deliveriesExternalPortionsCount"),
    *("unknownStatusCount", "canceledByContactPolicyCount", "seenCount", "blacklistedCount"),
    *("declinedCount", "expiredCount"),
)
_DRAFT = {"from": Field(is_alpha_name), "text": Field(is_filled_text), "campaignType": Field(one_of("SMS"))}
_V1_DRAFT = {
    **_DRAFT,
    "campaignType": Field(one_of("SMS", "VIBER", "RCS")),
    "startDate": Field(is_filled_text, required=False),
    "action": Field(is_url, required=False),
    "caption": Field(is_filled_text, required=False),
    "title": Field(is_filled_text, required=False),
    "rcsContentType": Field(is_filled_text, required=False),
    "messageTtlSec": Field(between(30, 2**31 - 1), required=False),
}

_COMMON_METHODS = (
    Method("GET", "/promo", list_all, query=LIST_QUERY),
    Method("GET", "/promo/{promo_id}", get),
    Method("POST", "/promo/{promo_id}/audience", add_audience, {"audience": Field(is_filled_list)}),
    Method("PUT", "/promo/{promo_id}/status/{status}", set_status, {}),
    Method("GET", "/promo/{promo_id}/statistics", statistics),
)
METHODS = (Method("POST", "/promo", create, _DRAFT), *_COMMON_METHODS)
V1_METHODS = (
    Method("POST", "/promo", create, _V1_DRAFT),
    *_COMMON_METHODS,
    Method("POST", "/promo/{promo_id}/image", add_image, file="file"),
)
