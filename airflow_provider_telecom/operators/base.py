"""What all operators stand on: a connection, private fields, a retry policy, the journal, and waiting."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from datetime import date, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseOperator
from airflow.sdk.configuration import conf

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import (
    EffectIdentity,
    Facts,
    Journal,
    OnUnknown,
    check_on_unknown,
)
from airflow_provider_telecom.journal.reference import IdempotencyKeys, fingerprint
from airflow_provider_telecom.operators.private import hide, reveal
from airflow_provider_telecom.operators.retry import POLICY

if TYPE_CHECKING:
    import jinja2
    from airflow.sdk import Context, RetryPolicy

    from airflow_provider_telecom.hooks.base import TelecomHook
    from airflow_provider_telecom.triggers.polling import PollConfig

DEFERRABLE = conf.getboolean("operators", "default_deferrable", fallback=False)
"""Whether to wait in the triggerer unless an operator says else."""


class TelecomOperator(BaseOperator):
    """A task about one connection.

    `private_fields` are template fields whose rendered values must not reach Airflow's database: numbers
    and texts. Read them with `self.reveal("msisdn")`.
    """

    template_fields: Sequence[str] = ("conn_id",)
    private_fields: ClassVar[Sequence[str]] = ()
    default_conn_id: ClassVar[str]

    def __init__(
        self, *, conn_id: str | None = None, retry_policy: RetryPolicy | None = POLICY, **kwargs: Any
    ) -> None:
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.conn_id = conn_id or self.default_conn_id

    @property
    def hook(self) -> TelecomHook[Any]:
        """The hook of the connection."""
        raise NotImplementedError

    def reveal(self, field: str) -> Any:
        """Return the value of a field, private or not."""
        return reveal(getattr(self, field))

    def _do_render_template_fields(
        self,
        parent: Any,
        template_fields: Any,
        context: Context,
        jinja_env: jinja2.Environment,
        seen_oids: set[int],
    ) -> None:
        """Render, then hide. Airflow calls this for mapped tasks too, and stores the fields right after."""
        super()._do_render_template_fields(parent, template_fields, context, jinja_env, seen_oids)
        if parent is self:
            self._hide()

    def _hide(self) -> None:
        for field in self.private_fields:
            setattr(self, field, hide(getattr(self, field)))


class JournaledOperator(TelecomOperator):
    """A task whose effect is to happen once in a run, whatever tries there are.

    :param dedupe_key: another one does the same once more in the same run, after "Clear" for example; with
        the same one a cleared or retried task does nothing that is done already.
    """

    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "dedupe_key")

    def __init__(self, *, dedupe_key: str = "", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dedupe_key = dedupe_key

    def _hide(self) -> None:
        super()._hide()
        self.dedupe_key = hide(self.dedupe_key)  # people make keys of numbers

    def _entry_name(self, kind: str) -> str:
        """Return the name of the journal's entry for this effect."""
        key = self._dedupe_key
        return f"{kind}.{fingerprint(key)[:16]}" if key else kind

    @property
    def _dedupe_key(self) -> str:
        """The rendered `dedupe_key`: a template may make a number of it."""
        key = self.reveal("dedupe_key")
        if isinstance(key, bool) or not isinstance(key, (str, int, type(None))):
            raise TelecomInputError(
                "dedupe_key", f"must be a text or a whole number, not {type(key).__name__}"
            )
        return "" if key is None else str(key)

    def _fingerprint(self, content: Mapping[str, Any]) -> str:
        """Return the hash of what the journal compares between tries: the content and the connection."""
        return fingerprint({**content, "conn_id": self.conn_id})

    def _journal(self, context: Context) -> Journal:
        """Return the send journal of this task in this run."""
        is_mapped = context["ti"].map_index not in (None, -1)
        return Journal(context["task_state_store"], self.hook.wait_until_ready, is_mapped)


