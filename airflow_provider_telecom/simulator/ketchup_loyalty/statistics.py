"""KetchUp's detailed statistics: files that are requested, become ready, are downloaded, and are deleted."""

from __future__ import annotations

from datetime import timedelta

from fastapi import Request, Response

from airflow_provider_telecom.simulator.ketchup_loyalty import arguments, files, filters
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import JsonObject, VendorError
from airflow_provider_telecom.simulator.ketchup_loyalty.state import (
    VENDOR,
    Delivery,
    Export,
    VendorState,
)
from airflow_provider_telecom.simulator.ketchup_loyalty.status import post_webhook

_MAX_EXPORTS = 5
_KEPT = timedelta(days=30)  # the document says a month


async def create(state: VendorState, request: Request) -> JsonObject:
    """Request a file; its rows have the present statuses. For each message it counts as a poll."""
    body = await arguments.json_object(request, 7)
    messages = filters.find_messages(state, body)
    for message in messages:
        message.delivery.poll()
    if len(_kept(state)) >= _MAX_EXPORTS:
        raise VendorError(92)
    key = f"{state.simulator.random.getrandbits(64):016x}"
    by_id = filters.by_id(body)
    now = state.now()
    export = state.exports[key] = Export(
        key=key,
        created=now,
        rows=[files.row(state, message) for message in messages],
        message_type=None if by_id else body.get("message_type"),
        by_id=by_id,
        delivery=Delivery(state.simulator, f"{VENDOR}.stat", ("pending", "ready"), now),
        callback_url=body.get("callback_url") or state.statistics_callback_url,
    )
    if (ready := export.delivery.finish_time()) is not None:
        _post(state, export, (ready - now).total_seconds())
    state.simulator.record(VENDOR, "stat_export", key=key, rows=len(messages), filters=body)
    return {"error": 0, "key": {"file_key": key} if state.switches.on("key_object") else key}


async def file(state: VendorState, request: Request) -> Response:
    """Return a file as JSON, XML, or (if one message type was requested) CSV."""
    export = _export(state, request)
    form = request.path_params["format"]
    if form not in {"json", "xml", "csv"} or (form == "csv" and export.message_type is None):
        raise VendorError(7)
    if export.delivery.poll() != "ready":
        raise VendorError(91)
    _post(state, export, 0)
    if not export.rows:
        raise VendorError(60, "Message_id do not exist") if export.by_id else VendorError(93)
    if form == "json":
        return Response(_as_json(state, export.rows), media_type="application/json")
    if form == "xml":
        return Response(files.as_xml(export.rows), media_type="application/xml")
    delimiter = ";" if state.switches.on("csv_semicolon") else ","
    return Response(files.as_csv(export.rows, delimiter), media_type="text/csv")


def _post(state: VendorState, export: Export, delay: float) -> None:
    """Post the rows, once, if there is an address: all together, or each by itself."""
    if export.callback_url is None or export.posted:
        return
    export.posted = True
    is_whole = state.switches["statistics_push"] == "file"
    for rows in [export.rows] if is_whole else [[row] for row in export.rows]:
        post_webhook(state, export.callback_url, _as_json(state, rows).encode(), delay)


def _as_json(state: VendorState, rows: list[JsonObject]) -> str:
    switches = state.switches
    return files.as_json(rows, switches.on("typographic_quotes"), switches.on("statistics_list"))


async def listed(state: VendorState, request: Request) -> JsonObject:
    """Return the files that are kept. The document shows no response; this one is invented."""
    kept = {
        export.key: {
            "file_key": export.key,
            "created": state.local_text(export.created),
            "status": export.delivery.stage,
        }
        for export in _kept(state).values()
    }
    shape = state.switches["list_of_exports"]
    files_shown = {"objects": list(kept.values()), "names": list(kept), "named": kept}[shape]
    return {"error": 0, "files": files_shown}


async def forget_message_list(state: VendorState, request: Request) -> JsonObject | Response:
    """Delete a file, at the document's path."""
    return Response(status_code=404) if state.switches.on("delete_at_stat_list") else _forget(state, request)


async def forget_stat_list(state: VendorState, request: Request) -> JsonObject | Response:
    """Delete a file, at the path that would match the list's."""
    return _forget(state, request) if state.switches.on("delete_at_stat_list") else Response(status_code=404)


def _forget(state: VendorState, request: Request) -> JsonObject:
    export = _export(state, request)
    del state.exports[export.key]
    state.simulator.record(VENDOR, "stat_delete", key=export.key)
    return {"error": 0}


def _export(state: VendorState, request: Request) -> Export:
    export = _kept(state).get(request.path_params["key"])
    if export is None:
        raise VendorError(90)
    return export


def _kept(state: VendorState) -> dict[str, Export]:
    """Return the exports that are not too old, and drop the others."""
    oldest = state.now() - _KEPT
    state.exports = {key: export for key, export in state.exports.items() if export.created > oldest}
    return state.exports


ROUTES = (
    (("POST",), "/rest/stat/create", create),
    (("GET",), "/rest/stat/file/id/{key}/format/{format}", file),
    (("GET",), "/rest/stat/list", listed),
    (("DELETE",), "/rest/message/list/{key}", forget_message_list),
    (("DELETE",), "/rest/stat/list/{key}", forget_stat_list),
)
