"""Assets of KetchUp's webhooks."""

from __future__ import annotations

from airflow_provider_telecom.webhooks.assets import event_asset

KETCHUP_HLR = event_asset("ketchup_loyalty", "hlr")
"""A look-up has its result:
`{"conn_id", "hlr_id", "reference", "status", "network", "ported", "roaming"}`."""
KETCHUP_VIBER = event_asset("ketchup_loyalty", "viber")
"""A Viber message is delivered or read, or never will be: `{"conn_id", "reference", "status"}`."""
KETCHUP_STATISTICS = event_asset("ketchup_loyalty", "statistics")
"""Statistics have come (experimental, "In Progress" in the document):
`{"conn_id", "callback_key", "messages", "statuses", "message_ids"}`. `callback_key` is that of the export, or
None at the account's address; `message_ids` is None for more than 100 messages."""
