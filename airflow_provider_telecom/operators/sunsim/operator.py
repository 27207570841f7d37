"""Base class of SunSim's operators: the connection."""

from __future__ import annotations

from typing import TYPE_CHECKING

from airflow_provider_telecom.tasks.base import TelecomOperator
from airflow_provider_telecom.vendors.sunsim import VENDOR

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.sunsim import SunSimHook


class SunSimOperator(TelecomOperator):
    """Base class of the operators; uses a `sunsim` connection."""

    vendor = VENDOR
    hook: SunSimHook
