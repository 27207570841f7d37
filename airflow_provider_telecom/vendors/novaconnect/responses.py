"""Reading answers: NovaConnect wraps each in an envelope with a `code` of its own.

Its document gives the envelope of a success only. So nothing counts as one but HTTP 2xx with `code` 200:
a refusal may come as HTTP 200 with `code` 403. A refusal is what has the status or code of one (400 to 499);
what any other code means nobody knows, so it is an answer that cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNotFoundError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import (
    ErrorDetails,
    mentions_failure,
    raise_for_status,
    read_json,
    to_model,
    unreadable_response,
)
from airflow_provider_telecom.calls.retry_after import retry_after

T = TypeVar("T")


class HasId(Protocol):
    """Something with an id."""

    @property
    def id(self) -> int:
        """The id."""


HasIdT = TypeVar("HasIdT", bound=HasId)
_SUCCESS = 200
_NO_ANSWER = (408, 425, 499)
"""Codes of requests that may have arrived all the same."""
_WHOLE_NUMBER = re.compile(r"-?[0-9]{1,9}")
_ERROR_BY_CODE: dict[int, type[TelecomError]] = {
    401: TelecomAuthError,
    403: TelecomAuthError,
    404: TelecomNotFoundError,
    429: TelecomThrottledError,
}


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of a success, and the bytes it was read from."""

    fields: Mapping[str, Any] = field(repr=False)
    body: bytes = field(repr=False)

    def item(self, model: type[T]) -> T:
        """Return the one thing that the answer is about. Raises TelecomAnswerError."""
        return to_model(model, self._part("item"), self.body)

    def item_with_id(self, model: type[HasIdT], wanted: int) -> HasIdT:
        """Return the thing with the id `wanted`. Raises TelecomAnswerError, also for another one."""
        found = self.item(model)
        if found.id != wanted:
            raise unreadable_response("an answer about another id", self.body)
        return found

    def items(self, rows: type[list[T]]) -> list[T]:
        """Return the rows of a list or a report. Raises TelecomAnswerError."""
        return to_model(rows, self._part("items"), self.body)

    def total(self) -> int | None:
        """Return how many rows there are on all pages, or None when the answer does not say."""
        return _number(self.fields.get("all_count"))

    def _part(self, name: str) -> object:
        """Return `result.<name>` or, since tables and samples disagree, `<name>` itself."""
        result = self.fields.get("result")
        for place in (result, self.fields):
            if isinstance(place, Mapping) and name in place:
                return place[name]
        raise unreadable_response(f"an answer without {name}", self.body)


def read_success(answer: Response) -> Envelope:
    """Return the envelope of a success. Raises the TelecomError that anything else stands for."""
    if 400 <= answer.status < 500:
        said = _error_details(answer.body)
        if said.code == str(_SUCCESS):
            raise unreadable_response("an answer that says both yes and no", answer.body, answer.status)
        if answer.status == 404 and said == ErrorDetails():  # not NovaConnect's words, so not its "not found"
            raise TelecomRejectedError(
                "there is nothing at this address: check host and api_path", status=404
            )
    raise_for_status(answer, lambda: _error_details(answer.body))
    fields = read_json(answer.body)
    code = _number(fields.get("code")) if isinstance(fields, dict) else None
    if code is None:
        raise unreadable_response("an answer without code", answer.body)
    if code != _SUCCESS:
        raise _refusal(code, fields, answer)
    return Envelope(fields, answer.body)


def read_effect(answer: Response) -> Envelope:
    """Return the envelope of an effect's success. A success that mentions a failure is none.

    Raises the TelecomError that anything else stands for.
    """
    envelope = read_success(answer)
    if mentions_failure(envelope.fields):
        raise unreadable_response("an answer that says both yes and no", answer.body, answer.status)
    return envelope


def _refusal(code: int, fields: Mapping[str, Any], answer: Response) -> TelecomError:
    if not 400 <= code < 600:
        return unreadable_response(f"an answer with code {code}", answer.body, answer.status)
    is_theirs = code >= 500 or code in _NO_ANSWER
    kind = TelecomServerError if is_theirs else _ERROR_BY_CODE.get(code, TelecomRejectedError)
    wait = retry_after(answer.headers) if kind is TelecomThrottledError else None
    return kind(_text(fields) or "refused", status=answer.status, code=str(code), retry_after=wait)


def _error_details(body: bytes) -> ErrorDetails:
    try:
        fields = read_json(body)
    except TelecomAnswerError:
        return ErrorDetails()
    if not isinstance(fields, dict):
        return ErrorDetails()
    code = _number(fields.get("code"))
    return ErrorDetails(None if code is None else str(code), _text(fields))


def _text(fields: Mapping[str, Any]) -> str:
    texts = (fields.get("message"), fields.get("error"))
    return next((text for text in texts if isinstance(text, str)), "")


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not _WHOLE_NUMBER.fullmatch(str(value).strip()):
        return None
    return int(str(value))
