"""The hook of NovaConnect."""

from __future__ import annotations

from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.retry import Auth
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.hooks.settings import Settings
from airflow_provider_telecom.vendors.novaconnect import VENDOR
from airflow_provider_telecom.vendors.novaconnect.api import NovaConnectApi, auth_for
from airflow_provider_telecom.vendors.novaconnect.options import NovaConnectOptions


class NovaConnectHook(NovaConnectApi, TelecomHook[NovaConnectOptions]):
    """SIMs, bills, reports, users and groups, with the token of a `novaconnect` connection."""

    vendor = VENDOR
    options_type = NovaConnectOptions

    def _auth(self, settings: Settings[NovaConnectOptions], limits: AccountLimits) -> Auth:
        return auth_for(settings.credentials)

    def _probe(self) -> str:
        user = self.get_user()
        return f"Connected: the token is a user's with the role {user.role or 'of no name'}."
