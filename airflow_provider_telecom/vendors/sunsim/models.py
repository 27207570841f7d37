"""Responses of SunSim. Fields that its document does not describe keep the vendor's names and values.

The document shows neither the rows of a call list nor the response to an ordered callback. Times come without
a time zone and are kept as text.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypedDict

from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.vendors.sunsim.vats_settings import settings_hash

_CODE = re.compile(r"-?[0-9]{1,6}|[A-Za-z_]{1,40}")
_HASH = re.compile(r"[A-Za-z0-9+/=_-]{16,128}")
"""Not so short that it could be a telephone number."""

_CALL_ID = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ResponseFacts(TypedDict, total=False):
    """What `Result.facts` contains."""

    code: int | str
    request_hash: str


@dataclass(frozen=True)
class TokenPair:
    """An access and a refresh token, which `repr` does not show, and their expiry times (aware)."""

    access: Secret
    access_expires: datetime
    refresh: Secret
    refresh_expires: datetime


class Result(BaseModel):
    """Base of all responses: `result`, `code` and `request_hash` as the vendor sent them.

    The document explains neither of the latter two. The vendor's support may ask for the hash.
    """

    model_config = ConfigDict(frozen=True)

    result: dict[str, Any] = Field(default_factory=dict)
    code: int | str | None = None
    request_hash: str | None = None

    @property
    def facts(self) -> ResponseFacts:
        """`code` and `request_hash` for an XCom, as far as they are present and look like what they are."""
        facts: ResponseFacts = {}
        if self.code is not None and _CODE.fullmatch(str(self.code)):
            facts["code"] = self.code
        if self.request_hash is not None and _HASH.fullmatch(self.request_hash):
            facts["request_hash"] = self.request_hash
        return facts

    @property
    def call_id(self) -> str | None:
        """The id of an ordered call, if the response has one under the name that call lists have for it."""
        found = (value for name, value in self.result.items() if name.casefold() == "callid")
        value = next(found, None)
        text = "" if value is None or isinstance(value, (bool, dict, list)) else str(value).strip()
        return text if _CALL_ID.fullmatch(text) else None


class CallRecord(BaseModel):
    """One row of a call list, unchanged. `record_id` is set if the call was recorded."""

    model_config = ConfigDict(frozen=True)

    row: dict[str, Any]
    record_id: str | None = None

    def mentions(self, number: str) -> bool:
        """Return whether any field of the row holds this number; the last ten digits are compared."""
        wanted = last_ten_digits(number)
        return any(last_ten_digits(value) == wanted for value in self.row.values())


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


def last_ten_digits(value: object) -> str:
    """Return the digits by which numbers are compared: 8..., 7... and +7... are alike."""
    return re.sub(r"\D", "", str(value))[-10:]
