"""Connections of the blocking transport: whom they may reach, how long, and when an answer is whole.

requests and urllib3 stand on http.client, which has no total time-out, takes a head that breaks off for a
whole one, and logs addresses. What is done about each stands here.
"""

from __future__ import annotations

import http.client
import logging
import socket
import ssl
import threading
from typing import Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.response import assert_header_parsing

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.transport.addresses import reject_private_address
from airflow_provider_telecom.transport.wire import check_proxy


class Exchange(threading.local):
    """The request that this thread has under way.

    `may_have_left` is False as long as no byte of the request can have been handed to a socket. It is what
    tells a request that was not sent from one with an unknown outcome.
    """

    cutoff: DeadlineTimer | None = None
    private_allowed = True
    may_have_left = True


exchange = Exchange()


class DeadlineTimer:
    """Ends an exchange when its time is up, wherever it hangs: requests itself has no total time-out."""

    def __init__(self, seconds: float) -> None:
        self.seconds, self.fired = seconds, False
        self._socket: socket.socket | None = None
        self._timer = threading.Timer(seconds, self._cut)
        self._timer.daemon = True

    def watch(self, sock: socket.socket | None) -> None:
        self._socket = sock
        if self.fired:
            self._cut()

    def _cut(self) -> None:
        self.fired = True
        if self._socket is not None:
            try:
                self._socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # the peer was quicker

    def __enter__(self) -> DeadlineTimer:
        self._timer.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._timer.cancel()
        self._socket = None


class LastLineReader:
    """A stream that remembers the last line read: an empty one is a stream at its end."""

    def __init__(self, stream: Any) -> None:
        self.stream, self.last = stream, b"?"

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.stream.readline(limit)
        return self.last

    def close(self) -> None:
        self.stream.close()


class CompleteHeadResponse(http.client.HTTPResponse):
    """A final answer with well-formed headers that came to their end.

    http.client takes a head that breaks off for a whole one. It also takes 102 and 103 for final answers, so
    that the real answer would be read as the answer of the next request on this connection.
    """

    def begin(self) -> None:
        stream = self.fp
        watched: Any = LastLineReader(stream)
        self.fp = watched
        try:
            super().begin()
            while 100 <= self.status < 200 and watched.last:
                if self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                    raise http.client.HTTPException("a protocol that was not asked for")
                self.headers = self.msg = None  # type: ignore[assignment]
                super().begin()
        finally:
            self.fp = stream if self.fp is watched else self.fp
        if not watched.last:
            raise http.client.IncompleteRead(b"")
        assert_header_parsing(self.headers)


class _Watched(HTTPConnection):
    """A connection that checks whom it reached before it sends anything, notes when it begins to send the
    request, and can be ended by a cut-off.
    """

    response_class = CompleteHeadResponse
    _is_connecting = False

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            if self.proxy is None:  # a proxy is often private, and it was chosen by who runs Airflow
                reject_private_address(sock.getpeername()[0], exchange.private_allowed)
        except (OSError, TelecomInputError):
            sock.close()
            raise
        if exchange.cutoff is not None:
            exchange.cutoff.watch(sock)
        return sock

    def connect(self) -> None:
        self._is_connecting = True
        try:
            super().connect()
        finally:
            self._is_connecting = False

    def send(self, data: Any) -> None:
        """Send a part of the request, or of the CONNECT to a proxy, which is no part of it."""
        if self.sock is None and self.auto_open:
            self.connect()
        if not self._is_connecting:
            exchange.may_have_left = True
        super().send(data)

    def getresponse(self) -> Any:
        if exchange.cutoff is not None:
            exchange.cutoff.watch(self.sock)
        return super().getresponse()


class _WatchedTls(_Watched, HTTPSConnection):
    """The same over TLS. A connection that ends without TLS's own farewell (close_notify) was cut off."""

    def connect(self) -> None:
        super().connect()
        self.sock.suppress_ragged_eofs = False  # type: ignore[union-attr]


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Watched


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _WatchedTls


_POOLS: dict[str, Any] = {"http": _Pool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """Pools of watched connections, one shared SSL context, no retries."""

    def __init__(self, context: ssl.SSLContext | None) -> None:
        self._context = context
        super().__init__(pool_connections=4, pool_maxsize=64, max_retries=0)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        super().init_poolmanager(*args, ssl_context=self._context, **kwargs)
        self.poolmanager.pool_classes_by_scheme = _POOLS

    def proxy_manager_for(self, proxy: str, **kwargs: Any) -> Any:
        check_proxy(proxy)
        manager = super().proxy_manager_for(proxy, **kwargs)
        manager.pool_classes_by_scheme = _POOLS
        if self._context is not None:
            manager.connection_pool_kw["ssl_context"] = self._context
        return manager


def ignore_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """An explicit auth object: without one, a ~/.netrc entry replaces our Authorization header."""
    return request


class RedactingFilter(logging.Filter):
    """Strikes addresses out of urllib3's DEBUG lines for our own requests: they hold tokens and numbers."""

    def filter(self, record: logging.LogRecord) -> bool:
        return exchange.cutoff is None or record.levelno > logging.DEBUG


for _chatty in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_chatty).addFilter(RedactingFilter())
