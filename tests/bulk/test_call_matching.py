"""Which listed call is an ordered one: only what can be no other call proves anything."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from airflow_provider_telecom.bulk.call_matching import ListedCall, OrderedCall, match_calls

T = datetime(2026, 11, 28, 9, tzinfo=UTC)
TEN_MINUTES = timedelta(minutes=10)


def order(minute: float, call_id: str | None = None) -> OrderedCall:
    return OrderedCall(T + timedelta(minutes=minute), call_id)


def call(minute: float, is_answered: bool | None = True, call_id: str | None = None) -> ListedCall:
    return ListedCall((T + timedelta(minutes=minute),), is_answered, 30, call_id)


def found(ordered: list[OrderedCall], listed: list[ListedCall]) -> list[bool | None]:
    result = match_calls(ordered, listed, TEN_MINUTES)
    return [None if each is None else each.is_answered for each in result]


@pytest.mark.parametrize(
    ("ordered", "listed", "expected"),
    [
        ([0], [(0, True)], [True]),
        ([0], [(9.9, False)], [False]),
        ([0], [], [None]),
        ([0], [(-0.1, True)], [None]),  # before the request
        ([0], [(10.1, True)], [None]),  # too late
        ([0], [(1, None)], [None]),  # the list does not say it
        ([0], [(1, True), (5, True)], [True]),  # one of them, and both say the same
        ([0], [(1, False), (5, True)], [None]),  # one of them
        ([0], [(1, True), (5, None)], [None]),
        ([0, 60], [(1, True), (61, False)], [True, False]),
        ([60, 0], [(1, True), (61, False)], [False, True]),
        ([0, 5], [(1, True), (6, True)], [True, True]),
        ([0, 5], [(6, True)], [None, None]),  # of which of them?
        ([0, 5], [(6, True), (7, False)], [None, None]),
        ([0, 5], [(6, True), (7, True)], [True, True]),
        ([0, 5, 9], [(6, True), (9.5, True)], [None, None, None]),
        ([0, 5], [(1, True), (16, True)], [True, None]),
    ],
)
def test_times(
    ordered: list[float], listed: list[tuple[float, bool | None]], expected: list[bool | None]
) -> None:
    calls = [call(*each) for each in listed]
    assert found([order(each) for each in ordered], calls) == expected
    assert found([order(each) for each in ordered], calls[::-1]) == expected


def test_fractions_of_seconds_are_not_listed() -> None:
    at = T + timedelta(seconds=1.9)
    listed = ListedCall((T + timedelta(seconds=1),), True)
    assert match_calls([OrderedCall(at)], [listed], TEN_MINUTES) == [listed]


def test_the_hour_that_happens_twice_proves_nothing() -> None:
    """The call may be one of an hour before or after."""
    twice = ListedCall((T, T + timedelta(hours=1)), True)
    assert match_calls([OrderedCall(T)], [twice], TEN_MINUTES) == [None]
    assert match_calls([OrderedCall(T)], [twice, call(1)], TEN_MINUTES) == [call(1)]
    assert match_calls([OrderedCall(T)], [twice, call(1, False)], TEN_MINUTES) == [None]


def test_ids_say_it_for_certain() -> None:
    listed = [call(1, False, "a"), call(2, True, "b"), call(3, True)]
    assert found([order(0, "b")], listed) == [True]
    assert found([order(0, "a")], listed) == [False]
    assert found([order(0, "a"), order(0, "c")], listed) == [False, None]  # c is not listed yet
    assert found([order(0, "c")], [call(1, True, "other")]) == [True]  # ids of another kind
    assert found([order(0, "a"), order(0)], listed) == [False, True]
