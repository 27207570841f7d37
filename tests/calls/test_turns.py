"""The rate limit of all workers, with a clock and a store of the test: no service, no waiting."""

from __future__ import annotations

import heapq
import random
from collections.abc import Callable
from dataclasses import replace
from itertools import count, pairwise
from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import Call, Sleep, TakeTurn, Turn
from airflow_provider_telecom.calls.errors import (
    TelecomRateLimitStoreError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.calls.limits import AccountLimits
from airflow_provider_telecom.calls.request import Idempotency, NotSent, Request, Response, Unknown
from airflow_provider_telecom.calls.retry import send_with_retry, wait_until_ready
from airflow_provider_telecom.calls.retry_after import MAX_WAIT
from airflow_provider_telecom.calls.turns import MICROSECONDS, Schedule, take_turn
from tests.by_hand import drive
from tests.calls.test_retry import Clock, Plain, read

STEP = TakeTurn("vendor/key", 0.1, MAX_WAIT)
"""10 requests a second."""
NOW = 1_800_000_000 * MICROSECONDS


class Store:
    """A store in memory, with a clock of its own that a test sets."""

    def __init__(self, now: float = NOW / MICROSECONDS) -> None:
        self.now, self.start, self.stored = now, 1, None

    stored: Schedule | None

    def take(self, step: TakeTurn) -> Turn:
        self.stored, turn = take_turn(self.stored, step, round(self.now * MICROSECONDS), str(self.start))
        return turn

    def restart(self, remembers: Schedule | None) -> None:
        self.start += 1
        self.stored = remembers


class Deployment:
    """Workers that send as fast as they may, in simulated time, until it is `seconds`."""

    def __init__(self, rate: float, workers: int, late: Callable[[], float] = lambda: 0.0) -> None:
        self.store, self.now, self.sent = Store(), 0.0, list[tuple[float, int]]()
        self.spacing, self._late, self._order = 1 / rate, late, count()
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self.alive = set(range(workers))
        for worker in range(workers):
            self.at(0.0, self._sending(worker))

    def at(self, moment: float, action: Callable[[], None]) -> None:
        heapq.heappush(self._events, (moment, next(self._order), action))

    def run(self, seconds: float) -> None:
        began = self.store.now
        while self._events[0][0] < seconds:
            self.now, _, action = heapq.heappop(self._events)
            self.store.now = began + self.now
            action()

    def _sending(self, worker: int) -> Callable[[], None]:
        limits = AccountLimits(clock=lambda: self.now, shared=replace(STEP, spacing=self.spacing))
        call = send_with_retry(Request("GET", "/x", Idempotency.READ), Plain(), read, limits, 60)
        return lambda: self._go_on(worker, call, None)

    def _go_on(self, worker: int, call: Call[Any], answer: object) -> None:
        """Drive a call until it sleeps, and start the next one after its request."""
        while worker in self.alive:
            match step := call.send(answer):
                case Sleep(low, _):
                    wakes = self.now + low + self._late()
                    self.at(wakes, lambda: self._go_on(worker, call, None))
                    return
                case TakeTurn():
                    answer = self.store.take(step)
                case _:
                    self.sent.append((self.now, worker))
                    self.at(self.now + 0.02, self._sending(worker))
                    return

    def most_in(self, window: float) -> int:
        """Return the largest number of requests in a window of so many seconds."""
        most = first = 0
        for last, (moment, _) in enumerate(self.sent):
            while self.sent[first][0] <= moment - window:
                first += 1
            most = max(most, last - first + 1)
        return most

    def gaps(self) -> list[float]:
        """Return the seconds between one request and the next."""
        return [later - earlier for (earlier, _), (later, _) in pairwise(self.sent)]

    def counts(self) -> list[int]:
        """Return how many requests each worker has sent."""
        return [sum(worker == each for _, each in self.sent) for worker in range(8)]


def test_the_rate_is_kept_within_two_percent_and_shared_fairly() -> None:
    chance = random.Random(1)
    workers = Deployment(50, 8, late=lambda: chance.uniform(0, 0.01))
    workers.run(60)
    assert 0.98 * 50 * 60 <= len(workers.sent) <= 50 * 60
    assert workers.most_in(10) <= 1.02 * 500
    assert max(workers.counts()) - min(workers.counts()) <= 1


@pytest.mark.parametrize("memory", ["nothing", "all", "an old state"])
@pytest.mark.parametrize("rate", [2, 50])
def test_a_restart_of_the_store_lets_no_more_through(memory: str, rate: float) -> None:
    chance = random.Random(2)
    workers = Deployment(rate, 8, late=lambda: chance.uniform(0, 0.01))
    old: list[Schedule | None] = []
    workers.at(10, lambda: old.append(workers.store.stored))

    def restart() -> None:
        remembered = {"nothing": None, "all": workers.store.stored, "an old state": old[0]}
        workers.store.restart(remembered[memory])

    for moment in (20.0, 20.05, 23.456, 30.0, 31.0):
        workers.at(moment, restart)
    workers.run(60)
    assert min(workers.gaps()) >= 1 / rate - 0.0101
    assert workers.most_in(10) <= 1.02 * rate * 10 + 1
    assert len(workers.sent) >= 0.9 * rate * 60


def test_a_lost_row_lets_no_more_through() -> None:
    workers = Deployment(2, 8)
    workers.at(20, lambda: setattr(workers.store, "stored", None))
    workers.run(60)
    assert workers.most_in(10) <= 20


def test_a_store_begins_with_no_credit() -> None:
    store = Store()
    assert [store.take(STEP).wait for _ in range(3)] == [0.1, 0.2, 0.3]
    store.now += 3600
    assert [store.take(STEP).wait for _ in range(3)] == [0, 0.1, 0.2], "nothing is saved up while idle"


def test_reading_the_wait_reserves_nothing() -> None:
    store = Store()
    store.take(STEP)
    peek = replace(STEP, reserve=False)
    assert [store.take(peek) for _ in range(2)] == [Turn(0.2), Turn(0.2)]


def test_a_turn_that_is_too_far_away_is_not_reserved() -> None:
    store = Store()
    slow = replace(STEP, spacing=3600)
    assert store.take(slow) == Turn(3600)
    store.now += 3601
    assert store.take(slow).wait == 0
    assert store.take(slow) == store.take(slow) == Turn(3600)


def test_a_turn_is_void_for_a_caller_who_comes_too_late() -> None:
    store = Store()
    held = store.take(STEP)
    store.now += held.wait + 0.19
    assert store.take(replace(STEP, held=held)).at == held.at
    store.now += 0.02
    late = store.take(replace(STEP, held=held))
    assert late.at > held.at


def test_a_caller_who_comes_too_early_waits_for_the_rest() -> None:
    store = Store()
    held = store.take(STEP)
    store.now += 0.06
    assert store.take(replace(STEP, held=held)).wait == pytest.approx(0.04, abs=1e-5)
    assert store.stored
    assert store.stored.next_turn == held.at + 100_000


@pytest.mark.parametrize("change", [-120, 120])
def test_a_clock_of_the_store_that_is_set_lets_no_more_through(change: int) -> None:
    workers = Deployment(10, 8)

    def set_clock() -> None:
        take = workers.store.take

        def changed(step: TakeTurn) -> Turn:
            workers.store.now += change
            return take(step)

        workers.store.take = changed  # type: ignore[method-assign]

    workers.at(20, set_clock)
    workers.run(60)
    assert sum(gap < 0.099 for gap in workers.gaps()) <= (change > 0), "forward: at most one more"
    assert 0.95 * 600 <= len(workers.sent) <= 600


def test_a_dead_worker_loses_its_turn_and_blocks_nobody() -> None:
    workers = Deployment(10, 8)
    workers.at(20, lambda: workers.alive.difference_update({1, 2, 3}))
    workers.run(60)
    assert min(workers.gaps()) >= 0.099
    assert len(workers.sent) >= 600 - 8 - 3


def test_a_process_that_was_stopped_does_not_send_all_at_once() -> None:
    """All of its callers wake up late, each with a turn that was reserved before."""
    chance = random.Random(3)
    workers = Deployment(10, 8, late=lambda: 5.0 if chance.random() < 0.05 else 0.0)
    workers.run(60)
    assert min(workers.gaps()) >= 0.0999


def limits() -> AccountLimits:
    return AccountLimits(clock=Clock(), shared=STEP)


def request(idempotency: Idempotency = Idempotency.NONE) -> Request:
    return Request("POST", "/x", idempotency)


def test_a_request_waits_for_its_turn_and_checks_it() -> None:
    turn = Turn(0.3, 5, "era")
    steps, result = drive(
        send_with_retry(request(), Plain(), read, limits(), 60),
        [turn, None, Turn(0, 5, "era"), Response(200, {}, b'{"a": 1}')],
    )
    assert steps[:3] == [STEP, Sleep(0.3, 0.3), replace(STEP, held=turn, max_wait=MAX_WAIT - 0.3)]
    assert isinstance(steps[3], Request)
    assert result == {"a": 1}


def test_a_turn_that_has_come_is_not_checked() -> None:
    steps, _ = drive(
        send_with_retry(request(), Plain(), read, limits(), 60), [Turn(0, 5, "era"), Response(200, {}, b"{}")]
    )
    assert len(steps) == 2


def test_a_wait_of_more_than_five_minutes_is_an_error_and_nothing_is_sent() -> None:
    with pytest.raises(TelecomThrottledError, match="rate_limit is used up") as caught:
        drive(send_with_retry(request(), Plain(), read, limits(), 60), [Turn(301.2)])
    assert caught.value.retry_after == 302
    with pytest.raises(TelecomThrottledError):
        drive(wait_until_ready(Plain(), limits()), [Turn(301.2)])


@pytest.mark.parametrize("waits", [(200, 100.5), (150, 100, 60), (100, 100, 50, 60)])
def test_all_waits_together_are_at_most_five_minutes(waits: tuple[float, ...]) -> None:
    answers = [answer for wait in waits for answer in (Turn(wait, 5, "era"), None)]
    with pytest.raises(TelecomThrottledError):
        drive(send_with_retry(request(), Plain(), read, limits(), 60), answers)


def test_the_time_of_a_call_does_not_include_waits_for_turns() -> None:
    clock = Clock()
    call = send_with_retry(request(), Plain(), read, AccountLimits(clock=clock, shared=STEP), 60)
    assert next(call) == STEP
    for wait, left in ((40.0, 260.0), (30.0, 230.0), (229.5, 0.5)):
        turn = Turn(wait, 5, "era")
        assert call.send(turn) == Sleep(wait, wait)
        clock.now += wait
        assert call.send(None) == replace(STEP, held=turn, max_wait=left)
    sent = call.send(Turn(0, 5, "era"))
    assert isinstance(sent, Request)
    assert sent.deadline == 60


def test_a_store_that_comes_back_is_asked_again() -> None:
    down = TelecomRateLimitStoreError("down")
    steps, _ = drive(
        send_with_retry(request(), Plain(), read, limits(), 60),
        [*[down, None] * 3, Turn(0, 5, "era"), Response(200, {}, b"{}")],
    )
    assert [type(step) for step in steps] == [*[TakeTurn, Sleep] * 3, TakeTurn, Request]


@pytest.mark.parametrize("idempotency", Idempotency)
def test_without_the_store_nothing_is_sent(idempotency: Idempotency) -> None:
    down = TelecomRateLimitStoreError("not sent: down")
    shared = limits()
    with pytest.raises(TelecomRateLimitStoreError) as caught:
        drive(send_with_retry(request(idempotency), Plain(), read, shared, 60), [down, None] * 3 + [down])
    assert caught.value.call == "POST /x"
    assert not caught.value.outcome_unknown
    with pytest.raises(TelecomRateLimitStoreError):
        drive(wait_until_ready(Plain(), shared), [down, None] * 3 + [down])
    shared.check_breaker()  # the breaker is for the vendor: it counts no failure of the store


def test_without_the_store_an_earlier_request_stays_in_doubt() -> None:
    down = TelecomRateLimitStoreError("not sent: down")
    turn = Turn(0, 5, "era")
    call = send_with_retry(request(Idempotency.WITH_KEY), Plain(), read, limits(), 60)
    with pytest.raises(TelecomUnknownError, match="outcome unknown"):
        drive(call, [turn, Unknown("cut"), None, *[down, None] * 3, down])


def test_a_request_that_is_sent_again_takes_another_turn() -> None:
    turn = Turn(0, 5, "era")
    steps, _ = drive(
        send_with_retry(request(), Plain(), read, limits(), 60),
        [turn, NotSent("refused"), None, turn, Response(200, {}, b"{}")],
    )
    assert [type(step) for step in steps] == [TakeTurn, Request, Sleep, TakeTurn, Request]


def test_what_the_vendor_asks_for_comes_before_the_turn() -> None:
    paused = limits()
    paused.pause_sending(12)
    steps, _ = drive(
        send_with_retry(request(), Plain(), read, paused, 60),
        [None, Turn(0, 5, "era"), Response(200, {}, b"{}")],
    )
    assert steps[:2] == [Sleep(12, 12), replace(STEP, max_wait=MAX_WAIT - 12)]


def test_before_the_intent_the_wait_is_read_and_the_queue_stays_filled() -> None:
    peek = replace(STEP, reserve=False)
    assert drive(wait_until_ready(Plain(), limits()), [Turn(1.0)])[0] == [peek]
    assert drive(wait_until_ready(Plain(), limits()), [Turn(3.5), None])[0] == [peek, Sleep(2.5, 2.5)]
