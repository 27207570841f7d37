"""Detailed statistics: exports that are requested, become ready, are downloaded, and must be deleted."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime
from typing import Literal

from airflow_provider_telecom.calls.checks import matching, non_blank, non_empty, one_of
from airflow_provider_telecom.calls.endpoint import Call, endpoint
from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import MEGABYTE, Idempotency, Json, Request, Save, Target
from airflow_provider_telecom.vendors.ketchup_loyalty import arguments, models
from airflow_provider_telecom.vendors.ketchup_loyalty.requests import KetchUpRequests
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.exports import (
    FORMATS,
    Format,
    Record,
    is_file,
    read_deleted,
    read_exports,
    read_has_rows,
    read_key,
    read_saved_bytes,
    rows_reader,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.times import period_fields

MAX_IDS = 300
_MAX_ROWS_BYTES = 64 * MEGABYTE
_MAX_DOWNLOAD_BYTES = 8 << 30


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
        sl_clicks: bool | None = None,
        sl_clicks_comp: Literal["<", ">", "="] | None = None,
        sl_clicks_count: int | None = None,
        callback_url: str | None = None,
    ) -> Call[str]:
        """Request an export and return its key; the file is ready some time later.

        Give either `message_ids` (1 to 300; the vendor then ignores all other filters, so they are refused
        beside it) or both ends of `time_in`, when messages came in. Times are aware with the connection's
        `vendor_timezone`, naive without. Experimental, since the document has them for accounts with short
        links only: `sl_clicks` (whether clicks count), `sl_clicks_comp` and `sl_clicks_count` (0 to 999999)
        each alone, or `clicks`, like `(">", 0)`, for all three. Experimental as well: KetchUp posts the rows
        to `callback_url`, which is "In Progress" in the document.

        Raises TelecomInputError, TelecomRejectedError (80 to 86 a wrong filter, 92 five exports are kept
        already), TelecomUnknownError. A repeated request takes one more of the five places.
        Source: "Запрос на выгрузку статистики".
        """
        zone = self.options.vendor_timezone
        filters: dict[str, object] = {
            **period_fields("time_in", time_in_from, time_in_to, zone),
            "msisdn": None
            if msisdns is None
            else [self._msisdn(one) for one in non_empty("msisdns", msisdns)],
            "originator": None if originator is None else non_blank("originator", originator),
            "source_type": one_of("source_type", source_type, (*arguments.SOURCE_TYPES, None)),
            "message_type": one_of("message_type", message_type, (*arguments.MESSAGE_TYPES, None)),
            **period_fields("time_sent", time_sent_from, time_sent_to, zone),
            "country_name": None if country_name is None else non_blank("country_name", country_name),
            "operator_id": _operator(operator_id, country_name),
            "status": one_of("status", status, (*arguments.STATUSES, None)),
            **arguments.click_filters(clicks, sl_clicks, sl_clicks_comp, sl_clicks_count),
        }
        given = {name: value for name, value in filters.items() if value is not None}
        body = _by_id_or_time(message_ids, given)
        if callback_url is not None:
            body["callback_url"] = arguments.check_callback_url("callback_url", callback_url)
        return (yield from self._call(self._post("/stat/create", Idempotency.DRAFT, Json(body)), read_key))

    @endpoint
    def get_statistics(self, file_key: str, format: Format = "json") -> Call[list[Record]]:
        """Return an export's rows as the vendor writes them; none when it is empty.

        csv is available only if the export was requested with a `message_type`.

        Raises KetchUpNotReadyError (91), TelecomNotFoundError (90: no such export; 60: no such message ids),
        TelecomAnswerError (the document's own sample is not JSON: use csv then). A read.
        Source: "Получение запрошенной информации о сообщениях".
        """
        return (yield from self._call(self._file(file_key, format), rows_reader(format)))

    @endpoint
    def download_statistics(self, file_key: str, target: Target, format: Format = "csv") -> Call[int]:
        """Stream an export into `target` as the vendor sends it; return the bytes, or 0 when it is empty.

        The file appears under its name when it is complete, and not at all when the export is empty.
        Otherwise as `get_statistics`. Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, format, Save(target, is_file(format)))
        return (yield from self._call(request, read_saved_bytes))

    @endpoint
    def has_statistics_file(self, file_key: str) -> Call[bool]:
        """Return whether an export has rows, once its file can be downloaded. Its first bytes are read.

        Raises KetchUpNotReadyError (91: not yet), TelecomNotFoundError (90). A read.
        Source: "Получение запрошенной информации о сообщениях".
        """
        request = self._file(file_key, "json", Save(None, is_file("json")))
        return (yield from self._call(request, read_has_rows))

    @endpoint
    def list_statistics_exports(self) -> Call[list[models.StatisticsExport]]:
        """Return the exports that the vendor keeps, each raw as well: the document shows no response.

        A read. Source: "Запрос списка существующих файлов".
        """
        return (yield from self._call(self._get("/stat/list"), read_exports))

    @endpoint
    def delete_statistics_export(self, file_key: str) -> Call[None]:
        """Delete an export.

        The document deletes at /message/list, while everything else is at /stat: if the first does not
        exist, the second is called. Raises TelecomNotFoundError (90: no such export; after an unknown
        outcome that is the wanted state), TelecomUnknownError (check `list_statistics_exports`).
        Source: "Удаление предыдущих запрошенных файлов".
        """
        key = arguments.check_file_key(file_key)
        paths = ("/message/list/{file_key}", "/stat/list/{file_key}")
        requests = [self._delete(path, file_key=key) for path in paths]
        return (yield from self._call_first_address(requests, read_deleted))

    def _file(self, file_key: str, format: Format, save: Save | None = None) -> Request:
        path, key = "/stat/file/id/{file_key}/format/{format}", arguments.check_file_key(file_key)
        request = self._get(path, file_key=key, format=one_of("format", format, FORMATS))
        return replace(request, save=save, max_bytes=_MAX_DOWNLOAD_BYTES if save else _MAX_ROWS_BYTES)


def _by_id_or_time(message_ids: Sequence[str | int] | None, filters: dict[str, object]) -> dict[str, object]:
    if message_ids is not None:
        if filters:
            raise TelecomInputError("message_ids", f"overrides other filters; leave out {', '.join(filters)}")
        return {
            "message_id": [
                arguments.vendor_id("message_ids", one)
                for one in non_empty("message_ids", message_ids, MAX_IDS)
            ]
        }
    for end in ("time_in_from", "time_in_to"):
        if end not in filters:
            raise TelecomInputError(end, "must be given, or message_ids")
    return filters


def _operator(operator_id: str | int | None, country_name: str | None) -> str | int | None:
    if operator_id is not None and country_name is None:
        raise TelecomInputError("operator_id", "is ignored by the vendor without country_name")
    if operator_id is not None:
        matching("operator_id", str(operator_id), r"[A-Za-z0-9_-]{1,64}", "must be the vendor's own id")
    return operator_id
