"""The trigger of all tasks: polls a vendor until the final state, or until a webhook reports it."""

from __future__ import annotations

import asyncio
import math
import random
import time
from collections.abc import AsyncIterator, Collection, Hashable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseEventTrigger, TriggerEvent

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.triggers.polling import PollConfig, Poller, decode, encode, to_event
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.base import AnyHook

_MAX_FIRST_DELAY = 10.0
_FIRST_QUICK_DELAY = 2.0
_TIMER_STEP = 0.01
_SETTINGS = tuple(field.name for field in fields(PollConfig) if field.name not in ("arguments", "conn_id"))


class TelecomPollTrigger(BaseEventTrigger):
    """Calls a vendor's status check at jittered intervals, and ends with one event (`PollEvent`).

    With a `subscription` it also polls as soon as a webhook arrives. One reader for all triggers of a
    triggerer, Airflow's shared stream, reads which webhooks arrived. If none arrives, polling goes on.

    `conn_id` and the arguments of the status check are attributes of the trigger, under their own names: so
    Airflow renders their templates when a task starts from the trigger. All triggers of a connection in this
    process share one HTTP client and one token. The first polls of many triggers are spread over ten seconds.
    """

    supports_triggerer_queue = True  # Airflow's default is for asset watchers; this is none

    def __init__(self, *, conn_id: str, settings: dict[str, Any], **arguments: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id, self.settings = conn_id, settings
        self._names = tuple(arguments)
        for name, value in arguments.items():
            setattr(self, name, value)

    @classmethod
    def from_config(cls, config: PollConfig, private: Sequence[str] = ()) -> TelecomPollTrigger:
        """Return the trigger for a configuration. `private` is as in `trigger_kwargs`."""
        return cls(**trigger_kwargs(config, private))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class and the arguments of an equal trigger."""
        return PATH, {"conn_id": self.conn_id, "settings": self.settings, **self._arguments()}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until the end, and yield the event."""
        yield await self._poll(WakeSignal())

    def shared_stream_key(self) -> tuple[str, ...] | None:
        """Return the key that all triggers with webhooks share."""
        return ("telecom", "callbacks") if self.settings.get("subscription") else None

    @classmethod
    async def open_shared_stream(cls, kwargs: dict[str, Any]) -> AsyncIterator[frozenset[str]]:
        """Yield the topics of new webhooks, for all triggers."""
        from airflow_provider_telecom.webhooks.inbox_client import new_topics

        async for topics in new_topics():
            yield topics

    async def filter_shared_stream(
        self, shared_stream: AsyncIterator[Collection[str]]
    ) -> AsyncIterator[TriggerEvent]:
        """Do what `run` does, and poll at once when a webhook arrives."""
        signal = WakeSignal()
        listening = asyncio.create_task(signal.listen(shared_stream))
        try:
            yield await self._poll(signal)
        finally:
            listening.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await listening

    async def _poll(self, signal: WakeSignal) -> TriggerEvent:
        config = self._config()
        first_delay = random.uniform(0, min(_MAX_FIRST_DELAY, config.poll_interval))
        await asyncio.sleep(config.first_poll_delay)
        end: PollResult | TelecomError
        try:
            new_hook, poller = await asyncio.to_thread(_load, config)
            if poller.subscription:
                signal.topics = frozenset(poller.subscription.topics)
            woken = await signal.wait(first_delay)
            async with new_hook.async_session(signal) as hook:
                end = await _poll_until_final(hook, poller, signal, woken)
        except TelecomError as error:
            end = error
        return TriggerEvent(to_event(end, config.started))  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """End the operation at the vendor. Airflow calls it when a person ends the task, not on a restart."""
        config = self._config()
        async with config.new_hook().async_session() as hook:
            if (call := config.stop_call(hook)) is not None:
                await hook.arun(call)

    def _config(self) -> PollConfig:
        settings, arguments = dict(self.settings), self._arguments()
        for name in settings.pop("private", ()):
            arguments[name] = decode(arguments[name])
        return PollConfig(conn_id=self.conn_id, arguments=arguments, **settings)

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}


