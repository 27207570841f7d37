"""Logs the progress of a long transfer every few seconds."""

from __future__ import annotations

import time
from collections import Counter
from typing import IO, TYPE_CHECKING, Any, cast

if TYPE_CHECKING:
    from pathlib import Path

    from airflow_provider_telecom.calls.request import Target

EVERY_SECONDS = 5.0


class ProgressLogger:
    """Counts bytes, rows, windows and the like, and logs the counts at most every five seconds."""

    def __init__(self, log: Any, **totals: int) -> None:
        self._log, self._totals = log, totals
        self._done: Counter[str] = Counter()
        self._next = time.monotonic() + EVERY_SECONDS

    def add(self, **counts: int) -> None:
        """Add to the counts, and log them if it is time."""
        for name, count in counts.items():
            self._done[name] += count
        if time.monotonic() >= self._next:
            self.log_now()

    def log_now(self) -> None:
        """Log the counts."""
        self._next = time.monotonic() + EVERY_SECONDS
        self._log.info(
            "Progress: %s", ", ".join(self._text(name, count) for name, count in self._done.items())
        )

    def _text(self, name: str, count: int) -> str:
        if name == "bytes":
            return f"{count / 1e6:,.1f} MB"
        total = self._totals.get(name)
        return f"{count:,}{f' of {total:,}' if total else ''} {name}"

    def counting(self, target: Path) -> Target:
        """Return a target for a download that counts the bytes written to it."""
        return _CountingPath(target, self)


class _CountingPath:
    """A path whose file counts the bytes written to it."""

    def __init__(self, path: Path, progress: ProgressLogger) -> None:
        self._path, self._progress = path, progress
        self.name = path.name

    def with_name(self, name: str, /) -> _CountingPath:
        return _CountingPath(self._path.with_name(name), self._progress)

    def open(self, mode: Any, /) -> IO[bytes]:
        return cast("IO[bytes]", _CountingFile(self._path.open(mode), self._progress))

    def rename(self, target: _CountingPath, /) -> object:
        return self._path.replace(target._path)

    def unlink(self) -> None:
        self._path.unlink()


class _CountingFile:
    """A file that counts the bytes written to it."""

    def __init__(self, file: Any, progress: ProgressLogger) -> None:
        self._file, self._progress = file, progress

    def write(self, piece: bytes) -> int:
        written: int = self._file.write(piece)
        self._progress.add(bytes=written)
        return written

    def close(self) -> None:
        self._file.close()
