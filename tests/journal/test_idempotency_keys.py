"""Our keys: whatever changes here sends messages twice across an upgrade, or loses them."""

from __future__ import annotations

import base64
import hashlib
import string
from datetime import date
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from airflow_provider_telecom.journal.idempotency_keys import IdempotencyKeys, fingerprint

PLACE = ("dag", "manual__2026-01-01T00:00:00+00:00", "send")
NUMBER, TEXT, SENDER = "380670000200", "Ваш код 1234", "test"
PARTS = st.lists(st.text(max_size=6), min_size=2, max_size=6)


def test_keys_are_those_of_earlier_versions() -> None:
    """A run that is upgraded in its middle must find its own messages again."""
    assert IdempotencyKeys(*PLACE)(NUMBER, SENDER, TEXT) == "tjbb3ypryipbe6vk32lv24byi7falx5q"
    assert IdempotencyKeys(*PLACE, "again")(NUMBER, SENDER, TEXT) == "tvsgvb2kh4zhk2mdcrnqy5nonnbymy72"
    assert (
        fingerprint({"b": [1, None, True], "a": "ї"})
        == "d373574bc45422cdb5eb63c072ce55e83cf65ee33019edb914cc694452099a05"
    )


@given(st.lists(PARTS, max_size=40))
def test_keys_of_many_are_the_base32_of_their_hashes(messages: list[list[str]]) -> None:
    hashes = [
        hashlib.sha256("".join(f"{len(part)}:{part}" for part in (*PLACE, "", *message)).encode()).digest()
        for message in messages
    ]
    expected = ["t" + base64.b32encode(one).decode().lower()[:31] for one in hashes]
    assert IdempotencyKeys(*PLACE).of_all(messages) == expected


@pytest.mark.parametrize("count", [499, 500, 501, 1_000, 1_203])
def test_each_message_has_its_key_whatever_their_number(count: int) -> None:
    """They are calculated 500 at once."""
    keys = IdempotencyKeys(*PLACE)
    messages = [(f"38067{number:07}", SENDER, TEXT) for number in range(count)]
    found = keys.of_all(iter(messages))
    assert len(set(found)) == len(found) == count
    for place in (0, 499, 500, 999, 1_000, count - 1):
        if place < count:
            assert found[place] == keys(*messages[place])


@given(PARTS)
def test_a_key_is_one_that_the_vendor_takes(parts: list[str]) -> None:
    key = IdempotencyKeys(*PLACE)(*parts)
    assert len(key) == 32
    assert key[0] in string.ascii_lowercase
    assert set(key) <= set(string.ascii_lowercase + string.digits)


def test_keys_do_not_collide() -> None:
    keys = IdempotencyKeys(*PLACE)
    assert len({keys(f"38067{number:07}", SENDER, TEXT) for number in range(100_000)}) == 100_000


@given(PARTS, PARTS)
def test_joined_parts_are_not_confused(one: list[str], other: list[str]) -> None:
    assert (IdempotencyKeys(*PLACE)(*one) == IdempotencyKeys(*PLACE)(*other)) == (one == other)


@given(st.text(max_size=9), st.lists(st.integers(0, 9), min_size=2, max_size=2), st.text(max_size=3))
def test_the_same_letters_cut_elsewhere_give_another_key(whole: str, cuts: list[int], key: str) -> None:
    first, second = (min(cut, len(whole)) for cut in cuts)
    one, other = (whole[:first], whole[first:]), (whole[:second], whole[second:])
    assert (IdempotencyKeys(*PLACE)(*one) == IdempotencyKeys(*PLACE)(*other)) == (one == other)
    runs = IdempotencyKeys("dag", *one, key)(NUMBER), IdempotencyKeys("dag", *other, key)(NUMBER)
    assert (runs[0] == runs[1]) == (one == other)


@pytest.mark.parametrize(
    "other",
    [
        IdempotencyKeys("dag2", *PLACE[1:])(NUMBER, SENDER, TEXT),
        IdempotencyKeys(PLACE[0], "another run", PLACE[2])(NUMBER, SENDER, TEXT),
        IdempotencyKeys(*PLACE[:2], "another_task")(NUMBER, SENDER, TEXT),
        IdempotencyKeys(*PLACE, "another key")(NUMBER, SENDER, TEXT),
        IdempotencyKeys(*PLACE)("380670000201", SENDER, TEXT),
        IdempotencyKeys(*PLACE)(NUMBER, "other", TEXT),
        IdempotencyKeys(*PLACE)(NUMBER, SENDER, "another text"),
        IdempotencyKeys(*PLACE)(NUMBER, SENDER, TEXT, ""),
        IdempotencyKeys(*PLACE)(NUMBER, TEXT, SENDER),
    ],
)
def test_each_part_tells(other: str) -> None:
    assert other != IdempotencyKeys(*PLACE)(NUMBER, SENDER, TEXT)


def test_a_namer_gives_the_same_key_again() -> None:
    keys = IdempotencyKeys(*PLACE)
    first = keys(NUMBER, SENDER, TEXT)
    keys("380670000201", SENDER, TEXT)
    assert keys(NUMBER, SENDER, TEXT) == first


@pytest.mark.parametrize(("a", "b"), [({"x": 1, "y": 2}, {"y": 2, "x": 1}), ((1, 2), [1, 2])])
def test_equal_content_has_one_fingerprint(a: Any, b: Any) -> None:
    assert fingerprint(a) == fingerprint(b)


def test_content_that_is_no_json_is_compared_as_text() -> None:
    assert fingerprint([Decimal("1.50"), date(2026, 1, 1)]) == fingerprint(["1.50", "2026-01-01"])


@pytest.mark.parametrize(
    ("a", "b"), [([1, 2], [2, 1]), ("1", 1), (None, "None"), ({"a": "b"}, {"b": "a"}), (["ab"], ["a", "b"])]
)
def test_other_content_has_another_fingerprint(a: Any, b: Any) -> None:
    assert fingerprint(a) != fingerprint(b)
