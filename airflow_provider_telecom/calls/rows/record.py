"""A record that was read, valid or not, and the limits of one."""

from __future__ import annotations

import io
import re
from collections.abc import Callable, Iterable
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
HALF = "\ufdd0"
"""A noncharacter. It replaces half a character in JSON, which yajl would turn into a question mark."""
_LONG_NUMBER, _STEP, _DIGITS = re.compile(rb"(?<![0-9])[0-9]{4000}"), 100, re.compile(rb"[0-9]{40}")


@dataclass(frozen=True, slots=True)
class BadRow:
    r"""A record that cannot be used.

    `reason` contains nothing of the record, so it may be logged. `raw` is the record for a quarantine file,
    at most 4096 characters: of CSV as it came (undecodable bytes as `\xff`), otherwise as it was parsed.
    """

    reason: str
    raw: str


NumberedRow = tuple[int, dict[str, Any] | BadRow]
"""The position of a record and the record. The line in which it ends in CSV, otherwise its number from 1."""


def all_rows(body: bytes, read: Callable[[IO[bytes]], Iterable[NumberedRow]]) -> list[dict[str, Any]]:
    """Return the records of a body in memory. Raises TelecomAnswerError, also for a BadRow."""
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
    """Return a BadRow; if `raw` is cut, the reason says so."""
    cut = (
        f"; of its {len(raw)} characters {MAX_RAW_CHARACTERS} are kept"
        if len(raw) > MAX_RAW_CHARACTERS
        else ""
    )
    return BadRow(reason + cut, raw[:MAX_RAW_CHARACTERS])


def long_number(text: bytes) -> re.Match[bytes] | None:
    """Return the first 4000 digits in a row."""
    if not _DIGITS.search(text[_STEP - 1 :: _STEP]):  # much quicker than to look at each byte
        return None
    return _LONG_NUMBER.search(text)
