"""Open alerts of an escalation, kept in Airflow's Variables, which all of Airflow's processes share.

    telecom_alert.<escalation>.open.<time>.<kind>.<Dag>.<event>     an alert that nobody has ended yet
    telecom_alert.<escalation>.sent.<time>.<event>.<claim>          a message that a callback may have sent
    telecom_alert.<escalation>.left_running                         the alerts whose task has left "running"

Airflow's Execution API has no compare-and-set, but it lists the keys of Variables by prefix. So a key is
written once and never changed, and what is counted is a part of it (see docs/decisions/0009). Names and
counts are hashes and times; the value of an open alert names the run and the task, no number and no text.
"""

from __future__ import annotations

import json
import math
import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from secrets import token_hex
from typing import NamedTuple

from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint

PREFIX = "telecom_alert."
HOUR = 3600.0
KEPT_SECONDS = 86_400.0
"""How long a sent message is remembered here: the same event is not sent again by another host."""
_DESCRIPTION = "Kept by airflow-provider-telecom; whoever deletes it ends this alert."
_MAX_ROUNDS = 8
_FORGOTTEN_AT_ONCE = 3
"""An alert must not wait long for old ones to be deleted."""
_PAUSE = 0.2
_SAME_MOMENT = 10.0
_WHERE_DIGITS = 12


@dataclass(frozen=True)
class AlertFacts:
    """What an alert is about. `kind` is a task's state, `run_<state>`, `deadline <id>` or `approval`."""

    kind: str
    dag_id: str
    run_id: str
    task_id: str = ""
    map_index: int = -1
    try_number: int = 0
    """Of an approval: each try asks anew."""
    tags: Sequence[str] = ()
    owners: Sequence[str] = ()

    @property
    def sort(self) -> str:
        """What the alert is counted as: `task`, `run`, `deadline` or `approval`."""
        if self.kind.startswith("deadline"):
            return "deadline"
        if self.kind == "approval":
            return "approval"
        return "task" if self.task_id else "run"

    @property
    def event(self) -> str:
        """The hash of the event: equal for the same failure, whichever process reports it.

        It begins with that of the task or run: a try that is retried and the last one are two events of it.
        """
        where = (self.dag_id, self.run_id, self.task_id, self.map_index, self.try_number)
        return fingerprint(where)[:_WHERE_DIGITS] + fingerprint(self.kind)[:8]


class OpenAlert(NamedTuple):
    """An open alert: the content of a key."""

    key: str
    at: float
    sort: str
    dag: str
    """The hash of the Dag."""
    event: str
    last_at: float
    """When the same event was recorded the last time: a task that was cleared may fail again."""

    @property
    def where(self) -> str:
        """The hash of the task or run, whatever happened to it."""
        return self.event[:_WHERE_DIGITS]

    @property
    def occurrence(self) -> str:
        """What distinguishes it from the same event at another time."""
        return f"{self.event}.{_stamp(self.last_at)}"


class SentMessage(NamedTuple):
    """A message that a callback has sent, or is about to send."""

    key: str
    at: float
    event: str


