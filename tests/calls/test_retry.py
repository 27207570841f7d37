"""The rule table, with values: which requests are sent again, after what, and how often."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import LoadToken, Sleep, Step
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomAuthError,
    TelecomError,
    TelecomNoAnswerError,
    TelecomNotFoundError,
    TelecomNotSentError,
    TelecomRedirectError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Outcome, Request, Response, Unknown
from airflow_provider_telecom.calls.responses import ErrorDetails, raise_for_status, read_json
from airflow_provider_telecom.calls.retry import (
    backoff_after,
    send_with_retry,
    should_retry,
    wait_until_ready,
)
from tests.by_hand import drive

OK = Response(200, {}, b"{}")


class Plain:
    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        outcome: Outcome = yield request
        return outcome


def read(response: Response) -> Any:
    raise_for_status(response, ErrorDetails)
    return read_json(response.body)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def attempt(
    idempotency: Idempotency,
    answers: list[Outcome],
    limits: AccountLimits | None = None,
    read: Callable[[Response], Any] = read,
) -> tuple[int, Any]:
    """Return the number of requests and the result or error; sleeps take no time."""
    steps: list[Step] = []

    def answering() -> Generator[Any, None, None]:
        waiting = iter(answers)
        while True:
            yield next(waiting) if isinstance(steps[-1], Request) else None

    call = send_with_retry(
        Request("POST", "/x", idempotency), Plain(), read, limits or AccountLimits(clock=Clock()), 60
    )
    reply: Any = None
    source = answering()
    while True:
        try:
            steps.append(call.send(reply))
        except StopIteration as done:
            return sum(isinstance(step, Request) for step in steps), done.value
        except TelecomError as error:
            return sum(isinstance(step, Request) for step in steps), error
        reply = next(source)


SAFE = [Idempotency.READ, Idempotency.TOKEN, Idempotency.WITH_KEY]
ONCE = [Idempotency.SET_STATE, Idempotency.DRAFT, Idempotency.NONE]
UNCLEAR = [
    Unknown("reset"),
    Response(500, {}),
    Response(503, {}),
    Response(408, {}),
    Response(425, {}),
    Response(499, {}),
    Response(200, {}, b"<html>"),
]


@pytest.mark.parametrize("idempotency", list(Idempotency))
def test_what_was_not_sent_is_sent_again_in_every_class(idempotency: Idempotency) -> None:
    assert attempt(idempotency, [NotSent("refused"), OK]) == (2, {})


@pytest.mark.parametrize("outcome", UNCLEAR, ids=repr)
@pytest.mark.parametrize("idempotency", SAFE)
def test_safe_classes_are_retried_after_an_unknown_outcome(
    idempotency: Idempotency, outcome: Outcome
) -> None:
    assert attempt(idempotency, [outcome, outcome, outcome, OK]) == (4, {})


@pytest.mark.parametrize("outcome", UNCLEAR, ids=repr)
@pytest.mark.parametrize("idempotency", ONCE)
def test_effects_without_a_key_are_sent_once(idempotency: Idempotency, outcome: Outcome) -> None:
    sent, error = attempt(idempotency, [outcome, OK])
    assert (sent, type(error)) == (1, TelecomUnknownError)


@pytest.mark.parametrize("status", [300, 302, 303, 304, 305])
@pytest.mark.parametrize("idempotency", [Idempotency.WITH_KEY, *ONCE])
def test_a_redirect_may_follow_an_effect_and_is_unknown(idempotency: Idempotency, status: int) -> None:
    sent, error = attempt(idempotency, [Response(status, {}), OK])
    assert (sent, type(error)) == (1, TelecomUnknownError)


@pytest.mark.parametrize(
    ("idempotency", "status"),
    [
        *((idempotency, 301) for idempotency in Idempotency),
        *((Idempotency.NONE, status) for status in (307, 308)),
    ],
)
def test_a_request_that_belongs_elsewhere_is_an_error(idempotency: Idempotency, status: int) -> None:
    sent, error = attempt(idempotency, [Response(status, {}), OK])
    assert (sent, type(error)) == (1, TelecomRedirectError)


@pytest.mark.parametrize("outcome", UNCLEAR, ids=repr)
def test_a_billed_read_is_sent_twice_at_most(outcome: Outcome) -> None:
    assert attempt(Idempotency.BILLED_READ, [outcome, OK]) == (2, {})
    sent, error = attempt(Idempotency.BILLED_READ, [outcome, outcome, OK])
    assert sent == 2
    assert not isinstance(error, TelecomUnknownError)


@pytest.mark.parametrize("idempotency", list(Idempotency))
def test_a_throttled_request_is_sent_again_after_the_wait(idempotency: Idempotency) -> None:
    throttled = Response(429, {"retry-after": "7"})
    assert attempt(idempotency, [throttled, throttled, OK]) == (3, {})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
@pytest.mark.parametrize("idempotency", list(Idempotency))
def test_a_refusal_is_final(idempotency: Idempotency, status: int) -> None:
    sent, error = attempt(idempotency, [Response(status, {}), OK])
    assert sent == 1
    assert error.status == status
    assert error.call == "POST /x"
    assert isinstance(error, (TelecomRejectedError, TelecomAuthError))


def test_four_requests_are_the_most() -> None:
    assert attempt(Idempotency.READ, [NotSent("refused")] * 9)[0] == 4
    assert attempt(Idempotency.NONE, [NotSent("refused")] * 9)[0] == 4


def test_an_effect_with_a_key_without_an_answer_is_unknown_and_a_read_is_not() -> None:
    assert isinstance(attempt(Idempotency.WITH_KEY, [Unknown("reset")] * 4)[1], TelecomUnknownError)
    assert isinstance(attempt(Idempotency.READ, [Unknown("reset")] * 4)[1], TelecomNoAnswerError)
    assert isinstance(attempt(Idempotency.READ, [Response(502, {})] * 4)[1], TelecomServerError)
    assert isinstance(attempt(Idempotency.READ, [Response(200, {}, b"[")] * 4)[1], TelecomAnswerError)


@pytest.mark.parametrize(
    "later",
    [NotSent("refused"), Response(429, {"retry-after": "999"}), Response(401, {})],
    ids=repr,
)
def test_a_first_request_in_doubt_is_not_settled_by_a_later_one_that_did_not_arrive(later: Outcome) -> None:
    assert isinstance(attempt(Idempotency.WITH_KEY, [Unknown("reset"), *[later] * 3])[1], TelecomUnknownError)
    assert not isinstance(attempt(Idempotency.WITH_KEY, [later] * 4)[1], TelecomUnknownError)
    assert not isinstance(attempt(Idempotency.READ, [Unknown("reset"), *[later] * 3])[1], TelecomUnknownError)


def test_a_first_request_in_doubt_is_settled_by_a_refusal_of_what_it_says() -> None:
    def read(response: Response) -> Any:
        raise_for_status(response, lambda: ErrorDetails("21", "a wrong number"))

    refused = [Unknown("reset"), Response(422, {})]
    assert type(attempt(Idempotency.WITH_KEY, refused, read=read)[1]) is TelecomRejectedError


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_a_first_request_in_doubt_is_not_settled_by_a_gateway_that_refuses_the_next(status: int) -> None:
    """It has no code of the vendor's: the gateway may have forwarded the first request."""
    refused = [Unknown("reset"), Response(status, {}, b"<html>")]
    assert type(attempt(Idempotency.WITH_KEY, refused)[1]) is TelecomUnknownError
    assert type(attempt(Idempotency.WITH_KEY, refused[1:])[1]) is not TelecomUnknownError


