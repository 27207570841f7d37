"""Connections of the synchronous transport: allowed hosts, a total time-out, and complete responses.

requests and urllib3 use http.client, which has no total time-out, accepts response headers that break off,
and logs URLs. The classes here correct that.
"""

from __future__ import annotations

import http.client
import logging
import math
import os
import socket
import ssl
import threading
import time
from typing import IO, Any

import requests
from requests.adapters import HTTPAdapter
from urllib3.connection import HTTPConnection, HTTPSConnection
from urllib3.connectionpool import HTTPConnectionPool, HTTPSConnectionPool
from urllib3.util.response import assert_header_parsing

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.transport.addresses import reject_private_address
from airflow_provider_telecom.transport.wire import check_proxy


class Exchange(threading.local):
    """The request that this thread is sending.

    `may_have_left` is False as long as no byte of the request can have been written to a socket. Only this
    distinguishes a request that was not sent from one with an unknown outcome.
    """

    timer: DeadlineTimer | None = None
    private_allowed = True
    may_have_left = True


exchange = Exchange()


class DeadlineTimer:
    """Closes the socket when the time is up: requests has no total time-out."""

    def __init__(self, seconds: float, timers: DeadlineTimers) -> None:
        self.seconds, self.fired = seconds, False
        self.ends_at = time.monotonic() + seconds
        self._socket: socket.socket | None = None
        self._timers = timers

    def set_socket(self, sock: socket.socket | None) -> None:
        self._socket = sock
        if self.fired:
            self.fire()

    def fire(self) -> None:
        """End the request."""
        self.fired = True
        # Through TLS to a proxy, urllib3's socket is an object around that of the proxy.
        sock = getattr(self._socket, "socket", self._socket)
        if sock is not None:
            try:
                # SSLSocket.shutdown ends the encryption first: another thread might go on in plain text.
                socket.socket.shutdown(sock, socket.SHUT_RDWR)
            except OSError:
                return  # the server has closed it already

    def __enter__(self) -> DeadlineTimer:
        self._timers.add(self)
        return self

    def __exit__(self, *_: object) -> None:
        self._timers.remove(self)
        self._socket = None


class DeadlineTimers:
    """Fires the timers of all requests under way in one thread: a thread for each costs more than the rest.

    The thread ends once it wakes and no request is under way; the next request starts another one.
    """

    def __init__(self) -> None:
        self._lock = threading.RLock()
        self._changed = threading.Condition(self._lock)
        self._timers: set[DeadlineTimer] = set()
        self._thread: threading.Thread | None = None
        self._wakes_at = math.inf

    def add(self, timer: DeadlineTimer) -> None:
        """Fire a timer when its time is up."""
        with self._lock:  # not `_changed`: in its methods the error of a time-out would leave it locked
            if self._thread is None or not self._thread.is_alive():  # a fork has no threads
                self._wakes_at = timer.ends_at
                self._thread = threading.Thread(target=self._run, name="telecom-deadlines", daemon=True)
                self._thread.start()  # waits for `_changed`, which this method has
            elif timer.ends_at < self._wakes_at:
                self._changed.notify_all()  # a fork inherits the entry of a thread that it has not
            self._timers.add(timer)

    def remove(self, timer: DeadlineTimer) -> None:
        """Forget a timer, which does not fire any more after this."""
        with self._lock:
            self._timers.discard(timer)

    def _run(self) -> None:
        with self._changed:
            while self._timers:
                now = time.monotonic()
                for timer in [one for one in self._timers if one.ends_at <= now]:
                    self._timers.remove(timer)
                    timer.fire()
                self._wakes_at = min((one.ends_at for one in self._timers), default=now)
                self._changed.wait(self._wakes_at - now)
            self._thread = None


class LastLineReader:
    """A stream that remembers the last line read. An empty line means that the stream has ended."""

    def __init__(self, stream: IO[bytes]) -> None:
        self.stream, self.last = stream, b"?"

    def readline(self, limit: int = -1) -> bytes:
        self.last = self.stream.readline(limit)
        return self.last

    def close(self) -> None:
        self.stream.close()


