"""A JWT that dies when the next one is minted, as SunSim wants it.

A new pair of tokens kills the old one at once, for every worker. So the live token is shared through a
store that all workers can read, and whoever finds it dead takes a lease there before minting: the store
has no compare-and-swap, hence the lease is written, left to settle, and read back.

    on a 401 with token b, one caller at a time in this process and, by the driver, on this host:
      1  the store holds another token than b      -> use it
      2  somebody's lease stands                   -> wait, go to 1; unchanged for too long: it is dead
      3  write a lease, wait, read it back         -> not mine: go to 1; the token changed: use it
      4  mint; publish unless a younger token stands there, read back; end the lease

Two leaders are possible when a write takes longer than the settling, or when one stalls beyond its
lease; then one token dies, its callers meet one more 401 and read the other's. Wall clocks are only used
to renew early and to recognise a token that died young; a lease is timed by whoever waits for it. What is
true is decided by the 401, which therefore must come before any effect.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any

from airflow_provider_telecom.auth.bearer import with_bearer_token
from airflow_provider_telecom.auth.client_credentials import without_token
from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, SaveToken, Sleep, Step
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomError, TelecomNotSentError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request, Response

log = logging.getLogger(__name__)

_FIT_FOR_A_HEADER = re.compile(r"[!-~]{1,8192}")
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
class Pace:
    """The protocol's times in seconds, and its counts."""

    lease: float = 15.0
    """A lease unchanged for so long is a dead leader's. 0: no leases, the driver's lock is enough."""
    settle: tuple[float, float] = (0.5, 1.0)
    wait_for_leader: tuple[float, float] = (0.3, 1.0)
    patience: float = 60.0
    renew_early: float = 1800.0
    """Renewed between this and twice this before its end, rolled anew by each call."""
    after_repeated_401: tuple[float, float] = (1.0, 5.0)
    rounds: int = 3
    """How often one request has its token replaced."""
    died_young: float = 60.0
    """A token that dies sooner than this after our own minting was killed by somebody else's minting."""
    young_deaths: int = 5
    """One more of them within `young_deaths_within` says that somebody else uses the account."""
    young_deaths_within: float = 600.0
    forgiven_deaths: int = 2
    """So many young deaths are replaced at once: a hand at work rather than another system."""
    between_mintings: float = 30.0
    """The least time between two mintings by one process, after that or when renewing early."""


