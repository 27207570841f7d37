"""Operators that start something and can wait until it is done, in a worker or in the triggerer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import (
    Facts,
)

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.triggers.polling import PollConfig

from airflow_provider_telecom.tasks.base import DEFERRABLE, TelecomOperator


class DeferrableOperator(TelecomOperator):
    """A task that starts something and can wait until it is done.

    :param wait_for_completion: whether to wait.
    :param deferrable: wait in the triggerer, without a worker slot; the default is Airflow's
        `[operators] default_deferrable`.
    :param poll_interval: seconds between two looks.
    :param wait_timeout: seconds after which the task gives up waiting, and fails.
    :param tolerated_errors: how many errors in a row that may pass are borne while waiting.
    """

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
            hook=self.vendor.hook_path,
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
