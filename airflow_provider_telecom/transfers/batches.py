"""Many records at once, each field as an Arrow array. For `columnar`; pyarrow is imported on use.

A batch has only records that the careful readers of `calls.rows` would read in the same way. Everything else
in a file is yielded as these readers yield it: record by record, in its place.
"""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from decimal import Decimal
from functools import cached_property
from itertools import chain
from typing import IO, TYPE_CHECKING, Any, NamedTuple, Protocol

from airflow_provider_telecom.calls.json_columns import JsonColumns, columns_of
from airflow_provider_telecom.calls.rows.alike import LikeRecords, Values
from airflow_provider_telecom.calls.rows.csv_file import CsvReader
from airflow_provider_telecom.calls.rows.record import BOM, MAX_RECORD_BYTES
from airflow_provider_telecom.vendors.columns import json_text, json_texts

if TYPE_CHECKING:
    from airflow_provider_telecom.calls.rows import NumberedRow

_FIRST_BYTES = 8 << 10
"""How much is read after a record that had to be read alone; then twice as much each time."""
MIN_RECORDS = 16
"""Fewer records are not worth a batch."""
RECORDS_AT_ONCE = 5_000
_NOT_IN_JSON = bytes([*range(32), ord('"'), ord("\\")])
_ESCAPES = {"\\": r"\\", '"': r"\"", "\n": r"\n", "\r": r"\r", "\t": r"\t"}
_DIGITS = re.compile(r"0|[1-9][0-9]{0,17}")
_DECIMAL = frozenset("-.0123456789")
_OTHER_CONTROLS = r"[\x00-\x08\x0b\x0c\x0e-\x1f]"


class Cells(NamedTuple):
    """The values of a field. `usual` is false where the careful path must read the record; None: nowhere."""

    values: Any
    usual: Any = None


class Batch(Protocol):
    """Records of a file. A field that a record does not have is null."""

    places: Sequence[int]

    def __len__(self) -> int: ...

    @property
    def keys(self) -> Iterable[str]:
        """The vendor's names of fields that occur."""

    def texts(self, key: str) -> Cells:
        """Return a field as texts; whole numbers are written in digits."""

    def numbers(self, key: str, to: Any) -> Cells:
        """Return a field as numbers of one of pyarrow's types. Digits may be texts."""

    def raw(self) -> Cells:
        """Return each record as JSON, as `json_text` writes it."""

    def record(self, place: int) -> dict[str, Any]:
        """Return the record at an index."""


class TextBatch:
    """Records of CSV: all values are texts."""

    def __init__(self, columns: Mapping[str, Any], places: Sequence[int]) -> None:
        self._columns, self.places = columns, places

    def __len__(self) -> int:
        return len(self.places)

    @property
    def keys(self) -> Iterable[str]:
        """The names in the header."""
        return self._columns

    def texts(self, key: str) -> Cells:
        """Return a field."""
        return Cells(self._columns[key])

    def numbers(self, key: str, to: Any) -> Cells:
        """Return a field as numbers: digits, at most nine."""
        import pyarrow
        from pyarrow import compute

        texts = self._columns[key]
        found = compute.match_substring_regex(texts, r"\A[0-9]{1,9}\z")
        if compute.all(found).as_py():
            return Cells(texts.cast(pyarrow.int64()).cast(to))
        digits = compute.if_else(found, texts, pyarrow.scalar(None, pyarrow.string()))
        return Cells(digits.cast(pyarrow.int64()).cast(to), compute.or_(found, compute.equal(texts, "")))

    def raw(self) -> Cells:
        """Return each record as JSON."""
        import pyarrow
        from pyarrow import compute

        parts: list[Any] = []
        usual, before = None, "{"
        for key, texts in self._columns.items():
            escaped = _json_content(texts)
            usual = both(usual, escaped.usual)
            parts += [pyarrow.scalar(f'{before}{json_text(key)}:"'), escaped.values]
            before = '",'
        return Cells(compute.binary_join_element_wise(*parts, pyarrow.scalar('"}'), ""), usual)

    def record(self, place: int) -> dict[str, Any]:
        """Return the record at an index."""
        return {key: texts[place].as_py() for key, texts in self._columns.items()}


