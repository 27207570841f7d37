"""KetchUp's detailed statistics: files that are ordered, ripen, are fetched, and have to be cleared away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import Request, Response

from airflow_provider_telecom.simulator.ketchup_loyalty import fields, files, filters
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import Refusal
from airflow_provider_telecom.simulator.ketchup_loyalty.books import SHORT_NAME, Books, Export

_MOST_EXPORTS = 5
_KEPT = timedelta(days=30)  # the document says a month


async def create(books: Books, request: Request) -> dict[str, Any]:
    """Order a file; its rows are those of now."""
    body = await fields.json_object(request, 7)
    messages = filters.chosen(books, body)
    if len(_kept(books)) >= _MOST_EXPORTS:
        raise Refusal(92)
    key = f"{books.town.random.getrandbits(64):016x}"
    by_id = filters.by_id(body)
    books.exports[key] = Export(
        key=key,
        created=books.town.clock.now(),
        rows=[files.row(books, message) for message in messages],
        message_type=None if by_id else body.get("message_type"),
        by_id=by_id,
        ripening=books.town.ripen("ketchup.stat", ("pending", "ready")),
    )
    books.town.record(SHORT_NAME, "stat_export", key=key, rows=len(messages), filters=body)
    return {"error": 0, "key": {"file_key": key} if books.switches.on("key_object") else key}


async def file(books: Books, request: Request) -> Response:
    """Return a file as JSON, XML, or (if one message type was asked for) CSV."""
    export = _export(books, request)
    form = request.path_params["format"]
    if form not in {"json", "xml", "csv"} or (form == "csv" and export.message_type is None):
        raise Refusal(7)
    if export.ripening.look() != "ready":
        raise Refusal(91)
    if not export.rows:
        raise Refusal(60, "Message_id do not exist") if export.by_id else Refusal(93)
    if form == "json":
        text = files.as_json(
            export.rows, books.switches.on("typographic_quotes"), books.switches.on("statistics_list")
        )
        return Response(text, media_type="application/json")
    if form == "xml":
        return Response(files.as_xml(export.rows), media_type="application/xml")
    delimiter = ";" if books.switches.on("csv_semicolon") else ","
    return Response(files.as_csv(export.rows, delimiter), media_type="text/csv")


async def listed(books: Books, request: Request) -> dict[str, Any]:
    """Return the files that are kept. The document shows no answer; this one is made up."""
    kept = {
        export.key: {
            "file_key": export.key,
            "created": books.naive(export.created),
            "status": export.ripening.stage,
        }
        for export in _kept(books).values()
    }
    shape = books.switches["list_of_exports"]
    files_shown = {"objects": list(kept.values()), "names": list(kept), "named": kept}[shape]
    return {"error": 0, "files": files_shown}


async def forget_message_list(books: Books, request: Request) -> dict[str, Any] | Response:
    """Delete a file, at the document's path."""
    return Response(status_code=404) if books.switches.on("delete_at_stat_list") else _forget(books, request)


async def forget_stat_list(books: Books, request: Request) -> dict[str, Any] | Response:
    """Delete a file, at the path that would match the list's."""
    return _forget(books, request) if books.switches.on("delete_at_stat_list") else Response(status_code=404)


def _forget(books: Books, request: Request) -> dict[str, Any]:
    export = _export(books, request)
    del books.exports[export.key]
    books.town.record(SHORT_NAME, "stat_delete", key=export.key)
    return {"error": 0}


def _export(books: Books, request: Request) -> Export:
    export = _kept(books).get(request.path_params["key"])
    if export is None:
        raise Refusal(90)
    return export


def _kept(books: Books) -> dict[str, Export]:
    """Return the exports that are not too old, and drop the others."""
    oldest = books.town.clock.now() - _KEPT
    books.exports = {key: export for key, export in books.exports.items() if export.created > oldest}
    return books.exports


ROUTES = (
    (("POST",), "/rest/stat/create", create),
    (("GET",), "/rest/stat/file/id/{key}/format/{format}", file),
    (("GET",), "/rest/stat/list", listed),
    (("DELETE",), "/rest/message/list/{key}", forget_message_list),
    (("DELETE",), "/rest/stat/list/{key}", forget_stat_list),
)
