"""SunSim's HTTP face: who asks with which token, and the envelope around the answer."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.sunsim import calls, settings
from airflow_provider_telecom.simulator.sunsim.fields import Field, check
from airflow_provider_telecom.simulator.sunsim.responses import (
    NOT_JSON,
    UNKNOWN_FIELD,
    RefusedError,
    UnauthorizedError,
    error,
    fine,
    service,
    status_of,
)
from airflow_provider_telecom.simulator.sunsim.state import VendorState

BASE = "/api/v1"

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Method:
    """A method of the API: what it takes (GET by query, POST as JSON) and what gives its `result`.

    An answer that is a pair has, beside the `result`, fields for the envelope itself.
    """

    verb: Literal["GET", "POST"]
    path: str
    answer: Callable[[VendorState, dict[str, Any]], dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]]
    fields: Mapping[str, Field]


METHODS = (
    Method("GET", calls.CREATE_CALLBACK, calls.create_callback, calls.CALLBACK),
    Method("POST", "request/getcalllist", calls.list_calls, calls.CALL_LIST),
    Method("GET", "request/getcallrecordfile", calls.recording, calls.RECORDING),
    Method("POST", "Vats/settings/get", settings.get_settings, settings.GET),
    Method("POST", "Vats/settings/set", settings.set_settings, settings.SET),
)


def routes(state: SimulatorState) -> APIRouter:
    """Return the vendor's router; all its paths begin with /api/v1."""
    router = APIRouter()
    for via in ("create", "refresh"):
        path = f"{BASE}/auth/integrationapi/{via}"
        router.add_api_route(path, _minting(state, via), methods=["GET"])
    for method in METHODS:
        router.add_api_route(f"{BASE}/{method.path}", _endpoint(state, method), methods=[method.verb])
    return router


def _minting(state: SimulatorState, via: Literal["create", "refresh"]) -> Endpoint:
    async def minting(request: Request) -> Response:
        vendor_state: VendorState = state.vendor_state("sunsim", VendorState)
        try:
            vendor_state.authenticate(_bearer(request), "authorization" if via == "create" else "refresh")
            check(request.query_params, {})
            return JSONResponse(vendor_state.mint(via))
        except RefusedError as refusal:
            return _refused(vendor_state, f"auth/integrationapi/{via}", refusal)

    return minting


def _endpoint(state: SimulatorState, method: Method) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        vendor_state: VendorState = state.vendor_state("sunsim", VendorState)
        try:
            vendor_state.authenticate(_bearer(request), "access")
            values = _values(method, request, raw)
            check(values, method.fields)
            answer = method.answer(vendor_state, values)
        except RefusedError as refusal:
            return _refused(vendor_state, method.path, refusal)
        return _accepted(vendor_state, method.path, answer)

    return endpoint


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _values(method: Method, request: Request, raw: bytes) -> dict[str, Any]:
    query = dict(request.query_params)
    if method.verb == "GET":
        if len(query) != len(request.query_params.multi_items()) or raw:
            raise RefusedError(UNKNOWN_FIELD, "a parameter comes twice, or there is a body")
        return query
    check(query, {})
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(NOT_JSON, "the body is not JSON") from None
    if not isinstance(body, dict):
        raise RefusedError(NOT_JSON, "the body is not a JSON object")
    return body


def _accepted(
    vendor_state: VendorState, api_name: str, answer: dict[str, Any] | tuple[dict[str, Any], dict[str, Any]]
) -> Response:
    result, outer = answer if isinstance(answer, tuple) else (answer, {})
    if api_name == calls.CREATE_CALLBACK and (bare := _bare_answer(vendor_state, result)) is not None:
        return bare
    about = service(api_name, vendor_state.local(vendor_state.simulator.clock.now()))
    envelope = {
        "error": fine(vendor_state.switches),
        "result": about | result,
        "code": 0,
        "requestHash": vendor_state.new_id(),
    }
    return JSONResponse(envelope | outer)


def _bare_answer(vendor_state: VendorState, result: dict[str, Any]) -> Response | None:
    """Return the answer to an ordered callback if it is no envelope."""
    form = vendor_state.switches["callback_answer"]
    return None if form == "envelope" else JSONResponse(result) if form == "id" else Response()


def _refused(vendor_state: VendorState, api_name: str, refusal: RefusedError) -> Response:
    status = status_of(refusal.code, vendor_state.switches)
    if isinstance(refusal, UnauthorizedError):
        headers = {"WWW-Authenticate": "Bearer"} if status == 401 else {}
        return JSONResponse({"error": error(refusal.code, refusal.text)}, status, headers)
    about = service(api_name, vendor_state.local(vendor_state.simulator.clock.now()))
    body = {"error": error(refusal.code, refusal.text), "result": about, "code": refusal.code}
    return JSONResponse(body, status)
