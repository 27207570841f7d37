"""One try of the operator that checks many numbers: chunk by chunk, each request recorded before and after.

The journal names the chunk before its first request, and a file of answers has lines for each request. So a
later try knows of each check of that chunk whether it was answered, and otherwise how often it may have been
requested. The hook repeats no request (`repeats_lost_checks`); a second attempt at the end of the chunk does
it, which the journal names as well.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, replace
from itertools import islice
from typing import TYPE_CHECKING
from uuid import uuid4

from airflow_provider_telecom.bulk.audience import Audience, Entry
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomRejectedError,
)
from airflow_provider_telecom.journal.checkpoint import EVERY_SECONDS, Checkpoint
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.operators.kyivstar_open_telecom.answers import (
    MAX_ATTEMPTS,
    NOT_ASKED,
    AnswerFile,
    AnswerFolder,
    CheckCounts,
    Outcome,
    Place,
    lost_answer,
    request_check,
    result_row,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.rules import STATE_OF_ANSWER, Ruling, State

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.operators.kyivstar_open_telecom.check_subscribers import (
        KyivstarCheckSubscribersOperator,
    )

log = logging.getLogger(__name__)


class Checking:
    """One try of an operator: it goes on where earlier tries have stopped."""

    def __init__(
        self,
        task: KyivstarCheckSubscribersOperator,
        audience: Audience,
        checkpoint: Checkpoint,
        results: ResultsFile,
    ) -> None:
        """Read how far earlier tries have come. Raises TelecomInputError for other numbers or checks."""
        self._task, self._audience, self._checkpoint, self._results = task, audience, checkpoint, results
        self._hook: KyivstarOpenTelecomHook = task.hook
        self._hook.repeats_lost_checks = False  # a repetition is written to the journal first
        self._checks = {check.label: check for check in task.checks}
        self._ruling = task.ruling
        names = list(task.value_columns)
        self._value_places = {
            label: [1 + names.index(name) for name in check.columns] for label, check in self._checks.items()
        }
        self.counts = self._resumed()
        self._answers = AnswerFolder(results.path, self.counts.send)
        self._chunk: Sequence[Entry] = ()
        self._outcomes: dict[Place, Outcome] = {}
        self._is_recorded = True
        """Whether the files of answers say what became of each request of the chunk."""
        self._progress = _Progress(self.counts.rows, audience.count)

    @property
    def is_complete(self) -> bool:
        """Whether earlier tries have checked all numbers."""
        return self._checkpoint.is_done and self.counts.rows >= self._audience.count

    @property
    def in_doubt(self) -> int:
        """How many numbers earlier tries may have checked, besides those that are done."""
        return self._checkpoint.in_doubt

    def run(self) -> CheckCounts:
        """Check the numbers that are not checked yet, and complete the file of results."""
        counts = self.counts
        if self.is_complete:
            self._answers.forget()  # it was killed before it did
            return counts
        self._results.begin(counts.rows)
        self._answers.forget(counts.rows)
        entries = self._audience.entries(counts.rows)
        if in_doubt := self._checkpoint.in_doubt:
            self._chunk = list(islice(entries, in_doubt))
            self._finish_chunk(self._earlier_outcomes())
        while chunk := list(islice(entries, self._task.chunk_size)):
            self._chunk = chunk
            self._finish_chunk({})
        self._results.finish(counts.rows)
        self._checkpoint.finish(asdict(counts))
        self._results.forget_parts()
        self._answers.forget()
        return counts

    def _resumed(self) -> CheckCounts:
        asked = [check.to_dict() for check in self._task.checks]
        if self._ruling is not None:
            asked.append(self._ruling.to_dict())
        if (environment := self._hook.options.environment) != "live":  # its answers are none of the live one
            asked.append({"environment": environment})
        checks = fingerprint(asked)[:16]
        path = fingerprint(str(self._results.path))[:16]
        nothing = CheckCounts(send=uuid4().hex[:12], checks=checks, path=path)
        keys = map(_key, self._audience.entries())
        try:
            counts = CheckCounts(**self._checkpoint.resume(keys, asdict(nothing)))
        except TelecomInputError:
            raise _changed("recipients", "a number, an IMEI or the connection") from None
        if counts.checks != checks:
            raise _changed("checks", "the connection's environment, a check, a rule or one of its parameters")
        if counts.path != path:
            raise _changed("results_path", "the path of the results")
        return counts

    def _earlier_outcomes(self) -> dict[Place, Outcome]:
        """Return what earlier tries have found out about the chunk in which the last one has stopped."""
        counts = self.counts
        found, is_complete = self._answers.read(counts.files, counts.is_recorded)
        if not is_complete:  # requests may have been made that the files don't show
            for place in self._places():
                if place not in found or found[place].state == "unknown":
                    found[place] = lost_answer(counts.attempt)
        if lost := sum(outcome.state == "unknown" for outcome in found.values()):
            log.warning("An earlier try has lost the answers of up to %s checks, which may be billed", lost)
        return found

    def _finish_chunk(self, outcomes: dict[Place, Outcome]) -> None:
        """Make the requests of the chunk that are left, and write its results."""
        counts, self._outcomes = self.counts, outcomes
        try:
            keys = [_key(entry) for entry in self._chunk]
            if self._ruling is not None:
                self._ask_until_decided(self._ruling, keys)
            else:
                missing = [place for place in self._places() if place not in outcomes]
                self._ask(missing, counts.attempt if outcomes else 1, keys)
                self._repeat_once()
        except BaseException:
            if self._is_recorded:
                maybe_asked = len(self._chunk) if outcomes else 0
                self._checkpoint.stop(asdict(replace(counts, is_recorded=True)), maybe_asked)
            raise
        self._write_rows()
        self._progress.log(counts)
        if sum(counts.refused.values()) > self._task.max_rejected:
            self._checkpoint.stop(asdict(counts), 0)
            raise _too_many_refused(counts)

    def _ask_until_decided(self, ruling: Ruling, keys: Sequence[str]) -> None:
        """Make the requests of the chunk in rounds: in each the next check of each undecided number."""
        while (places := self._next_round(ruling)) or keys:
            attempt = min(places.values(), default=1)
            if attempt > 1:
                log.warning("The answers of %s checks are lost; they are requested once more", len(places))
            self._ask([place for place in places if places[place] == attempt], attempt, keys)
            keys = ()
        for place in self._places():
            self._outcomes.setdefault(place, NOT_ASKED)

    def _next_round(self, ruling: Ruling) -> dict[Place, int]:
        """Return the next check of each undecided number, and which attempt it is."""
        found = {}
        first = self.counts.rows
        for row in range(first, first + len(self._chunk)):
            if left := ruling.open_checks(self._states(row)):
                outcome = self._outcomes.get((row, left[0]))
                found[row, left[0]] = 1 if outcome is None else outcome.attempt + 1
        return found

    def _states(self, row: int) -> dict[str, State]:
        """Return the states of the checks of a number that are not asked any more."""
        outcomes = {label: self._outcomes.get((row, label), NOT_ASKED) for label in self._checks}
        return {
            label: STATE_OF_ANSWER[outcome.answer]
            for label, outcome in outcomes.items()
            if outcome.state != "not_asked" and not self._is_repeated(outcome)
        }

    def _is_repeated(self, outcome: Outcome) -> bool:
        """Whether a check is requested once more if its answer is needed."""
        is_lost = outcome.state == "unknown" and outcome.attempt < MAX_ATTEMPTS
        return is_lost and self._task.on_lost_answer == "repeat_once"

    def _repeat_once(self) -> None:
        """Request the checks once more whose answers are lost, if the task does that."""
        lost = [place for place, outcome in self._outcomes.items() if self._is_repeated(outcome)]
        if lost:
            log.warning("The answers of %s checks are lost; they are requested once more", len(lost))
            self._ask(lost, MAX_ATTEMPTS, ())

    def _ask(self, places: Sequence[Place], attempt: int, keys: Sequence[str]) -> None:
        """Make requests and record each outcome. After an error only those under way are finished.

        The journal is written first. The second time in a chunk there are no more `keys`: the end of what may
        have been requested stays the same.
        """
        self._hook.wait_until_ready()
        counts = self.counts
        file = self._answers.new_file(counts.rows)
        try:
            counts.attempt = max(counts.attempt, attempt)
            counts.files = [*counts.files, file.name]
            self._checkpoint.announce(asdict(replace(counts, is_recorded=False)), keys)
            self._answers.forget(counts.rows)
            self._is_recorded = False
            for place, outcome in self._outcomes.items():
                file.end(place, outcome)
            failure = self._ask_concurrently(places, attempt, file)
        finally:
            file.close()
        self._is_recorded, counts.files = True, [file.name]  # it repeats what earlier files say
        if failure is not None:
            raise failure.with_traceback(None)  # its frames hold numbers

    def _ask_concurrently(
        self, places: Sequence[Place], attempt: int, file: AnswerFile
    ) -> BaseException | None:
        """Make requests, `concurrency` of them at the same time; return the first error."""
        left, failure = iter(places), None
        running: dict[Future[Outcome], Place] = {}
        with ThreadPoolExecutor(self._task.concurrency, "telecom-check") as pool:
            while True:
                free = self._task.concurrency - len(running) if failure is None else 0
                for place in islice(left, free):
                    file.begin(place, attempt)
                    running[pool.submit(self._outcome, place, attempt)] = place
                if not running:
                    return failure
                try:
                    done, _ = wait(running, return_when=FIRST_COMPLETED)
                except BaseException as error:  # execution_timeout is raised here
                    failure = failure or error
                    done, _ = wait(running)
                for future in done:
                    place = running.pop(future)
                    try:
                        outcome = future.result()
                    except Exception as error:
                        failure = failure or error
                        if isinstance(error, TelecomError) and not error.outcome_unknown:
                            file.end(place, self._outcomes.get(place))  # the vendor has not done it
                            continue
                        outcome = lost_answer(attempt)
                    self._outcomes[place] = outcome
                    file.end(place, outcome)

    def _outcome(self, place: Place, attempt: int) -> Outcome:
        """Make one request, and return what became of it."""
        row, label = place
        entry = self._chunk[row - self.counts.rows]
        values = [entry[column] for column in self._value_places[label]]
        return request_check(self._checks[label], self._hook, attempt, entry[0], *values)

    def _write_rows(self) -> None:
        """Write the chunk into the file of results, and count it."""
        counts, after = self.counts, self.counts.rows + len(self._chunk)
        decisions = dict[int, str]()
        if self._ruling is not None:
            rows = range(counts.rows, after)
            decisions |= {row: self._ruling.decision(self._states(row)) for row in rows}
            counts.count_decisions(decisions.values())
        self._results.add(
            result_row(entry[0], row, self._task.checks, self._outcomes, decisions.get(row))
            for row, entry in enumerate(self._chunk, counts.rows)
        )
        self._results.close_part(after)
        counts.add(len(self._chunk), self._outcomes)
        counts.attempt, counts.files = 1, []

    def _places(self) -> Iterator[Place]:
        """Return the places of the chunk."""
        first = self.counts.rows
        return ((row, label) for row in range(first, first + len(self._chunk)) for label in self._checks)


class _Progress:
    """Logs how far the checks are, every few seconds and at the end."""

    def __init__(self, rows: int, total: int) -> None:
        self._first_row, self._total, self._began = rows, total, time.monotonic()
        self._next = self._began + EVERY_SECONDS
        log.info("%s numbers; earlier tries have checked %s", f"{total:,}", f"{rows:,}")

    def log(self, counts: CheckCounts) -> None:
        """Log it if it is time."""
        now = time.monotonic()
        if now < self._next and counts.rows < self._total:
            return
        self._next = now + EVERY_SECONDS
        speed = max((counts.rows - self._first_row) / max(now - self._began, 0.001), 0.001)
        log.info(
            "%s of %s numbers are checked, %.1f per second, about %.0f s left; checks answered: %s, refused: "
            "%s, unknown: %s, repeated: %s",
            *(f"{counts.rows:,}", f"{self._total:,}", speed, (self._total - counts.rows) / speed),
            *(counts.answered, sum(counts.refused.values()), counts.unknown, counts.repeated),
        )


def _key(entry: Entry) -> str:
    return "\x1f".join(entry)


def _changed(field: str, what: str) -> TelecomInputError:
    return TelecomInputError(
        field,
        f"{what} has changed, and numbers are checked or may be, and are billed. Nothing was requested now. "
        "Restore it (more numbers may follow at the end), or give another dedupe_key: then all numbers are "
        "checked and billed again",
    )


def _too_many_refused(counts: CheckCounts) -> TelecomRejectedError:
    codes = ", ".join(f"code {code}: {times}" for code, times in counts.refused.items())
    return TelecomRejectedError(
        f"{sum(counts.refused.values())} checks of the first {counts.rows} numbers were refused ({codes}), "
        "which is more than max_rejected. With a higher one a cleared task goes on after them"
    )
