"""The extra fields of all connections. Each vendor adds its own in `vendors/<vendor>/options.py`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, ValidationError, field_validator

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.limits import parse_rate_limit

OptionsT = TypeVar("OptionsT", bound="Options")


PathPrefix = Annotated[
    str,
    Field(pattern=r"^(/|(/[A-Za-z0-9_-][A-Za-z0-9._-]*)+/?)$"),
    AfterValidator(lambda path: path.rstrip("/")),
]
"""The path between the host and each call, such as `/api/v1`; `/` for none."""


class Options(BaseModel):
    """The extra fields that all connection types have."""

    model_config = ConfigDict(extra="forbid", frozen=True)
    default_host: ClassVar[str]

    timeout_connect: float = Field(5.0, gt=0, le=120)
    """Seconds to wait for a connection."""
    timeout_read: float = Field(30.0, gt=0, le=600)
    """Seconds without data; a call with its retries may take twice as long."""
    rate_limit: str | None = None
    """Requests per time, like `10/s`: in each process, or of all workers with `[telecom] rate_limit_url`."""
    verify: bool | str = True
    """Whether to verify certificates, or the path of a file with certificate authorities."""
    trust_env: bool = True
    """Whether to use the proxies of the environment."""
    allow_private_hosts: bool = False
    """Whether the host may be on loopback or a private network, and be reached by plain http."""
    default_region: str = Field("UA", pattern=r"^[A-Z]{2}$")
    """The country (ISO 3166) of numbers written without a country code."""

    @field_validator("verify", mode="before")
    @classmethod
    def _parse_boolean(cls, value: object) -> object:
        words: dict[object, bool] = {"true": True, "false": False}
        return words.get(value.strip().lower(), value) if isinstance(value, str) else value

    @field_validator("rate_limit")
    @classmethod
    def _check_rate(cls, value: str | None) -> str | None:
        if value is not None:
            try:
                parse_rate_limit(value)
            except TelecomInputError as error:
                raise ValueError(error.rule) from None  # without the field, which read_options adds
        return value

    @property
    def spacing(self) -> float:
        """The seconds between two requests, by `rate_limit`."""
        return parse_rate_limit(self.rate_limit) if self.rate_limit else 0.0


def read_options(kind: type[OptionsT], extra: Mapping[str, Any]) -> OptionsT:
    """Return the options of a connection. Raises TelecomInputError that names the first invalid field.

    A field that is empty in Airflow's form is not set.
    """
    given = {name: value for name, value in extra.items() if value not in (None, "")}
    try:
        return kind.model_validate(given)
    except ValidationError as error:
        fault = error.errors(include_input=False, include_url=False)[0]
        name = str(fault["loc"][0]) if fault["loc"] else "extra"
        if fault["type"] == "extra_forbidden":
            known = ", ".join(kind.model_fields)
            raise TelecomInputError(f"extra.{name}", f"no such field; known are {known}") from None
        raise TelecomInputError(f"extra.{name}", fault["msg"].removeprefix("Value error, ")) from None
