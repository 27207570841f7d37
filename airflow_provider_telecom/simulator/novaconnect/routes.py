"""NovaConnect's HTTP routes: authentication, language, the body, and the envelope of the response."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, RedirectResponse

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.novaconnect import billing, bills, groups, reports, sims, users
from airflow_provider_telecom.simulator.novaconnect.fields import check
from airflow_provider_telecom.simulator.novaconnect.models import ADMIN, JsonObject, User
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method
from airflow_provider_telecom.simulator.novaconnect.responses import LANGS, RefusedError, find, message
from airflow_provider_telecom.simulator.novaconnect.seed import ADMIN_ID, PLAIN_ID
from airflow_provider_telecom.simulator.novaconnect.state import VendorState
from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.switches import Switches

METHODS: dict[str, Method] = {
    **sims.METHODS,
    **bills.METHODS,
    **reports.METHODS,
    **users.METHODS,
    **groups.METHODS,
}
OWNERS = {credentials.NOVACONNECT_TOKEN: ADMIN_ID, credentials.NOVACONNECT_USER_TOKEN: PLAIN_ID}
XLSX = "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(simulator: SimulatorState) -> APIRouter:
    """Return the vendor's router; all its paths begin with /api."""
    router = APIRouter()
    for path, method in METHODS.items():
        router.add_api_route(f"/api/{path}", _endpoint(simulator, method), methods=["POST"])
    router.add_api_route("/api/bill/download/{bill_id}", _download(simulator), methods=["GET"])
    verbs = ["GET", "POST", "PUT", "PATCH", "DELETE"]
    router.add_api_route("/api/{path:path}", _unknown_path(simulator), methods=verbs, include_in_schema=False)
    return router


def _endpoint(simulator: SimulatorState, method: Method) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        state: VendorState = simulator.vendor_state("novaconnect", VendorState)
        try:
            user = _authenticate(state, request, _bearer(request), {"lang"})
            body = _body(request, raw)
            if method.admin and user.role != ADMIN:
                raise RefusedError(403, "admin_only")
            check(body, method.fields)
            if request.url.path.endswith("/sim/reconnect") and state.switches.on("reconnect_redirect"):
                return RedirectResponse(request.url.path.replace("reconnect", "disconnect"), 307)
            return _accepted(state, request, method.answer(Call(state, user, body)))
        except RefusedError as refusal:
            return _refused(state, request, refusal)

    return endpoint


def _download(simulator: SimulatorState) -> Endpoint:
    async def download(request: Request) -> Response:
        state: VendorState = simulator.vendor_state("novaconnect", VendorState)
        try:
            token = _bearer(request) or request.query_params.get("token", "")
            _authenticate(state, request, token, {"lang", "token", "mode"})
            return _bill_file(state, request)
        except RefusedError as refusal:
            return _refused(state, request, refusal)

    return download


def _bill_file(state: VendorState, request: Request) -> Response:
    number, mode = request.path_params["bill_id"], request.query_params.get("mode")
    if mode not in (None, "transcript"):
        raise RefusedError(400, "bad_value", "mode")
    if re.fullmatch(r"[0-9]{1,18}", number) is None:
        raise RefusedError(404, "not_found", "id")
    bill = find(state.bills, int(number), "id")
    if mode:
        return _file(billing.transcript_xlsx(state, bill), XLSX, f"{bill.bid}.xlsx")
    return _file(billing.bill_pdf(bill), "application/pdf", f"{bill.bid}.pdf")


def _file(body: bytes, media_type: str, name: str) -> Response:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return Response(body, media_type=media_type, headers=headers)


def _unknown_path(simulator: SimulatorState) -> Endpoint:
    async def stray(request: Request) -> Response:
        path = request.path_params["path"]
        known = path in METHODS or path.startswith("bill/download/")
        refusal = RefusedError(405, "http_method", path) if known else RefusedError(404, "no_method", path)
        return _refused(simulator.vendor_state("novaconnect", VendorState), request, refusal)

    return stray


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _authenticate(state: VendorState, request: Request, token: str, parameters: set[str]) -> User:
    """Return the token's user, after the queues have processed what is due."""
    user = state.users.get(OWNERS.get(token, 0))
    if user is None or not user.active:
        raise RefusedError(401, "unauthorized")
    for name in request.query_params:
        if name not in parameters:
            raise RefusedError(400, "unknown_field", name)
    if request.query_params.get("lang", "ru") not in LANGS:
        raise RefusedError(400, "bad_value", "lang")
    state.settle(polling=True)
    return user


def _body(request: Request, raw: bytes) -> JsonObject:
    if request.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
        raise RefusedError(400, "not_json", "Content-Type")
    try:
        body = json.loads(raw)
    except ValueError:
        raise RefusedError(400, "not_json") from None
    if not isinstance(body, dict):
        raise RefusedError(400, "not_json")
    return body


def _lang(request: Request) -> str:
    lang = request.query_params.get("lang", "ru")
    return lang if lang in LANGS else "ru"


def _accepted(state: VendorState, request: Request, answer: JsonObject) -> Response:
    if state.switches.on("flat"):
        result = answer.pop("result", {})
        answer |= result
    body = {"code": 200, "message": message("ok", _lang(request)), **answer}
    return JSONResponse(_typed(body, state.switches))


def _typed(value: Any, switches: Switches) -> Any:
    """Return JSON in the types that the switches choose."""
    if isinstance(value, dict):
        return {name: _typed(inner, switches) for name, inner in value.items()}
    if isinstance(value, list):
        return [_typed(inner, switches) for inner in value]
    if isinstance(value, bool):
        value = int(value) if switches.on("flags_as_numbers") else value
    if isinstance(value, (int, float)) and not isinstance(value, bool) and switches.on("numbers_as_text"):
        return str(value)
    return value


def _refused(state: VendorState, request: Request, refusal: RefusedError) -> Response:
    text, switches = message(refusal.text, _lang(request), refusal.detail), state.switches
    if switches.on("bare_errors"):
        return JSONResponse({"error": text}, refusal.code)
    form = switches["http_status"]
    by_status = form == "code" or (form == "200_but_401" and refusal.code == 401)
    body = _typed({"code": refusal.code, "message": text}, switches)
    return JSONResponse(body, refusal.code if by_status else 200)
