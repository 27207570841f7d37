"""A pretend KetchUp Loyalty: SMS, HLR look-ups, Viber, and statistics, as its document has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator.credentials import KETCHUP_API_KEY
from airflow_provider_telecom.simulator.ketchup_loyalty import hlr, sms, statistics, viber
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import Refusal, shaped
from airflow_provider_telecom.simulator.ketchup_loyalty.state import SHORT_NAME, VendorState
from airflow_provider_telecom.simulator.state import SimulatorState

Handle = Callable[[VendorState, Request], Awaitable[Any]]


def routes(state: SimulatorState) -> APIRouter:
    """Return KetchUp's routes, with and without the `/rest` that is part of them."""
    router = APIRouter()
    every: list[tuple[tuple[str, ...], str, Handle]] = [
        *hlr.ROUTES,
        *sms.ROUTES,
        *viber.ROUTES,
        *statistics.ROUTES,
    ]
    for methods, path, handle in every:
        for address in (path, path.removeprefix("/rest")):
            router.add_route(address, _endpoint(state, handle, address), methods=list(methods))
    return router


def _endpoint(
    state: SimulatorState, handle: Handle, address: str
) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        vendor_state: VendorState = state.vendor_state(SHORT_NAME, VendorState)
        if not _is_there(vendor_state, address):
            return Response("<html>404 Not Found</html>", status_code=404, media_type="text/html")
        status = 200
        try:
            _authorize(vendor_state, request)
            body = await handle(vendor_state, request)
        except Refusal as refusal:
            body = refusal.body(vendor_state.switches)
            status = _status_of(vendor_state, refusal)
        if isinstance(body, Response):
            return body
        return JSONResponse(
            _bare(vendor_state, request, shaped(body, vendor_state.switches)), status_code=status
        )

    return serve


def _is_there(vendor_state: VendorState, address: str) -> bool:
    """Return whether something is at an address, as the switches say."""
    is_bare = not address.startswith("/rest/")
    module = address.removeprefix("/rest").split("/")[1]
    wants_bare = {"rest": False, "bare": True, "mixed": module == "hlr"}[vendor_state.switches["base_path"]]
    is_explicit = module in ("hlr", "sms") and ("/reference/" in address or "/task/" in address)
    return is_bare == wants_bare and not (is_explicit and vendor_state.switches["reference_path"] == "shared")


def _status_of(vendor_state: VendorState, refusal: Refusal) -> int:
    if refusal.code == 1 and vendor_state.switches.on("status_401"):
        return 401
    if vendor_state.switches["error_status"] == "by_code":
        return _STATUSES.get(refusal.code, 400)
    return 400 if vendor_state.switches["error_status"] == "400" else 200


_STATUSES = {
    **dict.fromkeys((1, 3), 401),
    **dict.fromkeys((20, 30, 40, 60, 90), 404),
    **dict.fromkeys((23, 43, 63), 409),
    8: 402,
    12: 413,
}
"""HTTP statuses that a careful programmer would have chosen for the codes; 400 for the others."""


def _known(request: Request) -> bool:
    return request.headers.get("x-api-key") == KETCHUP_API_KEY


def _authorize(vendor_state: VendorState, request: Request) -> None:
    if not _known(request):
        raise Refusal(1)
    if vendor_state.blocked:
        raise Refusal(3)


def _bare(vendor_state: VendorState, request: Request, body: Any) -> Any:
    """Return a read's answer without its `error: 0`, if the switch is on."""
    if vendor_state.switches.on("bare_read") and request.method == "GET" and isinstance(body, dict):
        return {name: value for name, value in body.items() if name != "error" or str(value) != "0"}
    return body
