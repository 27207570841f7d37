"""Call lists and recordings of SunSim to object storage."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.checks import encodable, matching, one_of
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomRejectedError,
)
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.sunsim_calls import (
    CallFilterArguments,
    CallListArguments,
    CallListOperator,
    run_of,
)

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
    from airflow_provider_telecom.transfers.recording_store import RecordingStore

    Parts = Mapping[date | None, Part]

_FOLDER = "recordings"


class SunSimCallsToObjectStorageOperator(CallListOperator):
    """Bring the calls of numbers of the contract, each once, to `date=YYYY-MM-DD/calls.jsonl`.

    Days are those of the vendor's clocks; each is asked for on its own. A call appears in the vendor's list
    only when it has ended. So load each day again the night after: an interval of yesterday and the day
    before replaces both, with calls that were under way at midnight.

    The document shows none of a row's fields but the recording's id. So the columns are assumed, and what is
    not understood is empty; `raw` always holds the row as it came. A row that tells a time outside of the day
    that was asked for cannot be read: the time or the day is not what we take it for. One that tells none,
    and stands in the lists of two neighbouring days, is one.

    The files of all calls are called `calls`; with filters the name gets a mark, since some of a day's calls
    must not replace all of them. Nor must some numbers' calls replace those of others: a load that lacks
    numbers whose calls stand there is refused. So numbers that different tasks load take a `path` each.

    :param numbers: numbers of the contract, in any common form.
    :param start: the interval's start, at most one month ago: a datetime, or its ISO 8601 text; aware with
        `vendor_timezone` in the connection's extra, without it naive, by the vendor's clocks. To the second.
    :param end: its end, not included, at most one month after the start.
    :param direction: `outgoing` or `incoming` calls only.
    :param duration_from_seconds: only calls of so many seconds or more.
    :param duration_to_seconds: only calls of so many seconds or less.
    :param only_recorded: only calls with a recording.
    :param is_read: only voice mail that was (True) or was not (False) listened to.

    The XCom has `windows`, how many requests were made, besides what all have.

    Raises TelecomInputError (interval, numbers, target), TelecomAuthError, TelecomRejectedError (a number
    that is not on the contract), TelecomAnswerError (rows that cannot be read). Reads only: nothing is paid
    for. Source: "POST /api/v1/request/getcalllist" of the vendor's document.
    """

    dataset_name = "calls"

    def __init__(
        self,
        *,
        numbers: Sequence[str],
        start: datetime | str,
        end: datetime | str,
        only_recorded: bool = False,
        **kwargs: Unpack[CallFilterArguments],
    ) -> None:
        super().__init__(numbers=numbers, start=start, end=end, **kwargs)
        self.only_recorded = one_of("only_recorded", only_recorded, (True, False))

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the interval."""
        from airflow_provider_telecom.transfers.parts import parts_by_day
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
        from airflow_provider_telecom.vendors.sunsim.schema import COLUMNS

        start, end = self._interval()
        filters = {**self._chosen(), **({"only_recorded": True} if self.only_recorded else {})}
        self._name_data_set(filters)
        parts = parts_by_day(start, end, None)
        progress = ProgressLogger(self.log, windows=len(parts))
        with self._open_dataset(COLUMNS, parts, run_of(start, end), self._marks()) as dataset:
            self._list(dataset, parts, progress, lambda day, row: dataset.add(row, day), **filters)
            summary = dataset.publish()
        return self._emit_asset_event(context, {**summary, "windows": len(parts)})


