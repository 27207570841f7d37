"""Many requests, one thread: what waits while a batch is worked on is the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

_PAUSE_SECONDS = 0.025
"""Between two batches. A transaction costs much and a post little, so a few large batches are done sooner
than many small ones. Whoever posts one by one never waits for it."""

Item = TypeVar("Item")
Result = TypeVar("Result")
T = TypeVar("T")


class FullError(Exception):
    """So many items wait already that one more would wait too long."""


class BatchQueue(Generic[Item, Result]):
    """Hands items over to `work` in batches, in one thread, and each caller its own result.

    `work` returns a result, or an exception to be raised, for each item in order. What it raises is raised
    for all of them. An item that comes alone is a batch at once.
    """

    def __init__(
        self, work: Callable[[list[Item]], Sequence[Result | Exception]], *, largest: int, max_waiting: int
    ) -> None:
        self._work, self._largest, self._most_waiting = work, largest, max_waiting
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "telecom-inbox")

    async def submit(self, item: Item) -> Result:
        """Return what became of an item, once its batch is done. Raises FullError."""
        if len(self._waiting) >= self._most_waiting:
            raise FullError
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def in_turn(self, act: Callable[..., T], *arguments: object) -> T:
        """Do something else in the thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._largest]
                del self._waiting[: self._largest]
                results = await self.in_turn(self._tried, [item for item, _ in batch])
                for (_, future), result in zip(batch, results, strict=True):
                    if future.done():  # its request was cancelled
                        continue
                    if isinstance(result, Exception):
                        future.set_exception(result)
                    else:
                        future.set_result(result)
                if self._waiting:
                    await asyncio.sleep(_PAUSE_SECONDS)
        finally:
            self._running = None

    def _tried(self, items: list[Item]) -> list[Result | Exception]:
        try:
            return [result for _, result in zip(items, self._work(items), strict=True)]
        except Exception as error:  # whoever submitted them has to know
            return [error] * len(items)
