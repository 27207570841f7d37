"""The deadline of a call: steps that would end too late are not begun, in both drivers."""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, Sleep
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.request import Idempotency, Request, Unknown
from airflow_provider_telecom.transport.async_transport import AsyncTransport
from airflow_provider_telecom.transport.deadline import Deadline
from airflow_provider_telecom.transport.sync_transport import SyncTransport
from airflow_provider_telecom.transport.wire import TransportOptions
from tests.eventually import HANG_SECONDS
from tests.transport import scripted as on
from tests.transport.scripted import scripted

REQUEST = Request("POST", "/x", Idempotency.NONE)
Drive = Callable[..., Any]


@pytest.fixture(params=["sync", "async"])
def drive(request: pytest.FixtureRequest) -> Drive:
    """Return a function that drives a call with one of the transports; sleeps are only noted."""

    def run_sync(base_url: str, call: Call[Any], ends_at: float, slept: list[float]) -> Any:
        transport = SyncTransport(options(base_url), sleep=slept.append)
        try:
            return transport.run(call, ends_at)
        finally:
            transport.close()

    def run_async(base_url: str, call: Call[Any], ends_at: float, slept: list[float]) -> Any:
        async def sleep(seconds: float) -> None:
            slept.append(seconds)

        async def run() -> Any:
            transport = AsyncTransport(options(base_url), sleep=sleep)
            try:
                return await transport.run(call, ends_at)
            finally:
                await transport.close()

        return asyncio.run(run())

    return run_sync if request.param == "sync" else run_async


def options(base_url: str) -> TransportOptions:
    return TransportOptions(base_url, read_timeout=HANG_SECONDS, allow_private_hosts=True)


def asking(*steps: Any) -> Call[list[Any]]:
    """Yield the steps; return each outcome, or the text of the error that was raised in its place."""
    found: list[Any] = []
    for step in steps:
        try:
            found.append((yield step))
        except TelecomNotSentError as error:
            found.append(str(error))
    return found


def test_nothing_is_sent_after_the_deadline(drive: Drive) -> None:
    slept: list[float] = []
    with scripted(on.say(on.answer(b"{}"))) as server:
        found = drive(server.url, asking(Sleep(5, 9), REQUEST), time.monotonic() - 1, slept)
        assert server.seen == 0
    assert found == [None, "not sent: the deadline would pass"]
    assert slept == [0.0]


def test_a_sleep_that_is_too_long_is_left_out_and_so_is_what_follows(drive: Drive) -> None:
    slept: list[float] = []
    steps = asking(LoadToken("k"), Sleep(2 * HANG_SECONDS, 3 * HANG_SECONDS), REQUEST)
    with scripted(on.say(on.answer(b"{}"))) as server:
        found = drive(server.url, steps, time.monotonic() + HANG_SECONDS, slept)
        assert server.seen == 0
    assert found == [None, None, "not sent: the deadline would pass"]
    assert slept == [0.0]


def test_a_request_under_way_ends_at_the_deadline(drive: Drive) -> None:
    with scripted(on.stay_silent) as server:
        [found] = drive(server.url, asking(REQUEST), time.monotonic() + 0.3, [])
    assert isinstance(found, Unknown)


def test_what_runs_exclusively_has_the_same_deadline(drive: Drive) -> None:
    inner = asking(Sleep(2 * HANG_SECONDS, 2 * HANG_SECONDS), REQUEST)
    with scripted(on.say(on.answer(b"{}"))) as server:
        [found] = drive(server.url, asking(Exclusive(inner, 60)), time.monotonic() + HANG_SECONDS, [])
        assert server.seen == 0
    assert found == [None, "not sent: the deadline would pass"]


def test_without_a_deadline_steps_stay_as_they_are() -> None:
    for step in (REQUEST, Sleep(1, 1000), Exclusive(asking(), 1000), LoadToken("k")):
        assert Deadline(math.inf).limit(step) is step


def test_each_step_gets_the_time_that_is_left() -> None:
    deadline = Deadline(time.monotonic() + 100)
    request, short = (
        deadline.limit(REQUEST),
        deadline.limit(Request("GET", "/x", Idempotency.READ, deadline=1)),
    )
    assert isinstance(request, Request)
    assert isinstance(short, Request)
    assert request.deadline is not None
    assert 0 < request.deadline <= 100
    assert short.deadline == 1
    sleep, exclusive = deadline.limit(Sleep(1, 1000)), deadline.limit(Exclusive(asking(), 1000))
    assert isinstance(sleep, Sleep)
    assert isinstance(exclusive, Exclusive)
    assert sleep.low == 1 < sleep.high <= 100
    assert exclusive.timeout <= 100
