"""Extra fields of a `sunsim` connection."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import Field, field_validator

from airflow_provider_telecom.vendors.options import Options, PathPrefix
from airflow_provider_telecom.vendors.times import ZoneName


class SunSimOptions(Options):
    """`api_path` comes between the host and the path of each call. The others are about tokens and times."""

    default_host: ClassVar[str] = "https://webapi.sunsim.ru:4432"

    api_path: PathPrefix = "/api/v1"
    token_strategy: Literal["create", "refresh"] = "create"  # noqa: S105 - a choice
    """How an invalid access token is replaced: by `create`, or by `refresh` and, if it fails, by `create`."""
    lock: Literal["variable", "host"] = "variable"
    """What prevents workers from creating tokens at the same time: `host` is a file lock on each host;
    `variable` adds a lease in an Airflow Variable, which works across hosts."""
    vendor_timezone: ZoneName | None = None
    """The IANA name of the vendor's time zone. The document names none."""
    default_region: str = Field("RU", pattern=r"^[A-Z]{2}$")

    @field_validator("lock", mode="before")
    @classmethod
    def _check_lock(cls, value: object) -> object:
        if str(value).startswith(("redis", "postgres")):
            raise ValueError("locks in Redis or Postgres are not supported yet; use variable or host")
        if value not in ("variable", "host"):
            raise ValueError("must be variable or host")
        return value