class OpenAlerts:
    """The open alerts of one escalation, which is named by its Dag.

    Every method raises TelecomNotSentError if Airflow's Variables cannot be read or written.
    """

    def __init__(
        self,
        dag_id: str,
        clock: Callable[[], float] = time.time,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self.prefix = f"{PREFIX}{fingerprint(dag_id)[:16]}."
        self._clock, self._pause = clock, pause

    def open(self, facts: AlertFacts) -> None:
        """Record an alert."""
        at, dag = _stamp(self._clock()), fingerprint(facts.dag_id)[:8]
        self._set(f"{self.prefix}open.{at}.{facts.sort}.{dag}.{facts.event}", json.dumps(asdict(facts)))

    def list(self) -> list[OpenAlert]:
        """Return the open alerts, the oldest first. An event that was recorded twice is there once."""
        found: dict[str, OpenAlert] = {}
        for key in self._keys("open."):
            alert = _read_open(key, self.prefix)
            if alert is not None:
                first = found.get(alert.event, alert)
                found[alert.event] = first._replace(last_at=alert.at)
        return list(found.values())

    def facts(self, alert: OpenAlert) -> AlertFacts | None:
        """Return what an alert is about, or None if somebody has deleted or replaced it.

        Airflow returns no value also if its API has failed.
        """
        from airflow.sdk import Variable

        with _store_errors():
            text = Variable.get(alert.key, default=None)
        try:
            return AlertFacts(**json.loads(text or "{}"))
        except (ValueError, TypeError):
            return None

    def close(self, alerts: Sequence[OpenAlert], until: float = math.inf) -> None:
        """End alerts: what was recorded of these events before they were listed, and before `until`."""
        last = {alert.event: min(alert.last_at, until) for alert in alerts}
        for key in self._keys("open."):
            alert = _read_open(key, self.prefix)
            if alert is None or alert.at <= last.get(alert.event, 0.0):
                self._delete(key)

    def claim(self, event: str, most: int, ends_at: float, *, once: bool = True) -> SentMessage | None:
        """Return a claim to send a message about an event now, or None.

        Of all processes and hosts at most `most` get one within an hour, and, if `once`, one for each event.
        A claim is written, then all are listed: of two that are made at once at least one sees the other. If
        there are too many, a claim is taken back, and made again a little later. `ends_at` is a monotonic
        time.
        """
        for _ in range(_MAX_ROUNDS):
            others = self._sent()
            if not self._may_send(others, event if once else "", most - 1):
                return None
            self._forget_old(others[:_FORGOTTEN_AT_ONCE])  # also where no incident ever ends
            now = self._clock()
            mine = SentMessage(f"{self.prefix}sent.{_stamp(now)}.{event}.{token_hex(4)}", now, event)
            self._set(mine.key, "{}")
            all_ = self._sent()
            others = [each for each in all_ if each.key != mine.key]
            if len(others) == len(all_):
                raise TelecomNotSentError("not sent: a claim in Airflow's Variables cannot be read back")
            if self._may_send(others, event if once else "", most - 1):
                return mine
            self.release(mine)
            # one after the other: those who are here at the same time have claims of the same moment
            place = sum(mine.at - _SAME_MOMENT < each.at and each.key < mine.key for each in others)
            pause = _PAUSE * (place + random.random())
            if time.monotonic() + pause >= ends_at:
                return None
            self._pause(pause)
        return None

    def release(self, sent: SentMessage) -> None:
        """Take back a claim of a message that certainly was not sent."""
        self._delete(sent.key)

    def sent_events(self) -> set[str]:
        """Return the events about which a callback has sent a message, or may have."""
        return {each.event for each in self._sent()}

    def left_running(self) -> set[str]:
        """Return the occurrences whose task was seen in another state than "running" since it failed.

        A callback reports a failure before Airflow changes the state of the task.
        """
        from airflow.sdk import Variable

        with _store_errors():
            text = Variable.get(f"{self.prefix}left_running", default=None)
        try:
            return {str(occurrence) for occurrence in json.loads(text or "[]")}
        except (ValueError, TypeError):
            return set()

    def record_left_running(self, occurrences: Iterable[str]) -> None:
        """Record these occurrences. Only the one task of the escalation, or its trigger, does this."""
        self._set(f"{self.prefix}left_running", json.dumps(sorted(occurrences)))

    def forget_old(self) -> None:
        """Delete what is remembered of messages that were sent long ago."""
        self._forget_old(self._sent())

    def _forget_old(self, sent: Iterable[SentMessage]) -> None:
        for each in sent:
            if each.at < self._clock() - KEPT_SECONDS:
                self._delete(each.key)

    def _may_send(self, others: Sequence[SentMessage], event: str, most_others: int) -> bool:
        since = self._clock() - HOUR
        if any(each.event == event for each in others):
            return False
        return sum(each.at > since for each in others) <= most_others

    def _sent(self) -> Sequence[SentMessage]:
        keys = self._keys("sent.")
        return [found for key in keys if (found := _read_sent(key, self.prefix)) is not None]

    def _keys(self, part: str) -> Sequence[str]:
        from airflow.sdk import Variable

        head = self.prefix + part
        with _store_errors():
            return sorted({key for key in Variable.keys(prefix=head) if key.startswith(head)})

    def _set(self, key: str, value: str) -> None:
        from airflow.sdk import Variable

        with _store_errors():
            Variable.set(key, value, description=_DESCRIPTION)

    def _delete(self, key: str) -> None:
        from airflow.sdk import Variable

        with _store_errors():
            Variable.delete(key)


def _stamp(at: float) -> str:
    """Return a time as a text that sorts by time. Hexadecimal: it is never taken for a phone number."""
    return f"{int(at * 1000):012x}"


def _read_open(key: str, prefix: str) -> OpenAlert | None:
    parts = key.removeprefix(f"{prefix}open.").split(".")
    try:
        at, sort, dag, event = parts
        return OpenAlert(key, int(at, 16) / 1000, sort, dag, event, int(at, 16) / 1000)
    except ValueError:
        return None


def _read_sent(key: str, prefix: str) -> SentMessage | None:
    parts = key.removeprefix(f"{prefix}sent.").split(".")
    try:
        at, event, _ = parts
        return SentMessage(key, int(at, 16) / 1000, event)
    except ValueError:
        return None


@contextmanager
def _store_errors() -> Iterator[None]:
    """Turn the errors of Airflow's API into TelecomNotSentError."""
    from airflow.sdk.exceptions import AirflowRuntimeError

    try:
        yield
    except (AirflowRuntimeError, ImportError, OSError) as error:
        raise TelecomNotSentError(
            "not sent: Airflow's Variables, which hold the open alerts, cannot be read or written "
            f"({type(error).__name__})"
        ) from None
