"""Call lists and recordings of SunSim to object storage."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.checks import encodable, one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.sunsim_calls import (
    CallFilterArguments,
    CallListArguments,
    CallListOperator,
    run_name,
)
from airflow_provider_telecom.vendors.sunsim import arguments

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part

    Parts = Mapping[date | None, Part]


class SunSimCallsToObjectStorageOperator(CallListOperator):
    """Load the calls of numbers of the contract, each once, to `date=YYYY-MM-DD/calls.jsonl`.

    Days are those of the vendor's zone, with one request per day. A call appears in the vendor's list when it
    has ended. So load each day again the next night: an interval of the last two days replaces both, with
    calls that lasted over midnight.

    The document shows only one field of a row: the recording's id. So the columns are assumed. A value that
    cannot be read is empty; `raw` always has the complete row. A row with a time outside of the requested day
    is invalid: the time or the day is not what we take it for. A row without a time that is in the lists of
    two neighbouring days counts once.

    The files with all calls are called `calls`. With filters the name is extended, since some calls of a day
    must not replace all of them. A load without numbers whose calls are in a file is refused for the same
    reason. So tasks that load different numbers need different `path`s.

    :param numbers: numbers of the contract, in any common form.
    :param start: the interval's start, at most one month ago: a date (the beginning of the day in the
        vendor's zone), a datetime, or the ISO 8601 text of either, such as `{{ ds }}`. A datetime is aware
        with `vendor_timezone` in the connection's extra, and otherwise naive, in the vendor's zone.
    :param end: its end, at most one month after the start: a date, whose whole day is included, or a
        datetime, which is not.
    :param direction: `outgoing` or `incoming` calls only.
    :param duration_from_seconds: only calls of at least so many seconds.
    :param duration_to_seconds: only calls of at most so many seconds.
    :param only_recorded: only calls with a recording.
    :param is_read: only voice mail that was (True) or was not (False) listened to.

    The XCom also has `windows`, the number of requests.

    Raises TelecomInputError (interval, numbers, target), TelecomAuthError, TelecomRejectedError (a number
    that is not on the contract), TelecomAnswerError (invalid rows). Reads only: it costs nothing. Source:
    "POST /api/v1/request/getcalllist" of the vendor's document.
    """

    dataset_name = "calls"

    def __init__(
        self,
        *,
        numbers: Sequence[str],
        start: date | datetime | str,
        end: date | datetime | str,
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
        filters = self.filters
        if self.only_recorded:
            filters = {**filters, "only_recorded": True}
        self._set_dataset_name(filters)
        parts = parts_by_day(start, end, None)
        progress = ProgressLogger(self.log, windows=len(parts))
        with self._open_dataset(COLUMNS, parts, run_name(start, end), self._number_hashes()) as dataset:
            self._list_calls(dataset, parts, progress, lambda day, row: dataset.add(row, day), filters)
            summary = dataset.publish()
        return self._emit_asset_event(context, {**summary, "windows": len(parts)})


class SunSimRecordingsToObjectStorageOperator(CallListOperator):
    """Load recordings of calls to `date=YYYY-MM-DD/recording-<hash>.mp3`, with an index `recordings.jsonl`.

    Give `record_ids`, or `numbers`, `start` and `end`. In the second case the recorded calls of the interval
    are listed first, as by `SunSimCallsToObjectStorageOperator`, and `date` is the call's day in the vendor's
    zone. Recordings by `record_ids` go to the folder `recordings`. The hash is the SHA-256 of the recording's
    id: no text of the vendor becomes part of a path. The vendor's file name is a text in the index.

    A complete recording that exists already is not downloaded again: so a retry continues where the previous
    try stopped, and a daily load downloads new recordings only. The index also names recordings that the
    vendor does not have, and those that are not an MP3 file in strict base64 of at most 200 MB. A response
    that is not SunSim's, such as the error page of a gateway, fails the task.

    :param record_ids: ids of recordings (`callRecordId` of call lists): a list, its JSON text, or an XCom.
    :param numbers: numbers of the contract, in any common form.
    :param start: the interval's start, at most one month ago: a date (the beginning of the day in the
        vendor's zone), a datetime, or the ISO 8601 text of either, such as `{{ ds }}`. A datetime is aware
        with `vendor_timezone` in the connection's extra, and otherwise naive, in the vendor's zone.
    :param end: its end, at most one month after the start: a date, whose whole day is included, or a
        datetime, which is not.
    :param direction: only of `outgoing` or `incoming` calls.
    :param duration_from_seconds: only of calls of at least so many seconds.
    :param duration_to_seconds: only of calls of at most so many seconds.
    :param is_read: only of voice mail that was (True) or was not (False) listened to.
    :param refetch: download existing recordings again.
    :param on_missing: `report` (default) missing and unreadable recordings in the index and the XCom, or
        `fail` after all others are saved and the index is written.

    The XCom also has `saved` (recordings that exist now), `fetched` (downloaded by this run), `missing`,
    `unreadable`, and `bytes` of the saved recordings; `rows` and `files` are those of the index.

    Raises TelecomInputError (interval, numbers, ids, target), TelecomAuthError, TelecomRejectedError (a
    number that is not on the contract; `on_missing`), TelecomAnswerError (invalid rows). Reads only: it costs
    nothing. Source: "GET /api/v1/request/getcallrecordfile" of the vendor's document, whose heading is
    missing.
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
        check_if_literal(record_ids, _record_ids)

    def execute(self, context: Context) -> dict[str, Any]:
        """Save the recordings, and write the index."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
        from airflow_provider_telecom.transfers.sunsim_recordings import RecordingLoader, wanted_line
        from airflow_provider_telecom.vendors.sunsim.schema import RECORDINGS

        ids = None if self.record_ids is None else _record_ids(self.record_ids)
        parts, run = self._parts_by_day() if ids is None else self._single_part(ids)
        hashes = self._number_hashes() if ids is None else ()
        with self._open_dataset(RECORDINGS, parts, run, hashes) as dataset:
            wanted = dataset.spool / "wanted"
            if ids is None:
                self._list_recordings(dataset, parts, wanted)
            else:
                wanted.write_text("".join(wanted_line(None, one, None) for one in ids))
            progress = ProgressLogger(self.log, recordings=_count_lines(wanted))
            loader = RecordingLoader(self.hook, dataset, progress, self.refetch)
            with wanted.open(encoding="utf-8") as lines:
                loader.save_all(lines)
            summary = {**dataset.publish(), **loader.counts}
        self._fail_if_missing(loader.counts)
        return self._emit_asset_event(context, summary)

    def _parts_by_day(self) -> tuple[Parts, str]:
        from airflow_provider_telecom.transfers.parts import parts_by_day

        start, end = self._interval()
        self._set_dataset_name(self.filters)
        return parts_by_day(start, end, None), run_name(start, end)

    def _single_part(self, ids: Sequence[str]) -> tuple[Parts, str]:
        """Return the part for a list of ids. Its index must not replace the index of another list."""
        from airflow_provider_telecom.transfers.parts import Part
        from airflow_provider_telecom.transfers.sunsim_recordings import FOLDER

        self.dataset_name = f"{type(self).dataset_name}-{fingerprint(sorted(ids))[:12]}"
        return {None: Part(FOLDER)}, "ids"

    def _list_recordings(self, dataset: Dataset, parts: Parts, wanted: Path) -> None:
        """Write the recorded calls to the file `wanted`, before any recording is downloaded."""
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
        from airflow_provider_telecom.transfers.sunsim_recordings import wanted_line

        with wanted.open("w", encoding="utf-8") as lines:

            def add(day: date, row: Mapping[str, Any]) -> None:
                encodable("row", row["raw"])
                lines.write(wanted_line(day, row["record_id"], row["raw"]))

            progress = ProgressLogger(self.log, windows=len(parts))
            self._list_calls(dataset, parts, progress, add, {**self.filters, "only_recorded": True})

    def _fail_if_missing(self, counts: Mapping[str, int]) -> None:
        if self.on_missing == "fail" and (counts["missing"] or counts["unreadable"]):
            raise TelecomRejectedError(
                f"{counts['missing']} recordings are missing and {counts['unreadable']} unreadable; "
                f"{counts['saved']} are saved, and the index names all of them"
            )


def _record_ids(value: object) -> list[str]:
    """Return ids of recordings, each once. Raises TelecomInputError."""
    try:
        found = json.loads(value) if isinstance(value, str) else list(value)  # type: ignore[call-overload]
    except (TypeError, ValueError, RecursionError):
        found = None
    if not isinstance(found, list):
        raise TelecomInputError("record_ids", "must be a list of ids, or its JSON text")
    ids = [arguments.record_id(one, "record_ids", f"entry {number} ") for number, one in enumerate(found, 1)]
    return list(dict.fromkeys(ids))


def _count_lines(file: Path) -> int:
    with file.open("rb") as lines:
        return sum(1 for _ in lines)
