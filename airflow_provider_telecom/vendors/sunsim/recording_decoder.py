"""Extracts the recording from a saved response of `getcallrecordfile`, piece by piece.

The response is a JSON envelope that holds an MP3 file as base64. The file is never held in memory as a whole;
the small envelope around it is checked as strictly as any other.
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
from airflow_provider_telecom.vendors.sunsim.responses import envelope

MAX_RECORDING_BYTES = 200 * MEGABYTE
CONTENT_START = re.compile(rb'"fileContent"[ \t\r\n]*:[ \t\r\n]*"(?=[^"])')

_MAX_ENVELOPE_BYTES = MEGABYTE
_CHUNK_BYTES = MEGABYTE // 4
_BASE64 = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
_LAST_GROUP = re.compile(rb"[A-Za-z0-9+/]{2}(?:[A-Za-z0-9+/]{2}|[A-Za-z0-9+/]=|==)")
# Some JSON writers escape + / and =, which base64 is full of. Line breaks may be part of base64. No
# replacement creates an escape that a later one would replace: a backslash that remains is not base64.
_ESCAPES = (
    *((rb"\/", b"/"), (rb"\r", b""), (rb"\n", b"")),
    *((rb"\u00" + code, bytes.fromhex(code.decode())) for code in (b"2b", b"2B", b"2f", b"2F", b"3d", b"3D")),
)
_OTHER_ESCAPE = re.compile(rb"\\u00([2-7][0-9A-Fa-f])")
_INCOMPLETE_ESCAPE = re.compile(rb"\\(?:u[0-9A-Fa-f]{0,3})?\Z")
_ALLOWED_IN_NAME = frozenset(" ._-()")
_MAX_NAME_LENGTH = 200


class RecordingError(TelecomAnswerError):
    """SunSim has answered, but the response holds no recording that can be read."""


class Sink(Protocol):
    """Receives the bytes of the MP3 file."""

    def write(self, piece: bytes, /) -> object:
        """Write some bytes."""


@dataclass(frozen=True)
class DecodedRecording:
    """A decoded recording. `file_name` is the vendor's, made safe to display; never use it as a path."""

    size: int
    sha256: str
    file_name: str | None


def decode(file: IO[bytes], sink: Sink) -> DecodedRecording:
    """Write the MP3 file that a saved response holds into `sink`, and return its size, hash and name.

    If this raises, discard what has been written. Raises TelecomRejectedError or TelecomAuthError for an
    error of the vendor's anywhere in the envelope; RecordingError for a recording that is not strict base64,
    not MP3, larger than 200 MB, or not in its place (once, in the envelope or in its `result`).
    """
    before, piece = _read_until_content(file)
    if not piece:
        _read_envelope(before)
        raise RecordingError("a response without a recording")
    decoder, placeholder = _Base64Decoder(sink), uuid.uuid4().hex
    after = _feed_content(file, piece, decoder)
    body = _read_envelope(before + placeholder.encode() + after)
    result = body["result"] if isinstance(body.get("result"), dict) else {}
    _check_place([body.get("fileContent"), result.get("fileContent")], placeholder)
    if decoder.fault:
        raise RecordingError(f"a recording that is {decoder.fault}")
    return DecodedRecording(decoder.size, decoder.digest.hexdigest(), _safe_name(result.get("file_NAME")))


def is_mp3(content: bytes) -> bool:
    """Return whether a file that begins like this is MP3."""
    return content.startswith(b"ID3") or (content[:1] == b"\xff" and content[1:2] >= b"\xe0")


def _read_until_content(file: IO[bytes]) -> tuple[bytes, bytes]:
    """Return what comes before the content, including its quotation mark, and the content's first bytes."""
    head = b""
    while (found := CONTENT_START.search(head)) is None:
        piece = file.read(_CHUNK_BYTES)
        if not piece or len(head) > _MAX_ENVELOPE_BYTES:
            return head, b""
        head += piece
    return head[: found.end()], head[found.end() :]


def _feed_content(file: IO[bytes], piece: bytes, decoder: _Base64Decoder) -> bytes:
    """Feed the content to the decoder. Return what comes after it, including the quotation mark."""
    while (end := piece.find(b'"')) < 0:
        decoder.feed(piece)
        if not (piece := file.read(_CHUNK_BYTES)):
            raise RecordingError("a response that breaks off")
    decoder.feed(piece[:end])
    decoder.finish()
    after = piece[end:]
    while piece := file.read(_CHUNK_BYTES):
        after += piece
        if len(after) > _MAX_ENVELOPE_BYTES:
            raise RecordingError("a response with too much beside the recording")
    return after


def _read_envelope(body: bytes) -> dict[str, Any]:
    """Return an envelope. Its errors do not hold the vendor's text, which is not redacted here."""
    try:
        return envelope(Response(200, {}, body))
    except (TelecomRejectedError, TelecomAuthError) as error:
        raise type(error)("refused", status=200, code=error.code) from None
    except TelecomAnswerError as error:
        raise RecordingError(error.text) from None


def _check_place(found: list[object], placeholder: str) -> None:
    """Check that the envelope holds the random placeholder, and so the content, exactly once in its place."""
    if placeholder not in found:
        raise RecordingError("a recording in an unknown place")
    if any(value not in (None, placeholder) for value in found) or found.count(placeholder) > 1:
        raise RecordingError("a response with two recordings")


class _Base64Decoder:
    """Decodes strict base64 in pieces, with JSON escapes. After a `fault` nothing more is decoded."""

    def __init__(self, sink: Sink) -> None:
        self._sink = sink
        self._escape = self._rest = b""
        self.size, self.digest = 0, hashlib.sha256()
        self.fault: str | None = None

    def feed(self, piece: bytes) -> None:
        """Decode a piece. An incomplete group of four characters waits for the next piece."""
        if self.fault is None:
            text = self._rest + self._unescape(self._escape + piece)
            end = max(0, len(text) - 1) // 4 * 4  # the last group may be padded: `finish` decodes it
            self._rest = text[end:]
            if text[:end].translate(None, _BASE64):
                self.fault = "not base64"
            else:
                self._write(text[:end])

    def finish(self) -> None:
        """Decode the last group."""
        if self.fault is None:
            if self._escape or not _LAST_GROUP.fullmatch(self._rest):
                self.fault = "not base64"
            else:
                self._write(self._rest)

    def _unescape(self, piece: bytes) -> bytes:
        self._escape = b""
        if b"\\" not in piece:
            return piece
        if cut := _INCOMPLETE_ESCAPE.search(piece):
            piece, self._escape = piece[: cut.start()], piece[cut.start() :]
        for escape, character in _ESCAPES:
            piece = piece.replace(escape, character)
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


def _safe_name(name: object) -> str | None:
    """Return a vendor's file name without separators, control characters and text direction marks."""
    if not isinstance(name, str):
        return None
    kept = "".join(char if char.isalnum() or char in _ALLOWED_IN_NAME else "_" for char in name)
    short = f"{kept[:_MAX_NAME_LENGTH]}... ({len(kept)} characters)"
    return kept if len(kept) <= _MAX_NAME_LENGTH else short
