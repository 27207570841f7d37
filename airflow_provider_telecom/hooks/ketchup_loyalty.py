"""The hook of KetchUp Loyalty."""

from __future__ import annotations

from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.retry import Auth
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.hooks.settings import Settings
from airflow_provider_telecom.vendors.ketchup_loyalty import VENDOR
from airflow_provider_telecom.vendors.ketchup_loyalty.api import KetchUpApi, auth_for
from airflow_provider_telecom.vendors.ketchup_loyalty.options import KetchUpOptions


class KetchUpHook(KetchUpApi, TelecomHook[KetchUpOptions]):
    """SMS, Viber, HLR look-ups, prices and statistics, with the API key of a `ketchup_loyalty` connection."""

    vendor = VENDOR
    options_type = KetchUpOptions

    def _auth(self, settings: Settings[KetchUpOptions], limits: AccountLimits) -> Auth:
        return auth_for(settings.credentials)

    def _probe(self) -> str:
        found = self.list_sms_prices()
        return f"Connected: SMS prices for {len(found)} countries."
