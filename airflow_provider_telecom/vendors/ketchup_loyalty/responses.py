"""Reading KetchUp's answers, whose shape and spelling the document gives in several ways.

Keys may have stray blanks, numbers may be strings, lists stand under `result` or `messages` or alone, and
a missing `error` means none. Error codes have a meaning by module: 11 is "too many at once" in general and
"wrong number" in the examples.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, ClassVar, NoReturn, TypeVar

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
from airflow_provider_telecom.calls.responses import (
    ErrorDetails,
    raise_for_status,
    read_json,
    to_model,
    unreadable_response,
)

T = TypeVar("T")

DUPLICATE = frozenset({"23", "43", "63"})
_MISREAD = frozenset({"2", "7", "14", "22", "24", "44", "62", "64"})
_MISREAD_STATUSES = (400, 415, 422)
NOT_SUPPORTED, GONE, NOT_READY, EMPTY = "4", "90", "91", "93"


class KetchUpNotReadyError(TelecomRejectedError):
    """The statistics file is not ready yet (code 91). Ask again later."""


class KetchUpTimeError(TelecomRejectedError):
    """The sending time is wrong (code 10): perhaps it has passed since an earlier copy was sent."""

    applies_to_duplicates: ClassVar[bool] = False


class KetchUpDuplicateKeyError(TelecomRejectedError):
    """All orders of a request were refused because a key of at least one of them is known already."""


_KINDS: dict[str, type[TelecomError]] = {
    "1": TelecomAuthError,
    "3": TelecomAuthError,
    "5": TelecomServerError,
    "8": TelecomFundsError,
    "10": KetchUpTimeError,
    "11": TelecomThrottledError,
    "20": TelecomNotFoundError,
    "30": TelecomNotFoundError,
    "40": TelecomNotFoundError,
    "60": TelecomNotFoundError,
    GONE: TelecomNotFoundError,
    NOT_READY: KetchUpNotReadyError,
    EMPTY: TelecomRejectedError,
}
_MEANINGS = {
    "80": "invalid message_id: not a number",
    "81": "invalid message_type",
    "82": "invalid source_type",
    "83": "invalid status",
    "84": "invalid country_name",
    "85": "invalid sl_clicks_comp",
    "86": "invalid time frame",
    "87": "reserved for future use",
    "88": "reserved for future use",
    "89": "reserved for future use",
    GONE: "file not found: exports live a month, and this one is older, was deleted, or never was",
    NOT_READY: "file not ready",
    "92": "Maximum count of exports reached: an account has five, and one must be deleted first",
    EMPTY: "File is empty",
}
"""What the document's appendix says of statistics; their codes are nobody else's."""
_ABOUT_A_NUMBER = re.compile(r"msisdn|phone|номер", re.IGNORECASE)
_IS_NOT_THERE = re.compile(r"not found|не найден", re.IGNORECASE)
_EXISTS = re.compile(r"already|уже|присутствует", re.IGNORECASE)
_CODE = re.compile(r"[0-9]{1,6}|[A-Za-z_]{1,32}")
_TEXTS = frozenset({"body", "text", "caption"})
_LISTS = ("result", "messages")


def tidy(value: Any, key: str = "") -> Any:
    """Return an answer with stray blanks taken off its keys and values, but not off message texts."""
    if isinstance(value, dict):
        return {str(name).strip(): tidy(inner, str(name).strip()) for name, inner in value.items()}
    if isinstance(value, list):
        return [tidy(inner, key) for inner in value]
    return value.strip() if isinstance(value, str) and key.casefold() not in _TEXTS else value


def parsed(answer: Response) -> Any:
    """Return an answer's JSON, tidy, whatever its status and its code say. Raises TelecomAnswerError."""
    try:
        return tidy(read_json(answer.body))
    except RecursionError:
        raise unreadable_response("nested too deep", answer.body, answer.status) from None


def code_of(item: dict[str, Any]) -> str | None:
    """Return the error code that stands in an answer or one of its items, or None for none.

    Whatever is no code is an error all the same; it is not shown, since it may be a text with a number.
    """
    code = str(item.get("error") or "").strip().lstrip("0")
    if not code:
        return None
    return code if _CODE.fullmatch(code) else "unreadable"


def text_of(item: dict[str, Any]) -> str:
    """Return the text of an error, or nothing."""
    text = item.get("errorDescription", "")
    return text if isinstance(text, str) else ""


def worded(code: str | None, text: str) -> str:
    """Return the text of an error, with the document's words for its code unless it has them already."""
    meaning = _MEANINGS.get(code or "", "")
    if text.casefold() in meaning.casefold():
        return meaning or text
    return f"{meaning}: {text}" if meaning else text


def is_duplicate(code: str | None, text: str) -> bool:
    """Whether an error says that our key is known already. The HLR examples use 13 for it."""
    return code in DUPLICATE or (code == "13" and _EXISTS.search(text) is not None)


