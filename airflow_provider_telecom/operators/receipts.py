"""Base class of the operators that complete a file of outcomes with the receipts of its messages."""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from functools import partial
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, Any, ClassVar

from airflow_provider_telecom.calls.checks import in_range, percent
from airflow_provider_telecom.calls.errors import TelecomError, TelecomInputError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.tasks.arguments import OperatorArguments
from airflow_provider_telecom.tasks.base import DEFERRABLE, TelecomOperator
from airflow_provider_telecom.tasks.literals import check_if_literal

if TYPE_CHECKING:
    from airflow.sdk import Context, ObjectStoragePath

    from airflow_provider_telecom.bulk.receipts import FinalStates, Receipt, Totals

Line = dict[str, Any]
_ENTRY = "receipts"
_GROWTH, _LONGEST = 1.5, 3600.0
"""Each wait is longer than the one before, up to an hour: most receipts come early."""
_GRACE = 3600.0
"""How long a task waits for its first complete answer after `wait_timeout`."""
_MAX_SLEEP = 60.0


class NotReadyError(Exception):
    """The vendor has not prepared its answer yet; ask again after so many seconds."""

    def __init__(self, seconds: float) -> None:
        super().__init__(f"not ready; asked again after {seconds:g} s")
        self.seconds = seconds


@dataclass
class Progress:
    """What the tries of a task share. All of it is JSON, for the journal."""

    ends_at: float
    """When the wait ends, in seconds since 1970."""
    rounds: int = 0
    """How often all open messages were asked for."""
    errors: int = 0
    """Consecutive temporary errors."""
    is_due: bool = True
    """Whether the next thing to do is to ask for receipts."""
    is_written: bool = False
    """Whether the completed file is there, so that the next round reads it."""
    ignored: int = 0
    """Receipts of messages that are not in the file, in the last round."""
    before: dict[str, int] = field(default_factory=dict)
    """The messages by channel and state when the task began, for the metrics."""
    webhooks: int | None = None
    """The number of the next post in the receiver's log."""
    costs_before: dict[str, str] = field(default_factory=dict)
    """What they cost then, by currency."""


class ReceiptsArguments(OperatorArguments, total=False):
    """The parameters of `CollectReceiptsOperator`, except for `outcomes`."""

    results_path: str | None
    min_final_percent: float | str
    wait_timeout: timedelta | float
    poll_interval: float
    deferrable: bool
    tolerated_errors: int
    recheck_final: bool


