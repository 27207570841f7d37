"""What a record is, good or bad, and how much of one is held."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import IO, Any

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.request import MEGABYTE
from airflow_provider_telecom.calls.responses import unreadable_response

MAX_RECORD_BYTES = MEGABYTE
MAX_DEPTH = 32
MAX_RAW_CHARACTERS = 4096
CHUNK_BYTES = 16 << 10
BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, slots=True)
class BadRow:
    r"""A record that cannot be used.

    `reason` is fit for a log. `raw` is the record, at most its first 4096 characters, for a quarantine file:
    of CSV as it came (bytes that are no text as `\xff`), of JSON and XML as it was understood.
    """

    reason: str
    raw: str


NumberedRow = tuple[int, dict[str, Any] | BadRow]
"""Where a record is, and the record. CSV: the line in which it ends; JSON and XML: its number from 1."""


def all_rows(body: bytes, read: Callable[[IO[bytes]], Iterable[NumberedRow]]) -> list[dict[str, Any]]:
    """Return the records of a body that is held whole. Raises TelecomAnswerError, for a BadRow too."""
    rows: list[dict[str, Any]] = []
    try:
        for place, row in read(io.BytesIO(body)):
            if isinstance(row, BadRow):
                raise TelecomAnswerError(f"line or record {place}: {row.reason}")
            rows.append(row)
    except TelecomAnswerError as error:
        raise unreadable_response(error.text, body) from None
    return rows


def bad_row(reason: str, raw: str) -> BadRow:
    """Return a BadRow whose reason says what of the record is not kept."""
    cut = (
        f"; of its {len(raw)} characters {MAX_RAW_CHARACTERS} are kept"
        if len(raw) > MAX_RAW_CHARACTERS
        else ""
    )
    return BadRow(reason + cut, raw[:MAX_RAW_CHARACTERS])


def chunks_of(file: IO[bytes]) -> Iterator[bytes]:
    """Yield a file from its beginning."""
    file.seek(0)
    while piece := file.read(CHUNK_BYTES):
        yield piece
