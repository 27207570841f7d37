"""Requests without idempotency keys: what is known of each message after each outcome."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from threading import Barrier, Event, Lock
from typing import Any

import pytest

from airflow_provider_telecom.bulk import requests_without_keys
from airflow_provider_telecom.bulk.requests_without_keys import (
    BatchRequests,
    Block,
    Result,
    SingleRequests,
    TooManyUnknownError,
    is_not_sent,
    now_text,
    results_from,
    stored_results,
)
from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomError,
    TelecomFundsError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomServerError,
    TelecomThrottledError,
    TelecomUnknownError,
)
from airflow_provider_telecom.journal.journal import OnUnknown

AT = "2026-11-28T09:00:00Z"
ACCEPTED = Result("accepted", AT)


class NothingSentError(Exception):
    """An error of another library, which says that nothing was sent."""

    not_sent = True


NOT_SENT = [
    TelecomNotSentError("no route"),
    TelecomThrottledError("slow down"),
    TelecomAuthError("key"),
    TelecomRejectedError("no"),
    NothingSentError(),
]
MAYBE_SENT = [
    TelecomUnknownError("lost"),
    TelecomServerError("503"),
    TelecomRejectedError("one of two messages was accepted", partial=True),
    TelecomThrottledError("one of two messages was accepted", partial=True),
    ValueError("a bug in reading the response"),
]


@pytest.mark.parametrize("error", NOT_SENT, ids=lambda error: type(error).__name__)
def test_errors_that_prove_that_nothing_was_sent(error: Exception) -> None:
    assert is_not_sent(error)


@pytest.mark.parametrize("error", MAYBE_SENT, ids=lambda error: type(error).__name__)
def test_other_errors_prove_nothing(error: Exception) -> None:
    assert not is_not_sent(error)


def test_a_time_is_in_utc() -> None:
    found = datetime.fromisoformat(now_text())
    assert abs(datetime.now(UTC) - found) < timedelta(minutes=5)


def test_results_are_stored_without_what_is_empty() -> None:
    results = {0: Result("accepted", AT, message_id="m1", extra={"price": "0.02"}), 7: Result("refused")}
    stored = {
        "0": {"state": "accepted", "at": AT, "message_id": "m1", "extra": {"price": "0.02"}},
        "7": {"state": "refused"},
    }
    assert stored_results(results.items()) == stored
    found = results_from(stored)
    assert found == results
    assert found[7].extra == {}


class TestBatches:
    """One request for many messages."""

    def batch(
        self, request: Callable[[Sequence[int]], Sequence[Result]], on_unknown: OnUnknown = "fail"
    ) -> BatchRequests[int]:
        return BatchRequests(request, lambda error: error.code == "413", on_unknown, "messages")

    def test_one_request_for_all(self) -> None:
        block, sent, answered = Block([10, 11, 12]), [], []

        def request(part: Sequence[int]) -> Sequence[Result]:
            sent.append(list(part))
            assert block.in_doubt == {0, 1, 2}
            return [Result("accepted", AT, message_id=str(each)) for each in part]

        batch = self.batch(request)
        batch.send(block, lambda: answered.append(len(block.results)))
        assert (sent, answered) == ([[10, 11, 12]], [3])
        assert [block.results[place].message_id for place in range(3)] == ["10", "11", "12"]
        assert (block.in_doubt, block.missing, batch.max_size) == (set(), [], None)
        batch.send(block, lambda: answered.append(0))
        assert (len(sent), answered) == (1, [3]), "nothing is left"

    def test_what_is_too_large_is_halved_and_the_next_ones_are_no_larger(self) -> None:
        block, sent = Block(list(range(7))), []
        answered: list[int] = []

        def request(part: Sequence[int]) -> Sequence[Result]:
            if len(part) > 2:
                raise TelecomRejectedError("too large", code="413")
            sent.append(list(part))
            return [Result("accepted", AT, message_id=str(each)) for each in part]

        batch = self.batch(request)
        batch.send(block, lambda: answered.append(len(block.results)))
        assert sent == [[0, 1], [2, 3], [4, 5], [6]]
        assert answered == [2, 4, 6, 7]
        assert [block.results[place].message_id for place in range(7)] == list("0123456")
        assert batch.max_size == 1

    def test_other_refusals_are_raised(self) -> None:
        block = Block([1, 2])
        batch = self.batch(failing(TelecomRejectedError("no", code="7")))
        with pytest.raises(TelecomRejectedError):
            batch.send(block, never)
        assert (block.in_doubt, block.missing, batch.max_size) == (set(), [0, 1], None)

    @pytest.mark.parametrize("error", NOT_SENT, ids=lambda error: type(error).__name__)
    @pytest.mark.parametrize("policy", ["fail", "resend", "assume_sent"])
    def test_what_was_not_sent_is_not_in_doubt_unless_it_was_before(
        self, error: Exception, policy: OnUnknown
    ) -> None:
        block = Block([1, 2, 3], {0: ACCEPTED}, {2})
        with pytest.raises(type(error)):
            self.batch(failing(error), policy).send(block, never)
        assert (block.in_doubt, block.missing) == ({2}, [1, 2])

    @pytest.mark.parametrize("error", MAYBE_SENT, ids=lambda error: type(error).__name__)
    def test_what_may_have_been_sent_is_in_doubt(self, error: Exception) -> None:
        block = Block([1, 2, 3], {0: ACCEPTED})
        with pytest.raises(type(error)):
            self.batch(failing(error)).send(block, never)
        assert (block.in_doubt, block.missing) == ({1, 2}, [1, 2])

    @pytest.mark.parametrize("policy", ["fail", "resend"])
    def test_a_lost_response_stops_it(self, policy: OnUnknown) -> None:
        with pytest.raises(TelecomUnknownError):
            self.batch(failing(TelecomUnknownError("lost")), policy).send(Block([1]), never)

    def test_a_lost_response_is_unknown_if_it_counts_as_sent(self) -> None:
        block, answered = Block([1, 2]), []
        batch = self.batch(failing(TelecomUnknownError("lost")), "assume_sent")
        batch.send(block, lambda: answered.append(True))
        assert [block.results[place].state for place in (0, 1)] == ["unknown"] * 2
        assert all(result.at for result in block.results.values())
        assert (block.in_doubt, answered) == (set(), [True])

    def test_a_response_with_too_few_results_settles_nobody_by_mistake(self) -> None:
        block = Block([1, 2])
        with pytest.raises(ValueError, match="shorter"):
            self.batch(lambda part: [ACCEPTED]).send(block, never)
        assert 1 in block.in_doubt


class TestOneByOne:
    """One request for each message."""

    def single(
        self, request: Callable[[int], Result], on_unknown: OnUnknown = "fail", **more: int
    ) -> SingleRequests[int]:
        return SingleRequests(request, on_unknown, **{"max_unknown": 3, **more})

    def test_each_that_is_missing_is_sent_in_its_order(self) -> None:
        block, sent, answered = Block([10, 11, 12], {1: ACCEPTED}, {0}), [], []

        def request(message: int) -> Result:
            sent.append(message)
            return ACCEPTED

        self.single(request).send(block, lambda: answered.append(len(block.results)))
        assert (sent, answered) == ([10, 12], [2, 3])
        assert (block.in_doubt, block.missing) == (set(), [])

    def test_a_message_is_in_doubt_only_while_it_is_sent(self) -> None:
        """One that would only wait for a thread could not have been sent if the process died now."""
        block, in_doubt = Block(list(range(20))), list[int]()
        may_end = [Event() for _ in block.messages]
        may_end[0].set()

        def request(message: int) -> Result:
            assert may_end[message].wait(60)
            return ACCEPTED

        def answered() -> None:
            in_doubt.append(len(block.in_doubt))
            for event in may_end[1 : 2 if len(in_doubt) == 1 else None]:
                event.set()

        self.single(request, concurrency=4).send(block, answered)
        assert in_doubt[:2] == [3, 3]
        assert len(block.results) == 20

    def test_so_many_are_sent_at_the_same_time_and_no_more(self) -> None:
        together, lock, running, most = Barrier(33), Lock(), 0, 0

        def request(message: int) -> Result:
            nonlocal running, most
            with lock:
                running += 1
                most = max(most, running)
            together.wait(20)
            with lock:
                running -= 1
            return ACCEPTED

        block = Block(list(range(66)))
        self.single(request, concurrency=33).send(block, list)
        assert (most, block.missing) == (33, [])

    @pytest.mark.parametrize(
        ("error", "state", "code"),
        [
            (TelecomRejectedError("no", code="7", status=400), "refused", "7"),
            (TelecomRejectedError("no", status=400), "refused", "400"),
            (TelecomRejectedError("no"), "refused", None),
            (TelecomUnknownError("lost", code="8"), "unknown", "8"),
            (TelecomUnknownError("lost", status=504), "unknown", "504"),
            (TelecomUnknownError("lost"), "unknown", None),
        ],
    )
    @pytest.mark.parametrize("policy", ["fail", "assume_sent"])
    def test_what_concerns_one_message_is_its_result(
        self, error: TelecomError, state: str, code: str | None, policy: OnUnknown
    ) -> None:
        block, before = Block([1]), now_text()
        self.single(failing(error), policy).send(block, list)
        found = block.results[0]
        assert (found.state, found.code) == (state, code)
        assert found.at
        assert before <= found.at <= now_text()
        assert block.in_doubt == set()

    @pytest.mark.parametrize(
        ("error", "is_in_doubt"),
        [
            *((error, False) for error in NOT_SENT if type(error) is not TelecomRejectedError),
            (TelecomFundsError("no money"), False),
            *((error, True) for error in MAYBE_SENT),
        ],
    )
    @pytest.mark.parametrize("was_in_doubt", [False, True])
    def test_other_errors_stop_it(self, error: Exception, is_in_doubt: bool, was_in_doubt: bool) -> None:
        block = Block([1, 2], in_doubt={0} if was_in_doubt else set())
        with pytest.raises(type(error)):
            self.single(failing(error), "resend").send(block, never)
        assert block.in_doubt == ({0} if is_in_doubt or was_in_doubt else set())
        assert block.missing == [0, 1]

    def test_too_many_lost_responses_in_a_row_stop_it_and_the_next_row_begins_anew(self) -> None:
        lost, sent = {1, 2, 4, 5, 6}, []

        def request(message: int) -> Result:
            sent.append(message)
            if message in lost:
                raise TelecomUnknownError("lost")
            return ACCEPTED

        block, single = Block(list(range(10))), self.single(request)
        with pytest.raises(TooManyUnknownError):
            single.send(block, list)
        assert sent == list(range(7))
        assert (block.in_doubt, block.missing) == (set(), [7, 8, 9])
        assert single.unknown_in_a_row == 0
        lost.update((7, 8))
        single.send(block, list)
        assert block.missing == []

    def test_fewer_lost_responses_do_not_stop_it(self) -> None:
        single = self.single(failing(TelecomUnknownError("lost")), max_unknown=3)
        single.send(Block([1, 2]), list)
        assert single.unknown_in_a_row == 2

    def test_requests_under_way_are_finished_after_an_error(self) -> None:
        together = Barrier(3)

        def request(message: int) -> Result:
            together.wait(60)
            if message == 0:
                raise TelecomNotSentError("no route")
            return ACCEPTED

        block = Block(list(range(3)))
        with pytest.raises(TelecomNotSentError) as caught:
            self.single(request, concurrency=3).send(block, list)
        assert (set(block.results), block.in_doubt) == ({1, 2}, set())
        frames = [frame.name for frame in caught.traceback]
        assert "request" not in frames, "it has the number of a recipient"

    def test_requests_under_way_are_finished_after_a_timeout(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Airflow raises the task's execution_timeout while it waits for them."""
        timeouts, wait = iter([TimeoutError("execution_timeout")]), requests_without_keys.wait

        def interrupted(*arguments: Any, **more: Any) -> Any:
            for timeout in timeouts:
                raise timeout
            return wait(*arguments, **more)

        monkeypatch.setattr(requests_without_keys, "wait", interrupted)
        block = Block(list(range(3)))
        with pytest.raises(TimeoutError, match="execution_timeout"):
            self.single(lambda _: ACCEPTED, concurrency=2).send(block, list)
        assert (set(block.results), block.in_doubt) == ({0, 1}, set())

    def test_the_first_error_is_raised(self) -> None:
        def full() -> None:
            raise OSError("the disk is full")

        def request(message: int) -> Result:
            if message:
                raise TelecomNotSentError("no route")
            return ACCEPTED

        block = Block([0, 1, 2])
        with pytest.raises(OSError, match="the disk is full"):
            self.single(request).send(block, full)
        assert set(block.results) == {0}


def failing(error: Exception) -> Callable[[Any], Any]:
    def request(_: Any) -> Any:
        raise error

    return request


def never() -> None:
    raise AssertionError("there is no result")
