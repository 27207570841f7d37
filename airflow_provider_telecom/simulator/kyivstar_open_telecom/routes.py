"""Kyivstar's HTTP face: the token endpoint, and every method on the live, mock and sandbox servers."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from airflow_provider_telecom.simulator.kyivstar_open_telecom import messages, promos, subscribers
from airflow_provider_telecom.simulator.kyivstar_open_telecom.fields import check
from airflow_provider_telecom.simulator.kyivstar_open_telecom.method import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    NOT_JSON,
    UNKNOWN_ADDRESS,
    RefusedError,
    wrong,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import (
    Environment,
    RateLimitedError,
    VendorState,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.tokens import token_endpoint
from airflow_provider_telecom.simulator.kyivstar_open_telecom.variants import refusal, written
from airflow_provider_telecom.simulator.state import SimulatorState

METHODS = (*subscribers.METHODS, *messages.METHODS, *promos.METHODS)
PREFIXES: dict[Environment, str] = {
    "live": "/rest/v1beta",
    "mock": "/mock/rest/v1beta",
    "sandbox": "/sandbox/rest/v1beta",
}

ALL_VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(state: SimulatorState) -> APIRouter:
    """Return the vendor's router."""
    router = APIRouter()
    router.add_api_route("/idp/oauth2/token", token_endpoint(state), methods=["POST"])
    for environment, prefix in PREFIXES.items():
        for method in METHODS:
            endpoint = _endpoint(state, environment, method)
            router.add_api_route(prefix + method.path, endpoint, methods=[method.verb])
    router.add_api_route("/{path:path}", _unknown_address(state), methods=ALL_VERBS)
    return router


def _unknown_address(state: SimulatorState) -> Endpoint:
    """Return what answers a path, or a verb, that the document does not have."""

    async def endpoint(request: Request) -> Response:
        vendor_state: VendorState = state.vendor_state("kyivstar_open_telecom", VendorState)
        if vendor_state.switches["unknown_address"] == "gateway":
            return HTMLResponse("<html><h1>404 Not Found</h1></html>", 404)
        return _refused(
            vendor_state, RefusedError(404, UNKNOWN_ADDRESS, "No such address"), vendor_state.new_id()
        )

    return endpoint


def _refused(
    vendor_state: VendorState, error: RefusedError, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    status, body = refusal(error, request_id, vendor_state.switches)
    return JSONResponse(body, status, {"X-Request-Id": request_id, **(headers or {})})


def _endpoint(state: SimulatorState, environment: Environment, method: Method) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        vendor_state: VendorState = state.vendor_state("kyivstar_open_telecom", VendorState)
        request_id = vendor_state.new_id()
        headers = {"X-Request-Id": request_id}
        try:
            vendor_state.authenticate(environment, _bearer(request))
            headers |= vendor_state.check_rate_limit(environment)
            answer = method.answer(_call(vendor_state, environment, method, request_id, request, raw))
        except RateLimitedError as error:
            return _refused(vendor_state, error, request_id, error.headers)
        except RefusedError as error:
            return _refused(vendor_state, error, request_id)
        answer = written(answer, vendor_state.switches)
        if vendor_state.switches["resource"] in (
            ("on", "checks") if method in subscribers.METHODS else ("on",)
        ):
            answer = _wrapped(answer, request_id, vendor_state.new_id())
        return JSONResponse(answer, headers=headers)

    return endpoint


def _wrapped(answer: dict[str, Any], request_id: str, correlation_id: str) -> dict[str, Any]:
    resource = {name: value for name, value in answer.items() if name != "reqId"}
    return {"reqId": request_id, "cid": correlation_id, "resource": resource}


def _bearer(request: Request) -> str:
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def _call(
    vendor_state: VendorState,
    environment: Environment,
    method: Method,
    request_id: str,
    request: Request,
    raw: bytes,
) -> Call:
    query = dict(request.query_params)
    if len(query) != len(request.query_params.multi_items()):
        raise wrong("query", "a parameter comes twice")
    check(query, method.query)
    body = _body(method, raw)
    if method.fields is not None:
        check(body, method.fields)
    return Call(vendor_state, environment, request_id, request.path_params, query, body)


def _body(method: Method, raw: bytes) -> dict[str, Any]:
    if not raw and not method.fields:
        return {}
    if method.fields is None:
        raise RefusedError(400, NOT_JSON, "No body is expected")
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise RefusedError(400, NOT_JSON, "The body is not JSON") from None
    if not isinstance(body, dict):
        raise RefusedError(400, NOT_JSON, "The body is not a JSON object")
    return body
