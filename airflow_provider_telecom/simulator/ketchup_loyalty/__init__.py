"""A pretend KetchUp Loyalty: SMS, HLR look-ups, Viber, and statistics, as its document has them."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse

from airflow_provider_telecom.simulator.credentials import KETCHUP_API_KEY
from airflow_provider_telecom.simulator.ketchup_loyalty import hlr, sms, statistics, viber
from airflow_provider_telecom.simulator.ketchup_loyalty.answers import Refusal, shaped
from airflow_provider_telecom.simulator.ketchup_loyalty.books import SHORT_NAME, Books
from airflow_provider_telecom.simulator.town import Town

Handle = Callable[[Books, Request], Awaitable[Any]]


def routes(town: Town) -> APIRouter:
    """Return KetchUp's routes; `/rest` is part of them."""
    router = APIRouter()
    every: list[tuple[tuple[str, ...], str, Handle]] = [
        *hlr.ROUTES,
        *sms.ROUTES,
        *viber.ROUTES,
        *statistics.ROUTES,
    ]
    for methods, path, handle in every:
        router.add_route(path, _endpoint(town, handle), methods=list(methods))
    return router


def _endpoint(town: Town, handle: Handle) -> Callable[[Request], Awaitable[Response]]:
    async def serve(request: Request) -> Response:
        books: Books = town.books(SHORT_NAME, Books)
        status = 401 if books.switches.on("status_401") and not _known(request) else 200
        try:
            _authorize(books, request)
            body = await handle(books, request)
        except Refusal as refusal:
            body = refusal.body(books.switches)
        if isinstance(body, Response):
            return body
        return JSONResponse(_bare(books, request, shaped(body, books.switches)), status_code=status)

    return serve


def _known(request: Request) -> bool:
    return request.headers.get("x-api-key") == KETCHUP_API_KEY


def _authorize(books: Books, request: Request) -> None:
    if not _known(request):
        raise Refusal(1)
    if books.blocked:
        raise Refusal(3)


def _bare(books: Books, request: Request, body: Any) -> Any:
    """Return a read's answer without its `error: 0`, if the switch is on."""
    if books.switches.on("bare_read") and request.method == "GET" and isinstance(body, dict):
        return {name: value for name, value in body.items() if name != "error" or str(value) != "0"}
    return body
