"""The rule table, by values: what goes out again, after what, and how often."""

from __future__ import annotations

from collections.abc import Callable, Generator
from typing import Any

import pytest

from airflow_provider_telecom.calls.answers import Complaint, read_json, refuse_by_status
from airflow_provider_telecom.calls.endpoint import Load, Pause, Step
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
from airflow_provider_telecom.calls.guard import Guard
from airflow_provider_telecom.calls.privacy import Secret
from airflow_provider_telecom.calls.request import NotSent, Outcome, Repeat, Request, Response, Unknown
from airflow_provider_telecom.calls.retry import may_repeat, pause_after, perform, ready
from tests.by_hand import drive

OK = Response(200, {}, b"{}")


class Plain:
    def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
        outcome: Outcome = yield request
        return outcome


def read(response: Response) -> Any:
    refuse_by_status(response, Complaint)
    return read_json(response.body)


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def attempt(
    repeat: Repeat,
    answers: list[Outcome],
    guard: Guard | None = None,
    read: Callable[[Response], Any] = read,
) -> tuple[int, Any]:
    """Return how many requests went out and the result or error, while the waits take no time."""
    steps: list[Step] = []

    def answering() -> Generator[Any, None, None]:
        waiting = iter(answers)
        while True:
            yield next(waiting) if isinstance(steps[-1], Request) else None

    call = perform(Request("POST", "/x", repeat), Plain(), read, guard or Guard(clock=Clock()), 60)
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


SAFE = [Repeat.READ, Repeat.TOKEN, Repeat.KEYED]
ONCE = [Repeat.SET_STATE, Repeat.DRAFT, Repeat.UNKEYED]
UNCLEAR = [
    Unknown("reset"),
    Response(500, {}),
    Response(503, {}),
    Response(408, {}),
    Response(425, {}),
    Response(499, {}),
    Response(200, {}, b"<html>"),
]


@pytest.mark.parametrize("repeat", list(Repeat))
def test_what_was_not_sent_goes_out_again_whatever_it_is(repeat: Repeat) -> None:
    assert attempt(repeat, [NotSent("refused"), OK]) == (2, {})


@pytest.mark.parametrize("outcome", UNCLEAR, ids=repr)
@pytest.mark.parametrize("repeat", SAFE)
def test_safe_classes_repeat_after_an_unclear_outcome(repeat: Repeat, outcome: Outcome) -> None:
    assert attempt(repeat, [outcome, outcome, outcome, OK]) == (4, {})


@pytest.mark.parametrize("outcome", UNCLEAR, ids=repr)
@pytest.mark.parametrize("repeat", ONCE)
def test_effects_that_nobody_can_tell_apart_go_out_once(repeat: Repeat, outcome: Outcome) -> None:
    sent, error = attempt(repeat, [outcome, OK])
    assert (sent, type(error)) == (1, TelecomUnknownError)


@pytest.mark.parametrize("status", [300, 302, 303, 304, 305])
@pytest.mark.parametrize("repeat", [Repeat.KEYED, *ONCE])
def test_a_redirect_that_may_follow_an_effect_leaves_it_unknown(repeat: Repeat, status: int) -> None:
    sent, error = attempt(repeat, [Response(status, {}), OK])
    assert (sent, type(error)) == (1, TelecomUnknownError)


@pytest.mark.parametrize(
    ("repeat", "status"),
    [*((repeat, 301) for repeat in Repeat), *((Repeat.UNKEYED, status) for status in (307, 308))],
)
def test_a_request_that_belongs_elsewhere_is_refused(repeat: Repeat, status: int) -> None:
    sent, error = attempt(repeat, [Response(status, {}), OK])
    assert (sent, type(error)) == (1, TelecomRedirectError)


@pytest.mark.parametrize("outcome", UNCLEAR, ids=repr)
def test_a_billed_read_goes_out_twice_at_most(outcome: Outcome) -> None:
    assert attempt(Repeat.BILLED_READ, [outcome, OK]) == (2, {})
    sent, error = attempt(Repeat.BILLED_READ, [outcome, outcome, OK])
    assert sent == 2
    assert not isinstance(error, TelecomUnknownError)


@pytest.mark.parametrize("repeat", list(Repeat))
def test_too_many_requests_are_repeated_after_the_wait(repeat: Repeat) -> None:
    throttled = Response(429, {"retry-after": "7"})
    assert attempt(repeat, [throttled, throttled, OK]) == (3, {})


