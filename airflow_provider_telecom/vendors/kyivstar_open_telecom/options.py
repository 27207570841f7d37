"""Extra fields of a `kyivstar_open_telecom` connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from airflow_provider_telecom.vendors.options import Options

Environment = Literal["live", "mock", "sandbox"]

PREFIXES: dict[Environment, str] = {
    "live": "/rest/v1beta",
    "mock": "/mock/rest/v1beta",
    "sandbox": "/sandbox/rest/v1beta",
}


class KyivstarOptions(Options):
    """`environment` selects the vendor's server; `sender` is the alpha name if an argument names none."""

    default_host: ClassVar[str] = "https://api-gateway.kyivstar.ua"

    environment: Environment = "live"
    sender: str | None = None

    @property
    def prefix(self) -> str:
        """The beginning of every path except the token's. It alone selects the server."""
        return PREFIXES[self.environment]
