"""Bills: bill/list and the two files of bill/download."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.novaconnect.fields import PAGES
from airflow_provider_telecom.simulator.novaconnect.method import Call, Method, listing
from airflow_provider_telecom.simulator.novaconnect.papers import pdf, xlsx
from airflow_provider_telecom.simulator.novaconnect.records import Bill

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.novaconnect.books import Books


def bill_list(call: Call) -> dict[str, Any]:
    """Answer bill/list: the newest bill first."""
    newest = sorted(call.books.bills.values(), key=lambda bill: bill.added, reverse=True)
    return {**listing(call, newest, Bill.shown), "allow_operations": {}}


def bill_pdf(bill: Bill) -> bytes:
    """Return the bill as a PDF."""
    shown = bill.shown()
    return pdf([f"Bill {bill.bid}", f"Period {bill.period}", f"Total {shown['valute_cost']} {bill.currency}"])


def transcript_xlsx(books: Books, bill: Bill) -> bytes:
    """Return the bill's transcript: a row for each SIM, whose costs in EUR make up the bill."""
    if bill.id in books.transcripts:
        return books.transcripts[bill.id]
    rows: list[list[str | float]] = [["ICCID", "Number", "Cost, EUR"]]
    rows += [[sim.iccid, sim.number, bill.charges.get(sim.id, 0) / 10_000] for sim in books.sims.values()]
    return xlsx(rows)


def usage_of(books: Books, period: str) -> dict[int, int]:
    """Return what each SIM has used in a month (MM-YYYY), as a bill's charges: all that reports show."""
    month, year = map(int, period.split("-"))
    first, last = (
        int(datetime(*begin, 1, tzinfo=UTC).timestamp()) - books.utc_offset
        for begin in ((year, month), (year + month // 12, month % 12 + 1))
    )
    costs = [(one.sim, one.start, one.cost) for one in books.sessions]
    costs += [(one.sim, one.date, one.cost) for one in books.actions]
    charges: dict[int, int] = {}
    for sim, moment, cost in costs:
        if first <= moment < last:
            charges[sim] = charges.get(sim, 0) + round(cost * 10_000)
    return charges


METHODS = {"bill/list": Method(bill_list, PAGES)}
