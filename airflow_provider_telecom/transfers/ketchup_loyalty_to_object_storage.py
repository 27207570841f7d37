"""Detailed statistics of KetchUp Loyalty, a record a message, to object storage."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Unpack, get_args

from airflow_provider_telecom.calls.checks import one_of, parse_datetime
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.reference import fingerprint
from airflow_provider_telecom.operators.ketchup_loyalty.exports import (
    STAT_FILE,
    ExportArguments,
    KetchUpCreateStatExportOperator,
    delete_export,
)
from airflow_provider_telecom.tasks.arguments import JournaledArguments, PollArguments
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import RecordsArguments, RecordsOperator
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments

if TYPE_CHECKING:
    from pathlib import Path

    from airflow.sdk import Context

    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
    from airflow_provider_telecom.triggers.polling import PollEvent

Format = Literal["csv", "json", "xml"]
FORMATS: tuple[Format, ...] = get_args(Format)
_NO_SUCH_IDS = "60"
_INTERVAL = ("time_in_from", "time_in_to")
_LOADED = "loaded"
_SECOND = timedelta(seconds=1)
_SLOWLY = 100_000


class StatsArguments(ExportArguments, RecordsArguments, JournaledArguments, PollArguments):
    """The parameters of the bases of `KetchUpStatsToObjectStorageOperator`."""


class KetchUpStatsToObjectStorageOperator(RecordsOperator, KetchUpCreateStatExportOperator):
    """Bring the detailed statistics of messages to `date=YYYY-MM-DD/messages.jsonl`.

    The task orders an export, waits for its file, downloads and reads it, puts the files in place and deletes
    the export: an account has places for five. It is ordered once, as `KetchUpCreateStatExportOperator` does
    it, whose filters, `on_full`, `own_file_keys`, `dedupe_key` and ways of waiting it has; it always waits.
    An export is a picture of the moment when it was ordered: statuses change later, so load a day again
    when its receipts have come. A task that was cleared after its success orders a new one.

    Days are those of "Incoming date", by the vendor's own clocks, and so are the bounds in files' names.
    `time_in_from` and `time_in_to` are both included, to the second: `T23:59:59` ends a whole day. A message
    outside of the interval is a bad row, since no file is its own. Days without messages are files without
    rows. Messages by `message_ids` are one file in the folder itself, `messages_<hash>.jsonl`, and so is an
    export by `file_key` without an interval.

    Any filter makes another data set, with files of its own that never replace those of the whole: with a
    `message_type` they are `messages_sms.jsonl`, with any others `messages_<hash>.jsonl` or
    `messages_sms_<hash>.jsonl`. Who reads all files of a folder then counts messages twice: read by name.

    An SMS that went out in place of a Viber message is a message of its own, with an id and a price, and the
    vendor nests it in the other's record. It stays there (`alternative_sms`, and columns for its id, price,
    currency and status) and is no row: what was paid is the sum of `price` and `alternative_sms_price`.

    :param file_key: an export that somebody else has ordered, and best waited for as well, in place of one of
        our own. Any filters then say what it was ordered with, and name the files.
    :param source_format: in which format the file is asked for: `csv` (only with a `message_type`, and the
        default with one), `json` or `xml`. The document's own sample of JSON is no JSON: if that is what
        comes, ask for another.
    :param delete_export: whether to delete the export when its records are in place. By default one that
        this task ordered is, and one by `file_key` is not. One that is kept is read again by a cleared task.

    The XCom has `file_key` and `empty` (the export has no rows), besides what all have.

    Raises TelecomInputError, TelecomRejectedError (80 to 86: a filter; 92: no place), TelecomNotFoundError
    (90: no such export, they live a month; it is borne while `tolerated_errors` last; 60: none of the ids),
    TelecomAnswerError (records that cannot be read; the export is kept, and the next try reads it again),
    TelecomUnknownError. Nothing is paid for.
    Source: "Детальная статистика сообщений" of the vendor's document.
    """

    template_fields: Sequence[str] = (
        *KetchUpCreateStatExportOperator.template_fields,
        *("path", "storage_conn_id", "file_key"),
    )
    dataset_name = "messages"

    fixed_parameters: ClassVar[tuple[str, ...]] = ("wait_for_completion",)
    """A transfer always waits."""

    def __init__(
        self,
        *,
        file_key: str | None = None,
        source_format: Format | None = None,
        delete_export: bool | None = None,
        **kwargs: Unpack[StatsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.file_key = file_key
        self.source_format = one_of("source_format", source_format, (*FORMATS, None))
        self.delete_export = one_of("delete_export", delete_export, (True, False, None))
        check_if_literal(file_key, arguments.check_file_key)
        self._check_which()

    def _check_which(self) -> None:
        """Check what can be known before anything is rendered, and again after that."""
        if self.source_format == "csv" and self.message_type is None and self.file_key is None:
            raise TelecomInputError("source_format", "csv needs a message_type; ask for json or xml")
        given = [name for name in _INTERVAL if getattr(self, name) is not None]
        if self.message_ids is None and len(given) < 2 and (given or self.file_key is None):
            missing = next(name for name in _INTERVAL if name not in given)
            raise TelecomInputError(missing, "must be given, or message_ids, or file_key")

    def execute(self, context: Context) -> dict[str, Any]:
        """Order an export if need be, wait for it, and load it."""
        with self._opened():
            pass  # where nothing can be written, no export takes a place
        key = self._own_key(context) if self.file_key is None else arguments.check_file_key(self.file_key)
        if (found := self._at_once(context, key)) is not None:
            return found
        self.wait_for_completion = True  # which the base asks; nobody else may
        with self._cleared_if_vain(context):
            self._wait_if_requested({"file_key": key}, STAT_FILE, {"file_key": key})
        return self._loaded(context, key)

    def execute_complete(self, context: Context, event: PollEvent) -> dict[str, Any]:
        """Load what the triggerer has seen to be ready."""
        with self._cleared_if_vain(context):
            ready = super().execute_complete(context, event)
        return self._loaded(context, ready["file_key"])

    def _own_key(self, context: Context) -> str:
        """Return the key of this task's export: one that an earlier try ordered, if it is still there."""
        earlier = self._earlier_entry(context)
        if earlier and earlier.state is State.DONE and self._is_gone(earlier.facts["file_key"]):
            self.log.info("The export that an earlier try ordered is gone; another one is ordered")
            self._forget_export(context)
        key: str = self._export(context)["file_key"]
        return key

    def _is_gone(self, key: str) -> bool:
        from airflow_provider_telecom.vendors.ketchup_loyalty.status import stat_file

        try:
            self.hook.run(stat_file(self.hook, key))
        except TelecomNotFoundError as error:
            return error.code != _NO_SUCH_IDS
        return False

    def _at_once(self, context: Context, key: str) -> dict[str, Any] | None:
        """Load an export whose file is there already; None if it has to be waited for.

        A new one may not be there at all for a moment. Waiting bears that, and raises what lasts.
        """
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpNotReadyError

        try:
            with self._cleared_if_vain(context):
                return self._loaded(context, key)
        except KetchUpNotReadyError:
            return None
        except TelecomNotFoundError as error:
            if error.code == _NO_SUCH_IDS:
                raise
        done = Journal(context["task_state_store"]).read(_LOADED)
        if done is None or done.body != self._where(key):
            return None
        self.log.info("An earlier try has loaded this export, and deleted it")
        return self._emit_asset_event(context, dict(done.facts))

    @contextmanager
    def _cleared_if_vain(self, context: Context) -> Iterator[None]:
        """Give back the place of an export of our own that will never have a file: there are no such ids."""
        try:
            yield
        except TelecomNotFoundError as error:
            ours = self._earlier_entry(context) if self.file_key is None else None
            if ours and error.code == _NO_SUCH_IDS:
                self._clear(context, ours.facts["file_key"])
            raise

    def _loaded(self, context: Context, key: str) -> dict[str, Any]:
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

        progress = ProgressLogger(self.log)
        with self._opened() as (dataset, wanted):
            file = dataset.spool / "export"
            size = self.hook.download_statistics(key, progress.counting(file), self._format())
            if size:
                self._read(dataset, wanted, file, progress)
            summary = dataset.publish()
        facts = {**summary, "file_key": key, "empty": not (summary["rows"] or summary["bad_rows"])}
        if self.delete_export or (self.delete_export is None and self.file_key is None):
            if self.file_key is not None:  # the next try, if this one is killed, will not find it
                entry = Entry(State.DONE, self._where(key), facts)
                Journal(context["task_state_store"]).write(_LOADED, entry)
            self._clear(context, key)
        return self._emit_asset_event(context, facts)

    def _clear(self, context: Context, key: str) -> None:
        with suppress(TelecomNotFoundError):  # an earlier try was faster
            delete_export(self.hook, key)
        if self.file_key is None:
            self._forget_export(context)

    def _where(self, key: str) -> str:
        """Return what tells this loading of an export from that to another place."""
        return fingerprint([key, self.path, self.output_format, self.csv_safe, self._given_filters()])

    def _read(self, dataset: Dataset, wanted: _Wanted, file: Path, progress: ProgressLogger) -> None:
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import iter_records

        counted = "line" if self._format() == "csv" else "record"
        take = partial(_take, dataset, wanted, self._zone(), self.hook.options.default_region)
        with file.open("rb") as export:
            for number, record in iter_records(export, self._format()):
                take(f"{counted} {number}", record)
                progress.add(rows=1)

    def _format(self) -> Format:
        return self.source_format or ("json" if self.message_type is None else "csv")

    def _zone(self) -> Any:
        import pendulum

        name = self.hook.options.vendor_timezone
        return None if name is None else pendulum.timezone(name)

    @contextmanager
    def _opened(self) -> Iterator[tuple[Dataset, _Wanted]]:
        """Give the data set, and what belongs there. Raises TelecomInputError."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.schema import COLUMNS

        self._check_which()
        wanted = self._wanted()
        self.dataset_name = wanted.name
        with self._open_dataset(COLUMNS, wanted.parts(), wanted.run) as dataset:
            yield dataset, wanted

    def _wanted(self) -> _Wanted:
        filters = self._chosen_canonical()
        bounds = self._bounds(filters)
        for name in (*_INTERVAL, "callback_url"):
            filters.pop(name, None)
        kind = filters.pop("message_type", None)
        one_of("message_type", kind, (*arguments.MESSAGE_TYPES, None))  # it goes into a path
        if not bounds and "message_ids" not in filters:
            filters = {"file_key": self.file_key}
        names = [type(self).dataset_name, *([kind] if kind else []), *([_mark(filters)] if filters else [])]
        return _Wanted("_".join(names), *bounds)

    def _chosen_canonical(self) -> dict[str, Any]:
        """Return the filters that are given, those alike written alike."""
        filters = self._given_filters()
        if "msisdns" in filters:
            filters["msisdns"] = sorted(set(self._numbers("msisdns")))
        if "message_ids" in filters:
            filters["message_ids"] = sorted(set(filters["message_ids"]))
        if "operator_id" in filters:
            filters["operator_id"] = str(filters["operator_id"])
        return filters

    def _bounds(self, filters: Mapping[str, Any]) -> Sequence[datetime]:
        """Return both ends of the interval by the vendor's clocks, to the second; nothing without one."""
        from airflow_provider_telecom.vendors.times import inclusive_local_period

        if not all(name in filters for name in _INTERVAL):
            return ()
        start, end = (parse_datetime(name, getattr(self, name)) for name in _INTERVAL)
        ends = inclusive_local_period(_INTERVAL, start, end, self.hook.options.vendor_timezone)
        return [datetime.fromisoformat(f"{one:%Y-%m-%d %H:%M:%S}") for one in ends]


