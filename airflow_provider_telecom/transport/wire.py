"""What both transports share: options, the encoding of requests, the reading of responses."""

from __future__ import annotations

import re
import threading
import uuid
import zlib
from collections.abc import Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from typing import IO, NamedTuple, Protocol, Self
from urllib.parse import urlencode

from airflow_provider_telecom.calls.endpoint import TakeTurn, Turn
from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomRateLimitStoreError
from airflow_provider_telecom.calls.json_columns import json_body
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
_MAX_ERROR_BYTES = 1 << 20
# Tables of records compress 10 to 50 times. A higher ratio than this is a decompression bomb.
_MAX_RATIO, _RATIO_APPLIES_FROM = 200, 4 << 20


@dataclass(frozen=True)
class TransportOptions:
    """The base URL, time-outs and TLS options of one account, from its Airflow connection."""

    base_url: str
    connect_timeout: float = 5.0
    read_timeout: float = 30.0
    verify: bool | str = True
    trust_env: bool = True
    allow_private_hosts: bool = False

    @property
    def deadline(self) -> float:
        """Seconds for one call with all its retries: twice the read time-out."""
        return 2 * self.read_timeout

    def timeouts(self, request: Request) -> tuple[float, float]:
        """Return the read time-out and the total time-out of a request, in seconds.

        A request that must not be sent twice may take its whole time to answer, since each needless time-out
        is an unknown outcome. A download gets four times the read time-out, and an hour in all.
        """
        total = request.deadline or self.deadline
        if request.save:
            return 4 * self.read_timeout, 3600.0
        return (total if request.idempotency is Idempotency.NONE else min(self.read_timeout, total)), total


class EncodedRequest(NamedTuple):
    """A request as it is sent, with its secrets in plain text."""

    url: str
    headers: dict[str, str]
    content: bytes | None

    def __repr__(self) -> str:
        return "<EncodedRequest>"


def encode_request(request: Request, base_url: str) -> EncodedRequest:
    """Return the URL, the headers and the body of a request.

    Raises TelecomInputError, without the content, for a request that cannot be encoded.
    """
    try:
        encoded = _encode(request, base_url)
    except UnicodeError:
        raise TelecomInputError("request", "holds half of a surrogate pair, which is no character") from None
    for name, value in encoded.headers.items():
        if not _HEADER.fullmatch(value):
            raise TelecomInputError(f"header {name}", "must be printable ASCII; check the credentials")
    return encoded


def _encode(request: Request, base_url: str) -> EncodedRequest:
    encoding = "identity" if request.save else "gzip"
    headers = {"Accept": "*/*", "Accept-Encoding": encoding, **reveal_secrets(request.headers)}
    content = None
    if isinstance(request.body, Json):
        headers["Content-Type"] = request.body.content_type
        content = json_body(request.body.value)
    elif isinstance(request.body, Form):
        headers["Content-Type"], content = _encode_form(request.body)
    return EncodedRequest(request.url(base_url), headers, content)


def _encode_form(form: Form) -> tuple[str, bytes]:
    if not form.multipart:
        return "application/x-www-form-urlencoded", urlencode(form.fields).encode()
    from urllib3.filepost import encode_multipart_formdata

    content, content_type = encode_multipart_formdata(dict(form.fields), boundary=uuid.uuid4().hex)
    return content_type, content


def check_proxy(proxy: str) -> str:
    """Return a proxy's URL. Raises TelecomInputError for SOCKS, which hides whether a request was sent."""
    if proxy.lower().startswith("socks"):
        raise TelecomInputError(
            "proxy",
            "SOCKS proxies are not supported; use an http proxy, or set trust_env to false in the "
            "connection's extra",
        )
    return proxy


