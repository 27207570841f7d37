"""Detailed statistics: exports that are ordered, become ready, are fetched, and have to be cleared away."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Callable, Sequence
from datetime import datetime
from typing import Any, Literal

from defusedxml import ElementTree
from defusedxml.common import DefusedXmlException

from airflow_provider_telecom.calls.answers import read_json, refuse_by_status, unreadable
from airflow_provider_telecom.calls.checks import filled, matching, one_of, some, within
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.calls.request import MEGABYTE, Json, Repeat, Request, Response, Save, Target
from airflow_provider_telecom.vendors.clock import wall_clock
from airflow_provider_telecom.vendors.ketchup_loyalty.answers import (
    EMPTY,
    GONE,
    code_of,
    complaint,
    content,
    is_error_head,
    refuse,
    tidy,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.hlr import callback
from airflow_provider_telecom.vendors.ketchup_loyalty.models import StatisticsExport
from airflow_provider_telecom.vendors.ketchup_loyalty.posting import KetchUpRequests, numeric_id

Format = Literal["json", "xml", "csv"]
FORMATS: tuple[Format, ...] = ("json", "xml", "csv")
SOURCES = ("api", "web", "smpp", "xml", "http", "json")
TYPES = ("sms", "hlr", "viber")
STATUSES = (
    *("Delivered", "Rejected", "Scheduled", "Moderation", "Accepted", "Sending", "Sent"),
    *("Expired", "Failed", "Undelivered", "Unknown", "Read", "not-viber-user"),
)
MOST_IDS = 300
MOST_CLICKS = 999_999
_LARGEST_ANSWER = 64 * MEGABYTE
_LARGEST_DOWNLOAD = 8 << 30
_FILE_KEY = r"[A-Za-z0-9_-][A-Za-z0-9_.-]{0,127}"


class StatisticsCalls(KetchUpRequests):
    """Statistics calls. The vendor keeps five exports an account, each for a month."""

    @endpoint
    def create_statistics_export(
        self,
        *,
        message_ids: Sequence[str | int] | None = None,
        time_in_from: datetime | None = None,
        time_in_to: datetime | None = None,
        msisdns: Sequence[str | int] | None = None,
        originator: str | None = None,
        source_type: str | None = None,
        message_type: str | None = None,
        time_sent_from: datetime | None = None,
        time_sent_to: datetime | None = None,
        country_name: str | None = None,
        operator_id: str | int | None = None,
        status: str | None = None,
        clicks: tuple[Literal["<", ">", "="], int] | None = None,
        callback_url: str | None = None,
    ) -> Call[str]:
        """Order an export and return its key; the file is ready some time later.

        Give either `message_ids` (1 to 300; the vendor then overlooks all other filters, so they are refused
        beside it) or both ends of `time_in`, when messages came in. Times are aware with the connection's
        `vendor_timezone`, naive without. `clicks`, like `(">", 0)`, is for accounts with short links.

        Raises TelecomInputError, TelecomRejectedError (80 to 86 a wrong filter, 92 five exports are kept
        already), TelecomUnknownError. A copy takes one more of the five places.
        Source: "Запрос на выгрузку статистики".
        """
        filters: dict[str, Any] = {
            "time_in_from": self._wall("time_in_from", time_in_from),
            "time_in_to": self._wall("time_in_to", time_in_to),
            "msisdn": [self._msisdn(one) for one in some("msisdns", msisdns)]
            if msisdns is not None
            else None,
            "originator": originator and filled("originator", originator),
            "source_type": source_type and one_of("source_type", source_type, SOURCES),
            "message_type": message_type and one_of("message_type", message_type, TYPES),
            "time_sent_from": self._wall("time_sent_from", time_sent_from),
            "time_sent_to": self._wall("time_sent_to", time_sent_to),
            "country_name": country_name and filled("country_name", country_name),
            "operator_id": _operator(operator_id, country_name),
            "status": status and one_of("status", status, STATUSES),
            **_clicks(clicks),
        }
        given = {name: value for name, value in filters.items() if value is not None}
        body = _chosen(message_ids, given)
        if callback_url is not None:
            body["callback_url"] = callback("callback_url", callback_url)
        request = self._request("POST", "/stat/create", Repeat.DRAFT, body=Json(body))
        return (yield from self._call(request, _read_key))

    @endpoint
    def get_statistics(self, file_key: str, format: Format = "json") -> Call[list[dict[str, Any]]]:
        """Return an export's rows as the vendor writes them; none when it is empty.

        csv is there only if the export was ordered with a `message_type`.

        Raises KetchUpNotReadyError (91), TelecomNotFoundError (90: gone, or never there; 60: no such message
        ids), TelecomAnswerError (the document's own sample is not JSON: ask for csv then). A read.
        Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, format)
        return (yield from self._call(request, _rows_reader(format)))

    @endpoint
    def download_statistics(self, file_key: str, target: Target, format: Format = "csv") -> Call[int]:
        """Stream an export into `target` as the vendor sends it; return the bytes, or 0 when it is empty.

        The file appears under its name when it is whole, and not at all when the export is empty.
        Otherwise as `get_statistics`. Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, format, Save(target, _is_file))
        return (yield from self._call(request, _saved))

    @endpoint
    def list_statistics_exports(self) -> Call[list[StatisticsExport]]:
        """Return the exports that the vendor keeps, each raw as well: the document shows no answer.

        A read. Source: "Запрос списка существующих файлов".
        """
        return (yield from self._call(self._get("/stat/list"), _read_exports))

    @endpoint
    def delete_statistics_export(self, file_key: str) -> Call[None]:
        """Delete an export.

        The document deletes at /message/list, while all else stands at /stat: when the first is not
        there, the second is tried. Raises TelecomNotFoundError (90), TelecomUnknownError; that it is gone
        on a second try is success. Source: "Удаление предыдущих запрошенных файлов".
        """
        ids = {"file_key": _file_key(file_key)}
        request = self._request("DELETE", "/message/list/{file_key}", Repeat.SET_STATE, ids=ids)
        try:
            return (yield from self._call(request, _deleted))
        except TelecomNotFoundError as error:
            if error.code == GONE:
                raise
        elsewhere = self._request("DELETE", "/stat/list/{file_key}", Repeat.SET_STATE, ids=ids)
        return (yield from self._call(elsewhere, _deleted))

    def _file(self, file_key: str, format: Format, save: Save | None = None) -> Request:
        ids = {"file_key": _file_key(file_key), "format": one_of("format", format, FORMATS)}
        most = _LARGEST_DOWNLOAD if save else _LARGEST_ANSWER
        path = "/stat/file/id/{file_key}/format/{format}"
        return self._request("GET", path, Repeat.READ, ids=ids, save=save, max_bytes=most)

    def _wall(self, field: str, at: datetime | None) -> str | None:
        if at is None:
            return None
        return wall_clock(field, at, self.options.vendor_timezone).format("YYYY-MM-DD HH:mm:ss")


def _chosen(message_ids: Sequence[str | int] | None, filters: dict[str, Any]) -> dict[str, Any]:
    if message_ids is not None:
        if filters:
            raise TelecomInputError("message_ids", f"overrides other filters; leave out {', '.join(filters)}")
        return {
            "message_id": [
                numeric_id("message_ids", one) for one in some("message_ids", message_ids, MOST_IDS)
            ]
        }
    for end in ("time_in_from", "time_in_to"):
        if end not in filters:
            raise TelecomInputError(end, "must be given, or message_ids")
    for first, last in (("time_in_from", "time_in_to"), ("time_sent_from", "time_sent_to")):
        if first in filters and last in filters and filters[first] > filters[last]:
            raise TelecomInputError(last, f"must not be earlier than {first}")
    return filters


def _operator(operator_id: str | int | None, country_name: str | None) -> str | int | None:
    if operator_id is not None and not country_name:
        raise TelecomInputError("operator_id", "is overlooked by the vendor without country_name")
    return operator_id


def _clicks(clicks: tuple[str, int] | None) -> dict[str, Any]:
    if clicks is None:
        return {}
    compare, count = clicks
    return {
        "sl_clicks": True,
        "sl_clicks_comp": one_of("clicks", compare, ("<", ">", "=")),
        "sl_clicks_count": within("clicks", count, 0, MOST_CLICKS),
    }


def _file_key(value: str) -> str:
    return matching("file_key", value, _FILE_KEY, "must be a key that the vendor gave")


def _key_in(item: Any) -> str | None:
    """Return the key in an item, which is a string or an object that names it."""
    if isinstance(item, dict):
        item = next((item[name] for name in ("file_key", "key", "id", "name") if item.get(name)), None)
    return str(item) if isinstance(item, (str, int)) and not isinstance(item, bool) and item != "" else None


def _read_key(answer: Response) -> str:
    found = content(answer)
    key = _key_in(found.get("key")) if isinstance(found, dict) else None
    if key is None:
        raise unreadable("an answer without a key", answer.body, answer.status)
    return key


def _read_exports(answer: Response) -> list[StatisticsExport]:
    found = content(answer)
    if isinstance(found, dict):
        found = next((inner for inner in found.values() if isinstance(inner, list)), None)
    if found is None:
        return []
    exports = [StatisticsExport(key, item) for item in found if (key := _key_in(item)) is not None]
    if len(exports) != len(found):
        raise unreadable("an export without a key", answer.body, answer.status)
    return exports


def _deleted(answer: Response) -> None:
    content(answer)


def _is_file(head: Response) -> bool:
    return head.status == 200 and not is_error_head(head.body)


def _saved(answer: Response) -> int:
    if answer.saved_bytes is not None:
        return answer.saved_bytes
    _refuse_unless_empty(answer)
    return 0


def _refuse_unless_empty(answer: Response) -> None:
    """Raise the error that stands in a file's place, unless it says that the export is empty."""
    refuse_by_status(answer, lambda: complaint(answer))
    found = tidy(read_json(answer.body))
    code = code_of(found) if isinstance(found, dict) else None
    if code is None:
        raise unreadable("neither a file nor an error", answer.body, answer.status)
    if code != EMPTY:
        refuse(found, code, answer.status)


