"""Detailed statistics of KetchUp Loyalty to object storage: one record for each message."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo
from typing import IO, TYPE_CHECKING, Any, ClassVar, Literal, Unpack, get_args

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.journal.idempotency_keys import fingerprint
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.unknown import Facts
from airflow_provider_telecom.operators.ketchup_loyalty.exports import (
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

    from airflow_provider_telecom.calls.rows import BadRow
    from airflow_provider_telecom.transfers.columnar import Choice, Columns
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.parts import Part
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
    from airflow_provider_telecom.triggers.polling import PollEvent
    from airflow_provider_telecom.vendors.ketchup_loyalty.schema import Record, Row

Format = Literal["csv", "json", "xml"]
FORMATS: tuple[Format, ...] = get_args(Format)
_NO_SUCH_IDS = "60"
_INTERVAL = ("time_in_from", "time_in_to")
_LOADED = "loaded"
_SECOND = timedelta(seconds=1)
_HASH_ROUNDS = 100_000


class StatsArguments(ExportArguments, RecordsArguments, JournaledArguments, PollArguments):
    """The parameters of the bases of `KetchUpStatsToObjectStorageOperator`."""


class KetchUpStatsToObjectStorageOperator(RecordsOperator, KetchUpCreateStatExportOperator):
    """Load the detailed statistics of messages into `date=YYYY-MM-DD/messages.jsonl`.

    The task requests an export, waits for its file, downloads and reads it, puts the files in place and
    deletes the export, since an account has five places. The export is requested once, as
    `KetchUpCreateStatExportOperator` does it. It has the statuses of the moment of the request: they change
    later, so load a day again when its receipts have come. A task that is cleared after its success requests
    a new export.

    Days are those of "Incoming date", in the vendor's local time, and so are the bounds in files' names.
    `time_in_from` and `time_in_to` are both included, to the second: a date or `T23:59:59` ends a whole day.
    A message outside of the interval is a bad row, since it belongs to no file. Days without messages are
    files without rows. Messages by `message_ids` are one file in the folder itself, `messages_<hash>.jsonl`,
    and so is an export by `file_key` without an interval.

    Any filter makes another data set, whose files never replace those of the whole: with a `message_type`
    they are `messages_sms.jsonl`, with any others `messages_<hash>.jsonl` or `messages_sms_<hash>.jsonl`.
    Read the files by name: all files of a folder together contain messages twice.

    An SMS that was sent in place of a Viber message is a message with its own id and price, and the vendor
    nests it in the other's record. It stays there (`alternative_sms`, and columns for its id, price, currency
    and status) and is not a row: the amount paid is the sum of `price` and `alternative_sms_price`.

    :param file_key: an export that somebody else has requested, in place of a new one; wait for it first. Any
        filters then say what it was requested with, and name the files.
    :param source_format: the format of the downloaded file: `csv` (only with a `message_type`, and the
        default with one), `json` or `xml`. The document's own sample of JSON is not JSON: if KetchUp sends
        that, use another format.
    :param delete_export: whether to delete the export when its records are in place. By default one that
        this task requested is, and one by `file_key` is not. A cleared task reads a kept export again.

    The XCom has `file_key` and `empty` (the export has no rows), besides the common fields.

    Raises TelecomInputError, TelecomRejectedError (80 to 86: a filter; 92: no place), TelecomNotFoundError
    (90: no such export, they live a month; ignored while `tolerated_errors` last; 60: none of the ids),
    TelecomAnswerError (records that can't be read; the export is kept, and the next try reads it again),
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
        self._check_selection()

    def _check_selection(self) -> None:
        """Check the filters when the Dag is parsed, and again when they are rendered."""
        if self.source_format == "csv" and self.message_type is None and self.file_key is None:
            raise TelecomInputError("source_format", "csv needs a message_type; use json or xml")
        given = [name for name in _INTERVAL if getattr(self, name) is not None]
        if self.message_ids is None and len(given) < 2 and (given or self.file_key is None):
            missing = next(name for name in _INTERVAL if name not in given)
            raise TelecomInputError(missing, "must be given, or message_ids, or file_key")

    def execute(self, context: Context) -> dict[str, Any]:
        """Request an export if necessary, wait for it, and load it."""
        with self._open():
            pass  # if nothing can be written there, no export is requested
        export = self._own_export(context) if self.file_key is None else self._given_export(self.file_key)
        key: str = export["file_key"]
        if (found := self._load_if_ready(context, key)) is not None:
            return found
        self.wait_for_completion = True  # for _wait_for_file; not a parameter here
        with self._delete_if_useless(context):
            self._wait_for_file(export)
        return self._load(context, key)

    def execute_complete(self, context: Context, event: PollEvent) -> dict[str, Any]:
        """Load the export that the triggerer has seen ready."""
        with self._delete_if_useless(context):
            ready = super().execute_complete(context, event)
        return self._load(context, ready["file_key"])

    def _given_export(self, file_key: str) -> Facts:
        return {"file_key": arguments.check_file_key(file_key)}

    def _own_export(self, context: Context) -> Facts:
        """Return this task's export: that of an earlier try, if it still exists."""
        earlier = self._earlier_entry(context)
        if earlier and earlier.state is State.DONE and self._is_gone(earlier.facts["file_key"]):
            self.log.info("The export of an earlier try does not exist any more; a new one is requested")
            self._forget_export(context)
        return self._export(context)

    def _is_gone(self, key: str) -> bool:
        from airflow_provider_telecom.vendors.ketchup_loyalty.status import stat_file

        try:
            self.hook.run(stat_file(self.hook, key))
        except TelecomNotFoundError as error:
            return error.code != _NO_SUCH_IDS
        return False

    def _load_if_ready(self, context: Context, key: str) -> dict[str, Any] | None:
        """Load an export whose file is ready; return None if the task has to wait for it.

        A new export may not be found for a moment. While waiting that is ignored for a while.
        """
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import KetchUpNotReadyError

        try:
            with self._delete_if_useless(context):
                return self._load(context, key)
        except KetchUpNotReadyError:
            return None
        except TelecomNotFoundError as error:
            if error.code == _NO_SUCH_IDS:
                raise
        done = Journal(context["task_state_store"]).read(_LOADED)
        if done is None or done.body != self._load_id(key):
            return None
        self.log.info("An earlier try has loaded this export, and deleted it")
        return self._emit_asset_event(context, dict(done.facts))

    @contextmanager
    def _delete_if_useless(self, context: Context) -> Iterator[None]:
        """Delete an export of this task that will never have a file, because there are no such ids."""
        try:
            yield
        except TelecomNotFoundError as error:
            own = self._earlier_entry(context) if self.file_key is None else None
            if own and error.code == _NO_SUCH_IDS:
                self._delete_export(context, own.facts["file_key"])
            raise

    def _load(self, context: Context, key: str) -> dict[str, Any]:
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

        progress = ProgressLogger(self.log)
        with self._open() as (dataset, selection):
            file = dataset.spool / "export"
            size = self.hook.download_statistics(key, progress.counting(file), self._format())
            if size:
                self._read(dataset, selection, file, progress)
            summary = dataset.publish()
        facts = {**summary, "file_key": key, "empty": not (summary["rows"] or summary["bad_rows"])}
        if self.delete_export or (self.delete_export is None and self.file_key is None):
            if self.file_key is not None:  # if this try is killed now, the next one will not find it
                entry = Entry(State.DONE, self._load_id(key), facts)
                Journal(context["task_state_store"]).write(_LOADED, entry)
            self._delete_export(context, key)
        return self._emit_asset_event(context, facts)

    def _delete_export(self, context: Context, key: str) -> None:
        with suppress(TelecomNotFoundError):  # it was deleted in the meantime
            delete_export(self.hook, key)
        if self.file_key is None:
            self._forget_export(context)

    def _load_id(self, key: str) -> str:
        """Return a hash of the export and of everything that decides what is written where."""
        return fingerprint([key, self.path, self.output_format, self.csv_safe, self._given_filters()])

    def _read(self, dataset: Dataset, selection: _Selection, file: Path, progress: ProgressLogger) -> None:
        messages = _Messages(
            dataset, selection, self._format(), self._zone(), self.hook.options.default_region
        )
        with file.open("rb") as export:
            messages.add_all(export, progress)

    def _format(self) -> Format:
        return self.source_format or ("json" if self.message_type is None else "csv")

    def _zone(self) -> tzinfo | None:
        import pendulum

        name = self.hook.options.vendor_timezone
        return None if name is None else pendulum.timezone(name)

    @contextmanager
    def _open(self) -> Iterator[tuple[Dataset, _Selection]]:
        """Open the data set, and return what belongs there. Raises TelecomInputError."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.schema import COLUMNS

        self._check_selection()
        selection = self._selection()
        self.dataset_name = selection.name
        with self._open_dataset(COLUMNS, selection.parts(), selection.run) as dataset:
            yield dataset, selection

    def _selection(self) -> _Selection:
        filters = self._canonical_filters()
        bounds = self._bounds(filters)
        for name in (*_INTERVAL, "callback_url"):
            filters.pop(name, None)
        kind = filters.pop("message_type", None)
        one_of("message_type", kind, (*arguments.MESSAGE_TYPES, None))  # it becomes part of a path
        if not bounds and "message_ids" not in filters:
            filters = {"file_key": self.file_key}
        names = (type(self).dataset_name, kind, _filter_hash(filters) if filters else None)
        return _Selection("_".join(filter(None, names)), *bounds)

    def _canonical_filters(self) -> dict[str, Any]:
        """Return the given filters, equal ones written equally."""
        filters = self._given_filters()
        if "msisdns" in filters:
            filters["msisdns"] = sorted(set(self._numbers("msisdns")))
        if "message_ids" in filters:
            filters["message_ids"] = sorted(set(filters["message_ids"]))
        if "operator_id" in filters:
            filters["operator_id"] = str(filters["operator_id"])
        return filters

    def _bounds(self, filters: Mapping[str, Any]) -> Sequence[datetime]:
        """Return both ends of the interval in the vendor's local time, to the second; empty without one."""
        from airflow_provider_telecom.vendors.times import inclusive_local_period

        if not all(name in filters for name in _INTERVAL):
            return ()
        start, end = (filters[name] for name in _INTERVAL)
        ends = inclusive_local_period(_INTERVAL, start, end, self.hook.options.vendor_timezone)
        return [datetime.fromisoformat(f"{one:%Y-%m-%d %H:%M:%S}") for one in ends]


@dataclass(frozen=True)
class _Selection:
    """The name of a data set and, for an interval, both ends in the vendor's local time, included."""

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

    def day_of(self, row: Row) -> date | None:
        """Return the day whose file a row belongs to. Raises TelecomInputError."""
        if self.first is None or self.last is None:
            return None
        if row["incoming_date"] is None:
            raise TelecomInputError("incoming_date", "is missing")
        incoming = datetime.fromisoformat(str(row["incoming_date"]))
        if not self.first <= incoming <= self.last:
            raise TelecomInputError("incoming_date", "is not in the requested interval")
        return incoming.date()


@dataclass(frozen=True)
class _Messages:
    """The records of an export, which are added to a data set."""

    dataset: Dataset
    selection: _Selection
    format: Format
    zone: tzinfo | None
    region: str

    def add_all(self, export: IO[bytes], progress: ProgressLogger) -> None:
        """Add all records: many at once if the data set takes them so, otherwise one by one."""
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import iter_records

        if self.dataset.takes_tables:
            self._add_batches(export, progress)
            return
        for number, record in iter_records(export, self.format):
            self._add(number, record)
            progress.add(rows=1)

    def _add_batches(self, export: IO[bytes], progress: ProgressLogger) -> None:
        from airflow_provider_telecom.transfers.batches import csv_batches, object_batches
        from airflow_provider_telecom.transfers.columnar import add_records
        from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import (
            MESSAGE_ID,
            iter_pieces,
        )
        from airflow_provider_telecom.vendors.ketchup_loyalty.schema import usual_records

        if self.format == "csv":
            batches = csv_batches(export, field_pattern=MESSAGE_ID)
        else:
            batches = object_batches(iter_pieces(export, self.format))
        usual = usual_records(self.region)
        add_records(self.dataset, batches, usual, self.zone, self._choose, self._add, progress)

    def _choose(self, found: Columns) -> Choice:
        """Decide what `_Selection.day_of` decides."""
        from airflow_provider_telecom.transfers.columnar import Choice, are_between

        first, last, incoming = self.selection.first, self.selection.last, found.times["incoming_date"]
        if first is None or last is None:
            return Choice()
        return Choice(incoming.cast("date32"), usual=are_between(incoming, first, last))

    def _add(self, number: int, record: Record | BadRow) -> None:
        from airflow_provider_telecom.calls.rows import BadRow
        from airflow_provider_telecom.vendors.columns import json_text
        from airflow_provider_telecom.vendors.ketchup_loyalty.schema import to_row

        place = f"{'line' if self.format == 'csv' else 'record'} {number}"
        if isinstance(record, BadRow):
            self.dataset.add_bad_row(place, record.reason, record.raw)
            return
        try:
            row = to_row(record, self.zone, self.region)
            self.dataset.add(row, self.selection.day_of(row))
        except TelecomInputError as error:
            self.dataset.add_bad_row(place, error.text, json_text(record))


def _filter_hash(filters: Mapping[str, object]) -> str:
    """Return a short hash of filters. It is slow, so that nobody can find the numbers by trying all."""
    text = json.dumps(filters, sort_keys=True, default=str)
    return hashlib.pbkdf2_hmac("sha256", text.encode(), b"telecom", _HASH_ROUNDS).hex()[:12]
