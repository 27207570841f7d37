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
from typing import TYPE_CHECKING, Any

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomNotFoundError,
    from_dict,
    to_dict,
)
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from airflow_provider_telecom.vendors.webhooks import Subscription

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.base import TelecomHook

StatusCheck = Callable[..., Call[PollResult]]

_JITTER = 0.1
_LONGEST_INTERVAL = 3600.0


class TelecomFailedError(AirflowFailException):
    """What was waited for ended in another way, for good: looking again would show the same."""


@dataclass(frozen=True)
class PollConfig:
    """What is waited for, and how. All of it is JSON: it crosses Airflow's database.

    `hook` and `status_check` are import paths, of a hook class and of one of a vendor's status checks.
    `arguments` are the status check's. Times are in seconds. Up to `tolerated_errors` consecutive temporary
    errors are ignored. `stop` is the import path of the call that ends it at the vendor, with the same
    arguments, when a person ends the task. `started` is what an operator has started; it comes back with the
    event. In the triggerer the first poll is at least `first_poll_delay` seconds after the task is deferred.
    `subscription` is the import path of a function that returns, given the same arguments, the topics of the
    vendor's webhooks.
    """

    hook: str
    status_check: str
    conn_id: str
    arguments: Mapping[str, Any]
    poll_interval: float
    tolerated_errors: int
    exponential_backoff: bool = False
    max_interval: float | None = None
    stop: str | None = None
    started: Mapping[str, Any] = field(default_factory=dict)
    first_poll_delay: float = 0.0
    subscription: str | None = None

    def new_subscription(self) -> Subscription | None:
        """Return under which topics the vendor tells of it, if it does."""
        if self.subscription is None:
            return None
        found: Subscription | None = import_from(self.subscription)(self.conn_id, **self.arguments)
        return found

    def new_hook(self) -> TelecomHook[Any]:
        """Return the hook to look with."""
        hook: TelecomHook[Any] = import_from(self.hook)(self.conn_id)
        return hook

    def stopping(self, hook: TelecomHook[Any]) -> Call[Any] | None:
        """Return the call that ends it at the vendor, if there is one."""
        return import_from(self.stop)(hook, **self.arguments) if self.stop else None


class Poller:
    """One waiting, in one process: what it has borne, and what it looks for next."""

    def __init__(self, waiting: PollConfig) -> None:
        self._poll_config = waiting
        self._status_check: StatusCheck = import_from(waiting.status_check)
        self._arguments = dict(waiting.arguments)
        self._errors = self._looks = 0
        self.subscription = waiting.new_subscription()

    def call(self, hook: TelecomHook[Any], told: Mapping[str, Any] | None = None) -> Call[PollResult]:
        """Return the call of the next look. `told` is what the vendor has told, if the watch wants that."""
        if self.subscription and self.subscription.entry:
            return self._status_check(hook, **self._arguments, told=told)
        return self._status_check(hook, **self._arguments)

    def poll(self, hook: TelecomHook[Any]) -> tuple[dict[str, Any] | None, float]:
        """Look once, blocking. Return the facts if it is there, and how long to pause if not.

        Raises TelecomMissedError and errors that are not borne.
        """
        try:
            progress = hook.run(self.call(hook, self._told()))
        except TelecomError as error:
            self.tolerate(error)
            return None, self.pause(error.retry_after)
        self.record(progress)
        found = None if progress.stage is Stage.WAITING else facts_from_event(to_event(progress))
        return found, self.pause()

    def _told(self) -> dict[str, Any] | None:
        if self.subscription is None or self.subscription.entry is None:
            return None
        from airflow_provider_telecom.webhooks.inbox_client import stored_webhook

        return stored_webhook(self.subscription.entry)

    def record(self, progress: PollResult) -> None:
        """Take in what a look has shown."""
        self._errors = 0
        self._looks += 1
        self._arguments |= progress.next_arguments

    def tolerate(self, error: TelecomError) -> None:
        """Bear an error, or raise it: when it will not pass, or when there were too many in a row."""
        self._errors += 1
        is_tolerable = error.temporary or isinstance(error, TelecomNotFoundError)  # it may not be there yet
        if not is_tolerable or self._errors > self._poll_config.tolerated_errors:
            raise error

    def pause(self, asked: float | None = None) -> float:
        """Return the seconds until the next look, spread by a tenth, and never less than `asked`."""
        interval = self._poll_config.poll_interval
        if self._poll_config.exponential_backoff:
            most = self._poll_config.max_interval or max(interval, _LONGEST_INTERVAL)
            interval = min(interval * 2.0 ** min(self._looks, 32), most)
        return max(asked or 0.0, interval * random.uniform(1 - _JITTER, 1 + _JITTER))


def wait(waiting: PollConfig, timeout: float) -> dict[str, Any]:
    """Look until what is waited for is there, and return its facts. Blocks.

    Raises TelecomMissedError (it will never come), AirflowSensorTimeout after `timeout` seconds, and
    errors that are not borne.
    """
    ends = time.monotonic() + timeout
    poller, hook = Poller(waiting), waiting.new_hook()
    while True:
        found, pause = poller.poll(hook)
        if found is not None:
            return found
        if time.monotonic() + pause > ends:
            raise AirflowSensorTimeout(f"still waiting after {timeout:g} s")
        time.sleep(pause)


def earliest_resume_delay() -> float:
    """Return the seconds after which a task that defers now may be resumed.

    A worker notices the end of its task up to a heartbeat later. In Airflow 3.3 a trigger that fires before
    that costs the task a try ("finished, but queued").
    """
    heartbeat: float = conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0)
    return 1.2 * heartbeat


def to_event(ended: PollResult | TelecomError, started: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Return how a waiting ended, as JSON.

    What was started goes along unreadable: the triggerer logs events, and some ids hold a number.
    """
    along = {"started": b64encode(json.dumps(started).encode()).decode()} if started else {}
    if isinstance(ended, PollResult):
        return {"stage": ended.stage.value, "facts": dict(ended.facts), **along}
    return {"error": to_dict(ended), **along}


def started_from_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return what had been started before the waiting."""
    found: dict[str, Any] = json.loads(b64decode(event["started"])) if "started" in event else {}
    return found


def facts_from_event(event: Mapping[str, Any]) -> dict[str, Any]:
    """Return the facts of a waiting that ended well.

    Raises TelecomMissedError when it ended otherwise, and the error that ended it.
    """
    if "error" in event:
        raise from_dict(dict(event["error"]))
    facts = dict(event["facts"])
    if Stage(event["stage"]) is Stage.FAILED:
        raise TelecomFailedError(", ".join(f"{name}: {value}" for name, value in facts.items()))
    return facts
