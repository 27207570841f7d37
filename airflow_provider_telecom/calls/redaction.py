"""Redacts a vendor's text for an error: no credentials, nothing that we sent, no long numbers."""

from __future__ import annotations

import re
from base64 import b64encode, urlsafe_b64encode
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from string import ascii_lowercase, ascii_uppercase
from urllib.parse import quote, quote_plus

from airflow_provider_telecom.calls.json_columns import JsonColumns
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Form, Json, Request

_LONG_NUMBER = re.compile(r"\d(?:[ ()-]{0,2}\d){8,}")  # also `38 (067) 000-02-01`
_TOKEN_LIKE = re.compile(r"[A-Za-z0-9+/_=.-]{24,}")
_REFERENCE = re.compile(r"[A-Za-z0-9+/=_-]{8,128}")
_MIN_ECHO = 4
_NATIONAL_DIGITS = 9
_MIN_PART_OF_SECRET = 8
_MAX_READ, _MAX_TEXT = 4000, 200
_LOWER_CASE = str.maketrans(ascii_uppercase, ascii_lowercase)  # str.lower() can change the length


def redact(text: str, request: Request) -> str:
    """Return a vendor's text for an error, redacted and truncated.

    Redacted are the credentials of `request`, also in parts and in encoded forms; the values that it sent;
    long numbers; and whatever looks like a token. An unpaired surrogate becomes `?`, since logs cannot encode
    it.
    """
    text = " ".join(text.encode("utf-8", "replace").decode().split())[:_MAX_READ]
    text = _without_secrets(text, {form for secret in request.secrets for form in _forms(secret)})
    for echo in sorted(set(_sent_values(request)), key=len, reverse=True):
        text = text.replace(echo, "***")
    text = _TOKEN_LIKE.sub("***", _LONG_NUMBER.sub("***", text))
    return " ".join(text.split())[:_MAX_TEXT]


def redact_reference(text: str, request: Request) -> str | None:
    """Return a vendor's name of a request: 8 to 128 letters, digits and - _ + / =; None for anything else.

    None too if it contains a part of the credentials of `request`, or something that it sent.
    """
    sent = (echo[-_NATIONAL_DIGITS:] if echo.isdecimal() else echo for echo in _sent_values(request))
    if not _REFERENCE.fullmatch(text) or any(len(echo) > 5 and echo in text for echo in sent):
        return None
    hidden = _without_secrets(text, {form for secret in request.secrets for form in _forms(secret)})
    return text if hidden == text else None


def _without_secrets(text: str, secrets: Iterable[str]) -> str:
    """Return a text without any 8 characters or more that are also in one of the secrets."""
    lowered = text.translate(_LOWER_CASE)
    hidden = bytearray(len(text))
    for secret in secrets:
        wanted = secret.translate(_LOWER_CASE)
        size = min(_MIN_PART_OF_SECRET, len(wanted))
        parts = {wanted[place : place + size] for place in range(len(wanted) - size + 1)}
        for place in range(len(text) - size + 1):
            if lowered[place : place + size] in parts:
                hidden[place : place + size] = b"\x01" * size
    visible = "".join("\0" if is_hidden else letter for letter, is_hidden in zip(text, hidden, strict=True))
    return re.sub("\0+", "***", visible)


def _forms(secret: Secret) -> Iterator[str]:
    """Yield a secret in the forms in which a response may echo it."""
    value = secret.reveal()
    if value:
        yield from (value, quote(value, safe=""), quote(value), quote_plus(value), escape(value))
        yield from _base64_forms(value.encode())


def _base64_forms(value: bytes) -> Iterator[str]:
    """Yield the base64 of a value, at each offset in a longer value such as `user:secret`."""
    yield b64encode(value).decode().rstrip("=")
    for before in range(3):
        first, end = -(-8 * before // 6), 8 * (before + len(value)) // 6
        if end - first >= _MIN_PART_OF_SECRET:
            for encode in (b64encode, urlsafe_b64encode):
                yield encode(bytes(before) + value).decode()[first:end]


def _sent_values(request: Request) -> Iterator[str]:
    body = request.body
    content = body.value if isinstance(body, Json) else body.fields if isinstance(body, Form) else None
    for value in _leaves([request.ids, request.query, request.headers, content]):
        if len(value) >= _MIN_ECHO:
            yield value


def _leaves(value: object) -> Iterator[str]:
    if isinstance(value, Mapping):
        for inner in value.values():
            yield from _leaves(inner)
    elif isinstance(value, JsonColumns):
        yield from _leaves(value.columns)
    elif isinstance(value, (list, tuple)):
        for inner in value:
            yield from _leaves(inner)
    elif isinstance(value, (str, int)):
        yield str(value)
