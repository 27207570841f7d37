"""Operators send addresses along, the simulator posts webhooks, and waiting tasks are woken."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk import DAG
from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferred
from airflow.triggers.base import TriggerEvent

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.operators.ketchup_loyalty import (
    KetchUpCreateStatExportOperator,
    KetchUpHlrLookupOperator,
    KetchUpSendViberOperator,
)
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectBlockSimsOperator,
    NovaConnectPingSimsOperator,
    NovaConnectRenameSimOperator,
    NovaConnectSendSmsOperator,
    NovaConnectSetGroupsOperator,
)
from airflow_provider_telecom.sensors.ketchup_loyalty import (
    KetchUpHlrFinishedSensor,
    KetchUpStatFileReadySensor,
    KetchUpViberDeliveredSensor,
)
from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VendorState as KetchUpState
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.simulator.webhooks import WebhookSender
from airflow_provider_telecom.transfers.ketchup_loyalty_to_object_storage import (
    KetchUpStatsToObjectStorageOperator,
)
from airflow_provider_telecom.triggers.poll import TelecomPollTrigger, WakeSignal
from airflow_provider_telecom.triggers.polling import PollConfig, TelecomFailedError, facts_from_event
from airflow_provider_telecom.vendors.ketchup_loyalty.models import ViberRecipient
from airflow_provider_telecom.webhooks import inbox_client
from airflow_provider_telecom.webhooks.assets import INBOX
from airflow_provider_telecom.webhooks.keys import HEAD
from tests.eventually import HANG_SECONDS, eventually, eventually_async
from tests.running import Run, again
from tests.webhooks.conftest import Comms, Served
from tests.webhooks.test_receiver import queue

pytestmark = pytest.mark.xdist_group("webhooks")

NEVER = 3_600.0
both_ways = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture(autouse=True)
def _connected(hook_for: Callable[..., Any], comms: Comms, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(inbox_client, "READ_EVERY_SECONDS", 0.05)
    hook_for("novaconnect")
    hook_for("ketchup_loyalty")


def ping(**more: Any) -> NovaConnectPingSimsOperator:
    return NovaConnectPingSimsOperator(**{"task_id": "ping", "sim_ids": [1001, 1002], **more})


def pinged(started: dict[str, Any], **more: Any) -> NovaConnectQueueDoneSensor:
    settings = {"task_id": "pinged", "operation": "ping", "sim_ids": [1001, 1002], "poke_interval": 0.01}
    known = {name: started[name] for name in ("queue_id", "callback_key")}
    return NovaConnectQueueDoneSensor(**{**settings, **known, "timeout": HANG_SECONDS, **more})


def posted(telecom_simulator: Any, count: int = 1) -> list[Any]:
    """Wait until the simulator has posted so often, and return it."""
    log = telecom_simulator.state.vendor_state("webhook_sender", WebhookSender).log
    assert eventually(lambda: len(log) >= count, every=0.02)
    assert [post.verdict for post in log] == ["200"] * count
    return list(log)


@both_ways
def test_an_operation_that_shows_nowhere_is_waited_for(
    served: Served, telecom_simulator: Any, deferrable: bool
) -> None:
    started = Run().execute(ping())
    posted(telecom_simulator)
    done = {"operation": "ping", "queue_id": started["queue_id"], "reached": 2}
    assert Run().execute(pinged(started, deferrable=deferrable)) == done
    assert served.rows("entry:") == {}
    (event,) = served.events("telecom-novaconnect-queue")
    assert (event["queue_id"], event["conn_id"]) == (started["queue_id"], "novaconnect_default")
    # Cleared, it ends at once: of what was told its end is remembered.
    assert Run().execute(pinged(started, deferrable=deferrable))["reached"] == 2


def test_it_is_expected_before_the_vendor_knows_of_it(served: Served, telecom_simulator: Any) -> None:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1_000)
    started = Run().execute(ping())
    assert served.rows("entry:") == {
        f"entry:novaconnect/queue/novaconnect_default/{started['callback_key']}": {
            "operation": "ping",
            "process": 0,
            "count": 2,
        }
    }


@both_ways
def test_an_operator_waits_by_itself(served: Served, telecom_simulator: Any, deferrable: bool) -> None:
    settings = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": 0.05}
    assert Run().execute(ping(**settings))["reached"] == 2
    assert served.rows("entry:") == {}


def test_a_try_that_sends_nothing_returns_the_first_ones_key(telecom_simulator: Any) -> None:
    run = Run()
    first = run.execute(ping())
    assert run.execute(ping())["callback_key"] == first["callback_key"]
    assert len(posted(telecom_simulator)) == 1


@both_ways
def test_a_sim_that_it_failed_for_is_named(served: Served, deferrable: bool) -> None:
    body = queue(queue="ping")
    body["items"][1]["queue_status"] = "error"
    served.post(served.address("queue", "k1", conn_id="novaconnect_default"), body)
    sensor = pinged({"queue_id": "q-1", "callback_key": "k1"}, deferrable=deferrable)
    with pytest.raises(TelecomFailedError, match=r"1002.*the vendor reports that it failed"):
        Run().execute(sensor)


def test_what_shows_in_the_sims_is_not_believed_but_looked_at(served: Served, telecom_simulator: Any) -> None:
    served.post(served.address("queue", "k1", conn_id="novaconnect_default"), queue())
    told = {"queue_id": "q-1", "callback_key": "k1"}
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(pinged(told, operation="block", timeout=0.5))
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    vendor_state.sims[1001].block = vendor_state.sims[1002].block = "u"
    assert Run().execute(pinged(told, operation="block"))["reached"] == 2


def test_a_key_of_another_operation_is_refused(served: Served) -> None:
    served.post(served.address("queue", "k1", conn_id="novaconnect_default"), queue(qid="q-2"))
    with pytest.raises(TelecomInputError, match="callback_key: is of another operation"):
        Run().execute(pinged({"queue_id": "q-1", "callback_key": "k1"}))


def test_without_a_key_it_cannot_be_waited_for() -> None:
    with pytest.raises(TelecomInputError, match="the end of ping does not show"):
        pinged({"queue_id": "q-1", "callback_key": None})
    with pytest.raises(TelecomInputError, match="wait_for_completion"):
        ping(callback_url="https://example.com/x", wait_for_completion=True)


def test_ones_own_address_is_used_instead(served: Served, telecom_simulator: Any) -> None:
    own = served.address("queue", "own")
    started = Run().execute(ping(callback_url=own))
    assert started["callback_key"] is None
    assert posted(telecom_simulator)[0].url == own


@both_ways
@pytest.mark.parametrize("rendered", [False, True])
def test_chunks_are_waited_for_together(
    served: Served, telecom_simulator: Any, deferrable: bool, rendered: bool
) -> None:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1_000)
    started = Run().execute(ping(sim_ids=[1001, 1002, 1003], chunk_size=2))
    assert len(set(started["callback_key"])) == len(started["queue_id"]) == 2
    urls = [served.address("queue", key, conn_id="novaconnect_default") for key in started["callback_key"]]
    served.post(urls[0], queue(queue="ping", qid=started["queue_id"][0]))
    known = {name: str(started[name]) if rendered else started[name] for name in ("queue_id", "callback_key")}
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(pinged(known, sim_ids=[1001, 1002, 1003], timeout=0.1))
    served.post(urls[1], queue(1, 1, queue="ping", qid=started["queue_id"][1]))
    found = Run().execute(pinged(known, sim_ids=[1001, 1002, 1003], deferrable=deferrable))
    assert found == {"operation": "ping", "queue_id": known["queue_id"], "reached": 3}
    assert served.rows("entry:") == {}
    events = served.events("telecom-novaconnect-queue")
    assert {event["queue_id"] for event in events} == set(started["queue_id"])


def test_a_chunk_that_failed_is_named(served: Served) -> None:
    for number, status in enumerate(("success", "error")):
        body = queue(queue="ping", qid=f"q-{number}")
        body["items"][1]["queue_status"] = status
        served.post(served.address("queue", f"k{number}", conn_id="novaconnect_default"), body)
    known = {"queue_id": ["q-0", "q-1"], "callback_key": ["k0", "k1"]}
    with pytest.raises(TelecomFailedError, match=r"failed_queues: \['q-1'\], missed: \{'1002'"):
        Run().execute(pinged(known))
    with pytest.raises(TelecomInputError, match="callback_key: is of another operation"):
        Run().execute(pinged({**known, "queue_id": ["q-1", "q-0"]}))
    with pytest.raises(TelecomInputError, match="callback_key: is missing for some of the 2 requests"):
        Run().execute(pinged({**known, "callback_key": ["k0", None]}))


@both_ways
def test_requests_of_one_group_have_addresses_of_their_own(
    served: Served, telecom_simulator: Any, deferrable: bool
) -> None:
    """One address would be good for the first queue's posts only."""
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    almaty, astana = list(vendor_state.groups)[:2]
    vendor_state.sims[1001].groups, vendor_state.sims[1002].groups = [], [almaty]
    operator = NovaConnectSetGroupsOperator(
        task_id="group",
        sim_ids=[1001, 1002],
        group_ids=[astana],
        wait_for_completion=True,
        deferrable=deferrable,
        poll_interval=0.05,
    )
    assert Run().execute(operator)["reached"] == 2
    assert len({post.url for post in posted(telecom_simulator, 2)}) == 2


