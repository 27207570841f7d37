"""The rows of one Parquet file of recipients."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

_ROWS_AT_ONCE = 10_000


def read_rows(path: ObjectStoragePath, columns: Sequence[str]) -> Iterator[tuple[int, Sequence[object]]]:
    """Yield row numbers, from 1, with the cells of some columns.

    Raises TelecomInputError for a file that is not Parquet, for a missing column, and for a nested one.
    """
    check_library("recipients", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as file:  # type: ignore[no-untyped-call]
        try:
            source = pyarrow.parquet.ParquetFile(file)
        except pyarrow.ArrowInvalid:
            raise TelecomInputError("recipients", f"{path} is not Parquet") from None
        schema = source.schema_arrow
        for field in schema:
            if pyarrow.types.is_nested(field.type):
                rule = f"is {field.type}: a file of recipients has no nested columns"
                raise TelecomInputError("recipients", f"{path}: the column {field.name} {rule}")
        for name in columns:
            if (count := schema.names.count(name)) != 1:
                there = f"is missing; there are {', '.join(schema.names)}"
                rule = there if not count else "occurs twice"
                raise TelecomInputError("recipients", f"{path}: the column {name} {rule}")
        number = 0
        for batch in source.iter_batches(_ROWS_AT_ONCE, columns=list(dict.fromkeys(columns))):
            cells = [batch.column(batch.schema.get_field_index(name)).to_pylist() for name in columns]
            for row in zip(*cells, strict=True):
                number += 1
                yield number, row
