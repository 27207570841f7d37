"""Records become rows column by column, as Arrow arrays: some twenty times faster than one by one.

Only for Parquet. A vendor's `UsualRecords` says where its columns come from. A record that is unusual in any
way (an empty field that is required, a time in the hour of a change of the clocks, a number that needs the
numbering plans' opinion and has none) is read one by one, by the function that reads all records of other
formats. So is a record for which it is easier. The files are the same, to the byte.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import date, datetime, timedelta, tzinfo
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import pyarrow
from pyarrow import compute

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.transfers.batches import Batch, Cells, both
from airflow_provider_telecom.transfers.writers import arrow_schema, check_fits
from airflow_provider_telecom.vendors.columns import RAW, Column, ColumnType, Kind, Source, UsualRecords
from airflow_provider_telecom.vendors.times import parse_local_time, possible_utc_times

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.rows import NumberedRow
    from airflow_provider_telecom.transfers.dataset import Dataset
    from airflow_provider_telecom.transfers.progress_logger import ProgressLogger

_LOCAL_TIME = (
    r"\A20[0-9]{2}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12][0-9]|3[01])[ T]"
    r"(?:[01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9]\z"
)
_MOMENT = pyarrow.timestamp("us")
_UNIX = Source(Kind.UNIX_TIME, least=0, most=253_402_000_000)  # until some days before the year 10000
_EPOCH = datetime(1970, 1, 1)
_HOUR, _SECOND, _MICROSECOND = timedelta(hours=1), timedelta(seconds=1), timedelta(microseconds=1)
_MICROSECONDS = 1_000_000
_MAX_UNUSUAL = 8
"""If more than one in so many records of a batch is unusual, all of them are read one by one."""


class Columns(NamedTuple):
    """The rows of a batch. `usual` is None if all are usual.

    `times` has the times that were read, by our names of the fields: local ones, or Unix times in UTC.
    """

    table: Any
    times: Mapping[str, Any]
    usual: Any


class Choice(NamedTuple):
    """What becomes of the rows of a batch, each None for all: which days they are of, and which are `kept`.

    Where `usual` is false, the record must be read one by one.
    """

    days: Any = None
    kept: Any = None
    usual: Any = None


def add_records(
    dataset: Dataset,
    batches: Iterable[Batch | NumberedRow],
    usual: UsualRecords,
    zone: tzinfo | None,
    choose: Callable[[Columns], Choice],
    add: Callable[[int, Any], None],
    progress: ProgressLogger,
) -> int:
    """Add records to a data set: what `add` does for each of them, in less time.

    `add` gets a record's place and the record, or the BadRow in its place. `choose` decides for a batch what
    `add` decides for a record. `zone` is that of the vendor's local times. Returns how many records it left
    out, without those that `add` left out.
    """
    left_out = 0
    reader = _Reader(usual, zone)
    for batch in batches:
        if isinstance(batch, tuple):
            add(*batch)
            progress.add(rows=1)
        else:
            columns = reader.read(batch)
            choice = Choice() if columns is None else choose(columns)
            left_out += _add_batch(dataset, batch, columns, choice, add)
            progress.add(rows=len(batch))
    return left_out


def _add_batch(
    dataset: Dataset,
    batch: Batch,
    columns: Columns | None,
    choice: Choice,
    add: Callable[[int, Any], None],
) -> int:
    count, alone = len(batch), _alone(columns, choice)
    if columns is None or len(alone) * _MAX_UNUSUAL > count:
        for place in range(count):
            add(batch.places[place], batch.record(place))
        return 0
    start = left_out = 0
    for place in (*alone, count):
        left_out += _add_slice(dataset, columns.table, choice, start, place, bool(alone))
        if place < count:
            add(batch.places[place], batch.record(place))
        start = place + 1
    return left_out


def _alone(columns: Columns | None, choice: Choice) -> Sequence[int]:
    """Return the indices of the records that are read one by one."""
    usual = columns and both(columns.usual, choice.usual)
    if usual is None:
        return ()
    found: list[int] = compute.indices_nonzero(compute.invert(usual)).to_pylist()
    return found


def _add_slice(dataset: Dataset, table: Any, choice: Choice, start: int, end: int, copy: bool) -> int:
    """Add the rows between two indices that are kept, and return how many are not.

    A slice that is not copied keeps the memory of the whole batch.
    """

    def part(values: Any) -> Any:
        return None if values is None else values.slice(start, end - start)

    rows, days, kept = part(table), part(choice.days), part(choice.kept)
    if copy and kept is None:
        kept = pyarrow.repeat(True, rows.num_rows)
    if kept is not None:
        rows, days = rows.filter(kept), days if days is None else days.filter(kept)
    dataset.add_table(rows, days)
    return end - start - int(rows.num_rows)


class _Reader:
    """Reads batches of a vendor's records."""

    def __init__(self, usual: UsualRecords, zone: tzinfo | None) -> None:
        self._usual, self._zone = usual, zone
        self._schema = arrow_schema(usual.columns)
        self._offsets: dict[int, int | None] = {}

    def read(self, batch: Batch) -> Columns | None:
        """Return the rows of a batch; None if none of its records is usual."""
        keys: dict[str, str] = {}
        for key in batch.keys:
            name = self._usual.name_of(key)
            if name in keys:
                return None
            if name:
                keys[name] = key
        try:
            return self._read(_Fields(batch, keys))
        except (pyarrow.ArrowInvalid, UnicodeEncodeError, OverflowError):
            return None

    def _read(self, fields: _Fields) -> Columns:
        arrays = []
        for column, to in zip(self._usual.columns, self._schema, strict=True):
            source = self._usual.sources.get(column.name)
            values, usual = fields.raw() if column is RAW else self._cells(column, source, fields, to.type)
            if source and source.required:
                usual = both(usual, values.is_valid())
            fields.note(usual)
            arrays.append(values)
        for name, is_unusual in self._usual.unusual.items():
            texts, usual = fields.texts(name)
            fields.note(
                both(usual, _not_in(texts, [*filter(is_unusual, texts.unique().drop_null().to_pylist())]))
            )
        table = pyarrow.Table.from_arrays(arrays, schema=self._schema)
        return Columns(table, fields.times, fields.usual)

    def _cells(self, column: Column, source: Source | None, fields: _Fields, to: Any) -> Cells:
        if source is None or (source.kind is Kind.LOCAL_TIME and self._zone is None):
            return Cells(pyarrow.nulls(len(fields), to))
        if source.kind is Kind.CONSTANT:
            return Cells(pyarrow.repeat(pyarrow.scalar(source.value, to), len(fields)))
        if source.kind is Kind.LOCAL_TIME:
            local = fields.local_times(source.name)
            times = self._to_utc(local.values)
            return Cells(times.values, both(local.usual, times.usual))
        if source.kind in (Kind.INTEGER, Kind.DECIMAL):
            return _limited(fields.numbers(source.name, to), source)
        if source.kind in (Kind.UNIX_TIME, Kind.DAY):
            found = fields.unix_times(source.name)
            if source.kind is Kind.UNIX_TIME:
                return Cells(found.values.cast(to), found.usual)
            return Cells(days_around(found.values).cast(to), found.usual)
        if source.kind is Kind.AS_IS:
            return fields.texts_as_they_are(source.name)
        texts = fields.texts(source.name)
        if source.kind is Kind.LOCAL_TEXT:
            return Cells(texts.values, fields.local_times(source.name).usual)
        if source.read is not None:
            read = partial(_each, column=column, read=source.read, to=to)
            found = _quickly(texts.values, source.quick, read)
            return Cells(found.values, both(texts.usual, found.usual))
        return texts

    def _to_utc(self, local: Any) -> Cells:
        """Return local times in UTC. Those in an hour with a change of the clocks are unusual."""
        microseconds = local.cast(pyarrow.int64())
        hours = compute.divide(microseconds, 3600 * _MICROSECONDS).dictionary_encode()
        offsets = [None if hour is None else self._offset(hour) for hour in hours.dictionary.to_pylist()]
        found = pyarrow.array(offsets, pyarrow.int64()).take(hours.indices)
        usual = None
        if found.null_count > local.null_count:
            usual = compute.or_(found.is_valid(), local.is_null())
        utc = compute.subtract(microseconds, found)
        return Cells(utc.cast(pyarrow.timestamp("us", tz="UTC")), usual)

    def _offset(self, hour: int) -> int | None:
        """Return how many microseconds local time is ahead of UTC in an hour; None if that changes in it."""
        if self._zone is not None and hour not in self._offsets:
            first = _EPOCH + hour * _HOUR
            self._offsets[hour] = _common_offset((first, first + _HOUR - _SECOND), self._zone)
        return self._offsets.get(hour)