def test_a_first_request_in_doubt_is_not_settled_by_what_may_have_changed_since() -> None:
    class LateError(TelecomRejectedError):
        applies_to_duplicates = False

    def read(response: Response) -> Any:
        raise LateError("too late", code="10")

    assert type(attempt(Idempotency.WITH_KEY, [Unknown("reset"), OK], read=read)[1]) is TelecomUnknownError
    assert type(attempt(Idempotency.WITH_KEY, [OK], read=read)[1]) is LateError


def test_a_breaker_that_opens_between_two_requests_leaves_the_outcome_unknown() -> None:
    clock = Clock()
    limits = AccountLimits(clock=clock)
    call = send_with_retry(Request("POST", "/x", Idempotency.WITH_KEY), Plain(), read, limits, 60)
    assert isinstance(next(call), Request)
    assert isinstance(call.send(Unknown("reset")), Sleep)
    for began in range(1, 6):
        clock.now = float(began)
        limits.record_failure(clock.now)
    with pytest.raises(TelecomUnknownError):
        call.send(None)


def test_a_wait_too_long_for_a_worker_is_left_to_the_caller() -> None:
    sent, error = attempt(Idempotency.READ, [Response(429, {"retry-after": "301"}), OK])
    assert (sent, type(error), error.retry_after) == (1, TelecomThrottledError, 301)