def test_renaming_asks_for_no_call_back(served: Served) -> None:
    outcome = Run().execute(NovaConnectRenameSimOperator(task_id="rename", sim_id=1001, name="Lift 7"))
    assert outcome["callback_key"] is None
    assert served.rows("entry:") == {}


def test_tasks_keep_the_inbox_alive() -> None:
    sensor = pinged({"queue_id": "q-1", "callback_key": "k"})
    assert [asset.name for asset in (*ping().inlets, *sensor.inlets)] == [INBOX.name] * 2


def test_the_page_being_unable_to_show_it_does_not_stop_an_operation(
    comms: Comms, telecom_simulator: Any
) -> None:
    comms.broken = True
    blocked = NovaConnectBlockSimsOperator(task_id="block", sim_ids=[1001])
    assert Run().execute(blocked)["changed"] == [1001]


# The shared reader


async def until(trigger: TelecomPollTrigger, stream: Any) -> Any:
    """Return what a trigger that listens ended with."""
    events = [event async for event in trigger.filter_shared_stream(stream)]
    return events[0].payload


@pytest.fixture
def pauses(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    """Return a list that fills with the seconds that triggers pause for."""
    found: list[float] = []
    pause = WakeSignal.wait

    async def counted(signal: WakeSignal, seconds: float) -> bool:
        found.append(seconds)
        return await pause(signal, seconds)

    monkeypatch.setattr(WakeSignal, "wait", counted)
    return found


def listener(topic_key: str, **more: Any) -> TelecomPollTrigger:
    arguments = {"operation": "ping", "sim_ids": [1001], "callback_key": topic_key}
    nova = "airflow_provider_telecom.vendors.novaconnect"
    settings: dict[str, Any] = {
        "hook": "airflow_provider_telecom.hooks.novaconnect.NovaConnectHook",
        "status_check": f"{nova}.status.sim_operation",
        "conn_id": "novaconnect_default",
        "arguments": arguments,
        "poll_interval": NEVER,
        "tolerated_errors": 3,
        "subscription": f"{nova}.webhooks.subscription",
    }
    return TelecomPollTrigger.from_config(PollConfig(**{**settings, **more}))


class Fan:
    """Broadcasts one stream to many, as Airflow's triggerer does."""

    def __init__(self) -> None:
        self.queues: list[asyncio.Queue[Any]] = []

    async def stream(self) -> Any:
        mine: asyncio.Queue[Any] = asyncio.Queue()
        self.queues.append(mine)
        while True:
            yield await mine.get()

    async def feed(self, source: Any) -> None:
        async for item in source:
            for one in self.queues:
                one.put_nowait(item)


def by_a_trigger(key: str) -> bool:
    """Whether a key of the inbox is read by who waits for one thing, and not by the reader of the log."""
    return key != HEAD and not key.startswith("log:")


def test_one_reader_wakes_only_those_who_are_told(served: Served, comms: Comms, monkeypatch: Any) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.2)
    triggers = [listener(f"k{number}") for number in range(20)]
    assert len({trigger.shared_stream_key() for trigger in triggers}) == 1

    async def scene() -> None:
        fan = Fan()
        reader = asyncio.create_task(fan.feed(TelecomPollTrigger.open_shared_stream({})))
        waiting = [asyncio.create_task(until(trigger, fan.stream())) for trigger in triggers]
        assert await eventually_async(lambda: sum(map(by_a_trigger, comms.reads)) == 2 * len(triggers))
        before = len(comms.reads)
        assert await eventually_async(lambda: len(comms.reads) > before + 5)
        assert not any(map(by_a_trigger, comms.reads[before:]))  # one reader reads for all
        for number in (7, 3):
            url = served.address("queue", f"k{number}", conn_id="novaconnect_default")
            await asyncio.to_thread(served.post, url, queue(qid=f"q-{number}"))
        for number in (7, 3):
            payload = await asyncio.wait_for(waiting[number], HANG_SECONDS)
            assert facts_from_event(payload)["queue_id"] == f"q-{number}"
        assert not [task for task in waiting if task.done() and task not in (waiting[7], waiting[3])]
        for task in (reader, *waiting):
            task.cancel()
        await asyncio.gather(reader, *waiting, return_exceptions=True)

    asyncio.run(scene())


