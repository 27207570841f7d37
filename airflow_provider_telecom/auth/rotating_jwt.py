"""A JWT that the next one revokes, for SunSim.

A new pair of tokens revokes the old one at once, for every worker. So the valid token is shared in a store
that all workers can read, and a worker that finds it revoked takes a lease there before it mints a new one.
The store has no compare-and-swap, so the lease is written and, after a pause, read back.

    on a 401 with token b, one caller at a time in this process and, by the driver, on this host:
      1  the store has another token than b        -> use it
      2  another worker has the lease              -> wait, go to 1; unchanged for too long: it has expired
      3  write a lease, wait, read it back         -> not ours: go to 1; the token changed: use it
      4  mint; store it unless a newer token is there, read it back; release the lease

Two workers may mint at once if a write takes longer than the pause, or if one stalls for longer than its
lease. Then one token is revoked, its users get one more 401 and read the other token. Wall clocks only serve
to renew early and to recognize a token that was revoked early; the worker that waits for a lease measures its
age. A token is revoked when the vendor answers 401, which therefore must come before any effect.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from inspect import GEN_CREATED, getgeneratorstate

from airflow_provider_telecom.auth.bearer import with_bearer_token
from airflow_provider_telecom.auth.not_sent import as_not_sent
from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, SaveToken, Sleep
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError, TelecomNotSentError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request, Response

log = logging.getLogger(__name__)

_HEADER_VALUE = re.compile(r"[!-~]{1,8192}")
_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True)
class RotatingToken:
    """An access token with its expiry and the time we minted it, both as Unix times in seconds.

    `refresh` is the refresh token that came with it, where that is to be kept.
    """

    access: Secret
    expires: float
    minted: float
    refresh: Secret | None = None


@dataclass(frozen=True)
class RotationTiming:
    """The protocol's times in seconds, and its counts."""

    lease: float = 15.0
    """A lease that does not change for this long has expired. 0: no leases, the driver's lock is enough."""
    settle: tuple[float, float] = (0.5, 1.0)
    wait_for_leader: tuple[float, float] = (0.3, 1.0)
    lock_wait: float = 5.0
    """Who waits longer than this for the others of its host looks whether there is a new token by now."""
    max_wait: float = 60.0
    renew_early: float = 1800.0
    """A token is renewed between this and twice this before it expires, chosen at random by each call."""
    after_repeated_401: tuple[float, float] = (1.0, 5.0)
    max_replacements: int = 3
    """How often the token of one request is replaced."""
    early_revocation: float = 60.0
    """A token of ours that is revoked within this time was revoked by somebody else's token."""
    max_early_revocations: int = 5
    """More of them within `early_revocation_window` mean that another system uses the account."""
    early_revocation_window: float = 600.0
    tolerated_early_revocations: int = 2
    """So many are replaced at once: a person may have created a token by hand."""
    between_mints: float = 30.0
    """The minimum time between two new tokens of one process, after that or when renewing early."""


