"""Posts from strangers, and posts that mean harm: each gets its answer, and none of them more than that."""

from __future__ import annotations

import gzip
import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from select import select
from types import SimpleNamespace
from typing import Any
from urllib.parse import quote, urlsplit

import pytest

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.vendors.registry import find_vendor
from airflow_provider_telecom.vendors.webhooks import WebhookEvent
from airflow_provider_telecom.webhooks.address import ReceiverSettings, WebhookAddress
from airflow_provider_telecom.webhooks.limits import BodyBuffer, Limits, RefusedError
from tests.eventually import HANG_SECONDS, eventually
from tests.system.hostile import GOOD, HOSTILE, OF_KETCHUP, PLACES, encoded, put
from tests.system.receiver_load import queue, viber
from tests.webhooks.conftest import SECRET, Served

pytestmark = pytest.mark.xdist_group("webhooks")

MIB = 1 << 20
MARKER = "canary-380670000201"
OLDER, OLDEST = "the-secret-before-0123456789abcdefghij", "the-one-before-that-0123456789abcdefgh"
Reopen = Callable[..., None]


@pytest.fixture
def reopened(served: Served, receiver_settings: pytest.MonkeyPatch) -> Reopen:
    """Return a function that opens the receiver anew with other settings."""
    from airflow_provider_telecom.webhooks import plugin

    def reopen(**settings: str | None) -> None:
        for name, value in settings.items():
            variable = f"AIRFLOW__TELECOM__{name.upper()}"
            receiver_settings.delenv(variable, raising=False)
            if value is not None:
                receiver_settings.setenv(variable, value)
        plugin._app.cache_clear()

    return reopen


def talk(url: str, *lines: str, method: str = "POST", target: str | None = None, body: Any = b"") -> bytes:
    """Send a request as it is, its body perhaps in pieces, and return all that is answered."""
    parts = urlsplit(url)
    head = "\r\n".join((
        f"{method} {target or parts.path} HTTP/1.1",
        "Host: x",
        "Connection: close",
        *lines,
        "",
        "",
    ))
    with socket.create_connection((parts.hostname, parts.port), HANG_SECONDS) as line:
        line.sendall(head.encode("latin-1"))
        try:
            for piece in [body] if isinstance(body, bytes) else body:
                line.sendall(piece)
        except (BrokenPipeError, ConnectionResetError):
            pass
        answer = b""
        while piece := _received(line):
            answer += piece
    return answer


def _received(line: socket.socket) -> bytes:
    try:
        return line.recv(65536)
    except ConnectionResetError:
        return b""


def undated(answer: bytes) -> bytes:
    """Return an answer without what differs from second to second."""
    return b"\r\n".join(line for line in answer.split(b"\r\n") if not line.lower().startswith(b"date:"))


