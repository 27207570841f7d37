"""The receiver: a post comes in, is checked from the outside in, kept, and only then acknowledged.

Checked are, in this order: the address's signature, where it comes from, how many there are, the headers, the
size while it is read, the JSON, and what it says. Whoever has no good signature learns nothing: the answer
is the same 404 whatever is wrong, and when the receiver is closed.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from ipaddress import ip_address
from typing import Any, TypeVar
from urllib.parse import unquote

from fastapi import APIRouter, FastAPI, Request
from fastapi.responses import JSONResponse
from sqlalchemy.exc import SQLAlchemyError
from starlette.concurrency import run_in_threadpool

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.ketchup_loyalty import callbacks as ketchup
from airflow_provider_telecom.vendors.novaconnect import callbacks as novaconnect
from airflow_provider_telecom.vendors.report import Report
from airflow_provider_telecom.webhooks.address import PREFIX, Address, Network, Receiver, receiver
from airflow_provider_telecom.webhooks.limits import (
    Flood,
    Limits,
    RefusedError,
    check_headers,
    read_body,
    shape,
)

log = logging.getLogger(__name__)

T = TypeVar("T")

_READERS: Mapping[tuple[str, str], Callable[[str, bytes], Report]] = {
    ("novaconnect", "queue"): novaconnect.queue,
    ("novaconnect", "notice"): novaconnect.notice,
    ("ketchup", "hlr"): ketchup.hlr,
    ("ketchup", "viber"): ketchup.viber,
}
_MEBIBYTE = 1 << 20
_LIMITS = {
    ("novaconnect", "notice"): Limits(16 * _MEBIBYTE),  # with files
    ("novaconnect", "queue"): Limits(8 * _MEBIBYTE),  # with 10,000 SIMs
}
_HANDS = 2
"""How many posts a process works on at once. They take turns at one row anyway, and each that waits there
holds a connection of the pool that Airflow's own pages live on."""
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def create_app() -> FastAPI:
    """Return the application that Airflow's api-server mounts under `/telecom`."""
    from airflow_provider_telecom.webhooks import page

    app = FastAPI(title="Telecom", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(404, _nowhere)
    app.include_router(_routes(_opened()))
    app.include_router(page.routes())
    return app


def _routes(desk: Desk | None) -> APIRouter:
    router = APIRouter()

    @router.post("/hook/{path:path}")
    async def hook(request: Request) -> JSONResponse:
        try:
            if desk is None:
                raise RefusedError(404)
            return _answer(200, await desk.take(request))
        except RefusedError as refused:
            return _answer(refused.status, refused.why)

    return router


def _opened() -> Desk | None:
    try:
        found = receiver()
        return Desk(found) if found else None
    except TelecomInputError as error:
        log.error("Telecom's receiver stays closed: %s", error)
        return None


def _nowhere(request: Request, error: Exception) -> JSONResponse:
    return _answer(404, None)


def _answer(status: int, said: str | None) -> JSONResponse:
    """Return an answer. Refusing hangs up: what is left of the post is not read."""
    good = status < 300
    return JSONResponse(
        {"ok": good, "detail": said}, status, _SAFE if good else _SAFE | {"Connection": "close"}
    )


class Desk:
    """Takes posts in."""

    def __init__(self, settings: Receiver) -> None:
        self._settings = settings
        self._flood = Flood()
        self._hands = asyncio.Semaphore(_HANDS)

    async def take(self, request: Request) -> str:
        """Keep a post and return its verdict. Raises RefusedError."""
        address = self._address(request.scope["raw_path"].decode("latin-1"))
        if not self._is_welcome(request):
            raise RefusedError(404)
        self._flood.check(address.scope)
        try:
            report = await self._report(request, address)
            return await self._kept(address, report)
        except RefusedError as refused:
            if refused.why:
                await self._noted(address, refused.why)
            raise

    def _address(self, path: str) -> Address:
        parts = [unquote(part) for part in path.partition(f"{PREFIX}/hook/")[2].split("/")]
        vendor, kind, conn_id, nonce, signature = parts if len(parts) == 5 else ("",) * 5
        address = Address(vendor, kind, conn_id, nonce)
        known = self._settings.knows(address, signature)
        if not known or (vendor, kind) not in _READERS:
            raise RefusedError(404)
        return address

    def _is_welcome(self, request: Request) -> bool:
        sources, proxies = self._settings.sources, self._settings.proxies
        return not sources or _is_in(_source(request, proxies), sources)

    async def _report(self, request: Request, address: Address) -> Report:
        limits = _LIMITS.get((address.vendor, address.kind), Limits())
        check_headers(request.headers, limits)
        body = await read_body(request.stream(), limits)
        return await self._by_hand(_read, address, body, limits)

    async def _by_hand(self, act: Callable[..., T], *arguments: Any) -> T:
        """Do what blocks in a thread."""
        async with self._hands:
            return await run_in_threadpool(act, *arguments)

    async def _kept(self, address: Address, report: Report) -> str:
        from airflow_provider_telecom.webhooks import inbox

        try:
            return (await self._by_hand(inbox.accept, address, report)).value
        except inbox.ConflictError as conflict:
            raise RefusedError(409, str(conflict)) from None
        except SQLAlchemyError as error:
            self._complain("kept; it is asked for again", address, error)
            raise RefusedError(503) from None

    async def _noted(self, address: Address, why: str) -> None:
        from airflow_provider_telecom.webhooks import inbox

        try:
            await self._by_hand(inbox.refuse, address, why)
        except SQLAlchemyError as error:
            self._complain("noted", address, error)

    def _complain(self, what: str, address: Address, error: SQLAlchemyError) -> None:
        """Log an error by its name: its text holds the statement's values, and these hold the address."""
        log.error("A post of %s could not be %s: %s", address.scope, what, type(error).__name__)


def _read(address: Address, body: bytes, limits: Limits) -> Report:
    shape(body, limits)
    try:
        return _READERS[address.vendor, address.kind](address.nonce, body)
    except TelecomAnswerError as error:
        raise RefusedError(422, str(error).splitlines()[0][:200]) from None


def _source(request: Request, proxies: tuple[Network, ...]) -> str:
    """Return who posts: the peer, or who a trusted proxy says that it is."""
    hops = [request.client.host if request.client else ""]
    forwarded = ",".join(request.headers.getlist("x-forwarded-for"))
    hops += [hop.strip() for hop in reversed(forwarded.split(",")) if hop.strip()]
    return next((hop for hop in hops if not _is_in(hop, proxies)), hops[-1])


def _is_in(host: str, among: tuple[Network, ...]) -> bool:
    try:
        address: Any = ip_address(host)
    except ValueError:
        return False
    address = getattr(address, "ipv4_mapped", None) or address  # so a dual-stack socket names its IPv4 peers
    return any(address in network for network in among if network.version == address.version)
