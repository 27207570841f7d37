"""Call lists as a table. Source: "POST /api/v1/request/getcalllist" of the vendor's document.

The document shows only one field of a row: callRecordId. So columns are found by likely names, and values are
used only in unambiguous forms. Everything else is empty here and kept in `raw`.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections import Counter
from collections.abc import Mapping
from datetime import datetime, tzinfo
from functools import lru_cache

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.phone import e164_or_none
from airflow_provider_telecom.vendors.columns import RAW, Column, ColumnType, json_text
from airflow_provider_telecom.vendors.times import parse_local_time, possible_utc_times, to_utc

COLUMNS = (
    Column("call_id", ColumnType.TEXT, "the vendor's id of the call", assumed=True),
    Column(
        "start_utc",
        ColumnType.TIMESTAMP,
        "when the call began, as read from call_time; none without vendor_timezone in the connection's "
        "extra; where the clocks are put back, the later of the two moments that it can mean",
        "UTC",
        assumed=True,
    ),
    Column("call_time", ColumnType.TEXT, "when the call began", "the vendor's wall clock", assumed=True),
    Column("direction", ColumnType.TEXT, "outgoing or incoming", assumed=True),
    Column("duration_seconds", ColumnType.INT64, "how long it took", "seconds", assumed=True),
    Column("from_msisdn", ColumnType.TEXT, "number_from as E.164 without the plus", assumed=True),
    Column("to_msisdn", ColumnType.TEXT, "number_to as E.164 without the plus", assumed=True),
    Column("number_from", ColumnType.TEXT, "who called, as the vendor writes it", assumed=True),
    Column("number_to", ColumnType.TEXT, "who was called, as the vendor writes it", assumed=True),
    Column("record_id", ColumnType.TEXT, "id of the recording, if there is one (callRecordId)", assumed=True),
    Column("is_read", ColumnType.BOOL, "whether the voice mail was listened to", assumed=True),
    RAW,
)
RECORDINGS = (
    Column("record_id", ColumnType.TEXT, "the vendor's id of the recording"),
    Column("state", ColumnType.TEXT, "saved, missing (the vendor has none) or unreadable"),
    Column("file", ColumnType.TEXT, "the file, from the folder of the data set; none unless saved"),
    Column("bytes", ColumnType.INT64, "the file's size", "bytes"),
    Column("sha256", ColumnType.TEXT, "the file's SHA-256, in hexadecimal digits"),
    Column(
        "vendor_file_name", ColumnType.TEXT, "the vendor's file_NAME, made harmless: a text, never a path"
    ),
    Column("reason", ColumnType.TEXT, "why it is not saved"),
    Column("raw", ColumnType.JSON, "the call's row as the vendor sent it, if the calls were listed"),
)

_TIMES = (
    *("calldate", "calltime", "calldatetime", "callstart", "callstarttime", "starttime", "startdate"),
    *("datestart", "timestart", "begintime", "datetime", "date"),
)
_FROM = ("numfrom", "numberfrom", "phonefrom", "numa", "calling", "callingnumber", "caller", "from")
_TO = ("numto", "numberto", "phoneto", "numb", "called", "callednumber", "callee", "to")
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d", re.ASCII)
_TIME_IN_ANOTHER_FORM = re.compile(r"\d[\d.:/,+TZ -]*", re.ASCII)
_DIRECTIONS = {"1": "outgoing", "2": "incoming"}
_BOOLEANS = {"0": False, "1": True}
_MAX_SECONDS = 10**9
_MAX_NUMBER_LENGTH = 32


def to_row(record: object, zone: tzinfo | None = None, region: str = "RU") -> dict[str, object]:
    """Return a row of a call list as a row of the table. `zone` is the vendor's time zone, if known.

    Raises TelecomInputError for a row that is not an object, and for an invalid time.
    """
    if not isinstance(record, dict):
        raise TelecomInputError("row", "must be an object")
    fields = _normalized(record)
    began = time_of(record)
    number_from, number_to = _text(fields, *_FROM), _text(fields, *_TO)
    return {
        "call_id": _text(fields, "callid"),
        "start_utc": None if began is None or zone is None else to_utc("call_time", began, zone),
        "call_time": None if began is None else str(began),
        "direction": _DIRECTIONS.get(_text(fields, "direction") or ""),
        "duration_seconds": _seconds(_text(fields, "duration", "callduration", "durationsec")),
        "from_msisdn": _as_msisdn(number_from, region),
        "to_msisdn": _as_msisdn(number_to, region),
        "number_from": number_from,
        "number_to": number_to,
        "record_id": _text(fields, "callrecordid"),
        "is_read": _boolean(fields.get("isread")),
        "raw": json_text(record),
    }


def time_of(record: Mapping[str, object]) -> datetime | None:
    """Return when a call began, in the vendor's local time; None if no field has a time in a known form.

    Raises TelecomInputError for a field that should hold a time and does not.
    """
    fields = _normalized(record)
    name = next((name for name in _TIMES if fields.get(name) not in (None, "")), None)
    if name is None:
        return None
    text = str(fields[name]).strip()
    if _TIME.fullmatch(text):
        return parse_local_time(name, text)
    if _TIME_IN_ANOTHER_FORM.fullmatch(text):
        return None
    raise TelecomInputError(name, "must be a time like 2026-01-31 08:00:00")


def possible_starts(record: Mapping[str, object], zone: tzinfo) -> tuple[datetime, ...]:
    """Return the moments (UTC) at which a call may have begun; none if no field has a valid time."""
    try:
        began = time_of(record)
        return () if began is None else tuple(possible_utc_times("call_time", began, zone))
    except TelecomInputError:
        return ()


class WindowDeduplicator:
    """Removes rows that the vendor lists in two neighbouring windows.

    Each window is requested from its start to its end, and the document does not say whether the end is
    included. A row with a time belongs to the window that contains the time. Of equal rows without a time, a
    window gets as many as it lists more than the previous window.
    """

    def __init__(self) -> None:
        self._previous: Counter[bytes] = Counter()
        self._current: Counter[bytes] = Counter()

    def start_window(self) -> None:
        """Begin the next window."""
        self._previous, self._current = self._current, Counter()

    def accepts(self, record: Mapping[str, object], start: datetime, end: datetime) -> bool:
        """Return whether a row belongs to the window from `start` to before `end`, and is not a duplicate.

        Raises TelecomInputError for a row with a time outside of the window: the time or the window is not
        what we take it for.
        """
        began = time_of(record)
        if began is not None:
            if not start <= began <= end:
                raise TelecomInputError("call_time", "is outside of the day that was asked for")
            return began < end
        digest = hashlib.sha256(json.dumps(record, sort_keys=True, default=str).encode()).digest()[:16]
        self._current[digest] += 1
        return self._current[digest] > self._previous[digest]


def _normalized(record: Mapping[str, object]) -> dict[str, object]:
    """Return a row's fields by names without case and separators; of two equal names, the first field."""
    fields: dict[str, object] = {}
    for name, value in record.items():
        fields.setdefault(_normalized_name(name), value)
    return fields


@lru_cache(maxsize=1000)
def _normalized_name(name: str) -> str:
    return re.sub(r"[_\- ]", "", name).casefold()


def _text(fields: Mapping[str, object], *names: str) -> str | None:
    for value in map(fields.get, names):
        if isinstance(value, (str, int)) and not isinstance(value, bool) and (text := str(value).strip()):
            return text
    return None


def _seconds(text: str | None) -> int | None:
    if text is None or not re.fullmatch("[0-9]{1,10}", text):
        return None
    return int(text) if int(text) <= _MAX_SECONDS else None


def _boolean(value: object) -> bool | None:
    return value if isinstance(value, bool) else _BOOLEANS.get(str(value).strip())


def _as_msisdn(number: str | None, region: str) -> str | None:
    return None if number is None or len(number) > _MAX_NUMBER_LENGTH else e164_or_none(number, region)
