"""Was it sent? Each way in which a request can end, on both transports, over real sockets."""

from __future__ import annotations

import socket
import ssl
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Request, Response, Save, Unknown
from tests.eventually import HANG_SECONDS, eventually
from tests.transport import scripted as on
from tests.transport.conftest import Send, get, twice
from tests.transport.scripted import Script, certificate, scripted


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


def test_refused_was_not_sent(send: Send) -> None:
    assert isinstance(send(f"http://127.0.0.1:{free_port()}", get()), NotSent)


def test_an_unknown_name_was_not_sent(send: Send, monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: Any, **__: Any) -> None:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)  # no lookup leaves this machine
    assert isinstance(send("http://no-such-host.invalid", get(), trust_env=False), NotSent)


def test_a_connection_that_does_not_come_was_not_sent(send: Send) -> None:
    with socket.socket() as full:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for queued in waiting:  # fill the queue of connections that nobody accepts
            queued.setblocking(False)
            queued.connect_ex(address)
        try:
            started, url = time.monotonic(), f"http://127.0.0.1:{address[1]}"
            assert isinstance(send(url, get(), connect_timeout=0.5), NotSent)
            assert isinstance(send(url, get(deadline=0.5)), NotSent)
            assert time.monotonic() - started < HANG_SECONDS
        finally:
            for queued in waiting:
                queued.close()


STALLING = {"silent", "a body that stalls"}
UNCLEAR: dict[str, Script] = {
    "hung up": on.hang_up,
    "reset": on.reset,
    "silent": on.stay_silent,
    "not HTTP": on.say(b"NOT-HTTP\r\n\r\n", close=True),
    "half a head": on.say(b"HTTP/1.1 200 OK\r\nContent-Le", close=True),
    "a head without its end": on.say(b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n", close=True),
    "a status line alone": on.say(b"HTTP/1.1 200 OK\r\n", close=True),
    "half a body": on.say(on.answer(b'{"a":', length=100), close=True),
    "half a chunk": on.say(on.chunked(b'{"a":', whole=False), close=True),
    "a body that stalls": on.say(on.answer(b'{"a":', length=100)),
    "not the gzip that it says": on.say(on.answer(b"plain", "Content-Encoding: gzip")),
    "half a gzip": on.say(on.answer(b"\x1f\x8b\x08\x00\x00\x00\x00\x00", "Content-Encoding: gzip")),
    "packed otherwise": on.say(on.answer(b"plain", "Content-Encoding: br")),
}


@pytest.mark.parametrize("idempotency", [Idempotency.READ, Idempotency.NONE])
@pytest.mark.parametrize("how", UNCLEAR)
def test_what_the_server_read_is_unknown_and_sent_once(
    send: Send, how: str, idempotency: Idempotency
) -> None:
    with scripted(UNCLEAR[how]) as server:
        outcome = send(server.url, get(idempotency), read_timeout=0.5 if how in STALLING else HANG_SECONDS)
        assert isinstance(outcome, Unknown), outcome
        assert eventually(lambda: server.seen)
        assert server.seen == 1


@pytest.mark.parametrize("method", ["GET", "PUT", "DELETE", "POST"])
def test_no_library_retries_on_an_idle_connection(send: Send, method: str) -> None:
    """aiohttp retries GET, PUT and DELETE by default when the server closes an idle connection."""
    answers = iter([on.say(on.answer(b"{}")), on.hang_up, on.hang_up])
    with scripted(lambda peer: next(answers)(peer)) as server:
        what = Request(method, "/x", Idempotency.SET_STATE)
        assert [type(each) for each in twice(send, server.url, what)] == [Response, Unknown]
        assert server.seen == 2


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_response_that_nobody_asked_for_answers_no_request(send: Send, method: str) -> None:
    """A server may send one on an idle connection, for example 408. It would answer the next request."""
    late, said = threading.Event(), threading.Event()

    def script(peer: socket.socket) -> None:
        peer.sendall(on.answer(b'{"request": %d}' % server.seen))
        if server.seen == 1:
            assert late.wait(HANG_SECONDS)
            peer.sendall(on.answer(b'{"request": 0}'))
            said.set()

    def say_late() -> None:
        late.set()
        assert said.wait(HANG_SECONDS)

    with scripted(script) as server:
        what = Request(method, "/x", Idempotency.READ)
        assert [each.body for each in twice(send, server.url, what, say_late)] == [
            b'{"request": 1}',
            b'{"request": 2}',
        ]


def test_a_complete_response_is_returned(send: Send) -> None:
    with scripted(on.say(on.answer(b'{"a": 1}', "X-Thing: Yes"))) as server:
        outcome = send(server.url, get())
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.body, outcome.headers["x-thing"]) == (200, b'{"a": 1}', "Yes")


