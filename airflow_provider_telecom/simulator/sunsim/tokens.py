"""SunSim's tokens. They look like JWTs and contain their expiry time."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import Literal

from airflow_provider_telecom.simulator.incoming import JsonObject

ACCESS_LIFE = timedelta(hours=24)
REFRESH_LIFE = timedelta(hours=25)
CONTRACT = "883736"
_SUBJECT = "-39"
_ROLES = {"access": "api:integrationapi:access", "refresh": "users:integrationapi:refresh"}


@dataclass(frozen=True)
class Token:
    """An access or refresh token and its expiry time."""

    value: str
    expires: datetime


def jwt(kind: Literal["access", "refresh"], ids: tuple[str, str], expires: datetime, chance: Random) -> str:
    """Return a JWT with the vendor's claims and a random signature. `ids` are its own and its parent's."""
    token_id, parent_id = ids
    claims = {
        "token_id": token_id,
        "p_token_id": parent_id,
        "roles": _ROLES[kind],
        "sub": _SUBJECT,
        "contract": CONTRACT,
        "app": _SUBJECT,
        "exp": int(expires.timestamp()),
    }
    signature = _base64url(chance.getrandbits(2048).to_bytes(256, "big"))
    return f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}.{signature}"


def _part(fields: JsonObject) -> str:
    return _base64url(json.dumps(fields, separators=(",", ":")).encode())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()
