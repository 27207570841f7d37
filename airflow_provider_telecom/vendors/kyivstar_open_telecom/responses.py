"""Reading of Kyivstar's responses: three forms of error bodies, and results that may be wrapped."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
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
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    RESERVED_UNITS_HEADER,
    UNKNOWN_ITEM,
    BatchAccepted,
    BatchItem,
    BatchResult,
    MessageStatus,
)

T = TypeVar("T")

JsonObject = Mapping[str, Any]

CODE_NOT_FOUND = "1040"
"""For a message: unknown, or still on its way. For a number: not a subscriber. Found in public clients."""

# A code of another form could be a phone number or a text. Phone numbers have at least 9 digits.
_CODE = re.compile(r"-?[0-9]{1,8}|(?!.*[0-9]{9})[A-Za-z][A-Za-z0-9_.-]{0,39}")
_STATUSES_OF_1040 = (200, 400, 404, 422)
_NO_ERROR = ("", "0")
_UNREADABLE = "unreadable"
_MENTIONS_AN_ERROR = re.compile("error|(?<!de)fault|exception", re.IGNORECASE)
_METADATA_FIELDS = frozenset({"reqId", "cid"})


def error_details(response: Response) -> ErrorDetails:
    """Return the code and the text of an error body in any of the vendor's three forms.

    `{"error": {"message"}}` comes from the gateway, `{"error", "error_description", ...}` from the token
    endpoint, `{"reqId", "errorCode", "errorMsg"}` from the others. `error_hint` and `error_verbose` are
    ignored: they may repeat what was sent.
    """
    return _complaint_of(_object(response))


def content(response: Response) -> dict[str, Any]:
    """Return the object of a successful response, without its wrapper `resource` if there is one.

    `reqId`, which the vendor's support asks for, comes from the header if the body has none. What a paid call
    costs is the field `x-reserved-tarification-units`, from the header of that name. Errors:

    - 404 is TelecomNotFoundError only with the vendor's `errorCode` or `reqId`. Any other 404 comes from a
      gateway or another server and is TelecomRejectedError: it says nothing about the requested object.
    - Code 1040 is TelecomNotFoundError with status 200, 400, 404 and 422.
    - A 2xx other than 200, which the document does not have, is TelecomAnswerError.
    - A 2xx with an `errorCode` and without a result is TelecomRejectedError.
    - A 2xx that mentions an error in any other way is TelecomAnswerError, which leaves an effect unknown.
    """
    _refuse(response)
    if response.status != 200:
        raise unreadable_response("a success status other than 200", response.body, response.status)
    body = read_json(response.body)
    if not isinstance(body, dict):
        raise unreadable_response("not a JSON object", response.body, response.status)
    resource = body.get("resource")
    inner = resource if isinstance(resource, dict) else {}
    outer = {name: value for name, value in body.items() if name != "resource"}
    for part in (outer, inner):
        _refuse_errors(part, {**outer, **inner}, response)
    headers: dict[str, Any] = {"reqId": response.headers.get("x-request-id")}
    if (units := _units(response.headers.get(RESERVED_UNITS_HEADER, ""))) is not None:
        headers[RESERVED_UNITS_HEADER] = units
    return {**headers, **outer, **inner}


def reader(model: type[T]) -> Callable[[Response], T]:
    """Return a function that reads a response as a `model`."""
    return lambda response: to_model(model, content(response), response.body)


def read_batch(response: Response, names: Sequence[str]) -> BatchResult:
    """Return what became of the SMS of a batch, by the names that they have in the request.

    A response that settles none of them is TelecomAnswerError: the outcome of the whole batch is unknown.
    """
    found = to_model(BatchAccepted, content(response), response.body)
    items = [_batch_item(found.data.get(name)) for name in names]
    if all(item.state == "unknown" for item in items):
        raise unreadable_response("no SMS of the batch is in the response", response.body, response.status)
    return BatchResult(items, found.request_id, found.reserved_units)


def read_batch_status(response: Response, ids: Sequence[str]) -> dict[str, MessageStatus | None]:
    """Return the statuses in a response, and None for each id that it gives none for."""
    found = to_model(BatchAccepted, content(response), response.body)
    return {id_: _batch_status(found.data.get(id_), id_) for id_ in ids}


def _batch_item(item: object) -> BatchItem:
    """Return an item of a response. An item that cannot be read, or contradicts itself, is unknown.

    Only an `errorCode` says that the vendor has refused it; no `code` does.
    """
    if not isinstance(item, dict):
        return UNKNOWN_ITEM
    code = _code(item.get("errorCode"))
    if code == _UNREADABLE:
        return UNKNOWN_ITEM
    try:
        read = to_model(BatchItem, {**item, "code": None, "errorCode": code})
    except TelecomAnswerError:
        return UNKNOWN_ITEM
    return UNKNOWN_ITEM if code is None and _mentions_an_error(item) else read


def _batch_status(item: object, id_: str) -> MessageStatus | None:
    if not isinstance(item, dict) or _mentions_an_error(item) or _code(item.get("errorCode")) is not None:
        return None
    try:
        status = to_model(MessageStatus, {"msgId": id_, **item})
    except TelecomAnswerError:
        return None
    return status if status.message_id == id_ else None


def _refuse(response: Response) -> None:
    """Raise the error of an error status or of code 1040."""
    body = _object(response)
    found = _complaint_of(body)
    if found.code == CODE_NOT_FOUND and response.status in _STATUSES_OF_1040:
        raise TelecomNotFoundError(found.text or "not found", status=response.status, code=found.code)
    if response.status == 404 and body.get("errorCode") is None and body.get("reqId") is None:
        raise TelecomRejectedError(
            "a 404 without the vendor's errorCode or reqId: the address is not known there. Check the "
            "connection's host and environment",
            status=404,
        )
    raise_for_status(response, lambda: found)


def _refuse_errors(part: JsonObject, whole: JsonObject, response: Response) -> None:
    """Raise an error if a part of a 2xx response mentions an error."""
    code = _code(part.get("errorCode"))
    if code is None and not _mentions_an_error(part):
        return
    has_result = any(
        value is not None and name not in _METADATA_FIELDS and not _MENTIONS_AN_ERROR.search(name)
        for name, value in whole.items()
    )
    if code is None or has_result:
        raise unreadable_response(
            "a success status with an error in the body", response.body, response.status
        )
    raise TelecomRejectedError(_complaint_of(part).text or "refused", status=response.status, code=code)


def _mentions_an_error(part: JsonObject) -> bool:
    """Return whether fields mention an error without an `errorCode`. `errorMsg` is allowed with code 0."""
    if part.get("success") is False:
        return True
    has_code = part.get("errorCode") is not None
    return any(
        bool(value) and value not in _NO_ERROR
        for name, value in part.items()
        if _MENTIONS_AN_ERROR.search(name) and not (has_code and name in ("errorCode", "errorMsg"))
    )


def _object(response: Response) -> dict[str, Any]:
    try:
        body = read_json(response.body)
    except TelecomAnswerError:
        return {}
    return body if isinstance(body, dict) else {}


def _complaint_of(body: JsonObject) -> ErrorDetails:
    error = body.get("error")
    if isinstance(error, dict):
        return ErrorDetails(None, _text(error.get("message")))
    if error:
        return ErrorDetails(_code(error), _text(body.get("error_description")))
    return ErrorDetails(_code(body.get("errorCode")), _text(body.get("errorMsg")))


def _code(value: object) -> str | None:
    """Return an error code, which may be a number or a text; None for 0, false and an empty value."""
    code = "" if value is None or value is False else str(value).strip()
    if code in _NO_ERROR:
        return None
    return code if value is not True and _CODE.fullmatch(code) else _UNREADABLE


def _units(header: str) -> int | float | None:
    """Return the number in a header, or None for anything else."""
    found = re.fullmatch(r"([0-9]{1,9})(\.[0-9]{1,6})?", header.strip())
    if found is None:
        return None
    return float(found[0]) if found[2] else int(found[0])


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""
