"""How bills are made: the costs of each SIM in a month, and the two files of a bill."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.files import pdf, xlsx
from airflow_provider_telecom.simulator.novaconnect.models import Bill


def month_before(moment: int) -> str:
    """Return the month before that of a Unix time, as MM-YYYY: the period of a bill that is made then."""
    first = datetime.fromtimestamp(moment, UTC).replace(day=1)
    return (first - timedelta(days=1)).strftime("%m-%Y")


def usage_of(data: VendorData, period: str) -> dict[int, int]:
    """Return the costs of each SIM in a month (MM-YYYY) as reports show them, in 1/10,000 EUR."""
    month, year = map(int, period.split("-"))
    first, last = (
        int(datetime(*begin, 1, tzinfo=UTC).timestamp()) - data.utc_offset
        for begin in ((year, month), (year + month // 12, month % 12 + 1))
    )
    costs = [(one.sim, one.start, one.session_cost) for one in data.sessions]
    costs += [(one.sim, one.date, one.session_cost) for one in data.actions]
    charges: dict[int, int] = {}
    for sim, moment, cost in costs:
        if first <= moment < last:
            charges[sim] = charges.get(sim, 0) + round(cost * 10_000)
    return charges


def bill_pdf(bill: Bill) -> bytes:
    """Return the bill as a PDF."""
    shown = bill.shown()
    return pdf([f"Bill {bill.bid}", f"Period {bill.period}", f"Total {shown['valute_cost']} {bill.currency}"])


def transcript_xlsx(data: VendorData, bill: Bill) -> bytes:
    """Return the bill's transcript: a row for each SIM; the sum of their costs in EUR is that of the bill."""
    if bill.id in data.transcripts:
        return data.transcripts[bill.id]
    rows: list[list[str | float]] = [["ICCID", "Number", "Cost, EUR"]]
    rows += [[sim.iccid, sim.number, bill.charges.get(sim.id, 0) / 10_000] for sim in data.sims.values()]
    return xlsx(rows)