class ObjectBatch:
    """Records of JSON or XML, as they were read."""

    def __init__(self, records: list[dict[str, Any]] | JsonColumns, places: Sequence[int]) -> None:
        self._records, self.places = records, places
        columns = records.columns if isinstance(records, JsonColumns) else columns_of(records)
        self._columns: Mapping[str, Sequence[Any]] = columns or {}
        """Empty if not all records have the same fields in the same order."""

    def __len__(self) -> int:
        return len(self._records)

    @property
    def keys(self) -> Iterable[str]:
        """The names of all fields of any record."""
        return self._columns or dict.fromkeys(chain.from_iterable(self._records))

    def texts(self, key: str) -> Cells:
        """Return a field as texts."""
        is_text = key in self._arrays and self._arrays[key].type == "string"
        return Cells(self._arrays[key]) if is_text else texts_of(self._values(key))

    def numbers(self, key: str, to: Any) -> Cells:
        """Return a field as numbers: whole numbers, decimals, and at most 18 digits."""
        is_number = key in self._arrays and self._arrays[key].type != "string"
        return Cells(self._arrays[key].cast(to)) if is_number else numbers_of(self._values(key), to)

    @cached_property
    def _arrays(self) -> Mapping[str, Any]:
        """The fields whose values are all texts, or all whole numbers of 64 bits."""
        import pyarrow

        found = {}
        for key, values in self._columns.items():
            try:
                if type(values[0]) is str:  # pyarrow refuses other types, but for null
                    array = pyarrow.array(values, pyarrow.string())
                elif set(map(type, values)) == {int}:
                    array = pyarrow.array(values, pyarrow.int64())
                else:
                    continue
            except (pyarrow.ArrowTypeError, OverflowError):
                continue
            if not array.null_count:
                found[key] = array
        return found

    def _values(self, key: str) -> Sequence[Any]:
        return self._columns[key] if self._columns else [record.get(key) for record in self._records]

    def raw(self) -> Cells:
        """Return each record as JSON."""
        import pyarrow
        from pyarrow import compute

        if not self._columns:
            return Cells(pyarrow.array(json_texts([*self._records]), pyarrow.string()))
        parts: list[Any] = []
        usual, before = None, "{"
        for key, values in self._columns.items():
            before += f"{json_text(key)}:"
            array = self._arrays.get(key)
            if array is not None and array.type == "string":
                cells = _json_content(array)
                usual = both(usual, cells.usual)
                parts += [pyarrow.scalar(f'{before}"'), cells.values]
                before = '",'
            else:
                tokens = pyarrow.array(_tokens(values)) if array is None else array
                parts += [pyarrow.scalar(before), tokens.cast(pyarrow.string())]
                before = ","
        end = pyarrow.scalar(f"{before[:-1]}}}")
        return Cells(compute.binary_join_element_wise(*parts, end, ""), usual)

    def record(self, place: int) -> dict[str, Any]:
        """Return the record at an index."""
        return dict(self._records[place])


class LikeBatch:
    """Records of JSON or XML that look alike."""

    def __init__(self, records: LikeRecords) -> None:
        self.places: Sequence[int] = range(records.first, records.first + records.count)
        self._columns = records.columns

    def __len__(self) -> int:
        return len(self.places)

    @property
    def keys(self) -> Iterable[str]:
        """The names of all fields."""
        return self._columns

    def texts(self, key: str) -> Cells:
        """Return a field as texts."""
        column = self._columns[key]
        return Cells(column.array) if column.is_text or column.is_whole else texts_of(self._values[key])

    def numbers(self, key: str, to: Any) -> Cells:
        """Return a field as numbers: whole numbers, decimals, and at most 18 digits."""
        import pyarrow
        from pyarrow import compute

        array, is_text, _, is_whole = self._columns[key]
        if is_whole:
            return Cells(array.cast(pyarrow.int64()).cast(to))
        if not is_text:
            return numbers_of(self._values[key], to)
        found = compute.match_substring_regex(array, rf"\A(?:{_DIGITS.pattern})\z")
        digits = compute.if_else(found, array, pyarrow.scalar(None, pyarrow.string()))
        return Cells(digits.cast(pyarrow.int64()).cast(to), found)

    def raw(self) -> Cells:
        """Return each record as JSON."""
        import pyarrow
        from pyarrow import compute

        parts: list[Any] = []
        usual, before = None, "{"
        for key, (array, is_text, is_plain, is_whole) in self._columns.items():
            before += f"{json_text(key)}:"
            if is_text:
                cells = Cells(array) if is_plain else _json_content(array)
                usual = both(usual, cells.usual)
                parts += [pyarrow.scalar(f'{before}"'), cells.values]
                before = '",'
            else:
                tokens = array if is_whole else pyarrow.array(_tokens(self._values[key]))
                parts += [pyarrow.scalar(before), tokens]
                before = ","
        end = pyarrow.scalar(f"{before[:-1]}}}")
        return Cells(compute.binary_join_element_wise(*parts, end, ""), usual)

    def record(self, place: int) -> dict[str, Any]:
        """Return the record at an index."""
        return {key: values[place] for key, values in self._values.items()}

    @cached_property
    def _values(self) -> Mapping[str, Sequence[Any]]:
        return {key: _values_of(column) for key, column in self._columns.items()}


