"""KetchUp's Viber messages: several messages to several recipients each; statuses."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty import arguments
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import (
    VIBER,
    JsonObject,
    VendorError,
    raise_if_known,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import (
    Draft,
    Line,
    Message,
    VendorState,
    receipt_stages,
    total,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.status import found, read_routes, schedule_webhook

_FIELDS = {"tariff", "validity", "messages"}
_MESSAGE_FIELDS = {
    *("to", "text", "callback_url", "alpha_name", "is_promotional", "options", "scheduledDatetime")
}
_OPTIONS = {"img", "caption", "action"}
_MAX_TEXT_LENGTH = 1000


@dataclass
class ViberMessage:
    """One message of a request. Some of its recipients may be refused, or the message as a whole."""

    promotional: bool
    send_at: datetime | None
    lines: list[Line]
    refusal: VendorError | None = None


@dataclass
class SendRequest:
    """A request to send or to price."""

    tariff: int
    validity: int
    messages: list[ViberMessage]

    @property
    def lines(self) -> list[Line]:
        """The recipients of all messages."""
        return [line for message in self.messages for line in message.lines]


async def create(state: VendorState, request: Request) -> list[JsonObject] | JsonObject:
    """Send each message to each of its recipients."""
    body = await arguments.json_object(request, VIBER.payload)
    asked = _read_request(state, body, state.references["viber"].keys())
    raise_if_known(asked.lines, VIBER, state.switches)
    state.accept(asked.lines)
    sent = [_send_all(state, asked, message) for message in asked.messages]
    if state.switches["viber_many"] == "one":
        sent = [_joined(sent, asked)]
    return sent[0] if state.switches.on("viber_object") and len(sent) == 1 else sent


async def price(state: VendorState, request: Request) -> JsonObject:
    """Return what sending would cost, without sending. Recipients that would be refused cost nothing."""
    known = state.references["viber"].keys() if state.switches.on("price_refuses_known") else set()
    lines = _read_request(state, await arguments.json_object(request, VIBER.payload), known).lines
    if isinstance(lines[0], VendorError) and not any(isinstance(line, Draft) for line in lines):
        raise lines[0]
    return {"error": "0", "totalprice": str(total(lines)), "currency": CURRENCY}


async def by_id(state: VendorState, request: Request) -> JsonObject:
    """Return a message by its id."""
    return found(state, "viber", state.by_id("viber", request.path_params["key"]))


def _read_request(state: VendorState, body: JsonObject, known: Set[str]) -> SendRequest:
    arguments.check_fields(body, _FIELDS, VIBER.payload)
    recipients = arguments.Recipients(state, VIBER, known)
    items = arguments.check_list(body.get("messages"), _MESSAGE_FIELDS, VIBER.payload)
    return SendRequest(
        arguments.check_tariff(state, body.get("tariff", 0)),
        arguments.check_validity(body.get("validity", 86_400), 15, 86_400, 48),
        [_message_or_refusal(state, item, recipients, len(items)) for item in items],
    )


def _message_or_refusal(
    state: VendorState, item: JsonObject, recipients: arguments.Recipients, count: int
) -> ViberMessage:
    """Return a message. With the switch a wrong one does not refuse the request."""
    try:
        return _message(state, item, recipients)
    except VendorError as error:
        to = item.get("to")
        is_alone = count == 1 and state.switches["viber_many"] == "list"  # then it is the same
        if is_alone or not state.switches.on("viber_message_error") or not isinstance(to, list):
            raise
        return ViberMessage(False, None, [error] * max(1, len(to)), error)


def _message(state: VendorState, item: JsonObject, recipients: arguments.Recipients) -> ViberMessage:
    promotional, callback_url = item.get("is_promotional", False), item.get("callback_url")
    if not isinstance(promotional, bool) or not isinstance(callback_url, str | None):
        raise VendorError(VIBER.payload)
    names = {state.switches["viber_number"], *_key_names(state)}
    to = arguments.check_list(item.get("to"), names, VIBER.payload)
    text = item.get("text")
    if not isinstance(text, str) or not 1 <= len(text) <= _MAX_TEXT_LENGTH:
        raise VendorError(46)
    content = (
        _alpha_name(state, item.get("alpha_name")),
        text,
        _options(item.get("options", {})),
        callback_url,
    )
    send_at = arguments.sending_time(state, item, "scheduledDatetime")
    return ViberMessage(promotional, send_at, [_line(state, entry, recipients, *content) for entry in to])


def _alpha_name(state: VendorState, alpha_name: object) -> str:
    if not isinstance(alpha_name, str) or not alpha_name or alpha_name in state.refused_senders:
        raise VendorError(45)
    return alpha_name


def _options(options: Any) -> dict[str, str]:
    """Return the picture, the button's text and its link, as far as they are given."""
    arguments.check_fields(options, {"viber"}, 49)
    viber = options.get("viber", {})
    arguments.check_fields(viber, _OPTIONS, 49)
    links = (viber.get("img", "https://"), viber.get("action", "https://"))
    if not all(isinstance(value, str) for value in viber.values()):
        raise VendorError(49)
    if not all(link.startswith(("http://", "https://")) for link in links):
        raise VendorError(49)
    return dict(viber)


