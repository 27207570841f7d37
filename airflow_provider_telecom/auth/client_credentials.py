"""OAuth2 client credentials, for Kyivstar Open Telecom.

The vendor does not say whether a new token invalidates the former one. Each process finds it out:

- At first each process keeps a token of its own in memory, renews it early, and lets one caller at a time
  fetch it. After a 401 the token is dropped and the request is sent once more.
- If the new token is refused too, although the vendor has accepted an earlier one, somebody else's token has
  invalidated it; so it has if three tokens in a row were refused after a few requests. From then on the
  process uses a token that all processes share, by `rotating_jwt`. It is in a store. Whoever needs a token
  looks there before fetching one, and shares it if there is one.
- A process none of whose tokens was ever accepted cannot know the reason: its Client ID may be for another
  server. It tries again in a few rounds, after random pauses, and returns the 401 in the end.

A shared token is right in both cases, so it does no harm if a person has revoked the tokens.
"""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from airflow_provider_telecom.auth.bearer import with_bearer_token
from airflow_provider_telecom.auth.not_sent import as_not_sent
from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, RotatingToken, RotationTiming
from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, Sleep
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request, Response

log = logging.getLogger(__name__)

_MAX_FETCH_SECONDS = 90.0
_EARLY_SECONDS, _EARLY_SHARE = 120.0, 0.05
_PAUSES = ((0.5, 1.5), (1.0, 3.0))
"""Before the third and the fourth request of a process none of whose tokens was ever accepted."""
_FEW_REQUESTS, _MAX_SHORT_LIVED = 10, 3
SHARING = RotationTiming(renew_early=720.0, tolerated_early_revocations=10, max_early_revocations=20)
"""While processes find out that tokens exclude each other, some shared tokens are invalidated at once."""


@dataclass(frozen=True)
class AccessToken:
    """A token and the seconds for which it is valid."""

    value: Secret
    expires_in: float


class ClientCredentials:
    """Bearer tokens fetched by `fetch`, a call that returns an AccessToken.

    `key` names the shared token in the store, and `timing` has the times of the sharing.
    """

    def __init__(
        self,
        fetch: Callable[[], Call[AccessToken]],
        key: str,
        clock: Callable[[], float] = time.monotonic,
        timing: RotationTiming = SHARING,
    ) -> None:
        self._fetch, self._clock = fetch, clock
        self._shared = RotatingJwt(self._mint, key, timing, monotonic=clock)
        self._token: Secret | None = None
        self._renew_at = 0.0
        self._is_sharing = self._was_accepted = self._was_refused = False
        self._accepted_requests = self._short_lived = 0
        """The requests that were accepted with this token; the tokens in a row that were refused early."""

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the steps to fetch a token if needed, and the request; both again after a 401."""
        if not self._is_sharing:
            outcome = yield from self._with_own_token(request)
            if outcome is not None:
                return outcome
        return (yield from self._shared.flow(request))

    def _with_own_token(self, request: Request) -> Call[Outcome | None]:
        """Return the outcome with a token of this process, or None if tokens are shared from now on."""
        refused: Secret | None = None
        for pause in (None, None, *_PAUSES):
            if pause:
                yield Sleep(*pause)
            token = self._valid_token() if refused is None else None
            token = token or (yield Exclusive(self._fetch_once(refused), _MAX_FETCH_SECONDS))
            if token is None:
                return None
            outcome: Outcome = yield with_bearer_token(request, token)
            if not isinstance(outcome, Response) or outcome.status != 401:
                if isinstance(outcome, Response) and outcome.status < 400:
                    self._was_accepted = True
                    self._accepted_requests += 1
                return outcome
            if refused is not None and self._was_accepted:
                self._share()
                return None
            if refused is not None and self._was_refused:
                return outcome
            refused = token
        self._was_refused = True
        return outcome

    def _valid_token(self) -> Secret | None:
        return self._token if self._clock() < self._renew_at else None

    def _fetch_once(self, refused: Secret | None) -> Call[Secret | None]:
        """Return a token of this process, or None if tokens are shared."""
        live = self._valid_token()
        if live and live != refused:
            return live  # another caller fetched it while this one waited
        if refused is not None:
            self._note_refusal()
        if self._is_sharing or (yield from self._others_share(refused)):
            self._is_sharing = True
            return None
        fetched: AccessToken = yield from as_not_sent(self._fetch())
        early = max(_EARLY_SECONDS, fetched.expires_in * _EARLY_SHARE)
        self._renew_at = self._clock() + max(0.0, fetched.expires_in - early * random.uniform(1, 1.5))
        self._token, self._accepted_requests = fetched.value, 0
        return fetched.value

    def _note_refusal(self) -> None:
        is_short_lived = self._accepted_requests < _FEW_REQUESTS
        self._short_lived = self._short_lived + 1 if is_short_lived else 0
        if self._was_accepted and self._short_lived >= _MAX_SHORT_LIVED:
            self._share()

    def _others_share(self, refused: Secret | None) -> Call[bool]:
        """Whether the store has a shared token, or, after a refusal, whether somebody is about to create one.

        If the store does not answer, this process goes on with a token of its own.
        """
        try:
            stored = yield LoadToken(self._shared.key)
            if not stored and refused is not None:
                stored = yield LoadToken(self._shared.lease_key)
        except TelecomNotSentError:
            return False
        return bool(stored)

    def _share(self) -> None:
        if not self._is_sharing:
            self._is_sharing = True
            log.warning(
                "tokens are refused that were just fetched: a new one seems to invalidate the former one. "
                "From now on all processes share a token, in an Airflow Variable. Without a Fernet key "
                "([core] fernet_key, on workers too) none is stored, and one process at a time can "
                "use the account"
            )

    def _mint(self, revoked: RotatingToken | None) -> Call[RotatingToken]:
        fetched: AccessToken = yield from self._fetch()
        now = self._shared.clock()
        return RotatingToken(fetched.value, now + fetched.expires_in, now)
