"""The page "Telecom" in Airflow's UI: what vendors tell us, as it comes in.

One document without anything from elsewhere: the style and the script stand beside this file and are put into
it, and the browser runs nothing that these hashes do not name.
"""

from __future__ import annotations

import base64
import hashlib
import json
import time
from functools import cache
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from fastapi import APIRouter

_GOOD_FOR_SECONDS = 1.0
_FOLDER = Path(__file__).parent


def routes() -> APIRouter:
    """Return the routes of the page and of its data, for those who may see plugins in Airflow."""
    from airflow.api_fastapi.auth.managers.models.resource_details import AccessView
    from airflow.api_fastapi.core_api.security import requires_access_view
    from fastapi import APIRouter, Depends, Response

    router = APIRouter(dependencies=[Depends(requires_access_view(AccessView.PLUGINS))])

    @router.get("/page", include_in_schema=False)
    def page() -> Response:
        html, guards = _document()
        return Response(html, media_type="text/html", headers=guards)

    shown = _Shown()

    @router.get("/page/data")
    def data() -> Response:
        """Return what the page shows: receiver, queues, callbacks, states by hour, counts by vendor."""
        return Response(shown.text(), media_type="application/json", headers=_document()[1])

    return router


class _Shown:
    """What the page shows, as JSON: read once a second at most, however many look at it."""

    def __init__(self) -> None:
        self._lock, self._text, self._until = Lock(), "", 0.0

    def text(self) -> str:
        from airflow_provider_telecom.webhooks.page.overview import overview

        with self._lock:
            if time.monotonic() >= self._until:
                # ASCII: what vendors post may hold halves of characters, which UTF-8 cannot carry.
                self._text = json.dumps(overview())
                self._until = time.monotonic() + _GOOD_FOR_SECONDS
            return self._text


@cache
def _document() -> tuple[str, dict[str, str]]:
    """Return the document and the headers that go with it and its data."""
    style, script = _beside("page.css"), _beside("page.js")
    html = _beside("page.html").replace("/* style */", style).replace("/* script */", script)
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


def _beside(name: str) -> str:
    return (_FOLDER / name).read_text(encoding="utf-8")


def _hash(text: str) -> str:
    return "sha256-" + base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()