def _common_offset(times: Sequence[datetime], zone: tzinfo) -> int | None:
    """Return how many microseconds two local times are ahead of UTC; None if that is not clear."""
    found: set[timedelta] = set()
    for local in times:
        try:
            found |= {local - one.replace(tzinfo=None) for one in possible_utc_times("time", local, zone)}
        except TelecomInputError:
            return None
    return found.pop() // _MICROSECOND if len(found) == 1 else None


class _Fields:
    """The fields of a batch by our names, empty texts as null. `usual`: where nothing unusual was found."""

    def __init__(self, batch: Batch, keys: Mapping[str, str]) -> None:
        self._batch, self._keys = batch, keys
        self._texts: dict[str, Cells] = {}
        self._times: dict[str, Cells] = {}
        self.usual: Any = None

    def __len__(self) -> int:
        return len(self._batch)

    @property
    def times(self) -> dict[str, Any]:
        """The times that were read."""
        return {name: cells.values for name, cells in self._times.items()}

    def note(self, usual: Any) -> None:
        """Add where something is unusual."""
        self.usual = both(self.usual, usual)

    def raw(self) -> Cells:
        return self._batch.raw()

    def texts(self, name: str) -> Cells:
        if name not in self._texts:
            values, usual = self.texts_as_they_are(name)
            self._texts[name] = Cells(_replaced(values, compute.equal(values, "")), usual)
        return self._texts[name]

    def texts_as_they_are(self, name: str) -> Cells:
        if name in self._keys:
            return self._batch.texts(self._keys[name])
        return Cells(pyarrow.nulls(len(self), pyarrow.string()))

    def numbers(self, name: str, to: Any) -> Cells:
        if name in self._keys:
            return self._batch.numbers(self._keys[name], to)
        return Cells(pyarrow.nulls(len(self), to))

    def unix_times(self, name: str) -> Cells:
        if name not in self._times:
            seconds, usual = _limited(self.numbers(name, pyarrow.int64()), _UNIX)
            seconds = _replaced(seconds, compute.equal(seconds, 0))
            self._times[name] = Cells(seconds.cast(pyarrow.timestamp("s")).cast(_MOMENT), usual)
        return self._times[name]

    def local_times(self, name: str) -> Cells:
        if name not in self._times:
            texts = self.texts(name)
            found = _local_times(texts.values)
            self._times[name] = Cells(found.values, both(texts.usual, found.usual))
        return self._times[name]


