"""The asynchronous transport, with one shared aiohttp session: for triggers.

aiohttp is imported only here, since its import takes a while. By default it sends GET, PUT and DELETE again
when a server closes an idle connection. That is switched off, and a test counts the requests.
"""

from __future__ import annotations

import asyncio
import logging
import math
import random
import socket
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, TypeVar, cast
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from airflow_provider_telecom.calls.endpoint import (
    Call,
    Exclusive,
    LoadToken,
    SaveToken,
    Shared,
    Sleep,
    Step,
    TakeTurn,
)
from airflow_provider_telecom.calls.errors import TelecomNotSentError
from airflow_provider_telecom.calls.privacy import HideTraceback
from airflow_provider_telecom.calls.request import Idempotency, Outcome, Request
from airflow_provider_telecom.transport.addresses import reject_private_address
from airflow_provider_telecom.transport.deadline import Deadline
from airflow_provider_telecom.transport.outcome import InvalidBodyError, outcome_of
from airflow_provider_telecom.transport.plain_reads import PlainReads
from airflow_provider_telecom.transport.shared_calls import Follower, SharedCalls
from airflow_provider_telecom.transport.wire import (
    CHUNK,
    EncodedRequest,
    LockFactory,
    NoTurnStore,
    TokenStore,
    TransportOptions,
    TurnStore,
    check_proxy,
    encode_request,
    receive_body,
)

T = TypeVar("T")
log = logging.getLogger(__name__)

_MAX_CONNECTIONS = 64
_MAX_LINE = 65_536  # as in the synchronous transport


class _PublicResolver(AbstractResolver):
    """Rejects host names that resolve to private addresses, in the lookup that the connection uses."""

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
class _Exchange:
    """The state of one request. `may_have_left` is False until the request has a connection."""

    may_have_left: bool = False
    tls: ssl.SSLObject | None = None


_exchange: ContextVar[_Exchange] = ContextVar("exchange")


class _Connector(aiohttp.TCPConnector):
    """Notes when a request gets its connection. No byte of the request can have been sent before.

    By then the TLS handshake and the CONNECT to a proxy are done. A pooled connection that has received
    something since its last response is not used: aiohttp would take that for the next response.
    """

    async def connect(self, *args: Any, **kwargs: Any) -> Any:
        connection = await super().connect(*args, **kwargs)
        while connection.protocol is not None and connection.protocol.should_close:
            connection.close()
            connection = await super().connect(*args, **kwargs)
        exchange = _exchange.get()
        exchange.may_have_left = True
        if connection.transport is not None:
            exchange.tls = connection.transport.get_extra_info("ssl_object")
        return connection