def status_of(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def chunked(pieces: Iterator[bytes]) -> Iterator[bytes]:
    """Yield pieces as a body whose length nobody says."""
    for piece in pieces:
        yield b"%x\r\n%s\r\n" % (len(piece), piece)
    yield b"0\r\n\r\n"


def padded(size: int, body: dict[str, Any]) -> bytes:
    """Return a body of exactly this size."""
    bare = json.dumps({**body, "padding": ""}).encode()
    return json.dumps({**body, "padding": "x" * (size - len(bare))}).encode()


# Strangers


def strange(served: Served) -> list[str]:
    """Return paths that are no addresses of ours."""
    address = WebhookAddress("ketchup_loyalty", "viber", "default", "n1")
    good, head = path_of(served.settings, address), "/telecom/hook"
    signature = good.rpartition("/")[2]
    others = (
        WebhookAddress("ketchup_loyalty", "viber", "default", "n2"),
        WebhookAddress("ketchup_loyalty", "viber", "other", "n1"),
        WebhookAddress("ketchup_loyalty", "hlr", "default", "n1"),
        WebhookAddress("novaconnect", "viber", "default", "n1"),
    )
    signed_and_unknown = (
        WebhookAddress("kyivstar_open_telecom", "sms", "default", "n1"),
        WebhookAddress("ketchup_loyalty", "sms", "default", "n1"),
        WebhookAddress("", "", "", ""),
    )
    signers = [ReceiverSettings("", (Secret(one),)) for one in (OLDEST, SECRET[:-1], SECRET.upper())]
    changes = {
        signature: (
            signature[:-1],
            signature.lower(),
            "",
            quote("é" * 32),
            "A" * 60_000,
            f"{signature}=",
            "%",
        ),
        "n1": (
            "N1",
            "",
            "n1/",
            "/n1",
            "n1%00",
            "n1%2F",
            "n2%2F..%2Fn1",
            "%FF%FE",
            "%ED%A0%80",
            "%",
            "x" * 60_000,
        ),
        "/n1/": ("/", "%2Fn1/", "/n1%2F", "//n1/"),
        "default": ("DEFAULT", "default%20", "..%2Fdefault"),
        "viber/default": ("viber%2Fdefault", "hlr/default", "default", "viber/default/default"),
        "ketchup_loyalty": ("Ketchup", "novaconnect", "ketchup%3F", ""),
    }
    return [
        *(good.replace(signature, path_of(served.settings, one).rpartition("/")[2]) for one in others),
        *(path_of(served.settings, one) for one in signed_and_unknown),
        *(path_of(signer, address) for signer in signers),
        *(good.replace(part, other) for part, several in changes.items() for other in several),
        *(good + more for more in ("A", "/", "/more", "%2F", "//")),
        *(
            head + more
            for more in ("", "/", "//////", "/x", f"/{signature}", "/a/b/c/d/", "/../hook/x", "/%2e%2e/x")
        ),
    ]


def path_of(settings: ReceiverSettings, address: WebhookAddress) -> str:
    return settings.url(address).removeprefix(settings.base_url)


def test_strangers_get_the_same_404_whatever_is_wrong(served: Served, reopened: Reopen) -> None:
    good = served.address("viber", "n1", vendor="ketchup_loyalty")
    body = json.dumps(viber("n1", "sent")).encode()
    length = f"Content-Length: {len(body)}"

    def answer(target: str) -> bytes:
        return undated(talk(served.url, length, target=target, body=body))

    assert status_of(answer(urlsplit(good).path)) == 200
    responses = {path: answer(path) for path in strange(served)}
    reopened(webhook_sources="198.51.100.0/24")
    responses["from elsewhere"] = answer(urlsplit(good).path)
    reopened(webhook_sources=None, webhook_secret="short")
    responses["a secret that is too short"] = answer(urlsplit(good).path)
    reopened(webhook_secret=None, public_base_url=None)
    responses["closed"] = answer(urlsplit(good).path)
    one = responses["closed"]
    assert status_of(one) == 404
    assert not [path for path, other in responses.items() if other != one]
    assert len(served.log()) == 1


def test_a_stranger_learns_nothing_by_what_he_sends(served: Served) -> None:
    url = f"{served.url}/telecom/hook/ketchup_loyalty/viber/default/n1/{'A' * 32}"
    bodies: list[tuple[list[str], Any]] = [
        (["Content-Length: 0"], b""),
        (["Content-Length: 1073741824"], b""),
        (["Content-Length: 2", "Content-Type: text/html"], b"{}"),
        (["Content-Length: 2", "Content-Encoding: gzip"], b"{}"),
        (["Transfer-Encoding: chunked"], chunked(iter([b"{"]))),
    ]
    responses = {undated(talk(url, *lines, body=body)) for lines, body in bodies}
    assert len(responses) == 1
    assert status_of(responses.pop()) == 404


def test_both_secrets_are_good_and_the_one_before_them_is_not(served: Served, reopened: Reopen) -> None:
    reopened(webhook_previous_secret=OLDER)
    address = WebhookAddress("ketchup_loyalty", "viber", "default", "n1")
    urls = [
        ReceiverSettings(served.url, (Secret(secret),)).url(address) for secret in (SECRET, OLDER, OLDEST)
    ]
    assert [served.post(url, viber("n1", "sent")).status_code for url in urls] == [200, 200, 404]


# Bodies that are refused

NO_JSON = "not JSON in UTF-8, or a duplicate key"
BODIES: dict[str, tuple[bytes, int, str]] = {
    "nothing": (b"", 400, NO_JSON),
    "a word": (MARKER.encode(), 400, NO_JSON),
    "half": (f'{{"a": "{MARKER}'.encode(), 400, NO_JSON),
    "two": (b"{} {}", 400, NO_JSON),
    "a list": (f'["{MARKER}"]'.encode(), 400, "not a JSON object"),
    "null": (b"null", 400, "not a JSON object"),
    "a text": (f'"{MARKER}"'.encode(), 400, "not a JSON object"),
    "Latin-1": ('{"a": "é"}'.encode("latin-1"), 400, NO_JSON),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), 400, NO_JSON),
    "UTF-16 without a mark": ('{"a": 1}'.encode("utf-16-le"), 400, NO_JSON),
    "UTF-32": ('{"a": 1}'.encode("utf-32"), 400, NO_JSON),
    "a half of a character": (b'{"a": "\xed\xa0\x80"}', 400, NO_JSON),
    "overlong": (b'{"a": "\xc0\xaf"}', 400, NO_JSON),
    "NaN": (b'{"a": NaN}', 400, NO_JSON),
    "Infinity": (b'{"a": [Infinity]}', 400, NO_JSON),
    "-Infinity": (b'{"a": -Infinity}', 400, NO_JSON),
    "twice": (f'{{"{MARKER}": 1, "{MARKER}": 2}}'.encode(), 400, NO_JSON),
    "twice, deep": (b'{"a": [{"b": {"c": 1, "d": 2, "\\u0063": 1}}]}', 400, NO_JSON),
    "5,000 digits": (b'{"a": %s}' % (b"9" * 5000), 400, NO_JSON),
    "5,000 digits of a fraction": (b'{"a": 0.%s}' % (b"9" * 5000), 400, NO_JSON),
    "1e999999999": (b'{"a": 1e999999999}', 400, NO_JSON),
    "-1e-999999999": (b'{"a": -1e-999999999}', 400, NO_JSON),
    "an exponent of 5,000 digits": (b'{"a": 1e%s}' % (b"9" * 5000), 400, NO_JSON),
    "33 deep": (b'{"a":' * 33 + b"1" + b"}" * 33, 400, "it is nested deeper than 32"),
    "100,000 deep": (b"[" * 100_000, 400, NO_JSON),
    "100,000 deep, closed": (b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", 400, NO_JSON),
    "a list of 10,001": (json.dumps({"a": [1] * 10_001}).encode(), 400, "a list is longer than 10000"),
    "an object of 10,001": (
        json.dumps({"a": {str(one): 1 for one in range(10_001)}}).encode(), 400, "a list is longer than 10000"
    ),
    "nothing that is needed": (json.dumps({"status": MARKER}).encode(), 422, "unexpected answer, see msisdn"),
    "an id that is none": (json.dumps(viber(f"<{MARKER}>", "sent")).encode(), 422, "reference is not an id"),
}  # fmt: skip


