"""OAuth2 client credentials, by values: when a token is fetched, kept, renewed and dropped."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from itertools import count
from typing import Any

import pytest

from airflow_provider_telecom.auth.client_credentials import AccessToken, ClientCredentials
from airflow_provider_telecom.calls.endpoint import Call, Exclusive, LoadToken, SaveToken, Sleep, Step
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomServerError,
    TelecomThrottledError,
)
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Request, Response, Unknown
from tests.auth.rotating_world import stored

OK, DEAD = Response(200, {}), Response(401, {})
KEY = "token"
CALL = Request("GET", "/x", Idempotency.READ)
FETCH = Request("POST", "/token", Idempotency.TOKEN)


class Bench:
    """A scheme whose tokens are t1, t2, ..., with a store; its clock is set by hand."""

    def __init__(self, lifetime: float = 28799, error: TelecomError | None = None) -> None:
        self.now, self.fetched = 1000.0, 0
        self.pauses: list[Sleep] = []
        self.store: dict[str, str] = {}
        self.store_fails = False
        self._lifetime, self._error = lifetime, error
        self._names: Iterator[int] = count(1)
        self.auth = ClientCredentials(self._fetch, KEY, lambda: self.now)

    def _fetch(self) -> Call[AccessToken]:
        yield FETCH
        self.fetched += 1
        if self._error:
            raise self._error
        return AccessToken(Secret(f"t{next(self._names)}"), self._lifetime)

    def send(self, *outcomes: Any) -> tuple[list[str], Any]:
        """Return what went out (the token call as `fetch`, a call as its token) and the last outcome."""
        steps: list[str] = []
        return steps, self.run(self.auth.flow(CALL), iter(outcomes), steps)

    def run(self, call: Call[Any], outcomes: Iterator[Any], steps: list[str]) -> Any:
        """Drive a call: `outcomes` answers its requests, the store and the clock do what they do."""
        answer: Any = None
        while True:
            try:
                step = call.throw(answer) if isinstance(answer, Exception) else call.send(answer)
            except StopIteration as done:
                return done.value
            answer = None
            match step:
                case Exclusive(inner):
                    try:
                        answer = self.run(inner, outcomes, steps)
                    except TelecomError as error:
                        answer = error
                case LoadToken(key):
                    answer = TelecomNotSentError("down") if self.store_fails else self.store.get(key)
                case SaveToken(key, value):
                    self.store[key] = value
                case Sleep(low, _):
                    self.pauses.append(step)
                    self.now += low
                case _:
                    steps.append(shown(step))
                    answer = next(outcomes)


def shown(step: Step) -> str:
    assert isinstance(step, Request)
    return "fetch" if step is FETCH else step.headers["Authorization"].reveal().removeprefix("Bearer ")


def test_a_token_is_fetched_once_and_kept() -> None:
    bench = Bench()
    assert bench.send(OK, OK) == (["fetch", "t1"], OK)
    assert bench.send(OK) == (["t1"], OK)


def test_a_token_is_fetched_by_one_caller_at_a_time() -> None:
    first = next(Bench().auth.flow(CALL))
    assert isinstance(first, Exclusive)
    assert first.timeout > 60


def test_a_token_is_replaced_by_one_caller_at_a_time() -> None:
    bench = Bench()
    bench.send(OK, OK)
    call: Any = bench.auth.flow(CALL)
    next(call)
    renewal = call.send(DEAD)
    assert isinstance(renewal, Exclusive)
    assert renewal.timeout > 60


def test_what_the_token_call_said_is_kept_when_the_call_was_not_sent() -> None:
    """A sensor that is told to wait waits as long."""
    lost = TelecomServerError("busy", call="POST /token", status=503, code="E7", retry_after=40)
    with pytest.raises(TelecomNotSentError) as caught:
        Bench(error=lost).send(OK)
    error = caught.value
    assert (error.call, error.status, error.code, error.retry_after) == ("POST /token", 503, "E7", 40)
    assert "not sent: no token could be fetched: busy" in str(error)


def test_a_caller_that_waited_for_another_one_uses_its_token() -> None:
    bench = Bench()
    waiting: Any = bench.auth.flow(CALL)
    alone = next(waiting)
    bench.send(OK, OK)
    token = bench.run(alone.call, iter([]), [])
    assert shown(waiting.send(token)) == "t1"
    assert bench.fetched == 1


@pytest.mark.parametrize(
    ("lifetime", "kept", "renewed"),
    [
        (28799, 28799 * 0.92, 28799 * 0.951),  # 5 % early, up to half as much again by chance
        (1000, 1000 - 181, 1000 - 119),  # at least 120 s early
    ],
)
def test_a_token_is_renewed_early(lifetime: float, kept: float, renewed: float) -> None:
    bench = Bench(lifetime)
    bench.send(OK, OK)
    bench.now += kept
    assert bench.send(OK)[0] == ["t1"]
    bench.now += renewed - kept
    assert bench.send(OK, OK)[0] == ["fetch", "t2"]


def test_a_token_that_expires_too_soon_to_keep_is_used_once() -> None:
    bench = Bench(lifetime=60)
    assert bench.send(OK, OK)[0] == ["fetch", "t1"]
    assert bench.send(OK, OK)[0] == ["fetch", "t2"]


def test_a_rejected_token_is_replaced_and_the_request_sent_once_more() -> None:
    bench = Bench()
    bench.send(OK, OK)
    assert bench.send(DEAD, OK, OK) == (["t1", "fetch", "t2"], OK)
    assert bench.send(OK)[0] == ["t2"]


class TestTokensThatWereNeverAccepted:
    """The Client ID may be for another server: nothing is shared, and the 401 is the answer."""

    def test_there_are_four_requests_in_all(self) -> None:
        bench = Bench()
        assert bench.send(*(OK, DEAD) * 4) == ([step for n in "1234" for step in ("fetch", f"t{n}")], DEAD)
        assert bench.store == {}

    def test_the_error_comes_after_a_few_seconds(self) -> None:
        """Processes that fetch tokens at the same time need the chance; nobody should wait longer."""
        bench = Bench()
        bench.send(*(OK, DEAD) * 4)
        assert sum(pause.low for pause in bench.pauses) == 1.5
        assert sum(pause.high for pause in bench.pauses) == 4.5

    def test_later_calls_do_not_wait(self) -> None:
        bench = Bench()
        bench.send(*(OK, DEAD) * 4)
        before = bench.now
        assert bench.send(DEAD, OK, DEAD) == (["t4", "fetch", "t5"], DEAD)
        assert (bench.now, bench.store) == (before, {})

    @pytest.mark.parametrize("status", [400, 503])
    def test_an_error_does_not_accept_a_token(self, status: int) -> None:
        bench = Bench()
        bench.send(OK, Response(status, {}))
        assert bench.send(*(DEAD, OK) * 4) == (["t1", "fetch", "t2", "fetch", "t3", "fetch", "t4"], DEAD)
        assert bench.store == {}

    @pytest.mark.parametrize("key", [KEY, f"{KEY}_lease"])
    def test_a_shared_token_and_a_lease_say_why(self, key: str) -> None:
        bench = Bench()
        bench.store[key] = stored("s1", 2e9, 1e9) if key == KEY else "{}"
        other = ["s1"] if key == KEY else ["fetch", "t2"]
        bench.store, store = {}, bench.store
        call = bench.auth.flow(CALL)
        bench.run(next(call).call, iter([OK]), [])  # type: ignore[union-attr]
        bench.store = store
        call.close()
        assert bench.send(DEAD, *[OK] * len(other)) == (["t1", *other], OK)
        assert json.loads(bench.store[KEY])["access"] == other[-1]


class TestTokensThatExcludeEachOther:
    """A token was accepted, and a new one is refused as well."""

    def test_the_process_shares_a_token_from_then_on(self) -> None:
        bench = Bench()
        bench.send(OK, OK)
        assert bench.send(DEAD, OK, DEAD, OK, OK) == (["t1", "fetch", "t2", "fetch", "t3"], OK)
        assert json.loads(bench.store[KEY])["access"] == "t3"
        assert json.loads(bench.store[KEY])["expires"] == pytest.approx(time.time() + 28799, abs=60)
        assert bench.send(OK) == (["t3"], OK)

    @pytest.mark.parametrize("accepted", [1, 9])
    def test_three_tokens_in_a_row_that_are_refused_after_a_few_requests_say_so_too(
        self, accepted: int
    ) -> None:
        bench = Bench()
        bench.send(OK, OK)
        for number in (1, 2):
            self.accept(bench, accepted - 1)
            steps = [f"t{number}", "fetch", f"t{number + 1}"]
            assert bench.send(DEAD, OK, OK) == (steps, OK)
        assert bench.store == {}
        self.accept(bench, accepted - 1)
        assert bench.send(DEAD, OK, OK) == (["t3", "fetch", "t4"], OK)
        assert json.loads(bench.store[KEY])["access"] == "t4"

    @staticmethod
    def accept(bench: Bench, requests: int) -> None:
        for _ in range(requests):
            bench.send(OK)

    def test_one_that_lasted_between_them_begins_a_new_row(self) -> None:
        bench = Bench()
        bench.send(OK, OK)
        for accepted in (0, 9, 0, 0):
            self.accept(bench, accepted)
            bench.send(DEAD, OK, OK)
        assert bench.store == {}
        bench.send(DEAD, OK, OK)
        assert json.loads(bench.store[KEY])["access"] == "t6"

    def test_tokens_that_are_refused_after_many_requests_do_not(self) -> None:
        bench = Bench()
        bench.send(OK, OK)
        for _ in range(5):
            self.accept(bench, 9)
            bench.send(DEAD, OK, OK)
        assert (bench.fetched, bench.store) == (6, {})

    def test_the_log_says_so_once(self, caplog: pytest.LogCaptureFixture) -> None:
        bench = Bench()
        bench.send(OK, OK)
        bench.send(DEAD, OK, DEAD, OK, OK)
        bench.send(DEAD, OK, OK)
        assert caplog.text.count("a new one seems to invalidate the former one") == 1
        assert "[core] fernet_key" in caplog.text

    def test_other_processes_take_it_before_fetching_one(self) -> None:
        bench = Bench()
        bench.store[KEY] = stored("s1", 2e9, 1e9)
        assert bench.send(OK) == (["s1"], OK)
        bench.store_fails = True
        assert bench.send(OK) == (["s1"], OK)
        assert bench.fetched == 0

    def test_a_lease_that_somebody_left_does_not_keep_a_new_process_from_a_token_of_its_own(self) -> None:
        bench = Bench()
        bench.store[f"{KEY}_lease"] = "{}"
        assert bench.send(OK, OK) == (["fetch", "t1"], OK)
        assert KEY not in bench.store

    def test_a_store_that_does_not_answer_changes_nothing(self) -> None:
        bench = Bench()
        bench.store_fails = True
        assert bench.send(OK, OK) == (["fetch", "t1"], OK)
        assert bench.send(DEAD, OK, OK) == (["t1", "fetch", "t2"], OK)

    def test_refused_credentials_end_the_call_at_once(self) -> None:
        bench = Bench()
        bench.send(OK, OK)
        bench._error = TelecomAuthError("wrong secret")
        with pytest.raises(TelecomAuthError, match="wrong secret"):
            bench.send(DEAD, OK)
        assert bench.fetched == 2


class TestASharedToken:
    """Its times and limits are others than those of SunSim's tokens."""

    @staticmethod
    def sharing(left: float = 28799, revoked_early: int = 0) -> Bench:
        """Return a bench whose store has a token of now, after so many that were revoked early."""
        bench, now = Bench(), time.time()
        bench.store[KEY] = stored("s1", now + left, now, young_deaths=[now] * revoked_early)
        return bench

    @pytest.mark.parametrize(("left", "steps"), [(700, ["fetch", "t1"]), (1500, ["s1"])])
    def test_it_is_renewed_12_to_24_minutes_before_it_expires(self, left: float, steps: list[str]) -> None:
        assert self.sharing(left).send(*[OK] * len(steps)) == (steps, OK)

    def test_after_20_early_revocations_another_system_uses_the_account(self) -> None:
        assert self.sharing(revoked_early=19).send(DEAD, OK, OK) == (["s1", "fetch", "t1"], OK)
        with pytest.raises(TelecomAuthError, match="another system"):
            self.sharing(revoked_early=20).send(DEAD, OK, OK)

    @pytest.mark.parametrize(("before", "waits"), [(8, False), (9, True)])
    def test_after_10_early_revocations_a_process_creates_a_token_every_30_seconds(
        self, before: int, waits: bool
    ) -> None:
        bench = self.sharing(revoked_early=before)
        assert bench.send(DEAD, OK, OK) == (["s1", "fetch", "t1"], OK)
        began = bench.now
        assert bench.send(DEAD, OK, OK) == (["t1", "fetch", "t2"], OK)
        assert (bench.now - began >= 29) is waits