class Transport:
    """Sends single requests to one account's vendor from one event loop."""

    def __init__(self, options: TransportOptions) -> None:
        self._options = options
        self._tls = _tls(options)
        self._session: aiohttp.ClientSession | None = None
        self._plain_reads: PlainReads | None = None
        self._reads_plainly = True

    @cached_property
    def _address(self) -> str | None:
        """The vendor's IP address, if the connection has one instead of a name."""
        host = URL(self._options.base_url).host
        return host if host and _is_address(host) else None

    @cached_property
    def _proxy(self) -> str | None:
        """The proxy for the vendor. It is looked up once: the environment of a process hardly changes."""
        return _proxy_for(URL(self._options.base_url)) if self._options.trust_env else None

    def _new_session(self, **connector: Any) -> aiohttp.ClientSession:
        session = aiohttp.ClientSession(
            connector=_Connector(
                ssl=self._tls,
                limit=_MAX_CONNECTIONS,
                resolver=_PublicResolver(self._options.allow_private_hosts),
                **connector,
            ),
            cookie_jar=aiohttp.DummyCookieJar(),
            auto_decompress=False,
            max_line_size=_MAX_LINE,
            max_field_size=_MAX_LINE,
            trust_env=False,  # True would read ~/.netrc; proxies are looked up below
        )
        session._retry_connection = False
        return session

    @asynccontextmanager
    async def _session_for(self, request: Request) -> AsyncIterator[aiohttp.ClientSession]:
        """Yield a session; a new one for a request that must not be sent twice.

        The vendor may just have closed a pooled connection, and the outcome would then be unknown.
        """
        if request.idempotency is Idempotency.NONE:
            async with self._new_session(force_close=True) as session:
                yield session
            return
        if self._session is None:
            self._session = self._new_session()
        yield self._session

    async def send(self, request: Request) -> Outcome:
        """Send one request once and return the response, NotSent or Unknown.

        Raises TelecomInputError for a request that cannot be encoded and for a host that is not allowed.
        """
        silence, in_all = self._options.timeouts(request)
        limits = aiohttp.ClientTimeout(
            total=in_all, sock_connect=self._options.connect_timeout, sock_read=silence
        )
        exchange = _Exchange()
        _exchange.set(exchange)
        try:
            if self._reads_plainly and self._proxy is None and _is_plain_read(request):
                try:
                    return await self._read(request, silence, in_all, exchange)
                except (AttributeError, TypeError):  # raised by another version of aiohttp
                    self._reads_plainly = False
                    log.warning("aiohttp %s: polls take more time than usual", aiohttp.__version__)
            async with self._session_for(request) as session:
                return await self._send_through(session, request, limits)
        except Exception as error:
            return outcome_of(error, exchange.may_have_left)

    def _new_plain_reads(self) -> PlainReads:
        self._session = self._session or self._new_session()
        if self._session.connector is None:  # it is closed
            raise ConnectionResetError
        options = self._options
        return PlainReads(self._session.connector, options.base_url, options.connect_timeout, _MAX_LINE)

    async def _read(self, request: Request, silence: float, in_all: float, exchange: _Exchange) -> Outcome:
        """Send a plain read. Its head and each part of its body must arrive within `silence` seconds."""
        encoded = self._encode(request)
        clock = asyncio.get_running_loop().time
        ends = clock() + in_all
        reads = self._plain_reads = self._plain_reads or self._new_plain_reads()
        connection = await reads.connect(in_all)
        try:
            async with asyncio.timeout_at(min(clock() + silence, ends)):
                message, body = await reads.send(connection, encoded)
                chunk = await body.readany()
            with receive_body(request, message.code, _headers(message.raw_headers)) as reader:
                while chunk:
                    reader.feed(chunk)
                    if body.at_eof():
                        break
                    async with asyncio.timeout_at(min(clock() + silence, ends)):
                        chunk = await body.readany()
                if reader.ends_with_connection and not _was_tls_closed(exchange.tls):
                    raise InvalidBodyError("cut off: TLS was not closed")
                response = reader.finish()
        except BaseException:
            connection.close()
            raise
        connection.release()
        return response

    async def _send_through(
        self, session: aiohttp.ClientSession, request: Request, limits: aiohttp.ClientTimeout
    ) -> Outcome:
        encoded = self._encode(request)
        async with session.request(
            request.method,
            URL(encoded.url, encoded=True),
            data=encoded.content,
            headers=encoded.headers,
            timeout=limits,
            allow_redirects=False,
            proxy=self._proxy and check_proxy(self._proxy),
        ) as response:
            with receive_body(request, response.status, _headers(response.raw_headers)) as reader:
                async for chunk in response.content.iter_chunked(CHUNK):
                    reader.feed(chunk)
                    if reader.has_enough:
                        break
                if reader.ends_with_connection and not _was_tls_closed(_exchange.get().tls):
                    raise InvalidBodyError("cut off: TLS was not closed")
                return reader.finish()

    def _encode(self, request: Request) -> EncodedRequest:
        encoded = encode_request(request, self._options.base_url)
        if self._address is not None:  # aiohttp does not resolve addresses
            reject_private_address(self._address, self._options.allow_private_hosts)
        return encoded

    async def close(self) -> None:
        """Close the pooled connections."""
        if self._session is not None:
            await self._session.close()


def _is_plain_read(request: Request) -> bool:
    return (
        request.idempotency is Idempotency.READ
        and request.method == "GET"
        and request.body is None
        and request.save is None
    )