def test_headers_are_read_alike_and_can_be_stored(send: Send) -> None:
    """An id in a header becomes a task's result: the database would reject an unpaired surrogate in it."""
    raw = b"HTTP/1.1 200 OK\r\nX-Request-Id: a\xff\xd0\xb0\r\nContent-Length: 0\r\n\r\n"
    with scripted(on.say(raw)) as server:
        outcome = send(server.url, get())
    assert isinstance(outcome, Response)
    assert outcome.headers["x-request-id"].encode("latin-1") == b"a\xff\xd0\xb0"


def test_a_chunked_response_is_returned(send: Send) -> None:
    with scripted(on.say(on.chunked(b'{"a"', b": 1}"))) as server:
        outcome = send(server.url, get())
    assert isinstance(outcome, Response)
    assert outcome.body == b'{"a": 1}'


@pytest.mark.parametrize("what", ["the head", "the body"])
def test_a_drip_ends_at_the_deadline(send: Send, what: str) -> None:
    head, body = on.answer(b"", length=10_000), b"x" * 10_000
    first = b"" if what == "the head" else head
    whole = threading.Event()

    def script(peer: socket.socket) -> None:
        peer.sendall(first)
        on.drip((head + body).removeprefix(first), 0.05)(peer)  # eight minutes
        whole.set()

    with scripted(script) as server:
        started = time.monotonic()
        outcome = send(server.url, get(deadline=1.0))
        assert isinstance(outcome, Unknown)
        assert time.monotonic() - started > 0.9
        assert not whole.is_set()


def test_a_redirect_is_a_response_and_is_not_followed(send: Send) -> None:
    with scripted(on.say(on.answer(b"{}"))) as other:
        there = f"HTTP/1.1 302 Found\r\nLocation: {other.url}/steal\r\nContent-Length: 0\r\n\r\n".encode()
        with scripted(on.say(there)) as server:
            outcome = send(server.url, get(headers={"Authorization": "Bearer canary"}))
            assert isinstance(outcome, Response)
            assert outcome.status == 302
            assert other.seen == 0


def test_netrc_and_cookies_do_not_reach_the_vendor(send: Send, tmp_path: Path, monkeypatch: Any) -> None:
    (tmp_path / ".netrc").write_text("machine 127.0.0.1 login other password other\n")
    (tmp_path / ".netrc").chmod(0o600)
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    monkeypatch.setenv("HOME", str(tmp_path))
    with scripted(on.say(on.answer(b"{}", "Set-Cookie: a=b; Path=/"))) as server:
        send(server.url, get(headers={"Authorization": "Bearer ours"}))
        send(server.url, get(headers={"X-API-KEY": "ours"}))
        assert b"Bearer ours" in server.heads[0]
        assert b"uthorization" not in server.heads[1]


def test_cookies_are_not_kept(send: Send) -> None:
    with scripted(on.say(on.answer(b"{}", "Set-Cookie: a=b; Path=/"))) as server:
        assert [type(each) for each in twice(send, server.url, get())] == [Response, Response]
        assert not [head for head in server.heads if b"ookie" in head]