def test_a_rejected_token_that_another_caller_has_replaced_is_not_replaced_again() -> None:
    bench = Bench()
    bench.send(OK, OK)
    slow: Any = bench.auth.flow(CALL)
    assert shown(next(slow)) == "t1"
    bench.send(DEAD, OK, OK)
    alone = slow.send(DEAD)
    token = bench.run(alone.call, iter([]), [])
    assert shown(slow.send(token)) == "t2"
    assert bench.fetched == 2


@pytest.mark.parametrize(
    "outcome", [Response(403, {}), Response(500, {}), NotSent("refused"), Unknown("reset")]
)
def test_only_a_401_rejects_the_token(outcome: Any) -> None:
    assert Bench().send(OK, outcome) == (["fetch", "t1"], outcome)


@pytest.mark.parametrize("error", [TelecomNoAnswerError("reset"), TelecomServerError("down", status=503)])
def test_a_lost_response_to_the_token_call_means_that_the_call_was_not_sent(error: TelecomError) -> None:
    with pytest.raises(TelecomNotSentError) as caught:
        Bench(error=error).send(OK)
    assert caught.value.status == error.status


@pytest.mark.parametrize("error", [TelecomAuthError("wrong secret"), TelecomThrottledError("slow down")])
def test_other_errors_of_the_token_call_are_raised_unchanged(error: TelecomError) -> None:
    with pytest.raises(type(error)):
        Bench(error=error).send(OK)


def test_after_a_failed_fetch_the_next_call_fetches_anew() -> None:
    bench = Bench(error=TelecomServerError("down"))
    with pytest.raises(TelecomNotSentError):
        bench.send(OK)
    bench._error = None
    assert bench.send(OK, OK)[0] == ["fetch", "t1"]
