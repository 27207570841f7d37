"""The receiver: checks a post, stores it, and only then acknowledges it.

It checks, in this order: the address's signature, the source, the rate, the headers, the size while the body
is read, the JSON, and the content. Without a valid signature the answer is the same 404 whatever is wrong,
also when the receiver is closed.

One thread of the process parses and stores the bodies, all that wait in one transaction. Refused posts are
counted in memory and written once a second.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from ipaddress import ip_address
from typing import TYPE_CHECKING, Any, NamedTuple
from urllib.parse import unquote

from fastapi import FastAPI
from sqlalchemy.exc import SQLAlchemyError
from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError
from airflow_provider_telecom.vendors.description import Webhook, import_from
from airflow_provider_telecom.vendors.registry import find_vendor
from airflow_provider_telecom.vendors.topics import ACCOUNT
from airflow_provider_telecom.vendors.webhooks import WebhookEvent
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

_MAX_BATCH = 500
_MAX_WAITING = 2_000
"""Posts of a few seconds. A vendor whose post is refused posts again; one whose post waits would time out."""
_PER_SECOND, _ACCOUNT_PER_SECOND = 60.0, 1_000.0
"""The posts per second that an address accepts: one for a message, and one in a vendor's account settings."""
_REFUSALS_EVERY_SECONDS = 1.0
_SWEEP_EVERY_SECONDS, _SWEEP_PAUSE_SECONDS = 3_600.0, 0.05
_HEADERS = {"X-Content-Type-Options": "nosniff", "Cache-Control": "no-store"}


def create_app() -> FastAPI:
    """Return the application that Airflow's api-server mounts under `/telecom`."""
    from airflow_provider_telecom.webhooks import page

    app = FastAPI(title="Telecom", openapi_url=None, docs_url=None, redoc_url=None, redirect_slashes=False)
    app.add_exception_handler(404, _not_found)
    app.router.add_route("/hook/{path:path}", _hook(_open_receiver()), methods=["POST"])
    app.include_router(page.routes())
    app.router.add_route("/logo.svg", page.logo, methods=["GET"])
    return app


def _hook(receiver: WebhookReceiver | None) -> Callable[[Request], Awaitable[Response]]:
    async def hook(request: Request) -> Response:
        try:
            if receiver is None:
                raise RefusedError(404)
            return _response(200, await receiver.receive(request))
        except RefusedError as refused:
            return _response(refused.status, refused.reason, close=not refused.is_read)

    return hook


def _open_receiver() -> WebhookReceiver | None:
    from airflow_provider_telecom.webhooks.inbox import check_deployment

    try:
        check_deployment()
        settings = read_receiver_settings()
        return WebhookReceiver(settings) if settings else None
    except TelecomInputError as error:
        log.error("The webhook receiver is closed: %s", error)
        return None


def _not_found(request: Request, error: Exception) -> Response:
    return _response(404, None, close=True)


def _response(status: int, detail: str | None, *, close: bool = False) -> Response:
    """Return a response. `close` the connection if the body was not read to its end."""
    headers = _HEADERS | {"Connection": "close"} if close else _HEADERS
    return JSONResponse({"ok": status < 300, "detail": detail}, status, headers)


class _Post(NamedTuple):
    address: WebhookAddress
    webhook: Webhook
    body: bytes
    limits: Limits


