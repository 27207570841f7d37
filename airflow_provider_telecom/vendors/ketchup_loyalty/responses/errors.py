"""KetchUp's error codes, and the errors that they stand for.

The codes have a meaning for each module: 11 is "too many at once" in general and "wrong number" in the
examples.
"""

from __future__ import annotations

import re
from typing import Any, ClassVar, NoReturn

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
)

Item = dict[str, Any]
"""A JSON object: a response, or one of its items."""

NOT_SUPPORTED, GONE, NOT_READY, EMPTY = "4", "90", "91", "93"
_DUPLICATE = frozenset({"23", "43", "63"})
NOT_UNDERSTOOD = frozenset({"2", "7", "14", "22", "24", "44", "62", "64"})
_NOT_UNDERSTOOD_STATUSES = (400, 415, 422)
VIBER_REFUSALS = frozenset({
    *("1", "2", "3", "4", "6", "7", "8", "9", "10", "11", "12"),
    *("41", "44", "45", "46", "47", "48", "49", "51"),
})
"""The document's codes that prove that a Viber message was not sent. 5 is "unknown error"."""


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


def describe_error(code: str | None, text: str) -> str:
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
    return error.code in NOT_UNDERSTOOD


def is_wrong_address(error: TelecomRejectedError) -> bool:
    """Return whether there is no such function at this address, so that nothing was done."""
    if error.code == NOT_SUPPORTED:
        return True
    return error.status == 404 and not (error.code or "").isdecimal()


def raise_error(item: Item, code: str, status: int = 200) -> NoReturn:
    """Raise the error of a code."""
    text = error_text(item)
    raise error_class(code, text)(describe_error(code, text) or "refused", status=status, code=code)
