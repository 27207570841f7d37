"""Verification of a call without an idempotency key: the vendor's call records, read after a lost answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from typing import Any, ClassVar, NotRequired, TypedDict

from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.errors import TelecomError, TelecomUnknownError
from airflow_provider_telecom.tasks.effects import NonIdempotentOperator

_MAX_SECONDS = 6 * 3600
_MAX_POLL_INTERVAL = 15.0
_TOLERATED_ERRORS = 3


class CallXCom(TypedDict):
    """What a `CallOperator` returns."""

    started: bool
    verified_by_records: NotRequired[bool]
    """The response was lost, and the call records show the call."""


class CallOperator(NonIdempotentOperator):
    """A task that rings two phones. The vendor's call records show the call once it has ended.

    :param verify_within_seconds: after a lost answer, search the call records for so many seconds (0 to
        21600; 0, the default, does not search), in this worker. A call of the two numbers that began after
        the request proves that it happened, and the task succeeds. Another call of the two in that time is
        mistaken for it, and in the hour that is repeated in autumn, so is one that began at the same local
        time before. If none is found, `on_unknown` decides. Records appear when calls have ended, so this
        should be longer than calls last. After a killed worker nothing is searched.
    """

    status_check: ClassVar[str]
    """Import path of the status check that finds the record; it gets the arguments and `since`."""

    def __init__(self, *, verify_within_seconds: int = 0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.verify_within_seconds = in_range("verify_within_seconds", verify_within_seconds, 0, _MAX_SECONDS)

    def _call_or_verify(self, call: Callable[[], object], arguments: Mapping[str, object]) -> CallXCom:
        """Start the call; if its outcome is unknown, search the records. Return `{"started": True}`."""
        since = datetime.now(UTC).replace(microsecond=0).isoformat()
        try:
            call()
        except TelecomUnknownError as error:
            if not self.verify_within_seconds or not self._found_in_records({**arguments, "since": since}):
                raise
            self.log.warning("%s; the call records prove that it happened", error)
            return {"started": True, "verified_by_records": True}
        return {"started": True}

    def _found_in_records(self, arguments: Mapping[str, object]) -> bool:
        from airflow_provider_telecom.triggers.polling import PollConfig, poll_until_done

        config = PollConfig(
            hook=self.vendor.hook_path,
            status_check=self.status_check,
            conn_id=self.conn_id,
            arguments=arguments,
            poll_interval=min(_MAX_POLL_INTERVAL, self.verify_within_seconds / 10),
            tolerated_errors=_TOLERATED_ERRORS,
        )
        try:
            poll_until_done(config, self.verify_within_seconds)
        except (TelecomError, AirflowSensorTimeout) as error:
            self.log.warning("the call records do not prove that it happened: %s", error)
            return False
        return True
