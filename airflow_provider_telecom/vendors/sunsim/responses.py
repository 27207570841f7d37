"""Reading answers: SunSim's envelope is `error` with a code that is 0 when all is well, beside `result`.

A refusal can come as HTTP 200 with another code. The document lists no codes. An answer to an effect is a
success only if it is the document's, or holds nothing: what an answer of another form means, nobody knows.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
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

METADATA_FIELDS = frozenset({"apiName", "apiVersion", "callTime", "responseDuration"})
"""The fields of each `result` that say something about the request itself."""

_AUTH_CODES = ("401", "403")
_AUTH_WORDS = re.compile(r"unauthori[sz]ed|forbidden|\b(token|jwt|bearer)\b|токен|не ?авториз", re.IGNORECASE)
_TOKEN = re.compile(r"\b(token|jwt)\b|токен", re.IGNORECASE)
_DEAD_TOKEN = re.compile(r"expired|invalid|not valid|revoked|недейств|не ?валид|истек|истёк", re.IGNORECASE)
_LONGEST_ERROR = 65_536
_CODE = re.compile(r"-?[0-9]{1,9}|[A-Za-z_]{1,40}")
_ZERO = re.compile(r"[+-]?0+(\.0+)?")
_ENVELOPE = frozenset({"error", "result", "code", "requestHash"})
_NAMES_A_THING = re.compile(r".*(Id|ID|_id|uuid)|id", re.ASCII)
_FINE_CODES = frozenset({"", "0", "200"})


def envelope(answer: Response) -> dict[str, Any]:
    """Return the envelope of a success. Raises the TelecomError that anything else stands for."""
    if answer.status == 404 and _error_details(answer.body) == ErrorDetails():  # not SunSim's words
        raise TelecomRejectedError("there is nothing at this address: check host and api_path", status=404)
    raise_for_status(answer, lambda: _error_details(answer.body))
    body = read_json(answer.body)
    if not isinstance(body, dict):
        raise unreadable_response("not a JSON object", answer.body, answer.status)
    error = body.get("error")
    if error is not None and (not isinstance(error, dict) or _has_odd_code(error)):
        raise unreadable_response("an error that is not as the document shows it", answer.body, answer.status)
    said = _said(body)
    if said.code:
        looks_like_auth = said.code in _AUTH_CODES or _AUTH_WORDS.search(said.text)
        kind = TelecomAuthError if looks_like_auth else TelecomRejectedError
        raise kind(said.text or "refused", status=answer.status, code=said.code)
    if said.text and not _is_fine(body):
        raise unreadable_response("an error without a code", answer.body, answer.status)
    return body


def rejects_token(answer: Response) -> bool:
    """Return whether an answer refuses the access token: HTTP 401, or an error that says so.

    The document names no status, and HTTP 200 with an `errorCode` is how other refusals come.
    """
    if answer.status == 401 or not (answer.status == 200 or 400 <= answer.status < 500):
        return answer.status == 401
    said = _error_details(answer.body) if len(answer.body) <= _LONGEST_ERROR else ErrorDetails()
    speaks = _DEAD_TOKEN.search(said.text) and _TOKEN.search(said.text)
    return said.code == "401" or (said.code is not None and speaks is not None)


def effect_result(answer: Response, *, documented: bool) -> dict[str, Any]:
    """Return what the answer to an effect holds beside its error and code, when the effect was done.

    `documented`: the document shows the answer, as an envelope. Without that an empty answer is a success as
    well, and so is an object that holds nothing but ids. Raises the TelecomError that anything else stands
    for: TelecomAnswerError for an answer that is neither a success nor a clear refusal.
    """
    if not documented and not answer.body.strip():
        raise_for_status(answer, ErrorDetails)
        return {}
    body = envelope(answer)
    result = {} if body.get("result") is None else body["result"]
    others = {name: value for name, value in body.items() if name not in _ENVELOPE}
    if not _is_success(body, result, others, documented):
        raise unreadable_response("an answer that says neither yes nor no", answer.body, answer.status)
    return {**others, **result}


def _is_success(body: Mapping[str, Any], result: object, others: Mapping[str, Any], documented: bool) -> bool:
    """Whether an envelope without a refusal says, by its code or what it holds, that an effect was done."""
    error, code = body.get("error") or {}, body.get("code")
    judged = {name: value for name, value in error.items() if name not in ("errorCode", "errorMessage")}
    if not isinstance(result, dict) or mentions_failure([others, result, {"error": judged}]):
        return False
    if isinstance(code, bool) or str("" if code is None else code).strip() not in _FINE_CODES:
        return False
    told = isinstance(body.get("result"), dict) or not documented
    return _is_fine(body) or (told and _holds_only_ids(others) and _holds_only_ids(result))


def _holds_only_ids(fields: Mapping[str, Any]) -> bool:
    """Whether an object holds nothing but ids of what was made, and facts about the request."""
    return all(name in METADATA_FIELDS or _is_id(name, value) for name, value in fields.items())


def _is_id(name: str, value: object) -> bool:
    is_written = isinstance(value, (str, int)) and not isinstance(value, bool)
    return is_written and bool(str(value).strip()) and _NAMES_A_THING.fullmatch(name) is not None


def require_result(body: Mapping[str, Any], answer: Response) -> dict[str, Any]:
    """Return the `result` of an envelope. Raises TelecomAnswerError when there is none."""
    result = body.get("result")
    if not isinstance(result, dict):
        raise unreadable_response("an answer without result", answer.body, answer.status)
    return result


def plain(value: Any) -> Any:
    """Return what was read as JSON would write it again: fractions as numbers in place of Decimal."""
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
    return _said(found) if isinstance(found, dict) else ErrorDetails()


def _said(body: Mapping[str, Any]) -> ErrorDetails:
    error = body.get("error")
    if not isinstance(error, dict):
        return ErrorDetails(None, error if isinstance(error, str) else "")
    code, text = error.get("errorCode"), error.get("errorMessage")
    return ErrorDetails(_code(code), text if isinstance(text, str) else "")


def _is_fine(body: Mapping[str, Any]) -> bool:
    """Whether an envelope says by its code that all is well."""
    error = body.get("error")
    return isinstance(error, dict) and _ZERO.fullmatch(str(error.get("errorCode")).strip()) is not None


def _has_odd_code(error: Mapping[str, Any]) -> bool:
    code = error.get("errorCode")
    return isinstance(code, (bool, list, dict))


def _code(value: Any) -> str | None:
    code = "" if value is None or isinstance(value, bool) else str(value).strip()
    if not code or _ZERO.fullmatch(code):
        return None
    return code if _CODE.fullmatch(code) else "unreadable"
