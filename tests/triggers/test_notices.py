"""The watcher of notices: it tells of what is new, at least once, and lives on."""

from __future__ import annotations

import asyncio
import json
import logging
import random
import re
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import pytest
from airflow.models.trigger import Trigger
from airflow.sdk import Asset, AssetWatcher
from airflow.sdk.definitions.asset import AssetAny
from airflow.serialization.encoders import encode_trigger
from airflow.triggers.base import BaseEventTrigger
from airflow.triggers.shared_stream import SharedStreamManager
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.assets import event_payloads
from airflow_provider_telecom.assets.novaconnect import NOVACONNECT_PACKAGE_EMPTY
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.triggers import notices
from airflow_provider_telecom.triggers.notices import TelecomNoticesTrigger, pack_ids, unpack_ids
from airflow_provider_telecom.vendors.novaconnect import VENDOR
from tests.eventually import eventually_async
from tests.triggers.scripted import as_the_worker_gets_it, made
from tests.webhooks.conftest import EVENTS

LIMIT_BYTES = 65_535
EMPTY_AT_FIRST = [1008, 1018, 1028, 1038]


class AssetStateStore:
    """The state store of the asset with the watchers. What it holds is JSON and outlives triggerers."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.broken = False

    async def aget(self, key: str, default: Any = None) -> Any:
        self._reach()
        return json.loads(self.texts[key]) if key in self.texts else default

    async def aset(self, key: str, value: Any) -> None:
        assert value is not None
        self._reach()
        self.texts[key] = json.dumps(value)

    def ids(self, key: str = "telecom.package_empty.novaconnect_default") -> set[int]:
        return unpack_ids(json.loads(self.texts[key]))

    def _reach(self) -> None:
        if self.broken:
            raise RuntimeError("Airflow cannot say")


class Seen:
    """The events of the watchers so far."""

    def __init__(self, simulator: Any) -> None:
        self.events: list[Any] = []
        self._requests = simulator.state.requests

    async def polls(self, more: int = 2) -> None:
        """Wait for so many whole polls from now on, and for their events."""
        wanted = len(self._requests) + more + 1  # one may be under way
        assert await eventually_async(lambda: len(self._requests) >= wanted)

    async def last_of(self, count: int) -> Any:
        """Wait for this many events in all, and return the last."""
        assert await eventually_async(lambda: len(self.events) >= count)
        assert len(self.events) == count
        return self.events[-1]


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(notices, "MIN_POLL_INTERVAL", 0.01)


@pytest.fixture
def vendor_state(hook_for: Callable[..., Any], telecom_simulator: Any) -> Any:
    hook_for("novaconnect")
    return telecom_simulator.state.vendor_state("novaconnect", VendorState)


def new(
    store: AssetStateStore | None, kind: str = "package_empty", **arguments: Any
) -> TelecomNoticesTrigger:
    trigger = TelecomNoticesTrigger(vendor="novaconnect", kind=kind, **{"poll_interval": 0.05, **arguments})
    watcher: Any = made(*crossed(trigger))
    watcher.asset_state_store = store
    return watcher  # type: ignore[no-any-return]


def crossed(trigger: TelecomNoticesTrigger) -> tuple[str, Any]:
    """Return a watcher's trigger as it comes out of Airflow's database."""
    row = encode_trigger(trigger)
    return row["classpath"], Trigger(row["classpath"], row["kwargs"]).kwargs


@asynccontextmanager
async def running(simulator: Any, *triggers: TelecomNoticesTrigger) -> AsyncIterator[Seen]:
    """Run watchers, as a triggerer does that is ended at some time."""
    seen = Seen(simulator)

    async def run(trigger: TelecomNoticesTrigger) -> None:
        async for event in trigger.run():
            seen.events.append(as_the_worker_gets_it(event.payload))

    tasks = [asyncio.create_task(run(trigger)) for trigger in triggers]
    try:
        yield seen
        assert not [task for task in tasks if task.done()], "a watcher never ends"
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def event(*sim_ids: int, conn_id: str = "novaconnect_default") -> dict[str, Any]:
    return {"conn_id": conn_id, "type": "package_empty", "sim_ids": list(sim_ids)}


# What is news.


def test_the_first_poll_only_remembers_and_later_ones_report_what_is_new(
    telecom_simulator: Any, vendor_state: Any
) -> None:
    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            await seen.polls()
            assert store.ids() == set(EMPTY_AT_FIRST)
            assert seen.events == []
            vendor_state.sims[1002].block = vendor_state.sims[1001].block = "p"
            assert await seen.last_of(1) == event(1001, 1002)
            await seen.polls()
            assert len(seen.events) == 1

    asyncio.run(triggerer())


def test_from_start_tells_of_what_is_there(telecom_simulator: Any, vendor_state: Any) -> None:
    async def triggerer() -> None:
        async with running(telecom_simulator, new(AssetStateStore(), from_start=True)) as seen:
            assert await seen.last_of(1) == event(*EMPTY_AT_FIRST)
            await seen.polls()
            assert len(seen.events) == 1

    asyncio.run(triggerer())


def test_a_sim_that_comes_back_is_news_again(telecom_simulator: Any, vendor_state: Any) -> None:
    async def triggerer() -> None:
        async with running(telecom_simulator, new(AssetStateStore())) as seen:
            await seen.polls()
            for count in (1, 2):
                vendor_state.sims[1001].block = "p"
                assert await seen.last_of(count) == event(1001)
                vendor_state.sims[1001].block = "n"
                await seen.polls()

    asyncio.run(triggerer())


def test_a_sim_that_is_blocked_otherwise_is_no_news(telecom_simulator: Any, vendor_state: Any) -> None:
    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store), new(store, "msu_lock")) as seen:
            assert await eventually_async(lambda: len(store.texts) == 2)
            for sim_id, block in zip((1001, 1002, 1003), "ufg", strict=True):
                vendor_state.sims[sim_id].block = block
            await seen.polls(4)
            assert seen.events == []
            vendor_state.sims[1041].block = "m"
            locked = {"conn_id": "novaconnect_default", "type": "msu_lock", "sim_ids": [1041]}
            assert await seen.last_of(1) == locked

    asyncio.run(triggerer())


def test_new_bills_are_reported(telecom_simulator: Any, vendor_state: Any) -> None:
    async def triggerer() -> None:
        async with running(telecom_simulator, new(AssetStateStore(), "generate_bill")) as seen:
            await seen.polls()
            bill = vendor_state.make_bill("10-2026")
            assert await seen.last_of(1) == {
                "conn_id": "novaconnect_default",
                "type": "generate_bill",
                "bill_ids": [bill.id],
            }

    asyncio.run(triggerer())


def test_each_connection_has_a_memory_of_its_own(
    telecom_simulator: Any, vendor_state: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = json.dumps(telecom_simulator.connection("novaconnect"))
    monkeypatch.setenv("AIRFLOW_CONN_NOVACONNECT_EAST", connection)

    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            await seen.polls()
            vendor_state.sims[1001].block = "p"
            await seen.last_of(1)
            await seen.polls()
        east = new(store, conn_id="novaconnect_east")
        async with running(telecom_simulator, new(store), east) as seen:
            assert await eventually_async(lambda: len(store.texts) == 2)
            vendor_state.sims[1002].block = "p"
            await seen.last_of(2)
        found = sorted(seen.events, key=lambda one: one["conn_id"])
        assert found == [event(1002), event(1002, conn_id="novaconnect_east")]
        assert len(store.texts) == 2

    asyncio.run(triggerer())


# Restarts.


def test_a_restart_loses_nothing_and_repeats_nothing_that_was_written_down(
    telecom_simulator: Any, vendor_state: Any
) -> None:
    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            await seen.polls()
            vendor_state.sims[1001].block = "p"
            await seen.last_of(1)
            await seen.polls()
        vendor_state.sims[1002].block = "p"  # while nobody polls
        async with running(telecom_simulator, new(store)) as seen:
            assert await seen.last_of(1) == event(1002)
            await seen.polls()
            assert len(seen.events) == 1

    asyncio.run(triggerer())


def test_an_event_that_may_not_have_left_is_told_again(telecom_simulator: Any, vendor_state: Any) -> None:
    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            await seen.polls()
        vendor_state.sims[1001].block = "p"
        for _ in range(2):  # each dies before another look
            async for found in new(store).run():
                assert found.payload == event(1001)
                break
            assert store.ids() == set(EMPTY_AT_FIRST)
        async with running(telecom_simulator, new(store)) as seen:
            assert await seen.last_of(1) == event(1001)
            await seen.polls()
            assert store.ids() == {1001, *EMPTY_AT_FIRST}

    asyncio.run(triggerer())


def test_without_a_store_it_says_so_and_watches(
    telecom_simulator: Any, vendor_state: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def triggerer() -> None:
        async with running(telecom_simulator, new(None)) as seen:
            await seen.polls()
            vendor_state.sims[1001].block = "p"
            await seen.last_of(1)

    asyncio.run(triggerer())
    assert [each.message for each in caplog.records if each.levelname == "WARNING"] == [
        "Airflow has no state store for this asset: a restart forgets "
        "telecom.package_empty.novaconnect_default"
    ]


# Errors.


def complaints(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [each.message for each in caplog.records if each.levelno >= logging.ERROR]


def test_a_vendor_that_fails_for_a_while_is_borne(
    telecom_simulator: Any, vendor_state: Any, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, notices.__name__)

    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            await seen.polls()
            vendor_state.sims[1001].block = "p"
            await seen.last_of(1)
            fault = telecom_simulator.fault("status", "novaconnect", times=10_000, status=429)
            await seen.polls(40)  # requests, four of them in each poll
            assert store.ids() == {1001, *EMPTY_AT_FIRST}, "also a look in vain is a later one"
            vendor_state.sims[1002].block = "p"
            telecom_simulator.state.faults.remove(fault)
            assert await seen.last_of(2) == event(1002)

    asyncio.run(triggerer())
    own = [each for each in caplog.records if each.name == notices.__name__]
    tolerated = [each for each in own if each.levelname == "INFO"]
    assert len(tolerated) == notices._TOLERATED_ERRORS
    assert len(complaints(caplog)) >= 3


@pytest.mark.parametrize("kind", ["reset_before", "html", "silence"])
def test_it_outlives_whatever_comes_back(telecom_simulator: Any, hook_for: Any, kind: str) -> None:
    hook_for("novaconnect", timeout_read=1)
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    store = AssetStateStore()

    async def triggerer() -> None:
        async with running(telecom_simulator, new(store)) as seen:
            assert await eventually_async(lambda: store.texts)
            telecom_simulator.fault(kind, "novaconnect", times=2, seconds=3600)
            vendor_state.sims[1001].block = "p"
            await seen.last_of(1)

    asyncio.run(triggerer())


@pytest.mark.parametrize("wrong", [{"password": "canary-5151"}, {"host": ""}, None])
def test_a_connection_that_is_wrong_can_be_mended_while_it_watches(
    telecom_simulator: Any,
    vendor_state: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
    wrong: Any,
) -> None:
    right = telecom_simulator.connection("novaconnect")
    if wrong is None:
        monkeypatch.delenv("AIRFLOW_CONN_NOVACONNECT_DEFAULT")
    else:
        unfit = {**right, **wrong, "extra": {**right["extra"], "lang": "ru" if "password" in wrong else "?"}}
        monkeypatch.setenv("AIRFLOW_CONN_NOVACONNECT_DEFAULT", json.dumps(unfit))

    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            assert await eventually_async(lambda: len(complaints(caplog)) >= 2)
            monkeypatch.setenv("AIRFLOW_CONN_NOVACONNECT_DEFAULT", json.dumps(right))
            await seen.polls()
            vendor_state.sims[1001].block = "p"
            await seen.last_of(1)

    asyncio.run(triggerer())
    assert all("The poll of novaconnect_default failed, trying again" in each for each in complaints(caplog))
    assert "canary-5151" not in caplog.text


def test_a_store_out_of_reach_delays_and_loses_nothing(
    telecom_simulator: Any, vendor_state: Any, caplog: pytest.LogCaptureFixture
) -> None:
    async def triggerer() -> None:
        store = AssetStateStore()
        store.broken = True
        async with running(telecom_simulator, new(store, from_start=True)) as seen:
            await seen.polls()
            store.broken = False
            assert await seen.last_of(1) == event(*EMPTY_AT_FIRST)
            store.broken = True
            vendor_state.sims[1001].block = "p"
            await seen.polls()
            store.broken = False
            assert await seen.last_of(2) == event(1001)

    asyncio.run(triggerer())
    assert any("Airflow cannot say" in each for each in complaints(caplog))


# What Airflow makes of it.


def test_it_crosses_the_database_and_is_known_again() -> None:
    """Airflow compares hashes: a watcher whose hash differs would be made anew at each reading of the Dag."""
    trigger = TelecomNoticesTrigger(
        vendor="novaconnect", kind="msu_lock", conn_id="Ключ", poll_interval=300, from_start=True
    )
    path, kwargs = crossed(trigger)
    assert made(path, kwargs).serialize() == trigger.serialize()
    declared = encode_trigger(trigger)
    assert BaseEventTrigger.hash(path, kwargs) == BaseEventTrigger.hash(path, declared["kwargs"])
    other = encode_trigger(TelecomNoticesTrigger(vendor="novaconnect", kind="package_empty", conn_id="Ключ"))
    assert BaseEventTrigger.hash(path, kwargs) != BaseEventTrigger.hash(path, other["kwargs"])


def test_it_watches_the_receivers_assets() -> None:
    for kind in VENDOR.notices:
        asset = EVENTS[f"telecom-novaconnect-{kind.replace('_', '-')}"]
        asset_with_watcher = Asset(
            asset.name,
            asset.uri,
            group=asset.group,
            watchers=[
                AssetWatcher(name=kind, trigger=TelecomNoticesTrigger(vendor="novaconnect", kind=kind))
            ],
        )
        assert (asset_with_watcher.name, asset_with_watcher.uri) == (asset.name, asset.uri)
        assert isinstance(asset_with_watcher | NOVACONNECT_PACKAGE_EMPTY, AssetAny)


def test_the_guides_dags_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Python in docs/webhooks.md runs as it stands, and its table names all assets."""
    monkeypatch.setenv("AIRFLOW__TELECOM__PUBLIC_BASE_URL", "https://airflow.example.com")
    monkeypatch.setenv("AIRFLOW__TELECOM__WEBHOOK_SECRET", "made-up-secret-of-the-guide-0123456789")
    text = (Path(__file__).parent.parent.parent / "docs" / "webhooks.md").read_text(encoding="utf-8")
    found: dict[str, Any] = {}
    for program in re.findall(r"```python\n(.*?)```", text, re.DOTALL):
        exec(program, found)
    (watcher,) = found["PACKAGE_EMPTY"].watchers
    assert (
        watcher.trigger.serialize()
        == TelecomNoticesTrigger(vendor="novaconnect", kind="package_empty").serialize()
    )
    assert found["PACKAGE_EMPTY"].name in EVENTS
    assert not [name for name in EVENTS if re.sub(r"-[56]$", "-3", name) not in text]


