"""The assets of webhooks, one for each event of a vendor. `airflow_provider_telecom.assets` has them by name.

A webhook is a hint, since no vendor signs its posts: ask the vendor before you act on it, as the operators of
this provider do.
"""

from __future__ import annotations

from typing import Any

from airflow.sdk import Asset

from airflow_provider_telecom.vendors.registry import find_vendor

INBOX = Asset(name="telecom-callbacks", uri="telecom://callbacks", group="telecom")
"""The asset whose state store holds what the receiver has stored. It has no events. Its name is older than
the word webhook, and stays because the rows of an earlier version belong to it."""


def event_asset(vendor: str, event: str) -> Asset:
    """Return the asset of a vendor's event. Raises ValueError if no webhook of the vendor has this event."""
    known = find_vendor(vendor)
    if known is None or not any(event in webhook.events for webhook in known.webhooks):
        raise ValueError(f"{vendor} has no webhook event {event}")
    name = f"telecom-{known.id}-{event}".replace("_", "-")
    return Asset(name=name, uri=f"telecom://{known.id}/{event}", group="telecom")


def task_asset(vendor: str, event: str) -> Asset:
    """Return the asset of what a task of a vendor reports."""
    return Asset(name=f"telecom-{vendor}-{event}", uri=f"telecom://{vendor}/{event}", group="telecom")


def event_payloads(event: Any) -> list[dict[str, Any]]:
    """Return what an asset event holds: the facts of each post, whether the receiver or a trigger has made
    it.

    The receiver makes one asset event of all posts that it writes together.
    """
    extra: dict[str, Any] = dict(event.extra or {})
    if extra.get("from_trigger"):
        return [dict(extra["payload"])]
    return [dict(payload) for payload in extra.get("reports", [extra])]
