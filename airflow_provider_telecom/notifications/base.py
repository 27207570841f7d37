"""Base class of the notifiers: each alert once to each recipient, with a limit and a deadline.

A notifier runs while Airflow handles a failure, so it raises nothing: an error becomes one log line. Both
`notify` and `async_notify` work in a thread of their own, which blocks no event loop and delays a callback by
at most `deadline_seconds`.
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import threading
import time
from abc import ABC, abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from datetime import UTC, datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from airflow.sdk import BaseNotifier

from airflow_provider_telecom.bulk.quiet_hours import QuietHours, zone_info
from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.notifications.event import Event, event_from_context
from airflow_provider_telecom.notifications.on_call import on_call_of
from airflow_provider_telecom.notifications.recipients import check_count, first_recipients, parse_recipients
from airflow_provider_telecom.tasks.literals import check_if_literal, is_literal
from airflow_provider_telecom.tasks.parameters import DeclaredParameters
from airflow_provider_telecom.vendors.description import Vendor, import_from

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.base import AnyHook

log = logging.getLogger(__name__)

MAX_DEADLINE_SECONDS = 600
_SHARE_FOR_CALLS = 0.9  # of the deadline: the rest is for logging how it ended


class Outcome(StrEnum):
    """What became of an alert to one recipient."""

    SENT = "sent"
    SENT_BEFORE = "sent before"
    SUPPRESSED = "suppressed"
    """It is over `max_per_hour` or falls into quiet hours, and is counted."""
    UNKNOWN = "unknown"
    """The vendor may have received it. It is not sent again."""
    NOT_SENT = "not sent"
    """It certainly was not sent."""


Delivery = Counter[Outcome]
"""What became of an alert, by the number of recipients."""


def may_be_sent(delivery: Delivery) -> bool:
    """Return whether anybody has got the message, or may have."""
    return any(delivery[outcome] for outcome in (Outcome.SENT, Outcome.SENT_BEFORE, Outcome.UNKNOWN))


@dataclass(frozen=True)
class Notification:
    """What all recipients get: the event, the rendered fields, the text and the links."""

    event: Event
    fields: Mapping[str, Any]
    text: str
    links: Sequence[str]
    quiet: str = ""
    """Why nobody is alerted now; empty outside quiet hours."""


class NotifierArguments(TypedDict, total=False):
    """The parameters of `TelecomNotifier`."""

    conn_id: str | None
    each_try: bool
    dedupe_key: str
    max_per_hour: int
    quiet_hours: tuple[str, str] | str | None
    timezone: str | None
    urgent: bool
    deadline_seconds: float
    context: Context | None


class TelecomNotifier(DeclaredParameters, BaseNotifier, ABC):
    """Alert people about a task, a run or a missed deadline.

    It can be any callback of a task or a Dag, and `AsyncCallback(Notifier, kwargs=...)` of a deadline.
    Each recipient gets an alert about an event once, from whichever process. It is recorded before it is
    sent: if the process dies or the outcome is unknown, it is not sent again. If it certainly was not sent,
    the next callback may send it.

    :param conn_id: the connection; `<connection type>_default` without it.
    :param each_try: send an alert for each failed try of a task.
    :param dedupe_key: with another value the same event is alerted once more.
    :param max_per_hour: alerts to one recipient through one connection in an hour. Further ones are
        suppressed and counted; the next alert says how many ("+7 more").
    :param quiet_hours: local times at which nobody is alerted, such as `("22:00", "07:00")`. Alerts are held
        back and counted as those over `max_per_hour`; they are not sent when the quiet hours end.
    :param timezone: with `quiet_hours`: the IANA time zone of the recipients.
    :param urgent: alert in quiet hours, too.
    :param deadline_seconds: how long the notifier may take. A message in progress may still arrive later.
        In the dag-processor all callbacks of a file share `dag_file_processor_timeout` (50 s).
    :param context: set by Airflow; leave it out.

    Airflow stores the `kwargs` of a deadline's callback with the Dag and shows them; use a template such as
    `{{ var.value.on_call }}` for numbers. A `SyncCallback` of a deadline can't write Variables: there nothing
    is recorded. An alert that can't be recorded is sent in quiet hours, too.
    """

    template_fields: Sequence[str] = ("conn_id", "dedupe_key", "quiet_hours", "timezone")
    vendor: ClassVar[Vendor]
    recipients_field: ClassVar[str] = "msisdn"

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        each_try: bool = False,
        dedupe_key: str = "",
        max_per_hour: int = 10,
        quiet_hours: tuple[str, str] | str | None = None,
        timezone: str | None = None,
        urgent: bool = False,
        deadline_seconds: float = 30,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        self.conn_id = conn_id or self.vendor.default_conn_id
        self.each_try, self.dedupe_key = each_try, dedupe_key
        self.max_per_hour, self.deadline_seconds = max_per_hour, deadline_seconds
        self.quiet_hours, self.timezone, self.urgent = quiet_hours, timezone, urgent
        self._is_parsing = context is None  # else it is called already, where an error would get in the way
        if self._is_parsing:
            in_range("max_per_hour", max_per_hour, 1, 1000)
            in_range("deadline_seconds", int(deadline_seconds), 1, MAX_DEADLINE_SECONDS)
            self._check_quiet_hours()

    def _update_context(self, context: Context) -> Context:
        """Return the context unchanged. Other callbacks get it too; they must not see the numbers."""
        return context

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Do nothing: this object is called for other tasks too. `_notification` renders the fields."""

    def notify(self, context: Context) -> None:
        """Send the alerts, in at most `deadline_seconds`. Raises nothing."""
        # Airflow's executors let callbacks of deadlines read Variables, and never answer a write.
        shared = "deadline" not in context
        run_to_deadline(self, lambda ends_at: self.deliver(context, ends_at, shared), self.deadline_seconds)

    async def async_notify(self, context: Context) -> None:
        """Send the alerts, in at most `deadline_seconds`. Raises nothing."""
        await run_to_deadline_async(
            self, lambda ends_at: self.deliver(context, ends_at, shared=True), self.deadline_seconds
        )

    def deliver(self, context: Context, ends_at: float, shared: bool = True) -> Delivery:
        """Send the alerts until a monotonic time, and return what became of them. Raises nothing.

        `shared` says whether Variables can be written.
        """
        name = type(self).__name__
        try:
            notification = self._notification(context)
            hook: AnyHook = import_from(self.vendor.hook_path)(
                notification.fields["conn_id"] or self.vendor.default_conn_id
            )
            field = self.recipients_field
            recipients = first_recipients(field, parse_recipients(notification.fields[field]), name)
            hook.account_key  # noqa: B018 - reads the connection: its errors concern all recipients
        except Exception as error:
            log.error("%s: no alert sent: %s", name, safe_text(error))
            return Counter([Outcome.NOT_SENT])
        delivery = Delivery()
        for number, recipient in enumerate(recipients, 1):
            try:
                delivery[self._send_one(hook, recipient, notification, ends_at, shared)] += 1
            except TelecomUnknownError as error:
                delivery[Outcome.UNKNOWN] += 1
                log.error("%s: alert to recipient %d is not sent again: %s", name, number, safe_text(error))
            except Exception as error:
                certain = isinstance(error, TelecomError)
                delivery[Outcome.NOT_SENT if certain else Outcome.UNKNOWN] += 1
                log.error("%s: alert to recipient %d not sent: %s", name, number, safe_text(error))
        return delivery

    def _send_one(
        self, hook: AnyHook, given: str | int, notification: Notification, ends_at: float, shared: bool
    ) -> Outcome:
        from airflow_provider_telecom.notifications.deduplication import Deduplicator

        if time.monotonic() >= ends_at:
            raise TelecomNotSentError("not sent: deadline_seconds have passed")
        recipient = self._recipient(hook, given)
        key = self._key(notification, recipient)
        deduplicator = Deduplicator(hook.conn_id, hook.account_key, recipient, shared=shared)
        claim = None
        if notification.quiet:
            claim = deduplicator.hold_back(key, notification.quiet, ends_at - time.monotonic())
        if claim is None:
            claim = deduplicator.claim(key, self.max_per_hour, ends_at - time.monotonic())
        if not claim.granted:
            log.log(claim.level, "%s: alert to a recipient suppressed: %s", type(self).__name__, claim.reason)
            return Outcome.SENT_BEFORE if claim.level == logging.INFO else Outcome.SUPPRESSED
        try:
            hook.run(self._call(hook, recipient, notification, len(claim.suppressed), key), ends_at=ends_at)
        except TelecomUnknownError:
            raise
        except TelecomError:
            deduplicator.release(key, claim, lock_timeout=1.0)
            raise
        log.info(
            "%s: alert sent; %d suppressed since the last one", type(self).__name__, len(claim.suppressed)
        )
        return Outcome.SENT

    def _key(self, notification: Notification, recipient: str) -> str:
        """Return the idempotency key of this alert to this recipient."""
        event = notification.event
        keys = IdempotencyKeys(
            event.dag_id, event.scope, event.task_id, str(notification.fields["dedupe_key"])
        )
        return keys(recipient, type(self).__name__, *event.identity(self.each_try))

    def _notification(self, context: Context) -> Notification:
        """Return what all recipients get, with the fields rendered for this event."""
        from airflow.sdk.configuration import conf

        event = event_from_context(context)
        links = event.links(conf.get("api", "base_url", fallback=None))
        known: Any = {**context, "summary": event.summary, "link": links[0] if links else ""}
        dag = known.get("dag")
        known.setdefault("var", _variables())
        known.setdefault("params", dict(dag.params) if dag else {})  # the Dag's; the run's are not there
        # Under `airflow dags test` the Dag is a serialized one, which has no Jinja environment.
        env = self.get_template_env(dag=dag if hasattr(dag, "get_template_env") else None)
        fields = {
            name: self._render_field(name, known, env)
            for name in self.template_fields
            if name not in ("text", "quiet_hours", "timezone", self.recipients_field)
        }
        fields[self.recipients_field] = self._render_recipients(event, known, env)
        text, quiet = self._render_text(known, env, event.summary), self._quiet(known, env)
        return Notification(event, fields, text, links, quiet)

    def _render_field(self, name: str, context: Context, env: jinja2.Environment) -> Any:
        try:
            return self.render_template(getattr(self, name), context, env)
        except Exception as error:
            raise TelecomInputError(name, f"its template failed with {type(error).__name__}") from None

    def _render_recipients(self, event: Event, context: Context, env: jinja2.Environment) -> Any:
        """Return the recipients: those of the field, or the people who are on call."""
        name = self.recipients_field
        on_call = on_call_of(getattr(self, name))
        if on_call is None:
            return self._render_field(name, context, env)
        found = on_call.recipients(
            event, self._check_recipient, lambda value: self.render_template(value, context, env)
        )
        if found.problems and found.recipients:
            log.error("%s: on call: %s", type(self).__name__, "; ".join(found.problems))
        elif found.problems:
            raise TelecomInputError(name, f"on call: {'; '.join(found.problems)}")
        return found.recipients

    def _render_text(self, context: Context, env: jinja2.Environment, summary: str) -> str:
        """Return the text, or the summary if there is none or its template fails."""
        return summary

    def _quiet(self, context: Context, env: jinja2.Environment) -> str:
        """Return why nobody is alerted now. Quiet hours with a mistake hold nothing back."""
        if self.quiet_hours is None or self.urgent:
            return ""
        try:
            hours = QuietHours.parse(self._render_field("quiet_hours", context, env))
            zone = zone_info(str(self._render_field("timezone", context, env)))
        except TelecomInputError as error:
            log.error("%s: the alert is sent without quiet hours: %s", type(self).__name__, safe_text(error))
            return ""
        now = datetime.now(UTC)
        return "" if hours.is_open([zone.key], now) else f"quiet hours {hours} in {zone.key}"

    def _check_quiet_hours(self) -> None:
        """Raise TelecomInputError for what is wrong with them, if it is known when the Dag is parsed."""
        if not isinstance(self.urgent, bool):
            raise TelecomInputError("urgent", "must be True or False")
        if (self.quiet_hours is None) != (self.timezone is None):
            missing, given = ("timezone", "quiet_hours")[:: 1 if self.timezone is None else -1]
            raise TelecomInputError(missing, f"is needed with {given}")
        check_if_literal(self.quiet_hours, QuietHours.parse)
        check_if_literal(self.timezone, zone_info)

    def _check_literal_recipients(self, recipients: object) -> None:
        """Raise TelecomInputError for invalid recipients, if they are known when the Dag is parsed."""
        if not self._is_parsing:
            return
        if on_call := on_call_of(recipients):
            if "fallback" not in on_call:
                return
            recipients = on_call["fallback"]
        if recipients is None or is_literal(recipients):
            for given in check_count(self.recipients_field, parse_recipients(recipients)):
                self._check_recipient(given)

    def _check_recipient(self, given: str | int) -> None:
        """Raise TelecomInputError for a recipient that is invalid with any connection."""

    @abstractmethod
    def _recipient(self, hook: AnyHook, given: str | int) -> str:
        """Return a recipient in its canonical form. Raises TelecomInputError."""

    @abstractmethod
    def _call(
        self, hook: Any, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[object]:
        """Return the vendor's call that sends the alert."""


def run_to_deadline(notifier: BaseNotifier, work: Callable[[float], object], seconds: float) -> None:
    """Call `work` with the monotonic time at which it must end, in a thread. Raises nothing."""
    try:
        finished, _ = wait([_start(work, seconds)], timeout=seconds)
    except Exception as error:
        log.error("%s: no alert sent: %s", type(notifier).__name__, safe_text(error))
    else:
        _log_end(notifier, bool(finished))


async def run_to_deadline_async(
    notifier: BaseNotifier, work: Callable[[float], object], seconds: float
) -> None:
    """Do what `run_to_deadline` does, without blocking the event loop."""
    try:
        finished, _ = await asyncio.wait([asyncio.wrap_future(_start(work, seconds))], timeout=seconds)
    except Exception as error:
        log.error("%s: no alert sent: %s", type(notifier).__name__, safe_text(error))
    else:
        _log_end(notifier, bool(finished))


def _start(work: Callable[[float], object], seconds: float) -> Future[None]:
    """Start to work in a daemon thread, and return a future that is done when the thread is."""
    ends_at = time.monotonic() + seconds * _SHARE_FOR_CALLS
    done: Future[None] = Future()
    variables = contextvars.copy_context()

    def run() -> None:
        try:
            variables.run(work, ends_at)
        finally:
            done.set_result(None)

    threading.Thread(target=run, name="telecom-notifier", daemon=True).start()
    return done


def _log_end(notifier: BaseNotifier, finished: bool) -> None:
    if not finished:
        log.error(
            "%s: deadline_seconds have passed; an alert in progress may arrive, and is not sent again",
            type(notifier).__name__,
        )


def safe_text(error: Exception) -> str:
    """Return an error as a log may show it: without numbers, tokens, texts and addresses."""
    from airflow.sdk.exceptions import AirflowNotFoundException

    if isinstance(error, TelecomInputError):
        return f"{error.field}: {error.rule}"
    return str(error) if isinstance(error, (TelecomError, AirflowNotFoundException)) else type(error).__name__


def _variables() -> dict[str, Any]:
    """Return the `var` of templates. The contexts of deadlines have none."""
    from airflow.sdk.execution_time.context import VariableAccessor

    return {
        "json": VariableAccessor(deserialize_json=True),
        "value": VariableAccessor(deserialize_json=False),
    }
