"""A server that says exactly the bytes it is told to: what a real one would hardly do on purpose."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from tests.eventually import HANG_SECONDS

Script = Callable[[socket.socket], None]


class Scripted:
    """Listens on loopback, counts the requests that it read, and plays a script to each."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None) -> None:
        self._script, self._tls = script, tls
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        threading.Thread(target=self._serve, daemon=True).start()

    @property
    def seen(self) -> int:
        return len(self.heads)

    def _serve(self) -> None:
        while True:
            try:
                peer, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._talk, args=(peer,), daemon=True).start()

    def _talk(self, peer: socket.socket) -> None:
        if self._tls is not None:
            peer = self._tls.wrap_socket(peer, server_side=True)
        with peer:
            while head := _head(peer):
                self.heads.append(head)
                try:
                    self._script(peer)
                except OSError:
                    return
                if peer.fileno() < 0:
                    return

    def close(self) -> None:
        self._listener.close()


def _head(peer: socket.socket) -> bytes:
    data = b""
    try:
        while b"\r\n\r\n" not in data:
            piece = peer.recv(65536)
            if not piece:
                return b""
            data += piece
    except OSError:
        return b""
    return data


@contextmanager
def scripted(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    server = Scripted(script, tls)
    try:
        yield server
    finally:
        server.close()


def say(data: bytes, close: bool = False) -> Script:
    def script(peer: socket.socket) -> None:
        peer.sendall(data)
        if close:
            peer.close()

    return script


def hang_up(peer: socket.socket) -> None:
    peer.close()


def reset(peer: socket.socket) -> None:
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def drip(data: bytes, pause: float) -> Script:
    def script(peer: socket.socket) -> None:
        for byte in data:
            peer.sendall(bytes([byte]))
            time.sleep(pause)

    return script


def stay_silent(peer: socket.socket) -> None:
    time.sleep(HANG_SECONDS)


def answer(body: bytes, *headers: str, length: int | None = None) -> bytes:
    lines = ["HTTP/1.1 200 OK", f"Content-Length: {len(body) if length is None else length}", *headers]
    return "\r\n".join(lines).encode() + b"\r\n\r\n" + body


def chunked(*pieces: bytes, whole: bool = True) -> bytes:
    body = b"".join(f"{len(piece):x}\r\n".encode() + piece + b"\r\n" for piece in pieces)
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + body + (b"0\r\n\r\n" if whole else b"")
