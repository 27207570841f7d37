"""The Dag of an escalation: one task that asks for an answer in Airflow, and alerts further people.

The task is deferred while it waits. It resumes when a person answers, when all has recovered, or when a step
is due, and looks again itself. What it sends is recorded in the journal before it is sent.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, NoReturn
from urllib.parse import quote
from uuid import UUID

from airflow.providers.standard.operators.hitl import HITLOperator
from airflow.sdk import DAG, Asset, AssetWatcher
from airflow.sdk.configuration import conf
from airflow.sdk.exceptions import AirflowFailException, AirflowSkipException
from airflow.sdk.execution_time.hitl import upsert_hitl_detail

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.open_alerts import AlertFacts, OpenAlert, OpenAlerts
from airflow_provider_telecom.notifications.base import Outcome, TelecomNotifier, may_be_sent
from airflow_provider_telecom.notifications.event import EVENT_KEY, Event
from airflow_provider_telecom.triggers.incident import (
    IncidentTrigger,
    OpenAlertsTrigger,
    Recovery,
    answer_of,
)
from airflow_provider_telecom.triggers.polling import earliest_resume_delay

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.notifications.escalation import EscalatingNotifier

log = logging.getLogger(__name__)

ACKNOWLEDGE = "Acknowledge"
TASK_ID = "escalate"
_EXHAUSTED = "not acknowledged"
RETRY_SECONDS, MAX_TRIES = 300.0, 3
_FIXED = ("dag_id", "schedule", "catchup", "max_active_runs")
_SHOWN_ALERTS, _READ_ALERTS = 20, 50
_DOC = """Escalates the alerts of an `EscalatingNotifier`. A run is an incident: it ends when somebody answers
"Acknowledge" on its page of required actions, or when all that has failed has recovered."""


def escalation_dag(notifier: EscalatingNotifier, **kwargs: Any) -> DAG:
    """Return the Dag of an escalation."""
    for name in _FIXED:
        if name in kwargs:
            raise TelecomInputError(name, "is set by the escalation; leave it out")
    trigger = OpenAlertsTrigger(dag_id=notifier.dag_id, poll_interval=notifier.poll_interval)
    watcher = AssetWatcher(name="open_alerts", trigger=trigger)
    defaults = {
        "is_paused_upon_creation": False,
        "doc_md": _DOC,
        "tags": ["telecom", "alert"],
    }
    with DAG(
        notifier.dag_id,
        schedule=[Asset(f"telecom_open_alerts.{notifier.dag_id}", watchers=[watcher])],
        catchup=False,
        max_active_runs=1,
        **{**defaults, **kwargs},
    ) as dag:
        EscalateOperator(task_id=TASK_ID, notifier=notifier)
    return dag


@dataclass(frozen=True)
class IncidentEvent(Event):
    """What a message of an escalation is about. Its `kind` is the step, its `incident` the scope."""

    text: str = ""
    incident: str = ""

    @property
    def summary(self) -> str:
        """The default text of the message."""
        return self.text

    @property
    def scope(self) -> str:
        """What the message is sent once in: the incident, also if another run of the Dag takes it over."""
        return self.incident

    def links(self, base_url: str | None) -> list[str]:
        """Return the address of the page where the incident is acknowledged, after a login."""
        if not base_url:
            return []
        return [f"{base_url.rstrip('/')}/dags/{quote(self.dag_id)}/required_actions"]


@dataclass(frozen=True)
class _Incident:
    """One incident: its id, and when its first alert was recorded."""

    id: str
    opened_at: float


@dataclass(frozen=True)
class _Attempt:
    """What became of a step: when it was made the last time, and whether anybody got it or may have."""

    at: float
    tries: int
    counts_as_sent: bool


@dataclass(frozen=True)
class _Step:
    """A step that is still to be made."""

    due: float
    name: str
    notifier: TelecomNotifier
    tries: int


class EscalateOperator(HITLOperator):
    """Makes the steps of one incident, until it is acknowledged or has recovered.

    The XCom says how it ended: `outcome` (`acknowledged`, `recovered`), `by` whom, how many `alerts`. If
    nobody acknowledges it, the task fails.
    """

    def __init__(self, *, notifier: EscalatingNotifier, **kwargs: Any) -> None:
        kwargs = {"retries": 10, "retry_delay": timedelta(seconds=10), **kwargs}
        super().__init__(subject="Alerts are open", options=[ACKNOWLEDGE], **kwargs)
        self.notifier = notifier

    def execute(self, context: Context) -> Any:
        """Ask for an answer, and wait."""
        return self._go_on(context, None)

    def execute_complete(self, context: Context, event: dict[str, Any]) -> Any:
        """Look again after a wait."""
        return self._go_on(context, event)

    def _go_on(self, context: Context, event: Mapping[str, Any] | None) -> Any:
        """Make what is due, until the incident ends or the next step is later: then wait."""
        journal = Journal(context["task_state_store"])
        alerts = OpenAlerts(self.notifier.dag_id)
        if (ended := journal.read("ended")) is not None:
            log.info("This incident has ended before; nothing is sent")
            return _end_again(alerts, ended.facts)
        recovery, ti_id, is_asked = Recovery(alerts), str(context["ti"].id), event is not None
        while True:
            answer = _answer(journal, event, ti_id)
            found = alerts.list()
            if answer is not None:
                return _end_by_answer(journal, alerts, found, answer)
            if not found:
                raise AirflowSkipException("no alert is open")
            if recovery.is_complete(found):
                return _end(journal, alerts, found, {"outcome": "recovered", "alerts": len(found)})
            incident = _incident(journal, found)
            if not is_asked:
                self._ask(ti_id, found, recovery)
                is_asked = True
            step, last_at = self._next_step(journal, incident, _some_without_message(alerts, found))
            closes_at = math.inf if last_at is None else last_at + self.notifier.keep_open.total_seconds()
            is_new = last_at is not None and any(alert.last_at > last_at for alert in found)
            if last_at is not None and (is_new or time.time() >= closes_at):
                old = [alert for alert in found if alert.at <= last_at]
                return _end(journal, alerts, old, {"outcome": _EXHAUSTED, "alerts": len(old)}, last_at)
            if step is None or step.due > time.time():
                until = min(closes_at, math.inf if step is None else step.due)
                return self._wait(journal, incident, ti_id, until, last_at)
            self._make(context, journal, incident, step, found, recovery)

    def _ask(self, ti_id: str, found: Sequence[OpenAlert], recovery: Recovery) -> None:
        """Put the question on Airflow's page of required actions."""
        base_url = conf.get("api", "base_url", fallback=None)
        lines = []
        for alert in found[:_SHOWN_ALERTS]:
            if facts := recovery.facts_of(alert):
                event = _event(facts)
                link = next(iter(event.links(base_url)), "")
                lines.append(f"- [{event.summary}]({link})" if link else f"- {event.summary}")
        if len(found) > len(lines):
            lines.append(f"- {len(found) - len(lines)} more")
        lines.append("\nAcknowledging ends the escalation of all alerts until then.")
        upsert_hitl_detail(
            UUID(ti_id), self.options, subject=describe(found), body="\n".join(lines), params={}
        )
        log.info("Waiting for an answer: %s", describe(found))

    def _next_step(
        self, journal: Journal, incident: _Incident, some_without_message: bool
    ) -> tuple[_Step | None, float | None]:
        """Return the step that is due first, and when the last one of `then` was made, if it was."""
        summary, notifier = self._attempt(journal, "summary"), self.notifier
        pending = []
        if some_without_message and summary is None:
            due = incident.opened_at + notifier.summary_after.total_seconds()
            pending.append(_Step(due, "summary", notifier.first, 0))
        elif summary is not None and not summary.counts_as_sent and summary.tries < MAX_TRIES:
            pending.append(_Step(summary.at + RETRY_SECONDS, "summary", notifier.first, summary.tries))
        before, delay_before = _Attempt(incident.opened_at, 0, True), timedelta(0)
        last_at: float | None = None
        for number, (delay, step_notifier) in enumerate(notifier.then, 1):
            name, is_last = f"step{number}", number == len(notifier.then)
            attempt = self._attempt(journal, name)
            if attempt is None:
                due = before.at
                if before.counts_as_sent:  # as long after the step before, also after a standstill of Airflow
                    gap = (delay - delay_before).total_seconds()
                    due = max(incident.opened_at + delay.total_seconds(), before.at + gap)
                pending.append(_Step(due, name, step_notifier, 0))
                break
            if is_last and not attempt.counts_as_sent and attempt.tries < MAX_TRIES:
                pending.append(_Step(attempt.at + RETRY_SECONDS, name, step_notifier, attempt.tries))
                break
            before, delay_before = attempt, delay
            last_at = attempt.at if is_last else None
        return min(pending, key=lambda step: step.due, default=None), last_at

    def _attempt(self, journal: Journal, name: str) -> _Attempt | None:
        entry = journal.read(name)
        if entry is None:
            return None
        if entry.state is State.INTENT:
            log.error(
                "%s: an earlier try of this task ended while it sent the message; nobody can know whether "
                "it was sent, so it is not sent again",
                name,
            )
            entry = Entry(State.UNKNOWN, entry.body, {**entry.facts, "counts_as_sent": True})
            journal.write(name, entry)
        return _Attempt(*(entry.facts[field] for field in ("at", "tries", "counts_as_sent")))

    def _make(
        self,
        context: Context,
        journal: Journal,
        incident: _Incident,
        step: _Step,
        found: Sequence[OpenAlert],
        recovery: Recovery,
    ) -> None:
        """Send the message of a step; it is recorded before and after."""
        record = {"at": time.time(), "tries": step.tries + 1}
        journal.write_intent(step.name, Entry(State.INTENT, incident.id, record))
        ti = context["ti"]
        known = [facts for alert in found[:_READ_ALERTS] if (facts := recovery.facts_of(alert))]
        event = IncidentEvent(
            step.name,
            ti.dag_id,
            ti.run_id,
            ti.task_id,
            tags=tuple(sorted({tag for facts in known for tag in facts.tags})),
            owners=tuple(sorted({owner for facts in known for owner in facts.owners})),
            text=_text(found, recovery, incident, step),
            incident=incident.id,
        )
        own: Any = {**context, EVENT_KEY: event}
        ends_at = time.monotonic() + step.notifier.deadline_seconds
        delivery = step.notifier.deliver(own, ends_at)
        counts_as_sent, is_held_back = may_be_sent(delivery), bool(delivery[Outcome.SUPPRESSED])
        if is_held_back and not counts_as_sent:  # by the cap or by quiet hours
            if step.name in ("summary", f"step{len(self.notifier.then)}"):
                record["tries"] = step.tries  # no other message follows: it is sent when they allow it
            else:
                counts_as_sent = True
        journal.write(step.name, Entry(State.DONE, incident.id, {**record, "counts_as_sent": counts_as_sent}))
        outcomes = ", ".join(f"{outcome}: {count}" for outcome, count in delivery.items())
        log.info("%s by %s: %s", step.name, type(step.notifier).__name__, outcomes)

    def _wait(
        self, journal: Journal, incident: _Incident, ti_id: str, until: float, new_after: float | None
    ) -> NoReturn:
        notifier, summary_at = self.notifier, None
        if self._attempt(journal, "summary") is None:
            summary_at = incident.opened_at + notifier.summary_after.total_seconds()
        trigger = IncidentTrigger(
            dag_id=notifier.dag_id,
            ti_id=ti_id,
            wake_at=until,
            summary_at=summary_at,
            new_after=new_after,
            poll_interval=notifier.poll_interval,
            first_poll_delay=earliest_resume_delay(),
        )
        self.defer(trigger=trigger, method_name="execute_complete")


