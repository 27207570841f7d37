"""How KetchUp's responses and error codes are read. The document gives several shapes and spellings.

Keys may have stray blanks, numbers may be strings, lists may be under `result` or `messages` or alone, and
a missing `error` means none. Error codes have a meaning for each module: 11 is "too many at once" in general
and "wrong number" in the examples.
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
Item = dict[str, Any]
"""A JSON object."""

NOT_SUPPORTED, GONE, NOT_READY, EMPTY = "4", "90", "91", "93"
_DUPLICATE = frozenset({"23", "43", "63"})
_NOT_UNDERSTOOD = frozenset({"2", "7", "14", "22", "24", "44", "62", "64"})
_NOT_UNDERSTOOD_STATUSES = (400, 415, 422)
_STATUS_DECIDES = (401, 403, 408, 425, 429, 499)
"""Statuses about credentials, too many requests and unknown outcomes: they count more than a code."""


class KetchUpNotReadyError(TelecomRejectedError):
    """The statistics file is not ready yet (code 91). Try again later."""


class KetchUpTimeError(TelecomRejectedError):
    """The sending time is wrong (code 10): it may have passed since the first request was sent."""

    applies_to_duplicates: ClassVar[bool] = False


class KetchUpDuplicateKeyError(TelecomRejectedError):
    """All items of a request were refused because KetchUp knows a key of at least one of them."""


_ERRORS: dict[str, type[TelecomError]] = {
    "1": TelecomAuthError,
    "3": TelecomAuthError,
    "5": TelecomServerError,
    "8": TelecomFundsError,
    "10": KetchUpTimeError,
    "11": TelecomThrottledError,
    **dict.fromkeys(("20", "30", "40", "60", GONE), TelecomNotFoundError),
    NOT_READY: KetchUpNotReadyError,
}
_MEANINGS = {
    "80": "invalid message_id: not a number",
    "81": "invalid message_type",
    "82": "invalid source_type",
    "83": "invalid status",
    "84": "invalid country_name",
    "85": "invalid sl_clicks_comp",
    "86": "invalid time frame",
    **dict.fromkeys(("87", "88", "89"), "reserved for future use"),
    GONE: "file not found: exports live a month; this one is older, was deleted, or never existed",
    NOT_READY: "file not ready",
    "92": "Maximum count of exports reached: an account has five, and one must be deleted first",
    EMPTY: "File is empty",
}
"""What the document's appendix says about statistics; no other module uses these codes."""
_ABOUT_A_NUMBER = re.compile(r"msisdn|phone|номер", re.IGNORECASE)
_NOT_FOUND = re.compile(r"not found|не найден", re.IGNORECASE)
_EXISTS = re.compile(r"already|уже|присутствует", re.IGNORECASE)
_CODE = re.compile(r"[0-9]{1,6}|[A-Za-z_]{1,32}")
_TEXTS = frozenset({"body", "text", "caption"})
_LISTS = ("result", "messages")


def strip_blanks(value: Any, key: str = "") -> Any:
    """Return JSON without stray blanks around its keys and values; message texts keep theirs."""
    if isinstance(value, dict):
        return {str(name).strip(): strip_blanks(inner, str(name).strip()) for name, inner in value.items()}
    if isinstance(value, list):
        return [strip_blanks(inner, key) for inner in value]
    return value.strip() if isinstance(value, str) and key.casefold() not in _TEXTS else value


def _parse(answer: Response) -> Any:
    """Return a response's JSON, whatever its status and its code are. Raises TelecomAnswerError."""
    try:
        return strip_blanks(read_json(answer.body))
    except RecursionError:
        raise unreadable_response("nested too deep", answer.body, answer.status) from None


def error_code(item: Item) -> str | None:
    """Return the error code of a response or one of its items, or None for none.

    Anything else than a code is an error too; it is not shown, since it may be a text with a number.
    """
    code = str(item.get("error") or "").strip().lstrip("0")
    if not code:
        return None
    return code if _CODE.fullmatch(code) else "unreadable"


def error_text(item: Item) -> str:
    """Return the text of an error, or nothing."""
    text = item.get("errorDescription", "")
    return text if isinstance(text, str) else ""


def _describe(code: str | None, text: str) -> str:
    """Return the text of an error, with the document's meaning of its code unless the text has it."""
    meaning = _MEANINGS.get(code or "", "")
    if text.casefold() in meaning.casefold():
        return meaning or text
    return f"{meaning}: {text}" if meaning else text