@pytest.fixture
def _quick_back_off() -> None:
    """Use the real backoff, which is tested here."""


def test_waits_have_full_jitter_and_never_undercut_the_vendor() -> None:
    assert [backoff_after(n, None) for n in (1, 2, 3)] == [Sleep(0, 0.5), Sleep(0, 1), Sleep(0, 2)]
    assert backoff_after(20, None).high == 20
    assert backoff_after(1, 7) == Sleep(7, 7.5)


@pytest.mark.parametrize("now", [59.5, 59.9])  # the first backoff may take half a second
def test_the_deadline_ends_the_retries(now: float) -> None:
    clock = Clock()
    call = send_with_retry(
        Request("GET", "/x", Idempotency.READ), Plain(), read, AccountLimits(clock=clock), 60
    )
    first = next(call)
    assert isinstance(first, Request)
    assert first.deadline == 60
    clock.now = now
    with pytest.raises(TelecomNoAnswerError):
        call.send(Unknown("read timed out"))


def test_a_request_gets_what_is_left_of_the_calls_time() -> None:
    clock = Clock()
    call = send_with_retry(
        Request("GET", "/x", Idempotency.READ), Plain(), read, AccountLimits(clock=clock), 60
    )
    next(call)
    clock.now = 40.0
    assert isinstance(call.send(Unknown("reset")), Sleep)
    second = call.send(None)
    assert isinstance(second, Request)
    assert second.deadline == 20


def test_the_budget_stops_a_storm() -> None:
    limits = AccountLimits(clock=Clock())
    firsts = total = 0
    for _ in range(200):
        limits._failures = 0  # the budget alone, without the breaker
        sent, _ = attempt(Idempotency.READ, [Unknown("down")] * 4, limits)
        firsts, total = firsts + 1, total + sent
    assert total <= 1.2 * firsts


def test_the_breaker_lets_one_probe_through_and_refuses_before_anything_is_sent() -> None:
    clock = Clock()
    limits = AccountLimits(clock=clock)
    for _ in range(5):
        attempt(Idempotency.NONE, [Unknown("down")], limits)
    sent, error = attempt(Idempotency.NONE, [OK], limits)
    assert (sent, type(error)) == (0, TelecomNotSentError)
    clock.now += 31
    assert attempt(Idempotency.NONE, [OK], limits) == (1, {})
    assert attempt(Idempotency.NONE, [OK], limits) == (1, {})


def test_requests_that_fail_side_by_side_are_one_failure_to_the_breaker() -> None:
    clock = Clock()
    limits = AccountLimits(clock=clock)
    clock.now = 10.0
    for began in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        limits.record_failure(began)
    limits.check_breaker()
    for began in (10.0, 11.0, 12.0, 13.0):
        clock.now = began
        limits.record_failure(began)
    with pytest.raises(TelecomNotSentError):
        limits.check_breaker()


