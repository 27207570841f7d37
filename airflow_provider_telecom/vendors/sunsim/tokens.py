"""SunSim's tokens. Source: "GET auth/integrationapi/create" and "refresh" of the vendor's document."""

from __future__ import annotations

import base64
import json
import logging
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import datetime

import pendulum

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, RotatingToken, RotationTiming
from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.sunsim.models import TokenPair
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions
from airflow_provider_telecom.vendors.sunsim.requests import SunSimRequests
from airflow_provider_telecom.vendors.sunsim.responses import envelope, rejects_token
from airflow_provider_telecom.vendors.sunsim.times import parse_expiry

log = logging.getLogger(__name__)

_ACCESS_HOURS, _REFRESH_HOURS = 24, 25
_MIN_HOURS, _MAX_HOURS = 2, _ACCESS_HOURS + 15
"""A lifetime outside of these limits is not believed. They allow for an expiry time read in a wrong zone."""
_TOKEN = r"[\x21-\x7e]{1,8192}"  # noqa: S105 - a pattern: what an HTTP header can carry
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True)
class TokenClient:
    """Requests pairs of tokens for one account."""

    options: SunSimOptions
    limits: AccountLimits
    deadline: float

    def create(self, authorization: Secret) -> Call[TokenPair]:
        """Return a new pair. It invalidates the previous one."""
        return self._request_pair("create", Idempotency.TOKEN, authorization)

    def refresh(self, refresh: Secret) -> Call[TokenPair]:
        """Return a new pair for a live refresh token, which can be used only once."""
        # Not Idempotency.TOKEN: if the response is lost, the refresh token is used up and the new pair is
        # lost. The vendor can only refuse a second request; `create` is the way out.
        return self._request_pair("refresh", Idempotency.NONE, refresh)

    def _request_pair(self, name: str, idempotency: Idempotency, token: Secret) -> Call[TokenPair]:
        request = Request("GET", f"{self.options.api_path}/auth/integrationapi/{name}", idempotency)
        return send_with_retry(request, Bearer(token), self._read, self.limits, self.deadline)

    def _read(self, response: Response) -> TokenPair:
        return read_pair(response, self.options.vendor_timezone, pendulum.now("UTC"))


class TokenCalls(SunSimRequests):
    """Pairs of tokens, for other systems. Our own calls create their tokens by themselves."""

    @property
    def credentials(self) -> Credentials:
        """The authorization token with which pairs of tokens are created."""
        raise self._not_a_hook()

    @endpoint
    def create_tokens(self) -> Call[TokenPair]:
        """Return a new pair of tokens. The previous pair becomes invalid for everybody at once.

        If another call creates a pair later, this one becomes invalid. The request is repeated after a lost
        response: a duplicate makes one more pair and costs nothing. Raises TelecomAuthError (wrong
        authorization token). Source: "GET auth/integrationapi/create".
        """
        return (yield from self._token_client().create(self.credentials.secret))

    @endpoint
    def refresh_tokens(self, refresh_token: str | Secret) -> Call[TokenPair]:
        """Return a new pair for a live refresh token. The previous pair becomes invalid at once.

        Raises TelecomAuthError (invalid refresh token) and TelecomUnknownError: a refresh token works once,
        so after a lost response the new pair is lost too, and `create_tokens` is the way out. Source: "GET
        auth/integrationapi/refresh".
        """
        token = refresh_token.reveal() if isinstance(refresh_token, Secret) else refresh_token
        matching("refresh_token", token, _TOKEN, "must be the refresh token, without blanks")
        return (yield from self._token_client().refresh(Secret(token)))

    def _token_client(self) -> TokenClient:
        return TokenClient(self.options, self.account.limits, self.account.deadline)


def auth_for(
    credentials: Credentials,
    options: SunSimOptions,
    limits: AccountLimits,
    deadline: float,
    timing: RotationTiming,
) -> RotatingJwt:
    """Return the auth scheme that signs the requests of an account.

    The token calls have a circuit breaker of their own. A request that tests an open breaker may need a token
    first; the same breaker would refuse the token call each time.
    """
    own = AccountLimits(clock=limits.clock, wall_clock=limits.wall_clock)
    # Tokens stored by earlier versions are found under this key: do not change it.
    key = f"__telecom_sunsim_token__{credentials.key}"
    timing = timing if options.lock == "variable" else replace(timing, lease=0)
    mint = _minting(TokenClient(options, own, deadline), credentials.secret)
    return RotatingJwt(mint, key, timing, is_revoked=rejects_token)


def _minting(
    client: TokenClient, authorization: Secret
) -> Callable[[RotatingToken | None], Call[RotatingToken]]:
    keeps_refresh = client.options.token_strategy == "refresh"  # noqa: S105 - a choice

    def mint(dead: RotatingToken | None) -> Call[RotatingToken]:
        pair = yield from _refresh_or_create(client, authorization, dead)
        now = pendulum.now("UTC").timestamp()
        expires = pair.access_expires.timestamp()
        hours = (expires - now) / 3600
        if abs(hours - _ACCESS_HOURS) > 1:
            log.warning("SunSim's new token expires in %.1f h, not 24: is this host's clock right?", hours)
        if not _MIN_HOURS < hours < _MAX_HOURS:
            # Otherwise each call would renew the token, and invalidate it for all others.
            expires = now + _ACCESS_HOURS * 3600
        return RotatingToken(pair.access, expires, now, pair.refresh if keeps_refresh else None)

    return mint


def _refresh_or_create(
    client: TokenClient, authorization: Secret, dead: RotatingToken | None
) -> Call[TokenPair]:
    """Use the refresh token if one is kept. If that fails for any reason, create a pair."""
    if dead is not None and dead.refresh:
        try:
            return (yield from client.refresh(dead.refresh))
        except TelecomError as error:
            log.info("refreshing SunSim's token failed, so a pair is created: %s", type(error).__name__)
    return (yield from client.create(authorization))


def read_pair(response: Response, zone: str | None, now: datetime) -> TokenPair:
    """Return the tokens of a response. Times without a zone are in `zone`, or in UTC if it is None."""
    body = envelope(response)

    def read(name: str, hours: int) -> tuple[Secret, datetime]:
        token = body.get(f"{name}Token")
        if not isinstance(token, str) or not re.fullmatch(_TOKEN, token):
            raise unreadable_response("a response without tokens", response.body, response.status)
        # The `exp` claim comes before the text beside the token, whose format is not documented. Its
        # signature is not checked: only a 401 proves that a token is invalid.
        written = parse_expiry(body.get(f"{name}TokenExpiredIn"), zone, now)
        return Secret(token), _claimed_expiry(token) or written or pendulum.instance(now).add(hours=hours)

    return TokenPair(*read("access", _ACCESS_HOURS), *read("refresh", _REFRESH_HOURS))


def _claimed_expiry(token: str) -> datetime | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    expires = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(expires, bool) or not isinstance(expires, (int, float)) or not 0 < expires < _YEAR_10000:
        return None
    return pendulum.from_timestamp(expires)
