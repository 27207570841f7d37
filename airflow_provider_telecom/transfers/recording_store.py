"""Recordings that stand in a folder, each under a name that is ours, with a manifest that comes after it.

The manifest is what says that a recording is there whole: one without it, or of another size, does not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.transfers import storage
from airflow_provider_telecom.vendors.columns import timestamp_text

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_FACTS = ("bytes", "sha256", "vendor_file_name")


class RecordingStore:
    """Recordings by id, in folders below `root`. `spool` is a local folder for what is written next."""

    def __init__(self, root: ObjectStoragePath, spool: Path) -> None:
        self.root, self.spool = root, spool

    def find(self, folder: str, record_id: str) -> dict[str, Any] | None:
        """Return what is known of a recording that stands there whole, else None."""
        target = self._target(folder, record_id)
        target.fs.invalidate_cache(target.path)
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            known = json.loads(_manifest(target).read_text(encoding="utf-8"))
            if target.fs.info(target.path)["size"] == known["bytes"]:
                return self._told(folder, target, known)
        return None

    def put(self, folder: str, record_id: str, file: Path, known: Mapping[str, Any]) -> dict[str, Any]:
        """Put a finished local file in place, in place of what stood there; return what is known of it."""
        target = self._target(folder, record_id)
        written = self.spool / "recording.manifest"
        facts = {"file": target.name, **known, "written_at": timestamp_text(datetime.now(UTC))}
        written.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
        storage.remove(_manifest(target))  # of another file: a task killed in between has to fetch again
        storage.place(file, target)
        storage.place(written, _manifest(target))
        return self._told(folder, target, known)

    def _target(self, folder: str, record_id: str) -> ObjectStoragePath:
        digest = hashlib.sha256(record_id.encode()).hexdigest()
        return self.root / folder / f"recording-{digest}.mp3"

    def _told(self, folder: str, target: ObjectStoragePath, known: Mapping[str, Any]) -> dict[str, Any]:
        return {"state": "saved", "file": f"{folder}/{target.name}", **{name: known[name] for name in _FACTS}}


def _manifest(target: ObjectStoragePath) -> ObjectStoragePath:
    return target.with_name(f"_{target.name}.json")
