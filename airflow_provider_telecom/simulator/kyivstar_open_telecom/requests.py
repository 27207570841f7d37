"""The documented methods, and requests that have passed their checks."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from fastapi import Request

from airflow_provider_telecom.simulator.fields import Field, check
from airflow_provider_telecom.simulator.incoming import JsonObject, json_object, single_parameters
from airflow_provider_telecom.simulator.kyivstar_open_telecom.fields import refuse
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import NOT_JSON, RefusedError, wrong

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import Environment, VendorState


@dataclass(frozen=True)
class Call:
    """A request whose token, query and body have passed their checks."""

    state: VendorState
    environment: Environment
    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: JsonObject

    def record(self, kind: str, **facts: object) -> None:
        """Write an effect into the ledger; its `environment` is live, mock or sandbox."""
        self.state.simulator.record("kyivstar_open_telecom", kind, environment=self.environment, **facts)


@dataclass(frozen=True)
class Method:
    """A method of the API; `fields` are those of its JSON body (None: it has no body)."""

    verb: str
    path: str
    answer: Callable[[Call], JsonObject]
    fields: Mapping[str, Field] | None = None
    query: Mapping[str, Field] = field(default_factory=dict)

    def check(self, request: Request, raw: bytes) -> tuple[dict[str, str], JsonObject]:
        """Return the query and the body of a request. Raises RefusedError."""
        query = single_parameters(request)
        if query is None:
            raise wrong("query", "a parameter comes twice")
        check(query, self.query, refuse)
        body = self._body(raw)
        if self.fields is not None:
            check(body, self.fields, refuse)
        return query, body

    def _body(self, raw: bytes) -> JsonObject:
        if not raw and not self.fields:
            return {}
        if self.fields is None:
            raise RefusedError(400, NOT_JSON, "No body is expected")
        try:
            return json_object(raw)
        except ValueError as error:
            raise RefusedError(400, NOT_JSON, f"The body is not {error}") from None