def _replaced(values: Any, where: Any) -> Any:
    """Return the values, and null where that is true."""
    if not compute.any(where).as_py():
        return values
    return compute.if_else(where, pyarrow.scalar(None, values.type), values)


def _matching(texts: Any, pattern: str) -> Cells:
    """Return the texts that match a pattern, the others as null and unusual. Null is usual."""
    matches = compute.match_substring_regex(texts, pattern)
    if compute.all(matches).as_py() in (True, None):
        return Cells(texts)
    other = compute.invert(matches)
    return Cells(_replaced(texts, other), compute.fill_null(matches, True))


def _local_times(texts: Any) -> Cells:
    found, usual = _matching(texts, _LOCAL_TIME)
    try:
        return Cells(found.cast(_MOMENT), usual)
    except pyarrow.ArrowInvalid:  # the 30th of February
        times = [None if text is None else _time_or_none(text) for text in found.to_pylist()]
        parsed = pyarrow.array(times, _MOMENT)
        return Cells(parsed, both(usual, compute.or_(parsed.is_valid(), found.is_null())))


def _time_or_none(text: str) -> datetime | None:
    try:
        return parse_local_time("time", text)
    except TelecomInputError:
        return None


def _limited(numbers: Cells, source: Source) -> Cells:
    """Return the numbers; those outside of the source's limits are unusual, and null."""
    values, usual = numbers
    for limit, beyond in ((source.least, compute.less), (source.most, compute.greater)):
        if limit is None:
            continue
        wrong = compute.fill_null(beyond(values, limit), False)
        if compute.any(wrong).as_py():
            values, usual = _replaced(values, wrong), both(usual, compute.invert(wrong))
    return Cells(values, usual)


def days_around(times: Any) -> Any:
    """Return the day that begins at a time, whichever zone's midnight it is, from UTC-11 to UTC+12."""
    return compute.add(times, pyarrow.scalar(timedelta(hours=12), pyarrow.duration("us"))).cast("date32")


def _quickly(texts: Any, quick: Mapping[str, str], read: Callable[[Any], Cells]) -> Cells:
    """Return texts that match a pattern after its prefix, and what `read` returns for the others."""
    if not quick or texts.null_count == len(texts):
        return read(texts)
    (pattern, prefix), *others = quick.items()
    matches = compute.fill_null(compute.match_substring_regex(texts, rf"\A(?:{pattern})\z"), False)
    if not compute.any(matches).as_py():
        return _quickly(texts, dict(others), read)
    found = compute.binary_join_element_wise(prefix, texts, "") if prefix else texts
    if compute.all(matches).as_py():
        return Cells(found)
    rest = _quickly(_replaced(texts, matches), dict(others), read)
    return Cells(compute.if_else(matches, found, rest.values), rest.usual)


def _each(texts: Any, column: Column, read: Callable[[str], object], to: Any) -> Cells:
    """Return what a function returns for each of the different texts. Where it raises is unusual."""
    encoded = texts.dictionary_encode()
    refused, values = [], []
    for text in encoded.dictionary.to_pylist():
        value: object = None
        try:
            value = read(text)
            if column.kind is ColumnType.DECIMAL:
                check_fits(column, value, "parquet")
        except TelecomInputError:
            refused.append(text)
            value = None
        values.append(value)
    found = pyarrow.array(values, to).take(encoded.indices)
    return Cells(found, _not_in(texts, refused))


def _not_in(texts: Any, few: Sequence[str]) -> Any:
    """Return where texts are none of these; None if there are none of these."""
    if not few:
        return None
    return compute.invert(compute.is_in(texts, pyarrow.array(few, pyarrow.string())))


def are_between(values: Any, first: date, last: date) -> Any:
    """Return where times or days are from `first` to `last`, both included."""
    bounds = [pyarrow.scalar(one, values.type) for one in (first, last)]
    return compute.fill_null(
        compute.and_(compute.greater_equal(values, bounds[0]), compute.less_equal(values, bounds[1])), False
    )


def either(first: Any, second: Any) -> Any:
    """Return where one of two is true."""
    return compute.or_(first, second)
