"""The hook of Kyivstar Open Telecom."""

from __future__ import annotations

from typing import ClassVar

from airflow_provider_telecom.calls.errors import TelecomAuthError
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.retry import Auth
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.hooks.settings import Settings
from airflow_provider_telecom.hooks.store import InMemoryStore, VariableStore, has_fernet_key
from airflow_provider_telecom.transport.wire import LockFactory, TokenStore
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.kyivstar_open_telecom import VENDOR
from airflow_provider_telecom.vendors.kyivstar_open_telecom.api import KyivstarApi
from airflow_provider_telecom.vendors.kyivstar_open_telecom.options import KyivstarOptions
from airflow_provider_telecom.vendors.kyivstar_open_telecom.tokens import auth_for


class KyivstarOpenTelecomHook(KyivstarApi, TelecomHook[KyivstarOptions]):
    """Subscriber checks, SMS, Viber and promos, for a `kyivstar_open_telecom` connection."""

    vendor = VENDOR
    options_type = KyivstarOptions
    needs_login: ClassVar[bool] = True

    @property
    def credentials(self) -> Credentials:
        """The connection's Client ID and Client Secret."""
        return self._read().credentials

    def _auth(self, settings: Settings[KyivstarOptions], limits: AccountLimits) -> Auth:
        return auth_for(settings.credentials, limits, settings.transport_options.deadline)

    def _sharing(self, settings: Settings[KyivstarOptions]) -> tuple[TokenStore, LockFactory | None]:
        return VariableStore() if has_fernet_key() else InMemoryStore(), None

    def _probe(self) -> str:
        token = self.fetch_token()
        environment = self.options.environment
        connected = f"Connected: a token for {token.expires_in:.0f} seconds."
        if environment == "sandbox":  # its calls are counted
            return f"{connected} The first call will show whether this Client ID is valid on the sandbox."
        try:
            versions = self.run(self._check_versions())
        except TelecomAuthError as error:
            raise TelecomAuthError(
                f"there is a token, but the {environment} server refuses it: this Client ID is for another "
                "environment (extra.environment); a new account has one for the mock server only",
                call=error.call,
                status=error.status,
            ) from None
        return f"{connected} On the {environment} server: API {versions}."