class WakeSignal:
    """Wakes a trigger: a webhook has arrived under one of its topics, or another trigger has polled for it.

    It is a `Follower` of shared calls.
    """

    def __init__(self) -> None:
        self.topics: frozenset[str] = frozenset()
        self.keys: set[Hashable] = set()
        self.since = time.monotonic()
        self._has_webhook = False
        self._pause: asyncio.Future[None] | None = None
        self._wakes_from = math.inf

    async def listen(self, stream: AsyncIterator[Collection[str]]) -> None:
        """Read the topics of new webhooks, until cancelled."""
        async for topics in stream:
            if not self.topics.isdisjoint(topics):
                self._has_webhook, self.since = True, time.monotonic()
                self._end_pause()

    def wake(self) -> None:
        """End a pause of which half is over: the result of a shared call is there.

        Not earlier: each one who begins to wait makes a call, and one who polls for several things would make
        all its other calls again.
        """
        if time.monotonic() >= self._wakes_from:
            self._end_pause()

    def _end_pause(self) -> None:
        if self._pause is not None and not self._pause.done():
            self._pause.set_result(None)

    async def wait(self, seconds: float) -> bool:
        """Wait so long, or until something wakes it; return whether a webhook has arrived."""
        if not self._has_webhook:
            loop = asyncio.get_running_loop()
            self._wakes_from = time.monotonic() + seconds / 2
            self._pause = loop.create_future()
            timer = loop.call_at(_next_step(loop.time() + seconds), self._end_pause)
            try:
                await self._pause
            finally:
                timer.cancel()
                self._pause = None
        has_webhook, self._has_webhook = self._has_webhook, False
        return has_webhook


def trigger_kwargs(config: PollConfig, private: Sequence[str] = ()) -> dict[str, Any]:
    """Return the arguments of the trigger for a configuration.

    `private` are arguments of the status check that hold numbers. Airflow encrypts what it stores of a
    trigger with its Fernet key. They are also encoded, since it may log a trigger, and may have no key.
    """
    whole = asdict(config)
    settings = {name: whole[name] for name in _SETTINGS}
    if not private:
        return {"conn_id": config.conn_id, "settings": settings, **config.arguments}
    settings["private"] = list(private)
    hidden = {name: encode(config.arguments[name]) for name in private}
    return {"conn_id": config.conn_id, "settings": settings, **config.arguments, **hidden}


def _load(config: PollConfig) -> tuple[AnyHook, Poller]:
    """Import the vendor's modules. In a thread: it would block the triggerer's event loop for too long."""
    return config.new_hook(), Poller(config)


async def _poll_until_final(hook: AnyHook, poller: Poller, signal: WakeSignal, woken: bool) -> PollResult:
    """Return the result of the first poll with a final stage. Raises errors that are not ignored.

    A vendor's answers may lag behind its webhooks: after one, it polls a few times in quick succession. Not
    after an error, since only so many are ignored.
    """
    quick_delay = math.inf
    while True:
        try:
            webhooks = await _stored_webhooks(poller)
            result = await hook.arun(poller.call(hook, webhooks))
        except TelecomError as error:
            poller.tolerate(error)
            delay = poller.next_delay(error.retry_after)
            if error.retry_after is None:
                woken |= await signal.wait(delay)
            else:
                await asyncio.sleep(delay)
            continue
        poller.record(result)
        if result.stage is not Stage.WAITING:
            return result
        is_final = any(webhook and webhook.get("final") for webhook in webhooks)
        if woken or (quick_delay == math.inf and is_final):
            quick_delay = _FIRST_QUICK_DELAY
        woken = await signal.wait(min(poller.next_delay(), quick_delay))
        quick_delay *= 2


async def _stored_webhooks(poller: Poller) -> list[Mapping[str, object] | None]:
    if not poller.webhook_topics:
        return []
    from airflow_provider_telecom.webhooks.inbox_client import stored_webhook_async

    return [await stored_webhook_async(topic) for topic in poller.webhook_topics]


def _next_step(when: float) -> float:
    """Return when a pause until `when` ends: up to 10 ms later, together with others.

    Polls that begin together take less CPU than as many polls one by one, which find the processor's caches
    filled with other things.
    """
    return math.ceil(when / _TIMER_STEP) * _TIMER_STEP


PATH = f"{TelecomPollTrigger.__module__}.{TelecomPollTrigger.__qualname__}"
