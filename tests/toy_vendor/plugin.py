"""Registers the toy vendor: `pytest -p tests.toy_vendor.plugin` runs the tests of all vendors with it."""

from __future__ import annotations

from pathlib import Path

from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.vendors.registry import register
from tests import endpoints
from tests.toy_vendor import VENDOR, simulated

register(VENDOR)
ACCOUNTS[VENDOR.id] = simulated.account()
endpoints.ROWS[VENDOR.id] = [
    endpoints.Row(
        VENDOR.id, "GET", "/balance", "R", "get_toy_balance", lambda hook, folder: ((), {}), "/balance$"
    )
]
endpoints.DOC_FOLDERS.append(Path(__file__).parent)
