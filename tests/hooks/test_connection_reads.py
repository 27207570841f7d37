"""Thousands of triggers that start together read their connection once, not once each."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.hooks.ketchup_loyalty import KetchUpHook
from tests.eventually import HANG_SECONDS

MANY = 100


class SlowHook(KetchUpHook):
    """Its connection is read slowly. The first reads fail, `failures` of them, or never end, `hangs`."""

    reads = 0
    failures = 0
    hangs = 0

    @classmethod
    async def aget_connection(cls, conn_id: str) -> Any:
        SlowHook.reads += 1
        fails = SlowHook.reads <= SlowHook.failures
        await asyncio.sleep(math.inf if SlowHook.reads <= SlowHook.hangs else 0.01)
        if fails:
            raise OSError("no answer")
        return cls.get_connection(conn_id)


@pytest.fixture(autouse=True)
def _connection(hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    hook_for("ketchup_loyalty")
    monkeypatch.setattr(SlowHook, "reads", 0)
    monkeypatch.setattr(SlowHook, "failures", 0)


async def connected() -> str:
    hook = SlowHook()
    async with hook.async_session():
        return hook.account_key


def in_a_loop(count: int, cancel_first: bool = False) -> list[Any]:
    async def main() -> list[Any]:
        tasks = [asyncio.create_task(connected()) for _ in range(count)]
        await asyncio.sleep(0)  # all want the connection
        if cancel_first:
            tasks[0].cancel()
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert not base._reads[asyncio.get_running_loop()]
        return found

    return asyncio.run(main())


def test_many_share_a_read() -> None:
    assert len(set(in_a_loop(MANY))) == 1
    assert SlowHook.reads == 1


def test_a_read_that_fails_is_the_failure_of_one() -> None:
    SlowHook.failures = 1
    found = in_a_loop(MANY)
    assert [str(each) for each in found if isinstance(each, BaseException)] == ["no answer"]
    assert SlowHook.reads == MANY  # each of the others read it for itself


def test_another_one_reads_for_all_if_the_first_is_cancelled() -> None:
    first, *others = in_a_loop(MANY, cancel_first=True)
    assert isinstance(first, asyncio.CancelledError)
    assert len(set(others)) == 1
    assert SlowHook.reads == 2


def test_a_read_without_an_end_stops_nobody_else(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(base, "_MAX_SHARED_WAIT", 0.01)
    monkeypatch.setattr(SlowHook, "hangs", 1)

    async def main() -> None:
        hanging = asyncio.create_task(connected())
        await asyncio.sleep(0)
        assert len(set(await asyncio.gather(*[connected() for _ in range(3)]))) == 1
        assert not hanging.done()
        hanging.cancel()

    asyncio.run(asyncio.wait_for(main(), HANG_SECONDS))


def test_a_later_read_sees_a_changed_connection(hook_for: Callable[..., Any]) -> None:
    async def main() -> None:
        async with AsyncExitStack() as stack:
            first = await stack.enter_async_context(SlowHook().async_session())
            hook_for("ketchup_loyalty", timeout_read=7)
            second = await stack.enter_async_context(SlowHook().async_session())
            assert first.options.timeout_read != second.options.timeout_read == 7

    asyncio.run(main())
    assert SlowHook.reads == 2
