"""Writes records to the files of a data set.

The files are first written to local disk. When all records are there and valid, each file is put in place,
complete, followed by its manifest `_<file>.json`: what the file holds, and which older files it replaces.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypedDict

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.tasks import storage
from airflow_provider_telecom.transfers.parts import Part
from airflow_provider_telecom.transfers.writers import WRITERS, Row, Table, Writer, check_fits
from airflow_provider_telecom.vendors.columns import Column, ColumnType, json_text, timestamp_text

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

MAX_REPORTED_BAD_ROWS = 20
_MAX_ROWS_IN_MEMORY = 20_000
"""Of all files together. No writer's batch is larger."""


@dataclass(frozen=True)
class DatasetSpec:
    """The name and columns of a data set, and how its files are written."""

    name: str
    columns: Sequence[Column]
    output_format: str = "jsonl"
    csv_safe: bool = False
    on_bad_rows: str = "fail"
    subjects: Sequence[str] = ()
    """Hashes of whom the records are of, if a load must not replace a file with records of others."""


class FileFacts(TypedDict):
    """A written file."""

    path: str
    rows: int
    bytes: int


class DatasetSummary(TypedDict):
    """What a load has written, for an XCom."""

    path: str
    format: str
    rows: int
    bytes: int
    bad_rows: int
    quarantine: str | None
    files: list[FileFacts]


class Manifest(TypedDict):
    """What is written beside each file. `about` holds the spec's `subjects`."""

    file: str
    data_set: str
    rows: int
    bytes: int
    sha256: str
    start: str | None
    end: str | None
    replaces: Sequence[str]
    about: Sequence[str]
    columns: list[dict[str, Any]]
    written_at: str


@dataclass
class _File:
    """A file that is being written to local disk."""

    part: Part
    path: Path
    writer: Writer
    held: list[Row | Table] = field(default_factory=list)
    rows_held: int = 0
    rows: int = 0

    def hold(self, piece: Row | Table, rows: int) -> None:
        """Keep a row, or a table of some rows, until it is written."""
        self.held.append(piece)
        self.rows_held += rows
        self.rows += rows


