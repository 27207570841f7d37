"""How far a long send has come."""

from __future__ import annotations

import pytest

from airflow_provider_telecom.journal.cursor import EVERY_SECONDS, Cursor
from airflow_provider_telecom.journal.journal import Journal
from tests.tasks import Store

PLAN, OTHER, NOTHING = "a" * 64, "b" * 64, {"rows": 0}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


def cursor(store: Store, plan: str = PLAN, clock: Clock | None = None) -> Cursor:
    return Cursor(Journal(store), "bulk", plan, clock or Clock())


def test_a_new_plan_begins_with_nothing(store: Store) -> None:
    assert cursor(store).begin(NOTHING) == (False, NOTHING)
    assert store.writes == 1


def test_a_later_try_goes_on_where_it_was(store: Store) -> None:
    first = cursor(store)
    first.begin(NOTHING)
    first.advance({"rows": 500})
    assert cursor(store).begin(NOTHING) == (False, {"rows": 500})
    assert store.writes == 2


def test_what_is_finished_stays_so(store: Store) -> None:
    first = cursor(store)
    first.begin(NOTHING)
    first.finish({"rows": 900})
    assert cursor(store).begin(NOTHING) == (True, {"rows": 900})


@pytest.mark.parametrize("is_finished", [True, False])
def test_another_plan_begins_anew(store: Store, is_finished: bool) -> None:
    first = cursor(store)
    first.begin(NOTHING)
    (first.finish if is_finished else first.advance)({"rows": 900})
    assert cursor(store, OTHER).begin(NOTHING) == (False, NOTHING)
    assert cursor(store, PLAN).begin(NOTHING) == (False, NOTHING)


def test_it_is_written_every_few_seconds_at_most(store: Store) -> None:
    clock = Clock()
    one = cursor(store, clock=clock)
    one.begin(NOTHING)
    for row in range(1, 1001):  # 50 ms a chunk
        clock.now += 0.05
        if one.is_due:
            one.advance({"rows": row})
    assert EVERY_SECONDS == 5.0
    assert store.writes == 1 + 10 - 1  # 50 s; floating point makes each interval a step longer
    one.finish({"rows": 1000})
    assert cursor(store).begin(NOTHING) == (True, {"rows": 1000})


def test_a_slow_chunk_makes_it_due_at_once(store: Store) -> None:
    clock = Clock()
    one = cursor(store, clock=clock)
    one.begin(NOTHING)
    clock.now += 4.99
    assert not one.is_due
    clock.now += 0.01
    assert one.is_due
    one.advance({"rows": 1})
    assert not one.is_due


def test_the_cursor_of_one_send_is_not_that_of_another(store: Store) -> None:
    cursor(store).begin(NOTHING)
    Cursor(Journal(store), "bulk.2", PLAN).finish({"rows": 5})
    assert cursor(store).begin({"rows": 7}) == (False, NOTHING)
