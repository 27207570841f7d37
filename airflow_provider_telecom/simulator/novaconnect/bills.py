"""Bills: bill/list. The two files of bill/download are GET requests (see `routes`)."""

from __future__ import annotations

from airflow_provider_telecom.simulator.novaconnect.fields import PAGES
from airflow_provider_telecom.simulator.novaconnect.models import Bill, JsonObject
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method, listing


def bill_list(call: Call) -> JsonObject:
    """Answer bill/list: the newest bill first."""
    newest = sorted(call.state.bills.values(), key=lambda bill: bill.added, reverse=True)
    return {**listing(call, newest, Bill.shown), "allow_operations": {}}


METHODS = {"bill/list": Method(bill_list, PAGES)}
