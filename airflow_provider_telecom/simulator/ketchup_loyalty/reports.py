"""What is told of a message, when asked for and, if a URL is given, unasked: KetchUp's delivery reports."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Any

from airflow_provider_telecom.simulator.ketchup_loyalty.answers import shaped
from airflow_provider_telecom.simulator.ketchup_loyalty.prices import CURRENCY
from airflow_provider_telecom.simulator.ketchup_loyalty.state import Message, VendorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender

TRIES = (0, 60, 360, 3_600, 43_200, 86_400)  # at once, then the document's five repeats


def read(vendor_state: VendorState, message: Message) -> dict[str, Any]:
    """Return what KetchUp answers about a message. Reading is a look: it may ripen the message."""
    status = message.delivery.poll()
    if message.delivery.final:
        _post(vendor_state, message, message.delivery.settled)
    return _shown(vendor_state, message, status, message.delivery.settled)


def promise(vendor_state: VendorState, message: Message) -> None:
    """See to it that a new message is reported when it comes to its end."""
    settling = message.delivery.settling()
    if settling is not None:
        _post(vendor_state, message, settling)


def _post(vendor_state: VendorState, message: Message, settled: datetime | None) -> None:
    """Post the final report, once, if somebody wants it. Viber's want a reference too."""
    if message.callback_url is None or message.reported or message.reference is None:
        return
    message.reported = True
    now = vendor_state.simulator.clock.now()
    delay = max(0.0, ((settled or now) - now).total_seconds())
    body = shaped(_shown(vendor_state, message, message.delivery.outcome, settled), vendor_state.switches)
    webhook_sender = vendor_state.simulator.vendor_state("webhook_sender", WebhookSender)
    webhook_sender.post(message.callback_url, body, tuple(delay + seconds for seconds in TRIES))


def _shown(
    vendor_state: VendorState, message: Message, status: str, settled: datetime | None
) -> dict[str, Any]:
    if message.module == "hlr":
        return _hlr(message, status, settled)
    facts: dict[str, Any] = {"error": "0"}
    if message.module == "sms" and vendor_state.switches.on("numbers"):
        facts["errorDescription"] = "No errors"
    if message.module == "sms" and not vendor_state.switches.on("no_id"):
        facts["id"] = message.id
    facts["msisdn"] = message.msisdn
    if message.reference is not None:
        facts["reference"] = message.reference
    return facts | {
        "time_in": vendor_state.naive(message.created),
        "time_sent": None
        if status in {"scheduled", "accepted"}
        else vendor_state.naive(message.delivery.start),
        "time_dr": vendor_state.naive(settled),
        "status": status,
        "price": str(message.price),
        "currency": CURRENCY,
    }


def _hlr(message: Message, status: str, settled: datetime | None) -> dict[str, Any]:
    ported, roaming = hlr_details(message, status)
    known = status in {"active", "absent"}
    return {
        "id": message.id,
        "reference": message.reference,
        "msisdn": message.msisdn,
        "network": message.country.mcc + message.country.mnc if known else "unknown",
        "status": status,
        "details": {"ported": ported, "roaming": roaming},
        "createdDatetime": message.created.isoformat(timespec="seconds"),
        "statusDatetime": _status_time(message, settled).isoformat(timespec="seconds"),
    }


def _status_time(message: Message, settled: datetime | None) -> datetime:
    """Return when the status came. A network takes a second, even if its answer is there at once."""
    return message.created if settled is None else max(settled, message.created + timedelta(seconds=1))


def hlr_details(message: Message, status: str) -> tuple[str, str]:
    """Return "1" or "0" for ported and roaming: an active number that ends in 1 is ported, in 2 it roams."""
    active = status == "active"
    return str(int(active and message.msisdn[-1] == "1")), str(int(active and message.msisdn[-1] == "2"))