def test_refusals_never_open_the_breaker() -> None:
    limits = AccountLimits(clock=Clock())
    for _ in range(20):
        attempt(Idempotency.NONE, [Response(422, {})], limits)
    assert attempt(Idempotency.NONE, [OK], limits) == (1, {})


def test_a_used_up_quota_delays_all_calls() -> None:
    limits = AccountLimits(clock=Clock(), wall_clock=lambda: 2_000_000_000.0)
    used_up = Response(200, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "2000000012"}, b"{}")
    drive(send_with_retry(Request("GET", "/x", Idempotency.READ), Plain(), read, limits, 60), [used_up])
    assert limits.reserve_turn() == 12


USED_UP = {"x-rate-limit-remaining": "0"}


@pytest.mark.parametrize("reset", ["301", "3600", "99999999", "2000003600", "2000003600000"])
def test_a_quota_that_is_used_up_for_long_raises_before_anything_is_sent(reset: str) -> None:
    limits = AccountLimits(clock=Clock(), wall_clock=lambda: 2_000_000_000.0)
    assert attempt(
        Idempotency.READ, [Response(200, {**USED_UP, "x-rate-limit-reset": reset}, b"{}")], limits
    )[0]
    for idempotency in Idempotency:
        sent, error = attempt(idempotency, [OK], limits)
        assert (sent, type(error)) == (0, TelecomThrottledError)
        assert 300 < error.retry_after <= 86_400


@pytest.mark.parametrize("reset", ["inf", "nan", "1e300", "99999999999999999999", "-1", "soon", ""])
def test_an_invalid_reset_delays_nobody(reset: str) -> None:
    limits = AccountLimits(clock=Clock())
    odd = Response(200, {**USED_UP, "x-rate-limit-reset": reset, "retry-after": reset}, b"{}")
    assert attempt(Idempotency.NONE, [odd], limits) == (1, {})
    assert attempt(Idempotency.NONE, [OK], limits) == (1, {})
    throttled = Response(429, dict(odd.headers))
    assert attempt(Idempotency.NONE, [throttled, throttled, OK], limits) == (3, {})


def test_a_long_retry_after_delays_the_next_calls_too() -> None:
    clock = Clock()
    limits = AccountLimits(clock=clock)
    attempt(Idempotency.READ, [Response(429, {"retry-after": "3600"})], limits)
    sent, error = attempt(Idempotency.NONE, [OK], limits)
    assert (sent, type(error), error.retry_after) == (0, TelecomThrottledError, 3600)
    clock.now += 3500
    call = send_with_retry(Request("POST", "/x", Idempotency.NONE), Plain(), read, limits, 60)
    assert next(call) == Sleep(100, 100)


def test_no_vendor_delays_an_account_for_more_than_a_day() -> None:
    clock = Clock()
    limits = AccountLimits(clock=clock)
    limits.pause_sending(1e300)
    clock.now = 86_400 - 100.0
    assert limits.delay() == 100
    clock.now = 86_400.0
    assert limits.delay() == 0


def test_an_effect_in_doubt_stays_in_doubt_when_the_quota_stops_its_retry() -> None:
    limits = AccountLimits(clock=Clock())
    call = send_with_retry(Request("POST", "/x", Idempotency.WITH_KEY), Plain(), read, limits, 60)
    next(call)
    assert isinstance(call.send(Unknown("reset")), Sleep)
    limits.pause_sending(3600)
    with pytest.raises(TelecomUnknownError) as caught:
        call.send(None)
    assert caught.value.retry_after == 3600


