"""The recording inside a saved answer of `getcallrecordfile`: decoded piece by piece, never held whole.

The answer is a JSON envelope that holds an MP3 file as base64. The envelope around it is small and read as
strictly as any other; the file goes straight into a sink.
"""

from __future__ import annotations

import binascii
import hashlib
import re
import uuid
from dataclasses import dataclass
from typing import IO, Any, Protocol

from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomAuthError, TelecomRejectedError
from airflow_provider_telecom.calls.request import MEGABYTE, Response
from airflow_provider_telecom.vendors.sunsim.models import MAX_RECORDING_BYTES, is_mp3
from airflow_provider_telecom.vendors.sunsim.responses import envelope

CONTENT_START = re.compile(rb'"fileContent"[ \t\r\n]*:[ \t\r\n]*"(?=[^"])')

_LARGEST_ENVELOPE = MEGABYTE
_PIECE = MEGABYTE // 4
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LAST_FOUR = re.compile(rb"[A-Za-z0-9+/]{2}(?:[A-Za-z0-9+/]{2}|[A-Za-z0-9+/]=|==)")
# JSON writers escape these for caution's sake, and base64 is full of them. Line breaks may be part of base64.
# None leaves an escape that a later one would take for its own: a backslash that is left over stays
# one, and is not base64.
_ESCAPES = (
    (rb"\/", b"/"),
    (rb"\u002b", b"+"),
    (rb"\u002B", b"+"),
    (rb"\u002f", b"/"),
    (rb"\u002F", b"/"),
    (rb"\u003d", b"="),
    (rb"\u003D", b"="),
    (rb"\r", b""),
    (rb"\n", b""),
)
_OTHER_ESCAPE = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
_BROKEN_OFF_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_FIT_FOR_A_NAME = frozenset(" ._-()")
_LONGEST_NAME = 200


class RecordingError(TelecomAnswerError):
    """SunSim has answered, and the answer holds no recording that can be read."""


class Sink(Protocol):
    """What takes the MP3 file's bytes."""

    def write(self, piece: bytes, /) -> object:
        """Take a piece."""


@dataclass(frozen=True)
class DecodedRecording:
    """A recording that was decoded. `file_name` is the vendor's, made harmless: a text, never a path."""

    size: int
    sha256: str
    file_name: str | None


def decode(answer: IO[bytes], sink: Sink) -> DecodedRecording:
    """Write the MP3 file that a saved answer holds into `sink`, and say what it was.

    What has been written counts for nothing when this raises: TelecomRejectedError or TelecomAuthError for an
    error of the vendor's, wherever it stands in the envelope; RecordingError for a recording that is not
    strict base64, not MP3, larger than 200 MB, or not where recordings stand (once, outside or in `result`).
    """
    before, piece = _to_the_content(answer)
    if not piece:
        _read(before)
        raise RecordingError("an answer without a recording")
    content, mark = _Content(sink), uuid.uuid4().hex
    after = _past_the_content(answer, piece, content)
    body = _read(before + mark.encode() + after)
    result = body["result"] if isinstance(body.get("result"), dict) else {}
    _check_place([body.get("fileContent"), result.get("fileContent")], mark)
    if content.fault:
        raise RecordingError(f"a recording that is {content.fault}")
    name = result.get("file_NAME")
    return DecodedRecording(content.size, content.digest.hexdigest(), _harmless(name))


def _to_the_content(answer: IO[bytes]) -> tuple[bytes, bytes]:
    """Return what stands before the content, its quotation mark included, and the content's first bytes."""
    head = b""
    while (found := CONTENT_START.search(head)) is None:
        piece = answer.read(_PIECE)
        if not piece or len(head) > _LARGEST_ENVELOPE:
            return head, b""
        head += piece
    return head[: found.end()], head[found.end() :]


def _past_the_content(answer: IO[bytes], piece: bytes, content: _Content) -> bytes:
    """Feed the content, and return what stands after it, its quotation mark included."""
    while (end := piece.find(b'"')) < 0:
        content.feed(piece)
        if not (piece := answer.read(_PIECE)):
            raise RecordingError("an answer that breaks off")
    content.feed(piece[:end])
    content.finish()
    after = piece[end:]
    while piece := answer.read(_PIECE):
        after += piece
        if len(after) > _LARGEST_ENVELOPE:
            raise RecordingError("an answer with too much beside the recording")
    return after


def _read(around: bytes) -> dict[str, Any]:
    """Return an envelope. Its errors come without the vendor's text: nobody has cleaned it here."""
    try:
        return envelope(Response(200, {}, around))
    except (TelecomRejectedError, TelecomAuthError) as error:
        raise type(error)("refused", status=200, code=error.code) from None
    except TelecomAnswerError as error:
        raise RecordingError(error.text) from None


def _check_place(found: list[Any], mark: str) -> None:
    """Only a mark that was made up here proves that what was cut out is what the envelope means."""
    if mark not in found:
        raise RecordingError("a recording in an unknown place")
    if any(value not in (None, mark) for value in found) or found.count(mark) > 1:
        raise RecordingError("an answer with two recordings")


class _Content:
    """Strict base64 in pieces, JSON escapes and all. After a `fault` nothing more is decoded."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._escape = self._held = b""
        self.size, self.digest = 0, hashlib.sha256()
        self.fault: str | None = None

    def feed(self, piece: bytes) -> None:
        """Decode a piece; a broken off group of four waits for the next."""
        if self.fault is None:
            text = self._held + self._unescaped(self._escape + piece)
            whole = max(0, len(text) - 1) // 4 * 4  # the last group may be padded, and waits for `finish`
            self._held = text[whole:]
            if text[:whole].translate(None, _BASE64):
                self.fault = "not base64"
            else:
                self._write(text[:whole])

    def finish(self) -> None:
        """Decode the last group."""
        if self.fault is None:
            if self._escape or not _LAST_FOUR.fullmatch(self._held):
                self.fault = "not base64"
            else:
                self._write(self._held)

    def _unescaped(self, piece: bytes) -> bytes:
        self._escape = b""
        if b"\\" not in piece:
            return piece
        if cut := _BROKEN_OFF_ESCAPE.search(piece):
            piece, self._escape = piece[: cut.start()], piece[cut.start() :]
        for written, meant in _ESCAPES:
            piece = piece.replace(written, meant)
        return _OTHER_ESCAPE.sub(lambda found: bytes.fromhex(found.group(1).decode()), piece)

    def _write(self, groups: bytes) -> None:
        decoded = binascii.a2b_base64(groups)
        if self.size == 0 and decoded and not is_mp3(decoded):
            self.fault = "not MP3"
        elif self.size + len(decoded) > MAX_RECORDING_BYTES:
            self.fault = "larger than 200 MB"
        else:
            self.size += len(decoded)
            self.digest.update(decoded)
            self._sink.write(decoded)


def _harmless(name: Any) -> str | None:
    """Return a vendor's file name as a mere text: no separators, no control characters, no reordering."""
    if not isinstance(name, str):
        return None
    kept = "".join(char if char.isalnum() or char in _FIT_FOR_A_NAME else "_" for char in name)
    return kept if len(kept) <= _LONGEST_NAME else f"{kept[:_LONGEST_NAME]}... ({len(kept)} characters)"
