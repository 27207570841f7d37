"""Reading statistics exports: their keys, their list, and their files in three formats."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from typing import IO, Any, Literal

from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.calls.rows import (
    BadRow,
    NumberedRow,
    all_rows,
    csv_rows,
    json_metadata,
    json_rows,
    xml_metadata,
    xml_rows,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.models import StatisticsExport
from airflow_provider_telecom.vendors.ketchup_loyalty.responses import (
    EMPTY,
    checked,
    code_of,
    content,
    refuse,
    tidy,
)

Format = Literal["json", "xml", "csv"]
FORMATS: tuple[Format, ...] = ("json", "xml", "csv")

_JSON_ERROR = re.compile(rb'error\s*(?:"|\xe2\x80.)\s*:\s*(?:"|\xe2\x80.)?\s*0*[1-9]')
_XML_ERROR = re.compile(rb"<\s*error\s*>\s*0*[1-9]", re.IGNORECASE)
_HTML = re.compile(rb"<\s*(!doctype|html)", re.IGNORECASE)
_MESSAGE_ID = re.compile(r"message[\s_]*id", re.IGNORECASE)


def read_key(answer: Response) -> str:
    """Return the key of a new export: a string (as the text says), or an object (as the sample) with one."""
    found = content(answer)
    key = _key_in(found.get("key")) if isinstance(found, dict) else None
    if key is None:
        raise unreadable_response("an answer without a key", answer.body, answer.status)
    return key


def read_exports(answer: Response) -> list[StatisticsExport]:
    """Return the exports of an answer that the document does not show: a list, or objects by any name."""
    found = content(answer)
    if isinstance(found, dict):
        rest = [inner for name, inner in found.items() if name not in ("error", "errorDescription") and inner]
        found = rest[0] if len(rest) == 1 else rest
    items = list(found.values()) if isinstance(found, dict) else found
    keys = [_key_in(item) for item in items] if isinstance(items, list) else [None]
    if None in keys:
        raise unreadable_response("an export without a key", answer.body, answer.status)
    return [StatisticsExport(str(key), item) for key, item in zip(keys, items, strict=True)]


def _key_in(item: Any) -> str | None:
    """Return the key in an item, which is a string or an object that names it."""
    if isinstance(item, dict):
        item = next((item[name] for name in ("file_key", "key", "id", "name") if item.get(name)), None)
    return str(item) if isinstance(item, (str, int)) and not isinstance(item, bool) and item != "" else None


def read_deleted(answer: Response) -> None:
    """Read the answer to a deletion, which the document does not show: nothing, or one without an error."""
    if answer.body.strip() or not 200 <= answer.status < 300:
        content(answer)


def is_file(format: Format) -> Callable[[Response], bool]:
    """Return what tells a file, by its first bytes, from an error or a page that came in its place."""

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


def file_saved(answer: Response) -> int:
    """Return the bytes that were saved, or 0 for an export that is empty. Raises the error that came."""
    if answer.saved_bytes is not None:
        return answer.saved_bytes
    _refuse_unless_empty(answer)
    return 0


def file_is_there(answer: Response) -> bool:
    """Return whether there is a file, and not an export that is empty. Raises the error that came."""
    if answer.saved_bytes is not None:
        return True
    _refuse_unless_empty(answer)
    return False


def rows_of(format: Format) -> Callable[[Response], list[dict[str, Any]]]:
    """Return a reader of a file's rows."""

    def read(answer: Response) -> list[dict[str, Any]]:
        if is_file(format)(answer):
            return all_rows(answer.body, lambda file: _tidy_lines(file, format))
        _refuse_unless_empty(answer)
        return []

    return read


def records_in(file: IO[bytes], format: str) -> Iterator[NumberedRow]:
    """Yield the records of an export's file, one at a time, as they come.

    Raises TelecomAnswerError for what is no such file, and the error that stands in it beside the records.
    """
    if format == "csv":
        return csv_rows(file, field_pattern=_MESSAGE_ID)
    return _json_records(file) if format == "json" else _beside_no_error(xml_metadata, _xml_records, file)


def _json_records(file: IO[bytes]) -> Iterator[NumberedRow]:
    try:
        yield from _beside_no_error(json_metadata, json_rows, file)
    except TelecomAnswerError as error:
        advice = "ask for xml, or for csv with a message_type: the document's own sample is no JSON"
        raise TelecomAnswerError(f"{error.text}; {advice}") from None


def _xml_records(file: IO[bytes]) -> Iterator[NumberedRow]:
    return xml_rows(file, _MESSAGE_ID)


def _beside_no_error(
    facts: Callable[[IO[bytes]], Mapping[str, Any]],
    rows: Callable[[IO[bytes]], Iterator[NumberedRow]],
    file: IO[bytes],
) -> Iterator[NumberedRow]:
    """Yield the rows, unless an error stands beside them, be it before or after."""
    if not _says_empty(tidy(dict(facts(file)))):
        yield from rows(file)


def _tidy_lines(file: IO[bytes], format: Format) -> Iterator[NumberedRow]:
    for place, row in records_in(file, format):
        yield place, tidy(row) if format == "json" and not isinstance(row, BadRow) else row


def _refuse_unless_empty(answer: Response) -> None:
    if not _says_empty(checked(answer), answer.status):
        raise unreadable_response("neither a file nor an error", answer.body, answer.status)


def _says_empty(found: Any, status: int = 200) -> bool:
    code = code_of(found) if isinstance(found, dict) else None
    if code not in (None, EMPTY):
        refuse(found, code, status)
    return code == EMPTY
