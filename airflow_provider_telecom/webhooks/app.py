"""The receiver: a post comes in, is checked from the outside in, kept, and only then acknowledged.

Checked are, in this order: the address's signature, where it comes from, how many there are, the headers, the
size while it is read, the JSON, and what it says. Whoever has no good signature learns nothing: the answer
is the same 404 whatever is wrong, and when the receiver is closed.

Bodies are parsed and written in one thread of the process, all that wait at once in one transaction. Refused
posts are counted in memory and written once a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.ketchup_loyalty import webhooks as ketchup
from airflow_provider_telecom.vendors.novaconnect import webhooks as novaconnect
from airflow_provider_telecom.vendors.webhooks import ACCOUNT, WebhookEvent
from airflow_provider_telecom.webhooks.address import (
    PREFIX,
    Network,
    ReceiverSettings,
    WebhookAddress,
    read_receiver_settings,
)
from airflow_provider_telecom.webhooks.batches import BatchQueue, FullError
from airflow_provider_telecom.webhooks.limits import (
    BodyBuffer,
    Limits,
    RateLimiter,
    RefusedError,
    check_headers,
    parsed,
)

if TYPE_CHECKING:
    from airflow_provider_telecom.webhooks.inbox import ReceivedWebhook, Verdict

log = logging.getLogger(__name__)

_READERS: Mapping[tuple[str, str], Callable[[str, dict[str, Any], bytes], WebhookEvent]] = {
    ("novaconnect", "queue"): novaconnect.queue,
    ("novaconnect", "notice"): novaconnect.notice,
    ("ketchup_loyalty", "hlr"): ketchup.hlr,
    ("ketchup_loyalty", "viber"): ketchup.viber,
}
_MEBIBYTE = 1 << 20
_LIMITS = {
    ("novaconnect", "notice"): Limits(16 * _MEBIBYTE, max_commas=300_000),  # with files
    ("novaconnect", "queue"): Limits(8 * _MEBIBYTE, max_commas=300_000),  # with 10,000 SIMs
}
_LARGEST_BATCH = 500
_MOST_WAITING = 2_000
"""A few seconds' worth of posts. Vendors post again, and better later than after their own time-out."""
_PER_SECOND, _ACCOUNT_PER_SECOND = 60.0, 1_000.0
"""How many posts a second an address takes: one for a message, and one in a vendor's cabinet."""
_REFUSALS_EVERY_SECONDS = 1.0
_SWEEP_EVERY_SECONDS, _SWEEP_PAUSE_SECONDS = 3_600.0, 0.05
_SAFE = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def create_app() -> FastAPI:
    """Return the application that Airflow's api-server mounts under `/telecom`."""
    from airflow_provider_telecom.webhooks import page

    app = FastAPI(title="Telecom", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(404, _nowhere)
    app.router.add_route("/hook/{path:path}", _hook(_opened()), methods=["POST"])
    app.include_router(page.routes())
    return app


def _hook(webhooks: WebhookReceiver | None) -> Callable[[Request], Awaitable[Response]]:
    async def hook(request: Request) -> Response:
        try:
            if webhooks is None:
                raise RefusedError(404)
            return _answer(200, await webhooks.take(request))
        except RefusedError as refused:
            return _answer(refused.status, refused.why, hang_up=not refused.is_read)

    return hook


def _opened() -> WebhookReceiver | None:
    from airflow_provider_telecom.webhooks.inbox import check_backend

    try:
        check_backend()
        found = read_receiver_settings()
        return WebhookReceiver(found) if found else None
    except TelecomInputError as error:
        log.error("Telecom's receiver stays closed: %s", error)
        return None


def _nowhere(request: Request, error: Exception) -> Response:
    return _answer(404, None, hang_up=True)


def _answer(status: int, said: str | None, *, hang_up: bool = False) -> Response:
    """Return an answer. It hangs up where what is left of the post is not to be read."""
    headers = _SAFE | {"Connection": "close"} if hang_up else _SAFE
    return JSONResponse({"ok": status < 300, "detail": said}, status, headers)


class _Post(NamedTuple):
    address: WebhookAddress
    body: bytes
    limits: Limits


class WebhookReceiver:
    """Takes posts in."""

    def __init__(self, settings: ReceiverSettings) -> None:
        from airflow_provider_telecom.webhooks import inbox

        self._settings = settings
        self._flood, self._bodies = RateLimiter(), BodyBuffer()
        self._posts: BatchQueue[_Post, Verdict] = BatchQueue(
            _kept, largest=_LARGEST_BATCH, max_waiting=_MOST_WAITING
        )
        self._refusals = inbox.RefusedPosts()
        self._noting: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def take(self, request: Request) -> str:
        """Keep a post and return its verdict. Raises RefusedError."""
        address = self._address(request.scope["raw_path"].decode("latin-1"))
        if not self._is_welcome(request):
            raise RefusedError(404)
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="telecom-sweep")
        self._flood.check(address.topic, _ACCOUNT_PER_SECOND if address.nonce == ACCOUNT else _PER_SECOND)
        try:
            return await self._keep(request, address)
        except RefusedError as refused:
            if refused.why:
                self._refuse(address, refused.why)
            raise

    def _address(self, path: str) -> WebhookAddress:
        parts = [unquote(part) for part in path.partition(f"{PREFIX}/hook/")[2].split("/")]
        vendor, kind, conn_id, nonce, signature = parts if len(parts) == 5 else ("",) * 5
        address = WebhookAddress(vendor, kind, conn_id, nonce)
        known = self._settings.knows(address, signature)
        if not known or (vendor, kind) not in _READERS:
            raise RefusedError(404)
        return address

    def _is_welcome(self, request: Request) -> bool:
        sources, proxies = self._settings.sources, self._settings.proxies
        return not sources or _is_in(_source(request, proxies), sources)

    async def _keep(self, request: Request, address: WebhookAddress) -> str:
        limits = _LIMITS.get((address.vendor, address.kind), Limits())
        check_headers(request.headers, limits)
        async with self._bodies.reading(request.stream(), limits) as body:
            try:
                return (await self._posts.submit(_Post(address, body, limits))).value
            except FullError:
                raise RefusedError(503) from None
            except RefusedError as refused:
                refused.is_read = True
                raise

    def _refuse(self, address: WebhookAddress, why: str) -> None:
        self._refusals.add(address, why)
        if self._noting is None:
            self._noting = asyncio.create_task(self._note(), name="telecom-note")

    async def _note(self) -> None:
        """Write down soon what has been refused. What is not written when the process ends is lost."""
        from airflow_provider_telecom.webhooks import inbox

        await asyncio.sleep(_REFUSALS_EVERY_SECONDS)
        refusals, self._refusals, self._noting = self._refusals, inbox.RefusedPosts(), None
        try:
            await self._posts.in_turn(inbox.note, refusals)
        except SQLAlchemyError as error:
            _complain(f"{refusals.counts.total()} refused posts could not be counted", error)

    async def _sweep(self) -> None:
        """Delete what is old, little by little between the batches, for ever."""
        from airflow_provider_telecom.webhooks import retention

        while True:
            try:
                after: str | None = "" if await self._posts.in_turn(retention.is_due) else None
                while after is not None:
                    after = await self._posts.in_turn(retention.sweep, after)
                    await asyncio.sleep(_SWEEP_PAUSE_SECONDS)
            except Exception as error:  # whatever it is, posts go on
                _complain("Old rows could not all be deleted; they are on the next day", error)
            await asyncio.sleep(_SWEEP_EVERY_SECONDS)


