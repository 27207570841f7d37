"""KetchUp's SMS: to one phone, one text to many, a text of its own to each; status, tasks, prices."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty import fields, reports
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import SMS, Refusal, refuse_known, single
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY, Country
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Delivery, Message, Task, VendorState
from airflow_provider_telecom.simulator.sms import segments

_WHOLE = {"destination", "validity", "tariff"}
_FIELDS = {
    "phone": _WHOLE | {"originator", "body", "msisdn", "reference"},
    "phones": _WHOLE | {"originator", "body", "phones"},
    "individual": _WHOLE | {"phones"},
}
_ENTRY_FIELDS = {
    "phones": {"msisdn", "reference"},
    "individual": {"msisdn", "reference", "originator", "body"},
}
_LONGEST_ORIGINATOR = 14
_MOST_SEGMENTS = 10
_OUTCOMES = {"9": "undeliverable", "8": "expired"}  # by the number's last digit
_BY_NETWORK = ("sent", "delivered", "undeliverable", "expired", "unknown")


@dataclass(slots=True)
class Draft:
    """One SMS that can be sent as it is asked for."""

    msisdn: str
    reference: str
    originator: str
    text: str
    country: Country
    price: Decimal


@dataclass
class Order:
    """A request to send or to price. Of its recipients, some may be refused."""

    destination: str
    validity: int
    tariff: int
    send_at: datetime | None
    lines: list[Draft | Refusal]

    @property
    def total(self) -> Decimal:
        """The price of all that can be sent, in EUR."""
        return sum((line.price for line in self.lines if isinstance(line, Draft)), Decimal(0))


async def create(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Send to one phone or to many."""
    order = _order(
        vendor_state, await fields.json_object(request, SMS.payload), vendor_state.references["sms"]
    )
    if order.destination == "phone" and isinstance(order.lines[0], Refusal):
        raise order.lines[0]
    refuse_known(order.lines, SMS, vendor_state.switches)
    vendor_state.admit(len(order.lines))
    vendor_state.pay(order.total)
    if order.destination == "phone":
        return _send_one(vendor_state, order)
    return _send_many(vendor_state, order)


