"""Alerts that escalate until somebody acknowledges them in Airflow, or what failed has recovered.

    on_call = EscalatingNotifier(
        KetchUpSmsNotifier(msisdn="..."),
        then=[(timedelta(minutes=10), KyivstarFmcCallNotifier(msisdn="..."))],
        dag_id="alerts",
    )

The callback sends the first message itself, at once. It also records the alert in an Airflow Variable.
`on_call.dag()`, in one Dag file, makes the Dag that does the rest: its trigger lists these Variables, and
starts a run while there are any. One run is one incident: the alerts that are open at the same time.
"""

from __future__ import annotations

import logging
import math
import time
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow.sdk import BaseNotifier

from airflow_provider_telecom.calls.checks import matching
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.journal.open_alerts import AlertFacts, OpenAlerts, SentMessage
from airflow_provider_telecom.notifications.base import (
    TelecomNotifier,
    may_be_sent,
    run_to_deadline,
    run_to_deadline_async,
    safe_text,
)
from airflow_provider_telecom.notifications.event import Event, event_from_context

if TYPE_CHECKING:
    from airflow.sdk import DAG, Context

log = logging.getLogger(__name__)

Step = tuple[timedelta, TelecomNotifier]
MAX_STEPS = 10
MAX_DELAY = timedelta(days=1)
MIN_POLL_INTERVAL, MAX_POLL_INTERVAL = 5.0, 600.0
_NO_FAILURE = ("success", "skipped", "running", "run_success")
_SHARE_FOR_CLAIM = 0.4  # of the time of the first message


