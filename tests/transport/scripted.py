"""A server that sends exactly the given bytes, which a real server would hardly do on purpose."""

from __future__ import annotations

import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC
from pathlib import Path

from tests.eventually import HANG_SECONDS

Script = Callable[[socket.socket], None]


class Scripted:
    """Listens on loopback, counts the requests that it read, and plays a script to each."""

    def __init__(self, script: Script, tls: ssl.SSLContext | None = None, is_http: bool = True) -> None:
        self._script, self._tls, self._is_http = script, tls, is_http
        self.heads: list[bytes] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self.url = f"http://127.0.0.1:{self.port}"
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

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
            try:
                peer = self._tls.wrap_socket(peer, server_side=True)
            except OSError:  # the client did not like the certificate, for example
                return
        with peer:
            while head := _head(peer) if self._is_http else peer.recv(65536):
                self.heads.append(head)
                try:
                    self._script(peer)
                except OSError:
                    return
                if peer.fileno() < 0:
                    return

    def close(self) -> None:
        """Stop listening. The thread ends first: it might accept the connections of the next server."""
        self._listener.shutdown(socket.SHUT_RDWR)  # wakes the thread that accepts; closing alone does not
        self._thread.join(HANG_SECONDS)
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


def say_over_tls(data: bytes, close_notify: bool) -> Script:
    """Send `data` and close the connection, with or without close_notify."""

    def script(peer: socket.socket) -> None:
        peer.sendall(data)
        if close_notify:
            assert isinstance(peer, ssl.SSLSocket)
            with suppress(OSError):  # the client may be quicker, and say nothing more
                peer.unwrap()
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


def certificate(folder: Path) -> Path:
    from datetime import datetime, timedelta
    from ipaddress import ip_address

    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec

    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "127.0.0.1")])
    now = datetime.now(UTC)
    made = (
        x509
        .CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), True)
        .sign(key, hashes.SHA256())
    )
    path = folder / "certificate.pem"
    path.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return path


@contextmanager
def before_http(data: bytes) -> Iterator[Scripted]:
    """A server that says `data` and hangs up as soon as somebody says anything, whatever it is."""
    server = Scripted(say(data, close=True), is_http=False)
    try:
        yield server
    finally:
        server.close()


@contextmanager
def tunnel(port: int, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    """A proxy that opens a tunnel to a port of this machine, whatever host it is asked for."""

    def connect(peer: socket.socket) -> None:
        with socket.create_connection(("127.0.0.1", port)) as vendor:
            peer.sendall(b"HTTP/1.1 200 Connection established\r\n\r\n")
            back = threading.Thread(target=_copy, args=(vendor, peer), daemon=True)
            back.start()
            _copy(peer, vendor)
            back.join(10)
        peer.close()

    with scripted(connect, tls) as server:
        yield server


def _copy(source: socket.socket, target: socket.socket) -> None:
    try:
        while piece := source.recv(65536):
            target.sendall(piece)
        target.shutdown(socket.SHUT_WR)
    except OSError:
        return


@contextmanager
def tls_server(
    script: Script, folder: Path, wants_certificate: bool = False
) -> Iterator[tuple[Scripted, str]]:
    own = certificate(folder)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    if wants_certificate:
        context.load_verify_locations(own)
        context.verify_mode = ssl.CERT_REQUIRED
    with scripted(script, tls=context) as server:
        server.url = server.url.replace("http:", "https:")
        yield server, str(own)
