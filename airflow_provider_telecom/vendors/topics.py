"""The topics under which webhooks are stored, and tasks wait for them."""

from __future__ import annotations

ACCOUNT = "account"
"""The nonce of addresses that are for a whole account, and not for one message or operation."""


def topic_prefix(vendor: str, kind: str, conn_id: str) -> str:
    """Return what all topics of a kind of webhook and a connection begin with; a key follows."""
    return f"{vendor}/{kind}/{conn_id}"
