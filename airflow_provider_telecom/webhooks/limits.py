"""What a post may be like, whoever sent it: checked before anybody looks at what it says."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import ClientDisconnect

from airflow_provider_telecom.calls.answers import read_json
from airflow_provider_telecom.calls.errors import TelecomAnswerError

_TYPES = ("", "application/json", "text/json")  # KetchUp posts "raw", which may be without a type
_MOST_SCOPES = 1000


@dataclass(frozen=True)
class Limits:
    """How large a post may be, how deep its JSON, how long its lists, and how long it may take to arrive."""

    most_bytes: int = 1 << 20
    deepest: int = 32
    longest_list: int = 10_000
    seconds: float = 10.0


class RefusedError(Exception):
    """A post that is not taken. `why` is a fixed text, never what the post says; None says nothing."""

    def __init__(self, status: int, why: str | None = None) -> None:
        super().__init__(why)
        self.status, self.why = status, why


class Flood:
    """Lets so many posts a second pass for each scope, in this process."""

    def __init__(self, per_second: float = 60.0) -> None:
        self._per_second = per_second
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, scope: str) -> None:
        """Count a post. Raises RefusedError (429) when there were too many."""
        now = time.monotonic()
        left, at = self._left.get(scope, (self._per_second, now))
        left = min(self._per_second, left + (now - at) * self._per_second)
        if left < 1:
            raise RefusedError(429)
        if len(self._left) >= _MOST_SCOPES:
            self._left.clear()
        self._left[scope] = (left - 1, now)


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Raise RefusedError for a body that is compressed, is said to be no JSON, or is said to be too large."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RefusedError(415, "compressed bodies are not taken")
    kind, _, rest = headers.get("content-type", "").partition(";")
    if kind.strip().lower() not in _TYPES:
        raise RefusedError(415, "only JSON is taken")
    charset = rest.lower().replace('"', "").replace(" ", "")
    if "charset=" in charset and "charset=utf-8" not in charset:
        raise RefusedError(415, "only UTF-8 is taken")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > limits.most_bytes:
        raise _too_large(limits)


async def read_body(chunks: AsyncIterator[bytes], limits: Limits) -> bytes:
    """Return a body, read no further than allowed. Raises RefusedError."""
    try:
        return await asyncio.wait_for(_read(chunks, limits), limits.seconds)
    except ClientDisconnect:
        raise RefusedError(400, "it broke off") from None
    except asyncio.TimeoutError:
        raise RefusedError(408, f"it did not arrive within {limits.seconds:g} s") from None


async def _read(chunks: AsyncIterator[bytes], limits: Limits) -> bytes:
    body = bytearray()
    async for chunk in chunks:
        body += chunk
        if len(body) > limits.most_bytes:
            raise _too_large(limits)
    return bytes(body)


def shape(body: bytes, limits: Limits) -> None:
    """Raise RefusedError unless a body is a JSON object that is neither too deep nor too long."""
    try:
        value = read_json(body)
    except TelecomAnswerError:
        raise RefusedError(400, "not JSON in UTF-8, or a key stands twice") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "not a JSON object")
    _walk(value, limits)


def _walk(value: dict[str, Any], limits: Limits) -> None:
    level: list[Any] = [value]
    for _ in range(limits.deepest):
        below: list[Any] = []
        for one in level:
            if len(one) > limits.longest_list:
                raise RefusedError(400, f"a list is longer than {limits.longest_list}")
            inner = one.values() if isinstance(one, dict) else one
            below += [item for item in inner if isinstance(item, (dict, list))]
        if not below:
            return
        level = below
    raise RefusedError(400, f"it is nested deeper than {limits.deepest}")


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(413, f"larger than {limits.most_bytes} bytes")
