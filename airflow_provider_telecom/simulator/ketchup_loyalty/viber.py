"""KetchUp's Viber messages: several messages to several recipients each; status, prices, reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty import fields, reports
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import VIBER, Refusal, refuse_known
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY, Country
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Delivery, Message, VendorState

_FIELDS = {"tariff", "validity", "messages"}
_MESSAGE_FIELDS = {
    *("to", "text", "callback_url", "alpha_name", "is_promotional", "options", "scheduledDatetime")
}
_OPTIONS = {"img", "caption", "action"}
_LONGEST_TEXT = 1000


@dataclass(slots=True)
class Recipient:
    """One to whom the message can be sent. Without a reference there is no dedup and no report."""

    msisdn: str
    reference: str | None
    country: Country


@dataclass
class Draft:
    """One message to its recipients, of whom some may be refused."""

    text: str
    alpha_name: str
    promotional: bool
    options: dict[str, str]
    callback_url: str | None
    send_at: datetime | None
    lines: list[Recipient | Refusal]

    @property
    def total(self) -> Decimal:
        """The price of all that can be sent, in EUR."""
        return sum((line.country.viber for line in self.lines if isinstance(line, Recipient)), Decimal(0))


@dataclass
class Order:
    """A request to send or to price."""

    tariff: int
    validity: int
    drafts: list[Draft]

    @property
    def total(self) -> Decimal:
        """The price of all that can be sent, in EUR."""
        return sum((draft.total for draft in self.drafts), Decimal(0))


async def create(vendor_state: VendorState, request: Request) -> list[dict[str, Any]] | dict[str, Any]:
    """Send each message to each of its recipients."""
    order = _order(
        vendor_state, await fields.json_object(request, VIBER.payload), vendor_state.references["viber"]
    )
    lines = [line for draft in order.drafts for line in draft.lines]
    refuse_known(lines, VIBER, vendor_state.switches)
    vendor_state.admit(len(lines))
    vendor_state.pay(order.total)
    sent = [_send_all(vendor_state, order, draft) for draft in order.drafts]
    return sent[0] if vendor_state.switches.on("viber_object") and len(sent) == 1 else sent


async def price(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return what a sending would cost, without it. Recipients that would be refused cost nothing."""
    known = vendor_state.references["viber"] if vendor_state.switches.on("price_refuses_known") else {}
    order = _order(vendor_state, await fields.json_object(request, VIBER.payload), known)
    lines = [line for draft in order.drafts for line in draft.lines]
    if isinstance(lines[0], Refusal) and all(isinstance(line, Refusal) for line in lines):
        raise lines[0]
    return {"error": "0", "totalprice": str(order.total), "currency": CURRENCY}


