"""Detailed statistics: exports that are ordered, become ready, are fetched, and have to be cleared away."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Literal

from airflow_provider_telecom.calls.checks import in_range, matching, non_blank, non_empty, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import MEGABYTE, Idempotency, Json, Request, Save, Target
from airflow_provider_telecom.vendors.ketchup_loyalty.arguments import FILE_KEY, SOURCES, STATUSES, TYPES
from airflow_provider_telecom.vendors.ketchup_loyalty.exports import (
    FORMATS,
    Format,
    file_is_there,
    file_saved,
    is_file,
    read_deleted,
    read_exports,
    read_key,
    rows_of,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.hlr import callback
from airflow_provider_telecom.vendors.ketchup_loyalty.models import StatisticsExport
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import KetchUpRequests, numeric_id
from airflow_provider_telecom.vendors.times import inclusive_local_period

MOST_IDS = 300
MOST_CLICKS = 999_999
_LARGEST_ANSWER = 64 * MEGABYTE
_LARGEST_DOWNLOAD = 8 << 30


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
        `callback_url` is as the document's sample has it; the report to it is "In Progress" there.

        Raises TelecomInputError, TelecomRejectedError (80 to 86 a wrong filter, 92 five exports are kept
        already), TelecomUnknownError. A copy takes one more of the five places.
        Source: "Запрос на выгрузку статистики".
        """
        filters: dict[str, Any] = {
            **self._period("time_in", time_in_from, time_in_to),
            "msisdn": None
            if msisdns is None
            else [self._msisdn(one) for one in non_empty("msisdns", msisdns)],
            "originator": None if originator is None else non_blank("originator", originator),
            "source_type": None if source_type is None else one_of("source_type", source_type, SOURCES),
            "message_type": None if message_type is None else one_of("message_type", message_type, TYPES),
            **self._period("time_sent", time_sent_from, time_sent_to),
            "country_name": None if country_name is None else non_blank("country_name", country_name),
            "operator_id": _operator(operator_id, country_name),
            "status": None if status is None else one_of("status", status, STATUSES),
            **_clicks(clicks),
        }
        given = {name: value for name, value in filters.items() if value is not None}
        body = _chosen(message_ids, given)
        if callback_url is not None:
            body["callback_url"] = callback("callback_url", callback_url)
        request = self._request("POST", "/stat/create", Idempotency.DRAFT, body=Json(body))
        return (yield from self._call(request, read_key))

    @endpoint
    def get_statistics(self, file_key: str, format: Format = "json") -> Call[list[dict[str, Any]]]:
        """Return an export's rows as the vendor writes them; none when it is empty.

        csv is there only if the export was ordered with a `message_type`.

        Raises KetchUpNotReadyError (91), TelecomNotFoundError (90: gone, or never there; 60: no such message
        ids), TelecomAnswerError (the document's own sample is not JSON: ask for csv then). A read.
        Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, format)
        return (yield from self._call(request, rows_of(format)))

    @endpoint
    def download_statistics(self, file_key: str, target: Target, format: Format = "csv") -> Call[int]:
        """Stream an export into `target` as the vendor sends it; return the bytes, or 0 when it is empty.

        The file appears under its name when it is whole, and not at all when the export is empty.
        Otherwise as `get_statistics`. Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, format, Save(target, is_file(format)))
        return (yield from self._call(request, file_saved))

    @endpoint
    def has_statistics_file(self, file_key: str) -> Call[bool]:
        """Return whether an export has rows, once its file can be fetched. Its first bytes are read.

        Raises KetchUpNotReadyError (91: not yet), TelecomNotFoundError (90). A read.
        Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, "json", Save(None, is_file("json")))
        return (yield from self._call(request, file_is_there))

    @endpoint
    def list_statistics_exports(self) -> Call[list[StatisticsExport]]:
        """Return the exports that the vendor keeps, each raw as well: the document shows no answer.

        A read. Source: "Запрос списка существующих файлов".
        """
        return (yield from self._call(self._get("/stat/list"), read_exports))

    @endpoint
    def delete_statistics_export(self, file_key: str) -> Call[None]:
        """Delete an export.

        The document deletes at /message/list, while all else stands at /stat: when the first is not
        there, the second is tried. Raises TelecomNotFoundError (90: no such export; after an unknown
        outcome that is what was wanted), TelecomUnknownError (look at `list_statistics_exports`).
        Source: "Удаление предыдущих запрошенных файлов".
        """
        ids = {"file_key": _file_key(file_key)}
        paths = ("/message/list/{file_key}", "/stat/list/{file_key}")
        requests = [self._request("DELETE", path, Idempotency.SET_STATE, ids=ids) for path in paths]
        return (yield from self._at_any_address(requests, read_deleted))

    def _file(self, file_key: str, format: Format, save: Save | None = None) -> Request:
        ids = {"file_key": _file_key(file_key), "format": one_of("format", format, FORMATS)}
        most = _LARGEST_DOWNLOAD if save else _LARGEST_ANSWER
        path = "/stat/file/id/{file_key}/format/{format}"
        return self._request("GET", path, Idempotency.READ, ids=ids, save=save, max_bytes=most)

    def _period(self, name: str, start: datetime | None, end: datetime | None) -> dict[str, str | None]:
        """Return a filter's two ends by the vendor's clocks. The second is included."""
        fields = (f"{name}_from", f"{name}_to")
        ends = inclusive_local_period(fields, start, end, self.options.vendor_timezone)
        return {
            field: None if one is None else f"{one:%Y-%m-%d %H:%M:%S}"
            for field, one in zip(fields, ends, strict=True)
        }


def _chosen(message_ids: Sequence[str | int] | None, filters: dict[str, Any]) -> dict[str, Any]:
    if message_ids is not None:
        if filters:
            raise TelecomInputError("message_ids", f"overrides other filters; leave out {', '.join(filters)}")
        return {
            "message_id": [
                numeric_id("message_ids", one) for one in non_empty("message_ids", message_ids, MOST_IDS)
            ]
        }
    for end in ("time_in_from", "time_in_to"):
        if end not in filters:
            raise TelecomInputError(end, "must be given, or message_ids")
    return filters


def _operator(operator_id: str | int | None, country_name: str | None) -> str | int | None:
    if operator_id is not None and country_name is None:
        raise TelecomInputError("operator_id", "is overlooked by the vendor without country_name")
    if operator_id is not None:
        matching("operator_id", str(operator_id), r"[A-Za-z0-9_-]{1,64}", "must be the vendor's own id")
    return operator_id


def _clicks(clicks: tuple[str, int] | None) -> dict[str, Any]:
    if clicks is None:
        return {}
    if not isinstance(clicks, (tuple, list)) or len(clicks) != 2:
        raise TelecomInputError("clicks", 'must be a pair like (">", 0)')
    compare, count = clicks
    return {
        "sl_clicks": True,
        "sl_clicks_comp": one_of("clicks", compare, ("<", ">", "=")),
        "sl_clicks_count": in_range("clicks", count, 0, MOST_CLICKS),
    }


def _file_key(value: str) -> str:
    return matching("file_key", value, FILE_KEY, "must be a key that the vendor gave")