def describe(alerts: Sequence[OpenAlert]) -> str:
    """Return how many tasks and runs of how many Dags failed in which time, and what else is open."""
    failed = [alert for alert in alerts if alert.sort in ("task", "run")]
    parts = []
    if failed:
        tasks, runs = (
            len({alert.where for alert in failed if alert.sort == sort}) for sort in ("task", "run")
        )
        what = " and ".join(
            _count(number, word) for number, word in ((tasks, "task"), (runs, "run")) if number
        )
        times = [alert.at for alert in failed]
        minutes = max(1, math.ceil((max(times) - min(times)) / 60))
        within = f" in {_count(minutes, 'minute')}" if tasks + runs > 1 else ""
        parts.append(f"{what} of {_count(len({alert.dag for alert in failed}), 'Dag')} failed{within}")
    if missed := sum(alert.sort == "deadline" for alert in alerts):
        parts.append(f"{_count(missed, 'deadline')} missed")
    if approvals := sum(alert.sort == "approval" for alert in alerts):
        parts.append(f"{_count(approvals, 'approval')} waiting")
    return ", ".join(parts)


def _count(number: int, word: str) -> str:
    return f"{number} {word}" if number == 1 else f"{number} {word}s"


def _text(found: Sequence[OpenAlert], recovery: Recovery, incident: _Incident, step: _Step) -> str:
    """Return the default text of a step's message."""
    facts = recovery.facts_of(found[0]) if len(found) == 1 else None
    what = _event(facts).summary.removeprefix("Airflow: ") if facts else describe(found)
    if step.name == "summary":
        return f"Airflow: {what}"
    minutes = max(1, round((time.time() - incident.opened_at) / 60))
    return f"Airflow: not acknowledged for {minutes} min: {what}"


