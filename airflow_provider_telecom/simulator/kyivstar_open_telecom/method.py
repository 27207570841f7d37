"""One documented method: what it takes and what answers it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.simulator.kyivstar_open_telecom.fields import Field

if TYPE_CHECKING:
    from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import Environment, VendorState


@dataclass(frozen=True)
class Call:
    """A request whose token, query and body have passed their checks."""

    vendor_state: VendorState
    environment: Environment
    request_id: str
    path: Mapping[str, str]
    query: Mapping[str, str]
    body: dict[str, Any]

    def record(self, kind: str, **facts: Any) -> None:
        """Write an effect into the ledger; its `environment` is live, mock or sandbox."""
        self.vendor_state.simulator.record(
            "kyivstar_open_telecom", kind, environment=self.environment, **facts
        )


@dataclass(frozen=True)
class Method:
    """A method of the API; `fields` are its JSON body's (None: it takes no body)."""

    verb: str
    path: str
    answer: Callable[[Call], dict[str, Any]]
    fields: Mapping[str, Field] | None = None
    query: Mapping[str, Field] = field(default_factory=dict)
