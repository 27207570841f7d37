"""A JWT that dies when the next one is minted, as SunSim wants it.

A new pair of tokens kills the old one at once, for every worker. So the live token is shared through a
store that all workers can read, and whoever finds it dead takes a lease there before minting: the store
has no compare-and-swap, hence the lease is written, left to settle, and read back.

    on a 401 with token b, one caller at a time in this process and, by the driver, on this host:
      1  the store holds another token than b      -> use it
      2  somebody's lease runs                     -> wait, go to 1
      3  write a lease, wait, read it back         -> not mine: go to 1; the token changed: use it
      4  mint; publish unless a younger token stands there; end the lease

Two leaders are possible when a write takes longer than the settling, or when one stalls beyond its
lease; then one token dies, its callers meet one more 401 and read the other's. Clocks are only used to
renew early and to let a dead leader's lease run out: what is true is decided by the 401.
"""

from __future__ import annotations

import json
import random
import time
import uuid
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from typing import Any, cast

from airflow_provider_telecom.auth.bearer import signed
from airflow_provider_telecom.auth.client_credentials import without_token
from airflow_provider_telecom.calls.endpoint import Alone, Call, Load, Pause, Step, Store
from airflow_provider_telecom.calls.errors import TelecomAuthError, TelecomNotSentError
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Outcome, Request, Response


@dataclass(frozen=True)
class RotatingToken:
    """An access token with its expiry and the time we minted it, both as Unix times in seconds."""

    access: Secret
    expires: float
    minted: float


@dataclass(frozen=True)
class Pace:
    """The protocol's times in seconds. Tests shorten them."""

    lease: float = 15.0
    settle: tuple[float, float] = (0.5, 1.0)
    wait_for_leader: tuple[float, float] = (0.3, 1.0)
    patience: float = 60.0
    renew_early: float = 1800.0
    after_repeated_401: tuple[float, float] = (1.0, 5.0)
    rounds: int = 3
    died_young: float = 60.0
    """A token that dies sooner than this after our own minting was killed by somebody else's minting."""
    young_deaths: int = 5
    """So many of them within `young_deaths_within` open the circuit."""
    young_deaths_within: float = 600.0
    after_young_death: float = 30.0
    """The least time between two mintings by one process when tokens die young."""


@dataclass
class RotatingJwt:
    """Signs with the newest shared token and replaces it when it dies.

    `mint` is a call that returns a new RotatingToken, `key` names the token in the store.
    """

    mint: Callable[[], Call[RotatingToken]]
    key: str
    pace: Pace = Pace()
    clock: Callable[[], float] = time.time
    me: str = field(default_factory=lambda: uuid.uuid4().hex)
    _token: RotatingToken | None = field(default=None, repr=False)
    _last_minted: float = field(default=0.0, repr=False)

    @property
    def lease_key(self) -> str:
        """The lease's name in the store."""
        return f"{self.key}_lease"

    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        """Yield what having a live token takes, and the signed request, again after each 401 (3 rounds)."""
        token = yield from self._present()
        for left in reversed(range(self.pace.rounds + 1)):
            outcome: Outcome = yield signed(request, token.access)
            if not (isinstance(outcome, Response) and outcome.status == 401) or not left:
                return outcome
            if left < self.pace.rounds:
                yield Pause(*self.pace.after_repeated_401)
            token = yield Alone(self._replaced(token), 2 * self.pace.patience)
        raise AssertionError("the last round returns")

    def stored(self) -> Call[RotatingToken | None]:
        """Return the token that is at hand in memory or in the store, without minting one."""
        if self._token is None:
            self._token = _parsed((yield Load(self.key)))
        return self._token

    def _present(self) -> Call[RotatingToken]:
        token = yield from self.stored()
        ageing = token and token.expires - self.clock() < self.pace.renew_early * random.uniform(1, 2)
        if token is None or ageing:
            token = yield Alone(self._replaced(token, early=bool(ageing)), 2 * self.pace.patience)
        return cast("RotatingToken", token)

    def _replaced(self, dead: RotatingToken | None, early: bool = False) -> Call[RotatingToken]:
        """Return another token than `dead`: a neighbour's, or one of our own minting.

        With `early` set the old token still works: while somebody else renews it, it is returned as is.
        """
        waited_until = self.clock() + self.pace.patience
        while self.clock() < waited_until:
            if other := (yield from self._other_than(dead)):
                return other
            if (yield from self._somebody_leads()):
                if early and dead:
                    return dead
                yield Pause(*self.pace.wait_for_leader)
                continue
            deaths = yield from self._young_deaths(dead, early)
            yield Store(self.lease_key, json.dumps({"me": self.me, "until": self.clock() + self.pace.lease}))
            yield Pause(*self.pace.settle)
            if not (yield from self._leading()):
                continue
            if other := (yield from self._other_than(dead)):
                yield Store(self.lease_key, "{}")
                return other
            return (yield from self._mint(dead, deaths))
        raise TelecomNotSentError("not sent: another worker has been renewing the SunSim token for too long")

    def _other_than(self, dead: RotatingToken | None) -> Call[RotatingToken | None]:
        if self._token and not _same(self._token, dead):
            return self._token
        shared = _parsed((yield Load(self.key)))
        if shared and not _same(shared, dead):
            self._token = shared
            return shared
        return None

    def _somebody_leads(self) -> Call[bool]:
        lease = _mapping((yield Load(self.lease_key)))
        return lease.get("me") not in (None, self.me) and float(lease.get("until", 0)) > self.clock()

    def _leading(self) -> Call[bool]:
        lease = _mapping((yield Load(self.lease_key)))
        return bool(lease.get("me") == self.me)

    def _mint(self, dead: RotatingToken | None, deaths: list[float]) -> Call[RotatingToken]:
        new: RotatingToken = yield from without_token(self.mint())
        self._last_minted = self.clock()
        shared = _parsed((yield Load(self.key)))
        if shared and not _same(shared, dead) and shared.expires > new.expires:
            new = shared  # a leader that overtook us minted later; ours is the dead one
        else:
            yield Store(self.key, _written(new, deaths))
        self._token = new
        yield Store(self.lease_key, "{}")
        return new

    def _young_deaths(self, dead: RotatingToken | None, early: bool) -> Call[list[float]]:
        """Return the times of recent young deaths; wait or raise when they come too often."""
        now = self.clock()
        known = _mapping((yield Load(self.key))).get("young_deaths", [])
        recent = [float(death) for death in known if now - float(death) < self.pace.young_deaths_within]
        if early or dead is None or now - dead.minted > self.pace.died_young:
            return recent
        recent.append(now)
        if len(recent) > self.pace.young_deaths:
            raise TelecomAuthError(
                "another system uses this SunSim authorization token: "
                "our tokens die as soon as they are minted"
            )
        rest = self._last_minted + self.pace.after_young_death - now
        if rest > 0:
            yield Pause(rest, rest)
        return recent


def _same(one: RotatingToken, other: RotatingToken | None) -> bool:
    return other is not None and one.access == other.access


def _mapping(text: str | None) -> dict[str, Any]:
    try:
        found = json.loads(text or "{}")
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


def _parsed(text: str | None) -> RotatingToken | None:
    found = _mapping(text)
    try:
        return RotatingToken(Secret(str(found["access"])), float(found["expires"]), float(found["minted"]))
    except (KeyError, TypeError, ValueError):
        return None


def _written(token: RotatingToken, young_deaths: list[float]) -> str:
    return json.dumps({
        "access": token.access.reveal(),
        "expires": token.expires,
        "minted": token.minted,
        "young_deaths": young_deaths,
    })
