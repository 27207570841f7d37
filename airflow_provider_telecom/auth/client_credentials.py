"""OAuth2 client credentials, for Kyivstar Open Telecom.

A new token does not revoke the others, so each process keeps its own in memory, renews it early, and lets one
caller at a time fetch it. After a 401 the token is dropped and the request is sent once more.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from airflow_provider_telecom.auth.bearer import with_bearer_token
from airflow_provider_telecom.calls.endpoint import Call, Exclusive
from airflow_provider_telecom.calls.errors import TelecomError, TelecomNotSentError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request, Response

T = TypeVar("T")

_MAX_FETCH_SECONDS = 90.0
_EARLY_SECONDS, _EARLY_SHARE = 120.0, 0.05


@dataclass(frozen=True)
class AccessToken:
    """A token and the seconds for which it is valid."""

    value: Secret
    expires_in: float


class ClientCredentials:
    """Bearer tokens fetched by `fetch`, a call that returns an AccessToken."""

    def __init__(
        self, fetch: Callable[[], Call[AccessToken]], clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._token: Secret | None = None
        self._renew_at = 0.0

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the steps to fetch a token if needed, and the request; both once more after a 401."""
        token = self._valid_token() or (yield Exclusive(self._fetch_once(revoked=None), _MAX_FETCH_SECONDS))
        outcome: Outcome = yield with_bearer_token(request, token)
        if isinstance(outcome, Response) and outcome.status == 401:
            token = yield Exclusive(self._fetch_once(revoked=token), _MAX_FETCH_SECONDS)
            outcome = yield with_bearer_token(request, token)
        return outcome

    def _valid_token(self) -> Secret | None:
        return self._token if self._clock() < self._renew_at else None

    def _fetch_once(self, revoked: Secret | None) -> Call[Secret]:
        live = self._valid_token()
        if live and live != revoked:
            return live  # another caller fetched it while this one waited
        fetched: AccessToken = yield from as_not_sent(self._fetch())
        early = max(_EARLY_SECONDS, fetched.expires_in * _EARLY_SHARE)
        self._renew_at = self._clock() + max(0.0, fetched.expires_in - early * random.uniform(1, 1.5))
        self._token = fetched.value
        return fetched.value


def as_not_sent(fetch: Call[T]) -> Call[T]:
    """Return the token of `fetch`. If its outcome is unknown, raise TelecomNotSentError for the call itself.

    Otherwise a lost response to the token call would look like a lost response to a paid call.
    """
    try:
        return (yield from fetch)
    except TelecomError as error:
        if not error.outcome_unknown:
            raise
        raise _not_sent(error) from None


def _not_sent(error: TelecomError) -> TelecomNotSentError:
    return TelecomNotSentError(
        f"not sent: no token could be fetched: {error.text}",
        call=error.call,
        status=error.status,
        code=error.code,
        retry_after=error.retry_after,
    )
