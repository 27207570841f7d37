"""Base class of all sensors: polls a status check, in a worker or in the triggerer."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar

from airflow.sdk import BaseSensorOperator, PokeReturnValue

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.tasks.base import DEFERRABLE, TelecomTask, with_inbox
from airflow_provider_telecom.tasks.retry import POLICY
from airflow_provider_telecom.tasks.start_from_trigger import triggerer_value
from airflow_provider_telecom.webhooks.address import read_receiver_settings

if TYPE_CHECKING:
    from airflow.sdk import Context, RetryPolicy

    from airflow_provider_telecom.triggers.polling import Facts, PollConfig, Poller, PollEvent

TOLERATED_ERRORS = 5


class TelecomSensor(TelecomTask, BaseSensorOperator):
    """Waits for a state of something at a vendor; returns what the vendor says of it as small JSON.

    If the final state is not the awaited one, TelecomFailedError is raised. Airflow does not retry it: the
    state would be the same.

    :param deferrable: wait in the triggerer, without a worker slot. The default is Airflow's
        `[operators] default_deferrable`.
    :param start_from_trigger: start in the triggerer, without a worker first; this implies `deferrable`.
        Arguments may be templates or the XCom of one task. With others (an XCom of a mapped task, an XCom
        that is mapped or zipped, `xcom_pull` without `map_indexes`) the sensor starts in a worker and defers.
    :param tolerated_errors: up to so many consecutive temporary errors (no answer, 5xx, 429, not found yet)
        are ignored. In mode `reschedule` each poll counts from 0.
    :param poke_interval: seconds between two polls.
    :param timeout: seconds after which the sensor fails. The default is Airflow's
        `[sensors] default_timeout`.
    :param mode: in a worker: `poke` keeps its slot, `reschedule` frees it between two polls.
    :param exponential_backoff: wait longer after each poll.
    :param max_wait: with `exponential_backoff`: the longest time between two polls.
    :param soft_fail: skip the task instead of failing.
    :param silent_fail: in a worker: log errors and go on.
    :param never_fail: skip the task on any error.
    """

    status_check: ClassVar[str]
    """Import path of the vendor's status check."""
    check_arguments: ClassVar[Sequence[str]]
    """The fields that are the arguments of the status check."""
    subscription: ClassVar[str | None] = None
    """Import path of the function that returns the topics of the vendor's webhooks about it, if any."""
    template_fields: Sequence[str] = ("conn_id",)

    def __init__(
        self,
        *,
        conn_id: str | None = None,
        deferrable: bool = DEFERRABLE,
        tolerated_errors: int = TOLERATED_ERRORS,
        start_from_trigger: bool = False,
        retry_policy: RetryPolicy | None = POLICY,
        **kwargs: Any,
    ) -> None:
        self._has_subscription = self.subscription is not None and read_receiver_settings() is not None
        if self._has_subscription:
            kwargs["inlets"] = with_inbox(kwargs.get("inlets"))
        super().__init__(retry_policy=retry_policy, **kwargs)
        self.conn_id = conn_id or self.vendor.default_conn_id
        self.deferrable = deferrable
        self.tolerated_errors = in_range("tolerated_errors", tolerated_errors, 0, 1_000_000)
        self._check_silent_fail()
        self._wants_start_from_trigger = start_from_trigger
        self._poller: Poller | None = None
        self._delay = 0.0

    def execute(self, context: Context) -> Any:  # noqa: RET503 - defer() does not return
        """Wait in this worker, or defer to the triggerer."""
        if not self.deferrable:
            return self._execute_here(context)
        from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
        from airflow_provider_telecom.triggers.polling import earliest_resume_delay

        trigger = TelecomPollTrigger.from_config(
            replace(self._poll_config(), first_poll_delay=earliest_resume_delay()), self.private_fields
        )
        self.defer(trigger=trigger, method_name="execute_complete", timeout=timedelta(seconds=self.timeout))

    def _execute_here(self, context: Context) -> Any:
        """Wait in this worker. With `never_fail` a time-out skips the task, as after a deferral."""
        from airflow.sdk.exceptions import AirflowSensorTimeout, AirflowSkipException

        try:
            return super().execute(context)
        except AirflowSensorTimeout as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise

    def poke(self, context: Context) -> PokeReturnValue:
        """Poll once."""
        from airflow_provider_telecom.triggers.polling import Poller

        config = self._poll_config()
        self._poller = self._poller or Poller(config)
        facts, self._delay = self._poller.poll(config.new_hook())
        if facts is not None:
            self._delete_webhook()
        return PokeReturnValue(facts is not None, facts)

    def _get_next_poke_interval(
        self, started_at: datetime | float, run_duration: Callable[[], float], poke_count: int
    ) -> float:
        """Return Airflow's interval, or a longer one if the vendor asked for it, within the time-out."""
        delay = min(self._delay, max(0.0, self.timeout - run_duration()))
        return max(super()._get_next_poke_interval(started_at, run_duration, poke_count), delay)

    def execute_complete(self, context: Context, event: PollEvent) -> Facts:
        """Return the result of the trigger, or raise its error."""
        from airflow.sdk.exceptions import AirflowSkipException

        from airflow_provider_telecom.triggers.polling import facts_from_event

        try:
            facts = facts_from_event(event)
        except TelecomError as error:
            if self.never_fail:
                raise AirflowSkipException("Skipping due to never_fail is set to True.") from error
            raise
        self._delete_webhook()
        return facts

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the trigger. A crashed trigger fails the task in spite of `soft_fail`."""
        from airflow.sdk.exceptions import AirflowSkipException, TaskDeferralError

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except AirflowSkipException as skipped:
            if self.soft_fail and isinstance(skipped.__cause__, TaskDeferralError):
                raise skipped.__cause__ from None
            raise

    def _delete_webhook(self) -> None:
        """Delete the stored webhook, which has been used."""
        subscription = self._poll_config().new_subscription()
        if subscription and subscription.all_entries:
            from airflow_provider_telecom.webhooks.inbox_client import delete_webhook

            for entry in subscription.all_entries:
                delete_webhook(entry)

    def _check_silent_fail(self) -> None:
        if self.deferrable and self.silent_fail:
            raise TelecomInputError("silent_fail", "is for waiting in a worker; use tolerated_errors")

    def _poll_config(self) -> PollConfig:
        return self._poll_config_for(
            {name: self.reveal(name) for name in self.check_arguments}, str(self.conn_id)
        )

    def _poll_config_for(self, arguments: Mapping[str, object], conn_id: str) -> PollConfig:
        from airflow_provider_telecom.triggers.polling import PollConfig

        return PollConfig(
            hook=self.vendor.hook_path,
            status_check=self.status_check,
            conn_id=conn_id,
            arguments=arguments,
            poll_interval=float(self.poke_interval),
            tolerated_errors=self.tolerated_errors,
            exponential_backoff=bool(self.exponential_backoff),
            max_interval=self.max_wait.total_seconds() if self.max_wait else None,
            subscription=self.subscription if self._has_subscription else None,
        )

    def _prepare_start_from_trigger(self) -> None:
        """Let Airflow start the task from the trigger if asked to. The last call in a sensor's `__init__`."""
        if not self._wants_start_from_trigger:
            return
        self.deferrable = True  # if it can't start from the trigger, it starts in a worker and defers
        self._check_silent_fail()
        found = {name: triggerer_value(getattr(self, name)) for name in ("conn_id", *self.check_arguments)}
        if any(value is None and getattr(self, name) is not None for name, value in found.items()):
            return
        from airflow.triggers.base import StartTriggerArgs

        from airflow_provider_telecom.triggers.poll import PATH, trigger_kwargs

        conn_id = found.pop("conn_id")
        self.start_trigger_args = StartTriggerArgs(
            trigger_cls=PATH,
            trigger_kwargs=trigger_kwargs(self._poll_config_for(found, conn_id)),
            next_method="execute_complete",
            timeout=timedelta(seconds=self.timeout),
        )
        self.start_from_trigger = True
