"""SunSim's envelope: `error` with a code that is 0 when all is well, beside it `result`.

The vendor documents no error codes; these are the simulator's own.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any

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
    """A request that is refused with an error code and a text; the HTTP status is 200 all the same."""

    def __init__(self, code: int, text: str) -> None:
        super().__init__(text)
        self.code, self.text = code, text


class UnauthorizedError(RefusedError):
    """A token that is missing, dead, expired or of the wrong kind: HTTP status 401."""

    def __init__(self) -> None:
        super().__init__(UNAUTHORIZED, "Unauthorized")


def error(code: int = OK, text: str = "") -> dict[str, Any]:
    """Return the `error` part of an answer."""
    return {"errorMessage": text, "errorCode": code}


def service(api_name: str, now: datetime) -> dict[str, Any]:
    """Return what each `result` says of the request itself."""
    return {
        "apiName": api_name,
        "apiVersion": 1,
        "callTime": now.strftime("%Y-%m-%d %H:%M:%S"),
        "responseDuration": "0.01",
    }
