"""Scripted status checks, and the ways a trigger goes through Airflow's database."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from importlib import import_module
from itertools import pairwise
from typing import Any

from airflow.models.trigger import Trigger
from airflow.sdk.serde import deserialize, serialize
from airflow.serialization.decoders import smart_decode_trigger_kwargs
from airflow.serialization.serialized_objects import _decode_start_trigger_args, _encode_start_trigger_args
from airflow.triggers.base import StartTriggerArgs

from airflow_provider_telecom.calls.endpoint import Call, Sleep, Step
from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
from airflow_provider_telecom.triggers.polling import PollConfig
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage

HERE = __name__
KETCHUP = "airflow_provider_telecom.hooks.ketchup_loyalty.KetchUpHook"
WAITING = PollResult(Stage.WAITING, {"status": "sent"})
DELIVERED = PollResult(Stage.SUCCEEDED, {"status": "delivered"})
EXPIRED = PollResult(Stage.FAILED, {"status": "expired"})

_script: list[PollResult | TelecomError] = []
polls: list[tuple[float, dict[str, Any]]] = []
"""When the scripted check was called, and with which arguments."""


@contextmanager
def script(*outcomes: PollResult | TelecomError) -> Iterator[None]:
    """Let `scripted` return these, one a poll, and the last one again and again."""
    polls.clear()
    _script[:] = outcomes
    yield
    _script.clear()


def scripted(api: Any, **arguments: Any) -> Call[PollResult]:
    """A status check that returns what the script says."""
    polls.append((time.monotonic(), arguments))
    shown = _script.pop(0) if len(_script) > 1 else _script[0]
    yield from _nothing()
    if isinstance(shown, TelecomError):
        raise shown
    return shown


def _nothing() -> Generator[Step, Any, None]:
    yield Sleep(0, 0)


def config(status_check: str = f"{HERE}.scripted", **others: Any) -> PollConfig:
    """Return a configuration that polls often."""
    settings: dict[str, Any] = {
        "hook": KETCHUP,
        "status_check": status_check,
        "conn_id": "ketchup_loyalty_default",
        "arguments": {},
        "poll_interval": 0.01,
        "tolerated_errors": 3,
    }
    return PollConfig(**{**settings, **others})


def deferred(trigger: TelecomPollTrigger) -> TelecomPollTrigger:
    """Return the trigger that the triggerer makes of one that a worker has deferred to."""
    path, kwargs = trigger.serialize()
    encrypted = json.dumps(serialize(kwargs))
    return made(path, Trigger._decrypt_kwargs(encrypted))


def started(path: str, kwargs: Any) -> TelecomPollTrigger:
    """Return the trigger that the triggerer makes for a task that starts from it."""
    args = StartTriggerArgs(trigger_cls=path, trigger_kwargs=kwargs, next_method="execute_complete")
    data = json.loads(json.dumps(_encode_start_trigger_args(args)))
    return from_row(_decode_start_trigger_args(data))


def from_row(args: StartTriggerArgs) -> TelecomPollTrigger:
    """Return the trigger that is made of the row that the scheduler writes."""
    return made(args.trigger_cls, Trigger(args.trigger_cls, args.trigger_kwargs or {}).kwargs)


def made(path: str, kwargs: Any) -> TelecomPollTrigger:
    """Return a trigger as the triggerer makes it."""
    module, _, name = path.rpartition(".")
    trigger: TelecomPollTrigger = getattr(import_module(module), name)(**{
        key: smart_decode_trigger_kwargs(value) for key, value in kwargs.items()
    })
    return trigger


def as_the_worker_gets_it(payload: Any) -> Any:
    """Return an event's payload as the worker gets it."""
    return deserialize(json.loads(json.dumps(serialize(payload))))


async def events(trigger: TelecomPollTrigger) -> list[Any]:
    """Return the payloads of all events of a trigger."""
    return [event.payload async for event in trigger.run()]


def gaps() -> Sequence[float]:
    """Return the seconds between polls."""
    times = [when for when, _ in polls]
    return [later - earlier for earlier, later in pairwise(times)]