def test_after_a_ring_the_vendor_is_asked_until_its_list_has_caught_up(
    served: Served, telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.1)
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._FIRST_QUICK_DELAY", 0.1)
    vendor_state, looks = (
        telecom_simulator.state.vendor_state("novaconnect", VendorState),
        telecom_simulator.state.requests,
    )
    arguments = {"operation": "block", "sim_ids": [1001], "callback_key": "k"}

    async def scene() -> Any:
        fan = Fan()
        reader = asyncio.create_task(fan.feed(TelecomPollTrigger.open_shared_stream({})))
        waiting = asyncio.create_task(until(listener("k", arguments=arguments), fan.stream()))
        assert await eventually_async(lambda: len(pauses) == 2)  # before and after the first look
        assert len(looks) == 1
        url = served.address("queue", "k", conn_id="novaconnect_default")
        await asyncio.to_thread(served.post, url, queue())
        assert await eventually_async(lambda: len(pauses) == 5)
        assert pauses[2:] == [0.1, 0.2, 0.4]  # soon, but less and less
        assert len(looks) == 4
        vendor_state.sims[1001].block = "u"
        payload = await asyncio.wait_for(waiting, HANG_SECONDS)
        reader.cancel()
        await asyncio.gather(reader, return_exceptions=True)
        return payload

    assert facts_from_event(asyncio.run(scene()))["reached"] == 1


