"""Proof that something without a key has happened after all: the vendor's records, where they show it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar

from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomError, TelecomUnknownError
from airflow_provider_telecom.journal.journal import Facts
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator

_LONGEST_SECONDS = 6 * 3600
_SLOWEST_LOOKS = 15.0
_TOLERATED_ERRORS = 3


class CallOperator(NonIdempotentOperator):
    """A task that rings two phones, of which the vendor's call records tell once the call has ended.

    :param verify_within_seconds: after a lost answer, look so long (0 to 21600) in the call records for a
        call of the two numbers that began since it was asked for, and hold the worker meanwhile. A hit
        proves that it happened, and the task succeeds; a call that the two had by themselves in that time
        is taken for it; in the hour that happens twice in autumn, so is one of its first pass that began at
        the same time by the clocks. A miss proves nothing: `on_unknown` decides. Calls appear when they have
        ended, so this should be longer than they last; 0 (default): do not look. A killed worker does not
        look.
    """

    status_check: ClassVar[str]
    """Import path of the watch for the record; it is given the arguments and `since`."""

    def __init__(self, *, verify_within_seconds: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verify_within_seconds = in_range(
            "verify_within_seconds", verify_within_seconds, 0, _LONGEST_SECONDS
        )

    def _call_or_verify(self, call: Callable[[], object], arguments: Mapping[str, Any]) -> Facts:
        """Ask for the call; when nobody knows what came of it, look for proof. Return `{"started": True}`."""
        since = datetime.now(UTC).replace(microsecond=0)
        try:
            call()
        except TelecomUnknownError as error:
            if not self.verify_within_seconds or not self._found_in_records({
                **arguments,
                "since": since.isoformat(),
            }):
                raise
            self.log.warning("%s; the call records prove that it happened", error)
            return {"started": True, "verified_by_records": True}
        return {"started": True}

    def _found_in_records(self, arguments: Mapping[str, Any]) -> bool:
        from airflow_provider_telecom.triggers.polling import PollConfig, wait

        waiting = PollConfig(
            hook=self.vendor.hook_path,
            status_check=self.status_check,
            conn_id=self.conn_id,
            arguments=arguments,
            poll_interval=min(_SLOWEST_LOOKS, self.verify_within_seconds / 10),
            tolerated_errors=_TOLERATED_ERRORS,
        )
        try:
            wait(waiting, self.verify_within_seconds)
        except (TelecomError, AirflowSensorTimeout) as nothing:
            self.log.warning("no proof in the call records: %s", nothing)
            return False
        return True
