"""Bills: bill/list and the two files of bill/download."""

from __future__ import annotations

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
    share, rest = divmod(round(bill.cost * 100), len(books.sims))
    rows: list[list[str | float]] = [["ICCID", "Number", "Cost, EUR"]]
    for place, sim in enumerate(books.sims.values()):
        rows.append([sim.iccid, sim.number, (share + (place < rest)) / 100])
    return xlsx(rows)


METHODS = {"bill/list": Method(bill_list, PAGES)}
