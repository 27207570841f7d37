"""The one trigger: it looks at a vendor until what is waited for is there, or will never be."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from dataclasses import asdict, fields
from typing import TYPE_CHECKING, Any

from airflow.triggers.base import BaseTrigger, TriggerEvent

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.triggers.waiting import Patience, Waiting, event_of
from airflow_provider_telecom.vendors.progress import Progress, Stage

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.base import TelecomHook

_SPREAD_SECONDS = 10.0
_SETTINGS = tuple(field.name for field in fields(Waiting) if field.name not in ("arguments", "conn_id"))


class TelecomPollTrigger(BaseTrigger):
    """Looks with one vendor's watch at jittered intervals and ends with one event.

    The watch's arguments and `conn_id` are attributes of the trigger, under their own names: so Airflow
    renders templates in them when a task starts from the trigger. One HTTP client and one token serve all
    triggers of a connection in this process. The first looks of many triggers are spread over ten
    seconds at most.
    """

    def __init__(self, *, conn_id: str, settings: dict[str, Any], **arguments: Any) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.conn_id, self.settings = conn_id, settings
        self._names = tuple(arguments)
        for name, value in arguments.items():
            setattr(self, name, value)

    @classmethod
    def of(cls, waiting: Waiting) -> TelecomPollTrigger:
        """Return the trigger that waits so."""
        return cls(**kwargs_of(waiting))

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class, and what makes an equal trigger."""
        return PATH, {
            "conn_id": self.conn_id,
            "settings": self.settings,
            **self._arguments(),
        }

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Look until there is something to tell, and tell it."""
        waiting = self._waiting()
        spread = random.uniform(0, min(_SPREAD_SECONDS, waiting.poll_interval))
        await asyncio.sleep(waiting.first_look + spread)
        ended: Progress | TelecomError
        try:
            new_hook, patience = await asyncio.to_thread(_loaded, waiting)
            async with new_hook.awaiting() as hook:
                ended = await _awaited(hook, patience)
        except TelecomError as error:
            ended = error
        yield TriggerEvent(event_of(ended, waiting.started))  # type: ignore[no-untyped-call]

    async def on_kill(self) -> None:
        """End it at the vendor: Airflow calls this when a person ends the task, and not on a restart."""
        waiting = self._waiting()
        async with waiting.new_hook().awaiting() as hook:
            if (call := waiting.stopping(hook)) is not None:
                await hook.arun(call)

    def _waiting(self) -> Waiting:
        return Waiting(conn_id=self.conn_id, arguments=self._arguments(), **self.settings)

    def _arguments(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in self._names}


def kwargs_of(waiting: Waiting) -> dict[str, Any]:
    """Return what a trigger that waits so is made of."""
    whole = asdict(waiting)
    return {
        "conn_id": waiting.conn_id,
        "settings": {name: whole[name] for name in _SETTINGS},
        **waiting.arguments,
    }


def _loaded(waiting: Waiting) -> tuple[TelecomHook[Any], Patience]:
    """Import the vendor's modules, which takes longer than the loop of all triggers may stand still."""
    return waiting.new_hook(), Patience(waiting)


async def _awaited(hook: TelecomHook[Any], patience: Patience) -> Progress:
    """Look until there is something to tell. Raises errors that are not borne."""
    while True:
        asked = None
        try:
            progress = await hook.arun(patience.call(hook))
        except TelecomError as error:
            patience.bear(error)
            asked = error.retry_after
        else:
            patience.seen(progress)
            if progress.stage is not Stage.WAITING:
                return progress
        await asyncio.sleep(patience.pause(asked))


PATH = f"{TelecomPollTrigger.__module__}.{TelecomPollTrigger.__qualname__}"
