"""Reading KetchUp's answers, whose shape and spelling the document gives in several ways.

Keys may have stray blanks, numbers may be strings, lists stand under `result` or `messages` or alone, and
a missing `error` means none. Error codes have a meaning by module: 11 is "too many at once" in general and
"wrong number" in the examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, NoReturn, TypeVar

from airflow_provider_telecom.calls.answers import (
    Complaint,
    as_model,
    read_json,
    refuse_by_status,
    unreadable,
)
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.request import Response

T = TypeVar("T")

DUPLICATE = frozenset({"23", "43", "63"})
NOT_READY, GONE, NO_MORE_EXPORTS, EMPTY = "91", "90", "92", "93"
_NO_ERROR = "0"
_KINDS: dict[str, type[TelecomError]] = {
    "1": TelecomAuthError,
    "3": TelecomAuthError,
    "5": TelecomServerError,
    "8": TelecomFundsError,
    "11": TelecomThrottledError,
    "20": TelecomNotFoundError,
    "30": TelecomNotFoundError,
    "40": TelecomNotFoundError,
    "60": TelecomNotFoundError,
    GONE: TelecomNotFoundError,
}
_ABOUT_A_NUMBER = re.compile(r"msisdn|phone|номер", re.IGNORECASE)
_EXISTS = re.compile(r"exist|уже|присутствует", re.IGNORECASE)
_TEXTS = frozenset({"body", "text"})


class KetchUpNotReadyError(TelecomRejectedError):
    """The statistics file is not ready yet (code 91). Ask again later."""


def tidy(value: Any, key: str = "") -> Any:
    """Return an answer with stray blanks taken off its keys and values, but not off message texts."""
    if isinstance(value, dict):
        return {str(name).strip(): tidy(inner, str(name).strip()) for name, inner in value.items()}
    if isinstance(value, list):
        return [tidy(inner, key) for inner in value]
    return value.strip() if isinstance(value, str) and key not in _TEXTS else value


def code_of(item: dict[str, Any]) -> str | None:
    """Return the error code that stands in an answer or one of its items, or None for none."""
    code = str(item.get("error", _NO_ERROR)).strip()
    return None if code in (_NO_ERROR, "") else code


def is_duplicate(code: str | None, text: str) -> bool:
    """Whether an error says that our key is known already. The HLR examples use 13 for it."""
    return code in DUPLICATE or (code == "13" and _EXISTS.search(text) is not None)


def text_of(item: dict[str, Any]) -> str:
    """Return the text of an error, or nothing."""
    text = item.get("errorDescription", "")
    return text if isinstance(text, str) else ""


def refuse(item: dict[str, Any], code: str, status: int = 200) -> NoReturn:
    """Raise the error that a code stands for. Codes that nobody knows are final."""
    text = text_of(item)
    kind = _KINDS.get(code, TelecomRejectedError)
    if code == "11" and _ABOUT_A_NUMBER.search(text):
        kind = TelecomRejectedError  # the examples' "Incorrect msisdn"
    if code == "10" and "not found" in text.lower():
        kind = TelecomNotFoundError  # the examples' "HLR not found"; 10 is a wrong sending time otherwise
    if code == NOT_READY:
        kind = KetchUpNotReadyError
    raise kind(text or "refused", status=status, code=code)


def content(answer: Response) -> Any:
    """Return an answer as tidy JSON. Raises the error that its status or its code stands for."""
    refuse_by_status(answer, lambda: complaint(answer))
    found = tidy(read_json(answer.body))
    if not isinstance(found, (dict, list)):
        raise unreadable("neither an object nor a list", answer.body, answer.status)
    if isinstance(found, dict) and (code := code_of(found)):
        refuse(found, code, answer.status)
    return found


def complaint(answer: Response) -> Complaint:
    """Return what an error body says, if it can be read."""
    try:
        found = tidy(read_json(answer.body))
    except TelecomAnswerError:
        return Complaint()
    return Complaint(code_of(found), text_of(found)) if isinstance(found, dict) else Complaint()


def one(model: type[T]) -> Callable[[Response], T]:
    """Return a reader of an answer that is one object, perhaps in a list or under `result` of its own."""

    def read(answer: Response) -> T:
        found = content(answer)
        while isinstance(found, list) and len(found) == 1:
            found = found[0]
        if isinstance(found, dict) and isinstance(found.get("result"), dict):
            found = found["result"]
            if code := code_of(found):
                refuse(found, code, answer.status)
        return as_model(model, found, answer.body)

    return read


def items_of(found: Any, answer: Response) -> list[dict[str, Any]]:
    """Return the items of an answer, which stand under `result` or `messages`, one alone or in a list."""
    inside = found
    if isinstance(found, dict):
        inside = found.get("result", found.get("messages"))
    items = [inside] if isinstance(inside, dict) else inside
    if not isinstance(items, list) or not all(isinstance(item, dict) for item in items):
        raise unreadable("an answer without results", answer.body, answer.status)
    return items


_ERROR_HEAD = re.compile(rb'\s*\{\s*"\s*error\s*"\s*:\s*"?\s*([0-9]+)')


def is_error_head(head: bytes) -> bool:
    """Whether a body begins like an error in place of a file, judged by its first bytes."""
    found = _ERROR_HEAD.match(head.removeprefix(b"\xef\xbb\xbf"))
    return found is not None and int(found.group(1)) != 0
