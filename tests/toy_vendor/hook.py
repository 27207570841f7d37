"""The hook of the toy vendor."""

from __future__ import annotations

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.retry import Auth
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.hooks.settings import Settings
from tests.toy_vendor import VENDOR
from tests.toy_vendor.api import ToyApi, ToyOptions


class ToyHook(ToyApi, TelecomHook[ToyOptions]):
    """The toy vendor's calls for a connection."""

    vendor = VENDOR
    options_type = ToyOptions

    def _auth(self, settings: Settings[ToyOptions], limits: AccountLimits) -> Auth:
        return Bearer(settings.credentials.secret)

    def _probe(self) -> str:
        return f"Connected: the balance is {self.get_toy_balance()}."
