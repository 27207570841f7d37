"""Batches of SMS, in API v1. Each SMS is accepted or refused by itself; duplicates are not detected."""

from __future__ import annotations

from airflow_provider_telecom.simulator.fields import Field, check, is_filled_list, is_filled_text, is_object
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom import fields
from airflow_provider_telecom.simulator.kyivstar_open_telecom.messages import (
    MAX_SEGMENTS,
    accept,
    check_sender,
    status_of,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    TOO_LARGE,
    RefusedError,
    wrong,
)
from airflow_provider_telecom.simulator.sms import segments


def send(call: Call) -> JsonObject:
    """Accept the SMS of a batch, each under the client's name for it, and refuse those that are wrong."""
    orders = call.body["data"]
    if not orders or not all(isinstance(order, dict) for order in orders.values()):
        raise wrong("data")
    if len(orders) > call.state.batch_limit:
        raise RefusedError(413, TOO_LARGE, f"At most {call.state.batch_limit} messages in one request")
    faults = {name: fault for name, order in orders.items() if (fault := _fault(call, order)) is not None}
    if faults and call.state.switches["batch_errors"] == "whole":
        raise next(iter(faults.values()))
    known = call.state.batch_names if call.state.switches["batch_names"] == "account" else {}
    items = {}
    for name, order in orders.items():
        fault = faults.get(name)
        items[name] = known.get(name) or (_accepted(call, order) if fault is None else _refused(fault))
        if fault is None:
            known[name] = items[name]
    call.charge(sum(item.get("reservedSmsSegments", 0) for item in items.values()))
    return {"reqId": call.request_id, "data": items}


def status(call: Call) -> JsonObject:
    """Return the statuses of those SMS that have one."""
    found = {}
    for id_ in call.body["data"]:
        if not isinstance(id_, str):
            raise wrong("data")
        try:
            found[id_] = status_of(call, "sms", id_, "msgId")
        except RefusedError:
            continue
    return {"reqId": call.request_id, "data": found}


def _fault(call: Call, order: JsonObject) -> RefusedError | None:
    try:
        check(order, _ORDER, fields.refuse)
        check_sender(call.state, order["from"])
        if segments(order["text"]) > MAX_SEGMENTS:
            raise wrong("text", "is too long")
    except RefusedError as error:
        return error
    return None


def _accepted(call: Call, order: JsonObject) -> JsonObject:
    needed = segments(order["text"])
    message = accept(call, "sms", ["accepted", "delivered"], "sms", order=order, segments=needed)
    return {"msgId": message.id, "reservedSmsSegments": needed}


def _refused(fault: RefusedError) -> JsonObject:
    """Return a refusal within a batch: there the code is a text, as in a public client."""
    return {"errorCode": str(fault.code), "errorMsg": fault.text}


_ORDER = {
    "from": Field(fields.is_alpha_name),
    "to": Field(fields.is_msisdn),
    "text": Field(is_filled_text),
}

METHODS = (
    Method("POST", "/sms/batch", send, {"data": Field(is_object)}),
    Method("POST", "/sms/status/batch", status, {"data": Field(is_filled_list)}),
)