def test_what_was_told_before_anybody_listened_makes_looks_soon(
    served: Served, telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.0)
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._FIRST_QUICK_DELAY", 0.2)
    served.post(served.address("queue", "k", conn_id="novaconnect_default"), queue())
    arguments = {"operation": "block", "sim_ids": [1001], "callback_key": "k"}

    async def scene() -> Any:
        running = asyncio.create_task(anext(listener("k", arguments=arguments).run()))
        assert await eventually_async(lambda: telecom_simulator.state.requests)
        telecom_simulator.state.vendor_state("novaconnect", VendorState).sims[1001].block = "u"
        return (await asyncio.wait_for(running, HANG_SECONDS)).payload

    assert facts_from_event(asyncio.run(scene()))["reached"] == 1


def test_errors_after_a_ring_are_as_far_apart_as_ever(
    comms: Comms, telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, pauses: list[float]
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.0)
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._FIRST_QUICK_DELAY", 0.01)
    topic = "novaconnect/queue/novaconnect_default/k"

    async def rung() -> Any:
        assert await eventually_async(lambda: len(pauses) == 2)
        comms.broken = True
        yield frozenset({topic})
        await asyncio.sleep(NEVER)

    async def scene() -> None:
        trigger = listener("k", poll_interval=0.2, tolerated_errors=1_000_000)
        running = asyncio.create_task(until(trigger, rung()))
        assert await eventually_async(lambda: len(pauses) == 6)
        assert min(pauses[2:]) >= 0.9 * 0.2
        comms.broken = False
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)

    asyncio.run(scene())


def test_the_reader_finds_what_came_in_many_pages(served: Served, comms: Comms) -> None:
    async def scene() -> None:
        stream = inbox_client.new_topics()
        first = asyncio.create_task(anext(stream))
        assert await eventually_async(lambda: comms.reads)
        for number in range(120):
            url = served.address("queue", f"k{number}")
            while (await asyncio.to_thread(served.post, url, queue())).status_code == 429:
                await asyncio.sleep(0.1)
        found = set(await first)
        while len(found) < 120:
            found |= await asyncio.wait_for(anext(stream), HANG_SECONDS)
        await stream.aclose()
        assert found == {f"novaconnect/queue/default/k{number}" for number in range(120)}

    asyncio.run(scene())


