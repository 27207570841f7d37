"""Ways in which a good answer becomes an unusual one, as hypothesis strategies."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from hypothesis import strategies as st

from tests.fuzz.answer import Answer, Header

Draw = Callable[[st.SearchStrategy[Any]], Any]


class Raw(str):
    """A piece of JSON text that `json.dumps` would not write."""

    __slots__ = ()


class Pairs(list[tuple[str, Any]]):
    """An object whose keys may come twice."""


def dump(value: Any) -> str:
    """Return JSON text, with raw pieces and double keys."""
    if isinstance(value, Raw):
        return str(value)
    if isinstance(value, Pairs):
        return "{" + ",".join(f"{json.dumps(key)}:{dump(inner)}" for key, inner in value) + "}"
    if isinstance(value, dict):
        return dump(Pairs(value.items()))
    if isinstance(value, list):
        return "[" + ",".join(map(dump, value)) + "]"
    return json.dumps(value)


VALUES = (
    *(None, True, False, 0, 1, -1, 2, 5, 8, 10, 11, 23, 40, 43, 63, 200, 404, 2**31, 2**63, 2**64, 1.5, ""),
    *(
        "0",
        "1",
        "-1",
        "11",
        "200",
        " 0 ",
        "error",
        "true",
        "null",
        "не число",
        "\ud800",
        "\udfff\ud800",
        "\0",
    ),
    *([], {}, [[]], [None], {"error": 1}, {"errorCode": 5, "errorMessage": "no"}, ["x", 1], "x" * 5000),
    *(Raw("NaN"), Raw("Infinity"), Raw("-Infinity"), Raw("1e999"), Raw("-1e999"), Raw("1e-999"), Raw("0e0")),
    *(Raw("9" * 400), Raw("1" + "0" * 5000), Raw("-0"), Raw("0.1e400"), Raw("[" * 300 + "]" * 300)),
    *(Raw('"\\ud83d"'), Raw("01"), Raw("'x'"), Raw("undefined"), Raw('"unfinished'), Raw("1e99999999999")),
)
COMPLAINTS: tuple[tuple[str, Any], ...] = (
    *(
        ("error", value)
        for value in (True, 1, "1", -1, "unknown", {"message": "no"}, {"errorCode": 7}, 11, 8)
    ),
    *(("errorCode", value) for value in (1, "1001003", 1040, True)),
    *(("code", value) for value in (400, "403", 500, None, False)),
    *(("success", False), ("status", "error"), ("message", "service not activated"), ("errors", ["no"])),
)
PAGES = (
    b"",
    b" ",
    b"null",
    b"true",
    b"0",
    b"OK",
    b"[]",
    b"{}",
    b'""',
    b"<html><body>Sorry, 502</body></html>",
    b"<?xml version='1.0'?><error/>",
    b'{"error":',
    b"\xef\xbb\xbf{}",
    b"\xff\xfe{\0}\0",
    b"\xff" * 40,
    b"\0" * 40,
    b"[" * 50_000,
    b'{"a":' * 20_000,
    b"date;from;to\r\n",
    b"error: service not activated",
)
STATUSES = (
    *(b"100", b"101", b"102", b"103", b"199", b"200", b"201", b"202", b"203", b"204", b"205", b"206", b"207"),
    *(b"226", b"299", b"300", b"301", b"302", b"303", b"304", b"307", b"308", b"399", b"400", b"401", b"402"),
    *(b"403", b"404", b"405", b"406", b"408", b"409", b"410", b"411", b"413", b"414", b"415", b"418", b"421"),
    *(b"422", b"423", b"424", b"425", b"426", b"428", b"429", b"431", b"451", b"499", b"500", b"501", b"502"),
    *(b"503", b"504", b"505", b"507", b"508", b"511", b"520", b"524", b"598", b"599"),
    *(b"000", b"0", b"20", b"2000", b"999", b"-1", b"2OO", b"", b"200.0", b"\xd9\xa2\xd9\xa0\xd9\xa0"),
)
NUMBERS = (
    *(
        b"0",
        b"1",
        b"-1",
        b"+1",
        b"3600",
        b"299",
        b"301",
        b"86400",
        b"99999999",
        b"99999999999",
        b"1795804933",
    ),
    *(
        b"1795804933",
        b"1795804933000",
        b"9" * 30,
        b"9" * 400,
        b"1e300",
        b"1e999",
        b"inf",
        b"-inf",
        b"nan",
        b"0x10",
        b"1_0",
    ),
    *(b"", b" ", b"1,2", b"1;2", b"\xd9\xa3", b"soon", b"Fri, 31 Dec 9999 23:59:59 GMT"),
    *(b"Fri, 27 Nov 2026 00:00:00 GMT", b"Thu, 01 Jan 1970 00:00:00 GMT", b"Mon, 01 Jan 0001 00:00:00 GMT"),
    *(b"Mon, 99 Foo 2026 25:61:61 GMT", b"Fri, 27 Nov 2026 00:00:00 +9999", b"2026-11-27T00:00:00Z", b"True"),
)
QUOTAS = (b"Retry-After", b"X-Rate-Limit-Remaining", b"X-Rate-Limit-Reset", b"X-Rate-Limit-Limit")
HEADERS: tuple[Header, ...] = (
    *((b"Content-Type", kind) for kind in (b"text/html", b"text/plain; charset=utf-16", b"", b"x", b"\xff")),
    *((b"Content-Encoding", kind) for kind in (b"gzip", b"br", b"identity", b"gzip, gzip", b"", b"\xff")),
    *((b"Location", place) for place in (b"http://127.0.0.1:1/", b"//[", b"", b"\xff\xfe")),
    *(
        (b"Set-Cookie", b"a=b"),
        (b"Connection", b"keep-alive"),
        (b"Connection", b"upgrade"),
    ),
    *((b"Transfer-Encoding", kind) for kind in (b"chunked", b"identity", b"gzip, chunked", b"x", b"")),
    *((b"X-Long", b"x" * 60_000), (b"X-Longer", b"x" * 200_000), (b"X Y", b"z"), (b"", b"empty name")),
    *(
        (b"X-Null", b"a\0b"),
        (b"X-Bare-CR", b"a\rb"),
        (b"X-Folded", b"a\r\n b"),
        (b"X-Broken", b"a\r\nnocolon"),
    ),
    *((b"WWW-Authenticate", b"Basic realm=x"), (b"Trailer", b"x"), (b"Content-Range", b"bytes 0-1/9")),
    *(
        (b"X-Utf", "щось".encode()),
        (b"Upgrade", b"h2c"),
        (b"Content-Length", b"7"),
        (b"Content-Length", b"x"),
    ),
)
LENGTHS = (
    b"0",
    b"1",
    b"-1",
    b"+5",
    b"1e3",
    b"x",
    b"",
    b"99999999",
    b"9" * 25,
    b"5, 5",
    b"\xb2",
    b"0x5",
    b" 7 ",
)
BEFORE = (
    b"HTTP/1.1 100 Continue\r\n\r\n",
    b"HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n",
    b"HTTP/1.1 102 Processing\r\n\r\n" * 40,
    b"\r\n",
    b"\r\n\r\n\r\n",
    b"garbage\r\n",
    b"\x16\x03\x01\x02\x00",
    b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n",
    b"HTTP/1.1 500 Oops\r\nContent-Length: 0\r\n\r\n",
)
AFTER = (b"", b"\r\n", b"garbage", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}")


@st.composite
def unusual(draw: Draw, good: Answer) -> Answer:
    """Draw an answer that differs from a good one in one to three ways."""
    answer = good
    for change in draw(st.lists(st.sampled_from(CHANGES), min_size=1, max_size=3)):
        answer = change(draw, answer)
    return answer


def _status(draw: Draw, answer: Answer) -> Answer:
    return replace(
        answer, status=draw(st.sampled_from(STATUSES) | st.integers(100, 599).map(lambda n: b"%d" % n))
    )


def _edited(draw: Draw, answer: Answer) -> Answer:
    try:
        document = json.loads(answer.body)
    except (ValueError, RecursionError):
        return replace(answer, body=draw(st.sampled_from(PAGES)))
    return replace(answer, body=dump(_changed(draw, document)).encode())


def _changed(draw: Draw, document: Any) -> Any:
    """Change one place of a JSON document."""
    if isinstance(document, (dict, list)) and document and draw(st.integers(0, 3)):
        at = draw(st.sampled_from(sorted(document) if isinstance(document, dict) else range(len(document))))
        copy: Any = document.copy()
        copy[at] = _changed(draw, document[at])
        return copy
    ways = ["replace", "wrap in a list", "wrap in an object"]
    if isinstance(document, dict):
        ways += ["complain", "complain", "remove", "double"] if document else ["complain"]
    match draw(st.sampled_from(ways)):
        case "replace":
            return draw(st.sampled_from(VALUES))
        case "wrap in a list":
            return [document]
        case "wrap in an object":
            return {"result": document}
        case "complain":
            return {**document, **dict([draw(st.sampled_from(COMPLAINTS))])}
        case "remove":
            gone = draw(st.sampled_from(sorted(document)))
            return {key: value for key, value in document.items() if key != gone}
        case _:
            key = draw(st.sampled_from(sorted(document)))
            return Pairs([*document.items(), (key, draw(st.sampled_from(VALUES)))])


def _replaced(draw: Draw, answer: Answer) -> Answer:
    return replace(answer, body=draw(st.sampled_from(PAGES) | st.binary(max_size=60)))


def _damaged(draw: Draw, answer: Answer) -> Answer:
    """Change, remove or add single bytes of the body."""
    at = draw(st.integers(0, len(answer.body)))
    gone, added = draw(st.integers(0, 3)), draw(st.binary(max_size=3))
    return replace(answer, body=answer.body[:at] + added + answer.body[at + gone :])


def _quota(draw: Draw, answer: Answer) -> Answer:
    names = draw(st.lists(st.sampled_from(QUOTAS), min_size=1, max_size=3))
    return replace(
        answer, headers=(*answer.headers, *((name, draw(st.sampled_from(NUMBERS))) for name in names))
    )


def _header(draw: Draw, answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, draw(st.sampled_from(HEADERS))))


def _many_headers(draw: Draw, answer: Answer) -> Answer:
    return replace(answer, headers=(*answer.headers, *((b"X-%d" % n, b"y") for n in range(150))))


def _lengths(draw: Draw, answer: Answer) -> Answer:
    true = st.just(b"%d" % len(answer.body))
    lengths = draw(st.lists(st.sampled_from(LENGTHS) | true, max_size=3))
    return replace(answer, lengths=tuple(lengths), framing="length")


def _framing(draw: Draw, answer: Answer) -> Answer:
    return replace(answer, framing=draw(st.sampled_from(["chunked", "close"])), lengths=None)


def _version(draw: Draw, answer: Answer) -> Answer:
    versions = (b"HTTP/1.0", b"HTTP/0.9", b"HTTP/2", b"HTTP/2.0", b"http/1.1", b"ICY", b"", b"HTTP/1.1 ")
    return replace(answer, version=draw(st.sampled_from(versions)))


def _cut(draw: Draw, answer: Answer) -> Answer:
    return replace(
        answer,
        cut=draw(st.integers(0, max(0, len(answer.wire) - 1))),
        end=draw(st.sampled_from(["close", "close", "close", "reset", "reset", "hang", "drip"])),
    )


def _surrounded(draw: Draw, answer: Answer) -> Answer:
    after = draw(
        st.sampled_from([b"", b"\r\n", b"garbage", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n{}"])
    )
    return replace(answer, before=draw(st.sampled_from((b"", *BEFORE))), after=after)


def _packed(draw: Draw, answer: Answer) -> Answer:
    body = gzip.compress(answer.body, mtime=0)
    body = body[: draw(st.integers(0, len(body)))] if draw(st.booleans()) else body
    return replace(answer, body=body, headers=(*answer.headers, (b"Content-Encoding", b"gzip")))


CHANGES = (
    *(_status, _status, _edited, _edited, _edited, _edited, _edited, _replaced, _replaced, _damaged, _quota),
    *(
        _header,
        _header,
        _many_headers,
        _lengths,
        _lengths,
        _framing,
        _version,
        _cut,
        _cut,
        _surrounded,
        _packed,
    ),
)
