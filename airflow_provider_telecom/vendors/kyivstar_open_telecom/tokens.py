"""Access tokens. Source: "Автентифікація" of the vendor's document."""

from __future__ import annotations

import re
from functools import partial

from airflow_provider_telecom.auth.basic import Basic
from airflow_provider_telecom.auth.client_credentials import AccessToken, ClientCredentials
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Form, Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import content

TOKEN_REQUEST = Request(
    "POST", "/idp/oauth2/token", Idempotency.TOKEN, body=Form({"grant_type": "client_credentials"})
)
DOCUMENTED_SECONDS = 28799.0
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e]{1,8192}")


def auth_for(credentials: Credentials, limits: AccountLimits, deadline: float) -> ClientCredentials:
    """Return how requests are signed.

    The token call has a breaker of its own. A call that probes a shut breaker may need a token first,
    and the same breaker would refuse that, each time anew.
    """
    own = AccountLimits(clock=limits.clock, wall_clock=limits.wall_clock)
    return ClientCredentials(partial(fetch, credentials, own, deadline), limits.clock)


def fetch(credentials: Credentials, limits: AccountLimits, deadline: float) -> Call[AccessToken]:
    """Return a new token for the Client ID and Client Secret, at the host's root for all environments."""
    basic = Basic(credentials.login, credentials.secret)
    return send_with_retry(TOKEN_REQUEST, basic, _token, limits, deadline)


def _token(answer: Response) -> AccessToken:
    found = content(answer)
    value = found.get("access_token")
    if not isinstance(value, str) or not _FIT_FOR_A_HEADER.fullmatch(value):
        raise unreadable_response("an answer without a token", answer.body, answer.status)
    return AccessToken(Secret(value), _seconds(found.get("expires_in")))


def _seconds(value: object) -> float:
    """Return how long the vendor says the token lives; what it documents if it does not say it here."""
    text = str(value).strip()
    return float(text) if re.fullmatch(r"[0-9]{1,9}(\.[0-9]+)?", text) else DOCUMENTED_SECONDS
