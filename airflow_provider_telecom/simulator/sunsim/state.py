"""SunSim's own state: the live pair of tokens, the contract's numbers, their calls and settings."""

from __future__ import annotations

import uuid
from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.state import Progression, SimulatorState
from airflow_provider_telecom.simulator.sunsim.calls import PhoneCall, seed_calls
from airflow_provider_telecom.simulator.sunsim.responses import UnauthorizedError
from airflow_provider_telecom.simulator.sunsim.seed import VIP_PROFILES, settings_of
from airflow_provider_telecom.simulator.sunsim.tokens import ACCESS_LIFE, REFRESH_LIFE, Token, jwt

NUMBERS = ("9000000000", "9000000001", "9000000002")


class VendorState:
    """SunSim's state, and the switches by which a test makes it behave in one way or another.

    `zone` is that of all times without an offset. `recordings` holds MP3 bytes by callRecordId; a test may
    put its own there, and the vendor's names for them in `file_names`. `settings` is what Vats/settings/get
    shows for each number, once "sunsim.settings" is ripe; until then it is what `replaced` holds.
    `stray_rows` stand in each call list before its calls.
    """

    def __init__(self, state: SimulatorState) -> None:
        self.simulator = state
        self.switches = state.switches("sunsim")
        self.zone: tzinfo = UTC
        self.authorization_token = credentials.SUNSIM_AUTHORIZATION_TOKEN
        self.access: Token | None = None
        self.refresh: Token | None = None
        self.kept: list[Token] = []
        self.numbers = NUMBERS
        self.recordings: dict[str, bytes] = {}
        self.file_names: dict[str, str] = {}
        self.stray_rows: list[Any] = []
        self.calls: dict[str, list[PhoneCall]] = {number: seed_calls(self, number) for number in NUMBERS}
        self.vip_profiles = set(VIP_PROFILES)
        self.settings: dict[str, dict[str, Any]] = {
            number: settings_of(number, place, self.switches) for place, number in enumerate(NUMBERS)
        }
        self.replaced: dict[str, tuple[dict[str, Any], Progression]] = {}
        self._parent_id = self.new_id()

    def new_id(self) -> str:
        """Return a UUID that the town's seed decides."""
        return str(uuid.UUID(int=self.simulator.random.getrandbits(128), version=4))

    def local(self, moment: datetime) -> datetime:
        """Return a time as the vendor's clocks show it."""
        return moment.astimezone(self.zone)

    def revoke_access_tokens(self) -> None:
        """Make all live access tokens dead; the refresh token lives on."""
        self.access = None
        self.kept.clear()

    def regenerate_authorization_token(self) -> None:
        """Change the authorization token, as the button in the portal does: every token is dead."""
        self.authorization_token = f"sim_{self.simulator.random.getrandbits(128):032x}"
        self.access = self.refresh = None
        self.kept.clear()

    def authenticate(self, bearer: str, wanted: Literal["authorization", "refresh", "access"]) -> None:
        """Refuse a bearer that is not the live token of the wanted kind."""
        if wanted == "authorization":
            alive = bearer == self.authorization_token
        else:
            tokens = [self.access, *self.kept] if wanted == "access" else [self.refresh]
            now = self.simulator.clock.now()
            alive = any(one is not None and one.value == bearer and now < one.expires for one in tokens)
        if not alive:
            raise UnauthorizedError

    def mint(self, via: Literal["create", "refresh"]) -> dict[str, Any]:
        """Make a new pair, which kills the one before, and return it as the vendor shows it.

        With the switch `create_keeps` access tokens outlive a creation.
        """
        if self.access is not None and via == "create" and self.switches.on("create_keeps"):
            self.kept.append(self.access)
        self.access = self._token("access", ACCESS_LIFE)
        self.refresh = self._token("refresh", REFRESH_LIFE)
        self.simulator.record("sunsim", "token", via=via)
        return {
            "accessToken": self.access.value,
            "accessTokenExpiredIn": self._written(self.access.expires),
            "refreshToken": self.refresh.value,
            "refreshTokenExpiredIn": self._written(self.refresh.expires),
        }

    def _token(self, kind: Literal["access", "refresh"], life: timedelta) -> Token:
        expires, token_id = self.simulator.clock.now() + life, self.new_id()
        if self.switches.on("opaque_tokens"):
            return Token(f"sim_{self.simulator.random.getrandbits(256):064x}", expires)
        return Token(jwt(kind, (token_id, self._parent_id), expires, self.simulator.random), expires)

    def _written(self, moment: datetime) -> str | int:
        form = self.switches["token_dates"]
        local, unix = self.local(moment), int(moment.timestamp())
        written: dict[str, str | int] = {
            "iso": moment.isoformat(timespec="milliseconds").replace("+00:00", "Z"),
            "local": f"{local:%Y-%m-%d %H:%M:%S}",
            "epoch": unix,
            "epoch_ms": str(1000 * unix),
            "seconds": str(round((moment - self.simulator.clock.now()).total_seconds())),
            "dotted": f"{local:%d.%m.%Y %H:%M:%S}",
        }
        return written[form]
