"""Outcomes: what became of each message. The columns, the states, and their files.

A file of outcomes has JSON lines, or is Parquet where its name ends in `.parquet`. Both have the columns of
`OUTCOME_COLUMNS`, and others after them that a kind of message has in addition.
"""

from __future__ import annotations

import json
import logging
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, localcontext
from itertools import islice
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.extra import check_library
from airflow_provider_telecom.calls.errors import TelecomInputError

if TYPE_CHECKING:
    from typing import IO

    from airflow.sdk import ObjectStoragePath

OutcomeLine = dict[str, Any]

OUTCOME_COLUMNS = (
    "msisdn",
    "channel",
    "conn_id",
    "reference",
    "message_id",
    "variant",
    "state",
    "code",
    "price",
    "currency",
    "segments",
    "run",
    "sent_at",
    "final_at",
)
CHANNELS = ("sms", "viber", "rcs", "multichannel", "hlr", "call")
REFUSED, ACCEPTED, KNOWN_BEFORE, DELIVERED, READ = "refused", "accepted", "known_before", "delivered", "read"
UNDELIVERED, EXPIRED, UNKNOWN, SILENT = "undelivered", "expired", "unknown", "silent"
STATES = (REFUSED, ACCEPTED, KNOWN_BEFORE, DELIVERED, READ, UNDELIVERED, EXPIRED, UNKNOWN, SILENT)
COUNTED = frozenset(STATES) - {REFUSED}
"""The states that count for the frequency cap: a message was sent, or may have been."""
SEND_STATE = "send_state"
"""A further column: what `state` was before a receipt changed it."""
PARQUET = ".parquet"

_TIMES = ("sent_at", "final_at")
_PRECISION, _SCALE = 38, 9
_STEP, _LARGEST = Decimal(10) ** -_SCALE, Decimal(10) ** (_PRECISION - _SCALE)
_ROWS_AT_ONCE = 20_000

log = logging.getLogger(__name__)


def time_text(moment: datetime) -> str:
    """Return a time as files of outcomes have it: ISO 8601 in UTC, like `2026-03-01T09:30:00Z`."""
    if moment.tzinfo is None:
        raise ValueError("a time of an outcome needs a time zone")
    return moment.astimezone(UTC).replace(tzinfo=None).isoformat() + "Z"


def send_state(line: Mapping[str, Any]) -> str:
    """Return the state that a line had after the send."""
    return str(line.get(SEND_STATE) or line["state"])


def run_text(dag_id: str, run_id: str, task_id: str, map_index: int | None = None) -> str:
    """Return the column `run`: `dag_id/run_id/task_id`, and `/map_index` of a place of a mapped list."""
    place = "" if map_index in (None, -1) else f"/{map_index}"
    return f"{dag_id}/{run_id}/{task_id}{place}"


@dataclass(frozen=True)
class Origin:
    """What all messages of one task have in common, and the builder of their lines."""

    channel: str
    conn_id: str
    run: str

    def line(
        self,
        msisdn: str,
        state: str,
        *,
        reference: str | None = None,
        message_id: str | None = None,
        variant: str | None = None,
        code: str | None = None,
        price: Decimal | str | None = None,
        currency: str | None = None,
        segments: int | None = None,
        sent_at: str | None = None,
        final_at: str | None = None,
    ) -> OutcomeLine:
        """Return the line of a message: all columns, in their order. Times are texts (`time_text`)."""
        return {
            "msisdn": msisdn,
            "channel": self.channel,
            "conn_id": self.conn_id,
            "reference": reference,
            "message_id": message_id,
            "variant": variant,
            "state": state,
            "code": code,
            "price": None if price is None else str(price),
            "currency": currency,
            "segments": segments,
            "run": self.run,
            "sent_at": sent_at,
            "final_at": final_at,
        }


def is_parquet(path: ObjectStoragePath | str) -> bool:
    """Return whether a file of outcomes is Parquet, by the end of its name."""
    return str(path).lower().endswith(PARQUET)


