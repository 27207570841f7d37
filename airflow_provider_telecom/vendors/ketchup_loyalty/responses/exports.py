"""How statistics exports are read: their keys, their list, and their files in three formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial
from typing import IO, Any, Literal, TypeVar, get_args

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.calls.rows import (
    BadRow,
    LikeRecords,
    NumberedRow,
    all_rows,
    csv_rows,
    json_metadata,
    json_pieces,
    json_rows,
    xml_metadata,
    xml_pieces,
    xml_rows,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models import StatisticsExport
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.content import (
    read_checked,
    read_content,
    strip_blanks,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import EMPTY, error_code, raise_error

T = TypeVar("T")
Format = Literal["json", "xml", "csv"]
FORMATS: tuple[Format, ...] = get_args(Format)
Record = dict[str, Any]
"""A row as the vendor writes it."""

_JSON_ERROR = re.compile(rb'error\s*(?:"|\xe2\x80.)\s*:\s*(?:"|\xe2\x80.)?\s*0*[1-9]')
_XML_ERROR = re.compile(rb"<\s*error\s*>\s*0*[1-9]", re.IGNORECASE)
_HTML = re.compile(rb"<\s*(!doctype|html)", re.IGNORECASE)
MESSAGE_ID = re.compile(r"message[\s_]*id", re.IGNORECASE)


def read_key(response: Response) -> str:
    """Return the key of a new export: a string (as the text says), or an object (as the sample) with one."""
    found = read_content(response)
    key = _key_in(found.get("key")) if isinstance(found, dict) else None
    if key is None:
        raise unreadable_response("a response without a key", response.body, response.status)
    return key


def read_exports(response: Response) -> list[StatisticsExport]:
    """Return the exports in a response that the document does not show: a list, or objects by any name."""
    found = read_content(response)
    if isinstance(found, dict):
        rest = [inner for name, inner in found.items() if name not in ("error", "errorDescription") and inner]
        found = rest[0] if len(rest) == 1 else rest
    items = list(found.values()) if isinstance(found, dict) else found
    keys = [_key_in(item) for item in items] if isinstance(items, list) else [None]
    if None in keys:
        raise unreadable_response("an export without a key", response.body, response.status)
    return [StatisticsExport(str(key), item) for key, item in zip(keys, items, strict=True)]


def _key_in(item: object) -> str | None:
    """Return the key in an item, which is a string or an object that names it."""
    if isinstance(item, dict):
        item = next((item[name] for name in ("file_key", "key", "id", "name") if item.get(name)), None)
    return str(item) if isinstance(item, (str, int)) and not isinstance(item, bool) and item != "" else None


def read_deleted(response: Response) -> None:
    """Read the response to a deletion, which the document does not show: empty, or without an error."""
    if response.body.strip() or not 200 <= response.status < 300:
        read_content(response)


def is_file(format: Format) -> Callable[[Response], bool]:
    """Return a function that tells a file, by its first bytes, from an error or a page in its place."""

    def judge(head: Response) -> bool:
        body = head.body.removeprefix(b"\xef\xbb\xbf").lstrip()
        if head.status != 200 or not body:
            return False
        if format == "xml":
            return body.startswith(b"<") and not _HTML.match(body) and not _XML_ERROR.search(body)
        if format == "csv":
            separated = any(one in body.partition(b"\n")[0] for one in (b",", b";", b"\t"))
            return separated and not body.startswith((b"{", b"[", b"<"))
        return body.startswith((b"{", b"[")) and not _JSON_ERROR.search(body.partition(b"[")[0])

    return judge


def read_saved_bytes(response: Response) -> int:
    """Return the number of bytes that were saved, or 0 for an empty export. Raises the error that came."""
    if response.saved_bytes is None:
        _raise_unless_empty(response)
    return response.saved_bytes or 0


def read_has_rows(response: Response) -> bool:
    """Return whether there is a file, and not an empty export. Raises the error that came."""
    if response.saved_bytes is None:
        _raise_unless_empty(response)
    return response.saved_bytes is not None


def rows_reader(format: Format) -> Callable[[Response], list[Record]]:
    """Return a reader of a file's rows."""

    def read(response: Response) -> list[Record]:
        if is_file(format)(response):
            return all_rows(response.body, lambda file: _stripped_records(file, format))
        _raise_unless_empty(response)
        return []

    return read


def iter_records(file: IO[bytes], format: str) -> Iterator[NumberedRow]:
    """Yield the records of an export's file, one at a time, as they come.

    Raises TelecomAnswerError for any other file, and the error that is in it beside the records.
    """
    if format == "csv":
        return csv_rows(file, field_pattern=MESSAGE_ID)
    return _json_records(file, json_rows) if format == "json" else _xml_records(file, xml_rows)


def iter_pieces(file: IO[bytes], format: str) -> Iterator[NumberedRow | LikeRecords]:
    """Yield what `iter_records` yields of JSON or XML, with many records at once where they are alike."""
    return _json_records(file, json_pieces) if format == "json" else _xml_records(file, xml_pieces)


def _xml_records(file: IO[bytes], read: Callable[..., Iterator[T]]) -> Iterator[T]:
    return _unless_empty(file, partial(read, field_pattern=MESSAGE_ID), xml_metadata)


def _json_records(file: IO[bytes], read: Callable[..., Iterator[T]]) -> Iterator[T]:
    try:
        yield from _unless_empty(file, read, json_metadata)
    except TelecomAnswerError as error:
        advice = "use xml, or csv with a message_type: the document's own sample is not JSON"
        raise TelecomAnswerError(f"{error.text}; {advice}") from None


def _unless_empty(
    file: IO[bytes],
    read: Callable[..., Iterator[T]],
    read_metadata: Callable[[IO[bytes]], Mapping[str, Any]],
) -> Iterator[T]:
    """Yield the rows. Raises an error that is beside them, before or after."""
    facts: dict[str, Any] = {}
    has_rows = False
    try:
        for row in read(file, on_fact=facts.__setitem__):
            has_rows = True
            yield row
    except TelecomAnswerError:
        if has_rows or not _is_empty(strip_blanks(dict(read_metadata(file)))):
            raise
    if _is_empty(strip_blanks(facts)) and has_rows:
        raise TelecomAnswerError("rows, and an error that says that there are none")


def _stripped_records(file: IO[bytes], format: Format) -> Iterator[NumberedRow]:
    for place, row in iter_records(file, format):
        yield place, strip_blanks(row) if format == "json" and not isinstance(row, BadRow) else row


def _raise_unless_empty(response: Response) -> None:
    if not _is_empty(read_checked(response), response.status):
        raise unreadable_response("neither a file nor an error", response.body, response.status)


def _is_empty(found: object, status: int = 200) -> bool:
    """Return whether a response says that the export is empty. Raises any other error in it."""
    if not isinstance(found, dict) or (code := error_code(found)) is None:
        return False
    if code != EMPTY:
        raise_error(found, code, status)
    return True
