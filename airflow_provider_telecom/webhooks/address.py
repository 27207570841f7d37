"""Addresses that vendors post to. Each is signed, so nobody can make one up.

    <base>/telecom/hook/<vendor>/<kind>/<connection id>/<nonce>/<signature>

No address contains the secret. An address for one message has a nonce of its own, so a leaked one is good for
that message only. The nonce of an address in a vendor's account settings is `account`.
"""

from __future__ import annotations

import hmac
from base64 import urlsafe_b64encode
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from typing import NamedTuple
from urllib.parse import quote, urlsplit

from airflow.sdk.configuration import conf

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import HideTraceback, Secret
from airflow_provider_telecom.vendors.registry import find_vendor
from airflow_provider_telecom.vendors.topics import ACCOUNT, topic_prefix

PREFIX = "/telecom"
_MIN_SECRET_LENGTH = 32
_SIGNATURE_BYTES = 24

Network = IPv4Network | IPv6Network


class WebhookAddress(NamedTuple):
    """The parts of an address. The signature covers each of them.

    `vendor` is the name in the address: in one that an earlier version has signed, the vendor's former id.
    """

    vendor: str
    kind: str
    conn_id: str
    nonce: str = ACCOUNT

    @property
    def vendor_id(self) -> str:
        """The vendor's present id."""
        known = find_vendor(self.vendor)
        return known.id if known else self.vendor

    @property
    def topic(self) -> str:
        """The topic of this address. Rows that belong to it are stored under it."""
        return f"{topic_prefix(self.vendor, self.kind, self.conn_id)}/{self.nonce}"

    @property
    def topic_prefix(self) -> str:
        """What the topics begin with that tasks wait for."""
        return topic_prefix(self.vendor_id, self.kind, self.conn_id)


class ReceiverSettings(NamedTuple):
    """The receiver's settings. The first secret signs addresses; the second one's are still valid."""

    base_url: str
    secrets: tuple[Secret, ...]
    sources: tuple[Network, ...] = ()
    """The networks that may post; without any, all."""
    proxies: tuple[Network, ...] = ()
    """The proxies whose `X-Forwarded-For` is trusted."""

    def url(self, address: WebhookAddress) -> str:
        """Return the URL of an address."""
        parts = (address.vendor, address.kind, address.conn_id, address.nonce)
        path = "/".join(quote(part, safe="") for part in parts)
        return f"{self.base_url}{PREFIX}/hook/{path}/{_signature(self.secrets[0], address)}"

    def is_signed(self, address: WebhookAddress, signature: str) -> bool:
        """Whether a signature is valid. All secrets are compared, so that the time reveals nothing."""
        given = signature.encode("utf-8", "replace")
        valid = [hmac.compare_digest(_signature(secret, address).encode(), given) for secret in self.secrets]
        return any(valid)


def read_receiver_settings() -> ReceiverSettings | None:
    """Return the receiver's settings in Airflow's configuration, or None if it is not configured.

    Raises TelecomInputError that names what is missing or invalid in the section `[telecom]`.
    """
    with HideTraceback():
        return _receiver()


def _receiver() -> ReceiverSettings | None:
    base_url, secret = _setting("public_base_url").rstrip("/"), _setting("webhook_secret")
    if not base_url and not secret:
        return None
    _check_base_url(base_url)
    previous = _setting("webhook_previous_secret")
    _check_secret("webhook_secret", secret)
    if previous:
        _check_secret("webhook_previous_secret", previous)
    secrets = tuple(Secret(text) for text in (secret, previous) if text)
    sources = "webhook_sources" if _setting("webhook_sources") else "callback_sources"  # its former name
    return ReceiverSettings(base_url, secrets, _networks(sources), _networks("trusted_proxies"))


def _networks(name: str) -> tuple[Network, ...]:
    """Return the networks that a setting lists, as in `198.51.100.0/24, 2001:db8::/32`."""
    try:
        return tuple(ip_network(part.strip()) for part in _setting(name).split(",") if part.strip())
    except ValueError:
        raise TelecomInputError(f"[telecom] {name}", "must be networks such as 198.51.100.0/24") from None


def _setting(name: str) -> str:
    return str(conf.get("telecom", name, fallback="") or "").strip()


def _check_base_url(url: str) -> None:
    field = "[telecom] public_base_url"
    try:
        parts = urlsplit(url)
        host = parts.hostname
    except ValueError:
        host = None
    if not host or parts.query or parts.fragment or parts.username is not None:
        raise TelecomInputError(field, "must be an address such as https://airflow.example.com")
    if parts.scheme != "https" and not (parts.scheme == "http" and _is_loopback(host)):
        raise TelecomInputError(field, "must begin with https:// (plain http is for loopback only)")


def _check_secret(name: str, secret: str) -> None:
    if len(secret) < _MIN_SECRET_LENGTH:
        raise TelecomInputError(f"[telecom] {name}", f"must have at least {_MIN_SECRET_LENGTH} characters")


def _is_loopback(host: str) -> bool:
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _signature(secret: Secret, address: WebhookAddress) -> str:
    signed = "\n".join(("telecom-1", address.vendor, address.kind, address.conn_id, address.nonce))
    digest = hmac.digest(secret.reveal().encode(), signed.encode(), "sha256")
    return urlsafe_b64encode(digest[:_SIGNATURE_BYTES]).decode()
