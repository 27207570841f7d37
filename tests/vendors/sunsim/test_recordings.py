"""A recording out of its JSON: strictly, piece by piece, and wherever the vendor puts it."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import random
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomRejectedError,
)
from airflow_provider_telecom.vendors.sunsim import recording_decoder
from airflow_provider_telecom.vendors.sunsim.recording_decoder import decode
from airflow_provider_telecom.vendors.sunsim.recordings import read_recording
from tests.transfers.hostile_names import NAMES
from tests.vendors.sunsim.by_hand import ABOUT, FINE, answer

MP3 = b"ID3\x04\x00" + random.Random(1).randbytes(3000)
CONTENT = base64.b64encode(MP3).decode()


def enveloped(content: Any = CONTENT, **more: Any) -> bytes:
    body = {"error": FINE, "result": {"file_NAME": "x.mp3", **ABOUT}, "code": 0, "fileContent": content}
    return json.dumps(body | more).encode()


class Dribble(io.RawIOBase):
    """A stream that gives a few bytes at a time, whatever is asked for."""

    def __init__(self, content: bytes, most: int) -> None:
        self._content, self._most = io.BytesIO(content), most

    def read(self, size: int = -1) -> bytes:
        return self._content.read(self._most if size < 0 else min(self._most, size))


def decoded(body: bytes, most: int = 1 << 20) -> tuple[Any, bytes]:
    sink = io.BytesIO()
    return decode(Dribble(body, most), sink), sink.getvalue()  # type: ignore[arg-type]


@pytest.mark.parametrize("most", [1, 2, 3, 5, 7, 64, 1 << 20])
@pytest.mark.parametrize("extra", range(4))
def test_it_is_what_the_vendor_has(most: int, extra: int) -> None:
    content = MP3 + bytes(extra)
    found, written = decoded(enveloped(base64.b64encode(content).decode()), most)
    assert written == content
    assert (found.size, found.sha256) == (len(content), hashlib.sha256(content).hexdigest())
    assert found.file_name == "x.mp3"


@pytest.mark.parametrize("most", [1, 2, 3, 5, 6, 7, 11, 1 << 20])
@pytest.mark.parametrize(
    "escaped",
    [
        {"/": "\\/"},
        {"+": "\\u002b", "/": "\\u002F", "=": "\\u003D"},
        {"+": "\\u002B", "/": "\\u002f", "=": "\\u003d"},
        {"A": "\\u0041", "z": "\\u007A", "0": "\\u0030"},
    ],
)
def test_jsons_escapes_are_read(escaped: dict[str, str], most: int) -> None:
    content = CONTENT[:-4] + "/+A="
    body = enveloped("@").replace(b"@", "".join(escaped.get(char, char) for char in content).encode())
    assert json.loads(body)["fileContent"] == content
    assert decoded(body, most)[1] == base64.b64decode(content)


PLACES = {
    "last": enveloped(),
    "first": json.dumps({"fileContent": CONTENT, "error": FINE, "result": ABOUT}).encode(),
    "in result": json.dumps({"error": FINE, "result": {**ABOUT, "fileContent": CONTENT}}).encode(),
    "both, one null": enveloped(result={**ABOUT, "fileContent": None}),
    "no result": json.dumps({"error": FINE, "fileContent": CONTENT}).encode(),
    "blanks": enveloped().replace(b'"fileContent": "', b'"fileContent" \t\r\n:\n\t "'),
    "byte order mark": b"\xef\xbb\xbf" + enveloped(),
    "a decoy in a text": enveloped(error={"errorMessage": '"fileContent":"SUQz"', "errorCode": 0}),
}


@pytest.mark.parametrize("place", PLACES)
@pytest.mark.parametrize("most", [1, 13, 1 << 20])
def test_where_recordings_stand(place: str, most: int) -> None:
    assert decoded(PLACES[place], most)[1] == MP3
    assert read_recording(answer(PLACES[place])).content == MP3


def packed(content: bytes) -> str:
    return base64.b64encode(content).decode()


FAULTS: dict[str, Any] = {
    "nothing": None,
    "empty": "",
    "a number": 5,
    "the document's sample": "string",
    "not MP3": packed(b"<html></html>"),
    "half a magic": packed(b"\xff"),
    "a wrong magic": packed(b"\xff\xd8\xff\xe0"),
    "unpadded": "SUQzBA",
    "too short": "SUQzB",
    "padding in the middle": "SUQz" + "BA==" + "SUQz",
    "three paddings": "SUQzB===",
    "only padding": "====",
    "more padding": "SUQzBA====",
    "a blank": "SUQz BAAA",
    "an escaped line end": "SUQz\\nBAAA",
    "a tab": "SUQz\tBAAA",
    "url-safe": "SUQz-_AA",
    "a quotation mark": 'SUQz"BAA',
    "a backslash": "SUQz\\BAA",
    "a slash behind a backslash": "SUQz\\/AA",
    "an escape in an escape": "SUQz\\u002bAA",
    "other letters": "SUQzфффф",
    "full-width": "SUQz\uff21\uff21\uff21\uff21",
    "NUL": "SUQz\0AAA",
    "a data URL": f"data:audio/mpeg;base64,{CONTENT}",
    "a list": [CONTENT],
    "an object": {"fileContent": CONTENT},
}


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("most", [1, 2, 5, 1 << 20])
def test_what_is_no_strict_base64_of_an_mp3_is_refused(fault: str, most: int) -> None:
    with pytest.raises(TelecomAnswerError) as caught:
        decoded(enveloped(FAULTS[fault]), most)
    assert "SUQz" not in str(caught.value)
    with pytest.raises(TelecomAnswerError):
        read_recording(answer(enveloped(FAULTS[fault])))


@pytest.mark.parametrize("start", [b"ID3", b"\xff\xe0", b"\xff\xfb", b"\xff\xff"])
def test_mp3_begins_so(start: bytes) -> None:
    assert decoded(enveloped(packed(start + b"rest")))[1] == start + b"rest"


@pytest.mark.parametrize("end", ["\n", "\r\n"])
@pytest.mark.parametrize("most", [1, 2, 5, 1 << 20])
def test_base64_may_come_in_lines(end: str, most: int) -> None:
    lines = end.join(CONTENT[start : start + 76] for start in range(0, len(CONTENT), 76)) + end
    assert decoded(enveloped(lines), most)[1] == base64.b64decode(CONTENT)
    assert read_recording(answer(enveloped(lines))).content == base64.b64decode(CONTENT)


BROKEN = {
    "cut in the content": enveloped()[:-500],
    "cut behind it": enveloped()[:-1],
    "cut before it": enveloped()[:60],
    "more behind": enveloped() + b"x",
    "two answers": enveloped() * 2,
    "a list": b"[" + enveloped() + b"]",
    "a page": b"<html>Sorry</html>",
    "nothing at all": b"",
    "a stray comma": enveloped()[:-1] + b",}",
    "NaN": enveloped(code=float("nan")),
    "twice": enveloped()[:-1] + b', "fileContent": "' + CONTENT.encode() + b'"}',
    "outside and inside": enveloped(result={**ABOUT, "fileContent": CONTENT}),
    "outside and inside, a number": enveloped(result={**ABOUT, "fileContent": 5}),
    "too deep": json.dumps({"error": FINE, "result": {"file": {"fileContent": CONTENT}}}).encode(),
    "in a list": json.dumps({"error": FINE, "result": [{"fileContent": CONTENT}]}).encode(),
    "elsewhere": json.dumps({"error": FINE, "other": {"fileContent": CONTENT}}).encode(),
    "another encoding": enveloped().decode().encode("utf-16"),
    "bytes that are no text": enveloped().replace(b"x.mp3", b"\xff\xfe"),
    "a raw line end": enveloped().replace(b"x.mp3", b"x\nmp3"),
    "too much before": b'{"a": "' + b"a" * 30_000 + b'",' + enveloped()[1:],
    "too much behind": enveloped()[:-1] + b', "a": "' + b"a" * 30_000 + b'"}',
    "another's content first": b'{"a": {"fileContent": "SUQzBAAA"},' + enveloped()[1:],
    "a quotation mark that ends nothing": b'{"error": {}, "fileContent": "SUQzBAAA\\", "a": "b"}',
    "a key that ends so": b'{"a\\"fileContent": "SUQzBAAA", "error": {"errorCode": 0}}',
}


@pytest.mark.parametrize("fault", BROKEN)
@pytest.mark.parametrize("most", [17, 8_192])
def test_a_broken_envelope_is_refused(fault: str, most: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_decoder, "_MAX_ENVELOPE_BYTES", 20_000)
    with pytest.raises(TelecomAnswerError):
        decoded(BROKEN[fault], most)


@pytest.mark.parametrize("content", [CONTENT, None, "", "string"])
@pytest.mark.parametrize("first", [True, False])
def test_the_vendors_error_counts_wherever_it_stands(first: bool, content: Any) -> None:
    error = {"error": {"errorMessage": "no +79000000000 here", "errorCode": 7}}
    body = error | {"fileContent": content} if first else {"fileContent": content} | error
    with pytest.raises(TelecomRejectedError) as caught:
        decoded(json.dumps(body).encode())
    assert caught.value.code == "7"
    assert "7900" not in str(caught.value)
    with pytest.raises(TelecomAuthError):
        decoded(enveloped(error={"errorMessage": "token expired", "errorCode": 9}))


def test_the_largest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording_decoder, "MAX_RECORDING_BYTES", 1000)
    assert decoded(enveloped(packed(b"ID3" + bytes(997))))[0].size == 1000
    for most in (100, 1 << 20):
        with pytest.raises(TelecomAnswerError, match="larger than 200 MB"):
            decoded(enveloped(packed(b"ID3" + bytes(998))), most)


@pytest.mark.parametrize("name", [None, 5, ["x"], {}])
def test_a_name_that_is_no_text_is_none(name: Any) -> None:
    assert decoded(enveloped(result={"file_NAME": name}))[0].file_name is None


def test_names_are_mere_texts() -> None:
    assert len(set(NAMES)) == len(NAMES) >= 300
    for name in [*NAMES, "\ud800half"]:
        found = decoded(enveloped(result={"file_NAME": name}))[0].file_name
        assert len(found) < 250
        assert not set(found) & set("/\\:\0\n\r\"'<>|*?$`;&%{}=+@")
        assert found.isprintable()
    long = decoded(enveloped(result={"file_NAME": "a" * 4096}))[0].file_name
    assert long.endswith("... (4096 characters)")


def test_any_bytes_at_all_end_in_an_error_or_the_recording() -> None:
    chance = random.Random(7)
    whole = enveloped()
    for _ in range(600):
        body = bytearray(whole)
        for _ in range(chance.randint(1, 3)):
            body[chance.randrange(len(body))] = chance.choice(b'"\\/=+A{}[]:, \n\xff0')
        try:
            expected = read_recording(answer(bytes(body))).content
        except (TelecomAnswerError, TelecomRejectedError, TelecomAuthError):
            expected = None
        try:
            found = decoded(bytes(body), chance.choice([1, 50, 1 << 20]))[1]
        except (TelecomAnswerError, TelecomRejectedError, TelecomAuthError):
            found = None
        assert found == expected