@dataclass
class RotatingJwt:
    """Authenticates with the newest shared token and replaces it when it is revoked.

    `mint` gets the revoked token, or None, and returns the call that creates a new one. `key` names the token
    in the store. `clock` is a wall clock, `monotonic` never jumps.
    """

    mint: Callable[[RotatingToken | None], Call[RotatingToken]]
    key: str
    timing: RotationTiming = RotationTiming()
    clock: Callable[[], float] = time.time
    monotonic: Callable[[], float] = time.monotonic
    worker_id: str = field(default_factory=lambda: uuid.uuid4().hex)
    is_revoked: Callable[[Response], bool] = lambda response: response.status == 401
    """Whether a response rejects the token, so that nothing else has happened."""
    _token: RotatingToken | None = field(default=None, init=False, repr=False)
    _tried_at: float = field(default=float("-inf"), init=False, repr=False)

    @property
    def lease_key(self) -> str:
        """The key of the lease in the store."""
        return f"{self.key}_lease"

    def flow(self, request: Request) -> Call[Outcome]:
        """Yield the steps to get a token, and the request; both again after each 401, at most 3 times."""
        token, first_401 = (yield from self._current_token()), None
        for left in reversed(range(self.timing.max_replacements + 1)):
            outcome: Outcome = yield with_bearer_token(request, token.access)
            if not (isinstance(outcome, Response) and self.is_revoked(outcome)) or not left:
                return outcome
            if first_401 is not None and token.minted >= first_401:
                yield Sleep(*self.timing.after_repeated_401)  # another worker mints too
            first_401 = first_401 or self.clock()
            token = yield from self._replace_alone(token, 2 * self.timing.max_wait)
        raise AssertionError("the last round returns")

    def stored(self) -> Call[RotatingToken | None]:
        """Return the token in memory or in the store, without minting one."""
        if self._token is None:
            self._token = _parse((yield LoadToken(self.key)))
        return self._token

    def _current_token(self) -> Call[RotatingToken]:
        token = yield from self.stored()
        if token is None:
            return (yield from self._replace_alone(None, 2 * self.timing.max_wait))
        if not self._expires_soon(token):
            return token
        try:
            return (yield from self._replace_alone(token, self.timing.max_wait, early=True))
        except TelecomError as error:
            log.warning("renewing a token early failed and will be tried again: %s", type(error).__name__)
            return token

    def _expires_soon(self, token: RotatingToken) -> bool:
        just_tried = self.monotonic() - self._tried_at < self.timing.between_mints
        left = token.expires - self.clock()
        return left < self.timing.renew_early * random.uniform(1, 2) and not just_tried

    def _replace_alone(
        self, revoked: RotatingToken | None, max_wait: float, early: bool = False
    ) -> Call[RotatingToken]:
        """Return what `_replace` returns; it is run by one caller of this host at a time.

        The caller that has the lock may be stopped, and so may the next one: while this one waits, it looks
        from time to time for a token that another host has created.
        """
        gives_up, other = self.monotonic() + max_wait, None
        while other is None:
            replacing = self._replace(revoked, early)
            try:
                token: RotatingToken = yield Exclusive(replacing, self.timing.lock_wait)
            except TelecomNotSentError:
                has_begun = getgeneratorstate(replacing) != GEN_CREATED
                if has_begun or self.monotonic() >= gives_up:
                    raise
                other = yield from self._another_than(revoked)
            else:
                return token
        return other

    def _replace(self, revoked: RotatingToken | None, early: bool) -> Call[RotatingToken]:
        """Return another token than `revoked`: another worker's, or a new one.

        With `early` the old token is still valid: while another worker renews it, it is returned.
        """
        noticed_at, gives_up = self.clock(), self.monotonic() + self.timing.max_wait
        lease, seen_since = None, 0.0
        while self.monotonic() < gives_up:
            if other := (yield from self._another_than(revoked)):
                return other
            revocations = yield from self._early_revocations(None if early else revoked, noticed_at)
            found = yield from self._other_workers_lease()
            if found != lease:
                lease, seen_since = found, self.monotonic()
            has_leader = lease is not None and self.monotonic() - seen_since < self.timing.lease
            if has_leader and early and revoked:
                return revoked
            if has_leader or self._must_wait(revocations, noticed_at):
                yield Sleep(*self.timing.wait_for_leader)
            elif (yield from self._acquire_lease()):
                return (yield from self._mint_and_publish(revoked, revocations))
        raise TelecomNotSentError("not sent: another worker has been renewing the token for too long")

    def _another_than(self, revoked: RotatingToken | None) -> Call[RotatingToken | None]:
        if self._token and not _is_same(self._token, revoked):
            return self._token
        shared = _parse((yield LoadToken(self.key)))
        if shared and not _is_same(shared, revoked):
            self._token = shared
            return shared
        return None

    def _early_revocations(self, revoked: RotatingToken | None, noticed_at: float) -> Call[list[float]]:
        """Return the times of recent early revocations, with this one. TelecomAuthError: too many."""
        known = _json_object((yield LoadToken(self.key))).get("young_deaths")
        times = (
            [at for value in known if (at := _timestamp(value)) is not None]
            if isinstance(known, list)
            else []
        )
        recent = [at for at in times if abs(noticed_at - at) < self.timing.early_revocation_window]
        if revoked is None or abs(noticed_at - revoked.minted) > self.timing.early_revocation:
            return recent
        if len(recent) >= self.timing.max_early_revocations:
            raise TelecomAuthError(
                "another system uses this authorization token: our tokens are revoked at once"
            )
        return [*recent, noticed_at]

    def _must_wait(self, revocations: list[float], noticed_at: float) -> bool:
        too_many = noticed_at in revocations and len(revocations) > self.timing.tolerated_early_revocations
        return too_many and self.monotonic() - self._tried_at < self.timing.between_mints

    def _other_workers_lease(self) -> Call[str | None]:
        if not self.timing.lease:
            return None
        lease: str | None = yield LoadToken(self.lease_key)
        return lease if _json_object(lease).get("me") not in (None, self.worker_id) else None

    def _acquire_lease(self) -> Call[bool]:
        """Write the lease; return whether it is still ours after a pause."""
        if not self.timing.lease:
            return True
        mine = json.dumps({"me": self.worker_id, "at": self.clock()})
        yield SaveToken(self.lease_key, mine)
        yield Sleep(*self.timing.settle)
        return bool((yield LoadToken(self.lease_key)) == mine)

    def _release_lease(self) -> Call[None]:
        if self.timing.lease and _json_object((yield LoadToken(self.lease_key))).get("me") == self.worker_id:
            yield SaveToken(self.lease_key, "{}")

    def _mint_and_publish(
        self, revoked: RotatingToken | None, revocations: list[float]
    ) -> Call[RotatingToken]:
        """Mint and store a token, unless another worker has just done so. Releases the lease."""
        try:
            token = yield from self._another_than(revoked)
            if token is None:
                self._tried_at = self.monotonic()
                token = self._token = yield from as_not_sent(self.mint(revoked))
                token = self._token = yield from self._publish(token, revoked, revocations)
        except TelecomError:
            yield from self._release_lease()
            raise
        yield from self._release_lease()
        return token

    def _publish(
        self, new: RotatingToken, revoked: RotatingToken | None, revocations: list[float]
    ) -> Call[RotatingToken]:
        """Store a new token and read it back. Return the newer one if another worker has minted after us."""
        for _ in ("write", "read back"):
            shared = _parse((yield LoadToken(self.key)))
            if shared and _is_same(shared, new):
                break
            if shared and not _is_same(shared, revoked) and shared.expires > new.expires:
                return shared  # it was minted after ours and has revoked it
            yield SaveToken(self.key, _serialize(new, revocations))
        return new


