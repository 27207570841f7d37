"""Reading answers: SunSim's envelope is `error` with a code that is 0 when all is well, beside `result`.

A refusal can come as HTTP 200 with another code. The document lists no codes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from airflow_provider_telecom.calls.answers import Complaint, read_json, refuse_by_status, unreadable
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomRejectedError,
)
from airflow_provider_telecom.calls.request import Response

_FINE = ("", "0")
_AUTH_CODES = ("401", "403")
_AUTH_WORDS = re.compile(r"unauthori[sz]ed|forbidden|\b(token|jwt|bearer)\b|токен|не ?авториз", re.IGNORECASE)
_CODE = re.compile(r"-?[0-9]{1,9}|[A-Za-z_]{1,40}")


def envelope(answer: Response) -> dict[str, Any]:
    """Return the envelope of a success. Raises the TelecomError that anything else stands for."""
    refuse_by_status(answer, lambda: _complaint(answer.body))
    body = read_json(answer.body)
    if not isinstance(body, dict):
        raise unreadable("not a JSON object", answer.body, answer.status)
    said = _said(body)
    if said.code:
        looks_like_auth = said.code in _AUTH_CODES or _AUTH_WORDS.search(said.text)
        kind = TelecomAuthError if looks_like_auth else TelecomRejectedError
        raise kind(said.text or "refused", status=answer.status, code=said.code)
    if said.text and "result" not in body:
        raise unreadable("an error without a code", answer.body, answer.status)
    return body


def result_of(body: Mapping[str, Any], answer: Response) -> dict[str, Any]:
    """Return the `result` of an envelope. Raises TelecomAnswerError when there is none."""
    result = body.get("result")
    if not isinstance(result, dict):
        raise unreadable("an answer without result", answer.body, answer.status)
    return result


def plain(value: Any) -> Any:
    """Return what was read as JSON would write it again: fractions as numbers in place of Decimal."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    return float(value) if isinstance(value, Decimal) else value


def _complaint(body: bytes) -> Complaint:
    try:
        found = read_json(body)
    except TelecomAnswerError:
        return Complaint()
    return _said(found) if isinstance(found, dict) else Complaint()


def _said(body: Mapping[str, Any]) -> Complaint:
    error = body.get("error")
    if not isinstance(error, dict):
        return Complaint(None, error if isinstance(error, str) else "")
    code, text = error.get("errorCode"), error.get("errorMessage")
    return Complaint(_code(code), text if isinstance(text, str) else "")


def _code(value: Any) -> str | None:
    code = "" if value is None else str(value).strip()
    if code in _FINE:
        return None
    return code if _CODE.fullmatch(code) else "unreadable"
