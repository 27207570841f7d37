"""What a post may be like, whoever sent it: checked before anybody looks at what it says."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

from anyio import fail_after
from starlette.requests import ClientDisconnect

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.responses import read_json

_TYPES = ("", "application/json", "text/json", "application/x-www-form-urlencoded", "text/plain")
"""KetchUp sends an "HTTP RAW POST": JSON, under whatever type its HTTP client gives to a raw body."""
_CHARSETS = ("utf-8", "us-ascii", "iso-8859-1")
"""The last one is what HTTP clients write for text/plain by default. All bodies are read as UTF-8."""
_MOST_ADDRESSES = 10_000


@dataclass(frozen=True)
class Limits:
    """How large a post may be, how deep its JSON, how long its lists, and how long it may take to arrive."""

    max_bytes: int = 1 << 20
    max_commas: int = 20_000
    """What JSON costs to parse and to hold grows with the number of its values, and commas part these."""
    max_depth: int = 32
    max_list_length: int = 10_000
    seconds: float = 10.0


class RefusedError(Exception):
    """A post that is not taken. `why` is a fixed text, never what the post says; None says nothing.

    `is_read` says whether its body was read to its end: if not, the connection cannot be used again.
    """

    def __init__(self, status: int, why: str | None = None) -> None:
        super().__init__(why)
        self.status, self.why, self.is_read = status, why, False


class RateLimiter:
    """Lets so many posts a second pass for each address, in this process."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, address: str, per_second: float) -> None:
        """Count a post. Raises RefusedError (429) when there were too many."""
        now = time.monotonic()
        left, at = self._left.get(address, (per_second, now))
        left = min(per_second, left + (now - at) * per_second)
        if left < 1:
            raise RefusedError(429)
        if len(self._left) >= _MOST_ADDRESSES:
            self._left.clear()
        self._left[address] = (left - 1, now)


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Raise RefusedError for a body that is compressed, is said to be no JSON, or is said to be too large."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RefusedError(415, "compressed bodies are not taken")
    kind, _, rest = headers.get("content-type", "").partition(";")
    if kind.strip().lower() not in _TYPES:
        raise RefusedError(415, "only JSON is taken")
    parameters = rest.lower().replace('"', "").replace(" ", "").split(";")
    charsets = [one.partition("=")[2] for one in parameters if one.startswith("charset=")]
    if not set(charsets) <= set(_CHARSETS):
        raise RefusedError(415, "only UTF-8 is taken")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > limits.max_bytes:
        raise _too_large(limits)


class BodyBuffer:
    """Reads bodies. All that are in memory at once take `most_bytes` together at most."""

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self._left = max_bytes

    @asynccontextmanager
    async def reading(self, chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
        """Give a body, read no further than allowed. Raises RefusedError."""
        pieces: list[bytes] = []
        try:
            await self._read(chunks, limits, pieces)
            yield b"".join(pieces)
        finally:
            self._left += sum(map(len, pieces))

    async def _read(self, chunks: AsyncIterator[bytes], limits: Limits, pieces: list[bytes]) -> None:
        size = commas = 0
        try:
            with fail_after(limits.seconds):
                async for chunk in chunks:
                    pieces.append(chunk)
                    self._left -= len(chunk)
                    size += len(chunk)
                    commas += chunk.count(b",")
                    if size > limits.max_bytes:
                        raise _too_large(limits)
                    if commas > limits.max_commas:
                        raise RefusedError(413, f"more than {limits.max_commas} commas")
                    if self._left < 0:
                        raise RefusedError(503)
        except ClientDisconnect:
            raise RefusedError(400, "it broke off") from None
        except TimeoutError:
            raise RefusedError(408, f"it did not arrive within {limits.seconds:g} s") from None


def parsed(body: bytes, limits: Limits) -> dict[str, Any]:
    """Return a body that is a JSON object, neither too deep nor too long. Raises RefusedError."""
    try:
        value = read_json(body)
    except TelecomAnswerError:
        raise RefusedError(400, "not JSON in UTF-8, or a key stands twice") from None
    if not isinstance(value, dict):
        raise RefusedError(400, "not a JSON object")
    _walk(value, limits)
    return value


def _walk(value: dict[str, Any], limits: Limits) -> None:
    level: list[Any] = [value]
    for _ in range(limits.max_depth):
        below: list[Any] = []
        for one in level:
            if len(one) > limits.max_list_length:
                raise RefusedError(400, f"a list is longer than {limits.max_list_length}")
            inner = one.values() if isinstance(one, dict) else one
            below += [item for item in inner if isinstance(item, (dict, list))]
        if not below:
            return
        level = below
    raise RefusedError(400, f"it is nested deeper than {limits.max_depth}")


def _too_large(limits: Limits) -> RefusedError:
    return RefusedError(413, f"larger than {limits.max_bytes} bytes")