def _event(facts: AlertFacts) -> Event:
    return Event(facts.kind, facts.dag_id, facts.run_id, facts.task_id, facts.map_index, facts.try_number)


def _some_without_message(alerts: OpenAlerts, found: Sequence[OpenAlert]) -> bool:
    """Return whether there are alerts about which no message was sent."""
    sent = alerts.sent_events()
    return any(alert.event not in sent for alert in found)


def _incident(journal: Journal, found: Sequence[OpenAlert]) -> _Incident:
    """Return the incident of this run; it begins with the oldest alert that its first try has found."""
    entry = journal.read("incident")
    if entry is None:
        first = found[0]
        entry = Entry(State.DONE, fingerprint(first.key)[:16], {"opened_at": first.at})
        journal.write_intent("incident", entry)
    return _Incident(entry.body, entry.facts["opened_at"])


def _answer(journal: Journal, event: Mapping[str, Any] | None, ti_id: str) -> Mapping[str, Any] | None:
    """Return until when and by whom alerts were acknowledged, or None. Later tries find it in the journal."""
    if (entry := journal.read("answered")) is not None:
        return entry.facts
    given = event if event and event.get("chosen_options") else answer_of(ti_id)
    if given is None:
        return None
    at, user = _field(given, "responded_at"), _field(given, "responded_by_user")
    until = at if isinstance(at, datetime) else datetime.fromisoformat(str(at))
    facts = {"until": until.timestamp(), "by": _field(user, "name") or _field(user, "id")}
    journal.write("answered", Entry(State.DONE, "", facts))
    return facts


