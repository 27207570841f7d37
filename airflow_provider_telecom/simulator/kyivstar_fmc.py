"""Kyivstar FMC as its document describes it: call records in three formats, originating calls."""

from __future__ import annotations

import csv
import io
import json
import math
import random
import re
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta, timezone
from itertools import islice
from typing import Any
from xml.sax.saxutils import escape
from zoneinfo import ZoneInfo

from fastapi import APIRouter, Request, Response
from fastapi.responses import JSONResponse, StreamingResponse

from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.switches import Switches
from airflow_provider_telecom.simulator.town import Town

KYIV = ZoneInfo("Europe/Kyiv")
_WINDOW, _KEPT = timedelta(days=7), timedelta(days=30)
_FLAGS = {"names": ("calling_name", "called_name"), "departments": ("department",), "ownership": ("own",)}
_TIMESTAMP = re.compile(r"20[0-9]{2}(-[0-9]{2}){2}T[0-9]{2}(:[0-9]{2}){2}")
_NUMBER = re.compile(r"(0|\+?380)[0-9]{9}")
_SEEDED_CALLS = 300
_TYPES = {"csv": "text/csv", "json": "application/json", "xml": "application/xml"}


@dataclass(frozen=True)
class Call:
    """One call, in UTC; the wall-clock of Kyiv is put on when it is told."""

    start: datetime
    seconds: float
    calling: str
    called: str
    calling_name: str = ""
    called_name: str = ""
    department: str = ""
    own: bool = True


class Books:
    """The PBX's records."""

    def __init__(self, town: Town) -> None:
        self.town = town
        self.token = credentials.FMC_TOKEN
        self.activated = True
        self.switches = town.switches("fmc")
        self.calls: list[Call] = []
        dice, now = random.Random(town.seed), town.clock.now()
        for _ in range(_SEEDED_CALLS):
            start = now - timedelta(seconds=dice.randint(3600, 30 * 86400 - 3600))
            self.add_call(start, dice.randint(1, 900), _subscriber(dice), _subscriber(dice))
        self.calls.sort(key=lambda call: call.start)

    def add_call(self, start: datetime, seconds: float, calling: str, called: str, **facts: Any) -> Call:
        """Add a call that began at `start` (aware)."""
        call = Call(start.astimezone(timezone.utc).replace(microsecond=0), seconds, calling, called, **facts)
        self.calls.append(call)
        return call

    def between(self, first: datetime, last: datetime) -> Iterator[Call]:
        """Yield the ended calls whose wall-clock start lies in an interval of naive Kyiv times."""
        now = self.town.clock.now()
        return (
            call
            for call in self.calls
            if first <= _wall_clock(call.start) <= last
            and call.start + timedelta(seconds=call.seconds) <= now
        )


def _subscriber(dice: random.Random) -> str:
    return f"067000{dice.randint(0, 9999):04d}"


def _wall_clock(moment: datetime) -> datetime:
    return moment.astimezone(KYIV).replace(tzinfo=None)


class _ParameterError(Exception):
    """A parameter is missing or has an invalid value."""


def routes(town: Town) -> APIRouter:
    """Return the vendor's routes."""
    router = APIRouter()

    @router.get("/api/cdr/v1/callstat.{suffix}")
    async def callstat(suffix: str, request: Request) -> Response:
        books: Books = town.books("fmc", Books)
        given = dict(request.query_params)
        if refusal := _refusal(books, given):
            return refusal
        try:
            flags = _flags(given)
            first, last = _interval(given, _wall_clock(town.clock.now()))
        except _ParameterError as wrong:
            return _error(400, str(wrong))
        if suffix not in _TYPES or set(given) - {"token", "from", "to", *_FLAGS}:
            return _error(400 if suffix in _TYPES else 404, "Unknown format or parameter")
        text = _written(books.between(first, last), suffix, flags, books.switches)
        name = f"callstat_{first:%Y-%m-%dT%H:%M:%S}_{last:%Y-%m-%dT%H:%M:%S}.{suffix}"
        return StreamingResponse(
            _in_larger_pieces(text),
            media_type=f"{_TYPES[suffix]}; charset=utf-8",
            headers={"Content-Disposition": f'attachment; filename="{name}"'},
        )

    @router.get("/api/onebox/v1/originate")
    async def originate(request: Request) -> Response:
        books: Books = town.books("fmc", Books)
        given = dict(request.query_params)
        if refusal := _refusal(books, given):
            return refusal
        if not books.activated:
            return _error(403, "API functionality is not activated")
        numbers = [given.get(name, "") for name in ("calling_number", "called_number")]
        if set(given) != {"token", "calling_number", "called_number"} or not all(
            map(_NUMBER.fullmatch, numbers)
        ):
            return _error(400, "One of the required parameters is missing or has an invalid value")
        calling, called = ("0" + number[-9:] for number in numbers)
        books.add_call(town.clock.now(), 30, calling, called)
        town.record("fmc", "call", calling=calling, called=called)
        return Response(status_code=200)

    return router


