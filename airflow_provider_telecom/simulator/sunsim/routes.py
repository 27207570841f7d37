"""SunSim's routes: the token each request needs, and the envelope of each response."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Literal

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator.fields import Field, check
from airflow_provider_telecom.simulator.incoming import (
    JsonObject,
    bearer_token,
    json_object,
    single_parameters,
)
from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.sunsim import calls, settings
from airflow_provider_telecom.simulator.sunsim.fields import refuse
from airflow_provider_telecom.simulator.sunsim.responses import (
    NOT_JSON,
    UNKNOWN_FIELD,
    RefusedError,
    UnauthorizedError,
    error_part,
    metadata,
    status_of,
    success_part,
)
from airflow_provider_telecom.simulator.sunsim.state import VendorState

BASE = "/api/v1"

Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True)
class Method:
    """A method of the API: its fields (in the query of a GET, in the JSON of a POST) and its `result`.

    An answer that is a pair has, after the `result`, fields of the envelope.
    """

    verb: Literal["GET", "POST"]
    path: str
    answer: Callable[[VendorState, JsonObject], JsonObject | tuple[JsonObject, JsonObject]]
    fields: Mapping[str, Field]

    def read(self, request: Request, raw: bytes) -> JsonObject:
        """Return the values of a request. Raises RefusedError."""
        values = self._query(request, raw) if self.verb == "GET" else self._body(request, raw)
        check(values, self.fields, refuse)
        return values

    def _query(self, request: Request, raw: bytes) -> JsonObject:
        query = single_parameters(request)
        if query is None or raw:
            raise RefusedError(UNKNOWN_FIELD, "a parameter comes twice, or there is a body")
        return dict(query)

    def _body(self, request: Request, raw: bytes) -> JsonObject:
        check(request.query_params, {}, refuse)
        try:
            return json_object(raw)
        except ValueError as error:
            raise RefusedError(NOT_JSON, f"the body is not {error}") from None


METHODS = (
    Method("GET", calls.CREATE_CALLBACK, calls.create_callback, calls.CALLBACK),
    Method("POST", "request/getcalllist", calls.list_calls, calls.CALL_LIST),
    Method("GET", "request/getcallrecordfile", calls.recording, calls.RECORDING),
    Method("POST", "Vats/settings/get", settings.get_settings, settings.GET),
    Method("POST", "Vats/settings/set", settings.set_settings, settings.SET),
)


def routes(simulator: SimulatorState) -> APIRouter:
    """Return the vendor's router. All its paths begin with /api/v1."""
    router = APIRouter()
    for via in ("create", "refresh"):
        path = f"{BASE}/auth/integrationapi/{via}"
        router.add_api_route(path, _token_endpoint(simulator, via), methods=["GET"])
    for method in METHODS:
        endpoint = _endpoint(simulator, method)
        router.add_api_route(f"{BASE}/{method.path}", endpoint, methods=[method.verb])
    return router


def _token_endpoint(simulator: SimulatorState, via: Literal["create", "refresh"]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        state: VendorState = simulator.vendor_state("sunsim", VendorState)
        try:
            state.authenticate(bearer_token(request), "authorization" if via == "create" else "refresh")
            check(request.query_params, {}, refuse)
            return JSONResponse(state.mint(via))
        except RefusedError as refusal:
            return _refused(state, f"auth/integrationapi/{via}", refusal)

    return endpoint


def _endpoint(simulator: SimulatorState, method: Method) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        state: VendorState = simulator.vendor_state("sunsim", VendorState)
        try:
            state.authenticate(bearer_token(request), "access")
            answer = method.answer(state, method.read(request, raw))
        except RefusedError as refusal:
            return _refused(state, method.path, refusal)
        return _accepted(state, method.path, answer)

    return endpoint


def _accepted(
    state: VendorState, api_name: str, answer: JsonObject | tuple[JsonObject, JsonObject]
) -> Response:
    result, outer = answer if isinstance(answer, tuple) else (answer, {})
    callback_form = state.switches["callback_answer"]
    if api_name == calls.CREATE_CALLBACK and callback_form != "envelope":
        return JSONResponse(result) if callback_form == "id" else Response()
    return JSONResponse({
        "error": success_part(state.switches),
        "result": metadata(api_name, state.local(state.simulator.clock.now())) | result,
        "code": 0,
        "requestHash": state.new_id(),
        **outer,
    })


def _refused(state: VendorState, api_name: str, refusal: RefusedError) -> Response:
    status = status_of(refusal.code, state.switches)
    error = error_part(refusal.code, refusal.text)
    if isinstance(refusal, UnauthorizedError):
        return JSONResponse({"error": error}, status, {"WWW-Authenticate": "Bearer"} if status == 401 else {})
    result = metadata(api_name, state.local(state.simulator.clock.now()))
    body = {"error": error, "result": result, "code": refusal.code, "requestHash": state.new_id()}
    return JSONResponse(body, status)
