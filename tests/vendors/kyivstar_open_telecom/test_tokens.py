"""The token call, and a breaker that must not lock the client that it is to open."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomNotSentError,
    TelecomRejectedError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Request, Response, Unknown
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.kyivstar_open_telecom.tokens import auth_for
from tests.by_hand import drive
from tests.vendors.kyivstar_open_telecom.by_hand import answer, asked, describe

CREDENTIALS = Credentials("client", Secret("secret"), "key")


@pytest.mark.parametrize(
    ("expires_in", "lives"),
    [(28799, 28799), ("3600", 3600), (None, 28799), ("soon", 28799), (-5, 28799), (0, 0)],
)
def test_row_26_the_answer_says_how_long_a_token_lives(expires_in: Any, lives: float) -> None:
    reply = {"access_token": "abc", "token_type": "bearer", "expires_in": expires_in}
    _, token = asked("fetch_token", replies=reply)
    assert (token.value, token.expires_in) == (Secret("abc"), lives)


def test_row_26_without_a_word_it_is_what_the_document_says() -> None:
    assert asked("fetch_token", replies={"access_token": "abc"})[1].expires_in == 28799


def test_a_token_does_not_show_itself() -> None:
    _, token = asked("fetch_token", replies={"access_token": "abc-secret"})
    assert "abc-secret" not in repr(token)


@pytest.mark.parametrize("value", [None, "", 5, "a b", "a\r\nX: y", "токен", "a" * 8193])
def test_what_cannot_be_a_token_is_not_taken_for_one(value: Any) -> None:
    reply = answer({"access_token": value, "expires_in": 5})
    with pytest.raises(TelecomAnswerError):
        drive(describe("fetch_token"), [reply, None] * 4)


def test_wrong_credentials_are_refused_at_once_and_echo_nothing() -> None:
    body = {"error": "invalid_client", "error_description": "Client client failed", "error_hint": "secret"}
    with pytest.raises(TelecomAuthError) as caught:
        drive(describe("fetch_token"), [answer(body, 401)])
    assert caught.value.code == "invalid_client"
    assert "secret" not in str(caught.value)


def test_a_malformed_token_request_is_final() -> None:
    with pytest.raises(TelecomRejectedError):
        drive(describe("fetch_token"), [answer({"error": "invalid_request"}, 400)])


def test_a_shut_breaker_lets_a_probe_fetch_its_token() -> None:
    now = [0.0]
    limits = AccountLimits(clock=lambda: now[0])
    auth = auth_for(CREDENTIALS, limits, 60)
    for _ in range(5):
        limits.record_failure(limits.clock())

    def call() -> Call[Response]:
        request = Request("POST", "/x", Idempotency.NONE)
        return send_with_retry(request, auth, lambda response: response, limits, 60)

    with pytest.raises(TelecomNotSentError):
        next(call())
    now[0] = 31.0
    steps, found = drive(call(), [None, answer({"access_token": "abc"}), answer({})])
    assert found.status == 200
    assert [step.label for step in steps if isinstance(step, Request)] == [
        "POST /idp/oauth2/token",
        "POST /x",
    ]


def test_a_token_that_cannot_be_had_leaves_the_paid_call_unsent() -> None:
    limits = AccountLimits()
    auth = auth_for(CREDENTIALS, limits, 60)
    request = Request("POST", "/x", Idempotency.NONE)
    with pytest.raises(TelecomNotSentError) as caught:
        drive(
            send_with_retry(request, auth, lambda response: response, limits, 60),
            [None, Unknown("reset"), None, Unknown("reset"), None, Unknown("reset"), None, Unknown("reset")],
        )
    assert caught.value.call == "POST /idp/oauth2/token"
