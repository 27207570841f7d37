"""Reading of SunSim's responses: an envelope with `error`, whose code is 0 for a success, and `result`.

A refusal can come as HTTP 200 with another code. The document lists no codes. A response to an effect is a
success only if it has the documented form or holds nothing. The meaning of any other form is unknown.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from decimal import Decimal
from typing import Any, TypedDict

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomRejectedError,
)
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import (
    ErrorDetails,
    mentions_failure,
    raise_for_status,
    read_json,
    unreadable_response,
)
from airflow_provider_telecom.vendors.sunsim.models import Result

JsonObject = dict[str, Any]

METADATA_FIELDS = frozenset({"apiName", "apiVersion", "callTime", "responseDuration"})
"""The fields of each `result` that describe the request."""


class EnvelopeFacts(TypedDict):
    """What each envelope says besides `error` and `result`."""

    code: int | str | None
    request_hash: str | None


_AUTH_CODES = ("401", "403")
_AUTH_WORDS = re.compile(r"unauthori[sz]ed|forbidden|\b(token|jwt|bearer)\b|токен|не ?авториз", re.IGNORECASE)
_TOKEN = re.compile(r"\b(token|jwt)\b|токен", re.IGNORECASE)
_DEAD_TOKEN = re.compile(r"expired|invalid|not valid|revoked|недейств|не ?валид|истек|истёк", re.IGNORECASE)
_MAX_ERROR_BYTES = 65_536
_CODE = re.compile(r"-?[0-9]{1,9}|[A-Za-z_]{1,40}")
_ZERO = re.compile(r"[+-]?0+(\.0+)?")
_ENVELOPE = frozenset({"error", "result", "code", "requestHash"})
_ID_NAME = re.compile(r".*(Id|ID|_id|uuid)|id", re.ASCII)
_SUCCESS_CODES = frozenset({"", "0", "200"})


def envelope(response: Response) -> JsonObject:
    """Return the envelope of a success. Raises a TelecomError for anything else, with its `requestHash`."""
    with _add_reference(response):
        return _success_envelope(response)


def _success_envelope(response: Response) -> JsonObject:
    if response.status == 404 and _error_details(response.body) == ErrorDetails():  # not from SunSim
        raise TelecomRejectedError("there is nothing at this address: check host and api_path", status=404)
    raise_for_status(response, lambda: _error_details(response.body))
    body = read_json(response.body)
    if not isinstance(body, dict):
        raise unreadable_response("not a JSON object", response.body, response.status)
    error = body.get("error")
    if error is not None and (
        not isinstance(error, dict) or isinstance(error.get("errorCode"), (bool, list, dict))
    ):
        raise unreadable_response("an error in an undocumented form", response.body, response.status)
    error_details = _complaint_of(body)
    if error_details.code:
        is_auth = error_details.code in _AUTH_CODES or _AUTH_WORDS.search(error_details.text)
        error_class = TelecomAuthError if is_auth else TelecomRejectedError
        raise error_class(error_details.text or "refused", status=response.status, code=error_details.code)
    if error_details.text and not _has_code_0(body):
        raise unreadable_response("an error without a code", response.body, response.status)
    return body


@contextmanager
def _add_reference(response: Response) -> Iterator[None]:
    """Add the `requestHash` of a response to errors."""
    try:
        yield
    except TelecomError as error:
        if (reference := _reference_of(response.body)) is not None:
            error.reference = reference
        raise


def _reference_of(body: bytes) -> str | None:
    try:
        found = read_json(body) if len(body) <= _MAX_ERROR_BYTES else None
    except TelecomAnswerError:
        return None
    return _request_hash(found) if isinstance(found, dict) else None


def rejects_token(response: Response) -> bool:
    """Return whether a response rejects the access token: HTTP 401, or an error that says so.

    The document names no status, and other refusals come as HTTP 200 with an `errorCode`.
    """
    if response.status == 401 or not (response.status == 200 or 400 <= response.status < 500):
        return response.status == 401
    error_details = (
        _error_details(response.body) if len(response.body) <= _MAX_ERROR_BYTES else ErrorDetails()
    )
    names_dead_token = _DEAD_TOKEN.search(error_details.text) and _TOKEN.search(error_details.text)
    return error_details.code == "401" or (error_details.code is not None and names_dead_token is not None)


def facts_of(body: JsonObject) -> EnvelopeFacts:
    """Return `code` and `requestHash` of an envelope. The document explains neither: they may be anything."""
    code = body.get("code")
    return {
        "code": code if isinstance(code, (int, str)) and not isinstance(code, bool) else None,
        "request_hash": _request_hash(body),
    }


def _request_hash(body: JsonObject) -> str | None:
    found = body.get("requestHash")
    return found.strip() or None if isinstance(found, str) else None


def read_effect(response: Response, *, documented: bool) -> Result:
    """Return the content of the response to an effect, without its `error`, if the effect happened.

    `documented`: the document shows the response, as an envelope. Otherwise an empty response, or an object
    that holds only ids, is a success too. Raises TelecomAnswerError for a response that is neither a success
    nor a clear refusal, and the TelecomError of a refusal.
    """
    if not documented and not response.body.strip():
        raise_for_status(response, ErrorDetails)
        return Result()
    body = envelope(response)
    result = {} if body.get("result") is None else body["result"]
    others = {name: value for name, value in body.items() if name not in _ENVELOPE}
    with _add_reference(response):
        if not _is_success(body, result, others, documented):
            raise unreadable_response(
                "a response that is neither a success nor a refusal", response.body, response.status
            )
    return Result(result={**others, **result}, **facts_of(body))


def _is_success(body: JsonObject, result: object, others: JsonObject, documented: bool) -> bool:
    """Return whether an envelope without a refusal says, by its code or content, that an effect happened."""
    error, code = body.get("error") or {}, body.get("code")
    extra = {name: value for name, value in error.items() if name not in ("errorCode", "errorMessage")}
    if not isinstance(result, dict) or mentions_failure([others, result, {"error": extra}]):
        return False
    if isinstance(code, bool) or str("" if code is None else code).strip() not in _SUCCESS_CODES:
        return False
    has_result = isinstance(body.get("result"), dict) or not documented
    return _has_code_0(body) or (has_result and all(map(_holds_only_ids, (others, result))))


def _holds_only_ids(fields: JsonObject) -> bool:
    """Return whether all fields are ids of what was created, or describe the request."""
    return all(name in METADATA_FIELDS or _is_id(name, value) for name, value in fields.items())


def _is_id(name: str, value: object) -> bool:
    is_filled = isinstance(value, (str, int)) and not isinstance(value, bool) and str(value).strip()
    return bool(is_filled) and _ID_NAME.fullmatch(name) is not None


def require_result(body: JsonObject, response: Response) -> JsonObject:
    """Return the `result` of an envelope. Raises TelecomAnswerError if there is none."""
    result = body.get("result")
    if not isinstance(result, dict):
        raise unreadable_response("a response without result", response.body, response.status)
    return result


def plain(value: Any) -> Any:
    """Return JSON with fractions as float, as it can be written again."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _error_details(body: bytes) -> ErrorDetails:
    try:
        found = read_json(body)
    except TelecomAnswerError:
        return ErrorDetails()
    return _complaint_of(found) if isinstance(found, dict) else ErrorDetails()


def _complaint_of(body: JsonObject) -> ErrorDetails:
    error = body.get("error")
    if not isinstance(error, dict):
        return ErrorDetails(None, error if isinstance(error, str) else "")
    code, text = error.get("errorCode"), error.get("errorMessage")
    return ErrorDetails(_code(code), text if isinstance(text, str) else "")


def _has_code_0(body: JsonObject) -> bool:
    error = body.get("error")
    return isinstance(error, dict) and _ZERO.fullmatch(str(error.get("errorCode")).strip()) is not None


def _code(value: object) -> str | None:
    code = "" if value is None or isinstance(value, bool) else str(value).strip()
    if not code or _ZERO.fullmatch(code):
        return None
    return code if _CODE.fullmatch(code) else "unreadable"
