"""The documented methods, and requests that have passed their checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from email import message_from_bytes
from typing import TYPE_CHECKING

from fastapi import Request

from airflow_provider_telecom.simulator.fields import Field, check
from airflow_provider_telecom.simulator.incoming import JsonObject, json_object, single_parameters
from airflow_provider_telecom.simulator.kyivstar_open_telecom.fields import refuse
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import NOT_JSON, RefusedError, wrong

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import (
        Environment,
        VendorState,
        Version,
    )


@dataclass(frozen=True)
class Call:
    """A request whose token, query and body have passed their checks."""

    state: VendorState
    environment: Environment
    version: Version
    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: JsonObject
    file: bytes = b""
    headers: dict[str, str] = field(default_factory=dict)
    """Those of the response."""

    def record(self, kind: str, **facts: object) -> None:
        """Write an effect into the ledger; its `environment` is live, mock or sandbox."""
        self.state.simulator.record("kyivstar_open_telecom", kind, environment=self.environment, **facts)

    def charge(self, units: int) -> None:
        """Tell the client what the call costs."""
        if self.state.switches.on("tarification_units"):
            self.headers["X-Reserved-Tarification-Units"] = str(units)


@dataclass(frozen=True)
class Method:
    """A method of the API; `fields` are those of its JSON body (None: it has no body).

    `file` is the only field of a multipart form.
    """

    verb: str
    path: str
    answer: Callable[[Call], JsonObject]
    fields: Mapping[str, Field] | None = None
    query: Mapping[str, Field] = field(default_factory=dict)
    file: str | None = None

    def check(self, request: Request, raw: bytes) -> tuple[dict[str, str], JsonObject, bytes]:
        """Return the query, the body and the file of a request. Raises RefusedError."""
        query = single_parameters(request)
        if query is None:
            raise wrong("query", "a parameter comes twice")
        check(query, self.query, refuse)
        if self.file is not None:
            return query, {}, _file(self.file, request.headers.get("content-type", ""), raw)
        body = self._body(raw)
        if self.fields is not None:
            check(body, self.fields, refuse)
        return query, body, b""

    def _body(self, raw: bytes) -> JsonObject:
        if not raw and not self.fields:
            return {}
        if self.fields is None:
            raise RefusedError(400, NOT_JSON, "No body is expected")
        try:
            return json_object(raw)
        except ValueError as error:
            raise RefusedError(400, NOT_JSON, f"The body is not {error}") from None


def _file(name: str, content_type: str, raw: bytes) -> bytes:
    """Return the file of a multipart form that has this field alone."""
    form = message_from_bytes(f"Content-Type: {content_type}\r\n\r\n".encode() + raw)
    parts = form.get_payload() if form.get_content_type() == "multipart/form-data" else []
    if not isinstance(parts, list) or len(parts) != 1 or isinstance(parts[0], str):
        raise RefusedError(400, NOT_JSON, "A multipart form with one file is expected")
    part, content = parts[0], parts[0].get_payload(decode=True)
    is_named = part.get_param("name", header="content-disposition") == name
    if not is_named or not part.get_filename() or not isinstance(content, bytes) or not content:
        raise wrong(name, "a file is expected")
    return content
