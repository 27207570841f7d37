"""Polling a vendor: how often, which errors are ignored, and how it ends.

Operators and sensors poll in a worker with `poll_until_done`, or in the triggerer with `triggers.poll`. Both
follow the rules of `Poller`.
"""

from __future__ import annotations

import json
import logging
import random
import re
import time
from base64 import b64decode, b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, TypedDict

from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSensorTimeout

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import (
    StoredError,
    TelecomError,
    TelecomNotFoundError,
    from_dict,
    to_dict,
)
from airflow_provider_telecom.vendors.description import import_from
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from airflow_provider_telecom.vendors.webhooks import Subscription

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.base import AnyHook

StatusCheck = Callable[..., Call[PollResult]]
Facts = dict[str, Any]
"""Small JSON about what a task has started or waited for: its XCom."""

log = logging.getLogger(__name__)

_JITTER = 0.1
_MAX_INTERVAL = 3600.0
LOG_EVERY_SECONDS = 600.0
"""A task that waits logs its state when it changes, and at least this often."""
_LONG_NUMBER = re.compile(r"\d{9,}")
_MAX_LOGGED = 500


class TelecomFailedError(AirflowFailException):
    """The final state is not the awaited one. Polling again would return the same, so nothing is retried."""


class PollEvent(TypedDict, total=False):
    """The payload of a trigger's event: a final stage with its facts, or an error. It is JSON."""

    stage: str
    facts: Facts
    error: StoredError
    started: str
    """What the operator has started, encoded: the triggerer logs events, and some ids hold a number."""


@dataclass(frozen=True)
class PollConfig:
    """What is polled, and how. All of it is JSON, since it crosses Airflow's database.

    `hook` and `status_check` are import paths: of the hook, and of a vendor's status check, which gets
    `arguments`. Times are in seconds. Up to `tolerated_errors` consecutive temporary errors are ignored.
    `stop` is the import path of the call that ends the operation at the vendor when a person ends the task.
    `started` is what an operator has started; the event returns it. In the triggerer the first poll is at
    least `first_poll_delay` seconds after the task is deferred. `subscription` is the import path of a
    function that returns the topics of the vendor's webhooks. Both get the same `arguments`.
    """

    hook: str
    status_check: str
    conn_id: str
    arguments: Mapping[str, object]
    poll_interval: float
    tolerated_errors: int
    exponential_backoff: bool = False
    max_interval: float | None = None
    stop: str | None = None
    started: Mapping[str, object] = field(default_factory=dict)
    first_poll_delay: float = 0.0
    subscription: str | None = None

    def new_subscription(self) -> Subscription | None:
        """Return the topics of the vendor's webhooks, if there are any."""
        if self.subscription is None:
            return None
        found: Subscription | None = import_from(self.subscription)(self.conn_id, **self.arguments)
        return found

    def new_hook(self) -> AnyHook:
        """Return the hook that makes the calls."""
        hook: AnyHook = import_from(self.hook)(self.conn_id)
        return hook

    def stop_call(self, hook: AnyHook) -> Call[object] | None:
        """Return the call that ends the operation at the vendor, if there is one."""
        return import_from(self.stop)(hook, **self.arguments) if self.stop else None


class Poller:
    """Polls in one process: counts errors, logs the state, and remembers the arguments of the next poll."""

    def __init__(self, config: PollConfig, clock: Callable[[], float] = time.monotonic) -> None:
        self._config = config
        self._progress = _ProgressLog(clock)
        self._status_check: StatusCheck = import_from(config.status_check)
        self._arguments = dict(config.arguments)
        self._errors = self._polls = 0
        self.subscription = config.new_subscription()

    @property
    def webhook_topics(self) -> Sequence[str]:
        """The topics of the webhooks that the status check reads, if it reads any."""
        return self.subscription.all_entries if self.subscription else ()

    def call(self, hook: AnyHook, webhooks: Sequence[Mapping[str, object] | None] = ()) -> Call[PollResult]:
        """Return the call of the next poll. `webhooks` are those stored under `webhook_topics`, if any."""
        extra: dict[str, object] = {}
        if self.subscription and self.subscription.entry:
            extra = {"stored_webhook": webhooks[0] if webhooks else None}
        elif self.webhook_topics:
            extra = {"stored_webhooks": list(webhooks)}
        return self._status_check(hook, **self._arguments, **extra)

    def poll(self, hook: AnyHook) -> tuple[Facts | None, float]:
        """Poll once, blocking. Return the facts if it succeeded, and the seconds until the next poll.

        Raises TelecomFailedError (another final state) and errors that are not ignored.
        """
        try:
            result = hook.run(self.call(hook, self._stored_webhooks()))
        except TelecomError as error:
            self.tolerate(error)
            return None, self.next_delay(error.retry_after)
        self.record(result)
        facts = None if result.stage is Stage.WAITING else facts_from_event(to_event(result))
        return facts, self.next_delay()

    def _stored_webhooks(self) -> list[Mapping[str, object] | None]:
        if not self.webhook_topics:
            return []
        from airflow_provider_telecom.webhooks.inbox_client import stored_webhook

        return [stored_webhook(topic) for topic in self.webhook_topics]

    def record(self, result: PollResult) -> None:
        """Take over the result of a poll."""
        self._errors = 0
        self._polls += 1
        self._arguments |= result.next_arguments
        self._progress.log_result(result)

    def tolerate(self, error: TelecomError) -> None:
        """Count an error. Raise it if it is not temporary, or if there were too many in a row."""
        self._errors += 1
        is_tolerable = error.temporary or isinstance(error, TelecomNotFoundError)  # it may not be there yet
        if not is_tolerable or self._errors > self._config.tolerated_errors:
            raise error
        self._progress.log_error(error, self._errors, self._config.tolerated_errors)

    def next_delay(self, retry_after: float | None = None) -> float:
        """Return the seconds until the next poll: the interval and up to a tenth; at least `retry_after`."""
        interval = self._config.poll_interval
        if self._config.exponential_backoff:
            longest = self._config.max_interval or max(interval, _MAX_INTERVAL)
            interval = min(interval * 2.0 ** min(self._polls, 32), longest)
        return max(retry_after or 0.0, interval * random.uniform(1, 1 + _JITTER))


