"""Reading responses: strictly, within limits, and with errors that never hold the content."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Hashable
from contextlib import suppress
from decimal import Decimal
from functools import cache
from typing import Any, NamedTuple, NoReturn, TypeVar, cast

import msgspec
from pydantic import TypeAdapter, ValidationError

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.retry_after import retry_after

T = TypeVar("T")

_MAX_DIGITS = 400
# A surrogate pair, an unpaired surrogate (the group), or another escape sequence.
_SURROGATES = re.compile(
    r"\\(?:u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(u[dD][89a-fA-F][0-9a-fA-F]{2})|.)",
    re.DOTALL,
)


class ErrorDetails(NamedTuple):
    """The code and the text of a vendor's error body; both may be empty."""

    code: str | None = None
    text: str = ""


def unreadable_response(why: str, body: bytes, status: int | None = None) -> TelecomAnswerError:
    """Return the error for a body that cannot be read; it identifies the body by length and hash."""
    return TelecomAnswerError(why, length=len(body), sha256=hashlib.sha256(body).hexdigest(), status=status)


def read_json(body: bytes) -> Any:
    """Return the content of a JSON body, fractions as Decimal. Raises TelecomAnswerError.

    Rejected are other encodings than UTF-8, NaN and Infinity, duplicate keys, deep nesting, and numbers far
    beyond the range of a float. An unpaired surrogate, as a truncated emoji leaves it, becomes U+FFFD:
    databases, files and logs cannot store it.
    """
    try:
        text = _replace_unpaired(body.decode("utf-8-sig"))
        beginning = text[:_BEGINNING]
        if beginning.count(":") == beginning.count('":') and (colons := text.count(":")) > _FEW_KEYS:
            with suppress(ValueError, ArithmeticError, RecursionError):  # most likely no text has a colon
                found = _QUICK.decode(text)
                if _has_keys(found, colons):
                    return found
        return _STRICT.decode(text)
    except (ValueError, msgspec.MsgspecError, ArithmeticError, RecursionError):
        raise unreadable_response("not JSON", body) from None


def _has_keys(found: object, count: int) -> bool:
    """Return whether all objects of JSON have so many keys together. There are never more."""
    level: list[Any] = [found]
    while level and count:
        count -= sum(map(len, [one for one in level if type(one) is dict]))
        if not count:
            break
        level = [
            inner
            for one in level
            if type(one) in (dict, list)
            for inner in (one.values() if type(one) is dict else one)
        ]
    return not count


def _replace_unpaired(text: str) -> str:
    if "\\" not in text or ("\\ud" not in text and "\\uD" not in text):  # the first takes the least time
        return text
    return _SURROGATES.sub(lambda found: "\\ufffd" if found[1] else found[0], text)


def _fraction(text: str) -> Decimal:
    """Return a fraction. `1e999999999` is rejected: its conversion to an int would take hours."""
    number = Decimal(text)
    has_exponent = "e" in text or "E" in text
    if len(text) > _MAX_DIGITS or (has_exponent and abs(number.adjusted()) > _MAX_DIGITS):
        raise ValueError("out of range")
    return number


def _reject_constant(name: str) -> NoReturn:
    raise ValueError(name)


def reject_duplicate_keys(pairs: list[tuple[str, T]]) -> dict[str, T]:
    """Return pairs as a dict. Raises ValueError for a duplicate key."""
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a duplicate key")
    return found


def to_model(model: type[T], value: object, body: bytes = b"") -> T:
    """Return `value` as a `model`. Raises TelecomAnswerError, which names fields and not their content."""
    try:
        adapter: TypeAdapter[T] = _adapter(cast("Hashable", model))
        return adapter.validate_python(value)
    except ValidationError as error:
        fields = sorted({".".join(map(str, fault["loc"])) or "the answer" for fault in error.errors()})
        raise unreadable_response(f"unexpected answer, see {', '.join(fields[:5])}", body) from None