def _kept(posts: list[_Post]) -> list[Any]:
    """Read posts, and keep those that can be read; return what became of each: a verdict or an error."""
    from airflow_provider_telecom.webhooks.inbox import ReceivedWebhook

    outcomes: list[Any] = [_read(*post) for post in posts]
    read = [place for place, outcome in enumerate(outcomes) if isinstance(outcome, WebhookEvent)]
    written = _written([ReceivedWebhook(posts[place].address, outcomes[place]) for place in read])
    for place, outcome in zip(read, written, strict=True):
        outcomes[place] = outcome
    return outcomes


def _written(posts: list[ReceivedWebhook]) -> list[Verdict | Exception]:
    from airflow_provider_telecom.webhooks import inbox

    try:
        return [_refusal(one) if isinstance(one, Exception) else one for one in inbox.accept(posts)]
    except SQLAlchemyError as error:
        _complain(f"{len(posts)} posts could not be kept; they are asked for again", error)
        return [RefusedError(503)] * len(posts)


def _refusal(error: Exception) -> Exception:
    """Return how a post is refused; an error that nobody foresaw as it is."""
    from airflow_provider_telecom.webhooks.inbox import ConflictError

    if isinstance(error, SQLAlchemyError):
        _complain("A post could not be kept; it is asked for again", error)
        return RefusedError(503)
    return RefusedError(409, str(error)) if isinstance(error, ConflictError) else error


def _read(address: WebhookAddress, body: bytes, limits: Limits) -> WebhookEvent | Exception:
    try:
        return _READERS[address.vendor, address.kind](address.nonce, parsed(body, limits), body)
    except TelecomAnswerError as error:
        return RefusedError(422, str(error).splitlines()[0][:200])
    except Exception as error:  # of this post alone
        return error


def _complain(what: str, error: Exception) -> None:
    """Log an error by its name: its text holds the statement's values, and these hold the address."""
    log.error("%s: %s", what, type(error).__name__)


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
