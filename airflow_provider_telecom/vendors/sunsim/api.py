"""The calls of SunSim. Source: the vendor's "Интеграционные API" (docs/vendors/sunsim.md)."""

from __future__ import annotations

from airflow_provider_telecom.vendors.sunsim.callbacks import CallbackCalls
from airflow_provider_telecom.vendors.sunsim.calls import CallListCalls
from airflow_provider_telecom.vendors.sunsim.recordings import RecordingCalls
from airflow_provider_telecom.vendors.sunsim.tokens import TokenCalls
from airflow_provider_telecom.vendors.sunsim.vats import VatsCalls


class SunSimApi(TokenCalls, CallbackCalls, CallListCalls, RecordingCalls, VatsCalls):
    """Every documented call."""