@dataclass
class RotatingJwt:
    """Signs with the newest shared token and replaces it when it dies.

    `mint` is given the dead token, or None, and is a call that returns a new one. `key` names the token
    in the store. `clock` tells the time of day, `ticks` never jumps.
    """

    mint: Callable[[RotatingToken | None], Call[RotatingToken]]
    key: str
    pace: Pace = Pace()
    clock: Callable[[], float] = time.time
    ticks: Callable[[], float] = time.monotonic
    me: str = field(default_factory=lambda: uuid.uuid4().hex)
    is_dead: Callable[[Response], bool] = lambda answer: answer.status == 401
    """Whether an answer refuses the token, so that nothing else has happened."""
    _token: RotatingToken | None = field(default=None, init=False, repr=False)
    _tried_at: float = field(default=float("-inf"), init=False, repr=False)

    @property
    def lease_key(self) -> str:
        """The lease's name in the store."""
        return f"{self.key}_lease"

    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        """Yield what having a live token takes, and the signed request, again after each 401 (3 rounds)."""
        token, first_401 = (yield from self._present()), None
        for left in reversed(range(self.pace.rounds + 1)):
            outcome: Outcome = yield with_bearer_token(request, token.access)
            if not (isinstance(outcome, Response) and self.is_dead(outcome)) or not left:
                return outcome
            if first_401 is not None and token.minted >= first_401:
                yield Sleep(*self.pace.after_repeated_401)  # somebody mints as we do: step out of the way
            first_401 = first_401 or self.clock()
            token = yield Exclusive(self._replaced(token), 2 * self.pace.patience)
        raise AssertionError("the last round returns")

    def stored(self) -> Call[RotatingToken | None]:
        """Return the token that is at hand in memory or in the store, without minting one."""
        if self._token is None:
            self._token = _parsed((yield LoadToken(self.key)))
        return self._token

    def _present(self) -> Call[RotatingToken]:
        token = yield from self.stored()
        if token is None:
            first: RotatingToken = yield Exclusive(self._replaced(None), 2 * self.pace.patience)
            return first
        if not self._is_ageing(token):
            return token
        try:
            younger: RotatingToken = yield Exclusive(self._replaced(token, early=True), self.pace.patience)
        except TelecomError as error:
            log.warning("renewing a token early failed and will be tried again: %s", type(error).__name__)
            return token
        return younger

    def _is_ageing(self, token: RotatingToken) -> bool:
        just_tried = self.ticks() - self._tried_at < self.pace.between_mintings
        left = token.expires - self.clock()
        return left < self.pace.renew_early * random.uniform(1, 2) and not just_tried

    def _replaced(self, dead: RotatingToken | None, early: bool = False) -> Call[RotatingToken]:
        """Return another token than `dead`: a neighbour's, or one of our own minting.

        With `early` set the old token still works: while somebody else renews it, it is returned as is.
        """
        died_at, gives_up = self.clock(), self.ticks() + self.pace.patience
        lease, seen_since = None, 0.0
        while self.ticks() < gives_up:
            if other := (yield from self._other_than(dead)):
                return other
            deaths = yield from self._young_deaths(None if early else dead, died_at)
            found = yield from self._lease_of_another()
            if found != lease:
                lease, seen_since = found, self.ticks()
            led = lease is not None and self.ticks() - seen_since < self.pace.lease
            if led and early and dead:
                return dead
            if led or self._must_rest(deaths, died_at):
                yield Sleep(*self.pace.wait_for_leader)
            elif (yield from self._leads()):
                return (yield from self._new(dead, deaths))
        raise TelecomNotSentError("not sent: another worker has been renewing the token for too long")

    def _other_than(self, dead: RotatingToken | None) -> Call[RotatingToken | None]:
        if self._token and not _same(self._token, dead):
            return self._token
        shared = _parsed((yield LoadToken(self.key)))
        if shared and not _same(shared, dead):
            self._token = shared
            return shared
        return None

    def _young_deaths(self, dead: RotatingToken | None, died_at: float) -> Call[list[float]]:
        """Return the times of recent young deaths with this one. Raises TelecomAuthError for too many."""
        known = _mapping((yield LoadToken(self.key))).get("young_deaths")
        times = [time for one in known if (time := _time(one)) is not None] if isinstance(known, list) else []
        recent = [time for time in times if abs(died_at - time) < self.pace.young_deaths_within]
        if dead is None or abs(died_at - dead.minted) > self.pace.died_young:
            return recent
        if len(recent) >= self.pace.young_deaths:
            raise TelecomAuthError(
                "another system uses this authorization token: our tokens die as soon as they are minted"
            )
        return [*recent, died_at]

    def _must_rest(self, deaths: list[float], died_at: float) -> bool:
        too_many = died_at in deaths and len(deaths) > self.pace.forgiven_deaths
        return too_many and self.ticks() - self._tried_at < self.pace.between_mintings

    def _lease_of_another(self) -> Call[str | None]:
        if not self.pace.lease:
            return None
        lease: str | None = yield LoadToken(self.lease_key)
        return lease if _mapping(lease).get("me") not in (None, self.me) else None

    def _leads(self) -> Call[bool]:
        """Take the lease and say whether it is still ours when writes have settled."""
        if not self.pace.lease:
            return True
        mine = json.dumps({"me": self.me, "at": self.clock()})
        yield SaveToken(self.lease_key, mine)
        yield Sleep(*self.pace.settle)
        return bool((yield LoadToken(self.lease_key)) == mine)

    def _end_lease(self) -> Call[None]:
        if self.pace.lease and _mapping((yield LoadToken(self.lease_key))).get("me") == self.me:
            yield SaveToken(self.lease_key, "{}")

    def _new(self, dead: RotatingToken | None, deaths: list[float]) -> Call[RotatingToken]:
        """Mint and publish, unless the leader before us has just done so. Ends the lease."""
        try:
            token = yield from self._other_than(dead)
            if token is None:
                self._tried_at = self.ticks()
                token = self._token = yield from without_token(self.mint(dead))
                token = self._token = yield from self._published(token, dead, deaths)
        except TelecomError:
            yield from self._end_lease()
            raise
        yield from self._end_lease()
        return token

    def _published(
        self, new: RotatingToken, dead: RotatingToken | None, deaths: list[float]
    ) -> Call[RotatingToken]:
        """Store a new token and read it back. Return the younger one if another leader was quicker."""
        for _ in ("write", "read back"):
            shared = _parsed((yield LoadToken(self.key)))
            if shared and _same(shared, new):
                break
            if shared and not _same(shared, dead) and shared.expires > new.expires:
                return shared  # it was minted after ours and has killed it
            yield SaveToken(self.key, _written(new, deaths))
        return new


def secrets_in(text: str | None) -> list[str]:
    """Return the secrets that a stored text holds, for whoever hides them in logs."""
    found = _mapping(text)
    return [found[name] for name in ("access", "refresh") if isinstance(found.get(name), str)]


def _same(one: RotatingToken, other: RotatingToken | None) -> bool:
    return other is not None and one.access == other.access


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except (ValueError, RecursionError):
        return {}
    return found if isinstance(found, dict) else {}


def _parsed(text: str | None) -> RotatingToken | None:
    """Return the token that a stored text holds; None, so that a new one is minted, if it can't be used."""
    found = _mapping(text)
    access, refresh = _credential(found.get("access")), _credential(found.get("refresh"))
    expires, minted = _time(found.get("expires")), _time(found.get("minted"))
    if access is None or expires is None or minted is None:
        return None
    return RotatingToken(access, expires, minted, refresh)


def _credential(value: object) -> Secret | None:
    return Secret(value) if isinstance(value, str) and _FIT_FOR_A_HEADER.fullmatch(value) else None


def _time(value: object) -> float | None:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 <= value < _YEAR_10000:
        return None
    return float(value)


def _written(token: RotatingToken, young_deaths: list[float]) -> str:
    kept = {"access": token.access.reveal(), "expires": token.expires, "minted": token.minted}
    refresh = {"refresh": token.refresh.reveal()} if token.refresh else {}
    return json.dumps({**kept, **refresh, "young_deaths": young_deaths})
