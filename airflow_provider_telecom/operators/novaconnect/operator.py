"""Base class of NovaConnect's operators: the connection; limits that several of them have."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.vendors.novaconnect import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.novaconnect import NovaConnectHook

MAX_SIMS = 10_000_000
CHUNK_SIZE = 10_000
"""The document has no limit. The post about a request names all its SIMs, and the receiver takes so many."""


class NovaConnectOperator(TelecomOperator):
    """A task about a `novaconnect` connection."""

    vendor = VENDOR
    hook: NovaConnectHook
