"""Which addresses credentials may go to: only those on the public internet, in every form."""

from __future__ import annotations

from ipaddress import ip_network

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.transport.addresses import is_public, reject_private_address

NOT_PUBLIC = [
    "0.0.0.0/8",
    "10.0.0.0/8",
    "100.64.0.0/10",
    "127.0.0.0/8",
    "169.254.0.0/16",
    "172.16.0.0/12",
    "192.0.0.0/24",
    "192.0.2.0/24",
    "192.88.99.0/24",
    "192.168.0.0/16",
    "198.18.0.0/15",
    "198.51.100.0/24",
    "203.0.113.0/24",
    "224.0.0.0/4",
    "240.0.0.0/4",
    "::/8",  # unspecified, loopback, IPv4-compatible and IPv4-mapped
    "64:ff9b::/96",  # NAT64
    "64:ff9b:1::/48",  # NAT64 within an organisation
    "100::/64",  # discard
    "2001::/32",  # Teredo
    "2001:2::/48",  # benchmarks
    "2001:10::/28",  # ORCHID
    "2001:20::/28",  # ORCHID, version 2
    "2001:db8::/32",  # documentation
    "2002::/16",  # 6to4
    "3fff::/20",  # documentation
    "4000::/3",  # not assigned
    "5f00::/16",  # segment routing
    "fc00::/7",  # unique local
    "fe80::/10",  # link-local
    "fec0::/10",  # site-local
    "ff00::/8",  # multicast
]


@pytest.mark.parametrize("network", NOT_PUBLIC)
def test_no_address_of_a_special_network_is_public(network: str) -> None:
    found = ip_network(network)
    for address in (found[0], found[1], found[found.num_addresses // 2], found[-2], found[-1]):
        assert not is_public(str(address)), address


@pytest.mark.parametrize(
    "address",
    [
        "::127.0.0.1",
        "::ffff:127.0.0.1",
        "::ffff:8.8.8.8",
        "64:ff9b::127.0.0.1",
        "64:ff9b:1::10.0.0.1",
        "2002:7f00:1::",
        "fe80::1%eth0",
        "fe80::1%25eth0",
        "fec0::1%2",
        "255.255.255.255",
        "",
        "localhost",
        "/var/run/socket",
        "127.1",
    ],
)
def test_other_forms_of_such_an_address_are_not_public(address: str) -> None:
    assert is_public(address) is False
    with pytest.raises(TelecomInputError, match="host: leads to an address that is not on the public"):
        reject_private_address(address, allowed=False)
    reject_private_address(address, allowed=True)


@pytest.mark.parametrize(
    "address",
    [
        *("1.1.1.1", "9.255.255.255", "11.0.0.0", "100.63.255.255", "100.128.0.0", "126.255.255.255"),
        *("128.0.0.0", "169.253.255.255", "172.15.255.255", "172.32.0.0", "192.0.1.0", "192.0.3.0"),
        *("192.88.98.255", "192.167.255.255", "192.169.0.0", "198.17.255.255", "198.20.0.0"),
        *("223.255.255.255", "2000::1", "2001:200::1", "2001:db7::1", "2001:db9::1", "2003::1"),
        *("2606:4700::1111", "2606:4700::1111%eth0", "3ffe::1", "3fff:1000::1"),
    ],
)
def test_their_neighbours_are_public(address: str) -> None:
    assert is_public(address)
    reject_private_address(address, allowed=False)