def kind_of(code: str, text: str) -> type[TelecomError]:
    """Return the error that a code stands for. Codes that nobody knows are final."""
    if code == "11" and _ABOUT_A_NUMBER.search(text):
        return TelecomRejectedError  # the examples' "Incorrect msisdn"; 11 is "too many at once" otherwise
    if code == "10" and _IS_NOT_THERE.search(text):
        return TelecomNotFoundError  # the examples' "HLR not found"; 10 is a wrong sending time otherwise
    return _KINDS.get(code, TelecomRejectedError)


def is_misread(error: TelecomRejectedError) -> bool:
    """Whether an error says that the vendor could not read the request, so that nothing was done.

    That a key is missing (22, 62) says so too: we always send one.
    """
    if error.code is None:
        return error.status in _MISREAD_STATUSES
    return error.code in _MISREAD


def refuse(item: dict[str, Any], code: str, status: int = 200) -> NoReturn:
    """Raise the error that a code stands for."""
    text = text_of(item)
    raise kind_of(code, text)(worded(code, text) or "refused", status=status, code=code)


def checked(answer: Response) -> Any:
    """Return the JSON of an answer that its HTTP status does not refuse; its code may still do so.

    The document says no status for errors. A code beside a 4xx says more than the status, but for those that
    speak of credentials, of too many requests, and of an outcome that nobody knows.
    """
    if not (400 <= answer.status < 500 and answer.status not in _CLEAR and _has_code(answer)):
        if answer.status == 404:
            raise TelecomRejectedError("no such address: check the host and base_path", status=404)
        raise_for_status(answer, lambda: error_details(answer))
    found = parsed(answer)
    if not isinstance(found, (dict, list)):
        raise unreadable_response("neither an object nor a list", answer.body, answer.status)
    return found


_CLEAR = (401, 403, 408, 425, 429, 499)


def _has_code(answer: Response) -> bool:
    """Whether an answer holds a code of the vendor's, which is a number. A web server's own page has none."""
    code = error_details(answer).code
    return code is not None and code.isdecimal()


def is_elsewhere(error: TelecomRejectedError) -> bool:
    """Whether an error says that there is no such function at this address, so that nothing was done."""
    if error.code == NOT_SUPPORTED:
        return True
    return error.status == 404 and not (error.code or "").isdecimal()


def content(answer: Response, not_found: str = "") -> Any:
    """Return an answer as tidy JSON. Raises the error that its status or its code stands for.

    `not_found` is a code that means it here, whatever its text says.
    """
    found = checked(answer)
    if isinstance(found, dict) and (code := code_of(found)):
        if code == not_found:
            raise TelecomNotFoundError(text_of(found) or "not found", status=answer.status, code=code)
        refuse(found, code, answer.status)
    return found


def error_details(answer: Response) -> ErrorDetails:
    """Return what an error body says, if it can be read."""
    try:
        found = parsed(answer)
    except TelecomAnswerError:
        return ErrorDetails()
    if not isinstance(found, dict):
        return ErrorDetails()
    code = code_of(found)
    return ErrorDetails(code, worded(code, text_of(found)))


def one(model: type[T], not_found: str = "") -> Callable[[Response], T]:
    """Return a reader of an answer that is one object, perhaps in a list or under `result` of its own.

    `not_found` is as in `content`.
    """

    def read(answer: Response) -> T:
        found = content(answer, not_found)
        for _ in range(2):
            if isinstance(found, list) and len(found) == 1:
                found = found[0]
            elif isinstance(found, dict) and isinstance(found.get("result"), (dict, list)):
                found = found["result"]
        if isinstance(found, dict) and (code := code_of(found)):
            refuse(found, code, answer.status)
        return to_model(model, found, answer.body)

    return read


def package(answer: Response, size: int) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """Return what an answer says of `size` orders as a whole, and of each of them.

    Each stands under `result` or `messages`, in a list or alone; a single one may be the whole answer.
    Raises the error of the whole: KetchUpKnownError if the key of one of several orders is known already.
    That the key of a single order is known is for its reader to judge.
    """
    found = checked(answer)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    whole: dict[str, Any] = found if isinstance(found, dict) else {}
    inside = next((whole[name] for name in _LISTS if name in whole), found)
    items = [inside] if isinstance(inside, dict) else inside
    matching = isinstance(items, list) and len(items) == size and all(map(_is_item, items))
    if code := code_of(whole):
        if not is_duplicate(code, text_of(whole)):
            refuse(whole, code, answer.status)
        if not matching and size > 1:
            raise KetchUpDuplicateKeyError(
                "a key of one of them is known already", status=answer.status, code=code
            )
        items = items if matching else [whole]
    elif not matching:
        raise unreadable_response("results that do not match what was sent", answer.body, answer.status)
    return whole, items


def _is_item(item: object) -> bool:
    return isinstance(item, dict) and not any(name in item for name in _LISTS)
