"""Operators that start something and can wait until it is done, in a worker or in the triggerer."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import timedelta
from typing import TYPE_CHECKING, Any, cast

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.tasks.base import DEFERRABLE, TelecomOperator, XComT

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.triggers.polling import Facts, PollConfig, PollEvent


class DeferrableOperator(TelecomOperator):
    """A task that starts something and can wait until it is done.

    :param wait_for_completion: wait until it is done.
    :param deferrable: wait in the triggerer, without a worker slot. The default is Airflow's
        `[operators] default_deferrable`.
    :param poll_interval: seconds between two polls.
    :param wait_timeout: seconds after which a waiting task fails.
    :param tolerated_errors: while waiting, up to so many consecutive temporary errors are ignored.
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
        """End the operation at the vendor, if the vendor can.

        Airflow calls it when a person ends the task, at `execution_timeout`, and when a worker is shut down.
        """
        if self._poll_config is not None:
            hook = self._poll_config.new_hook()
            if (call := self._poll_config.stop_call(hook)) is not None:
                hook.run(call)

    def _wait_if_requested(  # noqa: RET503 - defer() does not return
        self,
        started: XComT,
        status_check: str,
        arguments: Mapping[str, object],
        stop: str | None = None,
        subscription: str | None = None,
    ) -> XComT:
        """Return `started`; with `wait_for_completion` once it is done, with the facts of its end.

        `status_check`, `stop` and `subscription` are import paths; see `PollConfig`.
        """
        if not self.wait_for_completion:
            return started
        from airflow_provider_telecom.triggers.polling import (
            PollConfig,
            earliest_resume_delay,
            poll_until_done,
        )

        config = PollConfig(
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
            self._poll_config = config
            return cast("XComT", {**started, **poll_until_done(config, self.wait_timeout)})
        from airflow_provider_telecom.triggers.poll import TelecomPollTrigger

        self.defer(
            trigger=TelecomPollTrigger.from_config(config),
            method_name="execute_complete",
            timeout=timedelta(seconds=self.wait_timeout),
        )

    def execute_complete(self, context: Context, event: PollEvent) -> Facts:
        """Return what was started and the facts of its end, or raise the error of the trigger."""
        from airflow_provider_telecom.triggers.polling import facts_from_event, started_from_event

        return {**started_from_event(event), **facts_from_event(event)}

    def resume_execution(self, next_method: str, next_kwargs: dict[str, Any] | None, context: Context) -> Any:
        """Continue after the trigger. A time-out raises the same error as in a worker."""
        from airflow.sdk.exceptions import AirflowSensorTimeout, TaskDeferralTimeout

        try:
            return super().resume_execution(next_method, next_kwargs, context)
        except TaskDeferralTimeout:
            raise AirflowSensorTimeout(f"still waiting after {self.wait_timeout:g} s") from None


def _seconds(field: str, value: float) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise TelecomInputError(field, "must be a number of seconds, more than 0")
    return value
