"""The state of the simulated SunSim: valid tokens, numbers of the contract, their calls and settings."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo
from typing import Any, Literal

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.state import Progression, SimulatorState
from airflow_provider_telecom.simulator.sunsim.models import PhoneCall
from airflow_provider_telecom.simulator.sunsim.responses import UnauthorizedError
from airflow_provider_telecom.simulator.sunsim.seed import VIP_PROFILES, new_id, seed_calls, settings_of
from airflow_provider_telecom.simulator.sunsim.tokens import ACCESS_LIFE, REFRESH_LIFE, Token, jwt

NUMBERS = ("9000000000", "9000000001", "9000000002")


class VendorState:
    """The state of the vendor, and the switches that select its behaviour.

    `zone` is the zone of all times without an offset. `recordings` holds MP3 bytes by callRecordId; tests may
    add their own, and the vendor's names for them to `file_names`. `settings` is what Vats/settings/get shows
    for each number at the end of the progression "sunsim.settings"; until then it shows `replaced`.
    `stray_rows` come before the calls in each call list.
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
        self.calls: dict[str, list[PhoneCall]] = {
            number: seed_calls(state, number, self.recordings) for number in NUMBERS
        }
        self.vip_profiles = set(VIP_PROFILES)
        self.settings: dict[str, JsonObject] = {
            number: settings_of(number, place, self.switches) for place, number in enumerate(NUMBERS)
        }
        self.replaced: dict[str, tuple[JsonObject, Progression]] = {}
        self._parent_id = self.new_id()

    def new_id(self) -> str:
        """Return a UUID derived from the simulator's seed."""
        return new_id(self.simulator)

    def local(self, moment: datetime) -> datetime:
        """Return a time in the vendor's zone."""
        return moment.astimezone(self.zone)

    def revoke_access_tokens(self) -> None:
        """Invalidate all access tokens. The refresh token stays valid."""
        self.access = None
        self.kept.clear()

    def regenerate_authorization_token(self) -> None:
        """Change the authorization token, like the button in the portal: all tokens become invalid."""
        self.authorization_token = f"sim_{self.simulator.random.getrandbits(128):032x}"
        self.access = self.refresh = None
        self.kept.clear()

    def authenticate(self, bearer: str, wanted: Literal["authorization", "refresh", "access"]) -> None:
        """Refuse a bearer token that is not the valid token of the wanted kind."""
        if wanted == "authorization":
            alive = bearer == self.authorization_token
        else:
            tokens = [self.access, *self.kept] if wanted == "access" else [self.refresh]
            now = self.simulator.clock.now()
            alive = any(one is not None and one.value == bearer and now < one.expires for one in tokens)
        if not alive:
            raise UnauthorizedError

    def mint(self, via: Literal["create", "refresh"]) -> JsonObject:
        """Create a new pair, which invalidates the previous one, and return it as the vendor shows it.

        With the switch `create_keeps` access tokens stay valid after a creation.
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