def _end_by_answer(
    journal: Journal, alerts: OpenAlerts, found: Sequence[OpenAlert], answer: Mapping[str, Any]
) -> Any:
    """End what was open when the answer was given. Later alerts are another incident."""
    closed = [alert for alert in found if alert.at <= answer["until"]]
    facts = {"outcome": "acknowledged", "by": answer["by"], "alerts": len(closed)}
    return _end(journal, alerts, closed, facts, answer["until"])


def _end(
    journal: Journal,
    alerts: OpenAlerts,
    closed: Sequence[OpenAlert],
    facts: Mapping[str, object],
    until: float = math.inf,
) -> Any:
    """Record how the incident has ended, and end its alerts."""
    last_at = min(until, max((alert.last_at for alert in closed), default=0.0))
    journal.write("ended", Entry(State.DONE, "", {**facts, "until": last_at}))
    alerts.close(closed, until)
    alerts.forget_old()
    return _result(facts)


def _end_again(alerts: OpenAlerts, ended: Mapping[str, Any]) -> Any:
    """End the alerts that an earlier try could not end; another run would escalate them once more."""
    facts, until = dict(ended), ended["until"]
    del facts["until"]
    if closed := [alert for alert in alerts.list() if alert.at <= until]:
        alerts.close(closed, until)
    return _result(facts)


def _result(facts: Mapping[str, object]) -> dict[str, object]:
    if facts["outcome"] == _EXHAUSTED:
        raise AirflowFailException("all steps were made, and nobody has acknowledged the incident")
    return dict(facts)


def _field(given: object, name: str) -> Any:
    return given.get(name) if isinstance(given, Mapping) else getattr(given, name, None)
