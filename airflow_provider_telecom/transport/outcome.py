"""The outcome of a request without a complete response: not sent, or unknown."""

from __future__ import annotations

import http.client
import socket
import ssl
from collections.abc import Iterator
from itertools import chain, islice

from airflow_provider_telecom.calls.errors import TelecomError
from airflow_provider_telecom.calls.request import NotSent, Unknown


class InvalidBodyError(Exception):
    """A response body that is too large, badly compressed or cut short. The text holds nothing of it."""


TOO_LATE = "the deadline passed"
_MAX_NESTED_ERRORS = 20
_WORDS: dict[type[BaseException], str] = {
    ssl.SSLCertVerificationError: "the certificate was refused",
    ssl.SSLError: "TLS failed",
    socket.gaierror: "the host's name was not found",
    ConnectionRefusedError: "the connection was refused",
    ConnectionError: "the connection broke off",
    TimeoutError: "timed out",
    http.client.IncompleteRead: "the answer was cut short",
    http.client.HTTPException: "the answer is not valid HTTP",
}
_WORDS_BY_NAME = {  # errors of libraries that are not imported here
    "ServerDisconnectedError": "the connection broke off",
    "ClientPayloadError": "the answer was cut short",
    "ClientResponseError": "the answer is not valid HTTP",
    "HeaderParsingError": "the answer is not valid HTTP",
    "InvalidHeader": "the answer is not valid HTTP",
}


def outcome_of(error: Exception, may_have_left: bool, too_late: bool = False) -> NotSent | Unknown:
    """Return the outcome of a request that ended with `error`.

    It was not sent only if the transport knows that no byte of it can have left; the error's class proves
    nothing. Our own errors, which say what is wrong with the request, are raised if it was not sent.
    """
    if may_have_left:
        return Unknown(TOO_LATE if too_late else _reason(error))
    if isinstance(error, TelecomError):
        raise error
    return NotSent(TOO_LATE if too_late else _reason(error))


def _reason(error: Exception) -> str:
    """Return what happened, in our own words: the texts of the libraries' errors hold URLs."""
    if isinstance(error, InvalidBodyError):
        return str(error)
    nested = list(islice(_nested(error), _MAX_NESTED_ERRORS))
    names = [type(cause).__name__ for cause in nested]
    by_class = (words for kind, words in _WORDS.items() if any(isinstance(cause, kind) for cause in nested))
    by_name = (_WORDS_BY_NAME[name] for name in names if name in _WORDS_BY_NAME)
    words = next(chain(by_class, by_name), type(error).__name__)
    return f"the proxy: {words}" if any("Proxy" in name for name in names) else words


def _nested(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes. urllib3 also nests errors in arguments."""
    pending = [error]
    while pending:
        error = pending.pop(0)
        yield error
        nested = [arg for arg in error.args if isinstance(arg, BaseException)]
        pending += [cause for cause in (*nested, error.__cause__, error.__context__) if cause is not None]
