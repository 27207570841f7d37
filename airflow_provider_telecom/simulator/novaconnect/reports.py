"""Reports: report/sessions, report/day and report/call_sms.

NovaConnect gets a day's traffic from the operators in the night after it, so no report shows today. Days are
those of `VendorData.utc_offset`; rows come newest first, in pages without a count.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from airflow_provider_telecom.simulator.fields import is_object
from airflow_provider_telecom.simulator.novaconnect.fields import (
    DAY_FORMAT,
    PAGES,
    is_day,
    is_names,
    optional,
)
from airflow_provider_telecom.simulator.novaconnect.models import Action, JsonObject, Session
from airflow_provider_telecom.simulator.novaconnect.requests import Call, Method, cut
from airflow_provider_telecom.simulator.novaconnect.responses import RefusedError, find

DAY = 86400

_FIELDS = {
    **PAGES,
    "select": optional(lambda value: is_names(value) and bool(value)),
    "filter": optional(is_object, inner={"start": optional(is_day), "end": optional(is_day)}),
}


def report_sessions(call: Call) -> JsonObject:
    """Answer report/sessions: the data sessions that began in the window."""
    return _report(call, [(one.start, one.sid, one) for one in call.state.sessions], _session_row)


def report_day(call: Call) -> JsonObject:
    """Answer report/day: each session's traffic of each day, so one `sid` may be on several days."""
    offset = call.state.utc_offset
    rows = [(day, one.sid, part) for one in call.state.sessions for day, part in _days(one, offset)]
    return _report(call, rows, _day_row)


def report_call_sms(call: Call) -> JsonObject:
    """Answer report/call_sms: calls, messages and USSD requests."""
    return _report(call, [(one.date, one.sid, one) for one in call.state.actions], _fields)


def _report(call: Call, rows: list[tuple[int, int, Any]], show: Callable[[Any], JsonObject]) -> JsonObject:
    call.state.last_report = call.body
    start, end = _window(call)
    sims = _selected(call)
    kept = [row for row in rows if start <= row[0] < end and row[2].sim in sims]
    kept.sort(key=lambda row: row[:2], reverse=True)
    page = [{**show(row[2]), **_of_sim(call, row[2].sim)} for row in cut(call, kept)]
    if call.state.after_pages:
        call.state.after_pages.pop(0)()
    return {"result": {"items": page}}


def _window(call: Call) -> tuple[int, int]:
    bounds = call.body.get("filter", {})
    offset = call.state.utc_offset
    today = _midnight(call.state.now(), offset)
    start = _unix(bounds["start"]) - offset if "start" in bounds else 0
    end = _unix(bounds["end"]) + DAY - offset if "end" in bounds else today
    if "start" in bounds and "end" in bounds and start >= end:
        raise RefusedError(400, "bad_value", "filter.end")
    if "end" in bounds and call.state.switches.on("report_end_excluded"):
        end -= DAY
    return start, min(end, today)


def _unix(day: str) -> int:
    return int(datetime.strptime(day, DAY_FORMAT).replace(tzinfo=UTC).timestamp())


def _midnight(moment: int, offset: int) -> int:
    return (moment + offset) // DAY * DAY - offset


def _selected(call: Call) -> set[int]:
    chosen: set[int] = set()
    for word in call.body.get("select", ["all"]):
        chosen |= _sims_of(call, word)
    return chosen


def _sims_of(call: Call, word: str) -> set[int]:
    sims = call.state.sims
    if word == "all":
        return set(sims)
    if re.fullmatch(r"[sg]_[0-9]{1,18}", word) is None:
        raise RefusedError(400, "bad_value", "select")
    number = int(word[2:])
    if word.startswith("s"):
        return {find(sims, number, "select").id}
    group = find(call.state.groups, number, "select")
    return {sim.id for sim in sims.values() if group.id in sim.groups}


def _days(session: Session, offset: int) -> Iterator[tuple[int, Session]]:
    """Cut a session at midnights; the parts add up to its traffic."""
    begun, length = session.start, session.end - session.start
    start = begun
    while start < session.end:
        day = _midnight(start, offset)
        end = min(session.end, day + DAY)
        value = session.value * (end - begun) // length - session.value * (start - begun) // length
        cost = round(session.session_cost * (end - start) / length, 4)
        yield day, replace(session, start=day, value=value, session_cost=cost)
        start = end


def _session_row(session: Session) -> JsonObject:
    return {**_fields(session), "value": str(session.value)}


def _day_row(session: Session) -> JsonObject:
    row = {"sid": session.sid, "day": session.start, "session_cost": session.session_cost}
    return {**row, "value": str(session.value)}


def _fields(record: Session | Action) -> JsonObject:
    return {name: value for name, value in vars(record).items() if name != "sim"}


def _of_sim(call: Call, sim_id: int) -> JsonObject:
    sim = call.state.sims[sim_id]
    return {"id": sim.id, "original_number": sim.number, "iccid": sim.iccid, "name": sim.name}


METHODS = {
    "report/sessions": Method(report_sessions, _FIELDS),
    "report/day": Method(report_day, _FIELDS),
    "report/call_sms": Method(report_call_sms, _FIELDS),
}
