"""The page "Telecom" in Airflow's UI: vendors' webhooks as they arrive.

One document that loads nothing: it contains the style and the script, and the browser runs only what has one
of its hashes.
"""

from __future__ import annotations

import base64
import functools
import hashlib
import json
import time
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

_CACHE_SECONDS = 1.0
_FOLDER = Path(__file__).parent


def routes() -> APIRouter:
    """Return the routes of the page and of its data, for users who may see plugins in Airflow."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import APIRouter, Depends, Response

    router = APIRouter(dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])

    @router.get("/page", include_in_schema=False)
    def page() -> Response:
        html, headers = _document()
        return Response(html, media_type="text/html", headers=headers)

    cache = _Cache()

    @router.get("/page/data")
    def data() -> Response:
        """Return the page's data: receiver, vendors, operations, webhooks, states by hour."""
        return Response(cache.text(), media_type="application/json", headers=_document()[1])

    return router


async def logo(request: Request) -> Response:
    """Return the provider's logo, which everybody may see."""
    from starlette.responses import Response

    headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'"}
    return Response(_file("logo.svg"), media_type="image/svg+xml", headers=headers)


class _Cache:
    """The page's data as JSON. It is read once a second at most, however many users see the page."""

    def __init__(self) -> None:
        self._lock, self._text, self._until = Lock(), "", 0.0

    def text(self) -> str:
        from airflow_provider_telecom.webhooks.page.overview import overview

        with self._lock:
            if time.monotonic() >= self._until:
                # ASCII, since a post may contain lone surrogates, which UTF-8 does not have.
                self._text = json.dumps(overview())
                self._until = time.monotonic() + _CACHE_SECONDS
            return self._text


@functools.cache
def _document() -> tuple[str, dict[str, str]]:
    """Return the document, and the headers of the document and of the data."""
    style, script = _file("page.css"), _file("page.js")
    html = _file("page.html").replace("/* style */", style).replace("/* script */", script)
    policy = (
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(script)}'",
        "connect-src 'self'",
        "base-uri 'none'",
        "form-action 'none'",
        "frame-ancestors 'self'",
    )
    return html, {
        "Cache-Control": "no-store",
        "Content-Security-Policy": "; ".join(policy),
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def _file(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
