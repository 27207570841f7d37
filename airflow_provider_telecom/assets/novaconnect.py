"""Assets of NovaConnect's webhooks."""

from __future__ import annotations

from airflow_provider_telecom.webhooks.assets import event_asset, task_asset

NOVACONNECT_QUEUE = event_asset("novaconnect", "queue")
"""An operation was tried on all SIMs:
`{"conn_id", "queue_id", "operation", "process", "count", "failed"}`, where `failed` are ids of SIMs."""
NOVACONNECT_MSU_LOCK = event_asset("novaconnect", "msu_lock")
"""SIMs were blocked for MSU: `{"conn_id", "type", "sim_ids"}`."""
NOVACONNECT_PACKAGE_EMPTY = event_asset("novaconnect", "package_empty")
"""SIMs have used up their package: `{"conn_id", "type", "sim_ids"}`."""
NOVACONNECT_GENERATE_BILL = event_asset("novaconnect", "generate_bill")
"""A bill was issued: `{"conn_id", "type", "bill_ids"}`."""
NOVACONNECT_UNPAID_BILL_3 = event_asset("novaconnect", "unpaid_bill_3")
"""A bill is not paid on the third working day: `{"conn_id", "type", "bill_ids"}`."""
NOVACONNECT_UNPAID_BILL_5 = event_asset("novaconnect", "unpaid_bill_5")
"""The same on the fifth."""
NOVACONNECT_UNPAID_BILL_6 = event_asset("novaconnect", "unpaid_bill_6")
"""The same on the sixth, when the vendor blocks all SIMs."""
NOVACONNECT_FLEET_DRIFT = task_asset("novaconnect", "fleet-drift")
"""`NovaConnectFleetOperator(mode="drift")` has found a fleet that is not in its desired state: the event's
`extra` is its XCom and `conn_id`, counts without ids. No webhook of the vendor reports it."""
