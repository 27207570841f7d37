"""Extra fields of a `kyivstar_open_telecom` connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from airflow_provider_telecom.vendors.options import Options, PathPrefix

Environment = Literal["live", "mock", "sandbox"]

PREFIXES: dict[Environment, str] = {
    "live": "/rest/v1beta",
    "mock": "/mock/rest/v1beta",
    "sandbox": "/sandbox/rest/v1beta",
}


class KyivstarOptions(Options):
    """`environment` selects the vendor's server, unless `rest_path` is the path to it.

    `sender` is the alpha name if an argument names none; `viber_sender` is that of Viber messages.
    """

    default_host: ClassVar[str] = "https://api-gateway.kyivstar.ua"

    environment: Environment = "live"
    rest_path: PathPrefix | None = None
    sender: str | None = None
    viber_sender: str | None = None

    @property
    def prefix(self) -> str:
        """The beginning of every path except the token's. It alone selects the server."""
        return PREFIXES[self.environment] if self.rest_path is None else self.rest_path
