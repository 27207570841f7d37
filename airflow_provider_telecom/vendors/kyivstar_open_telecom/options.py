"""Extra fields of a `kyivstar_open_telecom` connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from airflow_provider_telecom.vendors.options import Options, PathPrefix

Environment = Literal["live", "mock", "sandbox"]
ApiVersion = Literal["v1beta", "v1"]

_SERVERS: dict[Environment, str] = {"live": "", "mock": "/mock", "sandbox": "/sandbox"}


class KyivstarOptions(Options):
    """`environment` selects the vendor's server.

    `rest_path` replaces the path that `environment` and `api_version` make. `api_version` still selects which
    calls there are, and their form.

    `api_version` is the version of the API. The vendor's document describes v1beta; v1 is known from a public
    client only. `sender` is the alpha name if an argument names none; `viber_sender` is that of Viber
    messages.
    """

    default_host: ClassVar[str] = "https://api-gateway.kyivstar.ua"

    environment: Environment = "live"
    api_version: ApiVersion = "v1beta"
    rest_path: PathPrefix | None = None
    sender: str | None = None
    viber_sender: str | None = None

    @property
    def prefix(self) -> str:
        """The beginning of every path except the token's. It alone selects the server."""
        return self.prefix_of(self.api_version) if self.rest_path is None else self.rest_path

    def prefix_of(self, version: ApiVersion) -> str:
        """Return the beginning of every path of a version of the API at the vendor's own host."""
        return f"{_SERVERS[self.environment]}/rest/{version}"
