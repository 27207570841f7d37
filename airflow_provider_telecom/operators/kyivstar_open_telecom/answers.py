"""The answers to the checks of many numbers: counted, and kept so that none is paid for twice.

While the numbers of a chunk are checked, there are files in the folder `<name>.answers` beside the file of
results. Each request is a line before it is made, which says that its answer is lost, and the answer is the
next line about it. A later try of a killed task reads these lines. When all answers of a chunk are there, its
rows go into the file of results.
"""

from __future__ import annotations

import json
import os
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any, Literal
from uuid import uuid4

from airflow_provider_telecom.calls.errors import (
    TelecomFundsError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.kyivstar_open_telecom.base import add_units
from airflow_provider_telecom.operators.kyivstar_open_telecom.checks import SubscriberCheck

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.hooks.kyivstar_open_telecom import KyivstarOpenTelecomHook
    from airflow_provider_telecom.journal.unknown import Facts

Place = tuple[int, str]
"""A row among all rows, and the label of a check."""
MAX_ATTEMPTS = 2
"""How often a check is requested at most while its answer is lost."""


@dataclass(frozen=True)
class Outcome:
    """What became of one check of one number.

    `refused`: the vendor has refused the request, with `code`. `unknown`: the answer is lost; the check may
    have been billed in each of its `attempt`s. `not_asked`: the number was decided without it.
    """

    state: Literal["answered", "refused", "unknown", "not_asked"]
    attempt: int = 1
    answer: str = "unknown"
    reason: str | None = None
    code: str | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)

    def columns(self, check: SubscriberCheck) -> dict[str, Any]:
        """Return the columns of the check in the file of results."""
        known = {"state": self.state, "answer": self.answer, "reason": self.reason, "code": self.code}
        return {**known, **dict.fromkeys(check.fact_names), **self.facts}

    @property
    def may_be_billed(self) -> int:
        """How many of its requests may be billed. One that the vendor has refused is not."""
        return self.attempt - (self.state == "refused")


NOT_ASKED = Outcome("not_asked", attempt=0, answer="not_asked")


@dataclass
class CheckCounts:
    """The outcomes of the checks of the first `rows` numbers, counted. All of it is JSON, for the journal.

    `send` is the name of this series of tries; `checks` and `path` are hashes of the checks and of the path
    of the results. `attempt`, `files` and `is_recorded` are about the chunk after those rows: how often a
    check of it was requested at most, the names of its files of answers, and whether they are complete.
    """

    rows: int = 0
    send: str = ""
    checks: str = ""
    path: str = ""
    attempt: int = 1
    files: list[str] = field(default_factory=list)
    is_recorded: bool = False
    answered: int = 0
    answers: dict[str, dict[str, int]] = field(default_factory=dict)
    """By the label of the check and the answer."""
    reasons: dict[str, dict[str, int]] = field(default_factory=dict)
    """Why answers are unknown, by the label of the check."""
    refused: dict[str, int] = field(default_factory=dict)
    """By the vendor's code."""
    unknown: int = 0
    repeated: int = 0
    decisions: dict[str, int] = field(default_factory=dict)
    """By the decision, if there are rules."""
    not_asked: int = 0
    may_be_billed: dict[str, int] = field(default_factory=dict)
    """How many requests may be billed, by the label of the check."""
    reserved_units: float | None = None
    """What the answered checks cost in the vendor's units, if the vendor says it."""

    def add(self, rows: int, outcomes: Mapping[Place, Outcome]) -> None:
        """Count the outcomes of the next rows."""
        self.rows += rows
        refused = Counter(self.refused)
        for (_, label), outcome in outcomes.items():
            self.may_be_billed[label] = self.may_be_billed.get(label, 0) + outcome.may_be_billed
            if outcome.state == "not_asked":
                self.not_asked += 1
                continue
            _count(self.answers, label, outcome.answer)
            if outcome.reason is not None:
                _count(self.reasons, label, outcome.reason)
            self.answered += outcome.state == "answered"
            self.unknown += outcome.state == "unknown"
            self.repeated += outcome.attempt > 1
            self.reserved_units = add_units(self.reserved_units, outcome.facts.get("reserved_units"))
            if outcome.state == "refused":
                refused[str(outcome.code)] += 1
        self.refused = dict(refused)

    def count_decisions(self, decisions: Iterable[str]) -> None:
        """Count the decisions about the next rows."""
        for decision in decisions:
            self.decisions[decision] = self.decisions.get(decision, 0) + 1

    def facts(self) -> Facts:
        """Return the counts for an XCom."""
        names = ["answered", "answers", "reasons", "refused", "unknown", "repeated", "reserved_units"]
        if self.decisions:
            names += ["decisions", "not_asked"]
        return {name: getattr(self, name) for name in names}


