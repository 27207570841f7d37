"""Kyivstar's refusals. Only the error code 1040 is known to be the vendor's own."""

from __future__ import annotations

NOT_JSON = 1000
BAD_FIELD = 1010
NOT_A_SUBSCRIBER = 1020
NO_SCORE = 1030
NO_MESSAGE_STATUS = 1040
TOO_MANY_REQUESTS = 1050
TOO_LARGE = 1060
NO_PROMO = 1070
BAD_PROMO_STATUS = 1080
UNKNOWN_ADDRESS = 1090
UNAUTHORIZED = 1100


class RefusedError(Exception):
    """A refusal with an HTTP status, an error code and a text."""

    def __init__(self, status: int, code: int, text: str) -> None:
        super().__init__(text)
        self.status, self.code, self.text = status, code, text


def unauthorized() -> RefusedError:
    """Return the refusal of a missing or invalid token."""
    return RefusedError(401, UNAUTHORIZED, "Invalid authentication credentials")


def wrong(name: str, fault: str = "wrong value") -> RefusedError:
    """Return the refusal of a field or parameter."""
    return RefusedError(422, BAD_FIELD, f"{name}: {fault}")
