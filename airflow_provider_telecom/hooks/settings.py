"""Reads an Airflow connection strictly: errors name the field."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Generic, Protocol, TypeVar
from urllib.parse import urlsplit, urlunsplit

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.transport.wire import TransportOptions
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.options import Options, read_options

OptionsT = TypeVar("OptionsT", bound=Options)

_FIT_FOR_A_HEADER = re.compile(r"[!-~]([ -~]*[!-~])?")


class AirflowConnection(Protocol):
    """The attributes of a connection that are read. Airflow has several classes of connections."""

    conn_id: str
    conn_type: str | None
    host: str | None
    login: str | None
    password: str | None
    port: int | None
    schema: str | None
    extra: str | None


@dataclass(frozen=True)
class Settings(Generic[OptionsT]):
    """A checked connection. Equal settings share tokens, limits and HTTP connections."""

    transport_options: TransportOptions
    credentials: Credentials
    options: OptionsT


def read_settings(
    connection: AirflowConnection, conn_type: str, options: type[OptionsT], needs_login: bool
) -> Settings[OptionsT]:
    """Return the settings of a connection. Raises TelecomInputError that names the first wrong field."""
    if connection.conn_type != conn_type:
        raise TelecomInputError(
            "conn_type",
            f"the connection {connection.conn_id} must be of type {conn_type}",
            shown=connection.conn_type,
        )
    chosen = read_options(options, _extra(connection.extra))
    base_url = _base_url(connection, chosen)
    login = _login(connection.login, needs_login)
    if not connection.password:
        raise TelecomInputError("password", "is empty; it must hold the vendor's token or key")
    _check_header("password", connection.password)
    transport_options = TransportOptions(
        base_url=base_url,
        connect_timeout=chosen.timeout_connect,
        read_timeout=chosen.timeout_read,
        verify=chosen.verify,
        trust_env=chosen.trust_env,
        allow_private_hosts=chosen.allow_private_hosts,
    )
    key = _fingerprint(base_url, login, connection.password)
    return Settings(transport_options, Credentials(login, Secret(connection.password), key), chosen)


def _extra(text: str | None) -> Mapping[str, object]:
    try:
        found = json.loads(text) if text else {}
    except ValueError:
        raise TelecomInputError("extra", "must be a JSON object") from None
    if not isinstance(found, dict):
        raise TelecomInputError("extra", "must be a JSON object")
    return found


def _login(login: str | None, needed: bool) -> str:
    if needed and not login:
        raise TelecomInputError("login", "must hold the Client ID")
    if login and ":" in login:
        raise TelecomInputError("login", "must not hold a colon")
    if needed and login:
        _check_header("login", login)
    return login or ""


def _check_header(field: str, value: str) -> None:
    """Refuse a value that an HTTP header can't hold: the HTTP library's error would show it."""
    if not _FIT_FOR_A_HEADER.fullmatch(value):
        raise TelecomInputError(
            field, "must be printable ASCII characters, with no blank or line break before or after them"
        )


def _base_url(connection: AirflowConnection, options: Options) -> str:
    """Return the address. `host` may carry scheme, port and a path prefix, or the fields beside it do.

    A connection in URI form gives its scheme as `schema` and its port apart.
    """
    host = (connection.host or options.default_host).strip()
    if not host.isascii():
        raise TelecomInputError("host", "must be ASCII; write an international name as xn--...")
    if "://" not in host:
        host = f"{connection.schema or 'https'}://{host}"
    parts = urlsplit(host)
    try:
        port = parts.port or connection.port
    except ValueError:
        raise TelecomInputError("host", "has a port that is not a number") from None
    if parts.scheme not in ("https", "http") or not parts.hostname:
        raise TelecomInputError("host", "must be like https://host, https://host:port or https://host/prefix")
    if parts.username or parts.password or parts.query or parts.fragment:
        raise TelecomInputError(
            "host", "must hold no user, password, query or fragment: secrets go into password"
        )
    if parts.port and connection.port and parts.port != connection.port:
        raise TelecomInputError(
            "port", f"is {connection.port}, but the host has {parts.port}: enter the same, or leave one out"
        )
    if parts.scheme == "http" and not options.allow_private_hosts:
        raise TelecomInputError("host", "must be https; plain http is for allow_private_hosts in the extra")
    name = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return urlunsplit((parts.scheme, f"{name}:{port}" if port else name, parts.path.rstrip("/"), "", ""))


def _fingerprint(*parts: str) -> str:
    return hashlib.sha256("\x00".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:8]