class AnswerFile:
    """A file of the requests and answers of one try about one chunk.

    `is_durable`: it is on a local disk, where a line outlives this process at once, and that of a request
    outlives the machine. Elsewhere the file appears when it is closed.
    """

    def __init__(self, path: ObjectStoragePath) -> None:
        self.name, self.is_durable = path.name, _is_on_local_disk(path)
        self._path = path
        self._file = path.open("w", encoding="utf-8")  # type: ignore[no-untyped-call]
        self._write(self.is_durable, sync=True)

    def begin(self, place: Place, attempt: int) -> None:
        """Write that a request is about to be made.

        Raises TelecomNotSentError if another try has claimed the file. It reads the file after that, so it
        knows of this request, or the request is not made.
        """
        self._write([*place, asdict(lost_answer(attempt))], sync=True)
        if self.is_durable and not self._path.is_file():
            raise TelecomNotSentError("not requested: another try of this task has taken over")

    def end(self, place: Place, outcome: Outcome | None) -> None:
        """Write the outcome of a request; None if it was certainly not made."""
        self._write([*place, outcome and asdict(outcome)])

    def close(self) -> None:
        """Close the file: now its lines are in the object storage, whatever it is."""
        self._file.close()

    def _write(self, line: object, sync: bool = False) -> None:
        self._file.write(json.dumps(line, ensure_ascii=False) + "\n")
        if self.is_durable:
            self._file.flush()
            if sync:
                os.fsync(self._file.fileno())


class AnswerFolder:
    """The files of answers of one series of tries (`send`); rows are numbered among all recipients."""

    def __init__(self, results: ObjectStoragePath, send: str) -> None:
        self._folder = results.with_name(f"{results.name}.answers")
        self._send = send

    def new_file(self, first_row: int) -> AnswerFile:
        """Return a new file for the chunk that begins at `first_row`."""
        self._folder.mkdir(parents=True, exist_ok=True)
        name = f"{first_row:012d}-{self._send}-{uuid4().hex[:12]}.jsonl"  # each try writes its own files
        return AnswerFile(self._folder.joinpath(name))

    def read(self, names: Sequence[str], is_recorded: bool) -> tuple[dict[Place, Outcome], bool]:
        """Return the outcomes in files, and whether there can be no requests that the files do not show.

        An answer counts more than its absence, and a later attempt more than an earlier one.
        """
        found: dict[Place, Outcome] = {}
        is_complete = True
        for name in names:
            path = _claimed(self._folder.joinpath(name))
            if not path.is_file():
                is_complete = False
                continue
            is_durable, lines = _read(path)
            is_complete = is_complete and (is_durable or is_recorded)
            for place, outcome in lines.items():
                if place not in found or _rank(outcome) > _rank(found[place]):
                    found[place] = outcome
        return found, is_complete

    def forget(self, before_row: int | None = None) -> None:
        """Delete the files of the chunks before a row, or all files and the folder."""
        if not self._folder.is_dir():
            return
        for file in list(self._folder.iterdir()):
            row, send, _ = file.name.split("-")
            if send == self._send and (before_row is None or int(row) < before_row):
                file.unlink()
        if before_row is None:
            with suppress(OSError):  # files of other tasks are there
                self._folder.rmdir()


def lost_answer(attempt: int) -> Outcome:
    """Return the outcome of a check whose answer is lost."""
    return Outcome("unknown", attempt, reason="outcome_unknown")


def request_check(
    check: SubscriberCheck, hook: KyivstarOpenTelecomHook, attempt: int, msisdn: str, *values: Any
) -> Outcome:
    """Make one request for a check, and return what became of it.

    Raises the errors after which the check is certainly not billed, and may be requested later.
    """
    try:
        finding = check.ask(hook, msisdn, *values)
    except TelecomUnknownError:
        return lost_answer(attempt)
    except TelecomFundsError:
        raise
    except TelecomRejectedError as error:
        return Outcome("refused", attempt, reason="refused", code=error.code or str(error.status))
    return Outcome("answered", attempt, finding.answer, finding.reason, facts=finding.facts)


def result_row(
    msisdn: str,
    row: int,
    checks: Sequence[SubscriberCheck],
    outcomes: Mapping[Place, Outcome],
    decision: str | None = None,
) -> dict[str, Any]:
    """Return the line of a number in the file of results."""
    return {
        "msisdn": msisdn,
        **({} if decision is None else {"decision": decision}),
        **{check.label: outcomes[row, check.label].columns(check) for check in checks},
    }


def _claimed(path: ObjectStoragePath) -> ObjectStoragePath:
    """Return where a file of answers is, to which the try that wrote it adds no more requests from now on."""
    claimed = path.with_name(f"{path.name}.claimed")
    if _is_on_local_disk(path) and path.is_file():
        path.rename(claimed)
    return claimed if claimed.is_file() else path


def _is_on_local_disk(path: ObjectStoragePath) -> bool:
    return path.protocol in ("", "file")


def _read(path: ObjectStoragePath) -> tuple[bool, dict[Place, Outcome]]:
    """Return whether a file is durable, and its last line about each place, without one that is cut off."""
    with path.open("r", encoding="utf-8") as file:  # type: ignore[no-untyped-call]
        is_durable, *lines = [json.loads(line) for line in file if line.endswith("\n")] or [False]
    last = {(row, label): outcome for row, label, outcome in lines}
    return is_durable, {place: Outcome(**outcome) for place, outcome in last.items() if outcome}


def _rank(outcome: Outcome) -> tuple[bool, int]:
    return outcome.state != "unknown", outcome.attempt


def _count(counts: dict[str, dict[str, int]], label: str, name: str) -> None:
    counted = counts.setdefault(label, {})
    counted[name] = counted.get(name, 0) + 1