class GzipDecoder:
    """Decompresses a body chunk by chunk, up to `max_bytes` of decompressed data."""

    def __init__(self, headers: Mapping[str, str], max_bytes: int) -> None:
        encoding = headers.get("content-encoding", "identity").strip().lower()
        if encoding not in ("", "identity", "gzip", "x-gzip"):
            raise InvalidBodyError("in an unexpected content encoding")
        self._gzip = zlib.decompressobj(wbits=31) if "gzip" in encoding else None
        self._max_bytes, self._received, self._decoded = max_bytes, 0, 0

    def decode(self, chunk: bytes) -> Iterator[bytes]:
        """Yield the decompressed bytes of a chunk, at most CHUNK at a time."""
        if self._gzip is None:
            self._received += len(chunk)
            yield self._checked(chunk)
            return
        while chunk:
            try:
                decoded = self._gzip.decompress(chunk, CHUNK)
            except zlib.error:
                raise InvalidBodyError("not valid gzip") from None
            self._received += len(chunk) - len(self._gzip.unconsumed_tail)
            chunk = self._gzip.unconsumed_tail
            yield self._checked(decoded)

    @property
    def has_trailer(self) -> bool:
        """Whether the encoding marks its own end, which `finish` checks."""
        return self._gzip is not None

    def finish(self) -> None:
        """Raise InvalidBodyError if the compressed body breaks off."""
        if self._gzip is not None and self._received and not self._gzip.eof:
            raise InvalidBodyError("the compressed body breaks off")

    def _checked(self, chunk: bytes) -> bytes:
        self._decoded += len(chunk)
        if self._decoded > self._max_bytes:
            raise InvalidBodyError("larger than allowed")
        if self._decoded > max(_RATIO_APPLIES_FROM, _MAX_RATIO * self._received):
            raise InvalidBodyError("a decompression bomb")
        return chunk


_LENGTH = re.compile(r"\d{1,15}")
_STATUSES_WITHOUT_BODY = (204, 304)
_BRACKETS = {b"{": b"}", b"[": b"]", b"<": b">"}


def declares_end(status: int, headers: Mapping[str, str]) -> bool:
    """Whether the headers say where the body ends. If not, it ends with the connection.

    Raises InvalidBodyError for headers that HTTP does not allow.
    """
    coding = headers.get("transfer-encoding")
    if coding is not None and coding.strip().lower() != "chunked":
        raise InvalidBodyError("in an unexpected transfer coding")
    length = headers.get("content-length")
    if length is not None:
        lengths = {part.strip() for part in length.split(",")}
        if len(lengths) > 1 or not _LENGTH.fullmatch(lengths.pop()):
            raise InvalidBodyError("with an invalid content length")
    return coding is not None or length is not None or status in _STATUSES_WITHOUT_BODY


def is_bracketed(body: bytes | bytearray) -> bool:
    """Whether a body is a JSON object, a JSON array or XML, whose parsers notice a missing end."""
    text = body.strip()
    return _BRACKETS.get(bytes(text[:1])) == text[-1:]


