"""KetchUp's SMS: to one phone, one text to many, a text of its own to each; statuses and batches."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence, Set
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty import arguments
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import (
    SMS,
    JsonObject,
    VendorError,
    raise_if_known,
    single,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import (
    Draft,
    Line,
    Message,
    Task,
    VendorState,
    receipt_stages,
    total,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.status import found, read_routes
from airflow_provider_telecom.simulator.sms import segments

_COMMON = {"destination", "validity", "tariff"}
_FIELDS = {
    "phone": _COMMON | {"originator", "body", "msisdn", "reference"},
    "phones": _COMMON | {"originator", "body", "phones"},
    "individual": _COMMON | {"phones"},
}
_ENTRY_FIELDS = {
    "phones": {"msisdn", "reference"},
    "individual": {"msisdn", "reference", "originator", "body"},
}
_MAX_ORIGINATOR_LENGTH = 14
_MAX_SEGMENTS = 10
_OUTCOMES = {"9": "undeliverable", "8": "expired"}  # by the number's last digit
_TAKEN_BY_NETWORK = ("sent", "delivered", "undeliverable", "expired", "unknown")


@dataclass
class SendRequest:
    """A request to send or to price. Some of its recipients may be refused."""

    destination: str
    validity: int
    tariff: int
    send_at: datetime | None
    lines: list[Line]


async def create(state: VendorState, request: Request) -> JsonObject:
    """Send to one phone or to many."""
    body = await arguments.json_object(request, SMS.payload)
    asked = _read_request(state, body, state.references["sms"].keys())
    if asked.destination == "phone" and isinstance(asked.lines[0], VendorError):
        raise asked.lines[0]
    raise_if_known(asked.lines, SMS, state.switches)
    price = state.accept(asked.lines)
    return _send_one(state, asked) if asked.destination == "phone" else _send_many(state, asked, price)


async def price(state: VendorState, request: Request) -> JsonObject:
    """Return what sending would cost, without sending. Recipients that would be refused cost nothing."""
    known = state.references["sms"].keys() if state.switches.on("price_refuses_known") else set()
    asked = _read_request(state, await arguments.json_object(request, SMS.payload), known)
    if isinstance(asked.lines[0], VendorError) and not any(isinstance(line, Draft) for line in asked.lines):
        raise asked.lines[0]
    return {"error": "0", "totalprice": str(total(asked.lines)), "currency": CURRENCY}


async def by_any_id(state: VendorState, request: Request) -> JsonObject:
    """Return an SMS by its id or reference, else a task by its id."""
    key = request.path_params["key"]
    message = state.by_id("sms", key) or state.by_reference("sms", key)
    if message is None and key in state.tasks:
        return _counts(state.tasks[key])
    return found(state, "sms", message)


async def task(state: VendorState, request: Request) -> JsonObject:
    """Return the counts of a batch."""
    key = request.path_params["key"]
    if not (key.isascii() and key.isdigit()):
        raise VendorError(29)
    if key not in state.tasks:
        raise VendorError(30)
    return _counts(state.tasks[key])


def _read_request(state: VendorState, body: JsonObject, known: Set[str]) -> SendRequest:
    destination = body.get("destination")
    if destination == "addresbook":
        raise VendorError(4)  # announced by the document for the future, in this spelling
    if not isinstance(destination, str) or destination not in _FIELDS:
        raise VendorError(SMS.payload)
    kind = _kind_of(state, body, destination)
    time_field = _time_field(state, kind)
    arguments.check_fields(body, _FIELDS[kind] | {time_field}, SMS.payload)
    items = [body]
    if kind != "phone":
        items = arguments.check_list(body.get("phones"), _ENTRY_FIELDS[kind], SMS.payload)
    return SendRequest(
        kind,
        arguments.check_validity(body.get("validity", 72), 1, 72, 28),
        arguments.check_tariff(state, body.get("tariff", 0)),
        arguments.sending_time(state, body, time_field),
        _lines(state, body, kind, items, arguments.Recipients(state, SMS, known)),
    )


def _kind_of(state: VendorState, body: JsonObject, destination: str) -> str:
    """Return what a body is: its `destination`, unless individual SMS share that of others."""
    if state.switches["individual_destination"] == "individual":
        return destination
    if destination == "individual":
        raise VendorError(SMS.payload)
    return "individual" if destination == "phones" and "body" not in body else destination


def _time_field(state: VendorState, kind: str) -> str:
    chosen = state.switches["sending_time"]
    if chosen != "by_destination":
        return chosen
    return "scheduledDatetime" if kind == "individual" else "send_time"


def _lines(
    state: VendorState,
    body: JsonObject,
    kind: str,
    items: Sequence[JsonObject],
    recipients: arguments.Recipients,
) -> list[Line]:
    """Return a line for each recipient. A wrong text for all refuses the request, one's own only that one."""
    if kind == "individual":
        return [_individual_line(state, item, recipients) for item in items]
    content = _originator(state, body), body.get("body"), _segments(body.get("body"))
    return [_line(item, *content, recipients) for item in items]