def _values_of(column: Values) -> Sequence[Any]:
    texts: list[Any] = column.array.to_pylist()
    return texts if column.is_text else json.loads(f"[{','.join(texts)}]", parse_float=Decimal)


def _tokens(values: Sequence[Any]) -> list[str]:
    """Return what `json_text` returns for each value, sooner."""
    if set(map(type, values)) == {Decimal}:
        texts = [*map(str, values)]
        if set("".join(texts)) <= _DECIMAL:  # without an exponent
            return [f'"{text}"' for text in texts]
    return [*map(json_text, values)]


def texts_of(values: Sequence[Any]) -> Cells:
    """Return values as texts; whole numbers are written in digits."""
    import pyarrow

    kinds = set(map(type, values))
    if kinds <= {str, type(None)}:
        return Cells(pyarrow.array(values, pyarrow.string()))
    usual = None
    if not kinds <= {str, int, type(None)}:
        usual = pyarrow.array([type(one) in (str, int, type(None)) for one in values])
    texts = [str(one) if type(one) in (str, int) else None for one in values]
    return Cells(pyarrow.array(texts, pyarrow.string()), usual)


def numbers_of(values: Sequence[Any], to: Any) -> Cells:
    """Return values as numbers: whole numbers, decimals, and at most 18 digits."""
    import pyarrow

    usual_kinds = {int, type(None), *([Decimal] if pyarrow.types.is_decimal(to) else [])}
    if set(map(type, values)) <= usual_kinds:
        return Cells(pyarrow.array(values, to))
    found = [one if type(one) in usual_kinds else _whole(one) for one in values]
    usual = [one is None or number is not None for one, number in zip(values, found, strict=True)]
    return Cells(pyarrow.array(found, to), pyarrow.array(usual))


def _whole(value: object) -> int | None:
    """Return the number that digits without a leading zero are; None for anything else."""
    return int(value) if isinstance(value, str) and _DIGITS.fullmatch(value) else None


def both(first: Any, second: Any) -> Any:
    """Return where both are true. None is true everywhere."""
    from pyarrow import compute

    if first is None or second is None:
        return second if first is None else first
    return compute.and_(first, second)


def _json_content(texts: Any) -> Cells:
    """Return what JSON has between the quotation marks of each text."""
    from pyarrow import compute

    content = texts.buffers()[2]
    found: bytes = b"" if content is None else content.to_pybytes()
    if len(found.translate(None, _NOT_IN_JSON)) == len(found):
        return Cells(texts)
    usual = None
    if compute.any(others := compute.match_substring_regex(texts, _OTHER_CONTROLS)).as_py():
        usual = compute.invert(others)
    for character, escape in _ESCAPES.items():
        if character.encode() in found:
            texts = compute.replace_substring(texts, character, escape)
    return Cells(texts, usual)


def csv_batches(
    file: IO[bytes], encoding: str = "utf-8", field_pattern: re.Pattern[str] | None = None
) -> Iterator[Batch | NumberedRow]:
    """Yield what `csv_rows` yields, with most records in batches. Raises TelecomAnswerError as it does."""
    reader = CsvReader(file, encoding, field_pattern)
    careful = iter(reader)
    size = _FIRST_BYTES
    while piece := reader.peek(size):
        batch = _batch(reader, piece)
        if batch is not None:
            yield batch
            size = min(2 * size, MAX_RECORD_BYTES)
        elif (row := next(careful, None)) is not None:
            yield row
            size = _FIRST_BYTES
        else:
            return


