"""Triggers that wait for the same share one call: each gets the result or the error."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Hashable
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomNotFoundError
from airflow_provider_telecom.transport import shared_calls
from airflow_provider_telecom.transport.shared_calls import SharedCalls
from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
from airflow_provider_telecom.vendors.ketchup_loyalty.models import Recipient
from tests.eventually import HANG_SECONDS, eventually_async
from tests.triggers.scripted import KETCHUP, config, events

CHECKS = "airflow_provider_telecom.vendors.ketchup_loyalty.status"
NOVACONNECT = "airflow_provider_telecom.hooks.novaconnect.NovaConnectHook"
SIMS = "airflow_provider_telecom.vendors.novaconnect.status.sim_operation"


def ketchup(check: str, arguments: dict[str, Any], **settings: Any) -> TelecomPollTrigger:
    whole = config(f"{CHECKS}.{check}", **{"hook": KETCHUP, "arguments": arguments, **settings})
    return TelecomPollTrigger.from_config(whole)


def together(*triggers: TelecomPollTrigger) -> list[Any]:
    """Run triggers in one loop, in which others of their account wait as well; return their events."""

    async def triggerer() -> list[Any]:
        async with triggers[0]._config().new_hook().async_session():
            return await asyncio.gather(*(events(each) for each in triggers))

    return [event for (event,) in asyncio.run(triggerer())]


def paths(simulator: Any) -> list[str]:
    return [seen.path for seen in simulator.state.requests]


def test_all_who_wait_for_a_message_need_as_many_calls_as_one(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 3)
    telecom_simulator.state.requests.clear()
    found = together(*(ketchup("sms", {"reference": "a1"}, poll_interval=0.4) for _ in range(60)))
    assert [event["facts"]["status"] for event in found] == ["delivered"] * 60
    assert len(paths(telecom_simulator)) < 10


def test_thresholds_may_differ(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    """The call is shared, not the status check."""
    hook = hook_for("ketchup_loyalty")
    sent = hook.send_sms_to_many([Recipient("380670000200", "a1"), Recipient("380670000201", "a2")], "Hi")
    telecom_simulator.state.requests.clear()
    thresholds = (None, "10", "50", "100")
    found = together(
        *(
            ketchup("sms_tasks", {"task_ids": [sent.task_id], "expected": 2, "min_delivered_percent": least})
            for least in thresholds
        )
    )
    assert [event["facts"]["delivered"] for event in found] == [2] * 4
    assert len(paths(telecom_simulator)) == 1


def test_one_list_answers_for_all_sims(telecom_simulator: Any, hook_for: Callable[..., Any]) -> None:
    hook_for("novaconnect")
    triggers = [
        TelecomPollTrigger.from_config(
            config(
                SIMS,
                hook=NOVACONNECT,
                conn_id="novaconnect_default",
                arguments={"operation": "unblock", "sim_ids": [sim_id]},
            )
        )
        for sim_id in (1001, 1002, 1003, 1001)
    ]
    found = together(*triggers)
    assert {event["stage"] for event in found} == {"reached"}, found
    alone = len(paths(telecom_simulator))
    together(triggers[0])
    assert len(paths(telecom_simulator)) == 2 * alone


def test_each_counts_errors_for_itself_under_its_own_connection(
    telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = hook_for("ketchup_loyalty")
    address = hook.get_connection("ketchup_loyalty_default")
    other = {
        "conn_type": "ketchup_loyalty",
        "host": address.host,
        "port": address.port,
        "schema": address.schema,
        "password": address.password,
        "extra": address.extra_dejson,
    }
    monkeypatch.setenv("AIRFLOW_CONN_SECOND", json.dumps(other))
    telecom_simulator.state.requests.clear()
    arguments = {"reference": "unknown1"}
    found = together(
        ketchup("sms", arguments, tolerated_errors=0),
        ketchup("sms", arguments, tolerated_errors=0, conn_id="second"),
        ketchup("sms", arguments, tolerated_errors=2),
    )
    errors = [event["error"] for event in found]
    assert {each["kind"] for each in errors} == {"TelecomNotFoundError"}, errors
    names = ["ketchup_loyalty_default", "second", "ketchup_loyalty_default"]
    assert [each["conn_id"] for each in errors] == names
    asked = len(paths(telecom_simulator))
    together(ketchup("sms", arguments, tolerated_errors=2))
    assert len(paths(telecom_simulator)) == 2 * asked  # three polls answer for all


def test_cancelling_one_does_not_end_the_call_of_the_others(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")
    telecom_simulator.fault("silence", "ketchup_loyalty", times=1, seconds=3600)
    telecom_simulator.state.requests.clear()

    async def triggerer() -> None:
        tasks = [asyncio.create_task(events(ketchup("sms", {"reference": "a1"}))) for _ in range(5)]
        assert await eventually_async(lambda: not telecom_simulator.state.faults[0].times)
        done, _ = await asyncio.wait(tasks, timeout=0.1)
        assert not done  # one asks, and all wait for its result
        assert len(paths(telecom_simulator)) == 1
        ended = 0
        for task in tasks:  # until the one that asks is among them, another one does not
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
            ended += 1
            if len(tasks) > ended and (await asyncio.wait(tasks[ended:], timeout=0.3))[0]:
                break
        left = [await asyncio.wait_for(task, HANG_SECONDS) for task in tasks[ended:]]
        assert all(event["facts"]["status"] == "delivered" for (event,) in left)
        assert ended < len(tasks) or len(paths(telecom_simulator)) == 1

    asyncio.run(triggerer())


# Which results are fresh.


class Waiter:
    """A follower that counts how often it is woken."""

    def __init__(self, since: float = 0.0) -> None:
        self.since, self.keys, self.woken = since, set[Hashable](), 0

    def wake(self) -> None:
        self.woken += 1


class Vendor:
    """A read that returns another result each time."""

    def __init__(self) -> None:
        self.calls = 0
        self.answers = asyncio.Event()
        self.answers.set()

    async def read(self) -> int:
        self.calls += 1
        mine = self.calls
        await self.answers.wait()
        return mine


def test_a_result_is_used_once_by_each() -> None:
    async def scene() -> None:
        calls, vendor, first, second = SharedCalls(), Vendor(), Waiter(), Waiter()
        assert await calls.run("k", vendor.read, first) == 1
        assert await calls.run("k", vendor.read, second) == 1
        assert await calls.run("k", vendor.read, second) == 2
        assert await calls.run("k", vendor.read, first) == 2
        assert await calls.run("other", vendor.read, first) == 3
        assert await calls.run("k", vendor.read, first) == 4

    asyncio.run(scene())


def test_no_result_is_older_than_the_waiting() -> None:
    async def scene() -> None:
        calls, vendor = SharedCalls(), Vendor()
        assert await calls.run("k", vendor.read, Waiter()) == 1
        assert await calls.run("k", vendor.read, Waiter(time.monotonic())) == 2
        vendor.answers.clear()
        asking = asyncio.create_task(calls.run("k", vendor.read, Waiter(time.monotonic())))
        await asyncio.sleep(0)
        late = asyncio.create_task(calls.run("k", vendor.read, Waiter(time.monotonic())))
        early = asyncio.create_task(calls.run("k", vendor.read, Waiter()))
        await asyncio.sleep(0)
        vendor.answers.set()
        assert sorted(await asyncio.gather(asking, late)) == [3, 4]
        assert await early in (3, 4)
        assert vendor.calls == 4

    asyncio.run(scene())


def test_nobody_goes_back_in_time() -> None:
    """Of two results that belong together, the second is not older than the first."""

    async def scene() -> None:
        calls, vendor, first, second = SharedCalls(), Vendor(), Waiter(), Waiter()
        assert await calls.run("statistics", vendor.read, first) == 1
        assert await calls.run("state", vendor.read, second) == 2
        assert await calls.run("statistics", vendor.read, second) == 3

    asyncio.run(scene())


def test_an_old_result_is_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scene() -> None:
        calls, vendor = SharedCalls(), Vendor()
        assert await calls.run("k", vendor.read, Waiter()) == 1
        monkeypatch.setattr(shared_calls, "KEPT_SECONDS", 0.0)
        assert await calls.run("k", vendor.read, Waiter()) == 2
        assert await calls.run("other", vendor.read, Waiter()) == 3
        assert list(calls._calls) == ["other"]

    asyncio.run(scene())


def test_a_new_result_wakes_those_who_do_not_have_it() -> None:
    async def scene() -> None:
        calls, vendor, first, second, left = SharedCalls(), Vendor(), Waiter(), Waiter(), Waiter()
        for each in (first, second, left):
            await calls.run("k", vendor.read, each)
        calls.leave(left)
        await calls.run("other", vendor.read, first)
        await calls.run("k", vendor.read, first)
        assert (first.woken, second.woken, left.woken) == (0, 1, 0)
        calls.leave(first)
        calls.leave(second)
        assert not calls._followers

    asyncio.run(scene())


def test_who_is_cancelled_leaves_the_call_to_another() -> None:
    async def scene() -> None:
        calls, vendor = SharedCalls(), Vendor()
        vendor.answers.clear()
        asking, *waiting = (asyncio.create_task(calls.run("k", vendor.read, Waiter())) for _ in range(4))
        await asyncio.sleep(0)
        waiting[0].cancel()
        await asyncio.sleep(0)
        asking.cancel()
        assert await eventually_async(lambda: vendor.calls == 2)
        vendor.answers.set()
        assert await asyncio.gather(*waiting[1:]) == [2, 2]
        assert vendor.calls == 2

    asyncio.run(scene())


def test_an_error_is_shared_as_copies() -> None:
    async def scene() -> None:
        async def refuse() -> None:
            nonlocal calls
            calls += 1
            await asyncio.sleep(0)
            raise TelecomNotFoundError("gone", status=404)

        calls, shared = 0, SharedCalls()
        found = await asyncio.gather(
            *(shared.run("k", refuse, Waiter()) for _ in range(3)), return_exceptions=True
        )
        assert [str(each) for each in found] == ["gone (HTTP 404)"] * 3
        assert len({id(each) for each in found}) == 3
        assert calls == 1

    asyncio.run(scene())
