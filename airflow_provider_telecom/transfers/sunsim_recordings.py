"""Saving of SunSim's recordings, with an index that has a row for each."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.calls.errors import TelecomError, TelecomRejectedError
from airflow_provider_telecom.transfers.recording_store import RecordingStore
from airflow_provider_telecom.vendors.sunsim.arguments import RECORD_ID
from airflow_provider_telecom.vendors.sunsim.recording_decoder import RecordingError, decode

if TYPE_CHECKING:
    from airflow_provider_telecom.hooks.sunsim import SunSimHook
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

FOLDER = "recordings"
"""The folder of recordings that were requested by id, without a day."""


def wanted_line(day: date | None, record_id: str | None, raw: str | None) -> str:
    """Return the line for a recording in the file of wanted recordings."""
    return json.dumps([day and day.isoformat(), record_id, raw]) + "\n"


class RecordingLoader:
    """Downloads recordings that are not saved yet. `counts` says how many have which state."""

    def __init__(self, hook: SunSimHook, dataset: Dataset, progress: ProgressLogger, refetch: bool) -> None:
        self._hook, self._dataset, self._progress, self._refetch = hook, dataset, progress, refetch
        self._store = RecordingStore(dataset.root, dataset.spool)
        self.counts = Counter(dict.fromkeys(("saved", "fetched", "missing", "unreadable", "bytes"), 0))

    def save_all(self, wanted: Iterable[str]) -> None:
        """Save the recordings of these lines, and add a row to the index for each line."""
        known: dict[tuple[str, str | None], dict[str, Any]] = {}
        for day, record_id, raw in map(json.loads, wanted):
            folder = f"date={day}" if day else FOLDER
            row = known.get((folder, record_id))
            if row is None or record_id is None:
                row = known[folder, record_id] = self._save(folder, record_id)
                self.counts[row["state"]] += 1
                self.counts["bytes"] += row.get("bytes", 0)
            self._dataset.add({**row, "record_id": record_id, "raw": raw}, day and date.fromisoformat(day))
            self._progress.add(recordings=1)

    def _save(self, folder: str, record_id: str | None) -> dict[str, Any]:
        """Return the index row of a recording, which is downloaded if it is not saved yet."""
        if record_id is None or not re.fullmatch(RECORD_ID, record_id):
            reason = "the call's row has no id of a recording that could be requested"
            return {"state": "unreadable", "reason": reason}
        if not self._refetch and (saved := self._store.find(folder, record_id)):
            return saved
        try:
            row = self._store.put(folder, record_id, *self._download(record_id))
        except TelecomRejectedError as error:
            if error.code is None:
                raise  # not from SunSim: it says nothing about this recording
            return {"state": "missing", "reason": _reason(error)}
        except RecordingError as error:
            return {"state": "unreadable", "reason": _reason(error)}
        self.counts["fetched"] += 1
        return row

    def _download(self, record_id: str) -> tuple[Path, dict[str, Any]]:
        response, file = self._dataset.spool / "response", self._dataset.spool / "recording.mp3"
        self._hook.download_call_record_file(record_id, self._progress.counting(response))
        with response.open("rb") as source, file.open("wb") as sink:
            found = decode(source, sink)
        return file, {"bytes": found.size, "sha256": found.sha256, "vendor_file_name": found.file_name}


def _reason(error: TelecomError) -> str:
    return f"{error.text} (vendor code {error.code})" if error.code else error.text
