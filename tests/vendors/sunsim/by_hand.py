"""SunSim's calls, driven by hand and answered with values."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable
from typing import Any

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Json, Request, Response
from airflow_provider_telecom.vendors.api import Account, Credentials
from airflow_provider_telecom.vendors.sunsim.api import SunSimApi
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions
from tests.by_hand import drive

BASE = "https://webapi.sunsim.ru:4432"
ABOUT = {"apiName": "x", "apiVersion": 1, "callTime": "2026-01-01 00:00:00", "responseDuration": "0.01"}
FINE = {"errorMessage": "", "errorCode": 0}
PAIR = {
    "accessToken": "sim.access",
    "accessTokenExpiredIn": "string",
    "refreshToken": "sim.refresh",
    "refreshTokenExpiredIn": "string",
}


class ScriptedApi(SunSimApi):
    """The calls with an account that nobody sends anything for: `run` gives the call itself back."""

    def __init__(self, **options: Any) -> None:
        self._options = SunSimOptions(**options)

    @property
    def options(self) -> SunSimOptions:
        return self._options

    @property
    def account(self) -> Account:
        return Account(Bearer(Secret("sim.access")), AccountLimits(), 60)

    @property
    def credentials(self) -> Credentials:
        return Credentials("", Secret("sim.authorization"), "key")

    def run(self, call: Call[Any], /) -> Any:
        return call


def answer(body: Any, status: int = 200) -> Response:
    """Return a response with a JSON body, or with bytes as they are."""
    return Response(status, {}, body if isinstance(body, bytes) else json.dumps(body).encode())


def enveloped(**result: Any) -> Response:
    """Return a success with this in its `result`."""
    return answer({"error": FINE, "result": {**ABOUT, **result}})


def asked(call: Any, *answers: Response) -> tuple[list[Request], Any]:
    """Return the requests that a call makes and its result."""
    given: Iterable[Response] = answers
    steps, result = drive(call, given)
    return [step for step in steps if isinstance(step, Request)], result


def first_request(call: Any) -> Request:
    """Return a call's first request."""
    request: Request = next(call)
    return request


def sent(request: Request) -> Any:
    """Return a request's JSON."""
    assert isinstance(request.body, Json)
    return request.body.value


def jwt(**claims: Any) -> str:
    """Return a token that says this of itself."""
    part = base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b"=").decode()
    return f"e30.{part}.sig"


def vats(num: str = "9000000000", **profile: Any) -> dict[str, Any]:
    """Return the settings of one number: office hours on five days, the rest in a second block."""
    week = [1, 2, 3, 4, 5]
    work = {str(day): [(32_400, 64_800)] if day in week else [] for day in range(1, 8)}
    rest = {
        str(day): [(0, 32_400), (64_800, 86_400)] if day in week else [(0, 86_400)] for day in range(1, 8)
    }
    blocks = [_block(1, work), _block(2, rest)]
    first = {"scheduleBlocks": blocks, "id": 11, "isUseCalendar": 0, "workdayDefDay": 0, **profile}
    return {
        "profiles": [first],
        "contractNum": "883736",
        "num": num,
        "vatsModeCode": 1,
        "vatsModeTerm": "string",
    }


def _block(block_id: int, hours: dict[str, list[tuple[int, int]]]) -> dict[str, Any]:
    days = {
        day: {"times": [{"time_start": start, "time_end": end} for start, end in times]}
        for day, times in hours.items()
    }
    redirect = {"id": 1, "num": 9001234567, "name": "string", "isActive": 1, "isMlp": 0, "dialTime": 30}
    return {
        "scheduleJson": {"schedule": {"days": days}},
        "redirectNums": [redirect],
        "id": block_id,
        "typTerm": "string",
        "isActive": 1,
        "nameTerm": "string",
        "dialModeCode": 1,
        "dialModeTerm": "string",
    }
