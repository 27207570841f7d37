"""The calls of Kyivstar Open Telecom. Their facts stand in docs/vendors/kyivstar_open_telecom.md."""

from __future__ import annotations

from airflow_provider_telecom.auth.client_credentials import AccessToken
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.kyivstar_open_telecom.messages import MessageCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.promos import PromoCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.subscribers import SubscriberCalls
from airflow_provider_telecom.vendors.kyivstar_open_telecom.tokens import fetch


class KyivstarApi(SubscriberCalls, MessageCalls, PromoCalls):
    """Every documented call."""

    @property
    def credentials(self) -> Credentials:
        """The Client ID and Client Secret that tokens are fetched with."""
        raise self._nobody()

    @endpoint
    def fetch_token(self) -> Call[AccessToken]:
        """Return a new access token and the seconds it lives. Calls fetch their own; this is for a check.

        The token is the same kind for all environments, and no token ends another (an assumption).
        Raises TelecomAuthError (wrong Client ID or Secret). It costs nothing. Source: "Автентифікація".
        """
        account = self.account
        return (yield from fetch(self.credentials, account.limits, account.deadline))
