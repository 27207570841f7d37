"""What account notices tell, seen in lists: for those whom no vendor can reach.

Each is a watch that never ends: its facts hold, by the type of a notice, the ids of what is so now. Bills
that are not paid on some working day (unpaid_bill_3, 5 and 6) are not among them: the vendor's calendar
decides.
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
    """Look which SIMs are blocked for MSU, and which as their package ran out.

    One reading of the blocked SIMs. A read. Source: "Список сим-карт", "Сим-карта".
    """
    blocked = yield from call_of(api.all_sims, blocked=True)
    found = {
        notice.value: [sim.id for sim in blocked if sim.block == block.value]
        for notice, block in _BLOCKS.items()
    }
    return PollResult(Stage.WAITING, found)


def bills(api: BillCalls) -> Call[PollResult]:
    """Look which bills there are. A read. Source: "Счета"."""
    found = yield from call_of(api.all_bills)
    return PollResult(Stage.WAITING, {NoticeType.GENERATE_BILL.value: [bill.id for bill in found]})