async def price(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return what a sending would cost, without it. Recipients that would be refused cost nothing."""
    known = vendor_state.references["sms"] if vendor_state.switches.on("price_refuses_known") else {}
    order = _order(vendor_state, await fields.json_object(request, SMS.payload), known)
    drafts = [line for line in order.lines if isinstance(line, Draft)]
    if not drafts and isinstance(order.lines[0], Refusal):
        raise order.lines[0]
    return {"error": "0", "totalprice": str(order.total), "currency": CURRENCY}


async def by_any_id(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return an SMS by its id or reference, else a task by its id."""
    key = request.path_params["key"]
    message = vendor_state.by_id("sms", key) or vendor_state.by_reference("sms", key)
    if message is not None:
        return reports.read(vendor_state, message)
    if key in vendor_state.tasks:
        return _counts(vendor_state.tasks[key])
    raise Refusal(SMS.not_found)


async def by_reference(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return an SMS by its reference."""
    message = vendor_state.by_reference("sms", request.path_params["key"])
    if message is None:
        raise Refusal(SMS.not_found)
    return reports.read(vendor_state, message)


async def task(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return how far a mass sending has come."""
    key = request.path_params["key"]
    if not (key.isascii() and key.isdigit()):
        raise Refusal(29)
    if key not in vendor_state.tasks:
        raise Refusal(30)
    return _counts(vendor_state.tasks[key])


async def prices(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return the price list."""
    return fields.prices(vendor_state, "sms", request.path_params.get("tariff"))


def _order(vendor_state: VendorState, body: dict[str, Any], known: dict[str, Message]) -> Order:
    destination = body.get("destination")
    if destination == "addresbook":
        raise Refusal(4)  # announced by the document for the future, in this spelling
    if not isinstance(destination, str) or destination not in _FIELDS:
        raise Refusal(SMS.payload)
    kind = _kind_of(vendor_state, body, destination)
    time = _time_of(vendor_state, kind)
    fields.only(body, _FIELDS[kind] | {time}, SMS.payload)
    items = [body]
    if kind != "phone":
        items = fields.entries(body.get("phones"), _ENTRY_FIELDS[kind], SMS.payload)
    return Order(
        kind,
        fields.validity(body.get("validity", 72), 1, 72, 28),
        fields.tariff(vendor_state, body.get("tariff", 0)),
        fields.sending_time(vendor_state, body, time),
        _lines(vendor_state, body, kind, items, fields.Recipients(SMS, known)),
    )


def _kind_of(vendor_state: VendorState, body: dict[str, Any], destination: str) -> str:
    """Return what a body is: `destination` says it, unless individual SMS share that of others."""
    if vendor_state.switches["individual_destination"] == "individual":
        return destination
    if destination == "individual":
        raise Refusal(SMS.payload)
    return "individual" if destination == "phones" and "body" not in body else destination


def _time_of(vendor_state: VendorState, kind: str) -> str:
    chosen = vendor_state.switches["sending_time"]
    if chosen != "by_destination":
        return chosen
    return "scheduledDatetime" if kind == "individual" else "send_time"


def _lines(
    vendor_state: VendorState,
    body: dict[str, Any],
    kind: str,
    items: list[dict[str, Any]],
    recipients: fields.Recipients,
) -> list[Draft | Refusal]:
    """Return a line for each recipient. A wrong text for all refuses the request, one's own only that one."""
    if kind == "individual":
        return [_line(vendor_state, item, recipients) for item in items]
    originator, text = _originator(vendor_state, body), body.get("body")
    count = _segments(text)
    return [_draft(item, originator, text, count, recipients) for item in items]


def _line(vendor_state: VendorState, item: dict[str, Any], recipients: fields.Recipients) -> Draft | Refusal:
    text = item.get("body")
    try:
        return _draft(item, _originator(vendor_state, item), text, _segments(text), recipients)
    except Refusal as refusal:
        return fields.about(refusal, item.get("reference"))


def _draft(
    item: dict[str, Any], originator: str, text: Any, count: int, recipients: fields.Recipients
) -> Draft | Refusal:
    msisdn, reference = item.get("msisdn"), item.get("reference")
    try:
        country = recipients.check(msisdn, reference)
    except Refusal as refusal:
        return refusal if "destination" in item else fields.about(refusal, reference)
    return Draft(str(msisdn), str(reference), originator, text, country, country.sms * count)


def _originator(vendor_state: VendorState, item: dict[str, Any]) -> str:
    originator = item.get("originator")
    if not isinstance(originator, str) or not 1 <= len(originator) <= _LONGEST_ORIGINATOR:
        raise Refusal(25)
    if originator in vendor_state.refused_senders:
        raise Refusal(32)
    return originator


def _segments(text: Any) -> int:
    if not isinstance(text, str) or not text:
        raise Refusal(26)
    count = segments(text)
    if count > _MOST_SEGMENTS:
        raise Refusal(26)
    return count


def _send_one(vendor_state: VendorState, order: Order) -> dict[str, Any]:
    (draft,) = (line for line in order.lines if isinstance(line, Draft))
    message = _send(vendor_state, order, draft, None)
    created = {"error": "0", "id": message.id, "reference": message.reference}
    return single(created | {"price": str(message.price), "currency": CURRENCY}, vendor_state.switches)


def _send_many(vendor_state: VendorState, order: Order) -> dict[str, Any]:
    task_id = vendor_state.new_id()
    result: list[dict[str, Any]] = []
    messages: list[Message] = []
    for line in order.lines:
        if isinstance(line, Refusal):
            result.append(line.body(vendor_state.switches))
            continue
        message = _send(vendor_state, order, line, task_id)
        messages.append(message)
        result.append({
            "reference": message.reference,
            "id": message.id,
            "error": "0",
            "price": str(message.price),
            "currency": CURRENCY,
        })
    answer = {"result": result, "error": "0", "totalprice": str(order.total), "currency": CURRENCY}
    if messages:
        vendor_state.tasks[task_id] = _task(task_id, order, messages)
        answer["task_id"] = task_id
    return answer


def _task(task_id: str, order: Order, messages: list[Message]) -> Task:
    """Return the task of a mass sending. Individual SMS have no originator and text in common: both empty."""
    shared = order.destination == "phones"
    originator, text = (messages[0].originator, messages[0].text) if shared else ("", "")
    return Task(task_id, originator, text, order.validity, messages)


def _send(vendor_state: VendorState, order: Order, draft: Draft, task_id: str | None) -> Message:
    now = vendor_state.simulator.clock.now()
    stages = ("accepted", "sent", _OUTCOMES.get(draft.msisdn[-1], "delivered"))
    message = Message(
        id=vendor_state.new_id(),
        module="sms",
        msisdn=draft.msisdn,
        country=draft.country,
        price=draft.price,
        created=now,
        delivery=Delivery(vendor_state.simulator, "ketchup_loyalty.sms", stages, order.send_at or now),
        reference=draft.reference,
        originator=draft.originator,
        text=draft.text,
    )
    vendor_state.add(
        message,
        originator=draft.originator,
        text=draft.text,
        task_id=task_id,
        tariff=order.tariff,
        validity_hours=order.validity,
        send_at=order.send_at,
    )
    return message


def _counts(mailing: Task) -> dict[str, Any]:
    """Return a task's answer. `sent` counts all that the network took, whatever came of them."""
    counts = Counter(message.delivery.poll() for message in mailing.messages)
    counts["sent"] = sum(counts[status] for status in _BY_NETWORK)
    return {
        "error": "0",
        "originator": mailing.originator,
        "body": mailing.text,
        "validity": mailing.validity,
        **{status: str(counts[status]) for status in _BY_NETWORK},
        "totalprice": str(sum((message.price for message in mailing.messages), Decimal(0))),
        "currency": CURRENCY,
    }


ROUTES = (
    (("PUT", "POST"), "/rest/sms/create", create),
    (("PUT", "POST"), "/rest/sms/price", price),
    (("GET",), "/rest/sms/prices", prices),
    (("GET",), "/rest/sms/prices/{tariff}", prices),
    (("GET",), "/rest/sms/reference/{key}", by_reference),
    (("GET",), "/rest/sms/task/{key}", task),
    (("GET",), "/rest/sms/{key}", by_any_id),
)
