"""SunSim's envelope: `error`, whose code is 0 for a success, and `result`.

The vendor does not document its error codes: these are the simulator's own.
"""

from __future__ import annotations

from datetime import datetime

from airflow_provider_telecom.simulator.incoming import JsonObject
from airflow_provider_telecom.simulator.switches import Switches

OK = 0
NOT_JSON = 1
UNKNOWN_FIELD = 2
MISSING_FIELD = 3
BAD_VALUE = 4
NOT_YOUR_NUMBER = 5
BAD_PERIOD = 6
NOT_FOUND = 7
BAD_SCHEDULE = 8
NOT_EDITABLE = 9
UNAUTHORIZED = 401


class RefusedError(Exception):
    """A refusal with an error code and a text. `status_of` returns its HTTP status."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class UnauthorizedError(RefusedError):
    """The refusal of a token that is missing, invalid, expired or of the wrong kind."""

    def __init__(self) -> None:
        super().__init__(UNAUTHORIZED, "Unauthorized")


def status_of(code: int, switches: Switches) -> int:
    """Return the HTTP status of a refusal."""
    if switches["error_status"] == "always_200":
        return 200
    if code == UNAUTHORIZED:
        return 401
    if switches["error_status"] == "200_but_401":
        return 200
    return 404 if code == NOT_FOUND else 400


def success_part(switches: Switches) -> JsonObject | None:
    """Return the `error` of a success."""
    return {"zero": error_part(), "text": error_part(OK, "OK"), "null": None}[switches["success_error"]]


def error_part(code: int = OK, text: str = "") -> JsonObject:
    """Return the `error` of a response."""
    return {"errorMessage": text, "errorCode": code}


def metadata(api_name: str, now: datetime) -> JsonObject:
    """Return the fields that describe the request in each `result`."""
    return {
        "apiName": api_name,
        "apiVersion": 1,
        "callTime": now.strftime("%Y-%m-%d %H:%M:%S"),
        "responseDuration": "0.01",
    }
