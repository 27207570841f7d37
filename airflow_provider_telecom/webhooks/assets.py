"""The assets whose events say that a vendor has told something: schedule Dags on them.

    @dag(schedule=[NOVACONNECT_PACKAGE_EMPTY])

An event holds one report or several (see `event_payloads`), and a report facts such as
`{"conn_id": "novaconnect_default", "sim_ids": [1001]}`: ids and states, never numbers or texts. It is a hint,
since no vendor signs its posts: ask the vendor before acting on it, as the operators of this provider do by
themselves.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow.sdk import Asset


def _asset(vendor: str, kind: str) -> Asset:
    name = f"telecom-{vendor}-{kind}".replace("_", "-")
    return Asset(name=name, uri=f"telecom://{vendor}/{kind}", group="telecom")


INBOX = Asset(name="telecom-callbacks", uri="telecom://callbacks", group="telecom")
"""Holds what was told until somebody who waits has read it. It has no events."""

NOVACONNECT_QUEUE = _asset("novaconnect", "queue")
"""An operation has been tried on all SIMs:
`{"conn_id", "queue_id", "operation", "process", "count", "failed"}`, where `failed` are the ids of SIMs that
it did not work for."""
NOVACONNECT_MSU_LOCK = _asset("novaconnect", "msu_lock")
"""SIMs were blocked for MSU: `{"conn_id", "type", "sim_ids"}`."""
NOVACONNECT_PACKAGE_EMPTY = _asset("novaconnect", "package_empty")
"""SIMs have used their package up: `{"conn_id", "type", "sim_ids"}`."""
NOVACONNECT_GENERATE_BILL = _asset("novaconnect", "generate_bill")
"""A bill was issued: `{"conn_id", "type", "bill_ids"}`."""
NOVACONNECT_UNPAID_BILL_3 = _asset("novaconnect", "unpaid_bill_3")
"""A bill is not paid on the third working day: `{"conn_id", "type", "bill_ids"}`."""
NOVACONNECT_UNPAID_BILL_5 = _asset("novaconnect", "unpaid_bill_5")
"""The same on the fifth."""
NOVACONNECT_UNPAID_BILL_6 = _asset("novaconnect", "unpaid_bill_6")
"""The same on the sixth, when the vendor blocks all SIMs."""
KETCHUP_HLR = _asset("ketchup_loyalty", "hlr")
"""A look-up has its result:
`{"conn_id", "hlr_id", "reference", "status", "network", "ported", "roaming"}`."""
KETCHUP_VIBER = _asset("ketchup_loyalty", "viber")
"""A Viber message is delivered, read, or never will be: `{"conn_id", "reference", "status"}`."""

EVENTS: Mapping[str, Asset] = {
    asset.name: asset
    for asset in (
        NOVACONNECT_QUEUE,
        NOVACONNECT_MSU_LOCK,
        NOVACONNECT_PACKAGE_EMPTY,
        NOVACONNECT_GENERATE_BILL,
        NOVACONNECT_UNPAID_BILL_3,
        NOVACONNECT_UNPAID_BILL_5,
        NOVACONNECT_UNPAID_BILL_6,
        KETCHUP_HLR,
        KETCHUP_VIBER,
    )
}
"""All of them by name, but for the inbox."""


def event_payloads(event: Any) -> list[dict[str, Any]]:
    """Return the reports of an asset event, whether the receiver or a watcher has made it.

    The receiver makes one event of all reports that it writes together.
    """
    extra: dict[str, Any] = dict(event.extra or {})
    if extra.get("from_trigger"):
        return [dict(extra["payload"])]
    return [dict(report) for report in extra.get("reports", [extra])]
