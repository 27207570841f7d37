"""The page "Telecom" in Airflow's UI: campaigns, and vendors' webhooks as they arrive.

One document that loads nothing: it contains the style and the script, and the browser runs only what has one
of its hashes.
"""

from __future__ import annotations

import asyncio
import base64
import functools
import hashlib
import json
import time
from collections import OrderedDict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.webhooks.page.shared import Shared, UnavailableError

if TYPE_CHECKING:
    from fastapi import APIRouter
    from starlette.requests import Request
    from starlette.responses import Response

_CACHE_SECONDS = 1.0
_CAMPAIGNS_SECONDS = 3.0
_ROWS = 15
"""How many campaigns a page of the table has."""
_MAX_DETAILS = 200
"""Of how many campaigns the details are kept in memory."""
_SCRIPTS = ("page.js", "plots.js", "campaigns.js", "start.js")
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

    _add_campaigns(router)
    return router


def _add_campaigns(router: APIRouter) -> None:
    """Add the routes of campaigns: for users who may read task instances and XComs, of Dags they may read."""
    from airflow.api_fastapi.app import get_auth_manager
    from airflow.api_fastapi.auth.managers.models.resource_details import DagAccessEntity
    from airflow.api_fastapi.core_api.security import get_user, requires_access_dag
    from fastapi import Depends, HTTPException, Response

    entities = (DagAccessEntity.TASK_INSTANCE, DagAccessEntity.XCOM)
    may_read = [Depends(requires_access_dag("GET", entity)) for entity in entities]
    campaigns, details = Shared(_read_campaigns(), _CAMPAIGNS_SECONDS), _Details()

    async def shared(value: Shared[Any]) -> Any:
        try:
            return await value.get()
        except UnavailableError:
            raise HTTPException(503, "Airflow's database could not be read") from None

    def json_response(text: str) -> Response:
        return Response(text, media_type="application/json", headers=_document()[1])

    @router.get("/page/campaigns", dependencies=may_read)
    async def campaigns_page(user: Any = Depends(get_user), page: int = 0) -> Response:  # noqa: B008 - as FastAPI wants
        """Return a part of the newest campaigns, of the Dags that the user may read."""
        snapshot = await shared(campaigns)

        def readable() -> set[str]:
            found = set[str]()
            for team, dag_ids in snapshot.teams.items():
                ids = set(dag_ids)
                found |= get_auth_manager().filter_authorized_dag_ids(
                    dag_ids=ids, user=user, method="GET", team_name=team
                )
            return found

        dag_ids = await asyncio.to_thread(readable)
        rows = [text for dag_id, text in snapshot.rows if dag_id in dag_ids]
        first = max(0, min(page, (len(rows) - 1) // _ROWS)) * _ROWS
        head = {"now": datetime.now(UTC).isoformat(), "total": len(rows), "first": first, "size": _ROWS}
        return json_response(f'{json.dumps(head)[:-1]}, "rows": [{",".join(rows[first : first + _ROWS])}]}}')

    @router.get("/page/campaign", dependencies=may_read)
    async def campaign(dag_id: str, run_id: str) -> Response:
        """Return all that the page shows of one campaign."""
        found = await shared(details.of(dag_id, run_id))
        if found is None:
            raise HTTPException(404, "there is no such campaign")
        return json_response(found)


def _read_campaigns() -> Any:
    """Return the function that reads the newest campaigns; it knows what it has read before."""
    from airflow_provider_telecom.webhooks.page.campaigns import Campaigns

    return Campaigns().read


class _Details:
    """The details of the campaigns that somebody has looked at lately, as JSON."""

    def __init__(self) -> None:
        self._found: OrderedDict[tuple[str, str], Shared[str | None]] = OrderedDict()

    def of(self, dag_id: str, run_id: str) -> Shared[str | None]:
        key = dag_id, run_id
        if key not in self._found:
            self._found[key] = Shared(partial(_read_details, dag_id, run_id), _CAMPAIGNS_SECONDS)
        self._found.move_to_end(key)
        while len(self._found) > _MAX_DETAILS:
            self._found.popitem(last=False)
        return self._found[key]


def _read_details(dag_id: str, run_id: str) -> str | None:
    from airflow_provider_telecom.webhooks.page.campaigns import details

    found = details(dag_id, run_id)
    return None if found is None else json.dumps(found)


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
    style = _file("uplot/uPlot.min.css") + _file("page.css")
    uplot, script = _file("uplot/uPlot.iife.min.js"), "".join(map(_file, _SCRIPTS))
    html = _file("page.html").replace("/* style */", style)
    html = html.replace("/* uplot */", uplot).replace("/* script */", script)
    policy = (
        "default-src 'none'",
        f"style-src '{_hash(style)}'",
        f"script-src '{_hash(uplot)}' '{_hash(script)}'",
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
