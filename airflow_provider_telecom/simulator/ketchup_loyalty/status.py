"""The status of a message, when it is read and in KetchUp's webhooks, and the reads that all modules have."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

from fastapi import Request

from airflow_provider_telecom.simulator.ketchup_loyalty.arguments import check_tariff_path
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY, Module, price_list
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import (
    HLR,
    SMS,
    VIBER,
    JsonObject,
    VendorError,
    apply_switches,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Draft, Message, VendorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender

Handle = Callable[[VendorState, Request], Awaitable[object]]
Route = tuple[tuple[str, ...], str, Handle]

_TRIES = (0, 60, 360, 3_600, 43_200, 86_400)  # at once, then the document's five repetitions
_CODES = {"sms": SMS, "hlr": HLR, "viber": VIBER}


def read_routes(module: Module) -> tuple[Route, ...]:
    """Return the routes of a module's price list and of its statuses by reference."""

    async def prices(state: VendorState, request: Request) -> JsonObject:
        check_tariff_path(state, request.path_params.get("tariff"))
        return {"error": "0", "prices": price_list(module)}

    async def by_reference(state: VendorState, request: Request) -> JsonObject:
        return found(state, module, state.by_reference(module, request.path_params["key"]))

    return (
        (("GET",), f"/rest/{module}/prices", prices),
        (("GET",), f"/rest/{module}/prices/{{tariff}}", prices),
        (("GET",), f"/rest/{module}/reference/{{key}}", by_reference),
    )


def found(state: VendorState, module: Module, message: Message | None) -> JsonObject:
    """Return the response about a message, or the module's error for none. Polling may change its status."""
    if message is None:
        raise VendorError(_CODES[module].not_found)
    status = message.delivery.poll()
    if message.delivery.final:
        _post(state, message, message.delivery.finished)
    return _content(state, message, status, message.delivery.finished)


def schedule_webhook(state: VendorState, message: Message) -> None:
    """Send the webhook of a new message when its final status comes by time."""
    finish_time = message.delivery.finish_time()
    if finish_time is not None:
        _post(state, message, finish_time)


def _post(state: VendorState, message: Message, finished: datetime | None) -> None:
    """Send the final status, once, if there is an address. Viber's needs a reference too."""
    url = message.draft.callback_url
    if url is None or message.reported or message.draft.reference is None:
        return
    message.reported = True
    now = state.now()
    delay = max(0.0, ((finished or now) - now).total_seconds())
    body = apply_switches(_content(state, message, message.delivery.outcome, finished), state.switches)
    post_webhook(state, url, body, delay)


def post_webhook(state: VendorState, url: str, body: object, delay: float) -> None:
    """Post a webhook after `delay` seconds, and after each failure once more, as the document says."""
    sender = state.simulator.vendor_state("webhook_sender", WebhookSender)
    content_type = "application/json" if state.switches["webhook_type"] == "json" else None
    sender.post(url, body, tuple(delay + seconds for seconds in _TRIES), content_type)


def _content(state: VendorState, message: Message, status: str, finished: datetime | None) -> JsonObject:
    draft = message.draft
    if draft.module == "hlr":
        return _hlr_content(message, status, finished)
    facts: JsonObject = {"error": "0"}
    if draft.module == "sms" and state.switches.on("numbers"):
        facts["errorDescription"] = "No errors"
    if draft.module == "sms" and not state.switches.on("no_id"):
        facts["id"] = message.id
    facts["msisdn"] = draft.msisdn
    if draft.reference is not None:
        facts["reference"] = draft.reference
    is_waiting = status in {"scheduled", "accepted"}
    return facts | {
        "time_in": state.local_text(message.created),
        "time_sent": None if is_waiting else state.local_text(message.delivery.start),
        "time_dr": state.local_text(finished),
        "status": status,
        "price": str(draft.price),
        "currency": CURRENCY,
    }


def _hlr_content(message: Message, status: str, finished: datetime | None) -> JsonObject:
    draft = message.draft
    ported, roaming = hlr_details(draft, status)
    known = status in {"active", "absent"}
    # A network takes a second, even if its answer is there at once.
    status_time = (
        message.created if finished is None else max(finished, message.created + timedelta(seconds=1))
    )
    return {
        "id": message.id,
        "reference": draft.reference,
        "msisdn": draft.msisdn,
        "network": draft.country.mcc + draft.country.mnc if known else "unknown",
        "status": status,
        "details": {"ported": ported, "roaming": roaming},
        "createdDatetime": message.created.isoformat(timespec="seconds"),
        "statusDatetime": status_time.isoformat(timespec="seconds"),
    }


def hlr_details(draft: Draft, status: str) -> tuple[str, str]:
    """Return "1" or "0" for ported and roaming: an active number that ends in 1 is ported, in 2 roaming."""
    active = status == "active"
    return str(int(active and draft.msisdn[-1] == "1")), str(int(active and draft.msisdn[-1] == "2"))
