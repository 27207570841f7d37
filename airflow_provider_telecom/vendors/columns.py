"""The columns of records in a warehouse: types, units and meanings."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from decimal import Decimal
from enum import Enum
from typing import Any

from airflow_provider_telecom.calls.json_columns import each_json


class ColumnType(Enum):
    """The type of a column's values. Each of them may be None. docs/transfers.md shows the enum's values."""

    TEXT = "text"
    INT64 = "whole number"
    """64 bits, signed."""
    DECIMAL = "decimal"
    """A `Decimal` of up to 29 digits before and 9 after the point: money is never a float."""
    BOOL = "truth value"
    TIMESTAMP = "moment"
    """An aware datetime, to the microsecond, written in UTC."""
    JSON = "JSON"
    """JSON as text (see `json_text`). In a file of JSON lines it is a value and not a text."""


@dataclass(frozen=True)
class Column:
    """A column. `assumed`: the vendor's document does not show the field, which may have another name."""

    name: str
    kind: ColumnType
    meaning: str
    unit: str = ""
    assumed: bool = False


_READABLE = 40
RAW = Column("raw", ColumnType.JSON, "the record as the vendor sent it")
"""The last column of every schema."""


class Kind(Enum):
    """How a column is read from a field of many records at once. All others are read one by one."""

    TEXT = "the text; None if it is empty"
    LOCAL_TEXT = "the text of a local time without a zone"
    LOCAL_TIME = "that time in UTC; of two possible ones none"
    INTEGER = "a whole number, or digits"
    DECIMAL = "a number"
    UNIX_TIME = "Unix seconds; None for 0"
    DAY = "the day that begins at Unix seconds, in any zone from UTC-11 to UTC+12: YYYY-MM-DD"
    AS_IS = "the text, also if it is empty"
    EACH = "what a function returns for each of the different texts"
    CONSTANT = "the same value for all records"


@dataclass(frozen=True)
class Source:
    """Where the values of a column come from, in records that have nothing unusual.

    A record without a `required` value is unusual, and one with a text for which `read` raises
    TelecomInputError. `quick` spares calls of `read`: for a text that matches one of these regular
    expressions completely, it returns the text, after the prefix.
    """

    kind: Kind
    name: str = ""
    """The field, by our name."""
    required: bool = False
    read: Callable[[str], object] | None = None
    quick: Mapping[str, str] = field(default_factory=dict)
    value: object = None
    least: int | None = None
    most: int | None = None


@dataclass(frozen=True)
class UsualRecords:
    """How records that have nothing unusual become rows, many at once: exactly as `to_row` reads each.

    `name_of` returns our name of a vendor's field, or "". `unusual` says by field which texts are unusual.
    """

    columns: Sequence[Column]
    sources: Mapping[str, Source]
    name_of: Callable[[str], str]
    unusual: Mapping[str, Callable[[str], bool]] = field(default_factory=dict)


def json_texts(records: Sequence[dict[str, Any]]) -> list[str]:
    """Return what `json_text` returns for each record."""
    return each_json(records, _plain)


def json_text(value: Any) -> str:
    """Return a value as JSON: decimals as texts, so that money never becomes a float; timestamps in UTC."""
    return _ENCODER.encode(value)


def _plain(value: Any) -> str:
    return timestamp_text(value) if isinstance(value, datetime) else decimal_text(value)


_ENCODER = json.JSONEncoder(ensure_ascii=False, default=_plain, separators=(",", ":"))


def timestamp_text(moment: datetime) -> str:
    """Return a timestamp in UTC in ISO 8601: `2026-10-25T00:30:00Z`."""
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def decimal_text(value: Decimal) -> str:
    """Return a decimal without an exponent, unless it would have hundreds of digits."""
    if not isinstance(value, Decimal):
        raise TypeError(f"a {type(value).__name__} in a record")
    text = str(value)
    return f"{value:f}" if "E" in text and abs(value.adjusted()) < _READABLE else text
