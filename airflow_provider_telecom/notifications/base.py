"""What all notifiers stand on: whom, what, once, not too often, not too long, and never an exception.

A notifier is called where a failure is being dealt with, so whatever happens to it becomes one line in
the log. Both ways, `notify` and `async_notify`, do the same work in a thread of their own: nothing there
blocks an event loop, and nothing holds a callback longer than `deadline_seconds`.
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
from airflow_provider_telecom.journal.reference import IdempotencyKeys
from airflow_provider_telecom.notifications.event import Event, event_in
from airflow_provider_telecom.notifications.recipients import counted, first_of, is_literal, listed
from airflow_provider_telecom.tasks.parameters import DeclaredParameters
from airflow_provider_telecom.vendors.description import Vendor, import_from

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context

    from airflow_provider_telecom.calls.endpoint import Call
    from airflow_provider_telecom.hooks.base import TelecomHook

log = logging.getLogger(__name__)

LONGEST_SECONDS = 600
_FOR_THE_CALL = 0.9  # of the deadline: what is left is for saying how it ended


@dataclass(frozen=True)
class Notification:
    """What is told to each recipient: the event, the rendered fields, the text, and links to go with it."""

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
    """Tell people of what has happened to a task, to a run, or to a deadline.

    It can be any callback of a task or a Dag, and `AsyncCallback(Notifier, kwargs=...)` of a deadline.
    The same event is told to the same recipient once, whichever process tells it. It is remembered as
    told before it is sent: should the process die meanwhile, or the outcome be unknown, it is not sent
    again. What certainly was not sent may be told by the next callback.

    :param conn_id: the connection; `<connection type>_default` without it.
    :param each_try: whether each try of a task that fails is an event of its own.
    :param dedupe_key: another one tells the same event once more.
    :param max_per_hour: messages to one recipient through one connection in an hour. What is above is
        withheld and counted; the next message that goes out says how many ("+7 more").
    :param deadline_seconds: how long the whole may take. A message that is under way then may still arrive.
        In the dag-processor all callbacks of a file share `dag_file_processor_timeout` (50 s).
    :param context: set by Airflow; leave it out.

    Numbers among the `kwargs` of a deadline's callback are stored with the Dag and shown by Airflow; a
    template such as `{{ var.value.on_call }}` keeps them out. A `SyncCallback` of a deadline cannot write
    Variables, so there nothing is remembered.
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
        self._is_parsing = context is None  # else it is at work already, where an error would be in the way
        if self._is_parsing:
            in_range("max_per_hour", max_per_hour, 1, 1000)
            in_range("deadline_seconds", int(deadline_seconds), 1, LONGEST_SECONDS)

    def _update_context(self, context: Context) -> Context:
        """Leave the context as it is: other callbacks get it too, and numbers are not for them."""
        return context

    def render_template_fields(self, context: Context, jinja_env: jinja2.Environment | None = None) -> None:
        """Leave the fields as they are: this object is called for other tasks too. See `_noticed`."""

    def notify(self, context: Context) -> None:
        """Tell it, in at most `deadline_seconds`. Raises nothing."""
        try:
            # Airflow's executors let callbacks of deadlines read Variables, and never answer a write.
            begun = self._begun(context, shared="deadline" not in context)
            finished, _ = wait([begun], timeout=self.deadline_seconds)
        except Exception as error:
            log.error("%s: nobody was told: %s", type(self).__name__, said(error))
        else:
            self._log_end(bool(finished))

    async def async_notify(self, context: Context) -> None:
        """Tell it, in at most `deadline_seconds`. Raises nothing."""
        try:
            begun = asyncio.wrap_future(self._begun(context, shared=True))
            finished, _ = await asyncio.wait([begun], timeout=self.deadline_seconds)
        except Exception as error:
            log.error("%s: nobody was told: %s", type(self).__name__, said(error))
        else:
            self._log_end(bool(finished))

    def _log_end(self, finished: bool) -> None:
        if not finished:
            log.error(
                "%s: deadline_seconds have passed; what is under way may still arrive, and is not sent again",
                type(self).__name__,
            )

    def _begun(self, context: Context, shared: bool) -> Future[None]:
        """Begin to tell in a thread that ends with the process, and return what is done when it is."""
        ends = time.monotonic() + self.deadline_seconds * _FOR_THE_CALL
        done: Future[None] = Future()
        surroundings = contextvars.copy_context()

        def work() -> None:
            try:
                surroundings.run(self._tell, context, ends, shared)
            finally:
                done.set_result(None)

        threading.Thread(target=work, name="telecom-notifier", daemon=True).start()
        return done

    def _tell(self, context: Context, ends: float, shared: bool) -> None:
        name = type(self).__name__
        try:
            notification = self._noticed(context)
            hook: TelecomHook[Any] = import_from(self.vendor.hook_path)(
                notification.fields["conn_id"] or self.vendor.default_conn_id
            )
            field = self.recipients_field
            recipients = first_of(field, listed(notification.fields[field]), name)
            hook.account_key  # noqa: B018 - reads the connection, or says once for all what is wrong with it
        except Exception as error:
            log.error("%s: nobody was told: %s", name, said(error))
            return
        for place, recipient in enumerate(recipients, 1):
            try:
                self._tell_one(hook, recipient, notification, ends, shared)
            except TelecomUnknownError as error:
                log.error("%s: recipient %d is not told again: %s", name, place, said(error))
            except Exception as error:
                log.error("%s: recipient %d was not told: %s", name, place, said(error))

    def _tell_one(
        self, hook: TelecomHook[Any], written: Any, notification: Notification, ends: float, shared: bool
    ) -> None:
        from airflow_provider_telecom.notifications.deduplication import Deduplicator

        if time.monotonic() >= ends:
            raise TelecomNotSentError("not sent: deadline_seconds have passed")
        recipient = self._recipient(hook, written)
        key = self._key(notification, recipient)
        memory = Deduplicator(hook.conn_id, hook.account_key, recipient, shared=shared)
        claim = memory.claim(key, self.max_per_hour, ends - time.monotonic())
        if not claim.granted:
            log.log(claim.level, "%s: nothing is sent to a recipient: %s", type(self).__name__, claim.why_not)
            return
        try:
            hook.run(self._call(hook, recipient, notification, len(claim.suppressed), key), ends_at=ends)
        except TelecomUnknownError:
            raise
        except TelecomError:
            memory.release(key, claim, patience=1.0)
            raise
        log.info(
            "%s: a recipient was told (%d were withheld before)", type(self).__name__, len(claim.suppressed)
        )

    def _key(self, notification: Notification, recipient: str) -> str:
        """Return what tells this event, told this way to this recipient, from all others."""
        event = notification.event
        namer = IdempotencyKeys(
            event.dag_id, event.run_id, event.task_id, str(notification.fields["dedupe_key"])
        )
        return namer(recipient, type(self).__name__, *event.identity(self.each_try))

    def _noticed(self, context: Context) -> Notification:
        """Return what is to be told, with the fields rendered for this event."""
        from airflow.sdk.configuration import conf

        event = event_in(context)
        links = event.links(conf.get("api", "base_url", fallback=None))
        known: Any = {**context, "summary": event.summary, "link": links[0] if links else ""}
        dag = known.get("dag")
        known.setdefault("var", _variables())
        known.setdefault("params", dict(dag.params) if dag else {})  # not the run's own, but better than none
        # The Dag that `airflow dags test` gives is a serialized one, which has no environment.
        env = self.get_template_env(dag=dag if hasattr(dag, "get_template_env") else None)
        fields = {name: self._rendered(name, known, env) for name in self.template_fields if name != "text"}
        return Notification(event, fields, self._worded(known, env, event.summary), links)

    def _rendered(self, name: str, context: Context, env: jinja2.Environment) -> Any:
        try:
            return self.render_template(getattr(self, name), context, env)
        except Exception as error:
            raise TelecomInputError(name, f"its template failed with {type(error).__name__}") from None

    def _worded(self, context: Context, env: jinja2.Environment, summary: str) -> str:
        """Return the text; the summary, if there is none or its template fails."""
        return summary

    def _check_literal_recipients(self, recipients: Any) -> None:
        """Raise TelecomInputError for recipients that are known when the Dag is parsed, and wrong."""
        if self._is_parsing and is_literal(recipients):
            for written in counted(self.recipients_field, listed(recipients)):
                self._check_recipient(written)

    def _check_recipient(self, written: Any) -> None:
        """Raise TelecomInputError for a recipient that no connection could make right."""

    @abstractmethod
    def _recipient(self, hook: TelecomHook[Any], written: Any) -> str:
        """Return a recipient in the one form that it is remembered by. Raises TelecomInputError."""

    @abstractmethod
    def _call(
        self, hook: Any, recipient: str, notification: Notification, suppressed: int, key: str
    ) -> Call[Any]:
        """Return the vendor's call that tells the recipient."""


def said(error: Exception) -> str:
    """Return an error as a log may show it: without numbers, tokens, texts and addresses."""
    from airflow.sdk.exceptions import AirflowNotFoundException

    if isinstance(error, TelecomInputError):
        return f"{error.field}: {error.rule}"
    return str(error) if isinstance(error, (TelecomError, AirflowNotFoundException)) else type(error).__name__


def _variables() -> dict[str, Any]:
    """Return what `{{ var.value.name }}` asks; the contexts of deadlines come without it."""
    from airflow.sdk.execution_time.context import VariableAccessor

    return {
        "json": VariableAccessor(deserialize_json=True),
        "value": VariableAccessor(deserialize_json=False),
    }
