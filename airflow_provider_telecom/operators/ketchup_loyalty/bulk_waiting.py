"""Waiting for the final states of the messages of a bulk send: they complete its file of results."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from datetime import timedelta
from itertools import zip_longest
from typing import TYPE_CHECKING, Any, Protocol

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.tasks.deferrable import DeferrableOperator

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.bulk.receipts import FinalStates
    from airflow_provider_telecom.triggers.polling import Facts, PollConfig, PollEvent

_WAIT_ENDS = "wait_ends"
"""In what a waiting task has started: when it must end. No XCom has it."""
_POLLED = "polled"
"""In the same: the hash of the keys that the trigger polls. No XCom has it."""
_GROUP = 300
"""How many messages a trigger polls: the trigger's arguments are a row in Airflow's database."""


class StateCheck(Protocol):
    """How the final states of messages of one kind are found, and what a line of the results says of them."""

    path: str
    """The import path of the status check."""
    subscription: str | None
    """That of the topics of webhooks."""

    def arguments(self, lines: Sequence[Facts], ends_at: float) -> Mapping[str, object]:
        """Return the arguments of the status check for the messages of some lines."""

    def is_open(self, line: Facts) -> bool:
        """Return whether the vendor has the message of a line, and its final state is not known."""

    def updates(self, facts: Facts) -> Sequence[Mapping[str, object]]:
        """Return what each of the lines gets, from the facts of the status check."""

    def settle(self, line: Facts) -> None:
        """Complete a line that was not open from the beginning."""


class FinalStatesOperator(DeferrableOperator):
    """A task that waits for the final state of each message in its file of results, in groups."""

    results_path: str | None

    def _wait_for_states(
        self, started: Mapping[str, Any], check: StateCheck, is_failure: bool = True
    ) -> Facts:
        """Wait until all messages in the file of results are final, and complete the file; return `started`.

        They are polled in groups: in this worker while all of a group are final, or else by a trigger, which
        resumes the task. If the time is over, raises AirflowSensorTimeout, or with `is_failure=False` polls
        the others once more and takes their states as they are.
        """
        begun = {_WAIT_ENDS: time.time() + self.wait_timeout, **started}
        states = self._final_states(check)
        while group := states.next_group(_GROUP):
            states.record(check.updates(self._poll_group(group, begun, check, is_failure)))
            row, whole = f"{states.row:,}", f"{begun['recipients']:,}"
            self.log.info("%s of %s recipients have a final state, or none is awaited", row, whole)
        states.finish()
        return {name: value for name, value in begun.items() if name != _WAIT_ENDS}

    def _final_states(self, check: StateCheck) -> FinalStates:
        from airflow_provider_telecom.bulk.receipts import FinalStates

        states = FinalStates(self._results_object())
        states.begin(check.is_open, check.settle)
        return states

    def _check_results(self, keys: Iterable[str]) -> None:
        """Raise TelecomInputError unless the file of results has a line for each of these keys, in order."""
        from airflow_provider_telecom.bulk.outcomes import read_outcomes

        path = self._results_object()
        found = (line.get("reference") for line in read_outcomes(path)) if path.exists() else iter(())
        if any(key != reference for key, reference in zip_longest(keys, found)):
            raise self._other_results()

    def _other_results(self) -> TelecomInputError:
        return TelecomInputError(
            "results_path",
            f"{self.results_path} does not contain the results of this task: another task or another run "
            "writes there as well. Give each its own path, for example with {{ run_id }}",
        )

    def _results_object(self) -> ObjectStoragePath:
        """Return the file of results, which a waiting task has."""
        from airflow.sdk import ObjectStoragePath

        return ObjectStoragePath(str(self.results_path))

    def _poll_group(  # noqa: RET503 - defer() does not return
        self, group: Sequence[Facts], started: Mapping[str, Any], check: StateCheck, is_failure: bool
    ) -> Facts:
        """Return the facts of a group whose messages are all final, or whose time is over. May defer."""
        from airflow.sdk.exceptions import AirflowSensorTimeout

        from airflow_provider_telecom.triggers.poll import TelecomPollTrigger
        from airflow_provider_telecom.triggers.polling import Poller, poll_until_done

        config = self._group_config(group, started, check)
        left = float(started[_WAIT_ENDS]) - time.time()
        timeout = left if is_failure else max(left, 0.0) + 600.0 + 10 * self.poll_interval
        if not self.deferrable and timeout > 0:
            return poll_until_done(config, timeout)
        facts, _ = Poller(config).poll(self.hook)
        if facts is not None:
            return facts
        if timeout <= 0:
            raise AirflowSensorTimeout(f"still waiting after {self.wait_timeout:g} s")
        self.defer(
            trigger=TelecomPollTrigger.from_config(config),
            method_name="execute_complete",
            timeout=timedelta(seconds=timeout),
        )

    def _group_config(
        self, group: Sequence[Facts], started: Mapping[str, Any], check: StateCheck
    ) -> PollConfig:
        from airflow_provider_telecom.triggers.polling import PollConfig, earliest_resume_delay

        return PollConfig(
            hook=self.vendor.hook_path,
            status_check=check.path,
            conn_id=self.conn_id,
            arguments=check.arguments(group, float(started[_WAIT_ENDS])),
            poll_interval=self.poll_interval,
            tolerated_errors=self.tolerated_errors,
            started={**started, _POLLED: _hash_of_keys(group)},
            first_poll_delay=earliest_resume_delay(),
            subscription=check.subscription,
        )

    def _record_group(self, event: PollEvent, check: StateCheck) -> Facts | None:
        """Record what the trigger has found for the first open group; return what the task has started.

        None if the trigger was for something else. Raises the error of the trigger, and TelecomInputError if
        another run has written other results meanwhile.
        """
        from airflow_provider_telecom.triggers.polling import facts_from_event, started_from_event

        started = started_from_event(event)
        if _WAIT_ENDS not in started:
            return None
        facts, polled = facts_from_event(event), started.pop(_POLLED, None)
        states = self._final_states(check)
        group = states.next_group(_GROUP)
        if polled not in (None, _hash_of_keys(group)):  # None: a trigger of the previous version
            raise self._other_results()
        states.record(check.updates(facts))
        return started


def _hash_of_keys(group: Sequence[Facts]) -> str:
    return fingerprint([line["reference"] for line in group])
