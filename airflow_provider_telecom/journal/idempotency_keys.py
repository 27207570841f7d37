"""Idempotency keys: the same run, task and message always give the same key."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import islice


def fingerprint(content: object) -> str:
    """Return the SHA-256 of JSON content: equal for equal content, whatever the order of its fields."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=False, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


class IdempotencyKeys:
    """Derives KetchUp's idempotency keys, at most 32 of a-z and 0-9, within one task of one run.

    A key depends neither on the try nor on the place in a mapped list: each retry would be a second message,
    or a message would get the key of another one when the order of the list changes. A key begins with a
    letter, so that it is never taken for one of the vendor's ids. To send the same text to the same number on
    purpose, give another `dedupe_key`.
    """

    def __init__(self, dag_id: str, run_id: str, task_id: str, dedupe_key: str = "") -> None:
        self._start = hashlib.sha256(_joined(dag_id, run_id, task_id, dedupe_key).encode())

    def __call__(self, msisdn: str, *content: str) -> str:
        """Return the key of a message to a number in E.164 digits, or of its lookup."""
        return self.of_all([(msisdn, *content)])[0]

    def of_all(self, messages: Iterable[Sequence[str]]) -> list[str]:
        """Return the keys of many messages, each given as its number and its content."""
        copy, keys, following = self._start.copy, list[str](), iter(messages)
        while batch := list(islice(following, _AT_ONCE)):
            digests = []
            for message in batch:
                state = copy()
                if len(message) == 3:  # the same as _joined; most messages have a number, a sender and a text
                    one, two, three = message
                    state.update(f"{len(one)}:{one}{len(two)}:{two}{len(three)}:{three}".encode())
                else:
                    state.update(_joined(*message).encode())
                digests.append(state.digest())
            text = _base32(digests)
            keys += ["t" + text[place : place + 31] for place in range(0, len(text), 32)]
        return keys


def _joined(*parts: str) -> str:
    return "".join(f"{len(part)}:{part}" for part in parts)


_ALPHABET = bytes.maketrans(bytes(range(32)), b"abcdefghijklmnopqrstuvwxyz234567")
_KEPT = 20
_AT_ONCE = 500
_HALVES = ((80, 128), (40, 64), (20, 32), (10, 16), (5, 8))
"""How many bits half of a text has, before and after its groups of 5 bits become bytes."""


def _base32(digests: Sequence[bytes]) -> str:
    """Return the base32 text of the first 20 bytes of each digest: 32 characters for each.

    All of them are one large integer: each step moves the upper half of all groups of bits, until 5 bits are
    in each byte. The standard library encodes each by a loop in Python, which takes 15 times as long.
    """
    empty = bytes(32 - _KEPT)
    bits = int.from_bytes(empty + empty.join([digest[:_KEPT] for digest in digests]), "big")
    for low, size, shift in _masks(len(digests)):
        bits = (bits & low) | ((bits & (low << size)) << shift)
    return bits.to_bytes(32 * len(digests), "big").translate(_ALPHABET).decode()


@lru_cache(maxsize=2)
def _masks(count: int) -> Sequence[tuple[int, int, int]]:
    """Return a mask of the lower halves for each step, their size, and how far the upper ones move."""
    return [
        (
            int.from_bytes((2**size - 1).to_bytes(2 * after // 8, "big") * (128 // after * count), "big"),
            size,
            after - size,
        )
        for size, after in _HALVES
    ]
