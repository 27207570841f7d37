"""The state of the simulated Kyivstar: tokens, subscribers, messages and promos."""

from __future__ import annotations

import random
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from email.utils import format_datetime
from typing import Any, Literal, get_args

from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    TOO_MANY_REQUESTS,
    RefusedError,
    unauthorized,
)
from airflow_provider_telecom.simulator.state import Progression, SimulatorState

Environment = Literal["live", "mock", "sandbox"]
Version = Literal["v1beta", "v1"]
Channel = Literal["sms", "viber", "multichannel", "rcs"]
CHANNELS: tuple[Channel, ...] = get_args(Channel)

TOKEN_SECONDS = 28799


@dataclass(frozen=True)
class Token:
    """The servers that accept an access token, and its expiry time."""

    environments: frozenset[Environment]
    expires: datetime


@dataclass(frozen=True)
class RateLimit:
    """How many requests are answered in each period; the others get a 429."""

    limit: int
    period_seconds: float = 1.0


@dataclass
class Subscriber:
    """The facts about one subscriber. `sim_changes` are the times of SIM changes."""

    active: bool
    sim_changes: list[datetime]
    imei: str
    imei_count: int
    score: int | None


@dataclass(slots=True)
class Message:
    """One SMS or Viber message; `changed` is when its current status was first seen."""

    id: str
    environment: Environment
    progression: Progression
    status: str
    changed: datetime
    bearers: Sequence[str] = ()
    """Of a multichannel message: the channels that are tried, in their order. The last may deliver it."""


@dataclass
class Promo:
    """A promo. `audience` holds (msisdn, params) in the order of arrival; `sent` is how many were sent."""

    id: str
    environment: Environment
    sender: str
    text: str
    param_count: int
    start: datetime
    end: datetime | None = None
    status: str = "DRAFT"
    progression: Progression | None = None
    sent: int = 0
    campaign_type: str = "SMS"
    image: bytes = b""
    audience: list[tuple[str, tuple[str, ...]]] = field(default_factory=list)


