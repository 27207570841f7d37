"""Minting access tokens. Source: "GET auth/integrationapi/create" and "refresh" of the vendor's document."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, replace

import pendulum

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.auth.rotating_jwt import Pace, RotatingJwt, RotatingToken
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Request, Response
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.sunsim.models import ACCESS_HOURS, TokenPair, read_pair
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions
from airflow_provider_telecom.vendors.sunsim.responses import rejects_token

log = logging.getLogger(__name__)

_FEWEST_HOURS, _MOST_HOURS = 2, 24 + 15
"""Between them is a token's end that can be believed, even if the zone of its time was taken for another."""


@dataclass(frozen=True)
class TokenClient:
    """Where pairs of tokens are made: one host, guarded, with so many seconds for a call."""

    options: SunSimOptions
    limits: AccountLimits
    deadline: float

    def create(self, authorization: Secret) -> Call[TokenPair]:
        """Return a new pair. The one before dies."""
        return self._pair("create", Idempotency.TOKEN, authorization)

    def refresh(self, refresh: Secret) -> Call[TokenPair]:
        """Return a new pair for a live refresh token, which dies of it."""
        # Not Repeat.TOKEN: if the answer is lost the refresh token is used up and the pair lost with it.
        # A copy can only be refused; the way out is create.
        return self._pair("refresh", Idempotency.NONE, refresh)

    def _pair(self, what: str, idempotency: Idempotency, token: Secret) -> Call[TokenPair]:
        request = Request("GET", f"{self.options.api_path}/auth/integrationapi/{what}", idempotency)
        return send_with_retry(request, Bearer(token), self._read, self.limits, self.deadline)

    def _read(self, answer: Response) -> TokenPair:
        return read_pair(answer, self.options.vendor_timezone, pendulum.now("UTC"))


def auth_for(
    credentials: Credentials, options: SunSimOptions, limits: AccountLimits, deadline: float, pace: Pace
) -> RotatingJwt:
    """Return how requests are signed.

    The token calls have a breaker of their own. A call that probes a shut breaker may need a token first,
    and the same breaker would refuse that, each time anew.
    """
    own = AccountLimits(clock=limits.clock, wall_clock=limits.wall_clock)
    desk = TokenClient(options, own, deadline)
    return RotatingJwt(
        _minting(desk, credentials.secret),
        f"__telecom_sunsim_token__{credentials.key}",
        pace if options.lock == "variable" else replace(pace, lease=0),
        is_dead=rejects_token,
    )


def _minting(
    desk: TokenClient, authorization: Secret
) -> Callable[[RotatingToken | None], Call[RotatingToken]]:
    keeps_refresh = desk.options.token_strategy == "refresh"  # noqa: S105 - a choice

    def mint(dead: RotatingToken | None) -> Call[RotatingToken]:
        pair = yield from _refreshed_or_created(desk, authorization, dead)
        now = pendulum.now("UTC").timestamp()
        ends = pair.access_expires.timestamp()
        hours = (ends - now) / 3600
        if abs(hours - ACCESS_HOURS) > 1:
            log.warning("SunSim's new token ends in %.1f h, not 24: is this host's clock right?", hours)
        if not _FEWEST_HOURS < hours < _MOST_HOURS:
            ends = now + ACCESS_HOURS * 3600  # else each call would replace it, and end it for all others
        return RotatingToken(pair.access, ends, now, pair.refresh if keeps_refresh else None)

    return mint


def _refreshed_or_created(
    desk: TokenClient, authorization: Secret, dead: RotatingToken | None
) -> Call[TokenPair]:
    """Try the refresh token, if one is kept; whatever comes of it, `create` needs nothing but ours."""
    if dead is not None and dead.refresh:
        try:
            return (yield from desk.refresh(dead.refresh))
        except TelecomError as error:
            log.info("refreshing SunSim's token failed, so a pair is created: %s", type(error).__name__)
    return (yield from desk.create(authorization))
