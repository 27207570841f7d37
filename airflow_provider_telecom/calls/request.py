"""What a call asks for, and what may come back. Values only: nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import IO, Any, Literal, Protocol, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret


class Idempotency(Enum):
    """What a second copy of a request costs a customer. Each request must say it.

    The rules that follow from it stand in `calls.retry`.
    """

    READ = "R"
    """Repeat freely."""
    BILLED_READ = "RB"
    """Harmless to people, but each copy is billed."""
    SET_STATE = "S"
    """A copy gives the same state; a late copy can undo somebody's newer change."""
    WITH_KEY = "K"
    """Paid, but the vendor recognises our key and does it once."""
    DRAFT = "D"
    """Creates something free that can be abandoned."""
    NONE = "X"
    """Paid or visible, and nothing tells a copy from a second order."""
    TOKEN = "T"  # noqa: S105 - the class of token calls, not a token
    """Mints a credential; asking again mints another."""

    @property
    def is_effect(self) -> bool:
        """Whether an unknown outcome leaves a question that somebody has to settle."""
        return self in (Idempotency.SET_STATE, Idempotency.WITH_KEY, Idempotency.DRAFT, Idempotency.NONE)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body."""

    value: object = field(repr=False)
    content_type: str = "application/json"


@dataclass(frozen=True, slots=True)
class Form:
    """A form body, url-encoded or multipart."""

    fields: Mapping[str, str] = field(repr=False)
    multipart: bool = False


class Target(Protocol):
    """Where a download goes: a `pathlib.Path`, an Airflow `ObjectStoragePath`, or alike."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    def with_name(self, name: str, /) -> Any:
        """Return a neighbour of that name."""

    def open(self, mode: Literal["wb"], /) -> IO[bytes]:
        """Open it."""

    def rename(self, target: Any, /) -> object:
        """Move it there, replacing what stood there."""

    def unlink(self) -> None:
        """Remove it."""


@dataclass(frozen=True, slots=True)
class Save:
    """Stream a good answer to `target` (written beside, then renamed) in place of keeping it in memory.

    `wanted` sees the status, the headers and the first bytes, and says whether this is the file or an
    error that the vendor sent in its place; an error is read into memory as ever. Without a target nothing
    is read after the first bytes of the file.
    """

    target: Target | None
    is_file: Callable[[Response], bool]


MEGABYTE = 1 << 20
_SAFE_ID = re.compile(r"[A-Za-z0-9_.:+-]{1,128}")
_HOLE = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request below a vendor's base URL.

    `path` is a template such as `/sms/{message_id}`, filled from `ids` and quoted here and nowhere
    else; the template, never the filled path, is what errors and logs show.
    """

    method: str
    path: str
    idempotency: Idempotency
    ids: Mapping[str, str | int] = field(default_factory=dict)
    query: Mapping[str, str | int | Secret] = field(default_factory=dict)
    headers: Mapping[str, str | Secret] = field(default_factory=dict)
    body: Json | Form | None = None
    save: Save | None = None
    max_bytes: int = 16 * MEGABYTE
    deadline: float | None = None
    """Seconds that this request may take in all; the retry loop sets what is left of the call's."""
    secrets: tuple[Secret, ...] = ()
    """The credentials that sign this request, each in the forms that an answer may repeat."""

    @property
    def label(self) -> str:
        """The request as errors and logs may show it: no ids, no query, no body."""
        return f"{self.method} {self.path}"

    def __repr__(self) -> str:
        return f"<Request {self.label}>"

    def url(self, base_url: str) -> str:
        """Return the address. Raises TelecomInputError for an id that could change the path's meaning."""
        path = _HOLE.sub(lambda hole: self._quoted(hole.group(1)), self.path)
        query = f"?{urlencode(reveal_secrets(self.query))}" if self.query else ""
        return f"{base_url.rstrip('/')}{path}{query}"

    def _quoted(self, name: str) -> str:
        value = str(self.ids[name])
        if not _SAFE_ID.fullmatch(value) or set(value) == {"."}:
            raise TelecomInputError(name, "must be 1 to 128 of the characters A-Z a-z 0-9 _ . : + -")
        return quote(value, safe="")

    def with_auth_header(self, name: str, value: Secret, *secrets: Secret) -> Request:
        """Return the request with a header that proves who we are; `secrets` are the credentials in it."""
        return replace(self, headers={**self.headers, name: value}, secrets=(*self.secrets, *secrets))

    def with_auth_query(self, name: str, value: Secret) -> Request:
        """Return the request with a query parameter that proves who we are."""
        return replace(self, query={**self.query, name: value}, secrets=(*self.secrets, value))


V = TypeVar("V")


def reveal_secrets(values: Mapping[str, V | Secret]) -> dict[str, V | str]:
    """Return headers or a query with the secrets in them revealed. Only for what is sent next."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """A whole answer. Header names are in lower case; `body` is unpacked, and empty if it was saved.

    `request` is the signed request that it answers, so that errors can be cleaned of what it echoes.
    """

    status: int
    headers: Mapping[str, str]
    body: bytes = b""
    saved_bytes: int | None = None
    request: Request | None = field(default=None, compare=False)

    def __repr__(self) -> str:
        return f"<Response {self.status}, {len(self.body)} bytes>"


@dataclass(frozen=True, slots=True)
class NotSent:
    """The request certainly did not reach the vendor. `reason` holds no address and no body."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The vendor may have acted; no whole answer came back."""

    reason: str


Outcome = Response | NotSent | Unknown
