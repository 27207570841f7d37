"""Account notices, as NovaConnect posts them to the web-hook of the customer's cabinet."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.bills import bill_pdf
from airflow_provider_telecom.simulator.novaconnect.models import Bill

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.state import VendorState

SIM_NOTICES = {"msu_lock": "m", "package_empty": "p"}
BILL_NOTICES = ("generate_bill", "unpaid_bill_3", "unpaid_bill_5", "unpaid_bill_6")


def notice(vendor_state: VendorState, kind: str) -> dict[str, Any]:
    """Return the body of a notice: about the SIMs with that block, the newest bill or the unpaid ones.

    Raises ValueError if `kind` is not a documented type.
    """
    if kind in SIM_NOTICES:
        return {"type": kind, "items": _sims(vendor_state, SIM_NOTICES[kind])}
    if kind not in BILL_NOTICES:
        raise ValueError(f"not a type of notice: {kind}")
    bills = [max(vendor_state.bills.values(), key=lambda bill: bill.added)]
    if kind != "generate_bill":
        bills = [bill for bill in vendor_state.bills.values() if not bill.paided]
    return {
        "type": kind,
        "files": [_file(bill) for bill in bills],
        "items": [bill.shown() for bill in bills],
    }


def _sims(vendor_state: VendorState, block: str) -> list[dict[str, Any]]:
    shown = [vendor_state.show_sim(sim) for sim in vendor_state.sims.values() if sim.block == block]
    for sim in shown:
        del sim["groups"]  # by the document, a notice leaves them out
    return shown


def _file(bill: Bill) -> dict[str, str]:
    body = base64.b64encode(bill_pdf(bill)).decode()
    return {"type": "base64", "format": "application/pdf", "name": f"{bill.bid}.pdf", "body": body}