def _headers(received: Iterable[tuple[bytes, bytes]]) -> Iterator[tuple[str, str]]:
    """Yield headers in Latin-1, as requests does."""
    for name, value in received:
        yield name.decode("latin-1"), value.decode("latin-1")


def _tls(options: TransportOptions) -> ssl.SSLContext | bool:
    if options.verify is False:
        return False
    if not options.base_url.lower().startswith("https"):
        return True  # without TLS: reading the certificate authorities would take 20 ms
    return ssl.create_default_context(cafile=options.verify if isinstance(options.verify, str) else None)


def _is_address(host: str) -> bool:
    """Whether aiohttp treats a host as an IP address, which includes `127.1` and `2130706433`."""
    return ":" in host or host.replace(".", "").isdigit()


def _proxy_for(url: URL) -> str | None:
    return None if proxy_bypass(url.host or "") else getproxies().get(url.scheme)


def _was_tls_closed(tls: ssl.SSLObject | None) -> bool:
    """Whether the server has closed TLS (close_notify), which asyncio does not check."""
    try:
        return tls is None or tls.read(1) == b""
    except ssl.SSLZeroReturnError:  # both sides have closed TLS
        return True
    except ssl.SSLError:
        return False


class AsyncTransport:
    """Drives calls in the event loop in which it was created."""

    def __init__(
        self,
        options: TransportOptions,
        store: TokenStore | None = None,
        host_lock: LockFactory | None = None,
        turns: TurnStore | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._transport = Transport(options)
        self._store = store or TokenStore()
        self._turns = turns or NoTurnStore()
        self._host_lock = host_lock
        self._lock = asyncio.Lock()
        self._sleep = sleep
        self.shared_calls = SharedCalls()

    async def run(self, call: Call[T], ends_at: float = math.inf, follower: Follower | None = None) -> T:
        """Drive the call to its end and return its result. Errors come without the frames of the call.

        The result is wanted before `time.monotonic()` shows `ends_at` (see `Deadline`). A `follower`
        takes the results of shared calls from others (see `shared_calls`).
        """
        with HideTraceback():
            return await self._drive(call, ends_at, follower)

    async def _drive(self, call: Call[T], ends_at: float, follower: Follower | None) -> T:
        deadline = Deadline(ends_at)
        answer: object = None
        failure: BaseException | None = None
        while True:
            try:
                step = call.throw(failure) if failure else call.send(answer)
            except StopIteration as done:
                return cast("T", done.value)
            try:
                answer, failure = await self._take(deadline.limit(step), ends_at, follower), None
            except Exception as error:
                answer, failure = None, error

    async def _take(self, step: Step, ends_at: float, follower: Follower | None) -> object:
        match step:
            case Request():
                return await self._send(step)
            case Sleep(low, high):
                await self._sleep(random.uniform(low, high))
            case LoadToken(key):
                return await asyncio.to_thread(self._store.load, key)
            case SaveToken(key, value):
                await asyncio.to_thread(self._store.save, key, value)
            case TakeTurn():
                return await asyncio.to_thread(self._turns.take, step)
            case Exclusive(call, timeout):
                return await self._run_exclusively(call, timeout, ends_at)
            case Shared(call, key):
                if follower is None:
                    return await self.run(call, ends_at)
                return await self.shared_calls.run(key, partial(self._drive, call, ends_at, None), follower)
        return None

    async def _send(self, request: Request) -> Outcome:
        started = time.monotonic()
        outcome = await self._transport.send(request)
        log.debug("%s: %r in %.0f ms", request.label, outcome, (time.monotonic() - started) * 1000)
        return outcome

    async def _run_exclusively(self, call: Call[T], timeout: float, ends_at: float) -> T:
        try:
            await asyncio.wait_for(self._lock.acquire(), timeout)
        except TimeoutError:
            raise TelecomNotSentError(
                "not sent: another caller has been fetching a token for too long"
            ) from None
        try:
            async with self._host_locked(timeout):
                return await self.run(call, ends_at)
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
