"""A request counts as not sent only if no byte of it can have left: each case over real sockets."""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import threading
from collections.abc import Callable, Generator
from pathlib import Path
from typing import Any, cast

import pytest

from airflow_provider_telecom.calls.endpoint import Step
from airflow_provider_telecom.calls.errors import (
    TelecomError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.request import (
    Idempotency,
    Json,
    NotSent,
    Outcome,
    Request,
    Response,
    Unknown,
)
from airflow_provider_telecom.calls.responses import ErrorDetails, raise_for_status, read_json
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.transport import async_transport
from airflow_provider_telecom.transport.async_transport import AsyncTransport
from airflow_provider_telecom.transport.sync_transport import SyncTransport
from tests.eventually import HANG_SECONDS, eventually, eventually_async
from tests.transport import scripted as on
from tests.transport.conftest import Send, get, route_of, twice
from tests.transport.scripted import Script, certificate, scripted, tls_server
from tests.transports import TRANSPORTS

OK = b"HTTP/1.1 200 OK\r\n"
BODY = b'{"id": 1}'
CHUNKED = b"Transfer-Encoding: chunked"


def with_head(*lines: bytes, body: bytes = BODY) -> bytes:
    return OK + b"\r\n".join(lines) + b"\r\n\r\n" + body


UNUSUAL: dict[str, bytes] = {
    "two lengths": with_head(b"Content-Length: 9", b"Content-Length: 3"),
    "two lengths in one line": with_head(b"Content-Length: 9, 3"),
    "one length twice": with_head(b"Content-Length: 9", b"Content-Length: 9"),
    "a length and chunks": with_head(b"Content-Length: 9", CHUNKED, body=b"9\r\n" + BODY + b"\r\n0\r\n\r\n"),
    "a negative length": with_head(b"Content-Length: -9"),
    "a length that is no number": with_head(b"Content-Length: nine"),
    "a length with a sign": with_head(b"Content-Length: +9"),
    "an enormous length": with_head(b"Content-Length: " + b"9" * 5000),
    "an empty length": with_head(b"Content-Length:"),
    "a chunk size that is no number": with_head(
        b"Transfer-Encoding: chunked", body=b"xyz\r\n{}\r\n0\r\n\r\n"
    ),
    "a negative chunk size": with_head(b"Transfer-Encoding: chunked", body=b"-2\r\n{}\r\n0\r\n\r\n"),
    "an enormous chunk size": with_head(b"Transfer-Encoding: chunked", body=b"f" * 5000 + b"\r\n"),
    "an unknown transfer coding": with_head(b"Transfer-Encoding: rot13"),
    "two transfer codings": with_head(b"Transfer-Encoding: gzip, chunked", body=b"2\r\n{}\r\n0\r\n\r\n"),
    "100 and nothing": b"HTTP/1.1 100 Continue\r\n\r\n",
    "101": b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n",
    "102 and nothing": b"HTTP/1.1 102 Processing\r\n\r\n",
    "103 and nothing": b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    "199 with a body": b"HTTP/1.1 199 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "a thousand of 100": b"HTTP/1.1 100 Continue\r\n\r\n" * 1000,
    "status 0": b"HTTP/1.1 0 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "status 99": b"HTTP/1.1 99 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "status 1000": b"HTTP/1.1 1000 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "status -200": b"HTTP/1.1 -200 Odd\r\nContent-Length: 2\r\n\r\n{}",
    "status 2OO": b"HTTP/1.1 2OO OK\r\nContent-Length: 2\r\n\r\n{}",
    "HTTP/0.9": BODY,
    "HTTP/0.9 in the status line": b"HTTP/0.9 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY,
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nContent-Length: 9\r\n\r\n" + BODY,
    "an HTTP/2 preface": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "no version": b"200 OK\r\nContent-Length: 2\r\n\r\n{}",
    "a status line of 100 KB": b"HTTP/1.1 200 " + b"x" * 100_000 + b"\r\nContent-Length: 2\r\n\r\n{}",
    "a header line of 100 KB": with_head(b"X: " + b"x" * 100_000, b"Content-Length: 9"),
    "a header name of 100 KB": with_head(b"x" * 100_000 + b": 1", b"Content-Length: 9"),
    "a thousand headers": with_head(*[b"X-%d: 1" % n for n in range(1000)], b"Content-Length: 9"),
    "a header without a colon": with_head(b"no colon here", b"Content-Length: 9"),
    "a header without a name": with_head(b": nobody", b"Content-Length: 9"),
    "a header name with a blank": with_head(b"Content Length: 3", b"Content-Length: 9"),
    "a blank before the colon": with_head(b"Content-Length : 3"),
    "a folded header": with_head(b"X-Long: a", b"  b", b"Content-Length: 9"),
    "a fold before all headers": with_head(b"  b", b"Content-Length: 9"),
    "a NUL in a header": with_head(b"X: a\x00b", b"Content-Length: 9"),
    "a NUL in the status line": b"HTTP/1.1 200 O\x00K\r\nContent-Length: 9\r\n\r\n" + BODY,
    "NULs": b"\x00" * 1000,
    "bytes beyond ASCII in headers": with_head(b"X-\xff\xfe: \xff\xd0\xb9", b"Content-Length: 9"),
    "a bare CR in a header": with_head(b"X: a\rb", b"Content-Length: 9"),
    "line feeds alone": b"HTTP/1.1 200 OK\nContent-Length: 9\n\n" + BODY,
    "an empty line first": b"\r\n" + with_head(b"Content-Length: 9"),
    "an odd content type": with_head(b"Content-Type: ;;;charset=\xff", b"Content-Length: 9"),
    "odd cookies": with_head(b"Set-Cookie: =;;;;expires=never; a\x01=b", b"Content-Length: 9"),
    "an odd location": b"HTTP/1.1 302 Found\r\nLocation: http://[::1\x00\r\nContent-Length: 0\r\n\r\n",
    "gzip that is none": with_head(b"Content-Encoding: gzip", b"Content-Length: 9"),
    "two packings": with_head(b"Content-Encoding: gzip, br", b"Content-Length: 9"),
    "more than its length": with_head(b"Content-Length: 2", body=BODY * 3),
    "two answers at once": with_head(b"Content-Length: 9") + with_head(b"Content-Length: 9"),
    "half an answer, then another": with_head(b"Content-Length: 90") + with_head(b"Content-Length: 9"),
    "TLS": b"\x15\x03\x01\x00\x02\x02\x28",
}


class Plain:
    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        outcome: Outcome = yield request
        return outcome


def read(response: Response) -> Any:
    raise_for_status(response, ErrorDetails)
    return read_json(response.body)


@pytest.fixture(params=TRANSPORTS)
def order(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Return a function that makes a whole call, an effect without a key, with all repetitions that the rules
    allow and without pauses. It gets a number of seconds.
    """

    def call(seconds: float) -> Any:
        return send_with_retry(
            Request("POST", "/x", Idempotency.NONE, body=Json({})), Plain(), read, AccountLimits(), seconds
        )

    async def no_wait(seconds: float) -> None:
        """Wait for nothing."""

    def block(base_url: str, seconds: float) -> Any:
        driver = SyncTransport(route_of(base_url, {}), sleep=lambda seconds: None)
        try:
            return driver.run(call(seconds))
        except TelecomError as error:
            return error
        finally:
            driver.close()

    def wait(base_url: str, seconds: float) -> Any:
        async def once() -> Any:
            driver = AsyncTransport(route_of(base_url, {}), sleep=no_wait)
            try:
                return await driver.run(call(seconds))
            except TelecomError as error:
                return error
            finally:
                await driver.close()

        return asyncio.run(once())

    return block if request.param == "sync" else wait


@pytest.mark.parametrize("close", [True, False], ids=["closed", "left open"])
@pytest.mark.parametrize("what", UNUSUAL)
def test_an_effect_without_a_key_is_sent_once_whatever_comes_back(
    order: Callable[..., Any], what: str, close: bool
) -> None:
    with scripted(on.say(UNUSUAL[what], close=close)) as server:
        found = order(server.url, HANG_SECONDS if close else 0.5)
        if not close and not server.seen:  # on a loaded machine the time may pass before it is read
            assert isinstance(found, (TelecomNotSentError, TelecomUnknownError)), found
            return
        assert eventually(lambda: server.seen)
        assert server.seen == 1
    assert found == {"id": 1} or isinstance(found, TelecomError), found
    if isinstance(found, TelecomError) and found.status is None:
        assert isinstance(found, TelecomUnknownError), found


@pytest.mark.parametrize("what", UNUSUAL)
def test_no_response_makes_a_library_log_the_url(
    send: Send, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    with caplog.at_level("DEBUG"), scripted(on.say(UNUSUAL[what], close=True)) as server:
        send(server.url, get(query={"token": "s3cr3t"}))
    assert "s3cr3t" not in caplog.text


SAYS = {
    "not HTTP": (on.say(b"NOT-HTTP\r\n\r\n", close=True), "the answer is not valid HTTP"),
    "a bad header": (on.say(UNUSUAL["a header without a colon"], close=True), "the answer is not valid HTTP"),
    "hung up": (on.hang_up, "the connection broke off"),
    "half a body": (on.say(on.answer(b"{", length=9), close=True), "the answer was cut short"),
}


@pytest.mark.parametrize("how", SAYS)
def test_both_transports_say_what_happened_in_the_same_words(send: Send, how: str) -> None:
    script, words = SAYS[how]
    with scripted(script) as server:
        assert send(server.url, get()) == Unknown(words)


def test_duplicate_headers_are_joined(send: Send) -> None:
    with scripted(on.say(on.answer(b"{}", "Retry-After: 5", "retry-after: 7"))) as server:
        outcome = send(server.url, get())
    assert isinstance(outcome, Response)
    assert outcome.headers["retry-after"] == "5, 7"


@pytest.mark.parametrize("interim", [b"100 Continue", b"102 Processing", b"103 Early Hints"])
def test_an_interim_response_is_skipped(send: Send, interim: bytes) -> None:
    hints = b"HTTP/1.1 " + interim + b"\r\nLink: </style.css>\r\n\r\n"
    answers = iter([hints + on.answer(b'"first"'), on.answer(b'"second"')])
    with scripted(lambda peer: peer.sendall(next(answers))) as server:
        assert [type(each) for each in twice(send, server.url, get())] == [Response, Response]
    answers = iter([hints + on.answer(b'"first"')])
    with scripted(lambda peer: peer.sendall(next(answers))) as server:
        outcome = send(server.url, get())
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.body) == (200, b'"first"')


# What certainly was not sent.


def test_a_header_that_cannot_be_written_is_refused(send: Send) -> None:
    with scripted(on.say(on.answer(b"{}"))) as server:
        for value in ("two\r\nlines", "t\u00f6ken", "\ud800", "nul\x00", ""):
            with pytest.raises(
                TelecomInputError, match="header X-API-KEY: must be printable ASCII"
            ) as caught:
                send(server.url, get(headers={"X-API-KEY": value}))
            assert not value or value not in str(caught.value)
        assert server.seen == 0


def test_half_a_surrogate_pair_is_refused(send: Send) -> None:
    with scripted(on.say(on.answer(b"{}"))) as server:
        for facts in ({"query": {"q": "\ud800"}}, {"body": Json({"text": "\ud800"})}):
            with pytest.raises(TelecomInputError, match="surrogate") as caught:
                send(server.url, get(**facts))
            assert caught.value.__suppress_context__
        assert server.seen == 0


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:99999", "http://[::1", "http://", "http://exa mple", "x://y"]
)
def test_a_request_to_an_invalid_url_was_not_sent(send: Send, url: str) -> None:
    assert isinstance(send(url, get(), trust_env=False), NotSent)


def test_after_a_failed_handshake_nothing_was_sent(send: Send, tmp_path: Path) -> None:
    """The server speaks plain HTTP, or closes the connection, before TLS is agreed on."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate(tmp_path))
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA")  # nobody offers it any more
    with scripted(on.hang_up, tls=context) as picky, on.before_http(b"HTTP/1.1 400 No\r\n\r\n") as plain:
        for server in (picky, plain):
            outcome = send(server.url.replace("http:", "https:"), get(Idempotency.NONE))
            assert isinstance(outcome, NotSent), outcome


def test_after_a_rejected_certificate_nothing_was_sent(send: Send, tmp_path: Path) -> None:
    with tls_server(on.say(on.answer(b"{}")), tmp_path) as (server, _):
        assert send(server.url, get(Idempotency.NONE)) == NotSent("the certificate was refused")
        assert server.seen == 0


NO_TLS = {
    "garbage": b"\x00" * 100,
    "half a record": b"\x17\x03\x03\x40\x00xx",
    "an alert": b"\x15\x03\x03\x00\x02\x02\x28",
}


@pytest.mark.parametrize("how", NO_TLS)
def test_a_tls_error_after_the_request_is_unknown(send: Send, tmp_path: Path, how: str) -> None:
    def spoil(peer: socket.socket) -> None:
        os.write(peer.fileno(), NO_TLS[how])
        peer.close()

    with tls_server(spoil, tmp_path) as (server, own):
        outcome = send(server.url, get(Idempotency.NONE), verify=own)
        assert isinstance(outcome, Unknown), outcome
        assert server.seen == 1


def test_a_server_that_requires_a_client_certificate_leaves_it_unknown(send: Send, tmp_path: Path) -> None:
    """With TLS 1.3 its refusal comes after our first bytes: the transport cannot know."""
    with tls_server(on.say(on.answer(b"{}")), tmp_path, wants_certificate=True) as (server, own):
        assert isinstance(send(server.url, get(Idempotency.NONE), verify=own), Unknown)


# Proxies.


@pytest.fixture
def through(monkeypatch: pytest.MonkeyPatch) -> Callable[[int], None]:
    def choose(port: int, scheme: str = "http") -> None:
        for name in ("http_proxy", "https_proxy"):
            monkeypatch.setenv(name, f"{scheme}://127.0.0.1:{port}")
        monkeypatch.setenv("no_proxy", "")

    return choose


def test_what_a_proxy_has_read_is_unknown(send: Send, through: Callable[..., None]) -> None:
    with scripted(on.hang_up) as proxy:
        through(proxy.port)
        outcome = send("http://vendor.example", get(Idempotency.NONE), allow_private_hosts=False)
        assert isinstance(outcome, Unknown), outcome
        assert proxy.seen == 1


@pytest.mark.parametrize(
    "says", [b"", b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", b"garbage\r\n\r\n"]
)
def test_after_a_refused_tunnel_nothing_was_sent(
    send: Send, through: Callable[..., None], says: bytes
) -> None:
    with scripted(on.say(says, close=True)) as proxy:
        through(proxy.port)
        outcome = send("https://vendor.example", get(Idempotency.NONE))
        assert isinstance(outcome, NotSent), outcome
        assert [head.split()[0] for head in proxy.heads] == [b"CONNECT"]


def test_a_tunnel_that_a_proxy_never_opens_ends_at_the_deadline(
    send: Send, through: Callable[..., None]
) -> None:
    drip = on.drip(b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 1000, 0.05)
    with scripted(drip) as proxy:
        through(proxy.port)
        assert isinstance(send("https://vendor.example", get(Idempotency.NONE, deadline=0.5)), NotSent)


def test_without_a_proxy_nothing_was_sent(send: Send, through: Callable[..., None]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    through(port)
    for url in ("http://vendor.example", "https://vendor.example"):
        outcome = send(url, get(Idempotency.NONE))
        assert isinstance(outcome, NotSent), outcome
        assert "proxy" in outcome.reason


@pytest.mark.parametrize(("ending", "kind"), [(on.hang_up, Unknown), (on.say(on.answer(BODY)), Response)])
def test_what_went_through_a_tunnel_is_unknown_without_an_answer(
    send: Send, through: Callable[..., None], tmp_path: Path, ending: Script, kind: type
) -> None:
    with tls_server(ending, tmp_path) as (vendor, own), on.tunnel(vendor.port) as proxy:
        through(proxy.port)
        outcome = send(vendor.url, get(Idempotency.NONE), verify=own)
        assert isinstance(outcome, kind), outcome
        assert (proxy.seen, vendor.seen) == (1, 1)


def test_socks_proxies_are_refused(send: Send, through: Callable[..., None]) -> None:
    through(1, scheme="socks5")
    with pytest.raises(TelecomInputError, match="proxy: SOCKS proxies are not supported"):
        send("http://vendor.example", get())


def test_the_environments_proxies_are_read_once(through: Callable[..., None]) -> None:
    """Reading the whole environment for each poll would take longer than the rest of the request."""
    with scripted(on.say(on.answer(b"{}"))) as vendor, scripted(on.hang_up) as proxy:

        async def polls() -> list[str]:
            transport = async_transport.Transport(route_of(vendor.url, {}))
            found = [await transport.send(get())]
            through(proxy.port)
            found.append(await transport.send(get()))
            await transport.close()
            return [type(outcome).__name__ for outcome in found]

        assert asyncio.run(polls()) == ["Response", "Response"]
        assert (vendor.seen, proxy.seen) == (2, 0)


def test_reads_go_through_the_session_of_another_aiohttp() -> None:
    """A read uses a part of aiohttp that may change with its version."""
    with scripted(on.say(on.answer(b"{}"))) as vendor:

        async def polls() -> list[str]:
            transport = async_transport.Transport(route_of(vendor.url, {}))
            found = [type(await transport.send(get())).__name__]
            transport._plain_reads = cast("Any", object())
            found += [type(await transport.send(get())).__name__ for _ in range(2)]
            await transport.close()
            return found

        assert asyncio.run(polls()) == ["Response"] * 3
        assert vendor.seen == 3
        assert [head.partition(b"\r\n")[0] for head in vendor.heads] == [b"GET /x HTTP/1.1"] * 3
        assert len({frozenset(head.split(b"\r\n")) for head in vendor.heads}) == 1  # the same headers


def test_a_read_that_was_cancelled_gives_its_answer_to_nobody_else() -> None:
    is_read_again = threading.Event()

    def answer_late(peer: socket.socket) -> None:
        if vendor.seen > 1:
            peer.sendall(on.answer(b"of the second"))
            return
        is_read_again.wait(HANG_SECONDS)
        peer.sendall(on.answer(b"of the first"))

    async def polls() -> bytes:
        transport = async_transport.Transport(route_of(vendor.url, {}))
        first = asyncio.create_task(transport.send(get()))
        assert await eventually_async(lambda: vendor.seen == 1)
        first.cancel()
        await asyncio.gather(first, return_exceptions=True)
        second = asyncio.create_task(transport.send(get()))
        for _ in range(10):  # until it has written its request, if it uses the same connection
            await asyncio.sleep(0)
        is_read_again.set()
        outcome = await second
        await transport.close()
        assert isinstance(outcome, Response)
        return outcome.body

    with scripted(answer_late) as vendor:
        assert asyncio.run(polls()) == b"of the second"