@cache
def _adapter(model: Hashable) -> TypeAdapter[Any]:
    return TypeAdapter(cast("Any", model))


_STRICT = json.JSONDecoder(
    parse_float=_fraction, parse_constant=_reject_constant, object_pairs_hook=reject_duplicate_keys
)
_QUICK = msgspec.json.Decoder(float_hook=_fraction)
"""Reads less than the same (no other numbers or texts), and does not check for duplicate keys.

A JSON text has as many colons outside its texts as keys: if the content has as many keys as the text has
colons, no key was a duplicate.
"""
_FEW_KEYS, _BEGINNING = 100, 4_096


def mentions_failure(value: object) -> bool:
    """Return whether JSON mentions a failure anywhere, which no response of a success does.

    That is a non-empty field with a name like `error`, a field like `success` that is not true, or a status
    like `failed`.
    """
    if isinstance(value, list):
        return any(map(mentions_failure, value))
    return isinstance(value, dict) and any(_is_failure(*field) for field in value.items())


def _is_failure(name: str, value: object) -> bool:
    name = _SEPARATORS.sub("", name.casefold())
    if _FAILURE_NAME.fullmatch(name):
        return not _is_blank(value)
    if name in _CLAIMS:
        return str(value).strip().casefold() not in ("1", "true", "yes", "ok")
    if name in _STATUSES and isinstance(value, str) and _FAILURE.search(value.casefold()):
        return True
    return mentions_failure(value)


def _is_blank(value: object) -> bool:
    if isinstance(value, dict):
        return all(map(_is_blank, value.values()))
    return not value or value == "0"


_SEPARATORS = re.compile(r"[_\- ]")
_FAILURE_NAME = re.compile(
    r"err(s|no)?|errors?(code|message|msg|text|description)?|exceptions?|faults?|fail(s|ed|ures?)?|"
    r"reject(s|ed|ions?)?|refus(ed|als?)|denied|ошибк[аи]"
)
_FAILURE = re.compile("error|fail|(?<!de)fault|exception|reject|refus|denied|ошиб")
_CLAIMS = frozenset({"success", "successful", "succeeded", "issuccess", "issuccessful", "ok", "isok"})
_STATUSES = frozenset({"status", "state", "result"})


def raise_for_status(response: Response, error_details: Callable[[], ErrorDetails]) -> None:
    """Raise the error for an HTTP status; do nothing for a 2xx.

    `error_details` reads the vendor's error body and is called only for an error.
    """
    status = response.status
    if 200 <= status < 300:
        return
    kind = error_for_status(status)
    if 300 <= status < 400:
        raise kind("the vendor's host redirects, and redirects are not followed", status=status)
    details = error_details()
    raise kind(
        details.text or _DEFAULT_TEXT.get(kind, "refused"),
        status=status,
        code=details.code,
        retry_after=retry_after(response.headers) if status in (429, 503) else None,
    )


_DEFAULT_TEXT: dict[type[TelecomError], str] = {
    TelecomAuthError: "credentials refused",
    TelecomNotFoundError: "not found",
    TelecomThrottledError: "too many requests",
    TelecomServerError: "the vendor's server failed",
}


# Request Timeout, Too Early, and nginx's "client closed request" come from a server that gave up waiting.
# This server, or one behind it, may have acted.
_LIKE_A_LOST_RESPONSE = (408, 425, 499)


def error_for_status(status: int) -> type[TelecomError]:
    """Return the class of the error that an HTTP status other than 2xx means."""
    by_status: dict[int, type[TelecomError]] = {
        401: TelecomAuthError,
        403: TelecomAuthError,
        404: TelecomNotFoundError,
        429: TelecomThrottledError,
    }
    if status in by_status:
        return by_status[status]
    if status < 200 or status >= 500 or status in _LIKE_A_LOST_RESPONSE:
        return TelecomServerError
    return TelecomRedirectError if status < 400 else TelecomRejectedError
