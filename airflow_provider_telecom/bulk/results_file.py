"""The results of a long send, one line a message, streamed to a file in object storage.

During the send, results are in parts beside the file. A part ends whenever the progress is stored, so a later
try goes on where the last one stopped, and an incomplete part does not count. Parts are JSON lines; so is the
file, unless it is Parquet.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from itertools import islice
from typing import IO, TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.bulk.outcomes import (
    OUTCOME_COLUMNS,
    is_parquet,
    read_outcomes,
    write_parquet,
)
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.json_columns import json_objects

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_PIECE = 1024 * 1024
_ROWS_AT_ONCE = 1_000
_ENCODE = json.JSONEncoder(ensure_ascii=False).encode


class ResultsFile:
    """The lines of one send at `path`. Rows are numbered by their position among the recipients.

    The file is Parquet if its name says so, or `as_parquet`.
    """

    def __init__(self, path: ObjectStoragePath, as_parquet: bool | None = None) -> None:
        self.path = path
        self._is_parquet = is_parquet(path) if as_parquet is None else as_parquet
        self._parts = path.with_name(f"{path.name}.parts")
        self._file: IO[str] | None = None
        self._failure: Exception | None = None

    def begin(self, row: int) -> None:
        """Continue with the results from `row`. Later ones, of a try that was killed, are deleted.

        Raises TelecomInputError if the results of the rows before are missing, and if the file is Parquet,
        which pyarrow must write: its path may be known only now.
        """
        if self._is_parquet:
            check_library("results_path", "pyarrow")
        self._parts.mkdir(parents=True, exist_ok=True)
        for part in self._listed():
            if _first_row(part) >= row:
                part.unlink()
        if row and not self._listed() and self.path.exists():  # it was finished, and now there are more rows
            self._become_part()
        if (there := self.complete_rows()) != row:
            raise TelecomInputError(
                "results_path",
                f"an earlier try has sent to {row} recipients, and the results of {there} are at "
                f"{self.path}. Give the path that this try had, or none",
            )
        self._row = row

    def check_run(self, run: str) -> None:
        """Raise TelecomInputError if another task, or another place, of the same Dag run wrote the file.

        `run` is the column of the same name. The results of the other one would be lost. Runs of several Dags
        at the same time have the same `{{ run_id }}`: this counts as the same run.
        """
        try:
            line = next(read_outcomes(self.path), {}) if self.path.exists() else {}
        except TelecomInputError:  # something else, which is replaced
            return
        other = str(line.get("run") or run)
        if other != run and other.split("/")[1:2] == run.split("/")[1:2]:
            raise TelecomInputError(
                "results_path",
                f"{self.path} has the results of {other}, another task of this run. Give each task its own "
                "path ({{ ti.dag_id }}), and each place of a mapped task: {{ ti.map_index }}",
            )

    def add(self, lines: Iterable[Mapping[str, object]]) -> None:
        """Write results to the present part."""
        following = iter(lines)
        while rows := list(islice(following, _ROWS_AT_ONCE)):  # not millions in memory
            self._write(_json_lines(rows))

    def add_columns(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Write results to the present part, given by their columns, which are equally long."""
        self._write(json_objects(columns, "\n", (", ", ": ")))

    def _write(self, lines: str) -> None:
        try:
            if self._file is None:
                self._file = self._part(self._row).open("w", encoding="utf-8")  # type: ignore[no-untyped-call]
            self._file.write(lines)
        except Exception as error:
            self._failure = error
            raise

    def close_part(self, row: int) -> None:
        """Close the present part. The next one begins with `row`.

        Raises the error of the first write or close that failed: an incomplete part does not count, even if
        closing it succeeds.
        """
        if self._failure is not None:
            raise self._failure
        if self._file is not None:
            try:
                self._file.close()
            except Exception as error:
                self._failure = error
                raise
        self._file, self._row = None, row

    def finish(self, rows: int) -> None:
        """Join the parts into the file: written beside it, then renamed.

        Raises TelecomInputError if it would not contain the results of so many rows.
        """
        beside = self.path.with_name(f"{self.path.name}.part")
        with beside.open("wb") as whole:  # type: ignore[no-untyped-call]
            joined = self._write_parquet(whole) if self._is_parquet else self._join(whole)
        if joined != rows:
            raise TelecomInputError(
                "results_path",
                f"all {rows} recipients were sent to, but {self._parts} holds the results of {joined}: "
                "another task or program writes there as well",
            )
        beside.rename(self.path)

    def _join(self, whole: IO[bytes]) -> int:
        joined = 0
        for part in self._listed():
            with part.open("rb") as file:
                while piece := file.read(_PIECE):
                    joined += piece.count(b"\n")
                    whole.write(piece)
        return joined

    def _write_parquet(self, whole: IO[bytes]) -> int:
        others: dict[str, None] = {}
        for line in self.lines():
            others.update(dict.fromkeys(line))
        return write_parquet(whole, self.lines(), [name for name in others if name not in OUTCOME_COLUMNS])

    def _become_part(self) -> None:
        """Make the complete file the first part."""
        if not self._is_parquet:
            self.path.rename(self._part(0))
            return
        beside = self._parts.joinpath("0.part")
        with beside.open("w", encoding="utf-8") as file:  # type: ignore[no-untyped-call]
            file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in read_outcomes(self.path))
        beside.rename(self._part(0))
        self.path.unlink()

    def forget_parts(self) -> None:
        """Remove the parts, once the file is complete or is not wanted."""
        if self._file is not None:
            with suppress(Exception):  # the failure of a write was raised already
                self._file.close()
            self._file = None
        if not self._parts.exists():
            return
        for part in self._listed():
            part.unlink()
        self._parts.rmdir()

    def _part(self, row: int) -> ObjectStoragePath:
        return self._parts.joinpath(f"{row:012d}.jsonl")

    def complete_rows(self) -> int:
        """Return how many rows the parts contain, from the first row on, without a gap."""
        row = 0
        if not self._parts.exists():
            return row
        for part in self._listed():
            if _first_row(part) != row:
                break
            with part.open("rb") as file:
                while piece := file.read(_PIECE):
                    row += piece.count(b"\n")
        return row

    def lines(self) -> Iterator[dict[str, Any]]:
        """Return the rows of the parts, in order."""
        for part in self._listed():
            with part.open("r", encoding="utf-8") as file:
                yield from map(json.loads, file)

    def _listed(self) -> list[Any]:
        found = [part for part in self._parts.iterdir() if part.name.endswith(".jsonl")]
        return sorted(found, key=_first_row)


def _first_row(part: Any) -> int:
    return int(part.name.removesuffix(".jsonl"))


def _json_lines(rows: Sequence[Mapping[str, object]]) -> str:
    """Return JSON lines.

    All rows are encoded at once, which takes half the time, and their text is cut before the first name of
    each row, which follows `}, {`. Nothing else looks like that: a quotation mark in a text has a backslash
    before it, and no name follows the one at the end of a text.
    """
    if rows and (name := next(iter(rows[0]), None)) is not None:
        before, after = "}, ", f"{{{_ENCODE(name)}: "
        text = _ENCODE(rows)[1:-1].replace(before + after, f"}}\n{after}")
        if text.count("\n") == len(rows) - 1:
            return text + "\n"
    return "".join(f"{_ENCODE(row)}\n" for row in rows)