def test_the_reader_goes_on_when_airflow_does_not_answer_and_after_a_clean_up(
    served: Served, comms: Comms, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inbox_client, "_LOCATE_EVERY", 5)

    async def scene() -> None:
        stream = inbox_client.new_topics()
        for number in range(60):
            served.post(served.address("queue", f"a{number}"), queue())
        assert await asyncio.wait_for(anext(stream), HANG_SECONDS)
        comms.broken = True
        after = asyncio.create_task(anext(stream))
        await asyncio.sleep(0.3)
        comms.broken = False
        _empty()
        served.post(served.address("queue", "b"), queue())
        assert "novaconnect/queue/default/b" in await asyncio.wait_for(after, HANG_SECONDS)
        await stream.aclose()

    asyncio.run(scene())


def _empty() -> None:
    from airflow.models.asset_state_store import AssetStateStoreModel
    from airflow.utils.session import create_session

    with create_session(scoped=False) as session:
        session.query(AssetStateStoreModel).delete()


def test_a_waiting_bears_a_store_that_does_not_answer(served: Served, comms: Comms) -> None:
    comms.broken = True
    served.post(served.address("queue", "k", conn_id="novaconnect_default"), queue())

    async def scene() -> TriggerEvent:
        trigger = listener("k", poll_interval=0.05, tolerated_errors=1_000_000)
        running = asyncio.create_task(anext(trigger.run()))
        await asyncio.sleep(0.5)
        comms.broken = False
        return await asyncio.wait_for(running, HANG_SECONDS)

    assert facts_from_event(asyncio.run(scene()).payload)["queue_id"] == "q-1"


# KetchUp


@both_ways
def test_a_look_up_is_told_and_asked_for(served: Served, telecom_simulator: Any, deferrable: bool) -> None:
    run = Run()
    found = run.execute(KetchUpHlrLookupOperator(task_id="hlr", msisdns=["380670000200", "380670000201"]))
    urls = {post.url for post in posted(telecom_simulator, 2)}
    assert len(urls) == 2  # one address for each number
    sensor = KetchUpHlrFinishedSensor(
        task_id="wait", hlr_ids=found["hlr_ids"], deferrable=deferrable, poke_interval=0.01
    )
    assert len(run.execute(sensor)["results"]) == 2
    events = served.events("telecom-ketchup-loyalty-hlr")
    assert {event["hlr_id"] for event in events} == set(found["hlr_ids"])
    assert "380670000" not in str(events)
    assert {post["about"] for post in served.log()} == {"********0200", "********0201"}


@pytest.mark.parametrize("kind", ["hlr", "viber"])
def test_a_report_wakes_who_waits_at_ketchup(
    served: Served, telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: Any, kind: str
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.0)
    telecom_simulator.state.set_transition(f"ketchup_loyalty.{kind}", "after_seconds", 0.2)
    told_to = served.address(kind, "ours", vendor="ketchup_loyalty", conn_id="ketchup_loyalty_default")
    hook = hook_for("ketchup_loyalty")
    if kind == "hlr":
        found = hook.create_hlr("380670000200", reference="ours", callback_url=told_to)
        waits: dict[str, Any] = {
            "status_check": "hlr",
            "subscription": "hlr_subscription",
            "arguments": {"hlr_ids": [found.id]},
        }
    else:
        people = [ViberRecipient("380670000200", "ours")]
        hook.send_viber(people, text="Hello", sender="My Company", callback_url=told_to)
        waits = {
            "status_check": "viber",
            "subscription": "viber_subscription",
            "arguments": {"reference": "ours"},
        }
    ketchup = "airflow_provider_telecom.vendors.ketchup_loyalty"
    trigger = listener(
        "",
        hook="airflow_provider_telecom.hooks.ketchup_loyalty.KetchUpHook",
        conn_id="ketchup_loyalty_default",
        status_check=f"{ketchup}.status.{waits['status_check']}",
        subscription=f"{ketchup}.webhooks.{waits['subscription']}",
        arguments=waits["arguments"],
    )

    async def scene() -> Any:
        stream = TelecomPollTrigger.open_shared_stream({})
        return await asyncio.wait_for(until(trigger, stream), HANG_SECONDS)

    assert facts_from_event(asyncio.run(scene()))


