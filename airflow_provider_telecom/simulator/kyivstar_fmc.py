"""A simulated Kyivstar FMC: call records in three formats, and originating calls."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape, quoteattr
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.state import SimulatorState
from airflow_provider_telecom.simulator.switches import Switches
from airflow_provider_telecom.simulator.times import parse_time

KYIV = ZoneInfo("Europe/Kyiv")
_WINDOW, _KEPT = timedelta(days=7), timedelta(days=30)
_FLAGS = {"names": ("calling_name", "called_name"), "departments": ("department",), "ownership": ("own",)}
_NUMBER = re.compile(r"(0|\+?380)[0-9]{9}")
_SEEDED_CALLS = 300
_RINGING_SECONDS = 5
_UNANSWERED = {"talk": 0.0, "ringing": 20.0}
"""How long a call is that nobody answers, by the switch."""
_DELIMITERS = {"comma": ",", "semicolon": ";", "tab": "\t"}
_BOM = "\ufeff"
_OTHER_NAMES = {
    "calling_name": "callingSubscriberName",
    "called_name": "calledSubscriberName",
    "department": "departmentName",
    "own": "is_own",
}
_TYPES = {"csv": "text/csv", "json": "application/json", "xml": "application/xml"}


@dataclass(frozen=True)
class Call:
    """One call, in UTC. Responses show its times in Kyiv."""

    start: datetime
    seconds: float
    calling: str
    called: str
    calling_name: str = ""
    called_name: str = ""
    department: str = ""
    own: bool = True

    @property
    def end(self) -> datetime:
        """The end of the call in whole seconds."""
        return self.start + timedelta(seconds=math.floor(self.seconds))

    @property
    def end_exactly(self) -> datetime:
        """The exact end of the call."""
        return self.start + timedelta(seconds=self.seconds)


class VendorState:
    """The state of the vendor: its token and call records, and the switches that select its behaviour."""

    def __init__(self, state: SimulatorState) -> None:
        self.simulator = state
        self.token = credentials.FMC_TOKEN
        self.activated = True
        self.switches = state.switches("kyivstar_fmc")
        self.calls: list[Call] = []
        self.call_seconds = 30.0  # of calls that are originated
        dice, now = random.Random(state.seed), state.clock.now()
        for _ in range(_SEEDED_CALLS):
            start = now - timedelta(seconds=dice.randint(3600, 30 * 86400 - 3600))
            self.add_call(start, dice.randint(1, 900), _subscriber(dice), _subscriber(dice))
        self.calls.sort(key=lambda call: call.start)

    def add_call(self, start: datetime, seconds: float, calling: str, called: str, **facts: Any) -> Call:
        """Add a call that began at `start` (aware)."""
        call = Call(start.astimezone(UTC).replace(microsecond=0), seconds, calling, called, **facts)
        self.calls.append(call)
        return call

    def add_originated(self, calling: str, called: str) -> None:
        """Add a call that begins now, as the records show it."""
        seconds: float | None = self.call_seconds
        if called.endswith("9") and self.switches["unanswered"] != "off":
            seconds = _UNANSWERED.get(str(self.switches["unanswered"]))
        if seconds is not None:
            self.add_call(self.simulator.clock.now(), seconds, calling, called)

    def between(self, first: datetime, last: datetime) -> Iterator[Call]:
        """Yield the calls that have ended, of an interval of local times in Kyiv."""
        now, switches = self.simulator.clock.now(), self.switches
        last -= timedelta(seconds=1) if switches.on("end_excluded") else timedelta(0)
        calls = self.calls if switches["row_order"] == "start" else reversed(self.calls)
        for call in calls:
            at = call.start if switches["period_of"] == "start" else call.end
            if call.end_exactly <= now and self._between(first, at, last):
                yield call

    def _between(self, first: datetime, moment: datetime, last: datetime) -> bool:
        if self.switches["repeated_hour"] == "clocks":
            return first <= _wall_clock(moment) <= last
        fold = int(self.switches["repeated_hour"] == "second")
        since, until = (one.replace(tzinfo=KYIV, fold=fold).astimezone(UTC) for one in (first, last))
        return since <= moment <= until


def _subscriber(dice: random.Random) -> str:
    return f"067000{dice.randint(0, 9999):04d}"


def _wall_clock(moment: datetime) -> datetime:
    return moment.astimezone(KYIV).replace(tzinfo=None)


class _ParameterError(Exception):
    """A parameter is missing or has an invalid value."""


def routes(simulator: SimulatorState) -> APIRouter:
    """Return the vendor's routes."""
    router = APIRouter()

    @router.get("/api/cdr/v1/callstat.{suffix}")
    async def callstat(suffix: str, request: Request) -> Response:
        state: VendorState = simulator.vendor_state("kyivstar_fmc", VendorState)
        given = dict(request.query_params)
        if refusal := _refusal(state, given):
            return refusal
        try:
            flags = _flags(given)
            first, last = _interval(given, simulator.clock.now(), state.switches)
        except _ParameterError as wrong:
            return _error(state, 400, str(wrong))
        if suffix not in _TYPES or set(given) - {"token", "from", "to", *_FLAGS}:
            return _error(state, 400 if suffix in _TYPES else 404, "Unknown format or parameter")
        text = _written(state.between(first, last), suffix, flags, state.switches)
        name = f"callstat_{first:%Y-%m-%dT%H:%M:%S}_{last:%Y-%m-%dT%H:%M:%S}.{suffix}"
        return StreamingResponse(
            _in_larger_pieces(text, state.switches["csv_encoding"] if suffix == "csv" else "utf-8"),
            media_type=f"{_TYPES[suffix]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @router.get("/api/onebox/v1/originate")
    async def originate(request: Request) -> Response:
        state: VendorState = simulator.vendor_state("kyivstar_fmc", VendorState)
        given = dict(request.query_params)
        if refusal := _refusal(state, given):
            return refusal
        if not state.activated:
            return _error(state, 403, "API functionality is not activated")
        numbers = [given.get(name, "") for name in ("calling_number", "called_number")]
        if set(given) != {"token", "calling_number", "called_number"} or not all(
            map(_NUMBER.fullmatch, numbers)
        ):
            return _error(state, 400, "One of the required parameters is missing or has an invalid value")
        calling, called = ("0" + number[-9:] for number in numbers)
        state.add_originated(calling, called)
        simulator.record("kyivstar_fmc", "call", calling=calling, called=called)
        return Response(status_code=200)

    return router


def _error(state: VendorState, status: int, text: str) -> Response:
    form = state.switches["error_body"]
    if form == "json":
        return JSONResponse({"error": text}, status)
    return Response(text if form == "text" else "", status, media_type="text/plain")


def _refusal(state: VendorState, given: dict[str, str]) -> Response | None:
    if "token" not in given:
        return _error(state, 400, "One of the required parameters is missing")
    if given["token"] != state.token:
        return _error(state, 403, "Invalid authorization key specified")
    return None


def _flags(given: dict[str, str]) -> list[str]:
    for name in _FLAGS:
        if given.get(name, "off") not in ("on", "off"):
            raise _ParameterError(f"{name} must be on or off")
    return [name for name in _FLAGS if given.get(name) == "on"]


def _interval(given: dict[str, str], now: datetime, switches: Switches) -> tuple[datetime, datetime]:
    first, last = (_moment(given[name]) if name in given else None for name in ("from", "to"))
    if (first is None and last is None) or (switches.on("bounds_required") and None in (first, last)):
        raise _ParameterError("from or to must be given")
    shown = _wall_clock(now)
    first = first or (last or shown) - _WINDOW
    last = last or min(first + _WINDOW, shown)
    if switches["limits"] == "elapsed":
        length, age = _elapsed(last) - _elapsed(first), now - _elapsed(first)
    else:  # off by an hour across a change of the clocks
        length, age = last - first, shown - first
    kept = _KEPT + timedelta(hours=switches["limits"] == "lenient")
    if last < first or length > _WINDOW or age > kept:
        raise _ParameterError("the interval is too long, too old or reversed")
    return first, last


def _elapsed(shown: datetime) -> datetime:
    return shown.replace(tzinfo=KYIV).astimezone(UTC)


def _moment(text: str) -> datetime:
    moment = parse_time(text, "%Y-%m-%dT%H:%M:%S")
    if moment is None or moment.year // 100 != 20:
        raise _ParameterError("a timestamp must be YYYY-MM-DDTHH:MM:SS")
    return moment


def _row(call: Call, flags: Sequence[str], switches: Switches) -> dict[str, Any]:
    separator = "T" if switches["answer_time"] == "T" else " "
    row: dict[str, Any] = {
        "end_timestamp": _wall_clock(call.end).isoformat(separator),
        "start_timestamp": _wall_clock(call.start).isoformat(separator),
        "calling_number": _number(call.calling, switches["number_form"]),
        "duration": _duration(call, switches["duration"]),
        "called_number": _number(call.called, switches["number_form"]),
    }
    names = _OTHER_NAMES if switches["address_book"] == "others" else {}
    for flag in flags:
        row |= {names.get(field, field): getattr(call, field) for field in _FLAGS[flag]}
    return dict(reversed(row.items())) if switches["columns"] == "reversed" else row


def _duration(call: Call, meaning: str) -> int:
    seconds = math.floor(call.seconds)
    if meaning == "rounded_up":  # as in the document's 14 for 13 s
        return seconds + 1
    return seconds if meaning == "exact" else max(0, seconds - _RINGING_SECONDS)


def _number(number: str, form: str) -> str:
    if form == "national" or not re.fullmatch(r"0[0-9]{9}", number):
        return number
    return f"+38{number}" if form == "plus" else f"38{number}"


def _written(calls: Iterable[Call], suffix: str, flags: Sequence[str], switches: Switches) -> Iterator[str]:
    """Yield the pieces of a list, so that a list of millions needs no memory."""
    rows = (_row(call, flags, switches) for call in calls)
    if suffix == "json":
        return _json(rows, switches)
    columns = list(_row(Call(datetime.now(UTC), 0, "", ""), flags, switches))
    return _csv(rows, columns, switches) if suffix == "csv" else _xml(rows, switches)


def _json(rows: Iterable[dict[str, Any]], switches: Switches) -> Iterator[str]:
    yield '{"calls": ['
    for place, row in enumerate(rows):
        if switches["json_duration"] == "text":
            row["duration"] = str(row["duration"])
        text = json.dumps(row, ensure_ascii=False)
        yield (", " if place else "") + (text[:-1] + ",}" if switches.on("trailing_comma") else text)
    yield "]}"


def _csv(rows: Iterable[dict[str, Any]], columns: Sequence[str], switches: Switches) -> Iterator[str]:
    line, last = io.StringIO(), [""] if switches.on("csv_line_end") else []
    writer = csv.writer(
        line,
        delimiter=_DELIMITERS[switches["csv_delimiter"]],
        quoting=csv.QUOTE_ALL if switches["csv_quotes"] == "all" else csv.QUOTE_MINIMAL,
    )
    if switches.on("bom"):
        line.write(_BOM)
    written = False
    writer.writerow([_cased(column, switches) for column in columns] + last)
    for row in rows:
        writer.writerow([*row.values(), *last])
        yield line.getvalue()
        line.seek(0)
        line.truncate()
        written = True
    if written or switches["empty_csv"] == "header":
        yield line.getvalue()


def _xml(rows: Iterable[dict[str, Any]], switches: Switches) -> Iterator[str]:
    root, record = ("calls", "call") if switches["xml_tags"] == "calls" else ("Statistics", "Row")
    yield f'{_BOM if switches.on("bom") else ""}<?xml version="1.0" encoding="UTF-8"?><{root}>'
    for row in rows:
        named = {_cased(name, switches): value for name, value in row.items()}
        if switches.on("xml_attributes"):
            cells = "".join(f" {name}={quoteattr(str(value))}" for name, value in named.items())
            yield f"<{record}{cells}/>"
        else:
            cells = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in named.items())
            yield f"<{record}>{cells}</{record}>"
    yield f"</{root}>"


def _cased(name: str, switches: Switches) -> str:
    return name.upper() if switches["column_case"] == "upper" else name


def _in_larger_pieces(texts: Iterator[str], encoding: str) -> Iterator[bytes]:
    while piece := "".join(islice(texts, 1000)):
        yield piece.encode(encoding, "replace")
