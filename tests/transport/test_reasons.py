"""What is said of a request without a complete response: our own words, no text of a library."""

from __future__ import annotations

import http.client
import socket
import ssl
from itertools import pairwise
from unittest.mock import Mock

import aiohttp
import pytest
import requests
import urllib3

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import NotSent, Unknown
from airflow_provider_telecom.transport.outcome import InvalidBodyError, outcome_of

URL = "https://api.example/sms?token=made-up-secret"


def caused_by(*errors: Exception) -> Exception:
    """Return the first error, whose cause is the second one, and so on."""
    for error, cause in pairwise(errors):
        error.__cause__ = cause
    return errors[0]


ERRORS: list[tuple[Exception, str]] = [
    (ssl.SSLCertVerificationError(URL), "the certificate was refused"),
    (ssl.SSLError(URL), "TLS failed"),
    (socket.gaierror(URL), "the host's name was not found"),
    (ConnectionRefusedError(URL), "the connection was refused"),
    (ConnectionResetError(URL), "the connection broke off"),
    (TimeoutError(URL), "timed out"),
    (http.client.IncompleteRead(URL.encode()), "the answer was cut short"),
    (http.client.BadStatusLine(URL), "the answer is not valid HTTP"),
    (aiohttp.ServerDisconnectedError(URL), "the connection broke off"),
    (aiohttp.ClientPayloadError(URL), "the answer was cut short"),
    (aiohttp.ClientResponseError(Mock(), (), message=URL), "the answer is not valid HTTP"),
    (urllib3.exceptions.HeaderParsingError([], URL.encode()), "the answer is not valid HTTP"),
    (requests.exceptions.InvalidHeader(URL), "the answer is not valid HTTP"),
    (InvalidBodyError("larger than allowed"), "larger than allowed"),
    (ZeroDivisionError(URL), "ZeroDivisionError"),
    # Libraries wrap them.
    (requests.ConnectionError(ConnectionRefusedError(URL)), "the connection was refused"),
    (caused_by(OSError(URL), RuntimeError(URL), TimeoutError(URL)), "timed out"),
    (caused_by(aiohttp.ServerDisconnectedError(URL), ssl.SSLError(URL)), "TLS failed"),
    (urllib3.exceptions.ProxyError(URL, ConnectionRefusedError()), "the proxy: the connection was refused"),
    (requests.exceptions.ProxyError(URL), "the proxy: ProxyError"),
]


@pytest.mark.parametrize(("error", "reason"), ERRORS, ids=[repr(type(error)) for error, _ in ERRORS])
def test_what_is_said_of_an_error(error: Exception, reason: str) -> None:
    assert outcome_of(error, may_have_left=True) == Unknown(reason)
    assert outcome_of(error, may_have_left=False) == NotSent(reason)


def test_what_happened_while_another_error_was_handled_is_said_too() -> None:
    error = caused_by(RuntimeError(URL), OSError(URL), RuntimeError(URL))
    error.__context__ = TimeoutError(URL)
    assert outcome_of(error, may_have_left=True) == Unknown("timed out")


def test_errors_that_cause_each_other_are_no_endless_loop() -> None:
    first, second = RuntimeError("first"), RuntimeError("second")
    first.__cause__, second.__cause__ = second, first
    assert outcome_of(first, may_have_left=True) == Unknown("RuntimeError")


@pytest.mark.parametrize("error", [TimeoutError(URL), InvalidBodyError("cut short")])
def test_after_the_deadline_it_is_the_reason(error: Exception) -> None:
    assert outcome_of(error, may_have_left=True, too_late=True) == Unknown("the deadline passed")
    assert outcome_of(error, may_have_left=False, too_late=True) == NotSent("the deadline passed")


def test_our_own_error_is_raised_if_nothing_was_sent() -> None:
    """It says what is wrong with the request. If bytes have left, it proves nothing."""
    error = TelecomInputError("host", "is wrong")
    with pytest.raises(TelecomInputError) as caught:
        outcome_of(error, may_have_left=False)
    assert caught.value is error
    assert outcome_of(error, may_have_left=True) == Unknown("TelecomInputError")
