"""Recordings in a folder, each under a name of our own, with a manifest that is written after it.

The manifest proves that a recording is complete: one without a manifest, or of another size, does not count.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.tasks import storage
from airflow_provider_telecom.vendors.columns import timestamp_text

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_MANIFEST_FACTS = ("bytes", "sha256", "vendor_file_name")


class RecordingStore:
    """Recordings by id, in folders below `root`. `spool` is a local folder for temporary files."""

    def __init__(self, root: ObjectStoragePath, spool: Path) -> None:
        self.root, self.spool = root, spool

    def find(self, folder: str, record_id: str) -> dict[str, Any] | None:
        """Return the facts about a complete recording, or None."""
        target = self._target(folder, record_id)
        target.fs.invalidate_cache(target.path)
        with suppress(FileNotFoundError, ValueError, KeyError, TypeError):
            known = json.loads(_manifest(target).read_text(encoding="utf-8"))
            if target.fs.info(target.path)["size"] == known["bytes"]:
                return self._facts(folder, target, known)
        return None

    def put(self, folder: str, record_id: str, file: Path, known: Mapping[str, Any]) -> dict[str, Any]:
        """Move a finished local file to its place, replace an earlier one, and return the facts."""
        target = self._target(folder, record_id)
        manifest = self.spool / "recording.manifest"
        facts = {"file": target.name, **known, "written_at": timestamp_text(datetime.now(UTC))}
        manifest.write_text(json.dumps(facts, ensure_ascii=False, indent=1), encoding="utf-8")
        storage.remove(_manifest(target))  # if the task is killed now, the recording is fetched again
        storage.place(file, target)
        storage.place(manifest, _manifest(target))
        return self._facts(folder, target, known)

    def _target(self, folder: str, record_id: str) -> ObjectStoragePath:
        digest = hashlib.sha256(record_id.encode()).hexdigest()
        return self.root / folder / f"recording-{digest}.mp3"

    def _facts(self, folder: str, target: ObjectStoragePath, known: Mapping[str, Any]) -> dict[str, Any]:
        return {
            "state": "saved",
            "file": f"{folder}/{target.name}",
            **{name: known[name] for name in _MANIFEST_FACTS},
        }


def _manifest(target: ObjectStoragePath) -> ObjectStoragePath:
    return target.with_name(f"_{target.name}.json")