def test_bodies_are_refused_and_noted_without_a_word_of_them(served: Served) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    responses = {name: served.post(url, content=body) for name, (body, _, _) in BODIES.items()}
    found = {name: (one.status_code, without_hash(one.json()["detail"])) for name, one in responses.items()}
    assert found == {name: (status, why) for name, (_, status, why) in BODIES.items()}
    noted = [(one["verdict"], one["why"]) for one in served.log()]
    assert noted == [("refused", one.json()["detail"]) for one in responses.values()]
    assert MARKER not in json.dumps(served.rows())


def without_hash(why: str) -> str:
    """Return a reason without what names the body: its length and its hash."""
    return why.split(" (a body of ")[0]


def test_what_is_just_allowed_passes(served: Served) -> None:
    good = json.dumps(viber("n1", "sent"))[:-1].encode()
    bodies = (
        good + b', "deep": ' + b"[" * 31 + b"]" * 31 + b"}",
        good + b', "long": ' + json.dumps([1] * 10_000).encode() + b"}",
        good + b', "number": ' + b"9" * 4000 + b"}",
        good + b', "text": "\\ud800 \\u0000 \\u202e"}',
        good
        + b', "__class__": 1, "state": 2, "model_config": 3, "is_final": 4, "constructor": {"__proto__": 5}}',
        b"\xef\xbb\xbf" + good + b"}",
        b" \r\n\t" + good + b" } \n",
    )
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    responses = [served.post(url, content=body) for body in bodies]
    assert [answer.json()["detail"] for answer in responses] == ["accepted"] + ["duplicate"] * (
        len(bodies) - 1
    )


