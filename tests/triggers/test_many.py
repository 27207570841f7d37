"""Many triggers in one loop: one token, few connections, none blocks another, nothing is left behind."""

from __future__ import annotations

import asyncio
import gc
import warnings
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytest

from airflow_provider_telecom.hooks import base
from airflow_provider_telecom.transport.async_transport import _MAX_CONNECTIONS
from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
from tests.eventually import eventually_async
from tests.triggers.scripted import KETCHUP, config, events

KYIVSTAR = "airflow_provider_telecom.hooks.kyivstar_open_telecom.KyivstarOpenTelecomHook"
SMS = "airflow_provider_telecom.vendors.kyivstar_open_telecom.status.sms"
KETCHUP_SMS = "airflow_provider_telecom.vendors.ketchup_loyalty.status.sms"
MANY = 200


def kyivstar(message_id: str, **settings: Any) -> TelecomPollTrigger:
    arguments = {"message_id": message_id}
    conn_id = "kyivstar_open_telecom_default"
    return TelecomPollTrigger.from_config(
        config(SMS, hook=KYIVSTAR, conn_id=conn_id, arguments=arguments, **settings)
    )


def ketchup(reference: str, **settings: Any) -> TelecomPollTrigger:
    return TelecomPollTrigger.from_config(
        config(KETCHUP_SMS, hook=KETCHUP, arguments={"reference": reference}, **settings)
    )


def test_many_triggers_share_a_token_and_connections(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook = hook_for("kyivstar_open_telecom")
    sent = [hook.send_sms("380670000200", "Hi").message_id for _ in range(MANY)]
    base._clients.clear()  # the triggerer is another process
    telecom_simulator.state.requests.clear()
    telecom_simulator.state.set_transition("kyivstar_open_telecom.sms", "after_polls", 2)
    connections: list[int] = []

    async def count_connections() -> None:
        while True:
            connections.append(len(telecom_simulator._connections.by_peer))
            await asyncio.sleep(0.005)

    async def triggerer() -> list[Any]:
        triggers = [kyivstar(each, poll_interval=1.0) for each in sent]
        counting = asyncio.create_task(count_connections())
        try:
            async with triggers[0]._config().new_hook().async_session():
                return await asyncio.gather(*(events(each) for each in triggers))
        finally:
            counting.cancel()

    found = asyncio.run(triggerer())
    assert [event["facts"]["status"] for (event,) in found] == ["delivered"] * MANY
    paths = [seen.path for seen in telecom_simulator.state.requests]
    assert sum("token" in path for path in paths) == 1
    assert len(paths) > MANY + 50
    assert 0 < max(connections) <= _MAX_CONNECTIONS


def test_one_that_gets_no_answer_does_not_hold_up_the_others(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook = hook_for("ketchup_loyalty")
    for reference in ("a1", "a2"):
        hook.send_sms("380670000200", "Hi", reference=reference)
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 3)
    telecom_simulator.fault("silence", "ketchup_loyalty", path="a1", seconds=3600)

    async def triggerer() -> None:
        silent = asyncio.create_task(events(ketchup("a1", poll_interval=0.01)))
        assert await eventually_async(lambda: not telecom_simulator.state.faults[0].times)
        found = await asyncio.gather(*(events(ketchup("a2", poll_interval=0.01)) for _ in range(10)))
        assert [event["facts"]["status"] for (event,) in found] == ["delivered"] * 10
        assert not silent.done()
        silent.cancel()
        with suppress(asyncio.CancelledError):
            await silent

    ends_without_a_warning(triggerer)


# Ending them.


def test_cancelled_while_it_pauses_or_asks_it_leaves_nothing(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook = hook_for("ketchup_loyalty")
    references = [f"a{number}" for number in range(10)]
    for reference in references:
        hook.send_sms("380670000200", "Hi", reference=reference)
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 10_000)
    telecom_simulator.state.requests.clear()

    async def triggerer() -> None:
        tasks = [asyncio.create_task(events(ketchup(each, poll_interval=0.5))) for each in references]
        assert await eventually_async(lambda: len(telecom_simulator.state.requests) >= 10)
        telecom_simulator.fault("silence", "ketchup_loyalty", times=10, seconds=2.0)
        seen = len(telecom_simulator.state.requests)
        assert await eventually_async(
            lambda: len(telecom_simulator.state.requests) > seen
        )  # some ask, others pause
        for task in tasks:
            task.cancel("user-action")
        found = await asyncio.gather(*tasks, return_exceptions=True)
        assert [type(each) for each in found] == [asyncio.CancelledError] * 10
        assert all(not len(client._async_transports) for client in base._clients.values())

    ends_without_a_warning(triggerer)


def test_one_that_is_cancelled_does_not_take_the_others_connections(
    telecom_simulator: Any, hook_for: Callable[..., Any]
) -> None:
    hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")
    telecom_simulator.state.set_transition("ketchup_loyalty.sms", "after_polls", 10)
    telecom_simulator.state.requests.clear()

    async def triggerer() -> None:
        first, second = (asyncio.create_task(events(ketchup("a1", poll_interval=0.05))) for _ in range(2))
        assert await eventually_async(lambda: len(telecom_simulator.state.requests) >= 4)
        first.cancel()
        (event,) = await second
        assert event["facts"]["status"] == "delivered"
        with suppress(asyncio.CancelledError):
            await first

    ends_without_a_warning(triggerer)


@pytest.mark.parametrize("after", [0.0, 0.001, 0.01, 0.05])
def test_cancelled_while_it_begins_it_leaves_nothing(hook_for: Callable[..., Any], after: float) -> None:
    hook_for("ketchup_loyalty").send_sms("380670000200", "Hi", reference="a1")

    async def triggerer() -> None:
        tasks = [asyncio.create_task(events(ketchup("a1", poll_interval=0.01))) for _ in range(20)]
        await asyncio.sleep(after)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    ends_without_a_warning(triggerer)


def ends_without_a_warning(triggerer: Callable[[], Any]) -> None:
    """Run it, then search for sessions and sockets that nobody closed."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        asyncio.run(triggerer())
        gc.collect()
    assert not [str(each.message) for each in caught if issubclass(each.category, ResourceWarning)]