class WebhookReceiver:
    """Checks and stores posts."""

    def __init__(self, settings: ReceiverSettings) -> None:
        from airflow_provider_telecom.webhooks import inbox

        self._settings = settings
        self._rate_limiter, self._bodies = RateLimiter(), BodyBuffer()
        self._posts: BatchQueue[_Post, Verdict] = BatchQueue(
            _store, max_batch=_MAX_BATCH, max_waiting=_MAX_WAITING
        )
        self._refused = inbox.RefusedPosts()
        self._writing_refused: asyncio.Task[None] | None = None
        self._sweeping: asyncio.Task[None] | None = None

    async def receive(self, request: Request) -> str:
        """Store a post and return its verdict. Raises RefusedError."""
        address, webhook = self._route(request.scope["raw_path"].decode("latin-1"))
        if not self._is_from_source(request):
            raise RefusedError(404)
        if self._sweeping is None:
            self._sweeping = asyncio.create_task(self._sweep(), name="telecom-sweep")
        limit = _ACCOUNT_PER_SECOND if address.nonce == ACCOUNT else _PER_SECOND
        self._rate_limiter.check(address.topic, limit)
        try:
            return await self._submit(request, address, webhook)
        except RefusedError as refused:
            if refused.reason:
                self._count_refused(address, refused.reason)
            raise

    def _route(self, path: str) -> tuple[WebhookAddress, Webhook]:
        """Return the address that a path is, and the webhook that it is for. Raises RefusedError."""
        parts = [unquote(part) for part in path.partition(f"{PREFIX}/hook/")[2].split("/")]
        name, kind, conn_id, nonce, signature = parts if len(parts) == 5 else ("",) * 5
        address = WebhookAddress(name, kind, conn_id, nonce)
        is_signed = self._settings.is_signed(address, signature)
        vendor = find_vendor(name)
        webhook = vendor.webhook(kind) if vendor else None
        if not is_signed or webhook is None:
            raise RefusedError(404)
        return address, webhook

    def _is_from_source(self, request: Request) -> bool:
        sources, proxies = self._settings.sources, self._settings.proxies
        return not sources or _is_in(_source(request, proxies), sources)

    async def _submit(self, request: Request, address: WebhookAddress, webhook: Webhook) -> str:
        limits = Limits(webhook.max_bytes, webhook.max_commas)
        check_headers(request.headers, limits)
        async with self._bodies.reading(request.stream(), limits) as body:
            try:
                return (await self._posts.submit(_Post(address, webhook, body, limits))).value
            except FullError:
                raise RefusedError(503) from None
            except RefusedError as refused:
                refused.is_read = True
                raise

    def _count_refused(self, address: WebhookAddress, reason: str) -> None:
        self._refused.add(address, reason)
        if self._writing_refused is None:
            self._writing_refused = asyncio.create_task(self._write_refused(), name="telecom-refused")

    async def _write_refused(self) -> None:
        """Write the refused posts of the last second. Those of the process's last second are lost."""
        from airflow_provider_telecom.webhooks import inbox

        await asyncio.sleep(_REFUSALS_EVERY_SECONDS)
        refused, self._refused, self._writing_refused = self._refused, inbox.RefusedPosts(), None
        try:
            await self._posts.run_between_batches(inbox.store_refused, refused)
        except SQLAlchemyError as error:
            _log_error(f"{refused.counts.total()} refused posts could not be counted", error)

    async def _sweep(self) -> None:
        """Delete old rows, some at a time between the batches, as long as the process runs."""
        from airflow_provider_telecom.webhooks import retention

        while True:
            try:
                is_due = await self._posts.run_between_batches(retention.claim_sweep)
                after: str | None = "" if is_due else None
                while after is not None:
                    after = await self._posts.run_between_batches(retention.sweep, after)
                    await asyncio.sleep(_SWEEP_PAUSE_SECONDS)
            except Exception as error:  # whatever it is, the receiver goes on
                _log_error("Not all old rows could be deleted; the next day's sweep deletes them", error)
            await asyncio.sleep(_SWEEP_EVERY_SECONDS)


def _store(posts: list[_Post]) -> list[Verdict | Exception]:
    """Read posts and store those that can be read. Return a verdict or an error for each, in order."""
    from airflow_provider_telecom.webhooks.inbox import ReceivedWebhook

    read = [_read(post) for post in posts]
    events = [
        ReceivedWebhook(post.address, event)
        for post, event in zip(posts, read, strict=True)
        if isinstance(event, WebhookEvent)
    ]
    verdicts = iter(_store_events(events))
    return [next(verdicts) if isinstance(event, WebhookEvent) else event for event in read]


def _store_events(posts: list[ReceivedWebhook]) -> list[Verdict | Exception]:
    from airflow_provider_telecom.webhooks import inbox

    try:
        return [
            _refusal(outcome) if isinstance(outcome, Exception) else outcome
            for outcome in inbox.store_webhooks(posts)
        ]
    except SQLAlchemyError as error:
        _log_error(f"{len(posts)} posts could not be stored; the vendor is asked to post again", error)
        return [RefusedError(503)] * len(posts)


def _refusal(error: Exception) -> Exception:
    """Return the refusal of a post that was not stored; an unexpected error unchanged."""
    from airflow_provider_telecom.webhooks.inbox import ConflictError

    if isinstance(error, SQLAlchemyError):
        _log_error("A post could not be stored; the vendor is asked to post again", error)
        return RefusedError(503)
    return RefusedError(409, str(error)) if isinstance(error, ConflictError) else error


def _read(post: _Post) -> WebhookEvent | Exception:
    try:
        read: Callable[[str, dict[str, Any], bytes], WebhookEvent] = import_from(post.webhook.reader)
        value = parsed(post.body, post.limits, post.webhook.list_name)
        return read(post.address.nonce, value, post.body)
    except TelecomAnswerError as error:
        return RefusedError(422, str(error).splitlines()[0][:200])
    except Exception as error:  # it concerns this post only
        return error


def _log_error(what: str, error: Exception) -> None:
    """Log an error by its class only: its text holds the statement's values, and these hold the address."""
    log.error("%s: %s", what, type(error).__name__)


def _source(request: Request, proxies: tuple[Network, ...]) -> str:
    """Return the address that a post comes from: the peer's, or the one that a trusted proxy reports."""
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
