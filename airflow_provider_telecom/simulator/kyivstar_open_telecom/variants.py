"""Variants of responses that the document leaves open. The vendor's switches select them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import (
    NO_MESSAGE_STATUS,
    NOT_A_SUBSCRIBER,
    RefusedError,
)
from airflow_provider_telecom.simulator.switches import Switches

_STATUS_FIELDS = frozenset({"status", "nextAvailableStatuses", "imeiRes", "timeUnit", "bearerType", "state"})
_FLAGS = frozenset({
    *("simChanged", "isActive", "simTypeChanged", "geoChanged", "imeiChanged", "callForwarding")
})
_KEPT = frozenset({*_STATUS_FIELDS, *_FLAGS, "access_token", "text", "textToSend"})
_TEXT_CODES = 1_000_000
"""Added to codes that are texts, except 1040, as in public clients: 1001003."""

Change = Callable[[Any], Any]


def with_variants(answer: JsonObject, switches: Switches) -> JsonObject:
    """Return a success in the selected variant."""
    if switches["status_case"] == "swapped":
        answer = _changed(answer, _STATUS_FIELDS, lambda text: text.swapcase())
    if switches["flags"] != "number":
        answer = _changed(answer, _FLAGS, bool if switches["flags"] == "boolean" else _flag_text)
    if switches["numbers"] == "text":
        answer = _as_texts(answer)
    if switches["id_spelling"] == "msgID" and "msgId" in answer:
        answer = {"msgID" if name == "msgId" else name: value for name, value in answer.items()}
    return answer


def refusal(error: RefusedError, request_id: str, switches: Switches) -> tuple[int, JsonObject]:
    """Return the HTTP status and the body of a refusal in the selected variant."""
    status, code = error.status, error.code
    if status == 401 and switches["unauthorized"] == "gateway":
        return status, {"error": {"message": error.text}}
    if code == NO_MESSAGE_STATUS:
        status = int(switches["no_message"])
    if code == NOT_A_SUBSCRIBER and switches["no_subscriber"] == "422":
        status, code = 422, NO_MESSAGE_STATUS
    shown: int | str = code
    if switches["error_code"] == "text":
        shown = str(code if code == NO_MESSAGE_STATUS else _TEXT_CODES + code)
    return status, {"reqId": request_id, "errorCode": shown, "errorMsg": error.text}


def _flag_text(flag: bool) -> str:
    return str(int(flag))


def _changed(value: Any, names: frozenset[str], change: Change) -> Any:
    """Return an answer with the values of some fields changed, at any depth."""
    if isinstance(value, Mapping):
        return {
            name: _each(inner, change) if name in names else _changed(inner, names, change)
            for name, inner in value.items()
        }
    return [_changed(inner, names, change) for inner in value] if isinstance(value, list) else value


def _each(value: Any, change: Change) -> Any:
    return [change(inner) for inner in value] if isinstance(value, list) else change(value)


def _as_texts(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: inner if name in _KEPT else _as_texts(inner) for name, inner in value.items()}
    if isinstance(value, list):
        return [_as_texts(inner) for inner in value]
    return str(value) if isinstance(value, (int, float)) and not isinstance(value, bool) else value
