"""Assets of KetchUp's webhooks."""

from __future__ import annotations

from airflow_provider_telecom.webhooks.assets import event_asset

KETCHUP_HLR = event_asset("ketchup_loyalty", "hlr")
"""A look-up has its result:
`{"conn_id", "hlr_id", "reference", "status", "network", "ported", "roaming"}`."""
KETCHUP_VIBER = event_asset("ketchup_loyalty", "viber")
"""A Viber message is delivered or read, or never will be: `{"conn_id", "reference", "status"}`."""