class EscalatingNotifier(BaseNotifier):
    """Alert at once, and alert further people while nobody acknowledges and nothing recovers.

    It can be any callback of a task or a Dag, and a notifier of a human-in-the-loop operator. For a deadline
    write a function of your module: `async def missed(context): await on_call.async_notify(context)`.

    Alerts that are open at the same time are one incident: one escalation, with one question "Acknowledge"
    on Airflow's page of required actions. The incident ends when somebody answers it, when each task and run
    has recovered (it succeeded, was cleared or goes on), or some time after the last step. Its messages are
    sent at most once, however often Airflow restarts. A step whose message certainly was not sent is
    followed by the next one at once.

    At most `max_per_hour` of the first notifier are sent in an hour by all processes and hosts together, the
    last of them being a summary: "12 tasks of 3 Dags failed in 10 minutes".

    :param first: the notifier of the first message. Its `max_per_hour` must be 2 or more.
    :param then: the further steps: how long after the first alert, and the notifier. Increasing, at most 10
        steps, within a day.
    :param dag_id: the Dag that escalates; two escalations have two.
    :param summary_after: how long after the first alert a summary is sent, if there were more alerts than
        messages.
    :param keep_open: how long the incident can still be acknowledged after the last step.
    :param poll_interval: seconds between two looks at the open alerts, 5 to 600. No step may follow sooner.
    :param context: set by Airflow; leave it out.
    """

    def __init__(
        self,
        first: TelecomNotifier,
        *,
        then: Sequence[Step],
        dag_id: str = "alert_escalation",
        summary_after: timedelta = timedelta(minutes=10),
        keep_open: timedelta = timedelta(hours=1),
        poll_interval: float = 30.0,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        self.first = _notifier("first", first)
        if self.first.max_per_hour < 2:
            raise TelecomInputError(
                "first", "max_per_hour must be 2 or more: the last message is the summary"
            )
        self.dag_id = matching(
            "dag_id", dag_id, r"[A-Za-z0-9_.\-]{1,250}", "must be 1 to 250 letters, digits, '_', '.' or '-'"
        )
        self.poll_interval = _poll_interval(poll_interval)
        self.then = _steps(then, timedelta(seconds=self.poll_interval))
        self.summary_after = _wait("summary_after", summary_after, self.poll_interval)
        self.keep_open = _wait("keep_open", keep_open, self.poll_interval)

    def notify(self, context: Context) -> None:
        """Send the first message and record the alert. Raises nothing."""
        # Airflow's executors let callbacks of deadlines read Variables, and never answer a write.
        shared = "deadline" not in context
        run_to_deadline(
            self, lambda ends_at: self._alert(context, ends_at, shared), self.first.deadline_seconds
        )

    async def async_notify(self, context: Context) -> None:
        """Send the first message and record the alert. Raises nothing."""
        await run_to_deadline_async(
            self, lambda ends_at: self._alert(context, ends_at, True), self.first.deadline_seconds
        )

    def dag(self, **kwargs: Any) -> DAG:
        """Return the Dag that escalates, for one Dag file. `kwargs` are those of Airflow's `DAG`."""
        from airflow_provider_telecom.notifications.escalation_dag import escalation_dag

        return escalation_dag(self, **kwargs)

    def _alert(self, context: Context, ends_at: float, shared: bool) -> None:
        """Record the alert, then send the first message unless there were too many."""
        name, claim = type(self).__name__, None
        try:
            event = event_from_context(context)
            if self._escalates(event, shared):
                alerts, facts = OpenAlerts(self.dag_id), _facts(event)
                alerts.open(facts)
                claim = self._claim(alerts, facts, ends_at)
                if claim is None:
                    log.warning(
                        "%s: alert suppressed: it was sent before, or the summary counts it; it escalates",
                        name,
                    )
                    return
        except Exception as error:  # the message is more important than what follows
            log.error("%s: this alert does not escalate: %s", name, safe_text(error))
        delivery = self.first.deliver(context, ends_at, shared)
        if claim is not None and not may_be_sent(delivery):
            try:
                alerts.release(claim)
            except TelecomError as error:
                log.warning("%s: a message that was not sent counts as sent: %s", name, safe_text(error))

    def _escalates(self, event: Event, shared: bool) -> bool:
        if event.kind in _NO_FAILURE or event.dag_id == self.dag_id:
            return False
        if not (event.dag_id and event.run_id):
            log.warning("%s: an alert without a run does not escalate", type(self).__name__)
            return False
        if not shared:
            log.error(
                "%s: a SyncCallback of a deadline can't write Variables, so this alert does not escalate; "
                "use AsyncCallback",
                type(self).__name__,
            )
        return shared

    def _claim(self, alerts: OpenAlerts, facts: AlertFacts, ends_at: float) -> SentMessage | None:
        now = time.monotonic()
        most = self.first.max_per_hour - 1  # one more for the summary
        once = not (self.first.each_try or self.first.dedupe_key)  # else the first notifier decides alone
        return alerts.claim(facts.event, most, now + (ends_at - now) * _SHARE_FOR_CLAIM, once=once)


def _facts(event: Event) -> AlertFacts:
    attempt = event.try_number if event.is_approval else 0
    place = (event.kind, event.dag_id, event.run_id, event.task_id, event.map_index, attempt)
    return AlertFacts(*place, tags=event.tags, owners=event.owners)


def _notifier(field: str, given: object) -> TelecomNotifier:
    if isinstance(given, EscalatingNotifier):
        raise TelecomInputError(field, "must not be an EscalatingNotifier; add its steps to `then`")
    if not isinstance(given, TelecomNotifier):
        kind = given.__name__ if isinstance(given, type) else type(given).__name__
        raise TelecomInputError(field, f"must be a notifier of this provider, not {kind}")
    return given


def _steps(given: object, shortest: timedelta) -> Sequence[Step]:
    if isinstance(given, str) or not isinstance(given, Sequence) or not given:
        raise TelecomInputError("then", "must be a list of at least one (timedelta, notifier)")
    if len(given) > MAX_STEPS:
        raise TelecomInputError("then", f"has {len(given)} steps; at most {MAX_STEPS} are allowed")
    steps: list[Step] = []
    before = timedelta(0)
    for number, pair in enumerate(given):
        field = f"then[{number}]"
        if not isinstance(pair, (tuple, list)) or len(pair) != 2:
            raise TelecomInputError(field, "must be (timedelta, notifier)")
        delay, notifier = pair
        if not isinstance(delay, timedelta):
            raise TelecomInputError(field, f"its delay must be a timedelta, not {type(delay).__name__}")
        if delay <= before:
            rule = "after the one before" if number else "positive"
            raise TelecomInputError(
                field, f"its delay, {delay}, must be {rule}: delays are from the first alert"
            )
        if delay - before < shortest:
            raise TelecomInputError(
                field,
                f"it follows after {delay - before}, which is shorter than poll_interval, {shortest}",
            )
        if delay > MAX_DELAY:
            raise TelecomInputError(field, f"its delay, {delay}, must be at most {MAX_DELAY}")
        steps.append((delay, _notifier(field, notifier)))
        before = delay
    return tuple(steps)


def _poll_interval(given: object) -> float:
    if (
        isinstance(given, bool)
        or not isinstance(given, (int, float))
        or not math.isfinite(given)
        or not MIN_POLL_INTERVAL <= given <= MAX_POLL_INTERVAL
    ):
        raise TelecomInputError(
            "poll_interval", f"must be {MIN_POLL_INTERVAL:g} to {MAX_POLL_INTERVAL:g} seconds"
        )
    return float(given)


def _wait(field: str, given: object, shortest: float) -> timedelta:
    if not isinstance(given, timedelta) or not timedelta(seconds=shortest) <= given <= MAX_DELAY:
        raise TelecomInputError(
            field, f"must be a timedelta of at least poll_interval ({shortest:g} s) and at most {MAX_DELAY}"
        )
    return given