class Dataset:
    """The files of one interval. A context manager that removes its temporary files.

    Each of the `parts` becomes a file, even without records: if the vendor has removed the records of a day,
    a new load removes them too. Raises TelecomInputError if a part overlaps with a file of other bounds.
    """

    def __init__(
        self, root: ObjectStoragePath, spec: DatasetSpec, parts: Mapping[date | None, Part], run: str
    ) -> None:
        self.root, self.spec, self._parts = root, spec, parts
        self._checked = [
            one for one in spec.columns if one.kind not in (ColumnType.BOOL, ColumnType.TIMESTAMP)
        ]
        self._find_replaced()  # refuses a conflict before anything is downloaded
        self._quarantine = root / "_quarantine" / f"{spec.name}_{run}.jsonl"
        self._spool = tempfile.TemporaryDirectory(prefix="telecom-")
        self.spool = Path(self._spool.name)
        self._files: dict[date | None, _File] = {}
        self._held = self._bad = 0
        self._bad_reasons: list[str] = []
        self._bad_file = self.spool / "bad.jsonl"

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.writer.close()
        self._spool.cleanup()

    @property
    def takes_tables(self) -> bool:
        """Whether `add_table` can be used."""
        return self.spec.output_format == "parquet"

    def add(self, row: Row, day: date | None) -> None:
        """Add a record to the file of a day, or to the only file.

        Raises TelecomInputError for a value that its column cannot hold.
        """
        for column in self._checked:
            check_fits(column, row.get(column.name), self.spec.output_format)
        file = self._files.get(day) or self._open(day)
        file.hold(row, 1)
        self._held += 1
        if file.rows_held >= file.writer.batch:
            self._write(file)
        elif self._held >= _MAX_ROWS_IN_MEMORY:
            self._write_largest()

    def add_table(self, table: Table, days: Any) -> None:
        """Add records as `add` does, each to the file of its day. `days` is pyarrow's, and None for all null.

        For Parquet only. All values must fit their columns.
        """
        from pyarrow import compute, repeat

        while table.num_rows:
            count = min(table.num_rows, _MAX_ROWS_IN_MEMORY - self._held)
            now = table.slice(0, count)
            of_now = None if days is None else days.slice(0, count)
            found = [None] if of_now is None else of_now.unique().to_pylist()
            for day in found:
                piece = now if len(found) == 1 else now.filter(compute.equal(of_now, day))
                file = self._files.get(day) or self._open(day)
                file.hold(piece, piece.num_rows)
            self._held += count
            if self._held >= _MAX_ROWS_IN_MEMORY:
                self._write_largest()
            rest = table.num_rows - count
            # A slice would keep the memory of the whole table.
            table = table.slice(count).filter(repeat(True, rest))
            days = None if days is None else days.slice(count)

    def add_bad_row(self, place: str, reason: str, raw: str) -> None:
        """Add an unreadable record: `raw` as it came; `reason` must not contain any of it."""
        self._bad += 1
        if len(self._bad_reasons) < MAX_REPORTED_BAD_ROWS:
            self._bad_reasons.append(f"{place}: {reason}")
        with self._bad_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
            line = {"place": place, "reason": reason, "raw": raw}
            file.write(json_text(line) + "\n")

    def check(self) -> None:
        """Raise TelecomAnswerError if there are unreadable records and no quarantine."""
        if self._bad and self.spec.on_bad_rows == "fail":
            hidden = self._bad - len(self._bad_reasons)
            reasons = "; ".join(self._bad_reasons) + (f"; and {hidden} more" if hidden else "")
            raise TelecomAnswerError(
                f"{self._bad} records cannot be read, so nothing was written: {reasons} "
                "(with on_bad_rows='quarantine' they are written to _quarantine, and all others as usual)"
            )

    def publish(self) -> DatasetSummary:
        """Put all files in place, and return what they hold."""
        self.check()
        for day in self._parts:
            file = self._files.get(day) or self._open(day)
            self._write(file)
            file.writer.close()
        replaced = self._find_replaced()  # again: another task may have loaded something meanwhile
        self._publish_bad()
        written = [self._place(self._files[day], replaced[day]) for day in self._parts]
        return {
            "path": str(self.root),
            "format": self.spec.output_format,
            "rows": sum(facts["rows"] for facts in written),
            "bytes": sum(facts["bytes"] for facts in written),
            "bad_rows": self._bad,
            "quarantine": str(self._quarantine) if self._bad else None,
            "files": written,
        }

    def _find_replaced(self) -> dict[date | None, list[str]]:
        """Return the files that will be replaced. Raises TelecomInputError for one that must not be."""
        found = {day: self._others(part) for day, part in self._parts.items()}
        if self.spec.subjects:
            self._check_subjects(found)
        return found

    def _others(self, part: Part) -> list[str]:
        """Return the files of other names that this part replaces."""
        name = self.spec.name
        own = self._file_name(part)
        return [
            other
            for other in storage.list_names(self.root / part.folder)
            if other != own and part.is_replaced_by_this(other, name)
        ]

    def _check_subjects(self, replaced: Mapping[date | None, Sequence[str]]) -> None:
        for day, part in self._parts.items():
            for name in (self._file_name(part), *replaced[day]):
                manifest = self.root / part.folder / f"_{name}.json"
                about = json.loads(manifest.read_text()).get("about", []) if manifest.is_file() else []
                if not set(about) <= set(self.spec.subjects):
                    raise TelecomInputError(
                        "numbers",
                        f"must include all numbers whose records are in {part.folder}/{name}, which would be "
                        "lost: use another path for other numbers, or remove that file",
                    )

    def _file_name(self, part: Part) -> str:
        return f"{part.stem(self.spec.name)}.{self.spec.output_format}"

    def _open(self, day: date | None) -> _File:
        path = self.spool / f"{len(self._files)}.{self.spec.output_format}"
        writer = WRITERS[self.spec.output_format](path, self.spec.columns, self.spec.csv_safe)
        self._files[day] = _File(self._parts[day], path, writer)
        return self._files[day]

    def _write(self, file: _File) -> None:
        if file.held:
            file.writer.write(file.held)
            self._held -= file.rows_held
            file.rows_held = 0
            file.held.clear()

    def _write_largest(self) -> None:
        self._write(max(self._files.values(), key=lambda file: file.rows_held))

    def _place(self, file: _File, replaces: Sequence[str]) -> FileFacts:
        folder = self.root / file.part.folder
        target = folder / self._file_name(file.part)
        storage.place(file.path, target)
        facts = FileFacts(path=str(target), rows=file.rows, bytes=file.path.stat().st_size)
        self._place_manifest(file, target, facts, replaces)
        for other in replaces:
            storage.remove(folder / other)
            storage.remove(folder / f"_{other}.json")
        file.path.unlink()
        return facts

    def _place_manifest(
        self, file: _File, target: ObjectStoragePath, facts: FileFacts, replaces: Sequence[str]
    ) -> None:
        manifest: Manifest = {
            "file": target.name,
            "data_set": self.spec.name,
            "rows": facts["rows"],
            "bytes": facts["bytes"],
            "sha256": storage.sha256_of(file.path),
            "start": _text(file.part.start),
            "end": _text(file.part.end),
            "replaces": replaces,
            "about": self.spec.subjects,
            "columns": [{**asdict(column), "kind": column.kind.value} for column in self.spec.columns],
            "written_at": timestamp_text(datetime.now(UTC)),
        }
        path = self.spool / "manifest"
        path.write_text(json.dumps(manifest, ensure_ascii=False, indent=1), encoding="utf-8")
        storage.place(path, target.with_name(f"_{target.name}.json"))

    def _publish_bad(self) -> None:
        if self._bad:
            storage.place(self._bad_file, self._quarantine)
        else:
            storage.remove(self._quarantine)


def _text(moment: datetime | None) -> str | None:
    if moment is None:
        return None
    return moment.isoformat() if moment.tzinfo is None else timestamp_text(moment)