def test_its_events_read_as_the_receivers_do() -> None:
    class Event:
        extra = {"from_trigger": True, "payload": event(1001)}  # noqa: RUF012 - as Airflow makes it

    assert event_payloads(Event()) == [event(1001)]


def test_watchers_of_a_connection_share_their_looks(telecom_simulator: Any, vendor_state: Any) -> None:
    async def triggerer() -> None:
        manager, found = SharedStreamManager(), []
        triggers = [new(AssetStateStore()), new(AssetStateStore(), "msu_lock")]

        async def run(trigger_id: int, trigger: TelecomNoticesTrigger) -> None:
            key = trigger.shared_stream_key()
            stream = manager.subscribe(trigger_id=trigger_id, trigger=trigger, key=key)
            async for received in trigger.filter_shared_stream(stream):
                found.append((received.payload["type"], received.payload["sim_ids"]))

        tasks = [asyncio.create_task(run(*each)) for each in enumerate(triggers)]
        assert await eventually_async(lambda: len(telecom_simulator.state.requests) >= 3)
        assert len(manager._groups) == 1
        vendor_state.sims[1001].block, vendor_state.sims[1041].block = "p", "m"
        assert await eventually_async(lambda: len(found) == 2)
        assert sorted(found) == [("msu_lock", [1041]), ("package_empty", [1001])]
        for task in tasks:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task
        await manager.stop_all()

    asyncio.run(triggerer())
    keys = {new(None, kind).shared_stream_key() for kind in VENDOR.notices}
    keys |= {new(None, conn_id="other").shared_stream_key(), new(None, poll_interval=9).shared_stream_key()}
    assert len(keys) == 4


