"""The token endpoint. It behaves like Ory Hydra: client credentials by HTTP Basic, errors in four fields."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qsl

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import (
    TOKEN_SECONDS,
    Environment,
    VendorState,
)
from airflow_provider_telecom.simulator.kyivstar_open_telecom.variants import with_variants
from airflow_provider_telecom.simulator.state import SimulatorState

CLIENTS: dict[tuple[str, str], frozenset[Environment]] = {
    (credentials.KYIVSTAR_CLIENT_ID, credentials.KYIVSTAR_CLIENT_SECRET): frozenset({"live", "sandbox"}),
    (credentials.KYIVSTAR_MOCK_CLIENT_ID, credentials.KYIVSTAR_MOCK_CLIENT_SECRET): frozenset({"mock"}),
}
_INVALID_CLIENT = (
    "Client authentication failed (e.g., unknown client, no client authentication included, "
    "or unsupported authentication method)."
)
_INVALID_REQUEST = (
    "The request is missing a required parameter, includes an invalid parameter value, "
    "includes a parameter more than once, or is otherwise malformed."
)
_UNSUPPORTED = "The authorization grant type is not supported by the authorization server."


def token_endpoint(simulator: SimulatorState) -> Callable[[Request], Awaitable[Response]]:
    """Return the endpoint of POST /idp/oauth2/token."""

    async def endpoint(request: Request) -> Response:
        raw = await request.body()
        return _answer(simulator, request, raw)

    return endpoint


def _answer(simulator: SimulatorState, request: Request, raw: bytes) -> Response:
    client_id, secret = _basic(request.headers.get("authorization", ""))
    environments = CLIENTS.get((client_id, secret))
    if environments is None:
        return _refused(401, "invalid_client", _INVALID_CLIENT, f"The client '{client_id}' is not known.")
    form = _form(request, raw)
    if form is None or list(form) != ["grant_type"]:
        return _refused(400, "invalid_request", _INVALID_REQUEST, "Only grant_type is expected, as a form.")
    if form["grant_type"] != "client_credentials":
        return _refused(400, "unsupported_grant_type", _UNSUPPORTED, "Use client_credentials.")
    state: VendorState = simulator.vendor_state("kyivstar_open_telecom", VendorState)
    token = state.mint(environments)
    simulator.record("kyivstar_open_telecom", "token", client_id=client_id)
    answer = {"access_token": token, "token_type": "bearer", "expires_in": TOKEN_SECONDS}
    return _json(200, with_variants(answer, state.switches))


def _basic(header: str) -> tuple[str, str]:
    scheme, _, encoded = header.partition(" ")
    if scheme.lower() != "basic":
        return "", ""
    try:
        user, _, password = base64.b64decode(encoded, validate=True).decode().partition(":")
    except (binascii.Error, UnicodeDecodeError):
        return "", ""
    return user, password


def _form(request: Request, raw: bytes) -> dict[str, str] | None:
    content_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if content_type != "application/x-www-form-urlencoded" or request.query_params:
        return None
    pairs = parse_qsl(raw.decode("utf-8", "replace"), keep_blank_values=True)
    return dict(pairs) if len(dict(pairs)) == len(pairs) else None


def _refused(status: int, error: str, description: str, hint: str) -> Response:
    body = {
        "error": error,
        "error_description": description,
        "error_hint": hint,
        "error_verbose": f"{description} {hint}",
    }
    return _json(status, body)


def _json(status: int, body: JsonObject) -> Response:
    return JSONResponse(body, status, {"Cache-Control": "no-store", "Pragma": "no-cache"})