# How large

SIZES = [("ketchup_loyalty", "viber", 1, viber("n1", "sent")), ("novaconnect", "queue", 8, queue("q", 1))]


@pytest.mark.parametrize(("vendor", "kind", "most", "body"), SIZES)
def test_a_body_may_be_so_large_and_no_byte_more(
    served: Served, vendor: str, kind: str, most: int, body: dict[str, Any]
) -> None:
    url = served.address(kind, "n1", vendor=vendor)
    exact, more = padded(most * MIB, body), padded(most * MIB + 1, body)
    length, unsaid = f"Content-Length: {len(more)}", "Transfer-Encoding: chunked"
    assert served.post(url, content=exact).status_code == 200
    assert status_of(talk(url, unsaid, body=chunked(iter([exact])))) == 200
    assert status_of(talk(url, length, body=more)) == 413
    assert (
        status_of(
            talk(url, unsaid, body=chunked(more[at : at + 60_000] for at in range(0, len(more), 60_000)))
        )
        == 413
    )
    assert [one["why"] for one in served.log()] == [None, None, *[f"larger than {most * MIB} bytes"] * 2]


def test_a_large_body_is_read_no_further_than_allowed() -> None:
    import asyncio

    given = 0

    async def chunks() -> Any:
        nonlocal given
        while True:
            given += 65536
            yield bytes(65536)

    async def read() -> None:
        async with BodyBuffer().reading(chunks(), Limits(MIB)):
            raise AssertionError("it was read")

    with pytest.raises(RefusedError) as caught:
        asyncio.run(read())
    assert (caught.value.status, given) == (413, MIB + 65536)


LISTS = {
    "ones": b"1,",
    "objects": b"{},",
    "names": b'"a",',
    "fractions": b"1.5,",
}


