"""A value that is computed once for everybody who asks for it."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from typing import Generic, TypeVar

log = logging.getLogger(__name__)

T = TypeVar("T")


class UnavailableError(Exception):
    """The value could not be computed."""


class Shared(Generic[T]):
    """Computes a value in a thread, at most once in some seconds, however many ask for it at once.

    Meanwhile it returns the former value, unless that is older than twice that time: then all wait for the
    new one.
    """

    def __init__(self, compute: Callable[[], T], seconds: float) -> None:
        self._compute, self._seconds = compute, seconds
        self._values: list[T] = []
        self._until = 0.0
        self._task: asyncio.Task[None] | None = None

    async def get(self) -> T:
        """Return the value. Raises UnavailableError."""
        if self._task is None and time.monotonic() >= self._until:
            self._task = asyncio.create_task(self._renew())
        if self._task is not None and self._is_old:
            await asyncio.shield(self._task)
        if self._is_old:
            raise UnavailableError
        return self._values[0]

    @property
    def _is_old(self) -> bool:
        return not self._values or time.monotonic() >= self._until + self._seconds

    async def _renew(self) -> None:
        try:
            self._values = [await asyncio.to_thread(self._compute)]
            self._until = time.monotonic() + self._seconds
        except Exception as error:  # the text of a database's error holds the statement's values
            log.error("What the page shows could not be read: %s", type(error).__name__)
        finally:
            self._task = None
