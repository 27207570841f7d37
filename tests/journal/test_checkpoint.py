"""How far a long send has come, and which part of it may have been sent."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.journal.checkpoint import (
    _MAX_BLOCK,
    EVERY_SECONDS,
    AudienceIdentity,
    Checkpoint,
)
from airflow_provider_telecom.journal.journal import Journal
from tests.running import Store

KEYS, NOTHING = [f"t{number}" for number in range(10)], {"rows": 0}


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def store() -> Store:
    return Store()


def checkpoint(
    store: Store, clock: Clock | None = None, account: str = "ketchup_loyalty", name: str = "bulk"
) -> Checkpoint:
    return Checkpoint(Journal(store), name, account, clock or Clock())


def resumed(store: Store, keys: Sequence[str] = KEYS) -> int:
    """Return how many rows a later try need not send, and check that it may send the others."""
    facts = checkpoint(store).resume(keys, NOTHING)
    assert set(facts) == {"rows"}
    return int(facts["rows"])


def refused(store: Store, keys: Sequence[str]) -> bool:
    try:
        checkpoint(store).resume(keys, NOTHING)
    except TelecomInputError as error:
        return error.field == "recipients"
    return False


def changed(place: int) -> list[str]:
    return [*KEYS[:place], "other", *KEYS[place + 1 :]]


def test_a_new_send_begins_with_nothing_and_writes_nothing(store: Store) -> None:
    assert resumed(store) == 0
    assert store.writes == 0


def test_the_hash_is_that_of_account_and_keys(store: Store) -> None:
    """A later version must find the same, or tasks in progress could not go on."""
    checkpoint(store).announce(NOTHING, KEYS[:2])
    entry = Journal(store).read("bulk")
    assert entry is not None
    assert entry.body == hashlib.sha256(b"ketchup_loyalty\nt0\nt1\n").hexdigest()


def test_what_is_announced_may_have_been_sent(store: Store) -> None:
    first = checkpoint(store)
    first.announce(NOTHING, KEYS[:2])
    first.announce({"rows": 2}, KEYS[2:6])
    assert resumed(store) == 2
    for place in range(6):
        assert refused(store, changed(place)), place
    for place in range(6, 10):
        assert resumed(store, changed(place)) == 2
    assert refused(store, KEYS[:5])
    assert refused(store, KEYS[1:])
    assert resumed(store, KEYS[:6]) == 2
    assert resumed(store, [*KEYS, "more"]) == 2


def test_progress_within_a_block(store: Store) -> None:
    first = checkpoint(store)
    first.announce(NOTHING, KEYS[:6])
    first.advance({"rows": 4})
    assert resumed(store) == 4
    assert refused(store, changed(5))
    assert resumed(store, changed(6)) == 4


@pytest.mark.parametrize(("maybe_sent", "ahead"), [(0, 4), (1, 5)])
def test_a_send_that_stops_says_what_it_has_certainly_not_sent(
    store: Store, maybe_sent: int, ahead: int
) -> None:
    first = checkpoint(store)
    first.announce(NOTHING, KEYS[:2])
    first.announce({"rows": 2}, KEYS[2:8])
    first.stop({"rows": 4}, maybe_sent)
    assert resumed(store, changed(ahead)) == 4
    assert refused(store, changed(ahead - 1))


def test_a_send_that_has_certainly_sent_nothing_is_forgotten(store: Store) -> None:
    first = checkpoint(store)
    first.announce(NOTHING, KEYS[:2])
    first.stop(NOTHING, 0)
    assert resumed(store, ["other"]) == 0


def test_an_audience_that_has_certainly_got_nothing_may_be_replaced(store: Store) -> None:
    first = of(store, AUDIENCE)
    first.announce(NOTHING, KEYS[:2])
    first.stop(NOTHING, 0)
    assert of(store, replace(AUDIENCE, recipients="other")).resume(["other"], NOTHING) == NOTHING


def test_recipients_may_follow_a_send_that_had_none(store: Store) -> None:
    first = checkpoint(store)
    assert first.resume([], NOTHING) == NOTHING
    first.finish(NOTHING)
    assert resumed(store) == 0


def test_a_later_try_takes_nothing_back_that_an_earlier_one_may_have_sent(store: Store) -> None:
    checkpoint(store).announce(NOTHING, KEYS[:4])
    later = checkpoint(store)
    later.resume(KEYS, NOTHING)
    assert later.block_size(2) == 4
    later.announce(NOTHING, KEYS[:4])
    later.stop({"rows": 1}, 0)
    assert refused(store, changed(3))
    assert resumed(store, changed(4)) == 1


def test_what_is_finished_stays_so_and_more_may_follow(store: Store) -> None:
    first = checkpoint(store)
    first.announce(NOTHING, KEYS[:6])
    first.finish({"rows": 6})
    again = checkpoint(store)
    assert again.resume(KEYS, NOTHING) == {"rows": 6}
    assert again.is_done
    assert refused(store, changed(0))
    assert refused(store, KEYS[:5])
    again.announce({"rows": 6}, KEYS[6:])
    assert refused(store, changed(9))
    again.finish({"rows": 10})
    assert resumed(store) == 10


def test_a_finished_send_in_which_nobody_was_accepted_is_forgotten(store: Store) -> None:
    first = checkpoint(store)
    first.announce(NOTHING, KEYS)
    first.forget(NOTHING)
    assert resumed(store, ["other"]) == 0


def test_keys_of_another_account_are_others(store: Store) -> None:
    checkpoint(store).announce(NOTHING, KEYS)
    with pytest.raises(TelecomInputError):
        checkpoint(store, account="another").resume(KEYS, NOTHING)


def test_keys_do_not_run_into_each_other(store: Store) -> None:
    checkpoint(store).announce(NOTHING, ["ab", "c"])
    assert refused(store, ["a", "bc"])


def test_blocks_grow_until_one_takes_some_seconds(store: Store) -> None:
    clock = Clock()
    one = checkpoint(store, clock)
    sizes = []
    for seconds in (0.1, 0.1, 0.1, 4.0, 4.0, 11.0, 11.0, 60.0, 60.0, 60.0):
        sizes.append(one.block_size(500))
        clock.now += seconds
    assert sizes == [500, 1000, 2000, 4000, 4000, 4000, 2000, 1000, 500, 500]
    assert max(one.block_size(500) for _ in range(20)) == _MAX_BLOCK


def test_a_million_fast_messages_take_few_writes(store: Store) -> None:
    clock, rows = Clock(), 0
    one = checkpoint(store, clock)
    while rows < 1_000_000:
        size = one.block_size(500)
        one.announce({"rows": rows}, ["t"] * size)
        rows += size
        clock.now += size / 10_000
    assert store.writes < 65


def test_a_slow_chunk_makes_it_due_at_once(store: Store) -> None:
    clock = Clock()
    one = checkpoint(store, clock)
    one.announce(NOTHING, KEYS)
    clock.now += EVERY_SECONDS - 0.01
    assert not one.is_due
    clock.now += 0.01
    assert one.is_due
    one.advance({"rows": 1})
    assert not one.is_due


def test_the_checkpoint_of_one_send_is_not_that_of_another(store: Store) -> None:
    checkpoint(store).announce(NOTHING, KEYS)
    other = checkpoint(store, name="bulk.2")
    other.announce(NOTHING, ["other"])
    other.finish({"rows": 1})
    assert resumed(store) == 0


def test_the_store_holds_hashes_and_counts_only(store: Store) -> None:
    checkpoint(store).announce({"rows": 3}, KEYS)
    assert "t1" not in store.texts["telecom.bulk"]


AUDIENCE = AudienceIdentity("people.parquet", "a" * 64, "b" * 64, "c" * 64)


def of(store: Store, audience: AudienceIdentity | None) -> Checkpoint:
    return Checkpoint(Journal(store), "bulk", "ketchup_loyalty", Clock(), audience)


@pytest.mark.parametrize(
    ("other", "field", "what"),
    [
        (None, "recipients", "there is none now"),
        (replace(AUDIENCE, recipients="other"), "recipients", "another sha256"),
        (replace(AUDIENCE, selection="other"), "variants or shard", "`shard` select others"),
        (replace(AUDIENCE, text="other"), "text", "the text, or that of a variant, has changed"),
    ],
)
def test_once_anything_may_have_been_sent_the_audience_is_the_same(
    store: Store, other: AudienceIdentity | None, field: str, what: str
) -> None:
    """Also if the recipients begin with the same ones."""
    of(store, AUDIENCE).announce(NOTHING, KEYS[:2])
    with pytest.raises(TelecomInputError, match=what) as caught:
        of(store, other).resume(KEYS, NOTHING)
    assert caught.value.field == field
    assert other is None or "people.parquet" in str(caught.value)
    moved = replace(AUDIENCE, path="copy.parquet", begin=lambda: None)
    assert moved == replace(AUDIENCE, path="copy.parquet")
    assert of(store, moved).resume(KEYS, NOTHING) == NOTHING


def test_an_audience_begins_once_before_the_first_message(store: Store) -> None:
    begun: list[int] = []
    audience = replace(AUDIENCE, begin=lambda: begun.append(store.writes))
    first = of(store, audience)
    first.resume(KEYS, NOTHING)
    first.announce(NOTHING, KEYS[:1])
    first.announce(NOTHING, KEYS[1:2])
    assert begun == [0]
    second = of(store, audience)
    second.resume(KEYS, NOTHING)
    second.announce(NOTHING, KEYS[:2])
    second.announce({"rows": 2}, KEYS[2:4])
    third = of(store, audience)
    third.resume(KEYS, NOTHING)
    third.announce({"rows": 2}, KEYS[2:])
    assert begun == [0]


def test_an_audience_that_must_not_begin_is_not_announced(store: Store) -> None:
    def refuse() -> None:
        raise TelecomInputError("recipients", "have changed")

    with pytest.raises(TelecomInputError, match="have changed"):
        of(store, replace(AUDIENCE, begin=refuse)).announce(NOTHING, KEYS[:2])
    assert store.writes == 0


def test_a_checkpoint_can_be_resumed_again(store: Store) -> None:
    """A failover does, after the first connection has stopped."""
    first = checkpoint(store)
    assert not first.is_done
    first.resume(KEYS, NOTHING)
    first.announce(NOTHING, KEYS[:4])
    first.stop(NOTHING, 0)
    assert first.resume(KEYS, NOTHING) == NOTHING
    assert (first.in_doubt, first.is_done) == (0, False)
    first.announce(NOTHING, changed(3)[:4])
    first.finish({"rows": 4})
    assert first.resume(changed(3), NOTHING) == {"rows": 4}
    assert (first.in_doubt, first.is_done) == (0, True)
    store.texts.clear()
    assert first.resume(KEYS, NOTHING) == NOTHING
    assert (first.in_doubt, first.is_done) == (0, False)
    first.announce(NOTHING, KEYS[:4])
    assert refused(store, changed(3))
    assert resumed(store, changed(4)) == 0


def test_what_is_in_doubt_shrinks_as_it_is_announced(store: Store) -> None:
    checkpoint(store).announce({"rows": 2}, KEYS[:6])
    later = checkpoint(store)
    later.resume(KEYS, NOTHING)
    assert later.in_doubt == 4
    assert later.block_size(1) == 4
    later.announce({"rows": 2}, KEYS[2:5])
    assert later.in_doubt == 1
    later.stop({"rows": 3}, 0)  # one that an earlier try may have sent is not announced yet
    assert resumed(store) == 2
    later.announce({"rows": 5}, KEYS[5:9])
    assert later.in_doubt == 0


@pytest.mark.parametrize(
    ("seconds", "size"),
    [
        (EVERY_SECONDS / 2 - 0.1, 16),
        (EVERY_SECONDS / 2, 8),
        (2 * EVERY_SECONDS, 8),
        (2 * EVERY_SECONDS + 0.1, 4),
    ],
)
def test_the_size_of_a_block_follows_its_time(store: Store, seconds: float, size: int) -> None:
    clock = Clock()
    checked = checkpoint(store, clock)
    assert [checked.block_size(2) for _ in range(3)] == [2, 4, 8]
    clock.now += seconds
    assert checked.block_size(2) == size
    assert isinstance(checked.block_size(2), int)


def test_a_try_that_was_replaced_sends_nothing_and_writes_nothing_more() -> None:
    class Late(Store):
        """What is written comes late: the next try has read the store before."""

        def get(self, key: str, default: Any = None) -> Any:
            return default

    late = Late()
    one = Checkpoint(Journal(late), "bulk", "ketchup_loyalty", Clock())
    with pytest.raises(TelecomNotSentError, match="another try"):
        one.announce(NOTHING, KEYS)
    one.stop(NOTHING, 0)
    assert late.writes == 1