def write_parquet(file: IO[bytes], lines: Iterable[Mapping[str, Any]], others: Sequence[str] = ()) -> int:
    """Write lines as Parquet and return how many they are.

    `others` are the columns after those of `OUTCOME_COLUMNS`; they become texts. `price` becomes
    decimal(38, 9), rounded if it has more places, which the log says; `segments` int32, the times
    timestamp[us, UTC].
    """
    check_library("results_path", "pyarrow")
    import pyarrow
    import pyarrow.parquet

    schema = pyarrow.schema([
        *(pyarrow.field(name, _type_of(name)) for name in OUTCOME_COLUMNS),
        *(pyarrow.field(name, pyarrow.string()) for name in others),
    ])
    count, following = 0, iter(lines)
    problems: Counter[str] = Counter()
    with pyarrow.parquet.ParquetWriter(file, schema, compression="zstd") as writer:
        while rows := list(islice(following, _ROWS_AT_ONCE)):
            arrays = [
                pyarrow.array(
                    [_typed(field.name, row.get(field.name), problems) for row in rows], type=field.type
                )
                for field in schema
            ]
            writer.write_table(pyarrow.Table.from_arrays(arrays, schema=schema))
            count += len(rows)
    for problem, times in problems.items():
        log.warning("%s of %s messages: %s", f"{times:,}", f"{count:,}", problem)
    return count


def read_outcomes(path: ObjectStoragePath, field: str = "results_path") -> Iterator[OutcomeLine]:
    """Return the lines of a file of outcomes, JSON lines or Parquet, with the values that JSON has.

    Raises TelecomInputError for `field` if a file is neither.
    """
    return _from_parquet(path, field) if is_parquet(path) else _from_json_lines(path, field)


def _from_json_lines(path: ObjectStoragePath, field: str) -> Iterator[OutcomeLine]:
    with path.open("r", encoding="utf-8") as file:  # type: ignore[no-untyped-call]
        for number, text in enumerate(file, 1):
            try:
                line = json.loads(text)
            except ValueError:
                raise TelecomInputError(field, f"{path}, line {number}, is not JSON") from None
            if not isinstance(line, dict):
                raise TelecomInputError(field, f"{path}, line {number}, is not an object of JSON")
            yield line


def _from_parquet(path: ObjectStoragePath, field: str) -> Iterator[OutcomeLine]:
    check_library(field, "pyarrow")
    import pyarrow
    import pyarrow.parquet

    with path.open("rb") as file:  # type: ignore[no-untyped-call]
        try:
            source = pyarrow.parquet.ParquetFile(file)
        except pyarrow.ArrowInvalid:
            raise TelecomInputError(field, f"{path} is not Parquet") from None
        for batch in source.iter_batches(_ROWS_AT_ONCE):
            for row in batch.to_pylist():
                for name in _TIMES:
                    if row.get(name) is not None:
                        row[name] = time_text(row[name])
                if row.get("price") is not None:
                    row["price"] = _plain(row["price"])
                yield row


def _type_of(name: str) -> Any:
    import pyarrow

    if name in _TIMES:
        return pyarrow.timestamp("us", tz="UTC")
    if name == "price":
        return pyarrow.decimal128(_PRECISION, _SCALE)
    return pyarrow.int32() if name == "segments" else pyarrow.string()


def _typed(name: str, value: Any, problems: Counter[str]) -> Any:
    if value is None or name == "segments":
        return value
    if name in _TIMES:
        return datetime.fromisoformat(value)
    if name == "price":
        return _fitting(Decimal(value), problems)
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _fitting(price: Decimal, problems: Counter[str]) -> Decimal | None:
    """Return a price as the column has it: rounded, or None for one that is too large.

    It was paid already, so it is no error: a file that can't be finished would be lost.
    """
    if price.is_finite() and abs(price) < _LARGEST:
        with localcontext(prec=_PRECISION + 1):
            fits = price.quantize(_STEP)
        if fits != price:
            problems[f"the price has more than {_SCALE} decimal places; the file has it rounded"] += 1
        return fits
    problems["the price is no number that fits; the file does not have it"] += 1
    return None


def _plain(price: Decimal) -> str:
    """Return a price without the zeros that Parquet puts after it."""
    text = format(price, "f")
    return text.rstrip("0").rstrip(".") if "." in text else text
