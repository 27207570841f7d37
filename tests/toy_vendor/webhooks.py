"""What the toy vendor's webhook says."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from airflow_provider_telecom.vendors.webhooks import WebhookEvent


def balance(nonce: str, value: Mapping[str, Any], body: bytes) -> WebhookEvent:
    """Return what a post about the balance says."""
    left = int(value["balance"])
    return WebhookEvent(
        subject=str(left), state="low", sequence=1, final=True, facts={"balance": left}, event="low_balance"
    )