async def by_id(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return a message by its id."""
    return _found(vendor_state, vendor_state.by_id("viber", request.path_params["key"]))


async def by_reference(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return a message by its reference."""
    return _found(vendor_state, vendor_state.by_reference("viber", request.path_params["key"]))


async def prices(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return the price list."""
    return fields.prices(vendor_state, "viber", request.path_params.get("tariff"))


def _found(vendor_state: VendorState, message: Message | None) -> dict[str, Any]:
    if message is None:
        raise Refusal(VIBER.not_found)
    return reports.read(vendor_state, message)


def _order(vendor_state: VendorState, body: dict[str, Any], known: dict[str, Message]) -> Order:
    fields.only(body, _FIELDS, VIBER.payload)
    recipients = fields.Recipients(VIBER, known)
    items = fields.entries(body.get("messages"), _MESSAGE_FIELDS, VIBER.payload)
    return Order(
        fields.tariff(vendor_state, body.get("tariff", 0)),
        fields.validity(body.get("validity", 86_400), 15, 86_400, 48),
        [_draft(vendor_state, item, recipients) for item in items],
    )


def _draft(vendor_state: VendorState, item: dict[str, Any], recipients: fields.Recipients) -> Draft:
    promotional, callback_url = item.get("is_promotional", False), item.get("callback_url")
    if not isinstance(promotional, bool) or not isinstance(callback_url, str | None):
        raise Refusal(VIBER.payload)
    number = vendor_state.switches["viber_number"]
    to = fields.entries(item.get("to"), {number, *_key_names(vendor_state)}, VIBER.payload)
    return Draft(
        _text(item.get("text")),
        _alpha_name(vendor_state, item.get("alpha_name")),
        promotional,
        _options(item.get("options", {})),
        callback_url,
        fields.sending_time(vendor_state, item, "scheduledDatetime"),
        [_line(vendor_state, entry, recipients) for entry in to],
    )


def _text(text: Any) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_TEXT:
        raise Refusal(46)
    return text


def _alpha_name(vendor_state: VendorState, alpha_name: Any) -> str:
    if not isinstance(alpha_name, str) or not alpha_name or alpha_name in vendor_state.refused_senders:
        raise Refusal(45)
    return alpha_name


def _options(options: Any) -> dict[str, str]:
    """Return the picture, the button's text and its link, as far as they are given."""
    fields.only(options, {"viber"}, 49)
    viber = options.get("viber", {})
    fields.only(viber, _OPTIONS, 49)
    links = (viber.get("img", "https://"), viber.get("action", "https://"))
    if not all(isinstance(value, str) for value in viber.values()):
        raise Refusal(49)
    if not all(link.startswith(("http://", "https://")) for link in links):
        raise Refusal(49)
    return dict(viber)


def _key_names(vendor_state: VendorState) -> set[str]:
    """Return the names that our key may have. The one that does not count is overlooked, or refused."""
    counts = "reference" if vendor_state.switches.on("viber_reference") else "external_id"
    return {counts} if vendor_state.switches.on("viber_strict") else {"external_id", "reference"}


def _line(
    vendor_state: VendorState, entry: dict[str, Any], recipients: fields.Recipients
) -> Recipient | Refusal:
    """Return a recipient. With `viber_reference`, `reference` counts and `external_id` is overlooked."""
    key = "reference" if vendor_state.switches.on("viber_reference") else "external_id"
    if key == "external_id" and "reference" in entry and key not in entry:
        raise Refusal(VIBER.payload)
    number = vendor_state.switches["viber_number"]
    msisdn, reference = entry.get(number), entry.get(key)
    if number not in entry:
        raise Refusal(VIBER.payload)
    try:
        country = recipients.check(msisdn, reference, reference_needed=key in entry)
    except Refusal as refusal:
        return fields.about(refusal, reference)
    return Recipient(str(msisdn), reference, country)


def _send_all(vendor_state: VendorState, order: Order, draft: Draft) -> dict[str, Any]:
    messages = [
        line.body(vendor_state.switches)
        if isinstance(line, Refusal)
        else _created(vendor_state, _send(vendor_state, order, draft, line), place)
        for place, line in enumerate(draft.lines)
    ]
    return {"error": "0", "messages": messages, "total_price": str(draft.total), "currency": CURRENCY}


def _created(vendor_state: VendorState, message: Message, place: int) -> dict[str, Any]:
    echo = vendor_state.switches["viber_echo"]
    created = {"id": message.id, "price": str(message.price), "currency": CURRENCY}
    if message.reference is not None and (echo == "all" or (echo == "first" and place == 0)):
        created["reference"] = message.reference
    if vendor_state.switches.on("viber_item_error"):
        created["error"] = "0"
    return created


def _send(vendor_state: VendorState, order: Order, draft: Draft, recipient: Recipient) -> Message:
    now = vendor_state.simulator.clock.now()
    away = recipient.msisdn.endswith("9")
    stages = ("sent", "not-viber-user") if away else ("sent", "delivered", "read")
    message = Message(
        id=vendor_state.new_id(),
        module="viber",
        msisdn=recipient.msisdn,
        country=recipient.country,
        price=recipient.country.viber,
        created=now,
        delivery=Delivery(vendor_state.simulator, "ketchup_loyalty.viber", stages, draft.send_at or now),
        reference=recipient.reference,
        originator=draft.alpha_name,
        text=draft.text,
        options=draft.options,
        callback_url=draft.callback_url,
    )
    vendor_state.add(
        message,
        originator=draft.alpha_name,
        text=draft.text,
        promotional=draft.promotional,
        options=draft.options,
        tariff=order.tariff,
        validity_seconds=order.validity,
        send_at=draft.send_at,
    )
    reports.promise(vendor_state, message)
    return message


ROUTES = (
    (("PUT", "POST"), "/rest/viber/create", create),
    (("PUT", "POST"), "/rest/viber/price", price),
    (("GET",), "/rest/viber/prices", prices),
    (("GET",), "/rest/viber/prices/{tariff}", prices),
    (("GET",), "/rest/viber/reference/{key}", by_reference),
    (("GET",), "/rest/viber/{key}", by_id),
)
