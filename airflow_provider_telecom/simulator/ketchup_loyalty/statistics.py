"""KetchUp's detailed statistics: files that are ordered, ripen, are fetched, and have to be cleared away."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from fastapi import Request, Response

from airflow_provider_telecom.simulator.ketchup_loyalty import fields, files, filters
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import Refusal
from airflow_provider_telecom.simulator.ketchup_loyalty.state import SHORT_NAME, Export, VendorState

_MOST_EXPORTS = 5
_KEPT = timedelta(days=30)  # the document says a month


async def create(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Order a file; its rows are those of now."""
    body = await fields.json_object(request, 7)
    messages = filters.chosen(vendor_state, body)
    if len(_kept(vendor_state)) >= _MOST_EXPORTS:
        raise Refusal(92)
    key = f"{vendor_state.simulator.random.getrandbits(64):016x}"
    by_id = filters.by_id(body)
    vendor_state.exports[key] = Export(
        key=key,
        created=vendor_state.simulator.clock.now(),
        rows=[files.row(vendor_state, message) for message in messages],
        message_type=None if by_id else body.get("message_type"),
        by_id=by_id,
        progression=vendor_state.simulator.start_progression("ketchup_loyalty.stat", ("pending", "ready")),
    )
    vendor_state.simulator.record(SHORT_NAME, "stat_export", key=key, rows=len(messages), filters=body)
    return {"error": 0, "key": {"file_key": key} if vendor_state.switches.on("key_object") else key}


async def file(vendor_state: VendorState, request: Request) -> Response:
    """Return a file as JSON, XML, or (if one message type was asked for) CSV."""
    export = _export(vendor_state, request)
    form = request.path_params["format"]
    if form not in {"json", "xml", "csv"} or (form == "csv" and export.message_type is None):
        raise Refusal(7)
    if export.progression.poll() != "ready":
        raise Refusal(91)
    if not export.rows:
        raise Refusal(60, "Message_id do not exist") if export.by_id else Refusal(93)
    if form == "json":
        text = files.as_json(
            export.rows,
            vendor_state.switches.on("typographic_quotes"),
            vendor_state.switches.on("statistics_list"),
        )
        return Response(text, media_type="application/json")
    if form == "xml":
        return Response(files.as_xml(export.rows), media_type="application/xml")
    delimiter = ";" if vendor_state.switches.on("csv_semicolon") else ","
    return Response(files.as_csv(export.rows, delimiter), media_type="text/csv")


async def listed(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    """Return the files that are kept. The document shows no answer; this one is made up."""
    kept = {
        export.key: {
            "file_key": export.key,
            "created": vendor_state.naive(export.created),
            "status": export.progression.stage,
        }
        for export in _kept(vendor_state).values()
    }
    shape = vendor_state.switches["list_of_exports"]
    files_shown = {"objects": list(kept.values()), "names": list(kept), "named": kept}[shape]
    return {"error": 0, "files": files_shown}


async def forget_message_list(vendor_state: VendorState, request: Request) -> dict[str, Any] | Response:
    """Delete a file, at the document's path."""
    return (
        Response(status_code=404)
        if vendor_state.switches.on("delete_at_stat_list")
        else _forget(vendor_state, request)
    )


async def forget_stat_list(vendor_state: VendorState, request: Request) -> dict[str, Any] | Response:
    """Delete a file, at the path that would match the list's."""
    return (
        _forget(vendor_state, request)
        if vendor_state.switches.on("delete_at_stat_list")
        else Response(status_code=404)
    )


def _forget(vendor_state: VendorState, request: Request) -> dict[str, Any]:
    export = _export(vendor_state, request)
    del vendor_state.exports[export.key]
    vendor_state.simulator.record(SHORT_NAME, "stat_delete", key=export.key)
    return {"error": 0}


def _export(vendor_state: VendorState, request: Request) -> Export:
    export = _kept(vendor_state).get(request.path_params["key"])
    if export is None:
        raise Refusal(90)
    return export


def _kept(vendor_state: VendorState) -> dict[str, Export]:
    """Return the exports that are not too old, and drop the others."""
    oldest = vendor_state.simulator.clock.now() - _KEPT
    vendor_state.exports = {
        key: export for key, export in vendor_state.exports.items() if export.created > oldest
    }
    return vendor_state.exports


ROUTES = (
    (("POST",), "/rest/stat/create", create),
    (("GET",), "/rest/stat/file/id/{key}/format/{format}", file),
    (("GET",), "/rest/stat/list", listed),
    (("DELETE",), "/rest/message/list/{key}", forget_message_list),
    (("DELETE",), "/rest/stat/list/{key}", forget_stat_list),
)
