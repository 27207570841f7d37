"""The extra fields of a `novaconnect` connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field

from airflow_provider_telecom.vendors.options import Options, PathPrefix


class NovaConnectOptions(Options):
    """`api_path` is the prefix of all paths; `lang` is the language of the vendor's messages."""

    default_host: ClassVar[str] = "https://api.novaconnect.kz"

    api_path: PathPrefix = "/api"
    lang: Literal["ru", "en"] | None = None
    allow_http_webhooks: bool = False
    """Whether a `callback_url` may be plain http. Whoever reads such a post on its way can forge the next."""
    default_region: str = Field("KZ", pattern=r"^[A-Z]{2}$")
