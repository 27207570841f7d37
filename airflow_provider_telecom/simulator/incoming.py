"""Reading of incoming requests, for all simulated vendors."""

from __future__ import annotations

import json
from typing import Any

from fastapi import Request

JsonObject = dict[str, Any]


def bearer_token(request: Request) -> str:
    """Return the token of the Authorization header, or an empty text."""
    scheme, _, token = request.headers.get("authorization", "").partition(" ")
    return token.strip() if scheme.lower() == "bearer" else ""


def single_parameters(request: Request) -> dict[str, str] | None:
    """Return the query's parameters; None if one of them comes twice."""
    query = dict(request.query_params)
    return query if len(query) == len(request.query_params.multi_items()) else None


def json_object(raw: bytes) -> JsonObject:
    """Return the JSON object in a body. Raises ValueError that says what the body is not."""
    try:
        body = json.loads(raw)
    except (ValueError, RecursionError):
        raise ValueError("JSON") from None
    if not isinstance(body, dict):
        raise ValueError("a JSON object")
    return body
