"""Writers of local files: CSV, JSON lines, Parquet. A row maps column names to values."""

from __future__ import annotations

import csv
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from itertools import groupby
from pathlib import Path
from typing import Any, Protocol

from airflow_provider_telecom.calls.checks import encodable
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.vendors.columns import (
    Column,
    ColumnType,
    decimal_text,
    json_text,
    timestamp_text,
)

Row = Mapping[str, Any]
Table = Any
"""A table of pyarrow with the columns of a data set. Only `ParquetWriter` takes them."""
_FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")
_PRECISION, _SCALE = 38, 9


class Writer(Protocol):
    """Writes one file. `batch` is how many rows it should get at once."""

    batch: int

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows."""

    def close(self) -> None:
        """Finish the file."""


class _TextWriter:
    batch = 500

    def __init__(self, path: Path) -> None:
        self._file = path.open("w", encoding="utf-8", newline="")

    def close(self) -> None:
        """Finish the file."""
        self._file.close()


class CsvWriter(_TextWriter):
    """Writes CSV with a header. None is an empty cell; booleans are true and false.

    `safe` puts a ' before every text that a spreadsheet would run as a formula.
    """

    def __init__(self, path: Path, columns: Sequence[Column], safe: bool = False) -> None:
        super().__init__(path)
        self._writer = csv.writer(self._file)
        self._cells = [(column.name, _cell_of(column.kind, safe)) for column in columns]
        self._writer.writerow([column.name for column in columns])

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        self._writer.writerows(
            [None if (value := row.get(name)) is None else cell(value) for name, cell in self._cells]
            for row in rows
        )


class JsonLinesWriter(_TextWriter):
    """Writes one JSON object per line. Decimals are strings, so that no reader turns money into floats."""

    def __init__(self, path: Path, columns: Sequence[Column], safe: bool = False) -> None:
        super().__init__(path)
        self._plain = [column.name for column in columns if column.kind is not ColumnType.JSON]
        self._json = [column.name for column in columns if column.kind is ColumnType.JSON]

    def write(self, rows: Sequence[Row]) -> None:
        """Write rows."""
        self._file.writelines(self._line(row) for row in rows)

    def _line(self, row: Row) -> str:
        inner = "".join(f',"{name}":{row.get(name) or "null"}' for name in self._json)
        return f"{json_text({name: row.get(name) for name in self._plain})[:-1]}{inner}}}\n"


class ParquetWriter:
    """Writes typed columns. The metadata of each has its meaning, its unit and whether it is assumed."""

    batch = 20_000

    def __init__(self, path: Path, columns: Sequence[Column], safe: bool = False) -> None:
        import pyarrow
        import pyarrow.parquet

        self._pyarrow, self._schema = pyarrow, arrow_schema(columns)
        self._writer = pyarrow.parquet.ParquetWriter(path, self._schema, compression="zstd")

    def write(self, rows: Sequence[Row | Table]) -> None:
        """Write rows and tables of rows, as one row group."""
        pieces = [
            piece
            for is_row, found in groupby(rows, lambda one: isinstance(one, Mapping))
            for piece in ([self._table(list(found))] if is_row else found)
        ]
        self._writer.write_table(self._pyarrow.concat_tables(pieces).combine_chunks())

    def _table(self, rows: Sequence[Row]) -> Table:
        arrays = [
            self._pyarrow.array([row.get(field.name) for row in rows], type=field.type)
            for field in self._schema
        ]
        return self._pyarrow.Table.from_arrays(arrays, schema=self._schema)

    def close(self) -> None:
        """Finish the file."""
        self._writer.close()


def arrow_schema(columns: Sequence[Column]) -> Any:
    """Return the columns as pyarrow's schema."""
    import pyarrow

    kinds = {
        ColumnType.TEXT: pyarrow.string(),
        ColumnType.INT64: pyarrow.int64(),
        ColumnType.DECIMAL: pyarrow.decimal128(_PRECISION, _SCALE),
        ColumnType.BOOL: pyarrow.bool_(),
        ColumnType.TIMESTAMP: pyarrow.timestamp("us", tz="UTC"),
        ColumnType.JSON: pyarrow.string(),
    }
    return pyarrow.schema([
        pyarrow.field(column.name, kinds[column.kind], metadata=_metadata(column)) for column in columns
    ])


WRITERS: Mapping[str, Callable[[Path, Sequence[Column], bool], Writer]] = {
    "csv": CsvWriter,
    "jsonl": JsonLinesWriter,
    "parquet": ParquetWriter,
}


def check_fits(column: Column, value: Any, output_format: str) -> None:
    """Raise TelecomInputError for a value that a column cannot hold exactly."""
    if value is None:
        return
    if column.kind is ColumnType.INT64 and not -(2**63) <= value < 2**63:
        raise TelecomInputError(column.name, "has more than 64 bits")
    if column.kind is ColumnType.DECIMAL and not _fits(value):
        raise TelecomInputError(column.name, "has more than 29 digits before or 9 after the point")
    if column.kind in (ColumnType.TEXT, ColumnType.JSON) and not value.isascii():
        encodable(column.name, value)
    if column.kind is ColumnType.TEXT and output_format == "csv" and "\0" in value:
        raise TelecomInputError(column.name, "holds a NUL, which CSV readers refuse")


def _fits(value: Decimal) -> bool:
    if not value.is_finite():
        return False
    _, digits, exponent = value.normalize().as_tuple()
    return isinstance(exponent, int) and exponent >= -_SCALE and len(digits) + exponent <= _PRECISION - _SCALE


def _cell_of(kind: ColumnType, safe: bool) -> Callable[[Any], Any]:
    return {
        ColumnType.TEXT: _without_formula if safe else str,
        ColumnType.INT64: str,
        ColumnType.DECIMAL: decimal_text,
        ColumnType.BOOL: lambda value: "true" if value else "false",
        ColumnType.TIMESTAMP: timestamp_text,
        ColumnType.JSON: str,
    }[kind]


def _without_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text


def _metadata(column: Column) -> dict[str, str]:
    facts = {"meaning": column.meaning, "unit": column.unit, "assumed": "yes" if column.assumed else ""}
    return {name: text for name, text in facts.items() if text}