class VendorState:
    """The state of the vendor, and the switches that select its behaviour.

    `viber_templates` are regular expressions of agreed transactional texts; `refused_senders` are alpha
    names that are not approved; messages to `unreachable` numbers are never delivered; `without_viber` are
    numbers that have no Viber; `batch_limit` is how many SMS a batch may have; `sandbox_left` is how many
    calls the sandbox still answers.
    """

    def __init__(self, state: SimulatorState) -> None:
        self.simulator = state
        self.switches = state.switches("kyivstar_open_telecom")
        self.rate_limit: RateLimit | None = None
        self.sandbox_left = 10_000
        self.viber_templates = [r"Your code is \d+", r"Ваш код: \d+", r"Замовлення \S+ готове"]
        self.refused_senders = {"forbidden"}
        self.unreachable: set[str] = set()
        self.without_viber: set[str] = set()
        self.batch_limit = 1_000
        self.score_models = {"7"}
        self.tokens: dict[str, Token] = {}
        self.subscribers: dict[str, Subscriber] = {}
        self.messages: dict[Channel, dict[str, Message]] = {channel: {} for channel in CHANNELS}
        self.promos: dict[str, Promo] = {}
        self.batch_names: dict[str, dict[str, Any]] = {}
        """What became of SMS of batches, by the client's names for them."""
        self._mock_ids: dict[str, int] = {}
        self._period_began = state.clock.now()
        self._used = 0

    def new_id(self) -> str:
        """Return a UUID derived from the simulator's seed."""
        return str(uuid.UUID(int=self.simulator.random.getrandbits(128), version=4))

    def message_id(self, environment: Environment, msisdn: str) -> str:
        """Return a message id. Ids of the mock server end with the phone number."""
        if environment != "mock":
            return self.new_id()
        turn = self._mock_ids.get(msisdn, 0)
        self._mock_ids[msisdn] = turn + 1
        return f"{0x20200000 + turn:08x}-0000-0000-0000-{msisdn}"

    def mint(self, environments: frozenset[Environment]) -> str:
        """Return a new access token. Older tokens stay valid unless the switch `one_token` is on."""
        if self.switches.on("one_token"):
            mine = environments
            self.tokens = {value: old for value, old in self.tokens.items() if old.environments != mine}
        value = f"sim_{self.simulator.random.getrandbits(256):064x}"
        self.tokens[value] = Token(
            environments, self.simulator.clock.now() + timedelta(seconds=TOKEN_SECONDS)
        )
        return value

    def revoke_tokens(self) -> None:
        """Invalidate all tokens."""
        self.tokens.clear()

    def authenticate(self, environment: Environment, token: str) -> None:
        """Refuse a token that is unknown, expired or for another server."""
        known = self.tokens.get(token)
        if (
            known is None
            or environment not in known.environments
            or known.expires <= self.simulator.clock.now()
        ):
            raise unauthorized()

    def check_rate_limit(self, environment: Environment) -> dict[str, str]:
        """Return the rate limit headers. Refuse a request that exceeds the limit."""
        headers, used_up = self._rate()
        if environment == "sandbox":
            used_up = used_up or self.sandbox_left <= 0
            self.sandbox_left -= not used_up
            if used_up and self.switches["sandbox_over"] == "403":
                raise RefusedError(403, TOO_MANY_REQUESTS, "The sandbox is used up")
        if used_up:
            raise RateLimitedError(headers)
        return headers

    def _rate(self) -> tuple[dict[str, str], bool]:
        rate = self.rate_limit
        if rate is None:
            return {}, False
        age = (self.simulator.clock.now() - self._period_began).total_seconds()
        if age >= rate.period_seconds:
            self._period_began, self._used, age = self.simulator.clock.now(), 0, 0.0
        used_up = self._used >= rate.limit
        self._used += not used_up
        headers = {
            "X-Rate-Limit-Limit": str(rate.limit),
            "X-Rate-Limit-Period-Sec": f"{rate.period_seconds:g}",
            "X-Rate-Limit-Remaining": str(rate.limit - self._used),
            "X-Rate-Limit-Reset": self._reset(max(1, round(rate.period_seconds - age))),
        }
        return headers, used_up

    def _reset(self, seconds: int) -> str:
        form, moment = (
            self.switches["rate_limit_reset"],
            self.simulator.clock.now() + timedelta(seconds=seconds),
        )
        if form == "http_date":
            return format_datetime(moment, usegmt=True)
        return {
            "seconds": f"{seconds}",
            "epoch": f"{moment.timestamp():.0f}",
            "epoch_ms": f"{moment.timestamp() * 1000:.0f}",
        }[form]

    def subscriber(self, msisdn: str) -> Subscriber:
        """Return a subscriber. It is generated from the simulator's seed and the number on first use."""
        if msisdn not in self.subscribers:
            self.subscribers[msisdn] = _generate(self.simulator, msisdn)
        return self.subscribers[msisdn]


class RateLimitedError(RefusedError):
    """A request that exceeds the rate limit; `headers` say when the next one is allowed."""

    def __init__(self, headers: dict[str, str]) -> None:
        super().__init__(429, TOO_MANY_REQUESTS, "Too Many Requests")
        self.headers = headers


def _generate(state: SimulatorState, msisdn: str) -> Subscriber:
    """Return a random subscriber. Numbers that end with 99 have no score."""
    chance: Any = random.Random(f"{state.seed}:{msisdn}")
    hours = sorted(chance.sample(range(1, 200 * 24), chance.randint(0, 3)), reverse=True)
    return Subscriber(
        active=chance.random() < 0.9,
        sim_changes=[state.clock.now() - timedelta(hours=ago) for ago in hours],
        imei=f"35{chance.randrange(10**13):013d}",
        imei_count=chance.randint(1, 4),
        score=None if msisdn.endswith("99") else chance.randint(300, 850),
    )
