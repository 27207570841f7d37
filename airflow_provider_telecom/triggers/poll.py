"""The trigger of all tasks: it looks at a vendor until what is waited for is there, or will never be."""

from __future__ import annotations

import asyncio
import math
import random
from collections.abc import AsyncIterator, Collection
from contextlib import suppress
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.triggers.polling import PollConfig, Poller, to_event
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.base import TelecomHook

_SPREAD_SECONDS = 10.0
_SOON_SECONDS = 2.0
_SETTINGS = tuple(field.name for field in fields(PollConfig) if field.name not in ("arguments", "conn_id"))


class TelecomPollTrigger(BaseEventTrigger):
    """Looks with one vendor's watch at jittered intervals and ends with one event.

    When the vendor tells of it by itself, it looks at once. What is told reaches all triggers of a triggerer
    by one reader, Airflow's shared stream, and each goes on looking by itself when nothing is told.

    The watch's arguments and `conn_id` are attributes of the trigger, under their own names: so Airflow
    renders templates in them when a task starts from the trigger. One HTTP client and one token serve all
    triggers of a connection in this process. The first looks of many triggers are spread over ten
    seconds at most.
    """

    supports_triggerer_queue = True  # Airflow says no for asset watchers, which this is not

    def __init__(self, *, conn_id: str, settings: dict[str, Any], **arguments: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id, self.settings = conn_id, settings
        self._names = tuple(arguments)
        for name, value in arguments.items():
            setattr(self, name, value)

    @classmethod
    def of(cls, waiting: PollConfig) -> TelecomPollTrigger:
        """Return the trigger that waits so."""
        return cls(**trigger_kwargs(waiting))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class, and what makes an equal trigger."""
        return PATH, {
            "conn_id": self.conn_id,
            "settings": self.settings,
            **self._arguments(),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to tell, and tell it."""
        yield await self._ended(WakeSignal())

    def shared_stream_key(self) -> tuple[str, ...] | None:
        """Return the one key of all triggers that the vendors' posts may wake."""
        return ("telecom", "callbacks") if self.settings.get("hearing") else None

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[frozenset[str]]:
        """Read the topics that something was told under, for all triggers."""
        from airflow_provider_telecom.webhooks.inbox_client import new_topics

        async for topics in new_topics():
            yield topics

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Collection[str]]
    ) -> AsyncIterator[TriggerEvent]:
        """Do as `run` does, but look at once when the vendor has told of it."""
        bell = WakeSignal()
        listening = asyncio.create_task(bell.listen(shared_stream))
        try:
            yield await self._ended(bell)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await listening

    async def _ended(self, bell: WakeSignal) -> TriggerEvent:
        waiting = self._poll_config()
        spread = random.uniform(0, min(_SPREAD_SECONDS, waiting.poll_interval))
        await asyncio.sleep(waiting.first_poll_delay)
        ended: PollResult | TelecomError
        try:
            new_hook, poller = await asyncio.to_thread(_loaded, waiting)
            if poller.subscription:
                bell.topics = frozenset(poller.subscription.topics)
            was_told = await bell.pause(spread)
            async with new_hook.async_session() as hook:
                ended = await _awaited(hook, poller, bell, was_told)
        except TelecomError as error:
            ended = error
        return TriggerEvent(to_event(ended, waiting.started))  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """End it at the vendor: Airflow calls this when a person ends the task, and not on a restart."""
        waiting = self._poll_config()
        async with waiting.new_hook().async_session() as hook:
            if (call := waiting.stopping(hook)) is not None:
                await hook.arun(call)

    def _poll_config(self) -> PollConfig:
        return PollConfig(conn_id=self.conn_id, arguments=self._arguments(), **self.settings)

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}


class WakeSignal:
    """Rings when something was told under one of the topics that somebody waits for."""

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self._rung = asyncio.Event()

    async def listen(self, stream: AsyncIterator[Collection[str]]) -> None:
        """Take in what was told."""
        async for topics in stream:
            if not self.topics.isdisjoint(topics):
                self._rung.set()

    async def pause(self, seconds: float) -> bool:
        """Wait so long, or until it rings; return whether it has rung."""
        with suppress(asyncio.TimeoutError):
            await asyncio.wait_for(self._rung.wait(), seconds)
        rung = self._rung.is_set()
        self._rung.clear()
        return rung


def trigger_kwargs(waiting: PollConfig) -> dict[str, Any]:
    """Return what a trigger that waits so is made of."""
    whole = asdict(waiting)
    return {
        "conn_id": waiting.conn_id,
        "settings": {name: whole[name] for name in _SETTINGS},
        **waiting.arguments,
    }


def _loaded(waiting: PollConfig) -> tuple[TelecomHook[Any], Poller]:
    """Import the vendor's modules, which takes longer than the loop of all triggers may stand still."""
    return waiting.new_hook(), Poller(waiting)


async def _awaited(hook: TelecomHook[Any], poller: Poller, bell: WakeSignal, was_told: bool) -> PollResult:
    """Look until there is something to tell. Raises errors that are not borne.

    What the vendor shows may lag behind what it tells: then come some looks that are soon. Not after an
    error, since only so many are borne.
    """
    soon = math.inf
    while True:
        try:
            told = await _told(poller)
            progress = await hook.arun(poller.call(hook, told))
        except TelecomError as error:
            poller.tolerate(error)
            pause = poller.pause(error.retry_after)
            if error.retry_after is None:
                was_told |= await bell.pause(pause)
            else:
                await asyncio.sleep(pause)
            continue
        poller.record(progress)
        if progress.stage is not Stage.WAITING:
            return progress
        if was_told or (soon == math.inf and told and told.get("final")):
            soon = _SOON_SECONDS
        was_told = await bell.pause(min(poller.pause(), soon))
        soon *= 2


async def _told(poller: Poller) -> dict[str, Any] | None:
    if poller.subscription is None or poller.subscription.entry is None:
        return None
    from airflow_provider_telecom.webhooks.inbox_client import stored_webhook_async

    return await stored_webhook_async(poller.subscription.entry)


PATH = f"{TelecomPollTrigger.__module__}.{TelecomPollTrigger.__qualname__}"