@pytest.mark.parametrize("status", [400, 401, 403, 404, 422])
@pytest.mark.parametrize("repeat", list(Repeat))
def test_a_refusal_is_final(repeat: Repeat, status: int) -> None:
    sent, error = attempt(repeat, [Response(status, {}), OK])
    assert sent == 1
    assert error.status == status
    assert error.call == "POST /x"
    assert isinstance(error, (TelecomRejectedError, TelecomAuthError))


def test_four_requests_are_the_most() -> None:
    assert attempt(Repeat.READ, [NotSent("refused")] * 9)[0] == 4
    assert attempt(Repeat.UNKEYED, [NotSent("refused")] * 9)[0] == 4


def test_a_keyed_effect_that_stays_unclear_is_unknown_and_a_read_is_not() -> None:
    assert isinstance(attempt(Repeat.KEYED, [Unknown("reset")] * 4)[1], TelecomUnknownError)
    assert isinstance(attempt(Repeat.READ, [Unknown("reset")] * 4)[1], TelecomNoAnswerError)
    assert isinstance(attempt(Repeat.READ, [Response(502, {})] * 4)[1], TelecomServerError)
    assert isinstance(attempt(Repeat.READ, [Response(200, {}, b"[")] * 4)[1], TelecomAnswerError)


@pytest.mark.parametrize(
    "later",
    [NotSent("refused"), Response(429, {"retry-after": "999"}), Response(401, {})],
    ids=repr,
)
def test_a_first_copy_in_doubt_is_not_settled_by_a_later_one_that_did_not_arrive(later: Outcome) -> None:
    assert isinstance(attempt(Repeat.KEYED, [Unknown("reset"), *[later] * 3])[1], TelecomUnknownError)
    assert not isinstance(attempt(Repeat.KEYED, [later] * 4)[1], TelecomUnknownError)
    assert not isinstance(attempt(Repeat.READ, [Unknown("reset"), *[later] * 3])[1], TelecomUnknownError)


def test_a_first_copy_in_doubt_is_settled_by_a_refusal_of_what_it_says() -> None:
    def read(response: Response) -> Any:
        refuse_by_status(response, lambda: Complaint("21", "a wrong number"))

    refused = [Unknown("reset"), Response(422, {})]
    assert type(attempt(Repeat.KEYED, refused, read=read)[1]) is TelecomRejectedError


@pytest.mark.parametrize("status", [400, 404, 413, 415, 422])
def test_a_first_copy_in_doubt_is_not_settled_by_a_gateway_that_refuses_the_next(status: int) -> None:
    """It has no code of the vendor's: it may have let the first one through."""
    refused = [Unknown("reset"), Response(status, {}, b"<html>")]
    assert type(attempt(Repeat.KEYED, refused)[1]) is TelecomUnknownError
    assert type(attempt(Repeat.KEYED, refused[1:])[1]) is not TelecomUnknownError


def test_a_first_copy_in_doubt_is_not_settled_by_what_may_have_changed_since() -> None:
    class LateError(TelecomRejectedError):
        holds_for_copies = False

    def read(response: Response) -> Any:
        raise LateError("too late", code="10")

    assert type(attempt(Repeat.KEYED, [Unknown("reset"), OK], read=read)[1]) is TelecomUnknownError
    assert type(attempt(Repeat.KEYED, [OK], read=read)[1]) is LateError


def test_a_breaker_that_opens_between_two_copies_does_not_say_that_nothing_was_sent() -> None:
    clock = Clock()
    guard = Guard(clock=clock)
    call = perform(Request("POST", "/x", Repeat.KEYED), Plain(), read, guard, 60)
    assert isinstance(next(call), Request)
    assert isinstance(call.send(Unknown("reset")), Pause)
    for began in range(1, 6):
        clock.now = float(began)
        guard.failed(clock.now)
    with pytest.raises(TelecomUnknownError):
        call.send(None)


def test_a_wait_too_long_for_a_worker_is_left_to_the_caller() -> None:
    sent, error = attempt(Repeat.READ, [Response(429, {"retry-after": "301"}), OK])
    assert (sent, type(error), error.retry_after) == (1, TelecomThrottledError, 301)


@pytest.fixture
def _quick_back_off() -> None:
    """Leave the real pauses as they are: here they are looked at."""


def test_waits_have_full_jitter_and_never_undercut_the_vendor() -> None:
    assert [pause_after(n, None) for n in (1, 2, 3)] == [Pause(0, 0.5), Pause(0, 1), Pause(0, 2)]
    assert pause_after(20, None).high == 20
    assert pause_after(1, 7) == Pause(7, 7.5)