@dataclass
class BodyReader:
    """Reads a response's body into memory, or into the file that the request names, and returns a Response.

    The file gets its name when the body is complete: until then it is a partial file beside it. A body that
    ends with the connection may have been cut off. It is never saved as a file, and in memory it must be one
    whose parser notices a missing end.
    """

    request: Request
    status: int
    headers: Mapping[str, str]
    _body: bytearray = field(default_factory=bytearray, repr=False)
    _file: IO[bytes] | None = field(default=None, repr=False)
    _partial: Target | None = field(default=None, repr=False)
    _saved_bytes: int = 0
    has_enough: bool = False
    """Whether the rest need not be read: it is the file, and nobody wants it saved."""

    def __post_init__(self) -> None:
        self._decoder = GzipDecoder(self.headers, self.request.max_bytes)
        self.ends_with_connection = not declares_end(self.status, self.headers)
        self._may_be_cut_off = self.ends_with_connection and not self._decoder.has_trailer

    def feed(self, chunk: bytes) -> None:
        """Take one chunk as it was received. Raises InvalidBodyError."""
        for decoded in self._decoder.decode(chunk):
            if self._file is not None:
                self._saved_bytes += self._file.write(decoded)
                continue
            self._body += decoded
            if len(self._body) >= _FIRST_BYTES:
                self._open_if_file()
                self._check_error_size()

    def _open_if_file(self) -> None:
        save = self.request.save
        if save is None or self._file is not None or self.has_enough:
            return
        if save.is_file(Response(self.status, self.headers, bytes(self._body[:_FIRST_BYTES]))):
            if save.target is None:
                self.has_enough = True
                return
            if self._may_be_cut_off:
                raise InvalidBodyError("a file without a length, which may have been cut off")
            self._partial = save.target.with_name(f".{save.target.name}.{uuid.uuid4().hex[:8]}.part")
            self._file = self._partial.open("wb")
            self._saved_bytes = self._file.write(self._body)
            self._body = bytearray()

    def _check_error_size(self) -> None:
        """Raise InvalidBodyError for a large error: it is in memory, so a file's limit is too high."""
        if self.request.save is not None and len(self._body) > _MAX_ERROR_BYTES:
            raise InvalidBodyError("not the file, and too large for an error")

    def finish(self) -> Response:
        """Return the complete response; a saved file gets its name. Raises InvalidBodyError."""
        if not self.has_enough:
            self._decoder.finish()
            self._open_if_file()
        if self.has_enough:
            return Response(self.status, self.headers, saved_bytes=0, request=self.request)
        target = self.request.save.target if self.request.save else None
        if self._file is None or self._partial is None or target is None:
            if self._may_be_cut_off and 200 <= self.status < 300 and not is_bracketed(self._body):
                raise InvalidBodyError("without a length, and may have been cut off")
            return Response(self.status, self.headers, bytes(self._body), request=self.request)
        self._file.close()
        self._partial.rename(target)
        self._partial = None
        return Response(self.status, self.headers, saved_bytes=self._saved_bytes, request=self.request)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        """Remove the partial file. Does nothing after `finish`."""
        if self._partial is not None and self._file is not None:
            self._file.close()
            self._partial.unlink()
            self._partial = None


def receive_body(request: Request, status: int, fields: Iterable[tuple[str, str]]) -> BodyReader:
    """Return a BodyReader: a context manager that removes the partial file of an incomplete body.

    `fields` are the headers as received, in any letter case; a name may occur more than once.
    """
    headers: dict[str, str] = {}
    for name, value in fields:
        known = headers.get(name.lower())
        headers[name.lower()] = value if known is None else f"{known}, {value}"
    return BodyReader(request, status, headers)


class TokenStore:
    """Stores tokens, here in the memory of this process. `hooks.store` uses an Airflow Variable."""

    def __init__(self) -> None:
        self._texts: dict[str, str] = {}
        self._lock = threading.Lock()

    def load(self, key: str) -> str | None:
        """Return the text stored under `key`, or None."""
        with self._lock:
            return self._texts.get(key)

    def save(self, key: str, value: str) -> None:
        """Store `value` under `key`."""
        with self._lock:
            self._texts[key] = value


class NoTurnStore:
    """Stands for a store where none is configured: the rate limit counts in this process."""

    def take(self, step: TakeTurn, /) -> Turn:
        """Raise TelecomRateLimitStoreError."""
        raise TelecomRateLimitStoreError("not sent: there is no store of the rate limit")

    def close(self) -> None:
        """Do nothing."""


class TurnStore(Protocol):
    """Gives turns to all workers of a deployment, for the rate limit that they share."""

    def take(self, step: TakeTurn, /) -> Turn:
        """Return the account's next turn. Blocks, and raises TelecomRateLimitStoreError."""

    def close(self) -> None:
        """Close the connections to the server."""


class LockFactory(Protocol):
    """Returns the lock of an account, which one caller at a time holds."""

    def __call__(self, timeout: float, /) -> AbstractContextManager[object]:
        """Return a context manager that waits for the lock and raises TelecomNotSentError in the end."""
