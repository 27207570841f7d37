"""KetchUp's Viber messages: several messages to several recipients each; status, prices, reports."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Any

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty import fields, reports
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import VIBER, Refusal, refuse_known
from airflow_provider_telecom.simulator.ketchup_loyalty.books import Books, Delivery, Message
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY, Country

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


async def create(books: Books, request: Request) -> list[dict[str, Any]] | dict[str, Any]:
    """Send each message to each of its recipients."""
    order = _order(books, await fields.json_object(request, VIBER.payload), books.references["viber"])
    lines = [line for draft in order.drafts for line in draft.lines]
    refuse_known(lines, VIBER, books.switches)
    books.admit(len(lines))
    books.pay(order.total)
    sent = [_send_all(books, order, draft) for draft in order.drafts]
    return sent[0] if books.switches.on("viber_object") and len(sent) == 1 else sent


async def price(books: Books, request: Request) -> dict[str, Any]:
    """Return what a sending would cost, without it. Recipients that would be refused cost nothing."""
    known = books.references["viber"] if books.switches.on("price_refuses_known") else {}
    order = _order(books, await fields.json_object(request, VIBER.payload), known)
    lines = [line for draft in order.drafts for line in draft.lines]
    if isinstance(lines[0], Refusal) and all(isinstance(line, Refusal) for line in lines):
        raise lines[0]
    return {"error": "0", "totalprice": str(order.total), "currency": CURRENCY}


async def by_id(books: Books, request: Request) -> dict[str, Any]:
    """Return a message by its id."""
    return _found(books, books.by_id("viber", request.path_params["key"]))


async def by_reference(books: Books, request: Request) -> dict[str, Any]:
    """Return a message by its reference."""
    return _found(books, books.by_reference("viber", request.path_params["key"]))


async def prices(books: Books, request: Request) -> dict[str, Any]:
    """Return the price list."""
    return fields.prices(books, "viber", request.path_params.get("tariff"))


def _found(books: Books, message: Message | None) -> dict[str, Any]:
    if message is None:
        raise Refusal(VIBER.not_found)
    return reports.read(books, message)


def _order(books: Books, body: dict[str, Any], known: dict[str, Message]) -> Order:
    fields.only(body, _FIELDS, VIBER.payload)
    recipients = fields.Recipients(VIBER, known)
    items = fields.entries(body.get("messages"), _MESSAGE_FIELDS, VIBER.payload)
    return Order(
        fields.tariff(books, body.get("tariff", 0)),
        fields.validity(body.get("validity", 86_400), 15, 86_400, 48),
        [_draft(books, item, recipients) for item in items],
    )


def _draft(books: Books, item: dict[str, Any], recipients: fields.Recipients) -> Draft:
    promotional, callback_url = item.get("is_promotional", False), item.get("callback_url")
    if not isinstance(promotional, bool) or not isinstance(callback_url, str | None):
        raise Refusal(VIBER.payload)
    number = books.switches["viber_number"]
    to = fields.entries(item.get("to"), {number, *_key_names(books)}, VIBER.payload)
    return Draft(
        _text(item.get("text")),
        _alpha_name(books, item.get("alpha_name")),
        promotional,
        _options(item.get("options", {})),
        callback_url,
        fields.sending_time(books, item, "scheduledDatetime"),
        [_line(books, entry, recipients) for entry in to],
    )


def _text(text: Any) -> str:
    if not isinstance(text, str) or not 1 <= len(text) <= _LONGEST_TEXT:
        raise Refusal(46)
    return text


def _alpha_name(books: Books, alpha_name: Any) -> str:
    if not isinstance(alpha_name, str) or not alpha_name or alpha_name in books.refused_senders:
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


def _key_names(books: Books) -> set[str]:
    """Return the names that our key may have. The one that does not count is overlooked, or refused."""
    counts = "reference" if books.switches.on("viber_reference") else "external_id"
    return {counts} if books.switches.on("viber_strict") else {"external_id", "reference"}


def _line(books: Books, entry: dict[str, Any], recipients: fields.Recipients) -> Recipient | Refusal:
    """Return a recipient. With `viber_reference`, `reference` counts and `external_id` is overlooked."""
    key = "reference" if books.switches.on("viber_reference") else "external_id"
    if key == "external_id" and "reference" in entry and key not in entry:
        raise Refusal(VIBER.payload)
    number = books.switches["viber_number"]
    msisdn, reference = entry.get(number), entry.get(key)
    if number not in entry:
        raise Refusal(VIBER.payload)
    try:
        country = recipients.check(msisdn, reference, reference_needed=key in entry)
    except Refusal as refusal:
        return fields.about(refusal, reference)
    return Recipient(str(msisdn), reference, country)


def _send_all(books: Books, order: Order, draft: Draft) -> dict[str, Any]:
    messages = [
        line.body(books.switches)
        if isinstance(line, Refusal)
        else _created(books, _send(books, order, draft, line), place)
        for place, line in enumerate(draft.lines)
    ]
    return {"error": "0", "messages": messages, "total_price": str(draft.total), "currency": CURRENCY}


def _created(books: Books, message: Message, place: int) -> dict[str, Any]:
    echo = books.switches["viber_echo"]
    created = {"id": message.id, "price": str(message.price), "currency": CURRENCY}
    if message.reference is not None and (echo == "all" or (echo == "first" and place == 0)):
        created["reference"] = message.reference
    if books.switches.on("viber_item_error"):
        created["error"] = "0"
    return created


def _send(books: Books, order: Order, draft: Draft, recipient: Recipient) -> Message:
    now = books.town.clock.now()
    away = recipient.msisdn.endswith("9")
    stages = ("sent", "not-viber-user") if away else ("sent", "delivered", "read")
    message = Message(
        id=books.new_id(),
        module="viber",
        msisdn=recipient.msisdn,
        country=recipient.country,
        price=recipient.country.viber,
        created=now,
        delivery=Delivery(books.town, "ketchup.viber", stages, draft.send_at or now),
        reference=recipient.reference,
        originator=draft.alpha_name,
        text=draft.text,
        options=draft.options,
        callback_url=draft.callback_url,
    )
    books.add(
        message,
        originator=draft.alpha_name,
        text=draft.text,
        promotional=draft.promotional,
        options=draft.options,
        tariff=order.tariff,
        validity_seconds=order.validity,
        send_at=draft.send_at,
    )
    reports.promise(books, message)
    return message


ROUTES = (
    (("PUT", "POST"), "/rest/viber/create", create),
    (("PUT", "POST"), "/rest/viber/price", price),
    (("GET",), "/rest/viber/prices", prices),
    (("GET",), "/rest/viber/prices/{tariff}", prices),
    (("GET",), "/rest/viber/reference/{key}", by_reference),
    (("GET",), "/rest/viber/{key}", by_id),
)