def test_a_viber_message_is_told(served: Served, telecom_simulator: Any) -> None:
    run = Run()
    message = KetchUpSendViberOperator(
        task_id="viber", recipients=["380670000200"], text="Hello", sender="My Company"
    )
    sent = run.execute(message)
    posted(telecom_simulator)
    (event,) = served.events("telecom-ketchup-loyalty-viber")
    assert event["reference"] == sent["messages"][0]["reference"]
    sensor = KetchUpViberDeliveredSensor(task_id="wait", reference=event["reference"], poke_interval=0.01)
    assert run.execute(sensor)["status"] in ("delivered", "read")
    assert (
        run.execute(message)["messages"] == sent["messages"]
    )  # another try sends nothing, whatever the address


def viber_to_two() -> KetchUpSendViberOperator:
    recipients = ["380670000200", "380670000201"]
    return KetchUpSendViberOperator(task_id="viber", recipients=recipients, text="Hello", sender="My Company")


def test_the_address_of_several_messages_is_for_these_and_no_others(
    served: Served, telecom_simulator: Any
) -> None:
    sent = Run().execute(viber_to_two())
    (url,) = {post.url for post in posted(telecom_simulator, 2)}
    references = [message["reference"] for message in sent["messages"]]
    told = {event["reference"] for event in served.events("telecom-ketchup-loyalty-viber")}
    assert told == set(references)
    forged = {"reference": "another", "msisdn": "380670000200", "status": "read"}
    assert served.post(url, forged).status_code == 409
    assert served.post(url, {**forged, "reference": references[0]}).status_code == 200
    assert [asset.name for asset in viber_to_two().inlets] == [INBOX.name]


def test_without_a_place_for_its_references_several_messages_get_no_address(
    served: Served, comms: Comms, telecom_simulator: Any, capsys: pytest.CaptureFixture[str]
) -> None:
    comms.broken = True
    sent = Run().execute(viber_to_two())
    assert sent["accepted"] == 2
    assert telecom_simulator.state.vendor_state("webhook_sender", WebhookSender).log == []
    assert "No address for KetchUp's webhooks" in capsys.readouterr().out


def test_a_new_secret_changes_no_message(
    served: Served, receiver_settings: pytest.MonkeyPatch, telecom_simulator: Any
) -> None:
    run = Run()
    message = {"task_id": "viber", "recipients": ["380670000200"], "text": "Hello", "sender": "My Company"}
    first = run.execute(KetchUpSendViberOperator(**message))
    receiver_settings.setenv("AIRFLOW__TELECOM__WEBHOOK_SECRET", "another-made-up-secret-0123456789abcdef")
    assert run.execute(KetchUpSendViberOperator(**message)) == first
    assert len(telecom_simulator.state.ledger.of("ketchup_loyalty", "viber")) == 1


def test_a_call_back_that_never_comes_ends_the_waiting_in_time(
    served: Served, telecom_simulator: Any
) -> None:
    """One line of the document lists the operations with webhooks, and SMS are not among them."""
    telecom_simulator.state.set_switch("novaconnect.callbacks_listed", "on")
    started = Run().execute(NovaConnectSendSmsOperator(task_id="sms", sim_ids=[1001, 1002], text="Hi"))
    sensor = pinged(started, operation="sms", timeout=0.5)
    with pytest.raises(AirflowSensorTimeout):
        Run().execute(sensor)
    assert len(telecom_simulator.state.ledger.of("novaconnect", "sms")) == 2


DAY = {"time_in_from": datetime(2026, 1, 1), "time_in_to": datetime(2126, 1, 1)}
NOW = datetime.now(UTC).replace(tzinfo=None)
TODAY = {"time_in_from": NOW - timedelta(days=1), "time_in_to": NOW + timedelta(days=1)}


def export(**more: Any) -> KetchUpCreateStatExportOperator:
    return KetchUpCreateStatExportOperator(**{"task_id": "export", "use_webhook": True, **DAY, **more})


