"""Plays faults between a vendor's response and the client, down to the bytes of the connection."""

from __future__ import annotations

import asyncio
import socket
import struct
import zlib
from collections.abc import Awaitable, Callable, MutableMapping
from dataclasses import dataclass, field, replace
from typing import Any

from uvicorn.protocols.http.h11_impl import H11Protocol

from airflow_provider_telecom.simulator.credentials import ACCOUNTS
from airflow_provider_telecom.simulator.state import VENDORS, Fault, ReceivedRequest, SimulatorState

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
App = Callable[[Scope, Receive, Send], Awaitable[None]]

WITHOUT_EFFECT = frozenset({
    "status",
    "reset_before",
    "close_before",
    "html",
    "gzip_bomb",
    "redirect",
    "body",
})
ON_THE_WIRE = frozenset({
    "reset_before",
    "reset_after",
    "close_before",
    "close_after",
    "half_body",
    "drip",
    "bad_status_line",
    "two_lengths",
})


class OpenConnections:
    """The transports of all open connections, by the client's address and port."""

    def __init__(self) -> None:
        self.by_peer: dict[Any, asyncio.Transport] = {}

    def of(self, scope: Scope) -> asyncio.Transport:
        """Return the connection of a request."""
        return self.by_peer[tuple(scope["client"])]

    def drop(self) -> None:
        """Abort them all."""
        for transport in list(self.by_peer.values()):
            transport.abort()

    def protocol(self) -> type[H11Protocol]:
        """Return uvicorn's protocol, extended to register its connections here."""
        by_peer = self.by_peer

        class Registered(H11Protocol):
            def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
                by_peer[transport.get_extra_info("peername")] = transport
                super().connection_made(transport)

            def connection_lost(self, exc: Exception | None) -> None:
                by_peer.pop(self.transport.get_extra_info("peername"), None)
                super().connection_lost(exc)

        return Registered


@dataclass
class CapturedResponse:
    """The response that the application wanted to send."""

    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=list)
    body: bytes = b""

    async def take(self, message: Message) -> None:
        """Receive one ASGI message."""
        if message["type"] == "http.response.start":
            self.status, self.headers = message["status"], list(message["headers"])
        else:
            self.body += message.get("body", b"")

    async def send(self, send: Send) -> None:
        """Send it, with the right content length."""
        headers = [pair for pair in self.headers if pair[0].lower() != b"content-length"]
        headers.append((b"content-length", str(len(self.body)).encode()))
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        await send({"type": "http.response.body", "body": self.body})

    def half(self) -> bytes:
        """Return the response up to the middle of its body; an empty body is announced as one byte."""
        return self._head(len(self.body) or 1) + self.body[: len(self.body) // 2]

    def whole(self) -> bytes:
        """Return the response as bytes."""
        return self._head(len(self.body)) + self.body

    def with_two_lengths(self) -> bytes:
        """Return the response with a second content length that contradicts the first."""
        head, _, body = self.whole().partition(b"\r\n\r\n")
        return head + b"\r\ncontent-length: %d\r\n\r\n" % (len(body) + 1) + body

    def _head(self, length: int) -> bytes:
        kept = [
            pair for pair in self.headers if pair[0].lower() not in (b"content-length", b"transfer-encoding")
        ]
        lines = [
            b"HTTP/1.1 %d OK" % self.status,
            b"connection: close",
            b"content-length: %d" % length,
        ]
        return b"\r\n".join([*lines, *(name + b": " + value for name, value in kept)]) + b"\r\n\r\n"


_FORMER_PATHS = {account.former_path: vendor for vendor, account in ACCOUNTS.items() if account.former_path}


class Faults:
    """ASGI middleware: records every request to a vendor, and plays the fault that applies to it."""

    def __init__(self, app: App, state: SimulatorState, connections: OpenConnections) -> None:
        self._app, self._simulator, self._connections = app, state, connections

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        name, _, path = scope.get("path", "/").lstrip("/").partition("/")
        vendor = _FORMER_PATHS.get(name, name)
        if vendor != name:
            scope = {**scope, "path": f"/{vendor}/{path}"}
        if scope["type"] != "http" or vendor not in VENDORS:
            await self._app(scope, receive, send)
            return
        request = ReceivedRequest(vendor, scope["method"], f"/{path}")
        if self._simulator.record_content:
            body, receive = await _read_body(receive)
            request = replace(request, **_content_of(scope, body))
        self._simulator.requests.append(request)
        fault = self._simulator.take_fault(request)
        if fault is None:
            await self._app(scope, receive, send)
            return
        response = await self._answered(fault, scope, receive)
        if fault.kind in ON_THE_WIRE:
            await _play(fault, response, self._connections.of(scope))
            while (await receive())["type"] != "http.disconnect":  # otherwise uvicorn sends a 500 after it
                pass
        else:
            await _replace(fault, response, send)

    async def _answered(self, fault: Fault, scope: Scope, receive: Receive) -> CapturedResponse:
        response = CapturedResponse()
        if fault.kind in WITHOUT_EFFECT:
            while (await receive()).get("more_body"):
                pass
        else:
            await self._app(scope, receive, response.take)
        return response


async def _read_body(receive: Receive) -> tuple[bytes, Receive]:
    """Return the body of a request, and a function that receives it again."""
    body, more = b"", True
    while more:
        message = await receive()
        body += message.get("body", b"")
        more = message.get("more_body", False)
    left = [{"type": "http.request", "body": body, "more_body": False}]

    async def again() -> Message:
        return left.pop() if left else await receive()

    return body, again


def _content_of(scope: Scope, body: bytes) -> dict[str, Any]:
    return {
        "query": scope["query_string"].decode("latin-1"),
        "headers": {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]},
        "body": body.decode("utf-8", "backslashreplace"),
    }