class CompleteHeadResponse(http.client.HTTPResponse):
    """A final response with complete and well-formed headers.

    http.client accepts headers that break off. It also treats 102 and 103 as final responses, so that the
    real response would be read as the response to the next request on this connection.
    """

    def begin(self) -> None:
        stream = self.fp
        reader: Any = LastLineReader(stream)
        self.fp = reader
        try:
            super().begin()
            while 100 <= self.status < 200 and reader.last:
                if self.status == http.HTTPStatus.SWITCHING_PROTOCOLS:
                    raise http.client.HTTPException("an unexpected protocol")
                self.headers = self.msg = None  # type: ignore[assignment]
                super().begin()
        finally:
            self.fp = stream if self.fp is reader else self.fp
        if not reader.last:
            raise http.client.IncompleteRead(b"")
        assert_header_parsing(self.headers)


class _Connection(HTTPConnection):
    """Checks the address that it reached, notes when it begins to send, and gives its socket to the timer."""

    response_class = CompleteHeadResponse
    _is_connecting = False

    def _new_conn(self) -> socket.socket:
        sock = super()._new_conn()
        try:
            if self.proxy is None:  # proxies are often private; the administrator has chosen them
                reject_private_address(sock.getpeername()[0], exchange.private_allowed)
        except (OSError, TelecomInputError):
            sock.close()
            raise
        if exchange.timer is not None:
            exchange.timer.set_socket(sock)
        return sock

    def connect(self) -> None:
        self._is_connecting = True
        try:
            super().connect()
        finally:
            self._is_connecting = False

    def send(self, data: Any) -> None:
        """Send a part of the request, or of the CONNECT to a proxy, which does not count as sending."""
        if self.sock is None and self.auto_open:
            self.connect()
        if not self._is_connecting:
            exchange.may_have_left = True
        super().send(data)

    def getresponse(self) -> Any:
        if exchange.timer is not None:
            exchange.timer.set_socket(self.sock)
        return super().getresponse()


class _TlsConnection(_Connection, HTTPSConnection):
    """The same over TLS. A response is cut off if the connection ends without close_notify."""

    def connect(self) -> None:
        super().connect()
        self.sock.suppress_ragged_eofs = False  # type: ignore[union-attr]


class _Pool(HTTPConnectionPool):
    ConnectionCls = _Connection


class _TlsPool(HTTPSConnectionPool):
    ConnectionCls = _TlsConnection


_POOLS: dict[str, Any] = {"http": _Pool, "https": _TlsPool}


class Adapter(HTTPAdapter):
    """Pools of such connections, with one shared SSL context and no retries."""

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


class Session(requests.Session):
    """A session that reads the proxies of the environment once, and not for each request.

    `proxies` are those for the vendor's host. The certificates that the environment names count for each
    request, as in requests.
    """

    def __init__(self, proxies: dict[str, str]) -> None:
        super().__init__()
        self.proxies = dict(proxies)

    def merge_environment_settings(self, url: Any, proxies: Any, stream: Any, verify: Any, cert: Any) -> Any:
        """Return the settings of a request."""
        if self.trust_env and verify is True:
            names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")
            verify = next((path for name in names if (path := os.environ.get(name))), True)
        return {"proxies": self.proxies, "stream": stream, "verify": verify, "cert": cert}


def ignore_netrc(request: requests.PreparedRequest) -> requests.PreparedRequest:
    """Return the request as it is. Without an auth object, requests would use ~/.netrc for Authorization."""
    return request


class RedactingFilter(logging.Filter):
    """Drops urllib3's DEBUG lines for our requests: their URLs hold tokens and numbers."""

    def filter(self, record: logging.LogRecord) -> bool:
        return exchange.timer is None or record.levelno > logging.DEBUG


for _logger in ("urllib3.connectionpool", "urllib3.util.retry"):
    logging.getLogger(_logger).addFilter(RedactingFilter())
