"""Pairs of tokens: how they are asked for, when they end, and how a dead one is replaced."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.auth.bearer import Bearer
from airflow_provider_telecom.auth.rotating_jwt import RotatingJwt, RotatingToken, RotationTiming
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, Request, Response, Unknown
from airflow_provider_telecom.calls.retry import send_with_retry
from airflow_provider_telecom.vendors.api import Credentials
from airflow_provider_telecom.vendors.sunsim.options import SunSimOptions
from airflow_provider_telecom.vendors.sunsim.tokens import auth_for, read_pair
from tests.by_hand import drive
from tests.vendors.sunsim.by_hand import BASE, PAIR, ScriptedApi, answer, asked, jwt

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
EXP = int(datetime(2026, 3, 2, 11, 0, tzinfo=UTC).timestamp())


def pair(zone: str | None = None, **changes: Any) -> Any:
    return read_pair(answer({**PAIR, **changes}), zone, NOW)


def test_create_is_signed_with_the_authorization_token_and_may_be_repeated() -> None:
    requests, made = asked(ScriptedApi().create_tokens(), answer(PAIR))
    (request,) = requests
    assert (request.method, request.url(BASE)) == ("GET", f"{BASE}/api/v1/auth/integrationapi/create")
    assert request.headers == {"Authorization": Secret("Bearer sim.authorization")}
    assert request.idempotency is Idempotency.TOKEN
    assert (made.access.reveal(), made.refresh.reveal()) == ("sim.access", "sim.refresh")
    assert "sim." not in repr(made)


def test_row_30_refresh_is_signed_with_the_refresh_token() -> None:
    """The document names the authorization token as the parameter; its comment, the refresh token."""
    for given in ("sim.old-refresh", Secret("sim.old-refresh")):
        (request,), made = asked(ScriptedApi().refresh_tokens(given), answer(PAIR))
        assert request.url(BASE) == f"{BASE}/api/v1/auth/integrationapi/refresh"
        assert request.headers == {"Authorization": Secret("Bearer sim.old-refresh")}
        assert made.refresh.reveal() == "sim.refresh"


def test_refresh_is_never_repeated() -> None:
    call = ScriptedApi().refresh_tokens("sim.refresh")
    assert next(call).idempotency is Idempotency.NONE
    with pytest.raises(TelecomUnknownError):
        call.send(Unknown("read timed out"))


@pytest.mark.parametrize("bad", ["", " ", "a b", "a\r\nX: y", "ї"])
def test_a_refresh_token_must_fit_into_a_header(bad: str) -> None:
    with pytest.raises(TelecomInputError, match="refresh_token"):
        next(ScriptedApi().refresh_tokens(bad))


def test_the_api_path_may_be_another() -> None:
    assert next(ScriptedApi(api_path="/v2/").create_tokens()).path == "/v2/auth/integrationapi/create"
    assert next(ScriptedApi(api_path="/").create_tokens()).path == "/auth/integrationapi/create"


class TestRow31Ends:
    """`*ExpiredIn` is a string of unknown form."""

    def test_row_31_the_tokens_own_claim_comes_first(self) -> None:
        made = pair(accessToken=jwt(exp=EXP), accessTokenExpiredIn="2030-01-01T00:00:00Z")
        assert made.access_expires.timestamp() == EXP

    @pytest.mark.parametrize(
        "token", ["opaque", "a.b.c", "a.e30.c", jwt(exp="soon"), jwt(exp=True), jwt(exp=-1), jwt(exp=1e300)]
    )
    def test_row_31_then_the_text_in_either_form(self, token: str) -> None:
        iso = pair(accessToken=token, accessTokenExpiredIn="2026-03-02T14:00:00.000+03:00")
        dotted = pair("Europe/Moscow", accessToken=token, accessTokenExpiredIn="02.03.2026 14:00:00")
        plain = pair("Europe/Moscow", accessToken=token, accessTokenExpiredIn="2026-03-02 14:00:00")
        assert {made.access_expires.timestamp() for made in (iso, dotted, plain)} == {EXP}

    @pytest.mark.parametrize("written", [int(EXP), str(int(EXP)), 1000 * int(EXP), f" {1000 * int(EXP)} "])
    def test_row_31_or_a_unix_time(self, written: Any) -> None:
        assert pair(accessTokenExpiredIn=written).access_expires.timestamp() == EXP

    @pytest.mark.parametrize("written", [86_400, "86400"])
    def test_row_31_or_the_seconds_that_are_left(self, written: Any) -> None:
        assert pair(accessTokenExpiredIn=written).access_expires == NOW + timedelta(hours=24)

    def test_row_31_without_a_zone_it_is_taken_for_utc(self) -> None:
        assert pair(accessTokenExpiredIn="02.03.2026 11:00:00").access_expires.timestamp() == EXP

    @pytest.mark.parametrize(
        "text", ["string", "", None, 7, True, 10**20, "99.99.2026 25:00:00", "2026-13-45 00:00:00", "P1D"]
    )
    def test_row_31_then_a_day_from_now(self, text: Any) -> None:
        made = pair(accessTokenExpiredIn=text, refreshTokenExpiredIn=text)
        assert made.access_expires == NOW + timedelta(hours=24)
        assert made.refresh_expires == NOW + timedelta(hours=25)


@pytest.mark.parametrize("changes", [{"accessToken": ""}, {"accessToken": None}, {"refreshToken": "a\r\nb"}])
def test_an_answer_without_usable_tokens_is_unreadable(changes: dict[str, Any]) -> None:
    with pytest.raises(TelecomAnswerError, match="without tokens") as caught:
        pair(**changes)
    assert "sim." not in str(caught.value)


def rotating(**options: Any) -> RotatingJwt:
    credentials = Credentials("", Secret("sim.authorization"), "abcd1234")
    return auth_for(credentials, SunSimOptions(**options), AccountLimits(), 60, RotationTiming())


def old(refresh: str | None = None) -> RotatingToken:
    return RotatingToken(Secret("sim.dead"), 0, 0, Secret(refresh) if refresh else None)


def minted(jwt_auth: RotatingJwt, dead: RotatingToken | None, *answers: Any) -> tuple[list[str], Any]:
    steps, token = drive(jwt_auth.mint(dead), answers)
    signed = [step.headers["Authorization"].reveal() for step in steps if isinstance(step, Request)]
    return signed, token


def test_the_stored_token_is_named_after_the_account() -> None:
    assert rotating().key == "__telecom_sunsim_token__abcd1234"


def test_the_lock_decides_about_leases() -> None:
    assert rotating().timing.lease == RotationTiming().lease
    assert rotating(lock="host").timing.lease == 0


def test_by_default_a_token_is_created_and_no_refresh_token_is_kept() -> None:
    signed, token = minted(rotating(), old(), answer(PAIR))
    assert signed == ["Bearer sim.authorization"]
    assert (token.access.reveal(), token.refresh) == ("sim.access", None)


class TestRefreshStrategy:
    auth = rotating(token_strategy="refresh")

    def test_the_first_pair_is_created_and_its_refresh_token_kept(self) -> None:
        signed, token = minted(self.auth, None, answer(PAIR))
        assert signed == ["Bearer sim.authorization"]
        assert token.refresh.reveal() == "sim.refresh"

    def test_the_next_is_refreshed(self) -> None:
        signed, token = minted(self.auth, old("sim.r0"), answer(PAIR))
        assert signed == ["Bearer sim.r0"]
        assert token.refresh.reveal() == "sim.refresh"

    @pytest.mark.parametrize(
        "lost", [Unknown("reset"), Response(401, {}), Response(503, {}), answer(b"<html>")], ids=repr
    )
    def test_whatever_goes_wrong_create_is_the_way_out(self, lost: Any) -> None:
        signed, token = minted(self.auth, old("sim.r0"), lost, answer(PAIR))
        assert signed == ["Bearer sim.r0", "Bearer sim.authorization"]
        assert token.access.reveal() == "sim.access"


def test_a_dead_authorization_token_is_reported() -> None:
    with pytest.raises(TelecomAuthError):
        minted(rotating(), None, Response(401, {}))


def test_a_clock_that_is_wrong_is_reported(caplog: pytest.LogCaptureFixture) -> None:
    tomorrow = datetime.now(UTC) + timedelta(hours=24)
    with caplog.at_level(logging.WARNING):
        minted(rotating(), None, answer({**PAIR, "accessToken": jwt(exp=tomorrow.timestamp())}))
        assert caplog.messages == []
        minted(rotating(), None, answer({**PAIR, "accessToken": jwt(exp=tomorrow.timestamp() + 7200)}))
    assert "is this host's clock right?" in caplog.messages[0]


@pytest.mark.parametrize("hours", [-1, 0, 1, 48, 24 * 365])
def test_an_end_that_nobody_can_believe_is_a_day_from_now(hours: int) -> None:
    """Else each call would find the token old, make another, and end it for all workers."""
    end = datetime.now(UTC) + timedelta(hours=hours)
    for changes in ({"accessToken": jwt(exp=end.timestamp())}, {"accessTokenExpiredIn": end.isoformat()}):
        _, token = minted(rotating(), None, answer({**PAIR, **changes}))
        assert abs(token.expires - token.minted - 24 * 3600) < 60


@pytest.mark.parametrize(
    ("status", "error", "dead"),
    [
        (401, {}, True),
        (200, {"errorCode": 401, "errorMessage": "Unauthorized"}, True),
        (200, {"errorCode": "401"}, True),
        (400, {"errorCode": 401}, True),
        (200, {"errorCode": 7, "errorMessage": "Token expired"}, True),
        (200, {"errorCode": 7, "errorMessage": "Срок действия токена истек"}, True),
        (200, {"errorCode": 0, "errorMessage": "Token expired"}, False),
        (200, {"errorCode": 7, "errorMessage": "the token lacks a right"}, False),
        (200, {"errorCode": 403, "errorMessage": "Forbidden"}, False),
        (403, {"errorCode": 403}, False),
        (500, {"errorCode": 401}, False),
        (200, {"errorCode": 5, "errorMessage": "no such number"}, False),
    ],
)
def test_row_46_which_answers_refuse_the_token(status: int, error: Any, dead: bool) -> None:
    assert rotating().is_revoked(answer({"error": error}, status)) is dead


def test_tokens_have_a_breaker_of_their_own() -> None:
    limits = AccountLimits()
    for _ in range(5):
        call = send_with_retry(Request("GET", "/x", Idempotency.NONE), Bearer(Secret("x")), len, limits, 60)  # type: ignore[arg-type]
        next(call)
        with pytest.raises(TelecomUnknownError):
            call.send(Unknown("down"))
    with pytest.raises(TelecomNotSentError):
        limits.check_breaker()
    auth = auth_for(Credentials("", Secret("x"), "k"), SunSimOptions(), limits, 60, RotationTiming())
    assert minted(auth, None, answer(PAIR))[0] == ["Bearer x"]
