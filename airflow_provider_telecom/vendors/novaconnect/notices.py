"""Status checks that replace account notices for networks that the vendor cannot reach.

They never end: their facts have, by the type of a notice, the ids of the SIMs or bills that it is about now.
Bills that are unpaid on some working day (unpaid_bill_3, 5 and 6) are not included: that depends on the
vendor's calendar.
"""

from __future__ import annotations

from airflow_provider_telecom.calls.endpoint import Call, call_of
from airflow_provider_telecom.vendors.novaconnect.bills import BillCalls
from airflow_provider_telecom.vendors.novaconnect.models import SimBlock
from airflow_provider_telecom.vendors.novaconnect.sims import SimCalls
from airflow_provider_telecom.vendors.novaconnect.webhooks import NoticeType
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

_BLOCKS = {NoticeType.MSU_LOCK: SimBlock.MSU, NoticeType.PACKAGE_EMPTY: SimBlock.PACKAGE}


def sims(api: SimCalls) -> Call[PollResult]:
    """Return which SIMs are blocked for MSU, and which because their package ran out.

    Reads the blocked SIMs once. A read. Source: "Список сим-карт", "Сим-карта".
    """
    blocked = yield from call_of(api.all_sims, blocked=True)
    found = {
        notice.value: [sim.id for sim in blocked if sim.block == block.value]
        for notice, block in _BLOCKS.items()
    }
    return PollResult(Stage.WAITING, found)


def bills(api: BillCalls) -> Call[PollResult]:
    """Return which bills exist. A read. Source: "Счета"."""
    found = yield from call_of(api.all_bills)
    return PollResult(Stage.WAITING, {NoticeType.GENERATE_BILL.value: [bill.id for bill in found]})
