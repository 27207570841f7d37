"""The final states of the messages of a bulk send: they complete the lines in its file of results.

Completed lines are in parts beside the file until all are there; then they replace it. So a later try goes on
where the last one stopped, and polls no message again whose final state is known.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.outcomes import is_parquet, read_outcomes
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import SEND_STATE, send_state

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

Line = dict[str, Any]
_MAX_LINES = 10_000
"""So many lines are in memory at most. Most lines of a file may be complete already."""


class FinalStates:
    """Completes the file of results at `path`, group by group."""

    def __init__(self, path: ObjectStoragePath) -> None:
        self._path = path
        self._completed_path = path.with_name(f"{path.name}.states")
        self._completed = ResultsFile(self._completed_path, is_parquet(path))
        self.row = 0
        """How many lines are complete."""
        self._group: list[Line] = []
        """The lines of the present group, with those between them that are not open."""

    def begin(self, is_open: Callable[[Line], bool], settle: Callable[[Line], None]) -> None:
        """Continue after the lines that an earlier try has completed.

        `is_open` says whether a line's message has to be polled; `settle` completes a line that has not.
        """
        self._is_open, self._settle = is_open, settle
        self.row = self._completed.complete_rows()
        if self.row and not self._is_same_send():
            self.row = 0
        self._completed.begin(self.row)
        self._lines: Iterator[Line] = islice(read_outcomes(self._path), self.row, None)

    def next_group(self, size: int) -> Sequence[Line]:
        """Return the next open lines, at most so many; none if all others are complete.

        Complete lines before the first open one are stored at once, so a later try begins with the same.
        """
        self._group = []
        found: list[Line] = []
        for line in self._lines:
            if len(self._group) == _MAX_LINES:
                if found:
                    self._lines = chain([line], self._lines)
                    break
                self._write()
            self._group.append(line)
            if self._is_open(line):
                found.append(line)
                if len(found) == size:
                    break
            else:
                self._settle(line)
        self._open = found
        return found

    def record(self, updates: Sequence[Mapping[str, object]]) -> None:
        """Complete the lines of the present group with these fields, and store them."""
        for line, update in zip(self._open, updates, strict=True):
            if "state" in update:
                line[SEND_STATE] = send_state(line)
            line |= update
        self._write()

    def finish(self) -> None:
        """Store the last lines, and replace the file of results."""
        self._write()
        self._completed.finish(self.row)
        self._completed_path.rename(self._path)
        self._completed.forget_parts()

    def forget(self) -> None:
        """Remove what a try has completed: more messages are sent now, or others."""
        self._completed.begin(0)
        self._completed.forget_parts()

    def _write(self) -> None:
        if self._group:
            self._completed.add(self._group)
            self.row += len(self._group)
            self._completed.close_part(self.row)
            self._group = []

    def _is_same_send(self) -> bool:
        """Return whether completed lines belong to this file: an earlier run may have had the same path."""
        pairs = zip(self._completed.lines(), read_outcomes(self._path), strict=False)
        return all(ours.get("reference") == line.get("reference") for ours, line in pairs)


def write_lines(path: ObjectStoragePath, lines: Iterable[Mapping[str, object]]) -> None:
    """Write JSON lines to a file, which is there as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    beside = path.with_name(f"{path.name}.part")
    with beside.open("w", encoding="utf-8") as file:  # type: ignore[no-untyped-call]
        file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    beside.rename(path)