def _key_name(state: VendorState) -> str:
    """Return the name of our key that counts."""
    return "reference" if state.switches.on("viber_reference") else "external_id"


def _key_names(state: VendorState) -> set[str]:
    """Return the names that our key may have. The one that does not count is ignored, or refused."""
    return {_key_name(state)} if state.switches.on("viber_strict") else {"external_id", "reference"}


def _line(
    state: VendorState,
    entry: JsonObject,
    recipients: arguments.Recipients,
    alpha_name: str,
    text: str,
    options: dict[str, str],
    callback_url: str | None,
) -> Line:
    """Return a recipient. Without a key there is no deduplication and no webhook."""
    key, number = _key_name(state), state.switches["viber_number"]
    has_other_key = key == "external_id" and "reference" in entry and key not in entry
    if has_other_key or number not in entry:
        raise VendorError(VIBER.payload)
    msisdn, reference = entry[number], entry.get(key)
    try:
        country = recipients.check(msisdn, reference, reference_needed=key in entry)
    except VendorError as error:
        return arguments.with_reference(error, reference)
    return Draft(
        "viber", str(msisdn), country, country.viber, reference, alpha_name, text, options, callback_url
    )


def _joined(sent: list[JsonObject], asked: SendRequest) -> JsonObject:
    """Return the results of several messages as if they were one message's."""
    results = [
        result
        for part, message in zip(sent, asked.messages, strict=True)
        for result in part.get("messages", [part] * len(message.lines))
    ]
    return {
        "error": "0",
        "messages": results,
        "total_price": str(total(asked.lines)),
        "currency": CURRENCY,
    }


def _send_all(state: VendorState, asked: SendRequest, message: ViberMessage) -> JsonObject:
    if message.refusal is not None:
        return message.refusal.body(state.switches)
    messages = [
        line.body(state.switches)
        if isinstance(line, VendorError)
        else _created(state, _send(state, asked, message, line), place)
        for place, line in enumerate(message.lines)
    ]
    price = str(total(message.lines))
    return {"error": "0", "messages": messages, "total_price": price, "currency": CURRENCY}


def _created(state: VendorState, message: Message, place: int) -> JsonObject:
    echo, reference = state.switches["viber_echo"], message.draft.reference
    created = {"id": message.id, "price": str(message.draft.price), "currency": CURRENCY}
    if reference is not None and (echo == "all" or (echo == "first" and place == 0)):
        created["reference"] = reference
    if state.switches.on("viber_item_error"):
        created["error"] = "0"
    return created


def _send(state: VendorState, asked: SendRequest, message: ViberMessage, draft: Draft) -> Message:
    has_no_viber = "9" in draft.msisdn[-2:]
    stages = ("sent", "not-viber-user") if has_no_viber else ("sent", "delivered", "read")
    sent = state.create(
        draft,
        receipt_stages(state.switches, draft.msisdn, stages),
        message.send_at,
        originator=draft.originator,
        text=draft.text,
        promotional=message.promotional,
        options=draft.options,
        tariff=asked.tariff,
        validity_seconds=asked.validity,
        send_at=message.send_at,
    )
    schedule_webhook(state, sent)
    return sent


ROUTES = (
    (("PUT", "POST"), "/rest/viber/create", create),
    (("PUT", "POST"), "/rest/viber/price", price),
    *read_routes("viber"),
    (("GET",), "/rest/viber/{key}", by_id),
)