def test_the_deadline_ends_the_repeating() -> None:
    clock = Clock()
    call = perform(Request("GET", "/x", Repeat.READ), Plain(), read, Guard(clock=clock), 60)
    first = next(call)
    assert isinstance(first, Request)
    assert first.deadline == 60
    clock.now = 59.9
    with pytest.raises(TelecomNoAnswerError):
        call.send(Unknown("read timed out"))


def test_a_request_gets_what_is_left_of_the_calls_time() -> None:
    clock = Clock()
    call = perform(Request("GET", "/x", Repeat.READ), Plain(), read, Guard(clock=clock), 60)
    next(call)
    clock.now = 40.0
    assert isinstance(call.send(Unknown("reset")), Pause)
    second = call.send(None)
    assert isinstance(second, Request)
    assert second.deadline == 20


def test_the_budget_stops_a_storm() -> None:
    guard = Guard(clock=Clock())
    firsts = total = 0
    for _ in range(200):
        guard._failures = 0  # look at the budget alone, without the breaker
        sent, _ = attempt(Repeat.READ, [Unknown("down")] * 4, guard)
        firsts, total = firsts + 1, total + sent
    assert total <= 1.2 * firsts


def test_the_breaker_lets_one_probe_through_and_refuses_before_anything_is_sent() -> None:
    clock = Clock()
    guard = Guard(clock=clock)
    for _ in range(5):
        attempt(Repeat.UNKEYED, [Unknown("down")], guard)
    sent, error = attempt(Repeat.UNKEYED, [OK], guard)
    assert (sent, type(error)) == (0, TelecomNotSentError)
    clock.now += 31
    assert attempt(Repeat.UNKEYED, [OK], guard) == (1, {})
    assert attempt(Repeat.UNKEYED, [OK], guard) == (1, {})


def test_requests_that_fail_side_by_side_are_one_failure_to_the_breaker() -> None:
    clock = Clock()
    guard = Guard(clock=clock)
    clock.now = 10.0
    for began in (1.0, 2.0, 3.0, 4.0, 5.0, 6.0):
        guard.failed(began)
    guard.admit()
    for began in (10.0, 11.0, 12.0, 13.0):
        clock.now = began
        guard.failed(began)
    with pytest.raises(TelecomNotSentError):
        guard.admit()


def test_refusals_never_open_the_breaker() -> None:
    guard = Guard(clock=Clock())
    for _ in range(20):
        attempt(Repeat.UNKEYED, [Response(422, {})], guard)
    assert attempt(Repeat.UNKEYED, [OK], guard) == (1, {})


def test_a_used_up_quota_holds_everybody() -> None:
    guard = Guard(clock=Clock(), wall_clock=lambda: 2_000_000_000.0)
    used_up = Response(200, {"x-rate-limit-remaining": "0", "x-rate-limit-reset": "2000000012"}, b"{}")
    drive(perform(Request("GET", "/x", Repeat.READ), Plain(), read, guard, 60), [used_up])
    assert guard.turn() == 12


USED_UP = {"x-rate-limit-remaining": "0"}


@pytest.mark.parametrize("reset", ["301", "3600", "99999999", "2000003600", "2000003600000"])
def test_a_quota_that_is_used_up_for_long_refuses_before_anything_is_sent(reset: str) -> None:
    guard = Guard(clock=Clock(), wall_clock=lambda: 2_000_000_000.0)
    assert attempt(Repeat.READ, [Response(200, {**USED_UP, "x-rate-limit-reset": reset}, b"{}")], guard)[0]
    for repeat in Repeat:
        sent, error = attempt(repeat, [OK], guard)
        assert (sent, type(error)) == (0, TelecomThrottledError)
        assert 300 < error.retry_after <= 86_400


@pytest.mark.parametrize("reset", ["inf", "nan", "1e300", "99999999999999999999", "-1", "soon", ""])
def test_a_reset_that_makes_no_sense_holds_nobody(reset: str) -> None:
    guard = Guard(clock=Clock())
    odd = Response(200, {**USED_UP, "x-rate-limit-reset": reset, "retry-after": reset}, b"{}")
    assert attempt(Repeat.UNKEYED, [odd], guard) == (1, {})
    assert attempt(Repeat.UNKEYED, [OK], guard) == (1, {})
    throttled = Response(429, dict(odd.headers))
    assert attempt(Repeat.UNKEYED, [throttled, throttled, OK], guard) == (3, {})