def _individual_line(state: VendorState, item: JsonObject, recipients: arguments.Recipients) -> Line:
    text = item.get("body")
    try:
        return _line(item, _originator(state, item), text, _segments(text), recipients)
    except VendorError as error:
        return arguments.with_reference(error, item.get("reference"))


def _line(
    item: JsonObject, originator: str, text: object, count: int, recipients: arguments.Recipients
) -> Line:
    msisdn, reference = item.get("msisdn"), item.get("reference")
    try:
        country = recipients.check(msisdn, reference)
    except VendorError as error:
        return error if "destination" in item else arguments.with_reference(error, reference)
    return Draft("sms", str(msisdn), country, country.sms * count, str(reference), originator, str(text))


def _originator(state: VendorState, item: JsonObject) -> str:
    originator = item.get("originator")
    if not isinstance(originator, str) or not 1 <= len(originator) <= _MAX_ORIGINATOR_LENGTH:
        raise VendorError(25)
    if originator in state.refused_senders:
        raise VendorError(32)
    return originator


def _segments(text: object) -> int:
    if not isinstance(text, str) or not text or (count := segments(text)) > _MAX_SEGMENTS:
        raise VendorError(26)
    return count


def _send_one(state: VendorState, asked: SendRequest) -> JsonObject:
    (draft,) = (line for line in asked.lines if isinstance(line, Draft))
    return single(created(_send(state, asked, draft, None)), state.switches)


def _send_many(state: VendorState, asked: SendRequest, price: Decimal) -> JsonObject:
    task_id = state.new_id()
    result: list[JsonObject] = []
    messages: list[Message] = []
    for line in asked.lines:
        if isinstance(line, VendorError):
            result.append(line.body(state.switches))
            continue
        messages.append(_send(state, asked, line, task_id))
        result.append(created(messages[-1]))
    answer = {"result": result, "error": "0", "totalprice": str(price), "currency": CURRENCY}
    if messages:
        state.tasks[task_id] = _task(task_id, asked, messages)
        answer["task_id"] = task_id
    return answer


def _task(task_id: str, asked: SendRequest, messages: list[Message]) -> Task:
    """Return the batch of a request. Individual SMS have no common originator and text: both are empty."""
    first = messages[0].draft
    originator, text = (first.originator, first.text) if asked.destination == "phones" else ("", "")
    return Task(task_id, originator, text, asked.validity, messages)


def _send(state: VendorState, asked: SendRequest, draft: Draft, task_id: str | None) -> Message:
    stages = ("accepted", "sent", _OUTCOMES.get(draft.msisdn[-1], "delivered"))
    return state.create(
        draft,
        receipt_stages(state.switches, draft.msisdn, stages),
        asked.send_at,
        originator=draft.originator,
        text=draft.text,
        task_id=task_id,
        tariff=asked.tariff,
        validity_hours=asked.validity,
        send_at=asked.send_at,
    )


def created(message: Message) -> dict[str, str | None]:
    """Return the result of one SMS or look-up."""
    return {
        "reference": message.draft.reference,
        "id": message.id,
        "error": "0",
        "price": str(message.draft.price),
        "currency": CURRENCY,
    }


def _counts(task: Task) -> JsonObject:
    """Return the response about a batch. `sent` counts all that the network has taken."""
    counts = Counter(message.delivery.poll() for message in task.messages)
    counts["sent"] = sum(counts[status] for status in _TAKEN_BY_NETWORK)
    return {
        "error": "0",
        "originator": task.originator,
        "body": task.text,
        "validity": task.validity,
        **{status: str(counts[status]) for status in _TAKEN_BY_NETWORK},
        "totalprice": str(total(message.draft for message in task.messages)),
        "currency": CURRENCY,
    }


ROUTES = (
    (("PUT", "POST"), "/rest/sms/create", create),
    (("PUT", "POST"), "/rest/sms/price", price),
    *read_routes("sms"),
    (("GET",), "/rest/sms/task/{key}", task),
    (("GET",), "/rest/sms/{key}", by_any_id),
)