class CollectReceiptsOperator(TelecomOperator):
    """A task that completes a file of outcomes with the final states of its messages, and waits for them.

    It asks for all messages without a receipt, waits, and asks again: after `poll_interval`, and then after
    waits that are half as long again each time, up to an hour, and once more at the end of `wait_timeout`.
    The file is replaced as a whole after each round. A killed task goes on where it stopped.

    :param outcomes: the file of outcomes of a send (its `results_path`, or the XCom of the send), or a folder
        or a glob of such files, which `results_path` then joins. All its messages must belong to this
        connection.
    :param results_path: where the completed file is written: JSON lines, or Parquet if it ends in `.parquet`;
        by default the file itself is replaced.
    :param min_final_percent: stop waiting as soon as that share of the messages has a final state.
    :param wait_timeout: how long to wait for receipts, a timedelta or seconds. What has none then is
        `silent`, and the task succeeds.
    :param poll_interval: seconds between the first two rounds.
    :param deferrable: wait in the triggerer, without a worker slot. The default is Airflow's
        `[operators] default_deferrable`.
    :param tolerated_errors: up to so many consecutive temporary errors are ignored.
    :param recheck_final: ask also for messages that have a final state already: receipts may change. They are
        asked for at least once.
    """

    channels: ClassVar[tuple[str, ...]]
    """The channels of the messages that the vendor has receipts for."""
    also_asked: ClassVar[frozenset[str]] = frozenset()
    """States besides the open ones that a receipt can replace. They are not waited for."""
    group_size: ClassVar[int] = 300
    """How many messages `_receipts` gets at once; their states are stored together."""
    asks_unknown: ClassVar[bool] = False
    """Whether the vendor can be asked for messages of which nobody knows whether they were sent."""
    template_fields: Sequence[str] = (*TelecomOperator.template_fields, "outcomes", "results_path")
    now: ClassVar[Callable[[], datetime]] = staticmethod(partial(datetime.now, UTC))
    """The time. Tests replace it."""

    def __init__(
        self,
        *,
        outcomes: str | Mapping[str, Any],
        results_path: str | None = None,
        min_final_percent: float | str = 100,
        wait_timeout: timedelta | float = 86_400.0,
        poll_interval: float = 60.0,
        deferrable: bool = DEFERRABLE,
        tolerated_errors: int = 5,
        recheck_final: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.outcomes, self.results_path, self.deferrable = outcomes, results_path, deferrable
        self.min_final_percent, self.recheck_final = min_final_percent, recheck_final
        percent("min_final_percent", min_final_percent)
        self.wait_timeout = wait_timeout
        whole = wait_timeout.total_seconds() if isinstance(wait_timeout, timedelta) else wait_timeout
        self._wait_seconds = _seconds("wait_timeout", whole)
        self.poll_interval = _seconds("poll_interval", poll_interval)
        self.tolerated_errors = in_range("tolerated_errors", tolerated_errors, 0, 1_000_000)
        check_if_literal(outcomes, _path_of)
        self._ignored = 0

    def execute(self, context: Context) -> Line:
        """Ask for receipts until there are enough, or the time is over. May defer."""
        journal = Journal(context["task_state_store"])
        progress, wait = self._begin(journal), 0.0
        while True:
            totals, states = self._survey(progress)
            if not progress.before:
                progress.before = dict(states)
                progress.costs_before = {name or "": str(cost) for name, cost in totals.prices.items()}
            if not self._is_anything_open(totals, progress) or self._is_over(totals, progress):
                return self._finish(journal, progress, totals, states)
            progress.is_due = True
            self._wait(journal, progress, wait)
            if self._complete_early(progress):
                totals, states = self._survey(progress)
            wait = self._round(context, journal, progress, totals)

    def continue_collecting(self, context: Context, event: object) -> Line:
        """Continue after a wait in the triggerer."""
        return self.execute(context)

    @abstractmethod
    def _receipts(self, lines: Sequence[Line]) -> Sequence[Receipt | None]:
        """Return what the vendor says of each of these messages; None if it says nothing.

        Temporary errors may be raised: what is stored so far is kept, and the round goes on there.
        """

    def _note(self, line: Line) -> None:
        """Take notice of a message to ask for, before `_asking`."""

    def _asking(self, context: Context, progress: Progress, totals: Totals) -> AbstractContextManager[None]:
        """Prepare a round, in whose context `_receipts` is called.

        Raises NotReadyError if the vendor has to be waited for.
        """
        return nullcontext()

    def _complete_early(self, progress: Progress) -> bool:
        """Complete what is known without a request; return whether the file has changed."""
        return False

    def _is_asked(self, line: Line) -> bool:
        """Return whether a message is asked for in this round."""
        from airflow_provider_telecom.bulk.receipts import FINAL, OPEN

        return line["state"] in ((OPEN | FINAL if self.recheck_final else OPEN) | self.also_asked)

    def _becomes_silent(self, line: Line) -> bool:
        """Return whether a message without a receipt is `silent` in the end."""
        from airflow_provider_telecom.bulk.outcomes import ACCEPTED, KNOWN_BEFORE

        return line["state"] in (ACCEPTED, KNOWN_BEFORE)

    def _begin_survey(self) -> None:
        """Forget what `_note` has noted."""

    def _recount(self, totals: Totals, by_channel: Counter[str]) -> None:
        """Correct what was counted by what the vendor says of many messages together."""

    def _begin(self, journal: Journal) -> Progress:
        """Return the progress of earlier tries, or begin."""
        entry = journal.read(_ENTRY)
        if entry is not None and entry.state is State.INTENT and entry.body == self._identity():
            return Progress(**entry.facts)
        self._final_states(Progress(0.0)).forget()
        progress = Progress(type(self).now().timestamp() + self._wait_seconds)
        progress.is_written = self._is_of_same_send()
        self._store(journal, progress)
        return progress

    def _identity(self) -> str:
        return fingerprint([self.conn_id, _path_of(self.outcomes), self.results_path])

    def _store(self, journal: Journal, progress: Progress, state: State = State.INTENT) -> None:
        journal.write(_ENTRY, Entry(state, self._identity(), asdict(progress)))

    def _survey(self, progress: Progress) -> tuple[Totals, Mapping[str, int]]:
        """Read the file: check each row, count them, and note what is open."""
        from airflow_provider_telecom.bulk.receipts import FINAL, OPEN, OutcomeCheck, Totals

        totals, by_channel = Totals(), Counter[str]()
        states = self._final_states(progress)
        check = OutcomeCheck(_path_of(self.outcomes), self.conn_id, self.channels)
        noted = (OPEN | FINAL if self.recheck_final else OPEN) | self.also_asked
        self._begin_survey()
        for line in states.lines():
            check.check(line)
            totals.add(line)
            by_channel[f"{line['channel']}/{line['state']}"] += 1
            if line["state"] in noted:
                self._note(line)
        self._recount(totals, by_channel)
        return totals, by_channel

    def _round(self, context: Context, journal: Journal, progress: Progress, totals: Totals) -> float:
        """Ask for all open messages and complete the file; return the seconds until the next round."""
        try:
            with self._asking(context, progress, totals):
                self._complete(progress, self._is_asked, self._updates)
        except NotReadyError as error:
            if not progress.rounds and self._left(progress) < -_GRACE:
                from airflow.sdk.exceptions import AirflowSensorTimeout

                raise AirflowSensorTimeout(
                    f"the vendor has not answered within {self._wait_seconds:g} s, and an hour"
                ) from None
            if progress.rounds and self._left(progress) <= 0:
                progress.is_due = False
                return 0.0
            return error.seconds
        except TelecomError as error:
            progress.errors += 1
            if not error.temporary or progress.errors > self.tolerated_errors:
                self._store(journal, progress)
                raise
            self.log.warning("asking for receipts failed, and is tried again: %s", error)
            return max(error.retry_after or 0.0, self.poll_interval)
        progress.rounds, progress.errors = progress.rounds + 1, 0
        progress.is_due, progress.is_written, progress.ignored = False, True, self._ignored
        wait = self.poll_interval * _GROWTH ** min(progress.rounds - 1, 32)
        return max(0.0, min(wait, max(_LONGEST, self.poll_interval), self._left(progress)))

    def _updates(self, lines: Sequence[Line]) -> Sequence[Mapping[str, object]]:
        from airflow_provider_telecom.bulk.outcomes import time_text
        from airflow_provider_telecom.bulk.receipts import receipt_update

        receipts = self._receipts(lines)
        read_at = time_text(type(self).now())
        return [receipt_update(line, found, read_at) for line, found in zip(lines, receipts, strict=True)]

    def _complete(
        self,
        progress: Progress,
        is_open: Callable[[Line], bool],
        updates: Callable[[Sequence[Line]], Sequence[Mapping[str, object]]],
    ) -> None:
        states = self._final_states(progress)
        states.begin(is_open, lambda line: None)
        while group := states.next_group(self.group_size):
            states.record(updates(group))
        states.finish()

    def _is_anything_open(self, totals: Totals, progress: Progress) -> bool:
        """Return whether there is anything to ask for. Messages of unknown outcome are asked for once."""
        from airflow_provider_telecom.bulk.outcomes import UNKNOWN

        if totals.open:
            return True
        may_ask = self.recheck_final or (self.asks_unknown and totals.states[UNKNOWN])
        return bool(may_ask and not progress.rounds)

    def _is_over(self, totals: Totals, progress: Progress) -> bool:
        """Return whether there are enough receipts, or no time is left."""
        if progress.is_due:
            return False
        self.log.info(
            "%s of %s messages have a final state (%.1f %% of those that were accepted); round %s",
            f"{totals.final:,}",
            f"{totals.messages:,}",
            totals.final_percent,
            progress.rounds,
        )
        least = percent("min_final_percent", self.min_final_percent)
        return totals.reaches(least) or self._left(progress) <= 0

    def _left(self, progress: Progress) -> float:
        return progress.ends_at - type(self).now().timestamp()

    def _finish(
        self, journal: Journal, progress: Progress, totals: Totals, states: Mapping[str, int]
    ) -> Line:
        """Mark what has no receipt as `silent`, and return the XCom."""
        from airflow_provider_telecom.bulk.outcomes import ACCEPTED, KNOWN_BEFORE, SILENT

        waiting = (ACCEPTED, KNOWN_BEFORE)
        if not progress.is_written or any(totals.states[state] for state in waiting):
            self._complete(
                progress,
                self._becomes_silent,
                lambda lines: [{"state": SILENT} for _ in lines],
            )
            progress.is_written = True
            totals, states = self._survey(progress)
        if silent := totals.states[SILENT]:
            self.log.warning("%s messages have no receipt: they may still arrive", f"{silent:,}")
        facts = {
            "outcomes": str(self._target()),
            **totals.facts(),
            "ignored": progress.ignored,
            "rounds": progress.rounds,
        }
        self._store(journal, progress, State.DONE)
        self._emit_metrics(progress, totals, states)
        return facts

    def _emit_metrics(self, progress: Progress, totals: Totals, states: Mapping[str, int]) -> None:
        """Emit what this task has found out."""
        from airflow_provider_telecom.bulk.outcomes import DELIVERED, READ, SILENT
        from airflow_provider_telecom.tasks.metrics import emit_costs, emit_count, emit_delay

        channels = sorted({name.partition("/")[0] for name in states})
        for channel in channels:
            for name, found in (("delivered", (DELIVERED, READ)), ("silent", (SILENT,))):
                keys = [f"{channel}/{state}" for state in found]
                more = sum(states.get(key, 0) - progress.before.get(key, 0) for key in keys)
                emit_count(name, more, conn_id=self.conn_id, channel=channel)
        channel = channels[0] if len(channels) == 1 else "several"
        before = {name or None: Decimal(cost) for name, cost in progress.costs_before.items()}
        emit_costs(totals.prices, before, conn_id=self.conn_id, channel=channel)
        for percentile in (50, 95):
            emit_delay(f"p{percentile}", totals.delay(percentile), conn_id=self.conn_id, channel=channel)

    def _wait(self, journal: Journal, progress: Progress, seconds: float) -> None:
        """Wait in the triggerer, which resumes the task, or here. May raise TaskDeferred."""
        self._store(journal, progress)
        if seconds <= 0:
            return
        moment = type(self).now() + timedelta(seconds=seconds)
        if self.deferrable:
            from airflow.providers.standard.triggers.temporal import DateTimeTrigger

            from airflow_provider_telecom.triggers.polling import earliest_resume_delay

            earliest = type(self).now() + timedelta(seconds=earliest_resume_delay())
            self.defer(
                trigger=DateTimeTrigger(moment=max(moment, earliest)), method_name="continue_collecting"
            )
        while (left := (moment - type(self).now()).total_seconds()) > 0:
            self._sleep(min(left, _MAX_SLEEP))  # in slices: the machine's clock may be set meanwhile

    @staticmethod
    def _sleep(seconds: float) -> None:
        time.sleep(seconds)

    def _final_states(self, progress: Progress) -> FinalStates:
        from airflow_provider_telecom.bulk.receipts import FinalStates

        target = self._target()
        return FinalStates(target, () if progress.is_written else self._sources(), "outcomes")

    def _sources(self) -> Sequence[ObjectStoragePath]:
        """Return the files to complete."""
        from airflow_provider_telecom.bulk.files import find_files

        path, target = _path_of(self.outcomes), self._target()
        there = find_files("outcomes", path, ("",))
        _check_complete(path, there)
        found = [file for file in there if not _is_unfinished(file)]
        if len(found) > 1:  # the completed file may be in the same folder
            found = [file for file in found if file.path != target.path]
        if not found:
            raise TelecomInputError("outcomes", f"there is no complete file in {path}")
        return found

    def _is_of_same_send(self) -> bool:
        """Return whether the completed file is there already, and has receipts of the same messages.

        Then the task goes on with it: the vendor may not know any more what it has said before.
        """
        from airflow_provider_telecom.bulk.outcomes import read_outcomes
        from airflow_provider_telecom.bulk.receipts import is_completed

        target = self._target()
        if not self.results_path or not target.exists():
            return False
        given = chain.from_iterable(read_outcomes(source, "outcomes") for source in self._sources())
        try:
            pairs = zip_longest(read_outcomes(target), given)
            return all(ours and line and is_completed(ours, line) for ours, line in pairs)
        except TelecomInputError:  # the target is something else, which is replaced; sources are read again
            return False

    def _target(self) -> ObjectStoragePath:
        """Return the completed file."""
        from airflow.sdk import ObjectStoragePath

        path = _path_of(self.outcomes)
        if self.results_path:
            return ObjectStoragePath(self.results_path)
        found = ObjectStoragePath(path)
        if "*" in path or found.is_dir():
            raise TelecomInputError("results_path", "must be given: outcomes is a folder, or a glob of files")
        return found


def _is_unfinished(file: ObjectStoragePath) -> bool:
    """Return whether a file is part of another one that is being written."""
    return file.name.endswith((".part", ".states")) or file.parent.name.endswith(".parts")


def _check_complete(path: str, files: Sequence[ObjectStoragePath]) -> None:
    """Raise TelecomInputError if a folder or glob has a send that is running or has failed.

    The joined file would not have its messages.
    """
    from airflow.sdk import ObjectStoragePath

    parts = {str(file.parent) for file in files if file.parent.name.endswith(".parts")}
    if "*" in path:
        root = ObjectStoragePath(path)
        parts |= set(root.fs.glob(f"{root.path}.parts"))
    if unfinished := sorted(name for name in parts if not name.endswith(".states.parts")):
        raise TelecomInputError(
            "outcomes", f"{unfinished[0]} is not complete: its send is running, or has failed"
        )


def _path_of(outcomes: object) -> str:
    """Return the path of a file of outcomes, which may be given by the XCom of a send."""
    if isinstance(outcomes, Mapping):
        outcomes = outcomes.get("outcomes") or outcomes.get("results")
    if not isinstance(outcomes, str) or not outcomes.strip():
        raise TelecomInputError("outcomes", "must be the path of a file of outcomes, or the XCom of a send")
    return outcomes


def _seconds(field: str, value: object) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not 0 < value < math.inf:
        raise TelecomInputError(field, "must be a timedelta or a number of seconds, more than 0")
    return float(value)
