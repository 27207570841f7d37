"""What the extra of a `sunsim` connection may say."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from airflow_provider_telecom.vendors.options import Options, PathPrefix
from airflow_provider_telecom.vendors.times import ZoneName


class SunSimOptions(Options):
    """`api_path` stands between the host and each call. The others say how tokens and times are handled."""

    default_host: ClassVar[str] = "https://webapi.sunsim.ru:4432"

    api_path: PathPrefix = "/api/v1"
    token_strategy: Literal["create", "refresh"] = "create"  # noqa: S105 - a choice
    """Whether a dead access token is replaced by `create`, or by `refresh` and, if that fails, `create`."""
    lock: str = "variable"
    """What keeps workers from minting tokens at once: a file lock on each host, and with `variable` a lease
    in an Airflow Variable across hosts; `host` for the file lock alone."""
    vendor_timezone: ZoneName | None = None
    """The IANA name of the zone that the vendor's times are in. The document names none."""
    default_region: str = Field("RU", pattern=r"^[A-Z]{2}$")

    @field_validator("lock")
    @classmethod
    def _a_lock(cls, value: str) -> str:
        if value.startswith(("redis", "postgres")):
            raise ValueError("locks in Redis or Postgres are not supported yet; use variable or host")
        if value not in ("variable", "host"):
            raise ValueError("must be variable or host")
        return value