@dataclass(frozen=True)
class _Wanted:
    """What a data set is called and, of an interval, its ends by the vendor's clocks, both included."""

    name: str
    first: datetime | None = None
    last: datetime | None = None

    @property
    def run(self) -> str:
        """What is loaded, in letters, digits and -."""
        if self.first is None:
            return "export"
        return f"{self.first:%Y%m%dT%H%M%S}-{self.last:%Y%m%dT%H%M%S}"

    def parts(self) -> Mapping[date | None, Part]:
        from airflow_provider_telecom.transfers.parts import Part, parts_by_day

        if self.first is None or self.last is None:
            return {None: Part("")}
        return parts_by_day(self.first, self.last + _SECOND, None)

    def day_of(self, row: Mapping[str, Any]) -> date | None:
        """Return the day whose file a row belongs to. Raises TelecomInputError."""
        if self.first is None or self.last is None:
            return None
        if row["incoming_date"] is None:
            raise TelecomInputError("incoming_date", "is missing")
        incoming = datetime.fromisoformat(row["incoming_date"])
        if not self.first <= incoming <= self.last:
            raise TelecomInputError("incoming_date", "is not in the interval that was asked for")
        return incoming.date()


def _take(dataset: Dataset, wanted: _Wanted, zone: Any, region: str, place: str, record: Any) -> None:
    from airflow_provider_telecom.calls.rows import BadRow
    from airflow_provider_telecom.vendors.columns import json_text
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import to_row

    if isinstance(record, BadRow):
        dataset.add_bad_row(place, record.reason, record.raw)
        return
    try:
        row = to_row(record, zone, region)
        dataset.add(row, wanted.day_of(row))
    except TelecomInputError as error:
        dataset.add_bad_row(place, error.text, json_text(record))


def _mark(filters: Mapping[str, Any]) -> str:
    """Return a few characters for filters, found slowly: of a quick hash somebody could find the numbers."""
    text = json.dumps(filters, sort_keys=True, default=str)
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"telecom", _SLOWLY).hex()[:12]
