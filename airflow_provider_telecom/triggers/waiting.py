"""Waiting for something at a vendor: how often to look, which errors to bear, how it ends.

Sensors and operators wait in a worker by `wait`, or in the triggerer by `triggers.poll`; both keep to
what stands here.
"""

from __future__ import annotations

import json
import random
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomServerError,
    TelecomThrottledError,
    retold,
    told,
)
from airflow_provider_telecom.vendors.progress import Progress, Stage
from airflow_provider_telecom.vendors.report import Hearing

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.base import TelecomHook

Watch = Callable[..., Call[Progress]]

_PASSING = (
    TelecomNotSentError,
    TelecomThrottledError,
    TelecomServerError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
)
_JITTER = 0.1
_LONGEST_INTERVAL = 3600.0


class TelecomMissedError(AirflowFailException):
    """What was waited for ended in another way, for good: looking again would show the same."""


@dataclass(frozen=True)
class Waiting:
    """What is waited for, and how. All of it is JSON: it crosses Airflow's database.

    `hook` and `watch` are import paths, of a hook class and of one of a vendor's watches. `arguments` are
    the watch's. Times are in seconds. Up to `tolerated_errors` errors in a row that may pass are borne.
    `stop` is the import path of what ends it at the vendor, given the same arguments, when a person
    ends the task. `started` is what an operator has started; it comes back with the event. In the
    triggerer the first look is `first_look` seconds after the task is deferred, or later. `hearing` is the
    import path of what says, given the same arguments, under which topics the vendor tells of it by itself.
    """

    hook: str
    watch: str
    conn_id: str
    arguments: Mapping[str, Any]
    poll_interval: float
    tolerated_errors: int
    exponential_backoff: bool = False
    max_interval: float | None = None
    stop: str | None = None
    started: Mapping[str, Any] = field(default_factory=dict)
    first_look: float = 0.0
    hearing: str | None = None

    def heard(self) -> Hearing | None:
        """Return under which topics the vendor tells of it, if it does."""
        if self.hearing is None:
            return None
        found: Hearing | None = _imported(self.hearing)(self.conn_id, **self.arguments)
        return found

    def new_hook(self) -> TelecomHook[Any]:
        """Return the hook to look with."""
        hook: TelecomHook[Any] = _imported(self.hook)(self.conn_id)
        return hook

    def stopping(self, hook: TelecomHook[Any]) -> Call[Any] | None:
        """Return the call that ends it at the vendor, if there is one."""
        return _imported(self.stop)(hook, **self.arguments) if self.stop else None


class Patience:
    """One waiting, in one process: what it has borne, and what it looks for next."""

    def __init__(self, waiting: Waiting) -> None:
        self._waiting = waiting
        self._watch: Watch = _imported(waiting.watch)
        self._arguments = dict(waiting.arguments)
        self._errors = self._looks = 0
        self.hearing = waiting.heard()

    def call(self, hook: TelecomHook[Any], told: Mapping[str, Any] | None = None) -> Call[Progress]:
        """Return the call of the next look. `told` is what the vendor has told, if the watch wants that."""
        if self.hearing and self.hearing.entry:
            return self._watch(hook, **self._arguments, told=told)
        return self._watch(hook, **self._arguments)

    def look(self, hook: TelecomHook[Any]) -> tuple[dict[str, Any] | None, float]:
        """Look once, blocking. Return the facts if it is there, and how long to pause if not.

        Raises TelecomMissedError and errors that are not borne.
        """
        try:
            progress = hook.run(self.call(hook, self._told()))
        except TelecomError as error:
            self.bear(error)
            return None, self.pause(error.retry_after)
        self.seen(progress)
        found = None if progress.stage is Stage.WAITING else facts_of(event_of(progress))
        return found, self.pause()

    def _told(self) -> dict[str, Any] | None:
        if self.hearing is None or self.hearing.entry is None:
            return None
        from airflow_provider_telecom.webhooks.reading import told

        return told(self.hearing.entry)

    def seen(self, progress: Progress) -> None:
        """Take in what a look has shown."""
        self._errors = 0
        self._looks += 1
        self._arguments |= progress.rest

    def bear(self, error: TelecomError) -> None:
        """Bear an error, or raise it: when it will not pass, or when there were too many in a row."""
        self._errors += 1
        if not isinstance(error, _PASSING) or self._errors > self._waiting.tolerated_errors:
            raise error

    def pause(self, asked: float | None = None) -> float:
        """Return the seconds until the next look, spread by a tenth, and never less than `asked`."""
        interval = self._waiting.poll_interval
        if self._waiting.exponential_backoff:
            most = self._waiting.max_interval or max(interval, _LONGEST_INTERVAL)
            interval = min(interval * 2.0 ** min(self._looks, 32), most)
        return max(asked or 0.0, interval * random.uniform(1 - _JITTER, 1 + _JITTER))


def wait(waiting: Waiting, timeout: float) -> dict[str, Any]:
    """Look until what is waited for is there, and return its facts. Blocks.

    Raises TelecomMissedError (it will never come), AirflowSensorTimeout after `timeout` seconds, and
    errors that are not borne.
    """
    ends = time.monotonic() + timeout
    patience, hook = Patience(waiting), waiting.new_hook()
    while True:
        found, pause = patience.look(hook)
        if found is not None:
            return found
        if time.monotonic() + pause > ends:
            raise AirflowSensorTimeout(f"still waiting after {timeout:g} s")
        time.sleep(pause)


def after_the_worker() -> float:
    """Return the seconds after which a task that defers now may be resumed.

    A worker notices the end of its task up to a heartbeat later. In Airflow 3.3 a trigger that fires before
    that costs the task a try ("finished, but queued").
    """
    heartbeat: float = conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0)
    return 1.2 * heartbeat


def event_of(ended: Progress | TelecomError, started: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return how a waiting ended, as JSON.

    What was started goes along unreadable: the triggerer logs events, and some ids hold a number.
    """
    along = {"started": b64encode(json.dumps(started).encode()).decode()} if started else {}
    if isinstance(ended, Progress):
        return {"stage": ended.stage.value, "facts": dict(ended.facts), **along}
    return {"error": told(ended), **along}


def started_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what had been started before the waiting."""
    found: dict[str, Any] = json.loads(b64decode(event["started"])) if "started" in event else {}
    return found


def facts_of(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a waiting that ended well.

    Raises TelecomMissedError when it ended otherwise, and the error that ended it.
    """
    if "error" in event:
        raise retold(dict(event["error"]))
    facts = dict(event["facts"])
    if Stage(event["stage"]) is Stage.MISSED:
        raise TelecomMissedError(", ".join(f"{name}: {value}" for name, value in facts.items()))
    return facts


def _imported(path: str) -> Any:
    module, _, name = path.rpartition(".")
    return getattr(import_module(module), name)
