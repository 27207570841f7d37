"""Which addresses are on the public internet. Credentials go only there, unless the connection allows more.

The tables follow IANA's registries of special-purpose addresses. Python's `is_global` is not used: its answer
depends on the Python version, and it is true for multicast and for IPv6 forms that a gateway can translate
to a private IPv4 address.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

from airflow_provider_telecom.calls.errors import TelecomInputError

_NOT_PUBLIC_IPV4 = tuple(
    ip_network(network)
    for network in (
        "0.0.0.0/8",  # this host
        "10.0.0.0/8",  # private
        "100.64.0.0/10",  # shared by a provider's customers
        "127.0.0.0/8",  # loopback
        "169.254.0.0/16",  # link-local; clouds serve their machines' credentials here
        "172.16.0.0/12",  # private
        "192.0.0.0/24",  # protocol assignments
        "192.0.2.0/24",  # documentation
        "192.88.99.0/24",  # 6to4 relays
        "192.168.0.0/16",  # private
        "198.18.0.0/15",  # benchmarks
        "198.51.100.0/24",  # documentation
        "203.0.113.0/24",  # documentation
        "224.0.0.0/4",  # multicast
        "240.0.0.0/4",  # reserved, broadcast
    )
)

# Everything else is not assigned, loopback, private, link-local, site-local (fec0::/10) or multicast, or
# holds an IPv4 address: ::/96, ::ffff:0:0/96 and NAT64 (64:ff9b::/96, 64:ff9b:1::/48).
_PUBLIC_IPV6 = ip_network("2000::/3")
_NOT_PUBLIC_IPV6 = tuple(
    ip_network(network)
    for network in (
        "2001::/23",  # protocol assignments: Teredo, benchmarks, ORCHID
        "2001:db8::/32",  # documentation
        "2002::/16",  # 6to4: holds an IPv4 address
        "3fff::/20",  # documentation
    )
)


def reject_private_address(address: str, allowed: bool) -> None:
    """Raise TelecomInputError for an address that is not on the public internet, unless that is allowed."""
    if not allowed and not is_public(address):
        raise TelecomInputError(
            "host",
            "leads to an address that is not on the public internet; set allow_private_hosts in the "
            "connection's extra for a simulator or a gateway",
        )


def is_public(address: str) -> bool:
    """Whether an IP address, with or without a zone such as `%eth0`, is on the public internet."""
    try:
        found = ip_address(address)
    except ValueError:
        return False
    match found:
        case IPv4Address():
            return not any(found in network for network in _NOT_PUBLIC_IPV4)
        case IPv6Address():
            return found in _PUBLIC_IPV6 and not any(found in network for network in _NOT_PUBLIC_IPV6)
