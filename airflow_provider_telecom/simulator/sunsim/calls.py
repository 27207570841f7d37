"""Telephone calls: the list, ordered callbacks, and recordings.

The vendor documents neither the rows of a call list nor the response to an ordered callback.
"""

from __future__ import annotations

import base64
from calendar import monthrange
from collections.abc import Iterator
from datetime import datetime, timedelta

from airflow_provider_telecom.simulator.fields import Field, between, is_text, one_of
from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.sunsim.fields import is_dialled_number, is_numbers, is_own_number
from airflow_provider_telecom.simulator.sunsim.models import INCOMING, PhoneCall
from airflow_provider_telecom.simulator.sunsim.responses import (
    BAD_PERIOD,
    BAD_VALUE,
    NOT_FOUND,
    NOT_YOUR_NUMBER,
    RefusedError,
)
from airflow_provider_telecom.simulator.sunsim.state import VendorState
from airflow_provider_telecom.simulator.times import parse_time

CREATE_CALLBACK = "callback/create"
HOSTILE_NAME = "../../../tmp/записывай: меня?.mp3"
_UNANSWERED = {"talk": 0, "ringing": 20}
"""How long a call is that nobody answers, by the switch."""
_TIME = "%Y-%m-%d %H:%M:%S"


def create_callback(state: VendorState, query: JsonObject) -> JsonObject:
    """Call PhoneFrom and connect it with PhoneTo. A duplicate does it again."""
    number, other = query["PhoneFrom"], query["PhoneTo"]
    check_owned(state, [number])
    ends = (number, other) if state.switches["callback_row"] == "phone_from" else (other, number)
    seconds: int | None = state.simulator.random.randrange(2, 300)
    if other.endswith("9") and state.switches["unanswered"] != "off":
        seconds = _UNANSWERED.get(str(state.switches["unanswered"]))
    call = PhoneCall(
        state.new_id(),
        state.simulator.clock.now(),
        *ends,
        INCOMING,
        seconds or 0,
        progression=state.simulator.start_progression("sunsim.callback", ["ringing", "listed"]),
    )
    if seconds is not None:
        state.calls[number].append(call)
    state.simulator.record("sunsim", "callback", id=call.id, phone_from=number, phone_to=other)
    return {"callId": call.id} if state.switches["callback_answer"] == "id" else {}


def list_calls(state: VendorState, body: JsonObject) -> JsonObject:
    """Return the calls of the numbers in a period of at most one month, not older than one month."""
    check_owned(state, body["nums"])
    if state.switches.on("strict_filters") and None in (
        body.get("direction", 0),
        body.get("isCallRecord", 0),
    ):
        raise RefusedError(BAD_VALUE, "direction and isCallRecord must be numbers")
    start, end = _moment(state, body["periodStart"]), _moment(state, body["periodEnd"])
    _check_period(state, start, end)
    if state.switches.on("end_excluded"):
        end -= timedelta(seconds=1)
    rows = [
        *state.stray_rows,
        *(_row(state, call) for call in _chosen(state, body, start, end)),
    ]
    if not rows and state.switches.on("no_calls_null"):
        return {"calls": None, "totalCount": 0}
    return {"calls": rows}


def _check_period(state: VendorState, start: datetime, end: datetime) -> None:
    limit, now = state.switches["period_limit"], state.simulator.clock.now()
    is_long = limit in ("both", "length") and _month_before(state, end) > start
    oldest = state.local(_month_before(state, now)).date()
    is_deep = limit in ("both", "depth") and state.local(start).date() < oldest
    is_early = state.switches.on("future_refused") and end > now
    if end < start or is_long or is_deep or is_early:
        raise RefusedError(BAD_PERIOD, "the period is limited to one month")


def _month_before(state: VendorState, moment: datetime) -> datetime:
    if state.switches["month"] != "calendar":
        return moment - timedelta(days=int(state.switches["month"].removesuffix("_days")))
    year, month = (moment.year, moment.month - 1) if moment.month > 1 else (moment.year - 1, 12)
    return moment.replace(year=year, month=month, day=min(moment.day, monthrange(year, month)[1]))


def _chosen(state: VendorState, body: JsonObject, start: datetime, end: datetime) -> Iterator[PhoneCall]:
    direction, is_read = body.get("direction") or None, body.get("isRead")
    shortest, longest = body.get("durationFrom"), body.get("durationTo")
    for number in dict.fromkeys(body["nums"]):
        for call in state.calls[number]:
            if (
                start <= call.at.replace(microsecond=0) <= end
                and direction in (None, call.direction)
                and (shortest is None or call.duration >= shortest)
                and (longest is None or call.duration <= longest)
                and (call.record_id or not body.get("isCallRecord"))
                and is_read in (None, call.is_read)
                and (call.progression is None or call.progression.poll() == "listed")
            ):
                yield call


def _row(state: VendorState, call: PhoneCall) -> JsonObject:
    if state.switches.on("other_columns"):
        length, other = str(timedelta(seconds=call.duration)), call.number_to
        when = state.local(call.at).strftime("%d.%m.%y %H:%M")
        return {"when": when, "length": length, "other": other, "callRecordId": call.record_id}
    return {
        "callId": call.id,
        "callDate": state.local(call.at).strftime(_TIME),
        "numFrom": call.number_from,
        "numTo": call.number_to,
        "direction": call.direction,
        "duration": call.duration,
        "callRecordId": call.record_id,
        "isRead": call.is_read,
    }


def recording(state: VendorState, query: JsonObject) -> tuple[JsonObject, JsonObject]:
    """Return the `result` and the other fields of the response with a recording."""
    record_id = query["recordFileId"]
    if record_id not in state.recordings:
        raise RefusedError(NOT_FOUND, "no such recording")
    name = state.file_names.get(record_id, f"{record_id}.mp3")
    if state.switches.on("hostile_file_name"):
        name = HOSTILE_NAME
    encode = base64.encodebytes if state.switches.on("wrapped_base64") else base64.b64encode
    content = {"fileContent": encode(state.recordings[record_id]).decode()}
    if state.switches.on("content_in_result"):
        return {"file_NAME": name, **content}, {}
    return {"file_NAME": name}, content


def check_owned(state: VendorState, numbers: list[str]) -> None:
    """Refuse numbers that are not on the contract."""
    for number in numbers:
        if number not in state.numbers:
            raise RefusedError(NOT_YOUR_NUMBER, f"the number {number} is not on the contract")


def _moment(state: VendorState, text: str) -> datetime:
    moment = parse_time(text, _TIME)
    if moment is None:
        raise RefusedError(BAD_VALUE, "a time is written yyyy-mm-dd hh:mm:ss")
    return moment.replace(tzinfo=state.zone)


_SECONDS = between(0, 10**9)


def _is_limit(value: object) -> bool:
    return value is None or _SECONDS(value)


CALLBACK = {"PhoneTo": Field(is_dialled_number), "PhoneFrom": Field(is_own_number)}
CALL_LIST = {
    "nums": Field(is_numbers),
    "periodStart": Field(is_text),
    "periodEnd": Field(is_text),
    "direction": Field(one_of(None, 0, 1, 2), required=False),
    "durationFrom": Field(_is_limit, required=False),
    "durationTo": Field(_is_limit, required=False),
    "isCallRecord": Field(one_of(None, 0, 1), required=False),
    "isRead": Field(one_of(None, 0, 1), required=False),
}
RECORDING = {"recordFileId": Field(is_text)}
