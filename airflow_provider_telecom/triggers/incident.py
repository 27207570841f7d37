"""The triggers of escalations: one starts the Dag when an alert is open, one waits within an incident.

Both read Airflow's Variables and states through Airflow's own API, in threads, and call no vendor.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from typing import Any

from airflow.triggers.base import BaseEventTrigger, BaseTrigger, TriggerEvent

from airflow_provider_telecom.journal.open_alerts import AlertFacts, OpenAlert, OpenAlerts

log = logging.getLogger(__name__)

_EMIT_AGAIN_SECONDS = 300.0
_AT_ONCE = 100
"""Of how many alerts the Variables are read in one look, if nothing was known of their tasks before."""
_RUNS_AT_ONCE = 50
_CALLBACK_SECONDS = 600.0
"""A task that runs so long after its alert runs again: no callback takes longer."""
_ACTIVE = ["queued", "running"]
_TASK_GOES_ON = frozenset({
    "success",
    "skipped",
    "running",
    "queued",
    "scheduled",
    "deferred",
    "awaiting_input",
    "up_for_reschedule",
    "restarting",
    None,  # cleared, and not scheduled yet
})
_TASK_HAS_ENDED = frozenset({"success", "skipped", "failed", "upstream_failed", "removed", None})
_RUN_GOES_ON = frozenset({"success", "running", "queued"})
_RUN_HAS_ENDED = frozenset({"success", "failed"})


class OpenAlertsTrigger(BaseEventTrigger):
    """Emits an event of the asset while alerts are open and no run of the escalation's Dag handles them.

    It only lists Variables, and counts runs if there are any. An event that is lost is emitted again.

    :param dag_id: the Dag of the escalation.
    :param poll_interval: seconds between two polls.
    """

    def __init__(self, *, dag_id: str, poll_interval: float) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dag_id, self.poll_interval = dag_id, poll_interval

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class, and the arguments of an equal trigger."""
        return _path(type(self)), {"dag_id": self.dag_id, "poll_interval": self.poll_interval}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll and emit, without end."""
        emitted, emitted_at = frozenset[str](), 0.0
        while True:
            try:
                waiting = await asyncio.to_thread(self._waiting)
            except Exception as error:  # Airflow does not answer: the next poll finds the same
                log.error("The open alerts of %s cannot be read: %s", self.dag_id, type(error).__name__)
            else:
                now = time.monotonic()
                if waiting and (waiting - emitted or now > emitted_at + _EMIT_AGAIN_SECONDS):
                    emitted, emitted_at = waiting, now
                    yield TriggerEvent({"open": len(waiting)})  # type: ignore[no-untyped-call]
            await asyncio.sleep(self.poll_interval)

    def _waiting(self) -> frozenset[str]:
        """Return the open alerts, if no run handles them."""
        from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

        found = frozenset(alert.key for alert in OpenAlerts(self.dag_id).list())
        if found and RuntimeTaskInstance.get_dr_count(self.dag_id, states=_ACTIVE):
            return frozenset()
        return found


class IncidentTrigger(BaseTrigger):
    """Waits until the incident has to be looked at: a step is due, it was answered, or all has recovered.

    It decides nothing: the task looks again. An error is logged, and never counts as recovery.

    :param dag_id: the Dag of the escalation.
    :param ti_id: the id of the task, to read its answer.
    :param wake_at: when the next step is due, in seconds since 1970.
    :param summary_at: when a summary is due if there are alerts about which nothing was sent.
    :param new_after: an alert that is newer ends the wait.
    :param poll_interval: seconds between two polls.
    :param first_poll_delay: seconds before the first poll.
    """

    def __init__(
        self,
        *,
        dag_id: str,
        ti_id: str,
        wake_at: float,
        summary_at: float | None,
        new_after: float | None,
        poll_interval: float,
        first_poll_delay: float,
    ) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.dag_id, self.ti_id, self.wake_at = dag_id, ti_id, wake_at
        self.summary_at, self.new_after = summary_at, new_after
        self.poll_interval, self.first_poll_delay = poll_interval, first_poll_delay

    def serialize(self) -> tuple[str, dict[str, Any]]:
        """Return the path of this class, and the arguments of an equal trigger."""
        names = (
            *("dag_id", "ti_id", "wake_at", "summary_at", "new_after"),
            *("poll_interval", "first_poll_delay"),
        )
        return _path(type(self)), {name: getattr(self, name) for name in names}

    async def run(self) -> AsyncIterator[TriggerEvent]:
        """Poll until there is a reason to look, and yield it."""
        await asyncio.sleep(self.first_poll_delay)
        recovery = Recovery(OpenAlerts(self.dag_id))
        while True:
            try:
                reason = await asyncio.to_thread(self.look, recovery)
            except Exception as error:
                log.error("The incident of %s cannot be read: %s", self.dag_id, type(error).__name__)
                reason = self._due
            if reason is not None:
                yield TriggerEvent({"reason": reason})  # type: ignore[no-untyped-call]
                return
            await asyncio.sleep(min(self.poll_interval, max(0.0, self.wake_at - time.time())))

    def look(self, recovery: Recovery) -> str | None:
        """Return why the wait ends now, or None."""
        if answer_of(self.ti_id) is not None:
            return "answered"
        alerts = recovery.alerts.list()
        if self.new_after is not None and any(alert.last_at > self.new_after for alert in alerts):
            return "new"
        if recovery.is_complete(alerts):
            return "recovered"
        if self.summary_at is not None and time.time() >= self.summary_at:
            sent = recovery.alerts.sent_events()
            if any(alert.event not in sent for alert in alerts):
                return "summary"
        return self._due

    @property
    def _due(self) -> str | None:
        return "due" if time.time() >= self.wake_at else None


class Recovery:
    """Reads whether what the open alerts are about goes on, or has ended."""

    def __init__(self, alerts: OpenAlerts) -> None:
        self.alerts = alerts
        self._facts: dict[str, AlertFacts] = {}
        self._left_running: set[str] | None = None
        self._failing: str | None = None

    def is_complete(self, alerts: Sequence[OpenAlert]) -> bool:
        """Return whether all have recovered. What Airflow does not know, such as a deleted run, has not."""
        if self._left_running is None:
            self._left_running = self.alerts.left_running()
        known = self._left_running
        # What was failing at the last poll comes first: most polls end there.
        failing = [alert for alert in alerts if alert.key == self._failing]
        new = [alert for alert in alerts if alert.sort == "task" and alert.occurrence not in known]
        is_new = {alert.key for alert in new}
        others = [alert for alert in alerts if alert.key != self._failing and alert.key not in is_new]
        has_recovered = self._have_recovered(new[:_AT_ONCE]) and len(new) <= _AT_ONCE
        if self._left_running - known:
            self._left_running &= {alert.occurrence for alert in alerts}
            self.alerts.record_left_running(self._left_running)
        rest = (others[at : at + _AT_ONCE] for at in range(0, len(others), _AT_ONCE))
        return has_recovered and all(self._have_recovered(some) for some in (failing, *rest))

    def _have_recovered(self, alerts: Sequence[OpenAlert]) -> bool:
        """Return whether these have recovered, and note which tasks have left "running"."""
        groups = defaultdict[tuple[str, str, str], list[tuple[OpenAlert, AlertFacts]]](list)
        recovered, before, left = True, self._left_running or set(), set[str]()
        for alert in alerts:
            facts = self.facts_of(alert)
            if facts is None:
                recovered, self._failing = False, alert.key
            else:
                groups[facts.sort, facts.dag_id, facts.task_id].append((alert, facts))
        for (sort, dag_id, task_id), members in groups.items():
            for at in range(0, len(members), _RUNS_AT_ONCE):  # an address must not be too long
                some = members[at : at + _RUNS_AT_ONCE]
                states = _states(dag_id, task_id, [facts.run_id for _, facts in some])
                for alert, facts in some:
                    state = states.get((facts.run_id, facts.map_index), "unknown")
                    if state != "running" or alert.last_at < time.time() - _CALLBACK_SECONDS:
                        left.add(alert.occurrence)
                    elif alert.occurrence not in before and sort == "task":
                        state = "failing"  # its callback runs, or has just ended
                    if state not in _RECOVERED[sort]:
                        recovered, self._failing = False, alert.key
        self._left_running = before | left
        return recovered

    def facts_of(self, alert: OpenAlert) -> AlertFacts | None:
        """Return what an alert is about, or None if Airflow does not say, now or any more."""
        if alert.key not in self._facts and (found := self.alerts.facts(alert)) is not None:
            self._facts[alert.key] = found
        return self._facts.get(alert.key)


_RECOVERED: Mapping[str, frozenset[str | None]] = {
    "task": _TASK_GOES_ON,
    "approval": _TASK_HAS_ENDED,
    "run": _RUN_GOES_ON,
    "deadline": _RUN_HAS_ENDED,
}


def _states(dag_id: str, task_id: str, run_ids: Iterable[str]) -> dict[tuple[str, int], str | None]:
    """Return the states of a task, or of the runs without a task, by run and map index."""
    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.task_runner import RuntimeTaskInstance

    found: dict[tuple[str, int], str | None] = {}
    runs = list(dict.fromkeys(run_ids))
    if task_id:
        by_run = RuntimeTaskInstance.get_task_states(dag_id, task_ids=[task_id], run_ids=runs)
        for run_id, states in by_run.items():
            for name, state in states.items():  # a mapped one is <task>_<index>
                place = name.removeprefix(task_id).removeprefix("_")
                found[run_id, int(place) if place else -1] = _text(state)
        return found
    for run_id in runs:
        try:
            found[run_id, -1] = _text(RuntimeTaskInstance.get_dagrun_state(dag_id, run_id))
        except AirflowRuntimeError:  # the run was deleted, or Airflow does not answer
            log.warning("The state of a run of %s cannot be read", dag_id)
    return found


def _text(state: object) -> str | None:
    return None if state is None else str(getattr(state, "value", state))


def answer_of(ti_id: str) -> Any | None:
    """Return the answer that a person has given to a task, or None."""
    from uuid import UUID

    from airflow.sdk.exceptions import AirflowRuntimeError
    from airflow.sdk.execution_time.hitl import get_hitl_detail_content_detail

    try:
        found = get_hitl_detail_content_detail(UUID(ti_id))
    except AirflowRuntimeError:  # nothing was asked yet
        return None
    return found if getattr(found, "response_received", False) else None


def _path(cls: type) -> str:
    return f"{cls.__module__}.{cls.__qualname__}"