@pytest.mark.parametrize("address", ["127.0.0.1", "localhost", "127.1", "2130706433"])
def test_private_hosts_are_rejected_before_anything_is_sent(send: Send, address: str) -> None:
    with scripted(on.say(on.answer(b"{}"))) as server:
        with pytest.raises(TelecomInputError, match="host: leads to an address that is not on the"):
            send(f"http://{address}:{server.port}", get(), allow_private_hosts=False, trust_env=False)
        assert server.seen == 0


def test_a_request_to_an_untrusted_certificate_was_not_sent(send: Send, tmp_path: Path) -> None:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    with context.wrap_socket(socket.create_server(("127.0.0.1", 0)), server_side=True) as listener:
        threading.Thread(target=_accept_and_drop, args=(listener,), daemon=True).start()
        assert isinstance(send(f"https://127.0.0.1:{listener.getsockname()[1]}", get()), NotSent)


def test_a_certificate_of_our_own_authority_is_accepted(send: Send, tmp_path: Path) -> None:
    own, context = certificate(tmp_path), ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(own)
    with scripted(on.say(on.answer(b"{}"), close=True), tls=context) as server:
        outcome = send(server.url.replace("http:", "https:"), get(), verify=str(own))
    assert isinstance(outcome, Response), outcome


def _accept_and_drop(listener: socket.socket) -> None:
    while True:
        try:
            listener.accept()
        except ssl.SSLError:
            continue
        except OSError:
            return


def test_a_download_gets_its_name_when_it_is_complete(send: Send, tmp_path: Path) -> None:
    target = tmp_path / "calls.csv"
    body = b"a,b\n" * 100_000
    with scripted(on.say(on.answer(body))) as server:
        outcome = send(server.url, get(save=Save(target, lambda answer: answer.status == 200)))
    assert isinstance(outcome, Response)
    assert (outcome.saved_bytes, outcome.body) == (len(body), b"")
    assert target.read_bytes() == body
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def test_half_a_download_leaves_the_old_file(send: Send, tmp_path: Path) -> None:
    target = tmp_path / "calls.csv"
    target.write_text("old")
    with scripted(on.say(on.answer(b"x" * 300_000, length=400_000), close=True)) as server:
        outcome = send(server.url, get(save=Save(target, lambda answer: True)))
    assert isinstance(outcome, Unknown)
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


def test_an_error_in_place_of_a_file_is_not_saved(send: Send, tmp_path: Path) -> None:
    target = tmp_path / "calls.csv"
    wanted = Save(target, lambda answer: not answer.body.startswith(b"{"))
    with scripted(on.say(on.answer(b'{"error": "91"}'))) as server:
        outcome = send(server.url, get(save=wanted))
    assert isinstance(outcome, Response)
    assert outcome.body == b'{"error": "91"}'
    assert list(tmp_path.iterdir()) == []


def test_an_error_in_place_of_a_file_is_given_up_when_it_does_not_end(send: Send, tmp_path: Path) -> None:
    nothing_is_wanted = Save(tmp_path / "calls.csv", lambda answer: False)
    with scripted(on.say(on.answer(b"<" * (2 << 20)))) as server:
        outcome = send(server.url, get(save=nothing_is_wanted, max_bytes=8 << 30))
    assert outcome == Unknown("not the file, and too large for an error")


@pytest.mark.parametrize("most", [10, 100_000])
def test_a_response_larger_than_allowed_is_given_up(send: Send, most: int) -> None:
    with scripted(on.say(on.answer(b"x" * (most + 1)))) as server:
        assert send(server.url, get(max_bytes=most)) == Unknown("larger than allowed")
    with scripted(on.say(on.answer(b"x" * most))) as server:
        assert isinstance(send(server.url, get(max_bytes=most)), Response)
