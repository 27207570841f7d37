"""What became of each message of a long send, streamed to a file in object storage.

While the send goes on, results stand in parts beside the file, one part between two moments at which the
progress was written down: so a later try goes on where the last one stopped, and no half part counts.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from shutil import copyfileobj
from typing import IO, TYPE_CHECKING, Any

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath


class Results:
    """The JSON lines of one send at `path`. Rows are counted by their place among the recipients."""

    def __init__(self, path: ObjectStoragePath) -> None:
        self.path = path
        self._parts = path.with_name(f"{path.name}.parts")
        self._file: IO[str] | None = None

    def begin(self, row: int) -> None:
        """Go on with the results from `row`; what stands of later ones is from a try that died."""
        self._parts.mkdir(parents=True, exist_ok=True)
        for part in self._listed():
            if _first_row(part) >= row:
                part.unlink()
        self._row = row

    def add(self, lines: Iterable[Mapping[str, Any]]) -> None:
        """Write results."""
        if self._file is None:
            self._file = self._parts.joinpath(f"{self._row:012d}.jsonl").open("w", encoding="utf-8")  # type: ignore[no-untyped-call]
        self._file.writelines(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)

    def close_part(self, row: int) -> None:
        """Make what was written so far last. The next part begins with `row`."""
        if self._file is not None:
            self._file.close()
        self._file, self._row = None, row

    def finish(self) -> None:
        """Join the parts to the one file: written beside it, then renamed."""
        beside = self.path.with_name(f"{self.path.name}.part")
        with beside.open("wb") as whole:  # type: ignore[no-untyped-call]
            for part in self._listed():
                with part.open("rb") as file:
                    copyfileobj(file, whole, 1024 * 1024)
        beside.rename(self.path)

    def forget_parts(self) -> None:
        """Remove the parts, once the one file counts."""
        for part in self._listed():
            part.unlink()
        self._parts.rmdir()

    def _listed(self) -> list[Any]:
        found = [part for part in self._parts.iterdir() if part.name.endswith(".jsonl")]
        return sorted(found, key=_first_row)


def _first_row(part: Any) -> int:
    return int(part.name.removesuffix(".jsonl"))
