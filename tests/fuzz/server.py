"""A server that gives unusual answers to one endpoint, and the recorded good ones to all others."""

from __future__ import annotations

import re
import socket
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from tests.fuzz.answer import Answer

_LISTENS_AT_MOST = 120.0
"""Seconds that the server waits for the client to give up; a client that takes longer has no deadline."""


@dataclass
class Plan:
    """What the endpoint under test answers: `answers` in turn, then the last of them again."""

    method: str
    path: str
    answers: list[Answer]
    bodies: list[bytes] = field(default_factory=list)
    outlasted: bool = False
    """Whether the client was still listening when the server had enough."""

    def takes(self, method: str, path: str) -> bool:
        """Whether a request is for the endpoint under test."""
        return method in self.method.split("/") and re.search(self.path, path.partition("?")[0]) is not None

    def next(self, body: bytes) -> Answer:
        """Count one request and return its answer."""
        self.bodies.append(body)
        return self.answers[min(len(self.bodies), len(self.answers)) - 1]


class Server:
    """Listens on loopback. Each call has a plan and an address of its own, so that a request that comes late,
    when the client has given it up, is not counted for the next call. `others` are good answers by method
    and path.
    """

    def __init__(self, others: Mapping[tuple[str, str], Answer]) -> None:
        self.others = dict(others)
        self._plans: list[Plan] = []
        self._listener = socket.create_server(("127.0.0.1", 0), backlog=256)
        self._url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"
        threading.Thread(target=self._serve, daemon=True).start()

    def follow(self, plan: Plan) -> str:
        """Return the address of the next call, whose endpoint answers as planned."""
        self._plans.append(plan)
        return f"{self._url}/{len(self._plans) - 1}"

    def close(self) -> None:
        """Stop listening."""
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        with peer, suppress(OSError):
            peer.settimeout(_LISTENS_AT_MOST)
            peer.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            while (request := _read(peer)) is not None:
                method, address, body = request
                place, _, rest = address.removeprefix("/").partition("/")
                plan, path = self._plans[int(place)], f"/{rest}"
                if plan.takes(method, path):
                    self._play(peer, plan, plan.next(body))
                    return
                peer.sendall(self.others[method, path.partition("?")[0]].wire)

    def _play(self, peer: socket.socket, plan: Plan, answer: Answer) -> None:
        peer.sendall(answer.wire)
        if answer.end == "reset":
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        elif answer.end == "hang":
            plan.outlasted = plan.outlasted or not _gone(peer)
        elif answer.end == "drip":
            peer.settimeout(0.02)
            for _ in range(int(_LISTENS_AT_MOST / 0.02)):
                try:
                    if not peer.recv(65536):
                        return
                except TimeoutError:
                    peer.sendall(b" ")
            plan.outlasted = True


def _gone(peer: socket.socket) -> bool:
    """Wait until the client closes, and return whether it did."""
    try:
        while peer.recv(65536):
            pass
    except TimeoutError:
        return False
    except OSError:
        return True
    return True


def _read(peer: socket.socket) -> tuple[str, str, bytes] | None:
    """Read one whole request."""
    data = b""
    while b"\r\n\r\n" not in data:
        piece = peer.recv(65536)
        if not piece:
            return None
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    length = re.search(rb"(?i)\r\ncontent-length: *(\d+)", head)
    while length and len(body) < int(length[1]):
        piece = peer.recv(65536)
        if not piece:
            return None
        body += piece
    method, path, _ = head.split(b"\r\n")[0].decode("latin-1").split(" ", 2)
    return method, path, body


@contextmanager
def serving(others: Mapping[tuple[str, str], Answer]) -> Iterator[Server]:
    """Run a server for the length of a block."""
    server = Server(others)
    try:
        yield server
    finally:
        server.close()