def test_reading_the_wait_reserves_no_turn() -> None:
    clock = Clock()
    limits = AccountLimits(spacing=10, clock=clock)
    for _ in range(3):
        assert limits.delay() == 0
    limits.reserve_turn()
    assert [limits.delay(), limits.delay()] == [10, 10]
    assert drive(wait_until_ready(Plain(), limits), [None])[0] == [Sleep(10, 10)]


def test_waiting_until_ready_fetches_a_token_and_sends_nothing() -> None:
    class WithToken:
        def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
            token = yield LoadToken("token")
            outcome: Outcome = yield request.with_auth_header("Authorization", token)
            return outcome

    assert drive(wait_until_ready(WithToken(), AccountLimits()), [Secret("t")])[0] == [LoadToken("token")]
    with pytest.raises(TelecomAuthError):
        drive(wait_until_ready(WithToken(), AccountLimits()), [TelecomAuthError("no")])


def test_reading_the_wait_does_not_use_up_the_probe() -> None:
    clock = Clock()
    limits = AccountLimits(clock=clock)
    for _ in range(5):
        attempt(Idempotency.NONE, [Unknown("down")], limits)
    with pytest.raises(TelecomNotSentError):
        limits.delay()
    clock.now += 31
    assert [limits.delay(), limits.delay()] == [0, 0]
    limits.check_breaker()
    with pytest.raises(TelecomNotSentError):
        limits.delay()


def test_the_error_shows_neither_what_was_sent_nor_long_numbers() -> None:
    request = Request(
        "POST", "/sms/{id}", Idempotency.READ, ids={"id": "abc1"}, query={"token": "s3cr3t-token"}
    )
    body = b'{"m": "380670000200 refused: abc1 with s3cr3t-token"}'

    def explain(response: Response) -> Any:
        raise_for_status(response, lambda: ErrorDetails("7", read_json(response.body)["m"]))

    call = send_with_retry(request, Plain(), explain, AccountLimits(), 60)
    next(call)
    with pytest.raises(TelecomNotFoundError) as caught:
        call.send(Response(404, {}, body))
    assert str(caught.value) == "POST /sms/{id}: *** refused: *** with *** (HTTP 404, vendor code 7)"


def test_the_rule_table_is_pure() -> None:
    assert should_retry(Idempotency.NONE, TelecomThrottledError(), 3)
    assert not should_retry(Idempotency.NONE, TelecomThrottledError(), 4)
    assert not should_retry(Idempotency.READ, TelecomRejectedError(), 1)


