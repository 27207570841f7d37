"""How the content of KetchUp's responses is read. The document gives several shapes and spellings.

Keys may have stray blanks, numbers may be strings, lists may be under `result` or `messages` or alone, and
a missing `error` means none.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from functools import lru_cache
from itertools import repeat
from typing import Any, TypeVar, cast

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomNotFoundError,
    TelecomRejectedError,
)
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import (
    ErrorDetails,
    raise_for_status,
    read_json,
    to_model,
    unreadable_response,
)
from airflow_provider_telecom.vendors.ketchup_loyalty.responses.errors import (
    Item,
    KetchUpDuplicateKeyError,
    describe_error,
    error_code,
    error_text,
    is_duplicate,
    raise_error,
)

T = TypeVar("T")

_STATUS_DECIDES = (401, 403, 408, 425, 429, 499)
"""Statuses about credentials, too many requests and unknown outcomes: they count more than a code."""
_SMALL, _REMEMBERED = 1024, 10_000
_TEXTS = frozenset({"body", "text", "caption"})
_LISTS = ("result", "messages")
_BLANKS = (b'" ', b' "')
"""One of these, or a backslash, is in each ASCII body with a text that begins or ends with a blank."""


def strip_blanks(value: Any, key: str = "") -> Any:
    """Return JSON without stray blanks around its keys and values; message texts keep theirs."""
    if isinstance(value, dict):
        return {str(name).strip(): strip_blanks(inner, str(name).strip()) for name, inner in value.items()}
    if isinstance(value, list):
        return [strip_blanks(inner, key) for inner in value]
    return value.strip() if isinstance(value, str) and key.casefold() not in _TEXTS else value


def _parse(response: Response) -> Any:
    """Return a response's JSON, whatever its status and its code are. Raises TelecomAnswerError."""
    found = read_json(response.body)
    if _is_plain_batch(found, response.body):
        return found
    try:
        return strip_blanks(found)
    except RecursionError:
        raise unreadable_response("nested too deep", response.body, response.status) from None


def _is_plain_batch(found: object, body: bytes) -> bool:
    """Return whether `strip_blanks` would change nothing: an object with one list of flat objects.

    Looking for blanks in the body takes less time than in each value of hundreds of results.
    """
    if not isinstance(found, dict) or not body.isascii() or b"\\" in body:
        return False
    if b" " in body and any(map(body.__contains__, _BLANKS)):
        return False
    items = next((value for value in found.values() if isinstance(value, list)), [])
    return body.count(b"[") == 1 and body.count(b"{") == 1 + sum(map(isinstance, items, repeat(dict)))


def read_checked(response: Response) -> Any:
    """Return the JSON of a response that its HTTP status does not refuse; its code may still do so.

    The document gives no status for errors. A code beside a 4xx says more than most statuses.
    """
    if not (400 <= response.status < 500 and response.status not in _STATUS_DECIDES and _has_code(response)):
        if response.status == 404:
            raise TelecomRejectedError("no such address: check the host and base_path", status=404)
        raise_for_status(response, lambda: _error_details(response))
    found = _parse(response)
    if not isinstance(found, (dict, list)):
        raise unreadable_response("neither an object nor a list", response.body, response.status)
    return found


def _has_code(response: Response) -> bool:
    """Return whether a response has a code of the vendor's, a number. A web server's own page has none."""
    return (_error_details(response).code or "").isdecimal()


def _error_details(response: Response) -> ErrorDetails:
    """Return what an error body says, if it can be read."""
    try:
        found = _parse(response)
    except TelecomAnswerError:
        return ErrorDetails()
    if not isinstance(found, dict):
        return ErrorDetails()
    code = error_code(found)
    return ErrorDetails(code, describe_error(code, error_text(found)))


def read_content(response: Response, not_found: str = "") -> Any:
    """Return a response's JSON. Raises the error of its status or its code.

    `not_found` is a code that means it for this call, whatever its text says.
    """
    found = read_checked(response)
    if isinstance(found, dict) and (code := error_code(found)):
        if code == not_found:
            raise TelecomNotFoundError(error_text(found) or "not found", status=response.status, code=code)
        raise_error(found, code, response.status)
    return found


