"""The bodies that NovaConnect posts: webhooks of queues, and account notices."""

from __future__ import annotations

import base64

from airflow_provider_telecom.simulator.novaconnect.billing import bill_pdf
from airflow_provider_telecom.simulator.novaconnect.data import VendorData
from airflow_provider_telecom.simulator.novaconnect.models import Bill, JsonObject, Queue

SIM_NOTICES = {"msu_lock": "m", "package_empty": "p"}
BILL_NOTICES = ("generate_bill", "unpaid_bill_3", "unpaid_bill_5", "unpaid_bill_6")


def queue_body(data: VendorData, queue: Queue) -> JsonObject:
    """Return the documented body for the present state of a queue.

    With the switch `single_item`, `items` is the object of the SIM that was processed last.
    """
    items = [_queued_sim(data, queue, place) for place in range(len(queue.sims))]
    return {
        "qid": queue.id,
        "added": queue.added,
        "queue": queue.code,
        "handler": queue.callback_url,
        "items": items[len(queue.statuses) - 1] if data.switches.on("single_item") else items,
        "user": {
            "id": queue.user.id,
            "first_name": queue.user.first_name,
            "last_name": queue.user.last_name,
            "company_id": data.company["id"],
        },
        "status": _status(data, queue),
    }


def _queued_sim(data: VendorData, queue: Queue, place: int) -> JsonObject:
    status = queue.statuses[place] if place < len(queue.statuses) else "wait"
    return {**data.show_sim(data.sims[queue.sims[place]]), "queue_status": status}


def _status(data: VendorData, queue: Queue) -> JsonObject:
    count, process = len(queue.sims), len(queue.statuses)
    status = {"count": count, "process": process, "percentage": 100 * process // count}
    if data.switches.on("count_object"):
        return {name: {"value": value} for name, value in status.items()}
    return status


def notice_body(data: VendorData, kind: str) -> JsonObject:
    """Return the body of a notice about the SIMs with that block, the newest bill or the unpaid bills.

    Raises ValueError if `kind` is not a documented type.
    """
    if kind in SIM_NOTICES:
        sims = [data.show_sim(sim) for sim in data.sims.values() if sim.block == SIM_NOTICES[kind]]
        for sim in sims:
            del sim["groups"]  # by the document, a notice has none
        return {"type": kind, "items": sims}
    if kind not in BILL_NOTICES:
        raise ValueError(f"not a type of notice: {kind}")
    bills = [max(data.bills.values(), key=lambda bill: bill.added)]
    if kind != "generate_bill":
        bills = [bill for bill in data.bills.values() if not bill.paided]
    return {"type": kind, "files": [_file(bill) for bill in bills], "items": [bill.shown() for bill in bills]}


def _file(bill: Bill) -> dict[str, str]:
    body = base64.b64encode(bill_pdf(bill)).decode()
    return {"type": "base64", "format": "application/pdf", "name": f"{bill.bid}.pdf", "body": body}
