"""The awaited transport: one shared aiohttp session, for triggers.

aiohttp is imported here and nowhere else, since its import takes a while. It repeats GET, PUT and
DELETE by itself when a server closes an idle connection; that is switched off, and a test counts.
"""

from __future__ import annotations

import asyncio
import logging
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, SaveToken, Sleep, Step
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.calls.request import Idempotency, Outcome, Request
from airflow_provider_telecom.transport.addresses import reject_private_address
from airflow_provider_telecom.transport.outcome import InvalidBodyError, outcome_of
from airflow_provider_telecom.transport.wire import (
    CHUNK,
    LockFactory,
    TokenStore,
    TransportOptions,
    check_proxy,
    encode_request,
    receive_body,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

_OPEN_CONNECTIONS = 64
_LONGEST_LINE = 65_536  # as in the blocking transport


class _PublicResolver(AbstractResolver):
    """Refuses names that lead to private addresses, at the very look-up that the connection uses."""

    def __init__(self, private_allowed: bool) -> None:
        self._names, self._private_allowed = ThreadedResolver(), private_allowed

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = await self._names.resolve(host, port, family)
        for address in found:
            reject_private_address(address["host"], self._private_allowed)
        return found

    async def close(self) -> None:
        await self._names.close()


@dataclass
class _Progress:
    """How far a request has come. `may_have_left` is False until it has a connection to be sent through."""

    may_have_left: bool = False
    tls: ssl.SSLObject | None = None


_progress: ContextVar[_Progress] = ContextVar("progress")


class _Connector(aiohttp.TCPConnector):
    """Notes when a request gets its connection. No byte of it can have been sent before; TLS's handshake and
    the CONNECT to a proxy have ended then.
    """

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        progress = _progress.get()
        progress.may_have_left = True
        if connection.transport is not None:
            progress.tls = connection.transport.get_extra_info("ssl_object")
        return connection


class Transport:
    """Sends single requests to one account's vendor from one event loop."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._tls = _tls(options)
        self._session: aiohttp.ClientSession | None = None

    def _new_session(self, **connector: Any) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=_Connector(
                ssl=self._tls,
                limit=_OPEN_CONNECTIONS,
                resolver=_PublicResolver(self._options.allow_private_hosts),
                **connector,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_LONGEST_LINE,
            max_field_size=_LONGEST_LINE,
            trust_env=False,  # it would bring ~/.netrc in; proxies are looked up below
        )
        session._retry_connection = False
        return session

    @asynccontextmanager
    async def _session_for(self, request: Request) -> AsyncIterator[aiohttp.ClientSession]:
        """An unkeyed effect gets a connection of its own: the idle one might just have been closed."""
        if request.idempotency is Idempotency.NONE:
            async with self._new_session(force_close=True) as session:
                yield session
            return
        if self._session is None:
            self._session = self._new_session()
        yield self._session

    async def send(self, request: Request) -> Outcome:
        """Send one request once and return the answer, NotSent or Unknown.

        Raises TelecomInputError for a request that cannot be sent, and for a host that must not be reached.
        """
        silence, in_all = self._options.timeouts(request)
        limits = aiohttp.ClientTimeout(
            total=in_all, sock_connect=self._options.connect_timeout, sock_read=silence
        )
        progress = _Progress()
        _progress.set(progress)
        try:
            async with self._session_for(request) as session:
                return await self._exchanged(session, request, limits)
        except Exception as error:
            return outcome_of(error, progress.may_have_left)

    async def _exchanged(
        self, session: aiohttp.ClientSession, request: Request, limits: aiohttp.ClientTimeout
    ) -> Outcome:
        wire = encode_request(request, self._options.base_url)
        url = URL(wire.url, encoded=True)
        if url.host and _is_address(url.host):  # a resolver is not asked about those
            reject_private_address(url.host, self._options.allow_private_hosts)
        async with session.request(
            request.method,
            url,
            data=wire.content,
            headers=wire.headers,
            timeout=limits,
            allow_redirects=False,
            proxy=_proxy_for(url) if self._options.trust_env else None,
        ) as answer:
            with receive_body(request, answer.status, _headers(answer)) as intake:
                async for piece in answer.content.iter_chunked(CHUNK):
                    intake.take(piece)
                    if intake.has_enough:
                        break
                if intake.ends_with_the_connection and not _was_closed_well(_progress.get().tls):
                    raise InvalidBodyError("cut off: TLS was not closed")
                return intake.finish()

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._session is not None:
            await self._session.close()


def _headers(answer: aiohttp.ClientResponse) -> Iterator[tuple[str, str]]:
    """Yield headers as `blocking` sees them, in Latin-1. aiohttp leaves half surrogates for other bytes."""
    for name, value in answer.headers.items():
        yield name, value.encode("utf-8", "surrogateescape").decode("latin-1")


def _tls(options: TransportOptions) -> ssl.SSLContext | bool:
    if options.verify is False:
        return False
    if not options.base_url.lower().startswith("https"):
        return True  # no TLS is spoken, and reading the authorities would take 20 ms for each session
    return ssl.create_default_context(cafile=options.verify if isinstance(options.verify, str) else None)


def _is_address(host: str) -> bool:
    """Whether aiohttp takes a host for an address. `127.1` and `2130706433` are such hosts too."""
    return ":" in host or host.replace(".", "").isdigit()


def _proxy_for(url: URL) -> str | None:
    proxy = None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)
    return None if proxy is None else check_proxy(proxy)


def _was_closed_well(tls: ssl.SSLObject | None) -> bool:
    """Whether the peer has closed TLS itself (close_notify): asyncio takes any end of TCP for an end."""
    try:
        return tls is None or tls.read(1) == b""
    except ssl.SSLZeroReturnError:  # both sides have closed it
        return True
    except ssl.SSLError:
        return False


class AsyncTransport:
    """Drives calls in an event loop. Made in the loop that it serves."""

    def __init__(
        self,
        options: TransportOptions,
        store: TokenStore | None = None,
        host_lock: LockFactory | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport = Transport(options)
        self._store = store or TokenStore()
        self._host_lock = host_lock
        self._lock = asyncio.Lock()
        self._sleep = sleep

    async def run(self, call: Call[T]) -> T:
        """Drive the call to its end and return its result. Errors come without the frames of the call."""
        with HideTraceback():
            return await self._driven(call)

    async def _driven(self, call: Call[T]) -> T:
        answer: Any = None
        failure: BaseException | None = None
        while True:
            try:
                step = call.throw(failure) if failure else call.send(answer)
            except StopIteration as done:
                return cast("T", done.value)
            try:
                answer, failure = await self._take(step), None
            except Exception as error:
                answer, failure = None, error

    async def _take(self, step: Step) -> Any:
        match step:
            case Request():
                return await self._sent(step)
            case Sleep(low, high):
                return await self._sleep(random.uniform(low, high))
            case LoadToken(key):
                return await asyncio.to_thread(self._store.load, key)
            case SaveToken(key, value):
                return await asyncio.to_thread(self._store.save, key, value)
            case Exclusive(call, timeout):
                return await self._alone(call, timeout)

    async def _sent(self, request: Request) -> Outcome:
        started = time.monotonic()
        outcome = await self._transport.send(request)
        log.debug("%s: %r in %.0f ms", request.label, outcome, (time.monotonic() - started) * 1000)
        return outcome

    async def _alone(self, call: Call[T], timeout: float) -> T:
        try:
            await asyncio.wait_for(self._lock.acquire(), timeout)
        except TimeoutError:
            raise TelecomNotSentError(
                "not sent: another caller has been fetching a token for too long"
            ) from None
        try:
            async with self._host_locked(timeout):
                return await self.run(call)
        finally:
            self._lock.release()

    @asynccontextmanager
    async def _host_locked(self, timeout: float) -> AsyncIterator[None]:
        if self._host_lock is None:
            yield
            return
        lock = self._host_lock(timeout)
        await asyncio.to_thread(lock.__enter__)
        try:
            yield
        finally:
            await asyncio.to_thread(lock.__exit__, None, None, None)

    async def close(self) -> None:
        """Close the connections."""
        await self._transport.close()