class SunSimRecordingsToObjectStorageOperator(CallListOperator):
    """Bring recordings of calls to `date=YYYY-MM-DD/recording-<hash>.mp3`, with an index `recordings.jsonl`.

    Give `record_ids`, or `numbers`, `start` and `end`: then the recorded calls of the interval are listed
    first, as `SunSimCallsToObjectStorageOperator` does, and `date` is the call's day by the vendor's clocks.
    Recordings by `record_ids` go to the folder `recordings`. The hash is the SHA-256 of the recording's id;
    nothing that the vendor sends becomes part of a path. The vendor's file name is a text in the index.

    A recording that stands there already, whole, is not fetched again: so a retry goes on where the try
    before it stopped, and a daily load fetches what is new. Those that the vendor does not have, and those
    that are no MP3 file in strict base64 of at most 200 MB, are told in the index. An answer that is not
    SunSim's, such as the error page of a gateway, says nothing of a recording and fails the task.

    :param record_ids: ids of recordings (`callRecordId` of call lists): a list, its JSON text, or an XCom.
    :param numbers: numbers of the contract, in any common form.
    :param start: the interval's start, at most one month ago: a datetime, or its ISO 8601 text; aware with
        `vendor_timezone` in the connection's extra, without it naive, by the vendor's clocks. To the second.
    :param end: its end, not included, at most one month after the start.
    :param direction: of `outgoing` or `incoming` calls only.
    :param duration_from_seconds: of calls of so many seconds or more only.
    :param duration_to_seconds: of calls of so many seconds or less only.
    :param is_read: of voice mail that was (True) or was not (False) listened to only.
    :param refetch: fetch recordings again that stand there already.
    :param on_missing: `report` (default) recordings that are missing or unreadable in index and XCom, or
        `fail`, once all others are saved and the index is written.

    The XCom has `saved` (how many stand there now), `fetched` (how many of them came just now), `missing`,
    `unreadable`, and `bytes` of the saved, besides what all have; `rows` and `files` are the index's.

    Raises TelecomInputError (interval, numbers, ids, target), TelecomAuthError, TelecomRejectedError (a
    number that is not on the contract; `on_missing`), TelecomAnswerError (rows that cannot be read). Reads
    only: nothing is paid for. Source: "GET /api/v1/request/getcallrecordfile" of the vendor's document, whose
    heading is lost.
    """

    template_fields: Sequence[str] = (*CallListOperator.template_fields, "record_ids")
    dataset_name = "recordings"

    def __init__(
        self,
        *,
        record_ids: Sequence[str] | str | None = None,
        refetch: bool = False,
        on_missing: str = "report",
        **kwargs: Unpack[CallListArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.record_ids = record_ids
        self.refetch = one_of("refetch", refetch, (True, False))
        self.on_missing = one_of("on_missing", on_missing, ("report", "fail"))
        interval = [self.numbers, self.start, self.end]
        if (record_ids is None) == (None in interval) or (record_ids is not None and any(interval)):
            raise TelecomInputError("record_ids", "or numbers, start and end must be given")
        check_if_literal(record_ids, _ids)

    def execute(self, context: Context) -> dict[str, Any]:
        """Save the recordings, and write the index."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
        from airflow_provider_telecom.transfers.recording_store import RecordingStore
        from airflow_provider_telecom.vendors.sunsim.schema import RECORDINGS

        ids = None if self.record_ids is None else _ids(self.record_ids)
        parts, run = self._parts_of_days() if ids is None else self._part_of(ids)
        marks = self._marks() if ids is None else ()
        with self._open_dataset(RECORDINGS, parts, run, marks) as dataset:
            wanted = dataset.spool / "wanted"
            if ids is None:
                self._write_down(dataset, parts, wanted)
            else:
                wanted.write_text("".join(_line(None, one, None) for one in ids))
            progress = ProgressLogger(self.log, recordings=_lines_in(wanted))
            counts = self._save_all(dataset, RecordingStore(dataset.root, dataset.spool), wanted, progress)
            summary = {**dataset.publish(), **counts}
        self._mind_the_missing(counts)
        return self._emit_asset_event(context, summary)

    def _parts_of_days(self) -> tuple[Parts, str]:
        from airflow_provider_telecom.transfers.parts import parts_by_day

        start, end = self._interval()
        self._name_data_set(self._chosen())
        return parts_by_day(start, end, None), run_of(start, end)

    def _part_of(self, ids: Sequence[str]) -> tuple[Parts, str]:
        """The index of these ids has a name of its own: another list of ids must not replace it."""
        from airflow_provider_telecom.transfers.parts import Part

        self.dataset_name = f"{type(self).dataset_name}-{fingerprint(sorted(ids))[:12]}"
        return {None: Part(_FOLDER)}, "ids"

    def _write_down(self, dataset: Dataset, parts: Parts, wanted: Path) -> None:
        """List the calls before anything is fetched."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

        with wanted.open("w", encoding="utf-8") as lines:

            def take(day: date, row: Mapping[str, Any]) -> None:
                encodable("row", row["raw"])
                lines.write(_line(day, row["record_id"], row["raw"]))

            progress = ProgressLogger(self.log, windows=len(parts))
            self._list(dataset, parts, progress, take, **self._chosen(), only_recorded=True)

    def _save_all(
        self, dataset: Dataset, shelf: RecordingStore, wanted: Path, progress: ProgressLogger
    ) -> Counter[str]:
        """Save what is not there yet, a row of the index for each; return how many came to what."""
        counts = Counter(dict.fromkeys(("saved", "fetched", "missing", "unreadable", "bytes"), 0))
        known: dict[tuple[str, str | None], dict[str, Any]] = {}
        with wanted.open(encoding="utf-8") as lines:
            for day, record_id, raw in map(json.loads, lines):
                folder = f"date={day}" if day else _FOLDER
                row = known.get((folder, record_id))
                if row is None or record_id is None:
                    row = known[folder, record_id] = self._saved(shelf, folder, record_id, progress, counts)
                    counts[row["state"]] += 1
                    counts["bytes"] += row.get("bytes", 0)
                dataset.add({**row, "record_id": record_id, "raw": raw}, day and date.fromisoformat(day))
                progress.add(recordings=1)
        return counts

    def _saved(
        self,
        shelf: RecordingStore,
        folder: str,
        record_id: str | None,
        progress: ProgressLogger,
        counts: Counter[str],
    ) -> dict[str, Any]:
        """Return what the index says of a recording, which is fetched if it does not stand there."""
        from airflow_provider_telecom.vendors.sunsim.arguments import RECORD_ID
        from airflow_provider_telecom.vendors.sunsim.recording_decoder import RecordingError

        if record_id is None or not re.fullmatch(RECORD_ID, record_id):
            reason = "the call's row has no id of a recording that could be asked for"
            return {"state": "unreadable", "reason": reason}
        if not self.refetch and (standing := shelf.find(folder, record_id)):
            return standing
        try:
            saved = shelf.put(folder, record_id, *self._fetched(record_id, shelf.spool, progress))
        except TelecomRejectedError as error:
            if error.code is None:
                raise  # not the vendor's words: they say nothing of this recording
            return {"state": "missing", "reason": _reason(error)}
        except RecordingError as error:
            return {"state": "unreadable", "reason": _reason(error)}
        counts["fetched"] += 1
        return saved

    def _fetched(self, record_id: str, spool: Path, progress: ProgressLogger) -> tuple[Path, dict[str, Any]]:
        from airflow_provider_telecom.vendors.sunsim.recording_decoder import decode

        answer, file = spool / "answer", spool / "recording.mp3"
        self.hook.download_call_record_file(record_id, progress.counting(answer))
        with answer.open("rb") as source, file.open("wb") as sink:
            found = decode(source, sink)
        return file, {"bytes": found.size, "sha256": found.sha256, "vendor_file_name": found.file_name}

    def _mind_the_missing(self, counts: Mapping[str, int]) -> None:
        if self.on_missing == "fail" and (counts["missing"] or counts["unreadable"]):
            raise TelecomRejectedError(
                f"{counts['missing']} recordings are missing and {counts['unreadable_response']} unreadable; "
                f"{counts['saved']} are saved, and the index names all of them"
            )


def _ids(value: Any) -> list[str]:
    """Return ids of recordings, each once. Raises TelecomInputError."""
    from airflow_provider_telecom.vendors.sunsim.arguments import RECORD_ID

    rule = "must be a list of ids, or its JSON text"
    try:
        found = json.loads(value) if isinstance(value, str) else list(value)
    except (TypeError, ValueError, RecursionError):
        raise TelecomInputError("record_ids", rule) from None
    if not isinstance(found, list):
        raise TelecomInputError("record_ids", rule)
    each = "entry {} must be 1 to 64 of the characters A-Z a-z 0-9 and -"
    for number, one in enumerate(found, 1):
        matching("record_ids", one, RECORD_ID, each.format(number))
    return list(dict.fromkeys(found))


def _line(day: date | None, record_id: str | None, raw: str | None) -> str:
    return json.dumps([day and day.isoformat(), record_id, raw]) + "\n"


def _lines_in(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)


def _reason(error: TelecomError) -> str:
    return f"{error.text} (vendor code {error.code})" if error.code else error.text
