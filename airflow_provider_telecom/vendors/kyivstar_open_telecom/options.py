"""What the extra of a `kyivstar_open_telecom` connection may say."""

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
    """`environment` chooses the vendor's server, `sender` is the alpha name unless a call gives one."""

    default_host: ClassVar[str] = "https://api-gateway.kyivstar.ua"

    environment: Environment = "live"
    sender: str | None = None

    @property
    def prefix(self) -> str:
        """What every path but the token's begins with. It alone decides which server is talked to."""
        return PREFIXES[self.environment]
