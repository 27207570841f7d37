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
from collections.abc import Mapping, Sequence
from concurrent.futures import Future, wait
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, TypedDict

from airflow.sdk import BaseNotifier

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys
from airflow_provider_telecom.notifications.event import Event, event_from_context
from airflow_provider_telecom.notifications.recipients import check_count, first_recipients, parse_recipients
from airflow_provider_telecom.tasks.literals import is_literal
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


@dataclass(frozen=True)
class Notification:
    """What all recipients get: the event, the rendered fields, the text and the links."""

    event: Event
    fields: Mapping[str, Any]
    text: str
    links: Sequence[str]


class NotifierArguments(TypedDict, total=False):
    """The parameters of `TelecomNotifier`."""

    conn_id: str | None
    each_try: bool
    dedupe_key: str
    max_per_hour: int
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
    :param deadline_seconds: how long the notifier may take. A message in progress may still arrive later.
        In the dag-processor all callbacks of a file share `dag_file_processor_timeout` (50 s).
    :param context: set by Airflow; leave it out.

    Airflow stores the `kwargs` of a deadline's callback with the Dag and shows them; use a template such as
    `{{ var.value.on_call }}` for numbers. A `SyncCallback` of a deadline can't write Variables: there nothing
    is recorded.
    """

    template_fields: Sequence[str] = ("conn_id", "dedupe_key")
    vendor: ClassVar[Vendor]
    recipients_field: ClassVar[str] = "msisdn"

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        each_try: bool = False,
        dedupe_key: str = "",
        max_per_hour: int = 10,
        deadline_seconds: float = 30,
        context: Context | None = None,
    ) -> None:
        super().__init__(context)
        self.conn_id = conn_id or self.vendor.default_conn_id
        self.each_try, self.dedupe_key = each_try, dedupe_key
        self.max_per_hour, self.deadline_seconds = max_per_hour, deadline_seconds
        self._is_parsing = context is None  # else it is called already, where an error would get in the way
        if self._is_parsing:
            in_range("max_per_hour", max_per_hour, 1, 1000)
            in_range("deadline_seconds", int(deadline_seconds), 1, MAX_DEADLINE_SECONDS)

    def _update_context(self, context: Context) -> Context:
        """Return the context unchanged. Other callbacks get it too; they must not see the numbers."""
        return context

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Do nothing: this object is called for other tasks too. `_notification` renders the fields."""

    def notify(self, context: Context) -> None:
        """Send the alerts, in at most `deadline_seconds`. Raises nothing."""
        try:
            # Airflow's executors let callbacks of deadlines read Variables, and never answer a write.
            sending = self._start(context, shared="deadline" not in context)
            finished, _ = wait([sending], timeout=self.deadline_seconds)
        except Exception as error:
            log.error("%s: no alert sent: %s", type(self).__name__, safe_text(error))
        else:
            self._log_end(bool(finished))

    async def async_notify(self, context: Context) -> None:
        """Send the alerts, in at most `deadline_seconds`. Raises nothing."""
        try:
            sending = asyncio.wrap_future(self._start(context, shared=True))
            finished, _ = await asyncio.wait([sending], timeout=self.deadline_seconds)
        except Exception as error:
            log.error("%s: no alert sent: %s", type(self).__name__, safe_text(error))
        else:
            self._log_end(bool(finished))

    def _log_end(self, finished: bool) -> None:
        if not finished:
            log.error(
                "%s: deadline_seconds have passed; an alert in progress may arrive, and is not sent again",
                type(self).__name__,
            )

    def _start(self, context: Context, shared: bool) -> Future[None]:
        """Start to send in a daemon thread, and return a future that is done when the thread is."""
        ends_at = time.monotonic() + self.deadline_seconds * _SHARE_FOR_CALLS
        done: Future[None] = Future()
        variables = contextvars.copy_context()

        def work() -> None:
            try:
                variables.run(self._send, context, ends_at, shared)
            finally:
                done.set_result(None)

        threading.Thread(target=work, name="telecom-notifier", daemon=True).start()
        return done

    def _send(self, context: Context, ends_at: float, shared: bool) -> None:
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
            return
        for number, recipient in enumerate(recipients, 1):
            try:
                self._send_one(hook, recipient, notification, ends_at, shared)
            except TelecomUnknownError as error:
                log.error("%s: alert to recipient %d is not sent again: %s", name, number, safe_text(error))
            except Exception as error:
                log.error("%s: alert to recipient %d not sent: %s", name, number, safe_text(error))

    def _send_one(
        self, hook: AnyHook, given: str | int, notification: Notification, ends_at: float, shared: bool
    ) -> None:
        from airflow_provider_telecom.notifications.deduplication import Deduplicator

        if time.monotonic() >= ends_at:
            raise TelecomNotSentError("not sent: deadline_seconds have passed")
        recipient = self._recipient(hook, given)
        key = self._key(notification, recipient)
        deduplicator = Deduplicator(hook.conn_id, hook.account_key, recipient, shared=shared)
        claim = deduplicator.claim(key, self.max_per_hour, ends_at - time.monotonic())
        if not claim.granted:
            log.log(claim.level, "%s: alert to a recipient suppressed: %s", type(self).__name__, claim.reason)
            return
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

    def _key(self, notification: Notification, recipient: str) -> str:
        """Return the idempotency key of this alert to this recipient."""
        event = notification.event
        keys = IdempotencyKeys(
            event.dag_id, event.run_id, event.task_id, str(notification.fields["dedupe_key"])
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
            name: self._render_field(name, known, env) for name in self.template_fields if name != "text"
        }
        return Notification(event, fields, self._render_text(known, env, event.summary), links)

    def _render_field(self, name: str, context: Context, env: jinja2.Environment) -> Any:
        try:
            return self.render_template(getattr(self, name), context, env)
        except Exception as error:
            raise TelecomInputError(name, f"its template failed with {type(error).__name__}") from None

    def _render_text(self, context: Context, env: jinja2.Environment, summary: str) -> str:
        """Return the text, or the summary if there is none or its template fails."""
        return summary

    def _check_literal_recipients(self, recipients: object) -> None:
        """Raise TelecomInputError for invalid recipients, if they are known when the Dag is parsed."""
        if self._is_parsing and (recipients is None or is_literal(recipients)):
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
