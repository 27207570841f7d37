"""Records on their way to the files of a data set.

They are gathered on local disk. Only when all of them are there, and all are fit, are the parts put in
place, one after the other, each whole. After each file comes its manifest, `_<file>.json`: what it holds, and
which older files it replaces.
"""

from __future__ import annotations

import json
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.transfers import storage
from airflow_provider_telecom.transfers.parts import Part
from airflow_provider_telecom.transfers.writers import WRITERS, Row, Writer, check_fits
from airflow_provider_telecom.vendors.columns import Column, ColumnType, json_text, timestamp_text

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

MAX_REPORTED_BAD_ROWS = 20
_HELD = 20_000
"""Rows that are held in memory at most, over all parts."""


@dataclass(frozen=True)
class DatasetSpec:
    """What a data set looks like: its name, its columns, and how its files are written."""

    name: str
    columns: Sequence[Column]
    output_format: str = "jsonl"
    csv_safe: bool = False
    on_bad_rows: str = "fail"
    about: Sequence[str] = ()
    """Marks of what was asked about, where that must be named: a load must not replace one about others."""


@dataclass
class _File:
    """A part as it is gathered."""

    part: Part
    path: Path
    writer: Writer
    held: list[Row] = field(default_factory=list)
    rows: int = 0


class Dataset:
    """The files of one interval. A context manager: leaving it removes what was gathered.

    `parts` are the files that will stand there in the end, with or without records: so a day that lost its
    records at the vendor loses them here too. Raises TelecomInputError when a part would overlap with a file
    of other bounds.
    """

    def __init__(
        self, root: ObjectStoragePath, spec: DatasetSpec, parts: Mapping[date | None, Part], run: str
    ) -> None:
        self.root, self.spec, self._parts = root, spec, parts
        self._checked = [
            one for one in spec.columns if one.kind not in (ColumnType.BOOL, ColumnType.TIMESTAMP)
        ]
        self._to_be_replaced()  # what must not be is refused before anything is read
        self._quarantine = root / "_quarantine" / f"{spec.name}_{run}.jsonl"
        self._spool = tempfile.TemporaryDirectory(prefix="telecom-")
        self.spool = Path(self._spool.name)
        self._files: dict[date | None, _File] = {}
        self._held = self._bad = 0
        self._named: list[str] = []
        self._bad_file = self.spool / "bad.jsonl"

    def __enter__(self) -> Dataset:
        return self

    def __exit__(self, *_: object) -> None:
        for file in self._files.values():
            file.writer.close()
        self._spool.cleanup()

    def add(self, row: Row, day: date | None) -> None:
        """Add a record to the part of a day, or to the only part.

        Raises TelecomInputError for what a column cannot hold.
        """
        for column in self._checked:
            check_fits(column, row.get(column.name), self.spec.output_format)
        file = self._files.get(day) or self._begun(day)
        file.held.append(row)
        file.rows += 1
        self._held += 1
        if len(file.held) >= file.writer.batch:
            self._write(file)
        elif self._held >= _HELD:
            self._write(max(self._files.values(), key=lambda other: len(other.held)))

    def add_bad_row(self, place: str, reason: str, raw: str) -> None:
        """Count a record that cannot be read; `reason` holds nothing of it, `raw` is what came."""
        self._bad += 1
        if len(self._named) < MAX_REPORTED_BAD_ROWS:
            self._named.append(f"{place}: {reason}")
        with self._bad_file.open("a", encoding="utf-8", errors="backslashreplace") as file:
            line = {"place": place, "reason": reason, "raw": raw}
            file.write(json_text(line) + "\n")

    def check(self) -> None:
        """Raise TelecomAnswerError if records could not be read and none may be set aside."""
        if self._bad and self.spec.on_bad_rows == "fail":
            more = f"; and {self._bad - len(self._named)} more" if self._bad > len(self._named) else ""
            raise TelecomAnswerError(
                f"{self._bad} records cannot be read, so nothing was written: {'; '.join(self._named)}{more} "
                "(on_bad_rows='quarantine' writes them beside, and the others)"
            )

    def publish(self) -> dict[str, Any]:
        """Put all parts in place and return what stands there now, fit for an XCom."""
        self.check()
        for day in self._parts:
            file = self._files.get(day) or self._begun(day)
            self._write(file)
            file.writer.close()
        replaced = self._to_be_replaced()  # somebody else may have loaded something meanwhile
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

    def _to_be_replaced(self) -> dict[date | None, list[str]]:
        """Return the files that the parts will replace. Raises TelecomInputError for what they must not."""
        found = {day: self._others(part) for day, part in self._parts.items()}
        if self.spec.about:
            self._refuse_to_replace_others(found)
        return found

    def _others(self, part: Part) -> list[str]:
        """Return the files that this part replaces, apart from one of its own name."""
        name = self.spec.name
        own = self._file_name(part)
        return [
            other
            for other in storage.list_names(self.root / part.folder)
            if other != own and part.is_replaced_by_this(other, name)
        ]

    def _refuse_to_replace_others(self, replaced: Mapping[date | None, Sequence[str]]) -> None:
        for day, part in self._parts.items():
            for name in (self._file_name(part), *replaced[day]):
                manifest = self.root / part.folder / f"_{name}.json"
                about = json.loads(manifest.read_text()).get("about", []) if manifest.is_file() else []
                if not set(about) <= set(self.spec.about):
                    raise TelecomInputError(
                        "numbers",
                        f"do not have all those whose records stand in {part.folder}/{name}, which would be "
                        "lost: give each set of numbers a path of its own, or remove that file",
                    )

    def _file_name(self, part: Part) -> str:
        return f"{part.stem(self.spec.name)}.{self.spec.output_format}"

    def _begun(self, day: date | None) -> _File:
        path = self.spool / f"{len(self._files)}.{self.spec.output_format}"
        writer = WRITERS[self.spec.output_format](path, self.spec.columns, self.spec.csv_safe)
        self._files[day] = _File(self._parts[day], path, writer)
        return self._files[day]

    def _write(self, file: _File) -> None:
        if file.held:
            file.writer.write(file.held)
            self._held -= len(file.held)
            file.held.clear()

    def _place(self, file: _File, replaces: Sequence[str]) -> dict[str, Any]:
        folder = self.root / file.part.folder
        target = folder / self._file_name(file.part)
        storage.place(file.path, target)
        facts = {"path": str(target), "rows": file.rows, "bytes": file.path.stat().st_size}
        self._place_manifest(file, target, facts, replaces)
        for other in replaces:
            storage.remove(folder / other)
            storage.remove(folder / f"_{other}.json")
        file.path.unlink()
        return facts

    def _place_manifest(
        self, file: _File, target: ObjectStoragePath, facts: Mapping[str, Any], replaces: Sequence[str]
    ) -> None:
        manifest = {
            "file": target.name,
            "data_set": self.spec.name,
            "rows": facts["rows"],
            "bytes": facts["bytes"],
            "sha256": storage.sha256_of(file.path),
            "start": _text(file.part.start),
            "end": _text(file.part.end),
            "replaces": replaces,
            "about": self.spec.about,
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