def _rows_reader(format: Format) -> Callable[[Response], list[dict[str, Any]]]:
    rows = {"json": _json_rows, "xml": _xml_rows, "csv": _csv_rows}[format]

    def read(answer: Response) -> list[dict[str, Any]]:
        if not _is_file(answer):
            _refuse_unless_empty(answer)
            return []
        return rows(answer)

    return read


def _json_rows(answer: Response) -> list[dict[str, Any]]:
    found = tidy(read_json(answer.body))
    if isinstance(found, dict):
        found = next((inner for inner in found.values() if isinstance(inner, list)), None)
    if not isinstance(found, list) or not all(isinstance(row, dict) for row in found):
        raise unreadable("statistics without rows", answer.body, answer.status)
    return found


def _csv_rows(answer: Response) -> list[dict[str, Any]]:
    try:
        text = answer.body.decode("utf-8-sig")
    except UnicodeDecodeError:
        raise unreadable("not UTF-8", answer.body, answer.status) from None
    separator = ";" if text.partition("\n")[0].count(";") else ","
    rows = list(csv.DictReader(io.StringIO(text), delimiter=separator))
    if any(None in row or None in row.values() for row in rows):
        raise unreadable("a CSV row with more or fewer cells than its header", answer.body, answer.status)
    return [dict(row) for row in rows]


def _xml_rows(answer: Response) -> list[dict[str, Any]]:
    try:
        root = ElementTree.fromstring(answer.body, forbid_dtd=True)
    except (ElementTree.ParseError, DefusedXmlException, ValueError):
        raise unreadable("not XML, or XML with a document type declaration", answer.body) from None
    rows = [element for element in root.iter() if any(_is_id(cell.tag) for cell in element)]
    if not rows and len(root):
        raise unreadable("XML without messages", answer.body, answer.status)
    return [_element(row) for row in rows]


def _element(row: Any) -> dict[str, Any]:
    return {cell.tag: _element(cell) if len(cell) else cell.text or "" for cell in row}


def _is_id(tag: str) -> bool:
    return re.fullmatch(r"message_id", tag, re.IGNORECASE) is not None
