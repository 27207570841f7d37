"""What became of a request that got no whole answer: not sent, or unknown."""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
from collections.abc import Iterator
from itertools import chain, islice

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.request import NotSent, Unknown


class InvalidBodyError(Exception):
    """A body that is too large, badly packed or cut short. The reason holds none of it."""


TOO_LATE = "the deadline passed"
_NESTED_ERRORS = 20
_WORDS: dict[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "the certificate was refused",
    ssl.SSLError: "TLS failed",
    socket.gaierror: "the host's name was not found",
    ConnectionRefusedError: "the connection was refused",
    ConnectionError: "the connection broke off",
    TimeoutError: "timed out",
    asyncio.TimeoutError: "timed out",
    http.client.IncompleteRead: "the answer was cut short",
    http.client.HTTPException: "the answer is not valid HTTP",
}
_WORDS_BY_NAME = {  # of libraries that are not imported here
    "ServerDisconnectedError": "the connection broke off",
    "ClientPayloadError": "the answer was cut short",
    "ClientResponseError": "the answer is not valid HTTP",
    "HeaderParsingError": "the answer is not valid HTTP",
    "InvalidHeader": "the answer is not valid HTTP",
}


def outcome_of(error: Exception, may_have_left: bool, too_late: bool = False) -> NotSent | Unknown:
    """Return what became of a request that ended with `error`, whatever its class.

    It was not sent only if the transport knows that no byte of it can have left. An error of our own, which
    says what is wrong with the request, is raised then.
    """
    if may_have_left:
        return Unknown(TOO_LATE if too_late else _reason(error))
    if isinstance(error, TelecomError):
        raise error
    return NotSent(TOO_LATE if too_late else _reason(error))


def _reason(error: Exception) -> str:
    """Return what happened, as words without any address: the texts of the libraries' errors hold them."""
    if isinstance(error, InvalidBodyError):
        return str(error)
    nested = list(islice(_nested(error), _NESTED_ERRORS))
    by_kind = (words for kind, words in _WORDS.items() for one in nested if isinstance(one, kind))
    by_name = (_WORDS_BY_NAME[name] for one in nested if (name := type(one).__name__) in _WORDS_BY_NAME)
    words = next(chain(by_kind, by_name), None)
    is_of_the_proxy = any("Proxy" in type(one).__name__ for one in nested)
    return ("the proxy: " if is_of_the_proxy else "") + (words or type(error).__name__)


def _nested(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and what it was raised for; urllib3 also nests errors in arguments."""
    pending = [error]
    while pending:
        error = pending.pop(0)
        yield error
        nested = [arg for arg in error.args if isinstance(arg, BaseException)]
        pending += [one for one in (*nested, error.__cause__, error.__context__) if one is not None]