class _ProgressLog:
    """Logs what polls find: each change, and what has not changed every LOG_EVERY_SECONDS."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._began = clock()
        self._next = self._began
        self._last: object = None
        self._polls = 0

    def log_result(self, result: PollResult) -> None:
        """Log the state and the facts of a poll."""
        self._polls += 1
        if self._is_due((result.stage, result.facts)):
            name = result.stage.name.capitalize()
            log.info("%s: %s (%s)", name, _shown(result.facts), self._polls_so_far())

    def log_error(self, error: TelecomError, count: int, tolerated: int) -> None:
        """Log an error that is ignored, unless the one before it was of the same class."""
        self._polls += 1
        if self._is_due(type(error)):
            ignored = f"error {count} in a row, {tolerated} are ignored"
            log.warning("A poll failed (%s; %s): %s", ignored, self._polls_so_far(), error)

    def _is_due(self, state: object) -> bool:
        """Return whether to log a state: it is another one, or the last line is long ago."""
        if state == self._last and self._clock() < self._next:
            return False
        self._last, self._next = state, self._clock() + LOG_EVERY_SECONDS
        return True

    def _polls_so_far(self) -> str:
        return f"poll {self._polls}, after {self._clock() - self._began:.0f} s"


def _shown(facts: Mapping[str, Any]) -> str:
    """Return facts as a log may show them: not too long, and without long numbers, which may be phones."""
    text = ", ".join(f"{name}: {value}" for name, value in facts.items()) or "nothing yet"
    text = _LONG_NUMBER.sub("***", text)
    return text if len(text) <= _MAX_LOGGED else f"{text[:_MAX_LOGGED]}..."


def poll_until_done(config: PollConfig, timeout: float) -> Facts:
    """Poll in this worker until it succeeds, and return the facts.

    Raises TelecomFailedError (another final state), AirflowSensorTimeout after `timeout` seconds, and errors
    that are not ignored.
    """
    ends = time.monotonic() + timeout
    poller, hook = Poller(config), config.new_hook()
    while True:
        facts, delay = poller.poll(hook)
        if facts is not None:
            return facts
        if time.monotonic() + delay > ends:
            raise AirflowSensorTimeout(f"still waiting after {timeout:g} s")
        time.sleep(delay)


def earliest_resume_delay() -> float:
    """Return the seconds after which a task that defers now may be resumed.

    A worker notices the end of its task up to a heartbeat later. In Airflow 3.3 a trigger that fires before
    that costs the task a try ("finished, but queued").
    """
    heartbeat: float = conf.getfloat("workers", "min_heartbeat_interval", fallback=5.0)
    return 1.2 * heartbeat


def to_event(end: PollResult | TelecomError, started: Mapping[str, object] | None = None) -> PollEvent:
    """Return the payload of the event that ends the polling."""
    if isinstance(end, PollResult):
        event = PollEvent(stage=end.stage.value, facts=dict(end.facts))
    else:
        event = PollEvent(error=to_dict(end))
    if started:
        event["started"] = encode(started)
    return event


def started_from_event(event: PollEvent) -> Facts:
    """Return what the operator had started."""
    found: Facts = decode(event["started"]) if "started" in event else {}
    return found


def encode(value: object) -> str:
    """Return a value as a text in which nobody reads a number by chance. It is no encryption."""
    return b64encode(json.dumps(value).encode()).decode()


def decode(text: str) -> Any:
    """Return the value of `encode`."""
    return json.loads(b64decode(text))


def facts_from_event(event: PollEvent) -> Facts:
    """Return the facts of a poll that succeeded.

    Raises TelecomFailedError for another final state, and the error that ended the polling.
    """
    if "error" in event:
        raise from_dict(event["error"])
    facts = dict(event["facts"])
    if Stage(event["stage"]) is Stage.FAILED:
        raise TelecomFailedError(", ".join(f"{name}: {value}" for name, value in facts.items()))
    return facts
