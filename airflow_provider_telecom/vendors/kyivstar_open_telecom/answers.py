"""Reading Kyivstar's answers: three forms of error bodies, and results that may be wrapped."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any, TypeVar

from airflow_provider_telecom.calls.answers import (
    Complaint,
    as_model,
    read_json,
    refuse_by_status,
    unreadable,
)
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomRejectedError
from airflow_provider_telecom.calls.request import Response

T = TypeVar("T")

# Whatever else stands in the code's place could be a number or a text of somebody's.
_CODE = re.compile(r"-?[0-9]{1,6}|[A-Za-z_]{1,40}")


def complaint(answer: Response) -> Complaint:
    """Return what an error body says, whichever of the vendor's three forms it has.

    `{"error": {"message"}}` comes from the gateway, `{"error", "error_description", ...}` from the token
    endpoint, `{"reqId", "errorCode", "errorMsg"}` from the rest. `error_hint` and `error_verbose` may
    echo what was sent, so they are not read.
    """
    try:
        return _said(read_json(answer.body))
    except TelecomAnswerError:
        return Complaint()


def _said(body: Any) -> Complaint:
    if not isinstance(body, dict):
        return Complaint()
    error = body.get("error")
    if isinstance(error, dict):
        return Complaint(None, _text(error.get("message")))
    if error:
        return Complaint(_code(error), _text(body.get("error_description")))
    return Complaint(_code(body.get("errorCode")), _text(body.get("errorMsg")))


def _code(value: Any) -> str | None:
    """Return a code, which comes as a number or as a string; 0 and nothing are no error."""
    code = "" if value is None else str(value).strip()
    if code in ("", "0"):
        return None
    return code if _CODE.fullmatch(code) else "unreadable"


def _text(value: Any) -> str:
    return value if isinstance(value, str) else ""


def content(answer: Response) -> dict[str, Any]:
    """Return the object that a good answer holds, out of its `resource` if it is wrapped.

    `reqId`, which support asks for, is taken from the header where the body has none. A 2xx with an
    error code is a refusal. Raises what the status or the code stands for, or TelecomAnswerError.
    """
    refuse_by_status(answer, lambda: complaint(answer))
    found = read_json(answer.body)
    if not isinstance(found, dict):
        raise unreadable("not a JSON object", answer.body, answer.status)
    said = _said(found)
    if said.code:
        raise TelecomRejectedError(said.text or "refused", status=answer.status, code=said.code)
    resource = found.pop("resource", None)
    inner = resource if isinstance(resource, dict) else {}
    return {"reqId": answer.headers.get("x-request-id"), **found, **inner}


def reader(model: type[T]) -> Callable[[Response], T]:
    """Return a function that reads an answer as a `model`."""
    return lambda answer: as_model(model, content(answer), answer.body)
