"""Simulator of KetchUp Loyalty: SMS, HLR look-ups, Viber, and statistics, as in its document."""

from __future__ import annotations

from collections.abc import Awaitable, Callable

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator.credentials import KETCHUP_API_KEY
from airflow_provider_telecom.simulator.ketchup_loyalty import hlr, sms, statistics, viber
from airflow_provider_telecom.simulator.ketchup_loyalty.responses import VendorError, apply_switches
from airflow_provider_telecom.simulator.ketchup_loyalty.state import VENDOR, VendorState
from airflow_provider_telecom.simulator.ketchup_loyalty.status import Handle, Route
from airflow_provider_telecom.simulator.state import SimulatorState

_STATUSES = {
    **dict.fromkeys((1, 3), 401),
    **dict.fromkeys((20, 30, 40, 60, 90), 404),
    **dict.fromkeys((23, 43, 63), 409),
    8: 402,
    12: 413,
}
"""HTTP statuses that a careful programmer would have chosen for the codes; 400 for the others."""


def routes(state: SimulatorState) -> APIRouter:
    """Return KetchUp's routes, each with and without `/rest`."""
    router = APIRouter()
    all_routes: tuple[Route, ...] = (*hlr.ROUTES, *sms.ROUTES, *viber.ROUTES, *statistics.ROUTES)
    for methods, path, handle in all_routes:
        for address in (path, path.removeprefix("/rest")):
            router.add_route(address, _endpoint(state, handle, address), methods=list(methods))
    return router


def _endpoint(
    simulator: SimulatorState, handle: Handle, address: str
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        state: VendorState = simulator.vendor_state(VENDOR, VendorState)
        if not _exists(state, address):
            return Response("<html>404 Not Found</html>", status_code=404, media_type="text/html")
        status = 200
        try:
            _authorize(state, request)
            body = await handle(state, request)
        except VendorError as error:
            body = error.body(state.switches)
            status = _status_of(state, error)
        if isinstance(body, Response):
            return body
        body = _without_zero_error(state, request, apply_switches(body, state.switches))
        return JSONResponse(body, status_code=status)

    return serve


def _exists(state: VendorState, address: str) -> bool:
    """Return whether an address exists under the switches."""
    is_bare = not address.startswith("/rest/")
    module = address.removeprefix("/rest").split("/")[1]
    wants_bare = {"rest": False, "bare": True, "mixed": module == "hlr"}[state.switches["base_path"]]
    is_explicit = module in ("hlr", "sms") and ("/reference/" in address or "/task/" in address)
    return is_bare == wants_bare and not (is_explicit and state.switches["reference_path"] == "shared")


def _status_of(state: VendorState, error: VendorError) -> int:
    if error.code == 1 and state.switches.on("status_401"):
        return 401
    if state.switches["error_status"] == "by_code":
        return _STATUSES.get(error.code, 400)
    return 400 if state.switches["error_status"] == "400" else 200


def _authorize(state: VendorState, request: Request) -> None:
    if request.headers.get("x-api-key") != KETCHUP_API_KEY:
        raise VendorError(1)
    if state.blocked:
        raise VendorError(3)


def _without_zero_error(state: VendorState, request: Request, body: object) -> object:
    """Return a read's response without its `error: 0`, if the switch is on."""
    if state.switches.on("bare_read") and request.method == "GET" and isinstance(body, dict):
        return {name: value for name, value in body.items() if name != "error" or str(value) != "0"}
    return body
