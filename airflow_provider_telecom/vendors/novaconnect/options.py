"""What the extra of a `novaconnect` connection may say."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from airflow_provider_telecom.vendors.options import Options


class NovaConnectOptions(Options):
    """`api_path` stands between the host and each call; `lang` is the language of the vendor's messages."""

    default_host: ClassVar[str] = "https://api.novaconnect.kz"

    api_path: str = Field("/api", pattern=r"^(/|(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/?)$")
    lang: Literal["ru", "en"] | None = None

    @field_validator("api_path")
    @classmethod
    def _without_last_slash(cls, value: str) -> str:
        return value.rstrip("/")
