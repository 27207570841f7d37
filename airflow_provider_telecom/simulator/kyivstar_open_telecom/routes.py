"""Kyivstar's routes: the token endpoint, and every method on three servers (live, mock, sandbox) in two
versions of the API."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from itertools import product

from fastapi import APIRouter, Request, Response
from fastapi.responses import HTMLResponse, JSONResponse

from airflow_provider_telecom.simulator.incoming import JsonObject, bearer_token
from airflow_provider_telecom.simulator.kyivstar_open_telecom import (
    batches,
    messages,
    multichannel,
    promos,
    rcs,
    subscribers,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.requests import Call, Method
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import UNKNOWN_ADDRESS, RefusedError
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import (
    Environment,
    RateLimitedError,
    VendorState,
    Version,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.tokens import token_endpoint
from airflow_provider_telecom.simulator.kyivstar_open_telecom.variants import refusal, with_variants
from airflow_provider_telecom.simulator.state import SimulatorState

METHODS: dict[Version, tuple[Method, ...]] = {
    "v1beta": (*subscribers.METHODS, *messages.METHODS, *promos.METHODS),
    "v1": (
        *subscribers.V1_METHODS,
        *messages.METHODS,
        *batches.METHODS,
        *multichannel.METHODS,
        *rcs.METHODS,
        *promos.V1_METHODS,
    ),
}
"""The vendor's document describes v1beta; v1 is found in a public client."""
SERVERS: dict[Environment, str] = {"live": "", "mock": "/mock", "sandbox": "/sandbox"}

ALL_VERBS = ["GET", "POST", "PUT", "PATCH", "DELETE"]

Endpoint = Callable[[Request], Awaitable[Response]]


def routes(simulator: SimulatorState) -> APIRouter:
    """Return the vendor's router."""
    router = APIRouter()
    router.add_api_route("/idp/oauth2/token", token_endpoint(simulator), methods=["POST"])
    for (environment, server), version in product(SERVERS.items(), METHODS):
        for method in METHODS[version]:
            endpoint = _endpoint(simulator, environment, version, method)
            path = f"{server}/rest/{version}{method.path}"
            router.add_api_route(path, endpoint, methods=[method.verb])
    router.add_api_route("/{path:path}", _unknown_address(simulator), methods=ALL_VERBS)
    return router


def _unknown_address(simulator: SimulatorState) -> Endpoint:
    """Return the endpoint for paths and verbs that are not in the document."""

    async def endpoint(request: Request) -> Response:
        state: VendorState = simulator.vendor_state("kyivstar_open_telecom", VendorState)
        if state.switches["unknown_address"] == "gateway":
            return HTMLResponse("<html><h1>404 Not Found</h1></html>", 404)
        return _refused(state, RefusedError(404, UNKNOWN_ADDRESS, "No such address"), state.new_id())

    return endpoint


def _refused(
    state: VendorState, error: RefusedError, request_id: str, headers: Mapping[str, str] | None = None
) -> Response:
    status, body = refusal(error, request_id, state.switches)
    return JSONResponse(body, status, {"X-Request-Id": request_id, **(headers or {})})


def _endpoint(
    simulator: SimulatorState, environment: Environment, version: Version, method: Method
) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        state: VendorState = simulator.vendor_state("kyivstar_open_telecom", VendorState)
        request_id = state.new_id()
        headers = {"X-Request-Id": request_id}
        try:
            state.authenticate(environment, bearer_token(request))
            headers |= state.check_rate_limit(environment)
            query, body, file = method.check(request, raw)
            call = Call(state, environment, version, request_id, request.path_params, query, body, file)
            answer = with_variants(method.answer(call), state.switches)
        except RateLimitedError as error:
            return _refused(state, error, request_id, error.headers)
        except RefusedError as error:
            return _refused(state, error, request_id)
        if _is_wrapped(state, version, method):
            answer = _wrapped(answer, request_id, state.new_id())
        return JSONResponse(answer, headers=headers | call.headers)

    return endpoint


def _is_wrapped(state: VendorState, version: Version, method: Method) -> bool:
    is_check = method in (*subscribers.METHODS, *subscribers.V1_METHODS)
    if version == "v1":
        return state.switches["v1_resource"] in (("checks", "all") if is_check else ("all",))
    return state.switches["resource"] in (("on", "checks") if is_check else ("on",))


def _wrapped(answer: JsonObject, request_id: str, correlation_id: str) -> JsonObject:
    resource = {name: value for name, value in answer.items() if name != "reqId"}
    return {"reqId": request_id, "cid": correlation_id, "resource": resource}