@pytest.mark.parametrize("name", LISTS)
def test_many_values_are_refused_long_before_they_are_all_read(served: Served, name: str) -> None:
    url = served.address("notice")
    size, sent = 16 * MIB, 0

    def pieces() -> Iterator[bytes]:
        nonlocal sent
        piece = LISTS[name] * (65_536 // len(LISTS[name]))
        yield b'{"type": "x", "items": ['
        while sent + len(piece) < size:
            sent += len(piece)
            yield piece

    assert status_of(talk(url, f"Content-Length: {size}", body=pieces())) == 413
    assert sent < 0.9 * size  # much of it lies in the kernel
    assert [one["why"] for one in served.log()] == ["more than 300000 commas"]


@pytest.mark.parametrize("name", LISTS)
def test_many_values_are_counted_as_they_come(name: str) -> None:
    import asyncio

    limits, given = Limits(16 * MIB, max_commas=300_000), 0

    async def chunks() -> Any:
        nonlocal given
        while True:
            given += 1
            yield LISTS[name] * 10_000

    async def read() -> None:
        async with BodyBuffer().reading(chunks(), limits):
            raise AssertionError("it was read")

    with pytest.raises(RefusedError) as caught:
        asyncio.run(read())
    assert (caught.value.status, given) == (413, 31)


def test_bodies_take_only_so_much_memory_together() -> None:
    import asyncio

    async def chunks(size: int) -> Any:
        yield bytes(size)

    async def scene() -> None:
        bodies, limits = BodyBuffer(max_bytes=100), Limits()
        for _ in range(2):  # what was given back can be used again
            async with bodies.reading(chunks(60), limits), bodies.reading(chunks(40), limits):
                with pytest.raises(RefusedError) as caught:
                    async with bodies.reading(chunks(1), limits):
                        raise AssertionError("it was read")
                assert caught.value.status == 503
        async with bodies.reading(chunks(100), limits) as body:
            assert len(body) == 100

    asyncio.run(scene())


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_a_body_is_parsed_once_and_by_the_inboxs_thread(
    served: Served, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    from airflow_provider_telecom.calls import responses

    parsed: list[str] = []

    def decode(text: str) -> Any:
        parsed.append(threading.current_thread().name)
        return json.loads(text)

    for name in ("_QUICK", "_STRICT"):
        monkeypatch.setattr(responses, name, SimpleNamespace(decode=decode))
    name, _, _ = kind.partition("/")
    vendor = "ketchup_loyalty" if name in OF_KETCHUP else "novaconnect"
    nonce = GOOD[kind].get("reference", "account")
    assert served.post(served.address(name, nonce, vendor=vendor), GOOD[kind]).status_code == 200
    (thread,) = parsed
    assert thread.startswith("telecom-inbox")


def test_it_hangs_up_where_it_does_not_read_on(served: Served) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    read = (
        b"",
        b"{",
        json.dumps(viber("another", "sent")).encode(),
        json.dumps(viber("n1", "sent")).encode(),
    )
    responses = [served.post(url, content=body) for body in read]
    assert [answer.status_code for answer in responses] == [400, 400, 409, 200]
    assert not [answer for answer in responses if "connection" in answer.headers]
    unread = served.post(url, content=b",,", headers={"Content-Type": "text/html"})
    assert (unread.status_code, unread.headers["connection"]) == (415, "close")
    assert served.post(url + "x", content=b"{}").headers["connection"] == "close"


def test_a_length_that_is_none(served: Served) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    for said in ("-1", "1e3", "0x10", "\xb2", "9" * 26, "+5", "5, 5", ""):
        assert status_of(talk(url, f"Content-Length: {said}", body=b"{}")) in (400, 413), said
    assert status_of(talk(url, "Content-Length: 2", "Content-Length: 3", body=b"{}")) == 400
    assert status_of(talk(url, "Content-Length: 2", "Transfer-Encoding: chunked", body=b"{}")) == 400


# Headers

GZIPPED = gzip.compress(json.dumps(viber("n1", "sent")).encode())
HEADERS: dict[str, tuple[dict[str, str], bytes, int]] = {
    "gzip": ({"Content-Encoding": "gzip"}, GZIPPED, 415),
    "a bomb": ({"Content-Encoding": "gzip"}, gzip.compress(bytes(200 * MIB), 9), 415),
    "br": ({"Content-Encoding": "br"}, b"\x0b\x00\x80{}\x03", 415),
    "deflate, gzip": ({"Content-Encoding": "deflate, gzip"}, GZIPPED, 415),
    "gzip unsaid": ({}, GZIPPED, 400),
    "a form": ({"Content-Type": "application/x-www-form-urlencoded"}, b"reference=n1", 400),
    "multipart": ({"Content-Type": "multipart/form-data; boundary=x"}, b"--x--", 415),
    "XML": ({"Content-Type": "application/xml"}, b"<a/>", 415),
    "text": ({"Content-Type": "text/plain"}, b"reference", 400),
    "HTML": ({"Content-Type": "text/html"}, b"{}", 415),
    "cp1251": ({"Content-Type": "application/json; charset=cp1251"}, b"{}", 415),
    "utf-16": ({"Content-Type": 'application/json; charset="UTF-16"'}, b"{}", 415),
    "a type and more": ({"Content-Type": "application/json, text/html"}, b"{}", 415),
}


def test_headers_that_are_refused(served: Served) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    found = {
        name: served.post(url, content=body, headers=headers).status_code
        for name, (headers, body, _) in HEADERS.items()
    }
    assert found == {name: status for name, (_, _, status) in HEADERS.items()}
    assert [one["verdict"] for one in served.log()] == ["refused"] * len(HEADERS)


def test_headers_that_are_refused_before_there_is_a_body(served: Served) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    for name in ("a bomb", "br", "multipart"):
        headers, _, status = HEADERS[name]
        lines = [f"{key}: {value}" for key, value in headers.items()]
        assert status_of(talk(url, "Content-Length: 900000", *lines)) == status


def test_headers_that_pass(served: Served) -> None:
    url, body = (
        served.address("viber", "n1", vendor="ketchup_loyalty"),
        json.dumps(viber("n1", "sent")).encode(),
    )
    good: tuple[dict[str, str], ...] = (
        {"Content-Encoding": "identity"},
        {"Content-Encoding": ""},
        {"Content-Type": "application/json"},
        {"Content-Type": "Application/JSON; charset=UTF-8"},
        {"Content-Type": 'text/json;charset="utf-8"'},
        {"Content-Type": ""},
        {"Content-Type": "application/x-www-form-urlencoded"},
        {"Content-Type": "application/x-www-form-urlencoded; charset=utf-8"},
        {"Content-Type": "text/plain"},
        {"Content-Type": "text/plain; charset=ISO-8859-1"},
        {"Content-Type": "text/plain; charset=us-ascii; format=flowed"},
        {"Cookie": "_token=x; " + "a" * 8000, "X-Forwarded-For": "x" * 8000, "Authorization": "Bearer x"},
        {f"X-{number}": "a\ta" * 10 for number in range(500)},
        {
            "X-HTTP-Method-Override": "DELETE",
            "Expect": "100-continue",
            "Range": "bytes=0-1",
            "Host": "evil.test",
        },
    )
    said = [served.post(url, content=body, headers=headers).status_code for headers in good]
    assert said == [200] * len(good)


def test_only_posts_are_taken(served: Served) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    methods = ("GET", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH", "TRACE")
    assert {status_of(talk(url, "Content-Length: 0", method=one)) for one in methods} == {405}
    assert status_of(talk(url, "Content-Length: 0", method="POSTS")) in (400, 405)
    assert served.log() == []


def test_too_many_at_once_come_later(served: Served, monkeypatch: pytest.MonkeyPatch) -> None:
    clock = SimpleNamespace(monotonic=lambda: 1_000.0)  # all of them come within a moment
    monkeypatch.setattr("airflow_provider_telecom.webhooks.limits.time", clock)
    url = urlsplit(served.address("viber", "n1", vendor="ketchup_loyalty"))
    other = served.address("viber", "n2", vendor="ketchup_loyalty")
    head = f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\n".encode()
    with ExitStack() as stack:
        lines = [
            stack.enter_context(socket.create_connection((url.hostname, url.port), HANG_SECONDS))
            for _ in range(200)
        ]
        for line in lines:  # they say that they post, and then wait
            line.sendall(head)
        assert eventually(lambda: len(select(lines, [], [], 0)[0]) == 140)
        assert served.post(other, content=b"").status_code == 400
        answered = select(lines, [], [], 0)[0]
        assert {status_of(line.recv(65536)) for line in answered} == {429}
    assert eventually(lambda: len(served.log()) == 61, every=0.1)


def test_a_post_that_breaks_off_is_no_error_of_ours(served: Served, caplog: pytest.LogCaptureFixture) -> None:
    url = urlsplit(served.address("viber", "n1", vendor="ketchup_loyalty"))
    with socket.create_connection((url.hostname, url.port), HANG_SECONDS) as line:
        line.sendall(f"POST {url.path} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n{{".encode())
        time.sleep(0.3)
    assert eventually(served.log, every=0.05)
    assert [one["why"] for one in served.log()] == ["the connection broke off"]
    assert "Traceback" not in caplog.text


# What it says


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_hostile_values_in_every_field_are_read_quickly_and_kept_by_none(kind: str) -> None:
    from airflow_provider_telecom.webhooks.app import _Post, _read

    name, _, _ = kind.partition("/")
    vendor = "ketchup_loyalty" if name in OF_KETCHUP else "novaconnect"
    address = WebhookAddress(vendor, name, "default", "account")
    webhook = find_vendor(vendor).webhook(name)  # type: ignore[union-attr]

    def seconds(body: bytes) -> float:
        started = time.thread_time()
        _read(_Post(address, webhook, body, Limits(MIB)))
        return time.thread_time() - started

    plain = min(seconds(encoded({**GOOD[kind], "more": "x" * 300_000}).encode()) for _ in range(5))
    for place in PLACES[kind]:
        for value in HOSTILE:
            body = encoded(put(GOOD[kind], place, value)).encode()
            report = _read(_Post(address, webhook, body, Limits(MIB)))
            if isinstance(report, RefusedError):
                kept, status = str(report.reason), report.status
            else:
                assert isinstance(report, WebhookEvent), report
                kept = json.dumps([report.state, report.facts, report.about, *report.topics, report.identity])
                status = 200
            assert status in (200, 400, 422)
            assert any(seconds(body) < 100 * plain for _ in range(5)), (place, repr(value)[:50])
            assert len(kept) < 600, (place, kept[:300])
            assert not [bad for bad in ("\\u0000", "\\ud8", "script", "\\u202e") if bad in kept], (
                place,
                kept,
            )
            assert kept.isprintable()


@pytest.mark.parametrize("kind", sorted(GOOD))
def test_hostile_values_never_break_the_server(served: Served, kind: str) -> None:
    name, _, _ = kind.partition("/")
    vendor = "ketchup_loyalty" if name in OF_KETCHUP else "novaconnect"
    for number, value in enumerate(HOSTILE):
        place = PLACES[kind][number % len(PLACES[kind])]
        nonce = GOOD[kind]["reference"] if name == "viber" else "account"
        url = served.address(name, nonce, vendor=vendor, conn_id=f"c{number % 3}")
        answer = served.post(url, content=encoded(put(GOOD[kind], place, value)).encode())
        assert answer.status_code in (200, 400, 409, 422), (place, repr(value)[:50])
    assert {one["verdict"] for one in served.log()} >= {"accepted", "refused"}


# Where it comes from

SOURCES = "198.51.100.0/24, 2001:db8::/32"
FORWARDED: list[tuple[list[str], int]] = [
    ([], 404),  # from the proxy itself
    (["198.51.100.7"], 200),
    (["2001:db8::7"], 200),
    (["2001:0DB8:0:0:0:0:0:7"], 200),
    (["::ffff:198.51.100.7"], 200),
    (["203.0.113.7"], 404),
    (["2001:db9::7"], 404),
    (["198.51.100.7, 203.0.113.7"], 404),  # only the last hop is known by our proxy
    (["203.0.113.7, 198.51.100.7"], 200),
    (["198.51.100.7", "203.0.113.7"], 404),
    (["198.51.100.7, 127.0.0.1"], 200),
    (["198.51.100.7,,  ,"], 200),
    (["unknown"], 404),
    (["198.51.100.7, unknown"], 404),
    (["198.51.100.7;203.0.113.7"], 404),
    (["[2001:db8::7]:443"], 404),
    (["198.51.100.0/24"], 404),
    (["0198.051.100.007"], 404),
    (["3325256711"], 404),
    (["é"], 404),
]


def test_a_trusted_proxy_says_who_posts(served: Served, reopened: Reopen) -> None:
    reopened(webhook_sources=SOURCES, trusted_proxies="127.0.0.0/8")
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    for forwarded, status in FORWARDED:
        headers = [("X-Forwarded-For", one.encode()) for one in forwarded]
        answer = served.client.post(url, json=viber("n1", "sent"), headers=headers)
        assert answer.status_code == status, forwarded


def test_nobody_else_is_believed(served: Served, reopened: Reopen) -> None:
    url = served.address("viber", "n1", vendor="ketchup_loyalty")
    headers = {
        "X-Forwarded-For": "198.51.100.7",
        "Forwarded": "for=198.51.100.7",
        "X-Real-IP": "198.51.100.7",
    }
    for settings, status in (
        ({"webhook_sources": SOURCES}, 404),
        ({"webhook_sources": SOURCES, "trusted_proxies": "203.0.113.0/24"}, 404),
        ({"webhook_sources": "127.0.0.1", "trusted_proxies": None}, 200),
        ({"webhook_sources": "127.0.0.1", "trusted_proxies": "127.0.0.1"}, 404),
        ({"webhook_sources": None}, 200),
    ):
        reopened(**settings)
        assert served.post(url, viber("n1", "sent"), headers=headers).status_code == status, settings
