"""What both transports share: addresses, bytes to send, bytes that come back."""

from __future__ import annotations

import json
import re
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, field
from typing import IO, NamedTuple, Protocol
from urllib.parse import urlencode

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import (
    Form,
    Idempotency,
    Json,
    Request,
    Response,
    Target,
    reveal_secrets,
)
from airflow_provider_telecom.transport.outcome import InvalidBodyError

CHUNK = 256 * 1024
_HEADER = re.compile(r"[\x20-\x7e]+")
_FIRST_BYTES = 64 * 1024
_LARGEST_IN_A_FILES_PLACE = 1 << 20
# Tables of records pack some 10 to 50 times; what packs more than this is made to fill memory.
_HONEST_RATIO, _TOO_SMALL_TO_JUDGE = 200, 4 << 20


@dataclass(frozen=True)
class TransportOptions:
    """Where an account's requests go and how long they may take. Built from an Airflow connection."""

    base_url: str
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    verify: bool | str = True
    trust_env: bool = True
    allow_private_hosts: bool = False

    @property
    def deadline(self) -> float:
        """Seconds for one call with all its repeats: twice the read time-out."""
        return 2 * self.read_timeout

    def timeouts(self, request: Request) -> tuple[float, float]:
        """Return (seconds of silence, seconds in all) that a request gets.

        An unkeyed effect may be silent for its whole time, since each needless time-out is an unknown
        outcome; a download gets four times the silence and an hour.
        """
        in_all = request.deadline or self.deadline
        if request.save:
            return 4 * self.read_timeout, 3600.0
        return (in_all if request.idempotency is Idempotency.NONE else min(self.read_timeout, in_all)), in_all


class EncodedRequest(NamedTuple):
    """A request as it goes out: only here its secrets are in the clear."""

    url: str
    headers: dict[str, str]
    content: bytes | None

    def __repr__(self) -> str:
        return "<Wire>"


def encode_request(request: Request, base_url: str) -> EncodedRequest:
    """Return the address, the headers and the bytes of a request.

    Raises TelecomInputError that names no content, for what cannot be written down.
    """
    try:
        wire = _written(request, base_url)
    except UnicodeError:
        raise TelecomInputError("request", "holds half of a surrogate pair, which is no character") from None
    for name, value in wire.headers.items():
        if not _HEADER.fullmatch(value):
            raise TelecomInputError(f"header {name}", "must be printable ASCII; check the credentials")
    return wire


def _written(request: Request, base_url: str) -> EncodedRequest:
    encoding = "identity" if request.save else "gzip"
    headers = {"Accept": "*/*", "Accept-Encoding": encoding, **reveal_secrets(request.headers)}
    content = None
    if isinstance(request.body, Json):
        headers["Content-Type"] = request.body.content_type
        content = json.dumps(request.body.value, ensure_ascii=False, separators=(",", ":")).encode()
    elif isinstance(request.body, Form):
        headers["Content-Type"], content = _form(request.body)
    return EncodedRequest(request.url(base_url), headers, content)


def _form(form: Form) -> tuple[str, bytes]:
    if not form.multipart:
        return "application/x-www-form-urlencoded", urlencode(form.fields).encode()
    from urllib3.filepost import encode_multipart_formdata

    content, content_type = encode_multipart_formdata(dict(form.fields), boundary=uuid.uuid4().hex)
    return content_type, content


def check_proxy(proxy: str) -> str:
    """Return a proxy's address. Raises TelecomInputError: what goes through SOCKS cannot be watched."""
    if proxy.lower().startswith("socks"):
        raise TelecomInputError(
            "proxy",
            "SOCKS proxies are not supported; use an http proxy, or set trust_env to false in the "
            "connection's extra",
        )
    return proxy


class GzipDecoder:
    """Unpacks a body piece by piece and stops at `most` bytes, however small it came packed."""

    def __init__(self, headers: Mapping[str, str], most: int) -> None:
        packing = headers.get("content-encoding", "identity").strip().lower()
        if packing not in ("", "identity", "gzip", "x-gzip"):
            raise InvalidBodyError("packed in a way that was not asked for")
        self._gzip = zlib.decompressobj(wbits=31) if "gzip" in packing else None
        self._most, self._packed, self._unpacked = most, 0, 0

    def unpack(self, piece: bytes) -> Iterator[bytes]:
        """Yield the unpacked bytes of a piece, at most CHUNK at a time."""
        if self._gzip is None:
            self._packed += len(piece)
            yield self._counted(piece)
            return
        while piece:
            try:
                unpacked = self._gzip.decompress(piece, CHUNK)
            except zlib.error:
                raise InvalidBodyError("not the gzip that it says it is") from None
            self._packed += len(piece) - len(self._gzip.unconsumed_tail)
            piece = self._gzip.unconsumed_tail
            yield self._counted(unpacked)

    @property
    def shows_its_end(self) -> bool:
        """Whether the packing has an end of its own, which `finish` looks for."""
        return self._gzip is not None

    def finish(self) -> None:
        """Raise UnfitBodyError when the packing breaks off before its end."""
        if self._gzip is not None and self._packed and not self._gzip.eof:
            raise InvalidBodyError("the packed body breaks off")

    def _counted(self, piece: bytes) -> bytes:
        self._unpacked += len(piece)
        if self._unpacked > self._most:
            raise InvalidBodyError("larger than allowed")
        if self._unpacked > max(_TOO_SMALL_TO_JUDGE, _HONEST_RATIO * self._packed):
            raise InvalidBodyError("packed to fill memory")
        return piece


