"""Access tokens. Source: "Автентифікація" of the vendor's document."""

from __future__ import annotations

import re
from functools import partial

from airflow_provider_telecom.auth.basic import Basic
from airflow_provider_telecom.auth.client_credentials import AccessToken, ClientCredentials
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Form, Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import content

TOKEN_REQUEST = Request(
    "POST", "/idp/oauth2/token", Idempotency.TOKEN, body=Form({"grant_type": "client_credentials"})
)
DOCUMENTED_SECONDS = 28799.0
_TOKEN = r"[\x21-\x7e]{1,8192}"  # noqa: S105 - a pattern: what an HTTP header can carry


class TokenCalls(KyivstarRequests):
    """Access tokens, for a check of the credentials. Other calls fetch their tokens by themselves."""

    @property
    def credentials(self) -> Credentials:
        """The Client ID and Client Secret with which tokens are fetched."""
        raise self._not_a_hook()

    @endpoint
    def fetch_token(self) -> Call[AccessToken]:
        """Return a new access token and its lifetime in seconds.

        The token call is the same for all environments. The document does not say whether a new token
        invalidates earlier ones; if it does, calls under way replace this one. Raises TelecomAuthError (wrong
        Client ID or Secret). It costs nothing.
        Source: "Автентифікація".
        """
        account = self.account
        return (yield from fetch(self.credentials, account.limits, account.deadline))


def auth_for(credentials: Credentials, limits: AccountLimits, deadline: float) -> ClientCredentials:
    """Return the auth scheme that signs the requests of an account.

    The token call has a circuit breaker of its own. A request that tests an open breaker may need a token
    first; the same breaker would refuse the token call each time.
    """
    own = AccountLimits(clock=limits.clock, wall_clock=limits.wall_clock)
    key = f"__telecom_kyivstar_token__{credentials.key}"
    return ClientCredentials(partial(fetch, credentials, own, deadline), key, limits.clock)


def fetch(credentials: Credentials, limits: AccountLimits, deadline: float) -> Call[AccessToken]:
    """Return a new token for a Client ID and Client Secret."""
    basic = Basic(credentials.login, credentials.secret)
    return send_with_retry(TOKEN_REQUEST, basic, _token, limits, deadline)


def _token(response: Response) -> AccessToken:
    body = content(response)
    token = body.get("access_token")
    if not isinstance(token, str) or not re.fullmatch(_TOKEN, token):
        raise unreadable_response("a response without a token", response.body, response.status)
    lifetime = str(body.get("expires_in")).strip()
    is_number = re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", lifetime)
    return AccessToken(Secret(token), float(lifetime) if is_number else DOCUMENTED_SECONDS)
