"""What waits while a batch is worked on is the next batch, and each caller gets its own result."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Sequence
from typing import Any

import pytest

from airflow_provider_telecom.webhooks.batches import BatchQueue, FullError
from tests.eventually import HANG_SECONDS, eventually_async


class Work:
    """Doubles numbers, in a thread, while it is let."""

    def __init__(self) -> None:
        self.batches: list[list[int]] = []
        self.threads: set[str] = set()
        self.may_go_on = threading.Event()
        self.may_go_on.set()

    def __call__(self, items: list[int]) -> Sequence[int | Exception]:
        self.batches.append(items)
        self.threads.add(threading.current_thread().name)
        assert self.may_go_on.wait(HANG_SECONDS)
        return [2 * one if one >= 0 else ValueError(one) for one in items]


@pytest.fixture
def work() -> Work:
    return Work()


def run(scene: Callable[[], Coroutine[Any, Any, None]]) -> None:
    asyncio.run(asyncio.wait_for(scene(), HANG_SECONDS))


async def waiting(
    batches: BatchQueue[int, int], work: Work, numbers: Sequence[int]
) -> list[asyncio.Task[int]]:
    """Let the first number be worked on, and the others wait."""
    work.may_go_on.clear()
    first = asyncio.create_task(batches.submit(numbers[0]))
    assert await eventually_async(lambda: work.batches)
    others = [asyncio.create_task(batches.submit(number)) for number in numbers[1:]]
    await asyncio.sleep(0)
    return [first, *others]


def test_all_that_waits_is_one_batch(work: Work) -> None:
    async def scene() -> None:
        tasks = await waiting(BatchQueue(work, max_batch=100, max_waiting=100), work, range(50))
        work.may_go_on.set()
        assert await asyncio.gather(*tasks) == [2 * number for number in range(50)]
        assert work.batches == [[0], list(range(1, 50))]
        assert len(work.threads) == 1
        assert threading.current_thread().name not in work.threads

    run(scene)


def test_batches_are_only_so_large(work: Work) -> None:
    async def scene() -> None:
        tasks = await waiting(BatchQueue(work, max_batch=20, max_waiting=100), work, range(50))
        work.may_go_on.set()
        await asyncio.gather(*tasks)
        assert [len(batch) for batch in work.batches] == [1, 20, 20, 9]

    run(scene)


def test_what_would_wait_too_long_is_refused_at_once(work: Work) -> None:
    async def scene() -> None:
        batches = BatchQueue(work, max_batch=100, max_waiting=10)
        tasks = await waiting(batches, work, range(11))
        for _ in range(3):
            with pytest.raises(FullError):
                await batches.submit(99)
        work.may_go_on.set()
        await asyncio.gather(*tasks)
        assert await batches.submit(7) == 14

    run(scene)


def test_an_error_is_of_one_item(work: Work) -> None:
    async def scene() -> None:
        tasks = await waiting(BatchQueue(work, max_batch=100, max_waiting=100), work, (1, 2, -3, 4))
        work.may_go_on.set()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert found[:2] == [2, 4]
        assert isinstance(found[2], ValueError)
        assert found[3] == 8

    run(scene)


@pytest.mark.parametrize("results", [ZeroDivisionError(), [], [1, 2, 3]])
def test_an_error_of_a_batch_is_told_to_all_and_to_no_others(results: Any) -> None:
    broken = True

    def work(items: list[int]) -> Sequence[int]:
        if not broken:
            return items
        if isinstance(results, Exception):
            raise results
        wrong: list[int] = results
        return wrong

    async def scene() -> None:
        nonlocal broken
        batches = BatchQueue(work, max_batch=100, max_waiting=100)
        found = await asyncio.gather(batches.submit(1), batches.submit(2), return_exceptions=True)
        assert [type(one) for one in found] == [
            type(results) if isinstance(results, Exception) else ValueError
        ] * 2
        broken = False
        assert await batches.submit(3) == 3

    run(scene)


def test_who_has_gone_is_not_waited_for(work: Work) -> None:
    async def scene() -> None:
        tasks = await waiting(BatchQueue(work, max_batch=100, max_waiting=100), work, (1, 2, 3))
        tasks[0].cancel()
        tasks[1].cancel()
        work.may_go_on.set()
        assert await tasks[2] == 6

    run(scene)


def test_other_work_takes_its_turn(work: Work) -> None:
    async def scene() -> None:
        batches = BatchQueue(work, max_batch=100, max_waiting=100)
        tasks = await waiting(batches, work, (1, 2))
        other = asyncio.create_task(
            batches.run_between_batches(lambda text: (text, list(work.batches)), "seen")
        )
        await asyncio.sleep(0)
        work.may_go_on.set()
        assert await other == ("seen", [[1]])
        assert await asyncio.gather(*tasks) == [2, 4]

    run(scene)