def single(model: type[T], not_found: str = "") -> Callable[[Response], T]:
    """Return a reader of a response that is one object, perhaps in a list or under its own `result`.

    `not_found` is as in `read_content`.
    """

    def read(response: Response) -> T:
        if response.status != 200 or len(response.body) > _SMALL:
            return _read_single(model, not_found, response)
        return cast("T", _read_small(cast("Hashable", model), not_found, response.body))

    return read


def _read_single(model: type[T], not_found: str, response: Response) -> T:
    found = read_content(response, not_found)
    for _ in range(2):
        if isinstance(found, list) and len(found) == 1:
            found = found[0]
        elif isinstance(found, dict) and isinstance(found.get("result"), (dict, list)):
            found = found["result"]
    if isinstance(found, dict) and (code := error_code(found)):
        raise_error(found, code, response.status)
    return to_model(model, found, response.body)


@lru_cache(maxsize=_REMEMBERED)
def _read_small(model: Hashable, not_found: str, body: bytes) -> object:
    """Read a body once: thousands of polls get the same one again and again. Models are immutable."""
    return _read_single(cast("type[object]", model), not_found, Response(200, {}, body))


def read_batch(response: Response, size: int) -> tuple[Item, list[Item]]:
    """Return what a response says about all `size` items of a request together, and about each of them.

    The items are under `result` or `messages`, in a list or alone; a single one may be the whole response.
    Raises the error of the whole: KetchUpDuplicateKeyError if the key of one of several items is known
    already. A refusal beside accepted items is unreadable: it does not prove that nothing was done. Whether
    a known key of a single item is an error is for its reader to decide.
    """
    found = read_checked(response)
    if isinstance(found, list) and len(found) == 1:
        found = found[0]
    whole: Item = found if isinstance(found, dict) else {}
    inside = next((whole[name] for name in _LISTS if name in whole), found)
    items = [inside] if isinstance(inside, dict) else inside
    matching = isinstance(items, list) and len(items) == size and _are_items(items)
    if code := error_code(whole):
        if not is_duplicate(code, error_text(whole)):
            if isinstance(items, list) and any(map(_is_accepted, items)):
                raise unreadable_response("a refusal beside accepted items", response.body, response.status)
            raise_error(whole, code, response.status)
        if not matching and size > 1:
            raise KetchUpDuplicateKeyError(
                "a key of one of them is known already", status=response.status, code=code
            )
        items = items if matching else [whole]
    elif not matching:
        raise unreadable_response("results that do not match what was sent", response.body, response.status)
    return whole, items


def read_groups(response: Response, sizes: Sequence[int]) -> tuple[Sequence[Item], Sequence[Item]]:
    """Return what a response says about each of several messages, and about each of their recipients.

    It is a list with an object for each message, as the document's sample for one message suggests, or one
    object for all of them. A message that is refused as a whole stands for each of its recipients.
    """
    found = read_checked(response)
    if not _is_list_of_groups(found, sizes):
        whole, items = read_batch(response, sum(sizes))
        return [whole], items
    groups = zip(found, sizes, strict=True)
    return found, [item for group, size in groups for item in _items_of(group, size, response)]


def _is_list_of_groups(found: object, sizes: Sequence[int]) -> bool:
    if not isinstance(found, list) or len(found) != len(sizes) or len(sizes) < 2:
        return False
    are_items = len(sizes) == sum(sizes) and _are_items(found)
    return all(isinstance(group, dict) for group in found) and not are_items


def _items_of(group: Item, size: int, response: Response) -> list[Item]:
    """Return what a message's object says about each of its recipients."""
    inside: Any = next((group[name] for name in _LISTS if name in group), [])
    items = [inside] if isinstance(inside, dict) else inside
    matching = isinstance(items, list) and len(items) == size and _are_items(items)
    code = error_code(group)
    duplicate = code is not None and is_duplicate(code, error_text(group))
    if matching and (code is None or duplicate or all(map(error_code, items))):
        return list(items)
    if code is None or items:
        raise unreadable_response("results that do not match what was sent", response.body, response.status)
    if duplicate and size > 1:
        raise KetchUpDuplicateKeyError(
            "a key of one of them is known already", status=response.status, code=code
        )
    return [group] * size


def _is_accepted(item: object) -> bool:
    return isinstance(item, dict) and bool(item.get("id")) and error_code(item) is None


def _are_items(found: Sequence[object]) -> bool:
    return not [one for one in found if not isinstance(one, dict) or "result" in one or "messages" in one]
