"""Records that look alike, many at once, as columns of Arrow. pyarrow is imported on use.

Each format (`alike_json`, `alike_xml`) makes lines of a text that continues a list after a record, one for
each record. pyarrow's reader of CSV separates a line into cells: some have the texts of a record, and all
others must be exactly what they are in the first line. Such a line is strict JSON or XML, and a record that
begins where the one before has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

from airflow_provider_telecom.calls.rows.record import MAX_RECORD_BYTES, BadRow, NumberedRow

FIRST_BYTES = 32 << 10
"""How much is read at once after a record that had to be read alone; then twice as much each time."""
MIN_RECORDS = 16
"""Fewer records are not worth reading them at once."""
MAX_NAMES = 100
_LONGEST = MAX_RECORD_BYTES // 4
_MOST_BYTES, _LONGEST_PAUSE = 2 * MAX_RECORD_BYTES, 1000


class Values(NamedTuple):
    """The values of a field: its texts, or JSON.

    `is_plain`: JSON escapes nothing in the texts. `is_whole`: all values are whole numbers of 64 bits. Other
    JSON has numbers of up to 18 digits before and after the point, null, and texts.
    """

    array: Any
    is_text: bool
    is_plain: bool = True
    is_whole: bool = False


@dataclass(frozen=True)
class LikeRecords:
    """So many records, from the `first` number on, of the same names in the same order."""

    first: int
    count: int
    columns: Mapping[str, Values]
    size: int
    """How many bytes they and what is before each of them take."""
    as_written: bool = True
    """Whether records of JSON were in the usual form."""


class Rows(Protocol):
    """The records of a file, one by one. `number` is that of the last one."""

    number: int

    def __iter__(self) -> Iterator[NumberedRow]: ...


def pieces(rows: Rows, take: Callable[[int, int], LikeRecords | None]) -> Iterator[NumberedRow | LikeRecords]:
    """Yield the records, with many at once where they are alike.

    `take(first, size)` takes the records that follow the last one, within so many bytes, if they are alike.
    """
    pause = until = 0
    for number, row in rows:
        yield number, row
        if number <= until or isinstance(row, BadRow):
            continue
        size, looked_at, taken = FIRST_BYTES, 0, 0
        while records := take(rows.number + 1, size):
            yield records
            rows.number += records.count
            looked_at, taken = looked_at + size, taken + records.size
            if records.size < size // 2:
                break  # the next record is another one, and is read alone
            size = min(2 * size, _MOST_BYTES)
        else:
            looked_at += size
        is_useful = 2 * taken >= looked_at  # otherwise the next attempts would not be, either, perhaps
        pause = 0 if is_useful else min(2 * pause + 1, _LONGEST_PAUSE)
        until = rows.number + pause


def is_utf_8(text: bytes) -> bool:
    """Return whether a text can be decoded: much sooner than by decoding it."""
    import pyarrow

    ends = pyarrow.array([0, len(text)], pyarrow.int32()).buffers()[1]
    alone = pyarrow.Array.from_buffers(pyarrow.binary(), 1, [None, ends, pyarrow.py_buffer(text)])
    try:
        alone.cast(pyarrow.string())
    except pyarrow.ArrowInvalid:
        return False
    return True


def split(text: bytes, delimiter: str, width: int) -> tuple[list[Any], int, int]:
    """Split lines of valid UTF-8 into cells, and return these of all lines of the right width, as columns.

    And how many lines are before the first of another width, and how many there are. Raises ValueError (also
    pyarrow's) for a long line.
    """
    import pyarrow
    from pyarrow.csv import ConvertOptions, ParseOptions, ReadOptions, read_csv

    wrong = list[int]()

    def skip(row: Any) -> str:
        wrong.append(row.number)
        return "skip"

    starts = range(0, len(text) - _LONGEST, _LONGEST)
    if any(text.find(b"\n", start, start + _LONGEST) < 0 for start in starts):
        raise ValueError("a long line")
    names = [f"{number}" for number in range(width)]
    table = read_csv(
        pyarrow.BufferReader(text),
        ReadOptions(use_threads=False, column_names=names, block_size=len(text) + 1),
        ParseOptions(
            delimiter=delimiter, quote_char=False, ignore_empty_lines=False, invalid_row_handler=skip
        ),
        ConvertOptions(column_types=dict.fromkeys(names, pyarrow.string()), null_values=[], check_utf8=False),
    )
    lines = table.num_rows + len(wrong)
    count = min([*wrong, lines + 1]) - 1
    return [column.combine_chunks() for column in table.columns], count, lines


def where_equal(texts: Any, text: bytes) -> Any:
    """Return which texts are this one; None if all are, which is found sooner."""
    import pyarrow
    from pyarrow import compute

    _, offsets, content = texts.buffers()
    size = len(text)
    if compute.min_max(compute.binary_length(texts)).as_py() == {"min": size, "max": size}:
        first = pyarrow.Array.from_buffers(pyarrow.int32(), 1, [None, offsets])[0].as_py()
        if not size or (
            texts.offset == first == 0
            and content.slice(0, len(texts) * size).equals(pyarrow.py_buffer(text * len(texts)))
        ):
            return None
    return compute.equal(texts, text.decode())


def first_false(values: Any, count: int) -> int:
    """Return the index of the first value that is false, or the count."""
    from pyarrow import compute

    found: int = -1 if values is None else compute.index(values, False).as_py()
    return found if found >= 0 else count


def content_of(texts: Any) -> bytes:
    """Return the texts of an array, and perhaps those of arrays that it shares memory with."""
    buffer = texts.buffers()[2]
    content: bytes = b"" if buffer is None else buffer.to_pybytes()
    return content