def object_batches(pieces: Iterable[NumberedRow | LikeRecords]) -> Iterator[Batch | NumberedRow]:
    """Yield the same rows, with most records in batches."""
    places: list[int] = []
    records: list[dict[str, Any]] = []
    for piece in pieces:
        row = None
        if not isinstance(piece, LikeRecords):
            place, row = piece
            if isinstance(row, dict):
                places.append(place)
                records.append(row)
        if len(records) == RECORDS_AT_ONCE or not isinstance(row, dict):
            if records:
                yield ObjectBatch(records, places)
                places, records = [], []
            if isinstance(piece, LikeRecords):
                yield LikeBatch(piece)
            elif not isinstance(row, dict):
                yield piece
    if records:
        yield ObjectBatch(records, places)


def _batch(reader: CsvReader, piece: bytes) -> TextBatch | None:
    """Return the records that can be read from the complete lines at once, and skip them; None if few."""
    piece = piece[: piece.rfind(b"\n") + 1]
    if (nul := piece.find(b"\0")) >= 0:
        piece = piece[: piece.rfind(b"\n", 0, nul) + 1]
    try:
        text = piece.decode(reader.encoding)
    except UnicodeDecodeError as error:
        piece = piece[: piece.rfind(b"\n", 0, error.start) + 1]
        text = piece.decode(reader.encoding)
    lines = piece.count(b"\n")
    if lines < MIN_RECORDS:
        return None
    columns = _split(reader, piece if reader.encoding == "utf-8" else text.encode(), lines)
    if columns is not None:
        batch = TextBatch(columns, range(reader.line + 1, reader.line + 1 + lines))
        reader.skip(len(piece), lines)
        return batch
    return _with_quotation_marks(reader, text)


def _split(reader: CsvReader, piece: bytes, lines: int) -> dict[str, Any] | None:
    """Return the columns of lines without quotation marks, all as wide as the header; otherwise None."""
    import pyarrow
    from pyarrow import compute
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    width = len(reader.names) + len(reader.ended)
    limit = csv.field_size_limit() // 2
    if (
        width < 2
        or piece.count(reader.separator.encode()) != lines * (width - 1)
        or b'"' in piece
        or piece.startswith(BOM)
        or piece.count(b"\r") != piece.count(b"\r\n")
        or limit < 1
        or any(piece.find(b"\n", start, start + limit) < 0 for start in range(0, len(piece) - limit, limit))
    ):
        return None
    names = [f"{number}" for number in range(width)]
    try:
        table = read_csv(
            pyarrow.BufferReader(piece),
            ReadOptions(use_threads=False, column_names=names, block_size=len(piece) + 1),
            ParseOptions(delimiter=reader.separator, quote_char=False, ignore_empty_lines=False),
            ConvertOptions(
                column_types=dict.fromkeys(names, pyarrow.string()), null_values=[], strings_can_be_null=False
            ),
        )
    except pyarrow.ArrowInvalid:
        return None
    arrays = [_single(column) for column in table.columns]
    if table.num_rows != lines or (reader.ended and not compute.all(compute.equal(arrays[-1], "")).as_py()):
        return None
    return dict(zip(reader.names, arrays, strict=not reader.ended))


def _single(column: Any) -> Any:
    """Return a column as one array."""
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _with_quotation_marks(reader: CsvReader, text: str) -> TextBatch | None:
    """Return the records before the first that `csv.reader` refuses, or that is not as wide as the header."""
    import pyarrow

    lines = list(io.StringIO(text, newline="\n"))
    records, ends = _records(reader, lines)
    if len(records) < MIN_RECORDS:
        return None
    first, width = reader.line, len(reader.names)
    arrays = [pyarrow.array(cells, pyarrow.string()) for cells in list(zip(*records, strict=True))[:width]]
    batch = TextBatch(dict(zip(reader.names, arrays, strict=True)), [first + end for end in ends])
    reader.skip(len("".join(lines[: ends[-1]]).encode(reader.encoding)), ends[-1])
    return batch


def _records(reader: CsvReader, lines: Sequence[str]) -> tuple[list[list[str]], list[int]]:
    width, ended = len(reader.names), reader.ended
    records: list[list[str]] = []
    ends: list[int] = []
    found = csv.reader(lines, delimiter=reader.separator, strict=True)
    try:
        for cells in found:
            if len(cells) != width + len(ended) or cells[width:] != ended:
                break
            if width == 1 and not cells[0].strip(" "):  # a blank line, perhaps
                break
            records.append(cells)
            ends.append(found.line_num)
    except csv.Error:
        pass
    return records, ends
