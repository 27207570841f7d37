"""Reads that several triggers wait for: one call answers for all of them.

Two polls share if they make the same call (account, endpoint, arguments) in the same event loop, whatever
their status checks compare the result with. A poll takes the result of another one only if that call began

- after the poll's own trigger began to wait, and after the last webhook that woke it;
- after the call whose result it used before, so that nobody goes back in time;
- at most KEPT_SECONDS ago, unless it is still under way.

A new result wakes the others that wait for it, so they all poll in step: once in an interval for all, and
nobody learns of a state later than by polling alone. Errors are shared too; each poll counts them for itself.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Hashable
from copy import copy
from typing import Any, Protocol

from airflow_provider_telecom.calls.errors import TelecomError

KEPT_SECONDS = 10.0
"""The first polls of triggers that start together are spread over as many seconds."""


class Follower(Protocol):
    """One who polls: a trigger."""

    since: float
    """By `time.monotonic()`: only results of calls that began later are new to it."""
    keys: set[Hashable]
    """The calls that it has asked for."""

    def wake(self) -> None:
        """Poll now, if it waits for its next poll: there is a new result."""


class _SharedCall:
    """A call and its end. `joined` is set for those who wait for it."""

    def __init__(self, began: float) -> None:
        self.began = began
        self.is_over = self.is_cancelled = False
        self.result: Any = None
        self.error: TelecomError | None = None
        self.joined: asyncio.Future[None] | None = None

    async def end(self) -> None:
        """Wait until the call is over. One who no longer waits does not end it."""
        if not self.is_over:
            if self.joined is None:
                self.joined = asyncio.get_running_loop().create_future()
            await asyncio.shield(self.joined)

    def close(self) -> None:
        """Let go those who wait."""
        self.is_over = True
        if self.joined is not None:
            self.joined.set_result(None)


class SharedCalls:
    """The shared calls of one account in one event loop."""

    def __init__(self) -> None:
        self._calls: dict[Hashable, _SharedCall] = {}
        self._followers: dict[Hashable, set[Follower]] = {}

    async def run(self, key: Hashable, call: Callable[[], Awaitable[Any]], follower: Follower) -> Any:
        """Return the result of `call`, or that of another follower's.

        If the one who makes a call is cancelled, another one who waits for its result makes it again.
        """
        follower.keys.add(key)
        self._followers.setdefault(key, set()).add(follower)
        while True:
            found = self._calls.get(key)
            if found is None or not _is_fresh(found, follower):
                return await self._make(key, call, follower)
            await found.end()
            if found.is_cancelled:
                continue
            follower.since = max(follower.since, found.began)
            if found.error is not None:
                raise copy(found.error)  # each one adds the name of its own connection
            return found.result

    async def _make(self, key: Hashable, call: Callable[[], Awaitable[Any]], follower: Follower) -> Any:
        mine = _SharedCall(time.monotonic())
        self._forget(key, mine.began - KEPT_SECONDS)
        self._calls[key] = mine
        follower.since = mine.began
        try:
            mine.result = await call()
        except TelecomError as error:
            mine.error = copy(error)
            raise
        except BaseException:
            mine.is_cancelled = True
            if self._calls.get(key) is mine:
                del self._calls[key]
            raise
        finally:
            mine.close()
            for other in () if mine.is_cancelled else self._followers[key]:
                if other.since < mine.began:
                    other.wake()
        return mine.result

    def _forget(self, key: Hashable, before: float) -> None:
        """Remove the last call with this key, and old ones. They are in the order of their beginning."""
        self._calls.pop(key, None)
        while self._calls:
            oldest = next(iter(self._calls))
            if self._calls[oldest].began >= before or not self._calls[oldest].is_over:
                return
            del self._calls[oldest]

    def leave(self, follower: Follower) -> None:
        """Forget one who no longer polls."""
        for key in follower.keys:
            followers = self._followers.get(key, set())
            followers.discard(follower)
            if not followers:
                self._followers.pop(key, None)


def _is_fresh(call: _SharedCall, follower: Follower) -> bool:
    is_recent = not call.is_over or call.began >= time.monotonic() - KEPT_SECONDS
    return is_recent and call.began > follower.since
