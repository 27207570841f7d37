"""A GET without a body over aiohttp's pooled connections, without its session.

A poll is small: the session's redirects, cookies, middlewares and writers, none of which is used, would take
half of its time. aiohttp still connects, checks TLS, keeps the connections and parses the responses. Effects
always go through the session.
"""

from __future__ import annotations

import asyncio
import http.client
from urllib.parse import urlsplit

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.http import SERVER_SOFTWARE, HttpProcessingError, RawResponseMessage
from yarl import URL

from airflow_provider_telecom.transport.wire import EncodedRequest

_SWITCHING_PROTOCOLS = 101


class PlainReads:
    """What the reads of one account have in common."""

    def __init__(
        self, connector: aiohttp.BaseConnector, base_url: str, connect_timeout: float, max_line: int
    ) -> None:
        self._connector = connector
        parts = urlsplit(base_url)
        self._origin = f"{parts.scheme}://{parts.netloc}"
        template = aiohttp.ClientRequest("GET", URL(base_url), loop=asyncio.get_running_loop())
        self._template = template
        self._head = f"Host: {template.headers['Host']}\r\nUser-Agent: {SERVER_SOFTWARE}\r\n"
        self._connect_timeout = connect_timeout
        self._max_line = max_line

    async def connect(self, seconds: float) -> aiohttp.connector.Connection:
        """Return a pooled connection, or a new one. Raises TimeoutError if there is none after `seconds`."""
        timeout = aiohttp.ClientTimeout(connect=seconds, sock_connect=self._connect_timeout)
        return await self._connector.connect(self._template, [], timeout)

    async def send(
        self, connection: aiohttp.connector.Connection, encoded: EncodedRequest
    ) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
        """Send a request, and return the head of its response and a reader of the body."""
        protocol, transport = connection.protocol, connection.transport
        if protocol is None or transport is None:
            raise ConnectionResetError
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            max_line_size=self._max_line,
            max_field_size=self._max_line,
        )
        lines = "".join(f"{name}: {value}\r\n" for name, value in encoded.headers.items())
        target = encoded.url[len(self._origin) :]
        transport.write(f"GET {target} HTTP/1.1\r\n{self._head}{lines}\r\n".encode())
        return await _final_response(protocol)


async def _final_response(
    protocol: ResponseHandler,
) -> tuple[RawResponseMessage, aiohttp.StreamReader]:
    """Return the first response that is not an interim one."""
    while True:
        try:
            message, body = await protocol.read()
        except HttpProcessingError:
            raise http.client.HTTPException from None
        if not 100 <= message.code < 200 or message.code == _SWITCHING_PROTOCOLS:
            return message, body