def is_duplicate(code: str | None, text: str) -> bool:
    """Return whether an error says that our key is known already. The HLR examples use 13 for it."""
    return code in _DUPLICATE or (code == "13" and _EXISTS.search(text) is not None)


def error_class(code: str, text: str) -> type[TelecomError]:
    """Return the error class of a code. Unknown codes are final."""
    if code == "11" and _ABOUT_A_NUMBER.search(text):
        return TelecomRejectedError  # the examples' "Incorrect msisdn"; 11 is "too many at once" otherwise
    if code == "10" and _NOT_FOUND.search(text):
        return TelecomNotFoundError  # the examples' "HLR not found"; 10 is a wrong sending time otherwise
    return _ERRORS.get(code, TelecomRejectedError)


def is_not_understood(error: TelecomRejectedError) -> bool:
    """Return whether the vendor could not read the request, so that nothing was done.

    A missing key (22, 62) means that too: we always send one.
    """
    if error.code is None:
        return error.status in _NOT_UNDERSTOOD_STATUSES
    return error.code in _NOT_UNDERSTOOD


def is_wrong_address(error: TelecomRejectedError) -> bool:
    """Return whether there is no such function at this address, so that nothing was done."""
    if error.code == NOT_SUPPORTED:
        return True
    return error.status == 404 and not (error.code or "").isdecimal()


def raise_error(item: Item, code: str, status: int = 200) -> NoReturn:
    """Raise the error of a code."""
    text = error_text(item)
    raise error_class(code, text)(_describe(code, text) or "refused", status=status, code=code)


def read_checked(answer: Response) -> Any:
    """Return the JSON of a response that its HTTP status does not refuse; its code may still do so.

    The document gives no status for errors. A code beside a 4xx says more than most statuses.
    """
    if not (400 <= answer.status < 500 and answer.status not in _STATUS_DECIDES and _has_code(answer)):
        if answer.status == 404:
            raise TelecomRejectedError("no such address: check the host and base_path", status=404)
        raise_for_status(answer, lambda: _error_details(answer))
    found = _parse(answer)
    if not isinstance(found, (dict, list)):
        raise unreadable_response("neither an object nor a list", answer.body, answer.status)
    return found


def _has_code(answer: Response) -> bool:
    """Return whether a response has a code of the vendor's, a number. A web server's own page has none."""
    return (_error_details(answer).code or "").isdecimal()


def _error_details(answer: Response) -> ErrorDetails:
    """Return what an error body says, if it can be read."""
    try:
        found = _parse(answer)
    except TelecomAnswerError:
        return ErrorDetails()
    if not isinstance(found, dict):
        return ErrorDetails()
    code = error_code(found)
    return ErrorDetails(code, _describe(code, error_text(found)))


def read_content(answer: Response, not_found: str = "") -> Any:
    """Return a response's JSON. Raises the error of its status or its code.

    `not_found` is a code that means it for this call, whatever its text says.
    """
    found = read_checked(answer)
    if isinstance(found, dict) and (code := error_code(found)):
        if code == not_found:
            raise TelecomNotFoundError(error_text(found) or "not found", status=answer.status, code=code)
        raise_error(found, code, answer.status)
    return found


def single(model: type[T], not_found: str = "") -> Callable[[Response], T]:
    """Return a reader of a response that is one object, perhaps in a list or under its own `result`.

    `not_found` is as in `read_content`.
    """

    def read(answer: Response) -> T:
        found = read_content(answer, not_found)
        for _ in range(2):
            if isinstance(found, list) and len(found) == 1:
                found = found[0]
            elif isinstance(found, dict) and isinstance(found.get("result"), (dict, list)):
                found = found["result"]
        if isinstance(found, dict) and (code := error_code(found)):
            raise_error(found, code, answer.status)
        return to_model(model, found, answer.body)

    return read


def read_batch(answer: Response, size: int) -> tuple[Item, list[Item]]:
    """Return what a response says about all `size` items of a request together, and about each of them.

    The items are under `result` or `messages`, in a list or alone; a single one may be the whole response.
    Raises the error of the whole: KetchUpKnownError if the key of one of several items is known already.
    Whether a known key of a single item is an error is for its reader to decide.
    """
    found = read_checked(answer)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    whole: Item = found if isinstance(found, dict) else {}
    inside = next((whole[name] for name in _LISTS if name in whole), found)
    items = [inside] if isinstance(inside, dict) else inside
    matching = isinstance(items, list) and len(items) == size and all(map(_is_item, items))
    if code := error_code(whole):
        if not is_duplicate(code, error_text(whole)):
            raise_error(whole, code, answer.status)
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
