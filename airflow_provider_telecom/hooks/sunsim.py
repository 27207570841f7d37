"""The hook of SunSim."""

from __future__ import annotations

import logging
from typing import ClassVar, cast

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, RotatingToken, RotationTiming
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError, TelecomRejectedError
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.retry import Auth, send_with_retry
from airflow_provider_telecom.hooks.base import TelecomHook
from airflow_provider_telecom.hooks.settings import Settings
from airflow_provider_telecom.hooks.store import HostLock, InMemoryStore, VariableStore, has_fernet_key
from airflow_provider_telecom.transport.wire import LockFactory, TokenStore
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.sunsim import VENDOR
from airflow_provider_telecom.vendors.sunsim.api import SunSimApi
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions
from airflow_provider_telecom.vendors.sunsim.responses import envelope, require_result
from airflow_provider_telecom.vendors.sunsim.tokens import auth_for

log = logging.getLogger(__name__)

NO_RECORDING = "00000000-0000-0000-0000-000000000000"


class SunSimHook(SunSimApi, TelecomHook[SunSimOptions]):
    """Callbacks, call lists, recordings and settings of the virtual PBX, for a `sunsim` connection.

    All hooks with the same authorization token share one access token, through an Airflow Variable. Use an
    authorization token in one Airflow deployment only. `timing` contains the times of the sharing.
    """

    vendor = VENDOR
    options_type = SunSimOptions
    timing: ClassVar[RotationTiming] = RotationTiming()

    @property
    def credentials(self) -> Credentials:
        """The connection's authorization token."""
        return self._read().credentials

    def _auth(self, settings: Settings[SunSimOptions], limits: AccountLimits) -> Auth:
        return auth_for(
            settings.credentials, settings.options, limits, settings.transport_options.deadline, self.timing
        )

    def _sharing(self, settings: Settings[SunSimOptions]) -> tuple[TokenStore, LockFactory | None]:
        return default_token_store(), HostLock(settings.credentials.key)

    def _probe(self) -> str:
        """Request a recording that does not exist, with the stored token.

        No token is created, since that would invalidate the current one for everybody. The result is a
        success only if the vendor has accepted the stored token.
        """
        token = self.run(cast("RotatingJwt", self.account.auth).stored())
        if token is None:
            raise TelecomError(
                "not verified: no token is stored, and creating one would invalidate the token that others "
                "may use. The first call creates it."
            )
        try:
            self.run(self._request_with(token))
        except TelecomRejectedError as refusal:
            if refusal.code is None:
                raise  # not from SunSim: another host, or another api_path
        except TelecomAuthError:
            raise TelecomError(
                "not verified: the stored token is invalid; the next call creates a new one"
            ) from None
        return "Connected: the stored token is valid."

    def _request_with(self, token: RotatingToken) -> Call[object]:
        request = self._request("GET", "/request/getcallrecordfile", query={"recordFileId": NO_RECORDING})
        account = self.account
        return send_with_retry(request, Bearer(token.access), _result, account.limits, account.deadline)


def default_token_store() -> TokenStore:
    """Return the store in Airflow Variables, or in memory if Airflow has no Fernet key to encrypt them."""
    if has_fernet_key():
        return VariableStore()
    log.warning(
        "Airflow has no Fernet key here, so the SunSim token is kept in this process only: another worker "
        "that creates one invalidates it. Set [core] fernet_key, on workers too."
    )
    return InMemoryStore()


def _result(response: Response) -> object:
    return require_result(envelope(response), response)
