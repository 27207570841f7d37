"""What SunSim answers. What its document is silent about is kept as it came.

The document shows neither the rows of a call list nor the answer to an ordered callback. Times come
without a zone and stay as they come.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import pendulum
from pydantic import BaseModel, ConfigDict, Field

from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import MEGABYTE, Response
from airflow_provider_telecom.calls.responses import unreadable_response
from airflow_provider_telecom.vendors.sunsim.responses import (
    METADATA_FIELDS,
    effect_result,
    envelope,
    plain,
    require_result,
)
from airflow_provider_telecom.vendors.sunsim.vats_settings import settings_hash

MAX_RECORDING_BYTES = 200 * MEGABYTE
ACCESS_HOURS, REFRESH_HOURS = 24, 25
_COUNT = re.compile("count|total", re.IGNORECASE)
_FIT_FOR_A_HEADER = re.compile(r"[\x21-\x7e]{1,8192}")
_ISO = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d\S*( ?[+-]\d\d:?\d\d)?")
_DOTTED = re.compile(r"\d\d\.\d\d\.\d{4} \d\d:\d\d:\d\d")
_NUMBER = re.compile(r"[0-9]{4,15}")
_SECONDS_LEFT, _UNIX_SECONDS = range(3600, 10**8), range(10**9, 10**11)
_LATEST_YEAR_10000 = 253_402_300_800


@dataclass(frozen=True)
class TokenPair:
    """An access and a refresh token, which do not show themselves, and when each ends (aware)."""

    access: Secret
    access_expires: datetime
    refresh: Secret
    refresh_expires: datetime


class Answer(BaseModel):
    """What all answers share: `result` as the vendor sent it."""

    model_config = ConfigDict(frozen=True)

    result: dict[str, Any] = Field(default_factory=dict)


class CallRecord(BaseModel):
    """One row of a call list, as it came. `record_id` is there when the call was recorded."""

    model_config = ConfigDict(frozen=True)

    row: dict[str, Any]
    record_id: str | None = None

    def mentions(self, number: str) -> bool:
        """Whether any field of the row is this number, in whatever form its last ten digits are written."""
        wanted = re.sub(r"\D", "", number)[-10:]
        return any(re.sub(r"\D", "", str(value))[-10:] == wanted for value in self.row.values())


class CallList(Answer):
    """The calls of a period, in the vendor's order. `result` is what came beside them."""

    calls: list[CallRecord]


class CallRecording(Answer):
    """The recording of a call: MP3 bytes. `file_name` is the vendor's; never use it as a path."""

    content: bytes = Field(repr=False)
    file_name: str | None = None


class VatsSettings(Answer):
    """The settings of the virtual PBX, one entry a number, in the vendor's own form, to edit and set.

    `hash` tells these settings from others: hand it to `set_vats_settings` as `expected_hash`. `key` is the
    name that the vendor gives to their list: `vatsSettings`, or in other letters.
    """

    settings: list[dict[str, Any]]
    key: str = "vatsSettings"

    @property
    def hash(self) -> str:
        """The hash of these settings as they stand."""
        return settings_hash(self.settings)


def read_pair(answer: Response, zone: str | None, now: datetime) -> TokenPair:
    """Return the pair of tokens that an answer holds. `zone` is that of times without one, UTC by default."""
    body = envelope(answer)
    access, refresh = body.get("accessToken"), body.get("refreshToken")
    for value in (access, refresh):
        if not isinstance(value, str) or not _FIT_FOR_A_HEADER.fullmatch(value):
            raise unreadable_response("an answer without tokens", answer.body, answer.status)
    return TokenPair(
        Secret(str(access)),
        _end_of(str(access), body.get("accessTokenExpiredIn"), zone, now) or _after(now, ACCESS_HOURS),
        Secret(str(refresh)),
        _end_of(str(refresh), body.get("refreshTokenExpiredIn"), zone, now) or _after(now, REFRESH_HOURS),
    )


def _after(now: datetime, hours: int) -> datetime:
    return pendulum.instance(now).add(hours=hours)


def _end_of(token: str, written: object, zone: str | None, now: datetime) -> datetime | None:
    """Return when a token ends: its own `exp` claim before the text beside it, whose form is not documented.

    Nobody relies on it: the signature is not checked, and a 401 is what tells a dead token.
    """
    return _claimed_end(token) or _numbered_end(written, now) or _written_end(written, zone)


def _claimed_end(token: str) -> datetime | None:
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
    except (IndexError, ValueError, RecursionError):
        return None
    end = claims.get("exp") if isinstance(claims, dict) else None
    if isinstance(end, bool) or not isinstance(end, (int, float)) or not 0 < end < _LATEST_YEAR_10000:
        return None
    return pendulum.from_timestamp(end)


