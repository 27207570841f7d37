"""The hook of Kyivstar FMC, the virtual mobile PBX."""

from __future__ import annotations

from datetime import timedelta

import pendulum

from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.retry import Auth
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.hooks.settings import Settings
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR
from airflow_provider_telecom.vendors.kyivstar_fmc.api import KyivstarFmcApi, auth_for
from airflow_provider_telecom.vendors.kyivstar_fmc.options import KyivstarFmcOptions


class KyivstarFmcHook(KyivstarFmcApi, TelecomHook[KyivstarFmcOptions]):
    """Call records and originating calls, with the FMC token of a `kyivstar_fmc` connection."""

    vendor = VENDOR
    options_type = KyivstarFmcOptions

    def _auth(self, settings: Settings[KyivstarFmcOptions], limits: AccountLimits) -> Auth:
        return auth_for(settings.credentials)

    def _probe(self) -> str:
        now = pendulum.now("UTC")
        found = self.get_call_records(now - timedelta(minutes=5), now)
        return f"Connected: {len(found)} calls in the last five minutes."
