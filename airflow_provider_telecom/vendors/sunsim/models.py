"""Responses of SunSim. Fields that its document does not describe keep the vendor's names and values.

The document shows neither the rows of a call list nor the response to an ordered callback. Times come without
a time zone and are kept as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.vendors.sunsim.vats_settings import settings_hash


@dataclass(frozen=True)
class TokenPair:
    """An access and a refresh token, which `repr` does not show, and their expiry times (aware)."""

    access: Secret
    access_expires: datetime
    refresh: Secret
    refresh_expires: datetime


class Result(BaseModel):
    """Base of all responses: `result` as the vendor sent it."""

    model_config = ConfigDict(frozen=True)

    result: dict[str, Any] = Field(default_factory=dict)


class CallRecord(BaseModel):
    """One row of a call list, unchanged. `record_id` is set if the call was recorded."""

    model_config = ConfigDict(frozen=True)

    row: dict[str, Any]
    record_id: str | None = None

    def mentions(self, number: str) -> bool:
        """Return whether any field of the row holds this number; the last ten digits are compared."""
        wanted = _last_ten_digits(number)
        return any(_last_ten_digits(value) == wanted for value in self.row.values())


class CallList(Result):
    """The calls of a period, in the vendor's order. `result` holds the other fields of the response."""

    calls: list[CallRecord]


class CallRecording(Result):
    """The recording of a call as MP3. `file_name` is the vendor's text; never use it as a path."""

    content: bytes = Field(repr=False)
    file_name: str | None = None


class VatsSettings(Result):
    """The settings of the virtual PBX, one entry per number, in the vendor's format, to be edited and set.

    `key` is the vendor's name of the list: `vatsSettings`, or the same in other letter case.
    """

    settings: list[dict[str, Any]]
    key: str = "vatsSettings"

    @property
    def hash(self) -> str:
        """The hash of these settings; pass it to `set_vats_settings` as `expected_hash`."""
        return settings_hash(self.settings)


def _last_ten_digits(value: object) -> str:
    return re.sub(r"\D", "", str(value))[-10:]