_LENGTH = re.compile(r"\d{1,15}")
_STATUSES_WITHOUT_BODY = (204, 304)
_BRACKETS = {b"{": b"}", b"[": b"]", b"<": b">"}


def declares_end(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the headers say where the body ends; if not, it ends with the connection.

    Raises UnfitBodyError for headers of which HTTP can make no sense.
    """
    coding = headers.get("transfer-encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise InvalidBodyError("in a transfer coding that was not asked for")
    length = headers.get("content-length")
    if length is not None:
        lengths = {one.strip() for one in length.split(",")}
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths.pop()):
            raise InvalidBodyError("of a length that makes no sense")
    return coding is not None or length is not None or status in _STATUSES_WITHOUT_BODY


def is_bracketed(body: bytes | bytearray) -> bool:
    """Whether a body that breaks off would be noticed by whoever reads it: a JSON object or array, or XML."""
    text = body.strip()
    return _BRACKETS.get(bytes(text[:1])) == text[-1:]


@dataclass
class BodyReader:
    """Takes an answer's pieces in, into memory or into the request's target, and makes a Response.

    Nothing stands under the target's name before the body is whole: it is written beside and renamed. A body
    that ends with the connection may have been cut off. No file is made of it, and in memory it must be one
    that its reader knows the end of.
    """

    request: Request
    status: int
    headers: Mapping[str, str]
    _body: bytearray = field(default_factory=bytearray, repr=False)
    _file: IO[bytes] | None = field(default=None, repr=False)
    _beside: Target | None = field(default=None, repr=False)
    _saved: int = 0
    has_enough: bool = False
    """Whether the rest need not be read: the file is there, and has no target."""

    def __post_init__(self) -> None:
        self._unpacker = GzipDecoder(self.headers, self.request.max_bytes)
        self.ends_with_the_connection = not declares_end(self.status, self.headers)
        self._may_be_cut_off = self.ends_with_the_connection and not self._unpacker.shows_its_end

    def take(self, piece: bytes) -> None:
        """Take one piece as it came from the network. Raises UnfitBodyError."""
        for unpacked in self._unpacker.unpack(piece):
            if self._file is not None:
                self._saved += self._file.write(unpacked)
                continue
            self._body += unpacked
            if len(self._body) >= _FIRST_BYTES:
                self._open_if_wanted()
                self._refuse_endless_refusals()

    def _open_if_wanted(self) -> None:
        save = self.request.save
        if save is None or self._file is not None or self.has_enough:
            return
        if save.is_file(Response(self.status, self.headers, bytes(self._body[:_FIRST_BYTES]))):
            if save.target is None:
                self.has_enough = True
                return
            if self._may_be_cut_off:
                raise InvalidBodyError("a file without a length, which may have been cut off")
            self._beside = save.target.with_name(f".{save.target.name}.{uuid.uuid4().hex[:8]}.part")
            self._file = self._beside.open("wb")
            self._saved = self._file.write(self._body)
            self._body = bytearray()

    def _refuse_endless_refusals(self) -> None:
        """What came in place of a file is kept in memory, where a file's own limit is far too high."""
        if self.request.save is not None and len(self._body) > _LARGEST_IN_A_FILES_PLACE:
            raise InvalidBodyError("not the file, and too large for an error")

    def finish(self) -> Response:
        """Return the whole answer; a wanted file now stands under its name. Raises UnfitBodyError."""
        if not self.has_enough:
            self._unpacker.finish()
            self._open_if_wanted()
        if self.has_enough:
            return Response(self.status, self.headers, saved_bytes=0, request=self.request)
        target = self.request.save.target if self.request.save else None
        if self._file is None or self._beside is None or target is None:
            if self._may_be_cut_off and 200 <= self.status < 300 and not is_bracketed(self._body):
                raise InvalidBodyError("without a length, and may have been cut off")
            return Response(self.status, self.headers, bytes(self._body), request=self.request)
        self._file.close()
        self._beside.rename(target)
        self._beside = None
        return Response(self.status, self.headers, saved_bytes=self._saved, request=self.request)

    def discard(self) -> None:
        """Remove what was begun beside the target. Does nothing after `finish`."""
        if self._beside is not None and self._file is not None:
            self._file.close()
            self._beside.unlink()
            self._beside = None


@contextmanager
def receive_body(request: Request, status: int, fields: Iterable[tuple[str, str]]) -> Iterator[BodyReader]:
    """Give an Intake, and clear away what it wrote if the body does not come whole.

    `fields` are the headers as they came, in any case, a name perhaps more than once.
    """
    headers: dict[str, str] = {}
    for name, value in fields:
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    intake = BodyReader(request, status, headers)
    try:
        yield intake
    finally:
        intake.discard()


class TokenStore:
    """Where tokens are shared: here, the memory of this process. `hooks.store` has the Airflow Variable."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> str | None:
        """Return what stands under `key`, or None."""
        with self._lock:
            return self._texts.get(key)

    def save(self, key: str, value: str) -> None:
        """Put `value` under `key`."""
        with self._lock:
            self._texts[key] = value


class LockFactory(Protocol):
    """Gives a lock by account, held by one caller at a time."""

    def __call__(self, timeout: float, /) -> AbstractContextManager[object]:
        """Return a context manager that waits for the lock and raises TelecomNotSentError in the end."""