# Its memory, and its arguments.


@given(st.sets(st.integers(-(2**63), 2**63)))
def test_ids_are_packed_without_loss(ids: set[int]) -> None:
    assert unpack_ids(json.loads(json.dumps(pack_ids(ids)))) == ids


@pytest.mark.parametrize("step", [1, 7, 1000, 1_000_000])
def test_ten_thousand_ids_are_small(step: int) -> None:
    dice = random.Random(step)
    ids = set(dice.sample(range(1000, 1000 + 10_000 * step), 10_000))
    assert len(json.dumps(pack_ids(ids))) < LIMIT_BYTES
    assert unpack_ids(pack_ids(ids)) == ids


def test_a_fleet_of_ten_thousand_is_watched(telecom_simulator: Any, vendor_state: Any) -> None:
    for sim in vendor_state.add_sims(9_900):
        sim.block = "p"

    async def triggerer() -> None:
        store = AssetStateStore()
        async with running(telecom_simulator, new(store)) as seen:
            assert await eventually_async(lambda: bool(store.texts))
            assert len(store.ids()) == 9_900 + len(EMPTY_AT_FIRST)
            vendor_state.sims[1001].block = "p"
            assert await seen.last_of(1) == event(1001)

    asyncio.run(triggerer())


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({"kind": "unpaid_bill_3"}, "kind"),
        ({"kind": "msu_lock", "poll_interval": 0}, "poll_interval"),
        ({"kind": "msu_lock", "poll_interval": True}, "poll_interval"),
        ({"kind": "msu_lock", "poll_interval": float("nan")}, "poll_interval"),
        ({"kind": "msu_lock", "conn_id": ""}, "conn_id"),
        ({"kind": "msu_lock", "from_start": "yes"}, "from_start"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: Any, field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        TelecomNoticesTrigger(**{"vendor": "novaconnect", **arguments})
    assert caught.value.field == field