@pytest.mark.parametrize(
    ("push", "content_type", "is_list"), [("file", "json", "off"), ("rows", "none", "on")]
)
def test_statistics_are_posted(
    served: Served,
    telecom_simulator: Any,
    hook_for: Callable[..., Any],
    push: str,
    content_type: str,
    is_list: str,
) -> None:
    switches = (("statistics_list", is_list), ("statistics_push", push), ("webhook_type", content_type))
    for name, value in switches:
        telecom_simulator.state.set_switch(f"ketchup_loyalty.{name}", value)
    hook = hook_for("ketchup_loyalty")
    ids = [hook.send_sms(f"38067000020{place}", "Hi", reference=f"a{place}").id for place in (1, 9)]
    run = Run()
    found = run.execute(export())
    posted(telecom_simulator, 1 if push == "file" else 2)
    events = served.events("telecom-ketchup-loyalty-statistics")
    assert {event["callback_key"] for event in events} == {found["callback_key"]}
    assert sorted(one for event in events for one in event["message_ids"]) == sorted(ids)
    assert "380670000" not in str(events) + str(served.rows())
    assert run.execute(export()) == found  # another try requests nothing, and has the same address


def test_statistics_wake_who_waits_for_their_file(
    served: Served, telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: Any
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.0)
    state = telecom_simulator.state
    state.set_transition("ketchup_loyalty.stat", "after_seconds", 0.2)
    hook = hook_for("ketchup_loyalty")
    hook.send_sms("380670000201", "Hi", reference="a1")
    own = {"wait_for_completion": True, "deferrable": True, "poll_interval": NEVER}
    with pytest.raises(TaskDeferred) as deferred:
        started(export(**own))
    assert woken(deferred.value.trigger)["empty"] is False
    account = served.address("statistics", vendor="ketchup_loyalty", conn_id="ketchup_loyalty_default")
    vendor_state = state.vendor_state("ketchup_loyalty", KetchUpState)
    vendor_state.statistics_callback_url = account
    key = hook.create_statistics_export(**DAY)
    sensor = KetchUpStatFileReadySensor(task_id="wait", file_key=key, deferrable=True, poke_interval=NEVER)
    with pytest.raises(TaskDeferred) as deferred:
        started(sensor)
    assert woken(deferred.value.trigger) == {"file_key": key, "empty": False}


def test_statistics_wake_the_transfer(
    served: Served, telecom_simulator: Any, hook_for: Callable[..., Any], monkeypatch: Any, tmp_path: Path
) -> None:
    monkeypatch.setattr("airflow_provider_telecom.triggers.poll._MAX_FIRST_DELAY", 0.0)
    telecom_simulator.state.set_transition("ketchup_loyalty.stat", "after_seconds", 2)
    hook_for("ketchup_loyalty").send_sms("380670000201", "Hi", reference="a1")
    load = KetchUpStatsToObjectStorageOperator(
        task_id="load",
        path=str(tmp_path),
        message_type="sms",
        use_webhook=True,
        deferrable=True,
        poll_interval=NEVER,
        **TODAY,
    )
    assert [asset.name for asset in load.inlets] == [INBOX.name]
    with pytest.raises(TaskDeferred) as deferred:
        started(load)
    assert woken(deferred.value.trigger)["empty"] is False


def test_an_export_has_the_address_that_one_asks_for(served: Served, telecom_simulator: Any) -> None:
    """KetchUp's push is unfinished, so without being asked for it is not used."""
    for own in (None, served.address("queue", "own")):
        assert Run(str(own)).execute(export(use_webhook=False, callback_url=own))["callback_key"] is None
    without, with_own = telecom_simulator.state.ledger.of("ketchup_loyalty", "stat_export")
    assert "callback_url" not in without.facts["filters"]
    assert with_own.facts["filters"]["callback_url"].startswith(served.url)
    with pytest.raises(TelecomInputError, match="use_webhook: has its own address"):
        export(callback_url="https://example.com/")


def started(task: Any) -> Any:
    """Run a task until it defers, as Airflow does."""
    with DAG("dag", schedule=None) as dag:
        dag.add_task(task)
    context = Run().context(task)
    task.render_template_fields(context)
    return task.execute(context)


def woken(trigger: Any) -> Any:
    """Return what a trigger ends with that polls at its beginning and when it is woken only."""

    async def scene() -> Any:
        stream = TelecomPollTrigger.open_shared_stream({})
        return await asyncio.wait_for(until(again(trigger), stream), HANG_SECONDS)

    return facts_from_event(asyncio.run(scene()))
