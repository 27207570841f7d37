"""An answer as bytes on a connection, with everything about it that can be unusual."""

from __future__ import annotations

import gzip
import zlib
from dataclasses import dataclass
from typing import Literal

Framing = Literal["length", "chunked", "close"]
End = Literal["close", "reset", "hang", "drip"]
Header = tuple[bytes, bytes]


@dataclass(frozen=True)
class Answer:
    """One HTTP answer. `lengths` replaces the true Content-Length; `cut` is the number of bytes that go out.

    After the last byte the server closes the connection, resets it, stays silent ("hang"), or sends single
    bytes for as long as the client listens ("drip").
    """

    status: bytes = b"200"
    version: bytes = b"HTTP/1.1"
    headers: tuple[Header, ...] = ()
    body: bytes = b""
    framing: Framing = "length"
    lengths: tuple[bytes, ...] | None = None
    before: bytes = b""
    after: bytes = b""
    cut: int | None = None
    end: End = "close"

    @property
    def wire(self) -> bytes:
        """The bytes that the server sends."""
        return self._whole()[: self.cut]

    def _whole(self) -> bytes:
        lengths = self.lengths if self.lengths is not None else (b"%d" % len(self.body),)
        framing: dict[Framing, tuple[Header, ...]] = {
            "length": tuple((b"Content-Length", length) for length in lengths),
            "chunked": ((b"Transfer-Encoding", b"chunked"),),
            "close": (),
        }
        lines = [b"%s %s OK" % (self.version, self.status)]
        lines += [b"%s: %s" % header for header in (*self.headers, *framing[self.framing])]
        body = self.body
        if self.framing == "chunked":
            body = (b"%x\r\n%s\r\n" % (len(body), body) if body else b"") + b"0\r\n\r\n"
        return self.before + b"\r\n".join(lines) + b"\r\n\r\n" + body + self.after

    @property
    def intact(self) -> bool:
        """Whether all that the head promises arrives, and the head can be read."""
        return (
            self.status.isdigit()
            and len(self.status) == 3
            and self.version.strip().upper().startswith(b"HTTP/")
            and (self.cut is None or self.cut >= len(self._whole()) - len(self.after))
            and len(self._lengths) < 2
            and max(self._lengths, default=0) <= len(self.body)
        )

    @property
    def _lengths(self) -> set[int]:
        """The lengths that the head promises; if one of them is no number, it promises none."""
        headers = [value for name, value in self.headers if name.lower() == b"content-length"]
        lengths = (*headers, *(self.lengths or ()))
        return {int(length) for length in lengths} if all(map(bytes.isdigit, lengths)) else set()

    @property
    def content(self) -> bytes:
        """The body as the client should read it: as long as promised, and unpacked where it is packed."""
        body = self.body[: max(self._lengths)] if self._lengths else self.body
        packed = any(name.lower() == b"content-encoding" and b"gzip" in value for name, value in self.headers)
        try:
            return gzip.decompress(body) if packed else body
        except (OSError, EOFError, zlib.error):
            return b"not the gzip that it says it is"

    @property
    def refuses(self) -> bool:
        """Whether it says that the request was refused before it was processed: it may be sent again."""
        return self.intact and self.status in (b"401", b"429")
