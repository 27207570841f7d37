"""Is the body complete? A body that ends with its connection may be cut off; each case on both transports."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from airflow_provider_telecom.calls.request import Idempotency, Response, Save, Unknown
from airflow_provider_telecom.transport.outcome import InvalidBodyError
from airflow_provider_telecom.transport.wire import declares_end, is_bracketed
from tests.transport import scripted as on
from tests.transport.conftest import Send, get
from tests.transport.scripted import scripted, tls_server

HEADS = {
    "HTTP/1.0": b"HTTP/1.0 200 OK\r\n\r\n",
    "HTTP/1.1": b"HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n",
}


@pytest.mark.parametrize("size", [0, 9, 300_000])
@pytest.mark.parametrize("head", HEADS)
def test_a_body_that_may_be_cut_off_is_not_saved(send: Send, tmp_path: Path, head: str, size: int) -> None:
    target = tmp_path / "calls.csv"
    target.write_text("old")
    with scripted(on.say(HEADS[head] + b"x" * size, close=True)) as server:
        outcome = send(server.url, get(save=Save(target, lambda answer: answer.status == 200)))
    assert isinstance(outcome, Unknown), outcome
    assert target.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["calls.csv"]


@pytest.mark.parametrize("whole", [True, False])
def test_a_compressed_file_marks_its_own_end(send: Send, tmp_path: Path, whole: bool) -> None:
    target = tmp_path / "calls.csv"
    packed = gzip.compress(b"a,b\n" * 100)
    head = b"HTTP/1.0 200 OK\r\nContent-Encoding: gzip\r\n\r\n"
    with scripted(on.say(head + packed[: None if whole else -4], close=True)) as server:
        outcome = send(server.url, get(save=Save(target, lambda answer: True)))
    assert isinstance(outcome, Response if whole else Unknown)
    assert target.exists() is whole


@pytest.mark.parametrize("body", [b"", b"1", b"a,b\n1,2\n", b'{"a": 1', b"[1, 2", b"OK", b"<a>x", b'"a"'])
@pytest.mark.parametrize("idempotency", [Idempotency.READ, Idempotency.NONE])
def test_a_response_whose_end_may_be_missing_is_unknown(
    send: Send, body: bytes, idempotency: Idempotency
) -> None:
    for head in HEADS.values():
        with scripted(on.say(head + body, close=True)) as server:
            outcome = send(server.url, get(idempotency))
            assert isinstance(outcome, Unknown), outcome
            assert server.seen == 1


@pytest.mark.parametrize("body", [b'{"a": 1}', b" [1]\r\n", b"<calls></calls>"])
def test_a_response_whose_parser_knows_the_end_needs_no_length(send: Send, body: bytes) -> None:
    for head in HEADS.values():
        with scripted(on.say(head + body, close=True)) as server:
            outcome = send(server.url, get())
        assert isinstance(outcome, Response), outcome
        assert outcome.body == body


def test_a_refusal_counts_even_if_its_text_is_cut_off(send: Send) -> None:
    for body in (b"", b"token exp"):
        with scripted(on.say(b"HTTP/1.0 401 Unauthorized\r\n\r\n" + body, close=True)) as server:
            outcome = send(server.url, get(Idempotency.NONE))
        assert isinstance(outcome, Response)
        assert outcome.status == 401


def test_no_body_is_complete_where_none_is_expected(send: Send) -> None:
    with scripted(on.say(b"HTTP/1.1 204 No Content\r\n\r\n")) as server:
        outcome = send(server.url, get(Idempotency.NONE))
    assert isinstance(outcome, Response)
    assert (outcome.status, outcome.body) == (204, b"")


@pytest.mark.parametrize("close_notify", [True, False])
def test_tls_that_ends_without_close_notify_was_cut_off(
    send: Send, tmp_path: Path, close_notify: bool
) -> None:
    script = on.say_over_tls(HEADS["HTTP/1.0"] + b'{"a": 1}', close_notify)
    with tls_server(script, tmp_path) as (server, own):
        outcome = send(server.url, get(Idempotency.NONE, deadline=20.0), verify=own, read_timeout=20.0)
        assert isinstance(outcome, Response if close_notify else Unknown), outcome
        assert server.seen == 1


def test_tls_needs_no_close_notify_after_a_body_of_known_length(send: Send, tmp_path: Path) -> None:
    with tls_server(on.say_over_tls(on.answer(b"ok"), close_notify=False), tmp_path) as (server, own):
        assert isinstance(send(server.url, get(Idempotency.NONE), verify=own), Response)


def test_what_the_headers_say_of_the_end() -> None:
    assert declares_end(200, {"content-length": "0"})
    assert declares_end(200, {"content-length": "7, 7"})
    assert declares_end(200, {"transfer-encoding": "Chunked"})
    assert not declares_end(200, {})


@pytest.mark.parametrize(
    "headers",
    [
        {"content-length": "9, 3"},
        {"content-length": "nine"},
        {"content-length": "+9"},
        {"content-length": "-9"},
        {"content-length": ""},
        {"content-length": "9" * 16},
        {"content-length": "9", "transfer-encoding": "gzip, chunked"},
        {"transfer-encoding": "identity"},
    ],
    ids=repr,
)
def test_invalid_headers(headers: dict[str, str]) -> None:
    with pytest.raises(InvalidBodyError):
        declares_end(200, headers)


def test_brackets_match() -> None:
    assert all(map(is_bracketed, [b"{}", b"\n[ ]\n", b"<a/>", bytearray(b"{}")]))
    assert not any(map(is_bracketed, [b"", b" ", b"{]", b"[}", b"{", b"}", b"a", b"(x)"]))
