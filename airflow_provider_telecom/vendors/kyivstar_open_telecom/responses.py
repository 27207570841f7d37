"""Reading Kyivstar's answers: three forms of error bodies, and results that may be wrapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

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

T = TypeVar("T")

CODE_NOT_FOUND = "1040"
"""Of a message: unknown, or on its way still. Of a number: not a subscriber. Both found in public clients."""

# Anything else in the code's place could be somebody's number or text: numbers have 9 digits and more.
_CODE = re.compile(r"-?[0-9]{1,8}|(?!.*[0-9]{9})[A-Za-z][A-Za-z0-9_.-]{0,39}")
_STATUSES_OF_1040 = (200, 400, 404, 422)
_NONE = ("", "0")
_MENTIONS_AN_ERROR = re.compile("error|(?<!de)fault|exception", re.IGNORECASE)
_BESIDE_A_RESULT = frozenset({"reqId", "cid", "resource"})


def error_details(answer: Response) -> ErrorDetails:
    """Return what an error body says, whichever of the vendor's three forms it has.

    `{"error": {"message"}}` comes from the gateway, `{"error", "error_description", ...}` from the token
    endpoint, `{"reqId", "errorCode", "errorMsg"}` from the rest. `error_hint` and `error_verbose` may
    echo what was sent, so they are not read.
    """
    return _said(_object(answer))


def content(answer: Response) -> dict[str, Any]:
    """Return the object that a good answer holds, out of its `resource` if it is wrapped.

    `reqId`, which support asks for, is taken from the header where the body has none. Raises what the
    status or the vendor's code stands for:

    - 404 is TelecomNotFoundError only with the vendor's `errorCode` or `reqId`. Any other 404 is a
      gateway's or another server's, and TelecomRejectedError: it says nothing about what was asked for.
    - Code 1040 is TelecomNotFoundError with status 200, 400, 404 and 422.
    - A 2xx other than 200, which the document does not have, is TelecomAnswerError.
    - A 2xx that holds an `errorCode` and no result is TelecomRejectedError.
    - A 2xx that mentions an error in any other way is TelecomAnswerError, which leaves an effect unknown.
    """
    _refuse(answer)
    if answer.status != 200:
        raise unreadable_response("a good status that is not the document's 200", answer.body, answer.status)
    found = read_json(answer.body)
    if not isinstance(found, dict):
        raise unreadable_response("not a JSON object", answer.body, answer.status)
    resource = found.get("resource")
    inner = resource if isinstance(resource, dict) else {}
    outer = {name: value for name, value in found.items() if name != "resource"}
    for part in (outer, inner):
        _refuse_mentioned_errors(part, {**outer, **inner}, answer)
    return {"reqId": answer.headers.get("x-request-id"), **outer, **inner}


def reader(model: type[T]) -> Callable[[Response], T]:
    """Return a function that reads an answer as a `model`."""
    return lambda answer: to_model(model, content(answer), answer.body)


def _refuse(answer: Response) -> None:
    """Raise what an error status or code 1040 stands for."""
    body = _object(answer)
    said = _said(body)
    if said.code == CODE_NOT_FOUND and answer.status in _STATUSES_OF_1040:
        raise TelecomNotFoundError(said.text or "not found", status=answer.status, code=said.code)
    if answer.status == 404 and body.get("errorCode") is None and body.get("reqId") is None:
        raise TelecomRejectedError(
            "a 404 without the vendor's errorCode or reqId: the address is not known there. Check the "
            "connection's host and environment",
            status=404,
        )
    raise_for_status(answer, lambda: said)


def _refuse_mentioned_errors(part: Mapping[str, Any], whole: Mapping[str, Any], answer: Response) -> None:
    """Raise an error if a 2xx says that something went wrong."""
    code = _code(part.get("errorCode"))
    if code is None and not _mentions_an_error(part):
        return
    has_result = any(
        value is not None and name not in _BESIDE_A_RESULT and not _MENTIONS_AN_ERROR.search(name)
        for name, value in whole.items()
    )
    if code is None or has_result:
        raise unreadable_response("a good status with an error in it", answer.body, answer.status)
    said = _said(part)
    raise TelecomRejectedError(said.text or "refused", status=answer.status, code=code)


def _mentions_an_error(part: Mapping[str, Any]) -> bool:
    """Return whether fields speak of an error without an `errorCode`. With code 0 an `errorMsg` is fine."""
    if part.get("success") is False:
        return True
    fine = part.get("errorCode") is not None
    return any(
        bool(value) and value not in _NONE
        for name, value in part.items()
        if _MENTIONS_AN_ERROR.search(name) and not (fine and name in ("errorCode", "errorMsg"))
    )


def _object(answer: Response) -> dict[str, Any]:
    try:
        body = read_json(answer.body)
    except TelecomAnswerError:
        return {}
    return body if isinstance(body, dict) else {}


def _said(body: Mapping[str, Any]) -> ErrorDetails:
    error = body.get("error")
    if isinstance(error, dict):
        return ErrorDetails(None, _text(error.get("message")))
    if error:
        return ErrorDetails(_code(error), _text(body.get("error_description")))
    return ErrorDetails(_code(body.get("errorCode")), _text(body.get("errorMsg")))


def _code(value: Any) -> str | None:
    """Return a code, which comes as a number or as a text; 0 and nothing are no error."""
    code = "" if value is None else str(value).strip()
    if code in _NONE:
        return None
    return code if _CODE.fullmatch(code) else "unreadable"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""
