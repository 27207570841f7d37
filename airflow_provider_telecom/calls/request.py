"""Requests and their outcomes. Values only: nothing here does I/O."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import IO, Literal, NamedTuple, Protocol, Self, TypeVar
from urllib.parse import quote, urlencode

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.privacy import Secret


class Idempotency(Enum):
    """What a duplicate of a request costs a customer. Each request must say it.

    The retry rules that follow from it are in `calls.retry`.
    """

    READ = "R"
    """A read: a duplicate costs nothing."""
    BILLED_READ = "RB"
    """A read, but each duplicate is billed."""
    SET_STATE = "S"
    """Sets a state. A duplicate sets the same state; a late one can undo somebody's newer change."""
    WITH_KEY = "K"
    """Paid, with an idempotency key: the vendor does it once."""
    DRAFT = "D"
    """Creates an object that costs nothing and can be abandoned."""
    NONE = "X"
    """Paid or visible, without an idempotency key: a duplicate is a second order."""
    TOKEN = "T"  # noqa: S105 - the class of token calls, not a token
    """Creates a token; a duplicate creates another one."""

    @property
    def is_effect(self) -> bool:
        """Whether somebody has to find out what happened after an unknown outcome."""
        return self in (Idempotency.SET_STATE, Idempotency.WITH_KEY, Idempotency.DRAFT, Idempotency.NONE)


@dataclass(frozen=True, slots=True)
class Json:
    """A JSON body."""

    value: object = field(repr=False)
    content_type: str = "application/json"


class FormFile(NamedTuple):
    """A file in a multipart form."""

    name: str
    content: bytes
    content_type: str


@dataclass(frozen=True, slots=True)
class Form:
    """A form body, url-encoded or multipart. Only the latter may have files."""

    fields: Mapping[str, str | FormFile] = field(repr=False)
    multipart: bool = False


class Target(Protocol):
    """The path of a download: a `pathlib.Path`, an Airflow `ObjectStoragePath`, or alike."""

    @property
    def name(self) -> str:
        """The last part of the path."""

    def with_name(self, name: str, /) -> Self:
        """Return a path of that name in the same folder."""

    def open(self, mode: Literal["wb"], /) -> IO[bytes]:
        """Open the file."""

    def rename(self, target: Self, /) -> object:
        """Move the file there, and replace what is there."""

    def unlink(self) -> None:
        """Remove the file."""


@dataclass(frozen=True, slots=True)
class Save:
    """Stream the response's body to the file `target` (written beside it, then renamed).

    `is_file` gets the status, the headers and the first bytes, and returns whether this is the file or an
    error in its place; an error is read into memory as always. Without a target nothing is read after the
    first bytes of the file.
    """

    target: Target | None
    is_file: Callable[[Response], bool]


MEGABYTE = 1 << 20
_SAFE_ID = re.compile(r"[A-Za-z0-9_.:+-]{1,128}")
_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, slots=True, repr=False)
class Request:
    """One HTTP request below a vendor's base URL.

    `path` is a template such as `/sms/{message_id}`; only here its ids are filled in and quoted. Errors and
    logs show the template.
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
    """Seconds that this request may take; the retry loop sets what is left of the call's time."""
    secrets: tuple[Secret, ...] = ()
    """The credentials in this request, in each form that a response may echo."""

    @property
    def label(self) -> str:
        """The request as errors and logs may show it: no ids, no query, no body."""
        return f"{self.method} {self.path}"

    def __repr__(self) -> str:
        return f"<Request {self.label}>"

    def url(self, base_url: str) -> str:
        """Return the URL. Raises TelecomInputError for an id that could change the path's meaning."""
        path = _PLACEHOLDER.sub(lambda found: self._quoted_id(found[1]), self.path)
        query = f"?{urlencode(reveal_secrets(self.query))}" if self.query else ""
        return f"{base_url.rstrip('/')}{path}{query}"

    def _quoted_id(self, name: str) -> str:
        value = str(self.ids[name])
        if not _SAFE_ID.fullmatch(value) or set(value) == {"."}:
            raise TelecomInputError(name, "must be 1 to 128 of the characters A-Z a-z 0-9 _ . : + -")
        return quote(value, safe="")

    def with_auth_header(self, name: str, value: Secret, *secrets: Secret) -> Request:
        """Return the request with a header that authenticates it; `secrets` are the credentials in it."""
        return self._copy({**self.headers, name: value}, self.deadline, (*self.secrets, *secrets))

    def with_deadline(self, seconds: float) -> Request:
        """Return the request with the seconds that it may take."""
        return self._copy(self.headers, seconds, self.secrets)

    def _copy(
        self, headers: Mapping[str, str | Secret], deadline: float | None, secrets: tuple[Secret, ...]
    ) -> Request:
        """Return a copy. `replace` would take twice as long, several times for each poll."""
        return Request(
            self.method,
            self.path,
            self.idempotency,
            self.ids,
            self.query,
            headers,
            self.body,
            self.save,
            self.max_bytes,
            deadline,
            secrets,
        )

    def with_auth_query(self, name: str, value: Secret) -> Request:
        """Return the request with a query parameter that authenticates it."""
        return replace(self, query={**self.query, name: value}, secrets=(*self.secrets, value))


V = TypeVar("V")


def reveal_secrets(values: Mapping[str, V | Secret]) -> dict[str, V | str]:
    """Return headers or a query with their secrets in plain text, right before they are sent."""
    return {name: value.reveal() if isinstance(value, Secret) else value for name, value in values.items()}


@dataclass(frozen=True, slots=True, repr=False)
class Response:
    """A complete response. Header names are in lower case; `body` is decompressed, and empty if it was saved.

    `request` is the authenticated request, so that what the response echoes of it can be redacted.
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
    """The request certainly did not reach the vendor. `reason` holds no URL and no body."""

    reason: str


@dataclass(frozen=True, slots=True)
class Unknown:
    """The vendor may have acted; no complete response came back."""

    reason: str


Outcome = Response | NotSent | Unknown
