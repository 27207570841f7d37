"""Addresses that vendors may post to: each is signed, so who does not hold one cannot make it up.

    <base>/telecom/hook/<vendor>/<kind>/<connection id>/<nonce>/<signature>

The secret stands in none of them. An address for one message has a nonce of its own, so one that leaks is
good for that message only; the nonce of an address that is put into a vendor's cabinet is `account`.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from urllib.parse import quote, urlsplit

from airflow.sdk.configuration import conf

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback, Secret
from airflow_provider_telecom.vendors.webhooks import ACCOUNT, topic_prefix

PREFIX = "/telecom"
ACCOUNT_WEBHOOKS = (("novaconnect", "notice"), ("ketchup_loyalty", "hlr"))
"""What is told to an address that stands in a vendor's cabinet."""

_SHORTEST_SECRET = 32
_SIGNATURE_BYTES = 24

Network = IPv4Network | IPv6Network


@dataclass(frozen=True)
class WebhookAddress:
    """Whom a post is from, by the path that it came to: each part is covered by the signature."""

    vendor: str
    kind: str
    conn_id: str
    nonce: str = ACCOUNT

    @property
    def topic(self) -> str:
        """What is waited for under this address."""
        return f"{self.scope}/{self.nonce}"

    @property
    def scope(self) -> str:
        """All that this kind tells about this connection."""
        return topic_prefix(self.vendor, self.kind, self.conn_id)


@dataclass(frozen=True)
class ReceiverSettings:
    """The receiver's settings. The first secret signs; posts signed with the second are taken as well."""

    base_url: str
    secrets: tuple[Secret, ...]
    sources: tuple[Network, ...] = ()
    """Where posts may come from; from anywhere if there is none."""
    proxies: tuple[Network, ...] = ()
    """Whose `X-Forwarded-For` is believed."""

    def url(self, address: WebhookAddress) -> str:
        """Return the URL of an address."""
        parts = (address.vendor, address.kind, address.conn_id, address.nonce)
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self.base_url}{PREFIX}/hook/{path}/{_signature(self.secrets[0], address)}"

    def knows(self, address: WebhookAddress, signature: str) -> bool:
        """Whether a signature is ours. All secrets are tried, in a time that tells nothing."""
        given = signature.encode("utf-8", "replace")
        found = [hmac.compare_digest(_signature(one, address).encode(), given) for one in self.secrets]
        return any(found)


def read_receiver_settings() -> ReceiverSettings | None:
    """Return the receiver that Airflow's configuration describes, or None when there is none.

    Raises TelecomInputError naming what is missing or unfit in its section `[telecom]`.
    """
    with HideTraceback():
        return _receiver()


def _receiver() -> ReceiverSettings | None:
    base_url, secret = _setting("public_base_url").rstrip("/"), _setting("webhook_secret")
    if not base_url and not secret:
        return None
    _check_base_url(base_url)
    older = _setting("webhook_previous_secret")
    _check_secret("webhook_secret", secret)
    if older:
        _check_secret("webhook_previous_secret", older)
    secrets = tuple(Secret(one) for one in (secret, older) if one)
    return ReceiverSettings(base_url, secrets, _networks("callback_sources"), _networks("trusted_proxies"))


def _networks(name: str) -> tuple[Network, ...]:
    """Return the networks that a setting lists, as in `198.51.100.0/24, 2001:db8::/32`."""
    try:
        return tuple(ip_network(one.strip()) for one in _setting(name).split(",") if one.strip())
    except ValueError:
        raise TelecomInputError(f"[telecom] {name}", "must be networks such as 198.51.100.0/24") from None


def _setting(name: str) -> str:
    return str(conf.get("telecom", name, fallback="") or "").strip()


def _check_base_url(url: str) -> None:
    field = "[telecom] public_base_url"
    try:
        parts = urlsplit(url)
        host = parts.hostname or ""
    except ValueError:
        host = ""
    if not host or parts.query or parts.fragment or parts.username is not None:
        raise TelecomInputError(field, "must be an address such as https://airflow.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise TelecomInputError(field, "must begin with https:// (plain http is for loopback only)")


def _check_secret(name: str, secret: str) -> None:
    if len(secret) < _SHORTEST_SECRET:
        raise TelecomInputError(f"[telecom] {name}", f"must have at least {_SHORTEST_SECRET} characters")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _signature(secret: Secret, address: WebhookAddress) -> str:
    said = "\n".join(("telecom-1", address.vendor, address.kind, address.conn_id, address.nonce))
    digest = hmac.digest(secret.reveal().encode(), said.encode(), "sha256")
    return urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
