"""A queue that one thread works off in batches: what arrives during a batch is the next batch."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Generic, TypeVar

_PAUSE_SECONDS = 0.025
"""Between two batches. A transaction costs much more than a post in it, so a few large batches take less time
than many small ones. A post that arrives alone does not wait for it."""

Item = TypeVar("Item")
Result = TypeVar("Result")
T = TypeVar("T")


class FullError(Exception):
    """The queue is full: another item would wait too long."""


class BatchQueue(Generic[Item, Result]):
    """Passes items to `work` in batches, in one thread, and returns each caller its own result.

    `work` returns a result or an exception for each item, in order. What it raises is raised for all of them.
    An item that arrives while nothing waits is a batch of its own.
    """

    def __init__(
        self, work: Callable[[list[Item]], Sequence[Result | Exception]], *, max_batch: int, max_waiting: int
    ) -> None:
        self._work, self._max_batch, self._max_waiting = work, max_batch, max_waiting
        self._waiting: list[tuple[Item, asyncio.Future[Result]]] = []
        self._running: asyncio.Task[None] | None = None
        self._thread = ThreadPoolExecutor(1, "telecom-inbox")

    async def submit(self, item: Item) -> Result:
        """Return the result of an item when its batch is done. Raises FullError."""
        if len(self._waiting) >= self._max_waiting:
            raise FullError
        future: asyncio.Future[Result] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, future))
        if self._running is None:
            self._running = asyncio.create_task(self._run())
        return await future

    async def run_between_batches(self, act: Callable[..., T], *arguments: object) -> T:
        """Run something else in the thread, between two batches."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, act, *arguments)

    async def _run(self) -> None:
        try:
            while self._waiting:
                batch = self._waiting[: self._max_batch]
                del self._waiting[: self._max_batch]
                results = await self.run_between_batches(self._work_or_error, [item for item, _ in batch])
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

    def _work_or_error(self, items: list[Item]) -> list[Result | Exception]:
        try:
            return [result for _, result in zip(items, self._work(items), strict=True)]
        except Exception as error:  # each caller must get it
            return [error] * len(items)
