"""How NovaConnect's responses are read: each is an envelope with a `code` of its own.

The document shows the envelope of a success only. So a success is HTTP 2xx with `code` 200 and nothing else:
a refusal may come as HTTP 200 with `code` 403. A status or code of 400 to 499 is a refusal. The meaning of
any other code is not documented, so such a response cannot be read.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol, TypeVar, cast

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomError,
    TelecomRejectedError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.json_columns import JsonObjects
from airflow_provider_telecom.calls.request import Response
from airflow_provider_telecom.calls.responses import (
    ErrorDetails,
    error_for_status,
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
_INTEGER = re.compile(r"-?[0-9]{1,9}")


@dataclass(frozen=True, slots=True)
class Envelope:
    """The envelope of a success, and the bytes it was read from."""

    fields: Mapping[str, object] = field(repr=False)
    body: bytes = field(repr=False)

    def item(self, model: type[T]) -> T:
        """Return the one object that the response is about. Raises TelecomAnswerError."""
        return to_model(model, self._part("item"), self.body)

    def items(self, rows: type[list[T]]) -> list[T]:
        """Return the rows of a list or a report. Raises TelecomAnswerError."""
        found = self._part("items")
        if rows == list[dict[str, Any]] and isinstance(found, list) and set(map(type, found)) <= {dict}:
            return cast("list[T]", JsonObjects(found))
        return to_model(rows, found, self.body)

    def total(self) -> int | None:
        """Return how many rows there are on all pages, or None if the response has no count."""
        return _number(self.fields.get("all_count"))

    def _part(self, name: str) -> object:
        """Return `result.<name>` or, because tables and samples of the document differ, `<name>` itself."""
        result = self.fields.get("result")
        for place in (result, self.fields):
            if isinstance(place, Mapping) and name in place:
                return place[name]
        raise unreadable_response(f"an answer without {name}", self.body)


def item_of(model: type[HasIdT], expected_id: int | None = None) -> Callable[[Envelope], HasIdT]:
    """Return a function that reads the object of a response. It raises TelecomAnswerError for another id."""

    def read(envelope: Envelope) -> HasIdT:
        found = envelope.item(model)
        if expected_id not in (None, found.id):
            raise unreadable_response("an answer about another id", envelope.body)
        return found

    return read


def read_success(response: Response) -> Envelope:
    """Return the envelope of a success. Raises the TelecomError that any other response means."""
    if 400 <= response.status < 500:
        said = _error_details(response.body)
        if said.code == str(_SUCCESS):
            raise unreadable_response("an answer that says both yes and no", response.body, response.status)
        if (
            response.status == 404 and said == ErrorDetails()
        ):  # a gateway's page, not NovaConnect's "not found"
            raise TelecomRejectedError(
                "there is nothing at this address: check host and api_path", status=404
            )
    raise_for_status(response, lambda: _error_details(response.body))
    fields = read_json(response.body)
    code = _number(fields.get("code")) if isinstance(fields, dict) else None
    if code is None:
        raise unreadable_response("an answer without code", response.body)
    if code != _SUCCESS:
        raise _refusal(code, fields, response)
    return Envelope(fields, response.body)


def read_effect(response: Response) -> Envelope:
    """Return the envelope of an effect's success. Raises TelecomAnswerError if it also mentions a failure."""
    envelope = read_success(response)
    if mentions_failure(envelope.fields):
        raise unreadable_response("an answer that says both yes and no", response.body, response.status)
    return envelope


def _refusal(code: int, fields: Mapping[str, object], response: Response) -> TelecomError:
    if not 400 <= code < 600:
        return unreadable_response(f"an answer with code {code}", response.body, response.status)
    kind = error_for_status(code)
    wait = retry_after(response.headers) if kind is TelecomThrottledError else None
    return kind(_text(fields) or "refused", status=response.status, code=str(code), retry_after=wait)


def _error_details(body: bytes) -> ErrorDetails:
    try:
        fields = read_json(body)
    except TelecomAnswerError:
        return ErrorDetails()
    if not isinstance(fields, dict):
        return ErrorDetails()
    code = _number(fields.get("code"))
    return ErrorDetails(None if code is None else str(code), _text(fields))


def _text(fields: Mapping[str, object]) -> str:
    texts = (fields.get("message"), fields.get("error"))
    return next((text for text in texts if isinstance(text, str)), "")


def _number(value: object) -> int | None:
    if isinstance(value, bool) or not _INTEGER.fullmatch(str(value).strip()):
        return None
    return int(str(value))