def secrets_in(text: str | None) -> list[str]:
    """Return the secrets in a stored text, so that logs can mask them."""
    found = _json_object(text)
    return [value for name in ("access", "refresh") if isinstance(value := found.get(name), str)]


def _is_same(token: RotatingToken, other: RotatingToken | None) -> bool:
    return other is not None and token.access == other.access


def _json_object(text: str | None) -> dict[str, object]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parse(text: str | None) -> RotatingToken | None:
    """Return the token in a stored text, or None if it cannot be used, so that a new one is minted."""
    found = _json_object(text)
    access, refresh = _secret(found.get("access")), _secret(found.get("refresh"))
    expires, minted = _timestamp(found.get("expires")), _timestamp(found.get("minted"))
    if access is None or expires is None or minted is None:
        return None
    return RotatingToken(access, expires, minted, refresh)


def _secret(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and _HEADER_VALUE.fullmatch(value) else None


def _timestamp(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _YEAR_10000:
        return None
    return float(value)


def _serialize(token: RotatingToken, revocations: list[float]) -> str:
    """Return a token as it is stored. A rename of these keys would make stored tokens unreadable."""
    stored = {"access": token.access.reveal(), "expires": token.expires, "minted": token.minted}
    refresh = {"refresh": token.refresh.reveal()} if token.refresh else {}
    return json.dumps({**stored, **refresh, "young_deaths": revocations})
