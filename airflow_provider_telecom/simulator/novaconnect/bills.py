"""Bills: bill/list and the two files of bill/download."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.fields import PAGES
from airflow_provider_telecom.simulator.novaconnect.files import pdf, xlsx
from airflow_provider_telecom.simulator.novaconnect.models import Bill
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method, listing

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.state import VendorState


def bill_list(call: Call) -> dict[str, Any]:
    """Answer bill/list: the newest bill first."""
    newest = sorted(call.vendor_state.bills.values(), key=lambda bill: bill.added, reverse=True)
    return {**listing(call, newest, Bill.shown), "allow_operations": {}}


def bill_pdf(bill: Bill) -> bytes:
    """Return the bill as a PDF."""
    shown = bill.shown()
    return pdf([f"Bill {bill.bid}", f"Period {bill.period}", f"Total {shown['valute_cost']} {bill.currency}"])


def transcript_xlsx(vendor_state: VendorState, bill: Bill) -> bytes:
    """Return the bill's transcript: a row for each SIM, whose costs in EUR make up the bill."""
    if bill.id in vendor_state.transcripts:
        return vendor_state.transcripts[bill.id]
    rows: list[list[str | float]] = [["ICCID", "Number", "Cost, EUR"]]
    rows += [
        [sim.iccid, sim.number, bill.charges.get(sim.id, 0) / 10_000] for sim in vendor_state.sims.values()
    ]
    return xlsx(rows)


def usage_of(vendor_state: VendorState, period: str) -> dict[int, int]:
    """Return what each SIM has used in a month (MM-YYYY), as a bill's charges: all that reports show."""
    month, year = map(int, period.split("-"))
    first, last = (
        int(datetime(*begin, 1, tzinfo=UTC).timestamp()) - vendor_state.utc_offset
        for begin in ((year, month), (year + month // 12, month % 12 + 1))
    )
    costs = [(one.sim, one.start, one.cost) for one in vendor_state.sessions]
    costs += [(one.sim, one.date, one.cost) for one in vendor_state.actions]
    charges: dict[int, int] = {}
    for sim, moment, cost in costs:
        if first <= moment < last:
            charges[sim] = charges.get(sim, 0) + round(cost * 10_000)
    return charges


METHODS = {"bill/list": Method(bill_list, PAGES)}
