"""The limits of a post, whoever has sent it. They are checked before its content is read."""

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
_MAX_ADDRESSES = 10_000


@dataclass(frozen=True)
class Limits:
    """The limits of a post: size, values, depth and length of lists in its JSON, and seconds to arrive."""

    max_bytes: int = 1 << 20
    max_commas: int = 20_000
    """Time and memory of parsing JSON grow with the number of values, and commas separate these."""
    max_depth: int = 32
    max_list_length: int = 10_000
    seconds: float = 10.0


class RefusedError(Exception):
    """A refused post. `reason` is a fixed text, never part of the post; a post without one is not logged.

    `is_read` is whether the body was read to its end: if not, the connection cannot be used again.
    """

    def __init__(self, status: int, reason: str | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.is_read = status, reason, False


class RateLimiter:
    """Limits the posts per second of each address, in this process."""

    def __init__(self) -> None:
        self._left: dict[str, tuple[float, float]] = {}

    def check(self, address: str, per_second: float) -> None:
        """Count a post. Raises RefusedError (429) if there were too many."""
        now = time.monotonic()
        left, at = self._left.get(address, (per_second, now))
        left = min(per_second, left + (now - at) * per_second)
        if left < 1:
            raise RefusedError(429)
        if len(self._left) >= _MAX_ADDRESSES:
            self._left.clear()
        self._left[address] = (left - 1, now)


def check_headers(headers: Mapping[str, str], limits: Limits) -> None:
    """Raise RefusedError if the headers announce a body that is compressed, not JSON or too large."""
    if headers.get("content-encoding", "identity").strip().lower() not in ("", "identity"):
        raise RefusedError(415, "compressed bodies are not accepted")
    kind, _, rest = headers.get("content-type", "").partition(";")
    if kind.strip().lower() not in _TYPES:
        raise RefusedError(415, "only JSON is accepted")
    parameters = rest.lower().replace('"', "").replace(" ", "").split(";")
    charsets = [one.partition("=")[2] for one in parameters if one.startswith("charset=")]
    if not set(charsets) <= set(_CHARSETS):
        raise RefusedError(415, "only UTF-8 is accepted")
    length = headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()) or int(length[:20]) > limits.max_bytes:
        raise _too_large(limits)


class BodyBuffer:
    """Reads bodies. All that are in memory at the same time have at most `max_bytes` together."""

    def __init__(self, max_bytes: int = 64 << 20) -> None:
        self._left = max_bytes

    @asynccontextmanager
    async def reading(self, chunks: AsyncIterator[bytes], limits: Limits) -> AsyncIterator[bytes]:
        """Read a body within the limits, and keep its memory reserved until the end of the block.

        Raises RefusedError.
        """
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
            raise RefusedError(400, "the connection broke off") from None
        except TimeoutError:
            raise RefusedError(408, f"it did not arrive within {limits.seconds:g} s") from None


def parsed(body: bytes, limits: Limits, list_name: str | None = None) -> dict[str, Any]:
    """Return a body that is a JSON object within the limits. Raises RefusedError.

    A list counts as an object that has it under `list_name`, if that is given.
    """
    try:
        value = read_json(body)
    except TelecomAnswerError:
        raise RefusedError(400, "not JSON in UTF-8, or a duplicate key") from None
    if isinstance(value, list) and list_name is not None:
        value = {list_name: value}
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