def _numbered_end(written: object, now: datetime) -> datetime | None:
    """Return a moment that is written as Unix seconds or milliseconds, or as the seconds that are left."""
    text = str(written).strip()
    if not _NUMBER.fullmatch(text):
        return None
    number = int(text)
    if number in _SECONDS_LEFT:
        return pendulum.instance(now).add(seconds=number)
    seconds = number if number in _UNIX_SECONDS else number // 1000
    return pendulum.from_timestamp(seconds) if seconds in _UNIX_SECONDS else None


def _written_end(written: object, zone: str | None) -> datetime | None:
    text = written.strip() if isinstance(written, str) else ""
    try:
        if _DOTTED.fullmatch(text):
            return pendulum.from_format(text, "DD.MM.YYYY HH:mm:ss", tz=zone or "UTC")
        if _ISO.fullmatch(text):
            found = pendulum.parse(text, tz=zone or "UTC")
            return found if isinstance(found, datetime) else None
    except ValueError:
        return None
    return None


def read_callback(answer: Response) -> Answer:
    """Return what an ordered callback answers, which the document does not show."""
    return Answer(result=effect_result(answer, documented=False))


def read_set(answer: Response) -> Answer:
    """Return what setting settings answers."""
    return Answer(result=effect_result(answer, documented=True))


def read_calls(answer: Response) -> CallList:
    """Return the calls."""
    rows, others = _rows(answer)
    if not all(isinstance(row, dict) for row in rows):
        raise unreadable_response("a call that is no object", answer.body, answer.status)
    return CallList(calls=[_record(row) for row in rows], result=others)


def read_call_rows(answer: Response) -> list[Any]:
    """Return the rows of a list of calls as they came, whatever they are."""
    return _rows(answer)[0]


def _rows(answer: Response) -> tuple[list[Any], dict[str, Any]]:
    """Return rows, and what came beside them. Their list's name is not documented: it is the one there is."""
    result = require_result(envelope(answer), answer)
    lists = {name: value for name, value in result.items() if isinstance(value, list)}
    if len(lists) > 1:
        raise unreadable_response("several lists where one of calls was expected", answer.body, answer.status)
    name, rows = next(iter(lists.items()), (None, []))
    others = {key: value for key, value in result.items() if key != name}
    if name is None and any(value for key, value in others.items() if key not in METADATA_FIELDS):
        raise unreadable_response("no list of calls", answer.body, answer.status)
    if any(_COUNT.search(key) and _whole(value) > len(rows) for key, value in others.items()):
        raise unreadable_response("fewer calls than the vendor counts", answer.body, answer.status)
    return rows, others


def _whole(value: object) -> int:
    """Return a whole number, 0 for anything else."""
    text = str(value).strip()
    return int(text) if re.fullmatch("[0-9]{1,9}", text) else 0


def _record(row: Mapping[str, Any]) -> CallRecord:
    found = next((value for name, value in row.items() if name.casefold() == "callrecordid"), None)
    return CallRecord(row=dict(row), record_id=str(found).strip() or None if found is not None else None)


def read_recording(answer: Response) -> CallRecording:
    """Return a recording.

    Raises TelecomAnswerError for what is not strict base64, perhaps with line breaks, of an MP3 file.
    """
    body = envelope(answer)
    result = body["result"] if isinstance(body.get("result"), dict) else {}
    encoded = body.get("fileContent", result.get("fileContent"))
    try:
        text = encoded if isinstance(encoded, str) else ""
        content = base64.b64decode(text.replace("\r", "").replace("\n", ""), validate=True)
    except (binascii.Error, ValueError):
        raise unreadable_response("a recording that is not base64", answer.body, answer.status) from None
    if not is_mp3(content):
        raise unreadable_response("a recording that is not MP3", answer.body, answer.status)
    if len(content) > MAX_RECORDING_BYTES:
        raise unreadable_response("a recording larger than 200 MB", answer.body, answer.status)
    name = result.get("file_NAME")
    kept = {key: value for key, value in result.items() if key != "fileContent"}
    return CallRecording(result=kept, content=content, file_name=name if isinstance(name, str) else None)


def is_mp3(content: bytes) -> bool:
    """Whether a file that begins like this is MP3."""
    return content.startswith(b"ID3") or (content[:1] == b"\xff" and content[1:2] >= b"\xe0")


def read_settings(answer: Response, numbers: int = 1) -> VatsSettings:
    """Return the settings of so many numbers, or more.

    The document writes `vatsSettings` in its samples and `vatssettings` in its text.
    """
    result = require_result(envelope(answer), answer)
    name = next((key for key in result if key.casefold() == "vatssettings"), None)
    found = result.get(name) if name else None
    if not isinstance(found, list) or not all(isinstance(entry, dict) for entry in found):
        raise unreadable_response("no list of settings", answer.body, answer.status)
    if len(found) < numbers:
        raise unreadable_response(
            f"settings of {len(found)} of {numbers} numbers", answer.body, answer.status
        )
    others = {key: value for key, value in result.items() if key != name}
    return VatsSettings(settings=plain(found), key=str(name), result=others)