async def _play(fault: Fault, response: CapturedResponse, transport: asyncio.Transport) -> None:
    """Do what no web application can do, on the connection itself, and close it."""
    match fault.kind:
        case "reset_before" | "reset_after":
            _reset(transport)
        case "bad_status_line":
            transport.write(b"NOT-HTTP\r\n\r\n")
        case "two_lengths":
            transport.write(response.with_two_lengths())
        case "half_body":
            transport.write(response.half())
        case "drip":
            await _drip(transport, response.whole(), fault.seconds)
    transport.close()


async def _replace(fault: Fault, response: CapturedResponse, send: Send) -> None:
    given = [(name.lower().encode(), value.encode()) for name, value in fault.headers.items()]
    json, html = [(b"content-type", b"application/json")], [(b"content-type", b"text/html")]
    match fault.kind:
        case "silence":
            await asyncio.sleep(fault.seconds)
        case "status" | "status_after":
            response = CapturedResponse(fault.status, [*json, *given], fault.body.encode())
        case "body":
            response = CapturedResponse(200, [*json, *given], fault.body.encode())
        case "html":
            response = CapturedResponse(200, html, b"<html><h1>Maintenance</h1></html>")
        case "garbage":
            response = CapturedResponse(200, json, b'{"error": "0", ]')
        case "redirect":
            response = CapturedResponse(302, given)
        case "gzip_bomb":
            response = CapturedResponse(200, [*json, (b"content-encoding", b"gzip")], _zeros(fault.size))
    await response.send(send)


def _reset(transport: asyncio.Transport) -> None:
    transport.get_extra_info("socket").setsockopt(
        socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
    )
    transport.abort()


async def _drip(transport: asyncio.Transport, data: bytes, pause: float) -> None:
    for byte in data:
        if transport.is_closing():
            return
        transport.write(bytes([byte]))
        await asyncio.sleep(pause)


def _zeros(size: int) -> bytes:
    packer = zlib.compressobj(9, wbits=31)
    piece = b"\0" * (1 << 20)
    whole = b"".join(packer.compress(piece) for _ in range(size >> 20))
    return whole + packer.compress(piece[: size % len(piece)]) + packer.flush()