def _error(status: int, text: str) -> Response:
    return JSONResponse({"error": text}, status)


def _refusal(books: Books, given: dict[str, str]) -> Response | None:
    if "token" not in given:
        return _error(400, "One of the required parameters is missing")
    return None if given["token"] == books.token else _error(403, "Invalid authorization key specified")


def _flags(given: dict[str, str]) -> list[str]:
    for name in _FLAGS:
        if given.get(name, "off") not in ("on", "off"):
            raise _ParameterError(f"{name} must be on or off")
    return [name for name in _FLAGS if given.get(name) == "on"]


def _interval(given: dict[str, str], now: datetime) -> tuple[datetime, datetime]:
    first, last = (_moment(given[name]) if name in given else None for name in ("from", "to"))
    if first is None and last is None:
        raise _ParameterError("from or to must be given")
    first = first or (last or now) - _WINDOW
    last = last or min(first + _WINDOW, now)
    # Wall-clock differences are off by an hour across a change of the clocks; the vendor counts like that.
    if last < first or last - first > _WINDOW or now - first > _KEPT + timedelta(hours=1):
        raise _ParameterError("the interval is too long, too old or turned round")
    return first, last


def _moment(text: str) -> datetime:
    if _TIMESTAMP.fullmatch(text):
        with suppress(ValueError):
            return datetime.fromisoformat(text)
    raise _ParameterError("a timestamp must be YYYY-MM-DDTHH:MM:SS")


def _row(call: Call, flags: Sequence[str]) -> dict[str, Any]:
    row: dict[str, Any] = {
        "end_timestamp": str(_wall_clock(call.start + timedelta(seconds=math.floor(call.seconds)))),
        "start_timestamp": str(_wall_clock(call.start)),
        "calling_number": call.calling,
        "duration": math.floor(call.seconds) + 1,  # rounded up, as in the document's 14 for 13 s
        "called_number": call.called,
    }
    return row | {field: getattr(call, field) for flag in flags for field in _FLAGS[flag]}


def _written(calls: Iterable[Call], suffix: str, flags: Sequence[str], switches: Switches) -> Iterator[str]:
    """Yield the pieces of a list, so that one of millions takes no memory."""
    rows = (_row(call, flags) for call in calls)
    if suffix == "json":
        return _json(rows, switches.on("trailing_comma"))
    if suffix == "csv":
        return _csv(rows, list(_row(Call(datetime.now(timezone.utc), 0, "", ""), flags)))
    return _xml(rows)


def _json(rows: Iterable[dict[str, Any]], trailing_comma: bool) -> Iterator[str]:
    yield '{"calls": ['
    for place, row in enumerate(rows):
        text = json.dumps(row, ensure_ascii=False)
        yield (", " if place else "") + (text[:-1] + ",}" if trailing_comma else text)
    yield "]}"


def _csv(rows: Iterable[dict[str, Any]], columns: Sequence[str]) -> Iterator[str]:
    line = io.StringIO()
    writer = csv.DictWriter(line, columns)
    writer.writeheader()
    for row in rows:
        writer.writerow(row)
        yield line.getvalue()
        line.seek(0)
        line.truncate()
    yield line.getvalue()


def _xml(rows: Iterable[dict[str, Any]]) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?><calls>'
    for row in rows:
        cells = "".join(f"<{name}>{escape(str(value))}</{name}>" for name, value in row.items())
        yield f"<call>{cells}</call>"
    yield "</calls>"


def _in_larger_pieces(texts: Iterator[str]) -> Iterator[bytes]:
    while piece := "".join(islice(texts, 1000)):
        yield piece.encode()