@pytest.mark.parametrize(
    "error", [KeyError("3806700002"), RecursionError(), OverflowError(), AttributeError()]
)
@pytest.mark.parametrize("idempotency", list(Idempotency))
def test_any_error_while_reading_a_response_makes_it_unreadable(
    idempotency: Idempotency, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(response: Response) -> Any:
        raise error

    _, found = attempt(idempotency, [OK] * 4, read=stumble)
    assert type(found) is (TelecomUnknownError if idempotency.is_effect else TelecomAnswerError)
    assert found.status == 200
    assert "stumble" in caplog.text
    assert {one.name for one in caplog.records} == {"airflow_provider_telecom.calls.retry"}
    assert "3806700002" not in caplog.text


@pytest.mark.parametrize(
    ("outcome", "what", "status", "code"),
    [
        (Unknown("reset"), "no complete response: reset", None, None),
        (Response(200, {}, b"<html>"), "the response cannot be read", None, None),
        (Response(503, {}), "server trouble", 503, "7"),
    ],
    ids=repr,
)
def test_an_unknown_outcome_says_what_is_known(
    outcome: Outcome, what: str, status: int | None, code: str | None
) -> None:
    def read(response: Response) -> Any:
        raise_for_status(response, lambda: ErrorDetails("7", "server trouble"))
        return read_json(response.body)

    _, error = attempt(Idempotency.NONE, [outcome], read=read)
    assert error.text == f"outcome unknown: {what}; it may or may not have happened"
    assert (type(error), error.call) == (TelecomUnknownError, "POST /x")
    assert (error.status, error.code) == (status, code)


@pytest.mark.parametrize("kind", [TelecomRejectedError, TelecomAnswerError])
@pytest.mark.parametrize(("said", "kept"), [("ref-48151623", "ref-48151623"), ("ref-order-77", None)])
def test_an_error_has_the_vendors_reference_without_what_was_sent(
    kind: type[TelecomError], said: str, kept: str | None
) -> None:
    """The vendor's support asks for it."""

    def read(response: Response) -> Any:
        error = kind("refused")
        error.reference = said
        raise error

    request = Request("POST", "/{id}", Idempotency.NONE, ids={"id": "order-77"})
    with pytest.raises(TelecomError) as caught:
        drive(send_with_retry(request, Plain(), read, AccountLimits(), 60), [OK])
    assert caught.value.reference == kept
    assert isinstance(caught.value, (kind, TelecomUnknownError))


class Patient:
    """An account whose sleeps take time, by a clock of its own, and what its call has yielded."""

    def __init__(self, **limits: Any) -> None:
        self.clock = Clock()
        self.limits = AccountLimits(clock=self.clock, **limits)
        self.steps: list[Any] = []

    @property
    def deadlines(self) -> list[float | None]:
        return [step.deadline for step in self.steps if isinstance(step, Request)]

    def call(self, outcomes: list[Outcome], deadline: float = 60, each: float = 0.0) -> Any:
        call = send_with_retry(Request("GET", "/x", Idempotency.READ), Plain(), read, self.limits, deadline)
        waiting, reply = iter(outcomes), None
        while True:
            try:
                self.steps.append(step := call.send(reply))
            except StopIteration as done:
                return done.value
            self.clock.now += step.low if isinstance(step, Sleep) else each
            reply = next(waiting) if isinstance(step, Request) else None


def test_waits_that_the_vendor_asks_for_do_not_count() -> None:
    account = Patient()
    assert account.call([Response(503, {"retry-after": "50"})] * 3 + [OK], each=1.0) == {}
    assert account.deadlines == [60, 59, 58, 57]


def test_waits_for_the_rate_limit_do_not_count() -> None:
    account = Patient(spacing=50.0)
    assert account.call([OK]) == account.call([OK]) == {}
    assert account.deadlines == [60, 60]


def test_a_request_that_is_late_still_gets_a_moment() -> None:
    """A renewed token or a slow store may have taken the time of the call."""
    account = Patient()
    assert account.call([Response(503, {"retry-after": "1"}), OK], deadline=5, each=9.0) == {}
    assert account.deadlines == [5, 0.1]


@pytest.mark.parametrize(("seconds", "sent"), [(300, 2), (301, 1)])
def test_the_longest_wait_that_a_call_sleeps_through(seconds: int, sent: int) -> None:
    """A longer one is left to the caller, who can give the worker back."""
    account = Patient()
    outcomes: list[Outcome] = [Response(503, {"retry-after": str(seconds)}), OK]
    if sent == 2:
        assert account.call(outcomes) == {}
    else:
        with pytest.raises(TelecomServerError) as caught:
            account.call(outcomes)
        assert caught.value.retry_after == seconds
    assert len(account.deadlines) == sent


def test_a_throttled_account_without_a_wait_is_not_paused() -> None:
    limits = AccountLimits(clock=Clock())
    sent, error = attempt(Idempotency.NONE, [Response(429, {})] * 4, limits)
    assert (sent, type(error)) == (4, TelecomThrottledError)
    assert limits.delay() == 0


def test_a_refusal_shows_that_the_vendor_is_up() -> None:
    limits = AccountLimits(clock=Clock())
    for _ in range(2):
        for _ in range(4):
            attempt(Idempotency.NONE, [Unknown("down")], limits)
        attempt(Idempotency.NONE, [Response(422, {})], limits)
    assert attempt(Idempotency.NONE, [OK], limits) == (1, {})
