"""Call records of Kyivstar FMC, the virtual mobile PBX, to object storage."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import partial
from typing import IO, TYPE_CHECKING, Any, Unpack

from airflow_provider_telecom.calls.checks import one_of
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.intervals import end_of, parse_bound, start_of
from airflow_provider_telecom.tasks.literals import check_if_literal
from airflow_provider_telecom.transfers.base import RecordsArguments, RecordsOperator
from airflow_provider_telecom.vendors.kyivstar_fmc import VENDOR
from airflow_provider_telecom.vendors.kyivstar_fmc.arguments import FORMATS, Format

if TYPE_CHECKING:
    from airflow.sdk import Context

    from airflow_provider_telecom.calls.rows import BadRow
    from airflow_provider_telecom.hooks.kyivstar_fmc import KyivstarFmcHook
    from airflow_provider_telecom.transfers.columnar import Choice, Columns
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
    from airflow_provider_telecom.vendors.kyivstar_fmc.times import Window

ENCODINGS = ("utf-8", "cp1251")
_MICROSECOND = timedelta(microseconds=1)


class KyivstarFmcCallsToObjectStorageOperator(RecordsOperator):
    """Load the calls that began in an interval, each exactly once, to `date=YYYY-MM-DD/calls.jsonl`.

    Days are those of Kyiv. The interval is split into windows that the vendor allows. Records have the
    vendor's local times and UTC; in the hour that happens twice in autumn `time_ambiguous` is true. Records
    have no id: equal records are different calls, and all are kept. Only numbers with the "Convergent"
    package have records, and a record appears when the call has ended. So load each day again the next night:
    an interval of the last two days replaces both, with calls that lasted over midnight.

    :param start: the interval's start, at most 30 days ago: a date (the beginning of the day in Kyiv), an
        aware datetime, or the ISO 8601 text of either, such as `{{ ds }}` or `{{ data_interval_start }}`.
    :param end: its end, not in the future: a date, whose whole day is included, or a datetime, which is not.
    :param source_format: the format of the vendor's response: `json` (default), `xml` or `csv`. CSV is read
        fastest, but has no end mark: a list that was cut off between two lines looks complete.
    :param names: add subscribers' names from the PBX's address book.
    :param departments: add their departments.
    :param ownership: add whether they belong to the enterprise.
    :param encoding: the encoding of CSV: `utf-8` (default) or `cp1251`; the document does not say.

    A record outside of the requested interval counts as invalid: the response is then not to our request.

    The XCom also has `windows`, the number of requests.

    Raises TelecomInputError (interval, target), TelecomAuthError (bad token), TelecomAnswerError (invalid
    records). Reads only: it costs nothing. Source: "Detailed call information".
    """

    template_fields: Sequence[str] = (*RecordsOperator.template_fields, "start", "end")
    vendor = VENDOR
    hook: KyivstarFmcHook
    dataset_name = "calls"

    def __init__(
        self,
        *,
        start: date | datetime | str,
        end: date | datetime | str,
        source_format: Format = "json",
        names: bool = False,
        departments: bool = False,
        ownership: bool = False,
        encoding: str = "utf-8",
        **kwargs: Unpack[RecordsArguments],
    ) -> None:
        super().__init__(**kwargs)
        self.start, self.end = start, end
        self.source_format = one_of("source_format", source_format, FORMATS)
        self.encoding = one_of("encoding", encoding, ENCODINGS)
        if encoding != "utf-8" and source_format != "csv":
            raise TelecomInputError("encoding", "is about csv; json and xml are UTF-8")
        self.flags = {"names": names, "departments": departments, "ownership": ownership}
        for name, value in self.flags.items():
            one_of(name, value, (True, False))
        for field in ("start", "end"):
            check_if_literal(getattr(self, field), partial(parse_bound, field))

    def execute(self, context: Context) -> dict[str, Any]:
        """Load the interval."""
        import pendulum

        from airflow_provider_telecom.transfers.parts import parts_by_day
        from airflow_provider_telecom.transfers.progress_logger import ProgressLogger
        from airflow_provider_telecom.vendors.kyivstar_fmc.schema import COLUMNS
        from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV, windows

        start, end = start_of("start", self.start, KYIV), end_of("end", self.end, KYIV)
        wanted = windows(start, end, pendulum.now("UTC"))
        progress = ProgressLogger(self.log, windows=len(wanted))
        run = "-".join(f"{one.astimezone(UTC):%Y%m%dT%H%M%SZ}" for one in (start, end))
        with self._open_dataset(COLUMNS, parts_by_day(start, end, KYIV), run) as dataset:
            for number, window in enumerate(wanted, 1):
                self._load(dataset, window, f"window {number}", progress)
                progress.add(windows=1)
            summary = dataset.publish()
        return self._emit_asset_event(context, {**summary, "windows": len(wanted)})

    def _load(self, dataset: Dataset, window: Window, name: str, progress: ProgressLogger) -> None:
        file, format = dataset.spool / "response", self.source_format
        target = progress.counting(file)
        self.hook.download_call_records(target, window.first, window.last, format=format, **self.flags)
        calls = _Calls(dataset, window, name, format, self.encoding, self.hook.options.default_region)
        with file.open("rb") as response:
            calls.add_all(response, progress)
        dataset.check()


@dataclass(frozen=True)
class _Calls:
    """The records of one response, which are added to a data set."""

    dataset: Dataset
    window: Window
    name: str
    format: Format
    encoding: str
    region: str

    def add_all(self, response: IO[bytes], progress: ProgressLogger) -> None:
        """Add all records: many at once if the data set takes them so, otherwise one by one."""
        from airflow_provider_telecom.vendors.kyivstar_fmc.responses import iter_records

        if self.dataset.takes_tables:
            self._add_batches(response, progress)
            return
        for number, record in iter_records(response, self.format, self.encoding):
            self._add(number, record)
            progress.add(rows=1)

    def _add_batches(self, response: IO[bytes], progress: ProgressLogger) -> None:
        from airflow_provider_telecom.transfers.batches import csv_batches, object_batches
        from airflow_provider_telecom.transfers.columnar import add_records
        from airflow_provider_telecom.vendors.kyivstar_fmc.responses import START, iter_pieces
        from airflow_provider_telecom.vendors.kyivstar_fmc.schema import usual_records
        from airflow_provider_telecom.vendors.kyivstar_fmc.times import KYIV

        if self.format == "csv":
            batches = csv_batches(response, self.encoding, START)
        else:
            batches = object_batches(iter_pieces(response, self.format))
        usual = usual_records(self.region)
        add_records(self.dataset, batches, usual, KYIV, self._choose, self._add, progress)

    def _choose(self, found: Columns) -> Choice:
        """Decide what `_add` decides."""
        from airflow_provider_telecom.transfers.columnar import Choice, are_between, either

        window, start, end = self.window, found.times["start_timestamp"], found.times["end_timestamp"]
        kept = are_between(found.table["start_utc"], window.start, window.end - _MICROSECOND)
        matching = either(are_between(start, *window.requested), are_between(end, *window.requested))
        return Choice(start.cast("date32"), kept, either(kept, matching))

    def _add(self, number: int, record: Mapping[str, Any] | BadRow) -> None:
        from airflow_provider_telecom.calls.rows import BadRow
        from airflow_provider_telecom.vendors.columns import json_text
        from airflow_provider_telecom.vendors.kyivstar_fmc.models import start_timestamp_of
        from airflow_provider_telecom.vendors.kyivstar_fmc.schema import to_row

        dataset, window = self.dataset, self.window
        place = f"{self.name}, {'line' if self.format == 'csv' else 'record'} {number}"
        if isinstance(record, BadRow):
            dataset.add_bad_row(place, record.reason, record.raw)
            return
        try:
            row = to_row(record, self.region)
            if window.contains(row["start_utc"]):
                dataset.add(row, datetime.fromisoformat(row["start_timestamp"]).date())
            elif not window.matches_request(row["start_timestamp"], row["end_timestamp"]):
                reason = "start_timestamp: is outside of the period that was asked for"
                dataset.add_bad_row(place, reason, json_text(record))
        except TelecomInputError as error:
            if not window.excludes(start_timestamp_of(record)):
                dataset.add_bad_row(place, error.text, json_text(record))
