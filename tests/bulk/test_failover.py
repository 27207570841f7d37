"""When a send gives up its connection, in virtual time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import pytest

from airflow_provider_telecom.bulk.failover import (
    NOT_SENT,
    Failover,
    check_failover,
    send_or_hand_over,
)
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomInputError,
    TelecomNoAnswerError,
    TelecomNotSentError,
    TelecomRateLimitStoreError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OutcomeUnknownError


def of_connection(error: TelecomError) -> TelecomError:
    error.conn_id = "a_connection"
    return error


def down(retry_after: float | None = None) -> TelecomError:
    return of_connection(TelecomServerError("down", retry_after=retry_after))


class Send:
    """A send whose tries take some seconds and fail; at last one succeeds."""

    def __init__(self, *errors: TelecomError, takes: float = 0, counted: Sequence[int] = ()) -> None:
        self._errors, self._takes, self._counted = iter(errors), takes, iter(counted)
        self.now, self.tries, self.known, self.handed_over = 0.0, 0, 0, 0
        self.pauses: list[float] = []

    def run(self, failover: Failover | None, *has_keys: Callable[[], bool]) -> Send:
        send_or_hand_over(
            failover,
            self._send,
            self._resume,
            self._hand_over,
            *has_keys,
            clock=lambda: self.now,
            sleep=self._sleep,
        )
        return self

    def _send(self) -> None:
        self.tries += 1
        self.now += self._takes
        for error in self._errors:
            raise error

    def _resume(self) -> int:
        self.known += next(self._counted, 0)
        return self.known

    def _hand_over(self) -> None:
        self.handed_over += 1

    def _sleep(self, seconds: float) -> None:
        self.now += seconds
        self.pauses.append(seconds)


def test_five_failed_tries_within_five_minutes_hand_over() -> None:
    sent = Send(*[down()] * 9).run(Failover())
    assert (sent.tries, sent.handed_over, sent.pauses) == (5, 1, [60] * 4)


def test_a_try_that_succeeds_ends_it() -> None:
    sent = Send(*[down()] * 4).run(Failover())
    assert (sent.tries, sent.handed_over) == (5, 0)
    assert Send().run(Failover()).tries == 1


def test_without_a_failover_the_error_is_raised() -> None:
    assert Send().run(None).tries == 1
    sent = Send(of_connection(TelecomAuthError("key")))
    with pytest.raises(TelecomAuthError):
        sent.run(None)
    assert (sent.tries, sent.handed_over, sent.pauses) == (1, 0, [])


@pytest.mark.parametrize("kind", [TelecomAuthError, TelecomFundsError])
def test_invalid_credentials_and_missing_money_hand_over_at_once(kind: type[TelecomError]) -> None:
    sent = Send(kind("no")).run(Failover())
    assert (sent.tries, sent.handed_over, sent.pauses) == (1, 1, [])


@pytest.mark.parametrize(("asked", "pause"), [(None, 60), (10, 60), (61, 61), (299, 299), (301, 300)])
def test_a_pause_is_as_long_as_the_vendor_asks_and_no_longer_than_the_time(
    asked: float | None, pause: float
) -> None:
    sent = Send(down(asked)).run(Failover())
    assert (sent.pauses, sent.tries) == ([pause], 2)


def test_a_pause_may_be_short() -> None:
    assert Send(down()).run(Failover(failures=2, within=timedelta(milliseconds=20))).pauses == [0.01]


@pytest.mark.parametrize(("takes", "tries"), [(199, 3), (200, 2), (201, 2)])
def test_tries_that_fail_for_that_long_hand_over(takes: float, tries: int) -> None:
    """The first one ends when its time begins; the pauses are 100 seconds."""
    sent = Send(*[down()] * 9, takes=takes).run(Failover(failures=3))
    assert (sent.tries, sent.handed_over) == (tries, 1)


def test_tries_that_send_something_begin_a_new_row() -> None:
    sent = Send(*[down()] * 9, counted=(0, 0, 1, 0, 0)).run(Failover(failures=3))
    assert (sent.tries, sent.handed_over) == (4, 1)
    slow = Send(*[down()] * 9, takes=150, counted=(5, 1, 1, 1, 1)).run(Failover(failures=3))
    assert (slow.tries, slow.handed_over) == (6, 1)


@pytest.mark.parametrize(
    "error",
    [
        of_connection(TelecomRejectedError("no")),
        of_connection(TelecomInputError("text", "is empty")),
        of_connection(OutcomeUnknownError("a person must decide")),
        of_connection(TelecomRateLimitStoreError("the store of all connections")),
        TelecomNotSentError("another try has taken over"),
    ],
)
def test_other_errors_are_raised(error: TelecomError) -> None:
    sent = Send(error)
    with pytest.raises(type(error)):
        sent.run(Failover())
    assert (sent.tries, sent.handed_over) == (1, 0)


def test_an_unknown_outcome_is_tried_again_only_with_keys() -> None:
    lost = of_connection(TelecomUnknownError("lost"))
    assert Send(lost).run(Failover()).tries == 2
    assert Send(lost).run(Failover(), lambda: True).tries == 2
    with pytest.raises(TelecomUnknownError):
        Send(lost).run(Failover(), lambda: False)
    for error in (of_connection(TelecomNoAnswerError("reset")), TelecomThrottledError("slow down")):
        assert Send(error).run(Failover(), lambda: False).tries == 2


def test_the_code_of_those_who_got_nothing_is_the_same_in_all_versions() -> None:
    """It is in files that the next task reads, and in journals."""
    assert NOT_SENT == "not_sent"


def test_its_limits() -> None:
    assert Failover() == Failover(failures=5, within=timedelta(minutes=5))
    for failures in (1, 1000):
        Failover(failures=failures, within=timedelta(microseconds=1))
    for number in (0, 1001):
        with pytest.raises(TelecomInputError) as caught:
            Failover(failures=number)
        assert caught.value.field == "failover failures"
    wrong: Any
    for wrong in (timedelta(0), timedelta(seconds=-1), 300):
        with pytest.raises(TelecomInputError) as caught:
            Failover(within=wrong)
        assert caught.value.field == "failover within"


def test_it_needs_a_file_of_outcomes() -> None:
    failover = Failover()
    assert check_failover(failover, "out.jsonl") is failover
    assert check_failover(None, None) is None
    wrong: Any
    for wrong, path in ((failover, None), (failover, ""), (5, "out.jsonl"), ("", "out.jsonl")):
        with pytest.raises(TelecomInputError) as caught:
            check_failover(wrong, path)
        assert caught.value.field == "failover"
