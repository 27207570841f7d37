"""The vendors: five of our own, and those that are registered. Imports the standard library only."""

from __future__ import annotations

from functools import cache
from importlib import import_module

from airflow_provider_telecom.vendors.description import Vendor

_OWN = ("kyivstar_open_telecom", "ketchup_loyalty", "kyivstar_fmc", "sunsim", "novaconnect")
_registered: dict[str, Vendor] = {}


def register(vendor: Vendor) -> None:
    """Add a vendor to this process. Do it before Airflow reads the provider info and loads the receiver."""
    _registered[vendor.id] = vendor
    _by_name.cache_clear()


def unregister(vendor: Vendor) -> None:
    """Remove a vendor that was registered."""
    del _registered[vendor.id]
    _by_name.cache_clear()


def vendors() -> tuple[Vendor, ...]:
    """Return the descriptions of all vendors."""
    own = (import_module(f"airflow_provider_telecom.vendors.{name}").VENDOR for name in _OWN)
    return (*own, *_registered.values())


def find_vendor(name: str) -> Vendor | None:
    """Return the vendor with this id, or with this name in what an earlier version has written."""
    return _by_name().get(name)


@cache
def _by_name() -> dict[str, Vendor]:
    former = {vendor.former_id: vendor for vendor in vendors() if vendor.former_id}
    return {**former, **{vendor.id: vendor for vendor in vendors()}}