def test_a_long_retry_after_holds_the_next_calls_too() -> None:
    clock = Clock()
    guard = Guard(clock=clock)
    attempt(Repeat.READ, [Response(429, {"retry-after": "3600"})], guard)
    sent, error = attempt(Repeat.UNKEYED, [OK], guard)
    assert (sent, type(error), error.retry_after) == (0, TelecomThrottledError, 3600)
    clock.now += 3500
    call = perform(Request("POST", "/x", Repeat.UNKEYED), Plain(), read, guard, 60)
    assert next(call) == Pause(100, 100)


def test_no_vendor_holds_an_account_for_more_than_a_day() -> None:
    clock = Clock()
    guard = Guard(clock=clock)
    guard.hold(1e300)
    clock.now = 86_400 - 100.0
    assert guard.delay() == 100
    clock.now = 86_400.0
    assert guard.delay() == 0


def test_a_keyed_effect_in_doubt_stays_in_doubt_when_the_quota_stops_its_repetition() -> None:
    guard = Guard(clock=Clock())
    call = perform(Request("POST", "/x", Repeat.KEYED), Plain(), read, guard, 60)
    next(call)
    assert isinstance(call.send(Unknown("reset")), Pause)
    guard.hold(3600)
    with pytest.raises(TelecomUnknownError) as caught:
        call.send(None)
    assert caught.value.retry_after == 3600


def test_asking_whether_a_request_may_be_sent_takes_nothing() -> None:
    clock = Clock()
    guard = Guard(spacing=10, clock=clock)
    for _ in range(3):
        assert guard.delay() == 0
    guard.turn()
    assert [guard.delay(), guard.delay()] == [10, 10]
    assert drive(ready(Plain(), guard), [None])[0] == [Pause(10, 10)]


def test_being_ready_takes_a_token_and_sends_nothing() -> None:
    class WithToken:
        def flow(self, request: Request) -> Generator[Step, Any, Outcome]:
            token = yield Load("token")
            outcome: Outcome = yield request.signed_header("Authorization", token)
            return outcome

    assert drive(ready(WithToken(), Guard()), [Secret("t")])[0] == [Load("token")]
    with pytest.raises(TelecomAuthError):
        drive(ready(WithToken(), Guard()), [TelecomAuthError("no")])


def test_asking_whether_a_request_may_be_sent_does_not_use_up_the_probe() -> None:
    clock = Clock()
    guard = Guard(clock=clock)
    for _ in range(5):
        attempt(Repeat.UNKEYED, [Unknown("down")], guard)
    with pytest.raises(TelecomNotSentError):
        guard.delay()
    clock.now += 31
    assert [guard.delay(), guard.delay()] == [0, 0]
    guard.admit()
    with pytest.raises(TelecomNotSentError):
        guard.delay()


def test_the_error_shows_neither_what_was_sent_nor_long_numbers() -> None:
    request = Request("POST", "/sms/{id}", Repeat.READ, ids={"id": "abc1"}, query={"token": "s3cr3t-token"})
    body = b'{"m": "380670000200 refused: abc1 with s3cr3t-token"}'

    def explain(response: Response) -> Any:
        refuse_by_status(response, lambda: Complaint("7", read_json(response.body)["m"]))

    call = perform(request, Plain(), explain, Guard(), 60)
    next(call)
    with pytest.raises(TelecomNotFoundError) as caught:
        call.send(Response(404, {}, body))
    assert str(caught.value) == "POST /sms/{id}: *** refused: *** with *** (HTTP 404, vendor code 7)"


def test_the_rule_table_is_pure() -> None:
    assert may_repeat(Repeat.UNKEYED, TelecomThrottledError(), 3)
    assert not may_repeat(Repeat.UNKEYED, TelecomThrottledError(), 4)
    assert not may_repeat(Repeat.READ, TelecomRejectedError(), 1)


@pytest.mark.parametrize(
    "error", [KeyError("3806700002"), RecursionError(), OverflowError(), AttributeError()]
)
@pytest.mark.parametrize("repeat", list(Repeat))
def test_an_answer_that_its_reader_stumbles_over_is_unreadable(
    repeat: Repeat, error: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    def stumble(response: Response) -> Any:
        raise error

    _, found = attempt(repeat, [OK] * 4, read=stumble)
    assert type(found) is (TelecomUnknownError if repeat.is_effect else TelecomAnswerError)
    assert "stumble" in caplog.text
    assert "3806700002" not in caplog.text