class NonIdempotentOperator(JournaledOperator):
    """A task with an effect of which the vendor cannot tell a copy: paid, or seen by somebody.

    :param on_unknown: what to do when nobody can know whether it happened, after a lost answer or a killed
        task: `fail` (default; never twice), `resend` (never zero; perhaps twice) or `assume_sent` (go on
        without an id).
    """

    def __init__(self, *, on_unknown: OnUnknown = "fail", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.on_unknown = check_on_unknown(on_unknown)

    def _send_once(self, context: Context, content: Mapping[str, Any], send: Callable[[], Facts]) -> Facts:
        """Send `content` by `send`, once in this run, and return its facts (see `journal.journal`)."""
        journal = self._journal(context)
        with self.hook.add_connection_to_errors():
            return journal.unkeyed(
                self._entry_name("sent"), self._fingerprint(content), send, self.on_unknown
            )


class IdempotentOperator(JournaledOperator):
    """A task with an effect that the vendor does once for each of our keys.

    The `dedupe_key` goes into the keys: without another one nothing happens twice, as long as the vendor
    remembers its keys.
    """

    def _idempotency_keys(self, context: Context) -> IdempotencyKeys:
        """Return what derives our keys in this task of this run."""
        ti = context["ti"]
        return IdempotencyKeys(ti.dag_id, ti.run_id, ti.task_id, self._dedupe_key)

    def _send_once(
        self,
        context: Context,
        content: Mapping[str, Any],
        send: Callable[[], Facts],
        msisdn: str = "",
        key: str = "",
    ) -> Facts:
        """Send `content` to `msisdn`, once for our `key`, and return its facts (see `Journal.keyed`).

        Without a key a later try may be given any other content.
        """
        order = EffectIdentity(self.conn_id, msisdn, key)
        return self._journal(context).keyed(self._entry_name("sent"), self._fingerprint(content), order, send)


class DeferrableOperator(TelecomOperator):
    """A task that starts something and can wait until it is done.

    :param wait_for_completion: whether to wait.
    :param deferrable: wait in the triggerer, without a worker slot; the default is Airflow's
        `[operators] default_deferrable`.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds after which the task gives up waiting, and fails.
    :param tolerated_errors: how many errors in a row that may pass are borne while waiting.
    """

    hook_path: ClassVar[str]
    """Import path of the hook to look with."""

    def __init__(
        self,
        *,
        wait_for_completion: bool = False,
        deferrable: bool = DEFERRABLE,
        poll_interval: float = 30.0,
        wait_timeout: float = 86_400.0,
        tolerated_errors: int = 5,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.wait_for_completion, self.deferrable = wait_for_completion, deferrable
        self.poll_interval = _seconds("poll_interval", poll_interval)
        self.wait_timeout = _seconds("wait_timeout", wait_timeout)
        self.tolerated_errors = in_range("tolerated_errors", tolerated_errors, 0, 1_000_000)
        self._poll_config: PollConfig | None = None

    def on_kill(self) -> None:
        """End at the vendor what is waited for, if that can be done.

        Airflow calls it when a person ends the task, at `execution_timeout`, and when a worker is shut down.
        """
        if self._poll_config is not None:
            hook = self._poll_config.new_hook()
            if (call := self._poll_config.stopping(hook)) is not None:
                hook.run(call)

    def _wait_if_requested(  # noqa: RET503 - defer() does not return
        self,
        started: Facts,
        status_check: str,
        arguments: Mapping[str, Any],
        stop: str | None = None,
        subscription: str | None = None,
    ) -> dict[str, Any]:
        """Return what was started, once the watch at the import path `watch` says that it is done.

        Without `wait_for_completion` that is at once. The call at the import path `stop` ends it at the
        vendor when the waiting task is ended. `subscription` is as in `PollConfig`.
        """
        if not self.wait_for_completion:
            return dict(started)
        from airflow_provider_telecom.triggers.polling import PollConfig, earliest_resume_delay, wait

        waiting = PollConfig(
            hook=self.hook_path,
            status_check=status_check,
            conn_id=self.conn_id,
            arguments=arguments,
            poll_interval=self.poll_interval,
            tolerated_errors=self.tolerated_errors,
            stop=stop,
            started=started,
            first_poll_delay=earliest_resume_delay(),
            subscription=subscription,
        )
        if not self.deferrable:
            self._poll_config = waiting
            return {**started, **wait(waiting, self.wait_timeout)}
        from airflow_provider_telecom.triggers.poll import TelecomPollTrigger

        self.defer(
            trigger=TelecomPollTrigger.of(waiting),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.wait_timeout),
        )

    def execute_complete(self, context: Context, event: Mapping[str, Any]) -> dict[str, Any]:
        """Return what the triggerer has seen, or raise as waiting here would have done."""
        from airflow_provider_telecom.triggers.polling import facts_from_event, started_from_event

        return {**started_from_event(event), **facts_from_event(event)}

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Go on after the triggerer; a wait that took too long ends as it would have done in a worker."""
        from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralTimeout

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            raise AirflowSensorTimeout(f"still waiting after {self.wait_timeout:g} s") from None


def _seconds(field: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise TelecomInputError(field, "must be a number of seconds, more than 0")
    return value


def with_inbox(inlets: Any) -> list[Any]:
    """Return a task's inlets and the receiver's inbox: Airflow keeps the rows of assets that tasks name."""
    from airflow_provider_telecom.webhooks.assets import INBOX

    given = inlets if isinstance(inlets, (list, tuple)) else [] if inlets is None else [inlets]
    return [*given, INBOX]


def is_literal(value: Any) -> bool:
    """Whether an argument, and all that is in it, is known when the Dag is parsed: no template, no XCom."""
    if isinstance(value, str):
        return "{{" not in value and "{%" not in value
    if isinstance(value, Mapping):
        return all(map(is_literal, value.values()))
    if isinstance(value, (list, tuple)):
        return all(map(is_literal, value))
    return isinstance(value, (int, float, bool, date))


def check_if_literal(value: Any, check: Callable[[Any], object]) -> None:
    """Check an argument if it is known when the Dag is parsed."""
    if is_literal(value):
        check(value)
