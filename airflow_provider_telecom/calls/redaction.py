"""Makes a vendor's text fit for an error: without our credentials, what we sent, and long numbers."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote, quote_plus

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Form, Json, Request

_LONG_NUMBER = re.compile(r"\d(?:[ ()-]?\d){8,}")
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/_=.-]{24,}")
_SHORTEST_ECHO = 4
_PART_OF_A_SECRET = 8
_LONGEST_READ, _LONGEST_TEXT = 4000, 200
_LOWER_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)  # str.lower() can change the length


def redact(text: str, request: Request) -> str:
    """Return a vendor's text fit for an error, cut short.

    Struck out: credentials that signed `request`, also parts of them and encoded forms; values that it sent;
    long numbers; whatever looks like a token. Half a surrogate pair becomes `?`: no log could be written.
    """
    text = " ".join(text.encode("utf-8", "replace").decode().split())[:_LONGEST_READ]
    text = _without_parts(text, {form for secret in request.secrets for form in _forms(secret)})
    for echo in sorted(set(_sent(request)), key=len, reverse=True):
        text = text.replace(echo, "***")
    text = _TOKEN_LIKE.sub("***", _LONG_NUMBER.sub("***", text))
    return " ".join(text.split())[:_LONGEST_TEXT]


def _without_parts(text: str, secrets: Iterable[str]) -> str:
    """Return a text without all that also stands in one of the secrets, from 8 characters on."""
    lowered = text.translate(_LOWER_CASE)
    struck = bytearray(len(text))
    for secret in secrets:
        wanted = secret.translate(_LOWER_CASE)
        size = min(_PART_OF_A_SECRET, len(wanted))
        parts = {wanted[place : place + size] for place in range(len(wanted) - size + 1)}
        for place in range(len(text) - size + 1):
            if lowered[place : place + size] in parts:
                struck[place : place + size] = b"\x01" * size
    shown = "".join("\0" if hidden else letter for letter, hidden in zip(text, struck, strict=True))
    return re.sub("\0+", "***", shown)


def _forms(secret: Secret) -> Iterator[str]:
    """Yield a secret in the forms in which an answer may hold it."""
    value = secret.reveal()
    if value:
        yield from (value, quote(value, safe=""), quote(value), quote_plus(value), escape(value))
        yield from _base64_forms(value.encode())


def _base64_forms(value: bytes) -> Iterator[str]:
    """Yield what base64 makes of a value, wherever it stands in a longer one (`user:secret`)."""
    yield b64encode(value).decode().rstrip("=")
    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(value)) // 6
        if end - first >= _PART_OF_A_SECRET:
            for encode in (b64encode, urlsafe_b64encode):
                yield encode(bytes(before) + value).decode()[first:end]


def _sent(request: Request) -> Iterator[str]:
    body = request.body
    content = body.value if isinstance(body, Json) else body.fields if isinstance(body, Form) else None
    for value in _leaves([request.ids, request.query, request.headers, content]):
        if len(value) >= _SHORTEST_ECHO:
            yield value


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int)):
        yield str(value)
