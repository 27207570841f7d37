"""How far a long send with idempotency keys has come, and which part of it may have been sent.

Sending a message again under its key is safe, so a later try may start a little before the point where the
last one stopped. Sending another message in its place is not safe. So before a block of messages is sent, the
hash of all keys up to the end of that block is written down: a later try whose messages do not begin with
the same keys is refused. A write costs as much as a call, so the blocks grow until one takes some seconds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.journal.journal import Entry, Facts, Journal, State

if TYPE_CHECKING:
    from hashlib import _Hash

EVERY_SECONDS = 5.0
_LARGEST_BLOCK = 20_000


class Checkpoint:
    """The journal's entry of one long send.

    `account` names where the messages are sent through: the vendor recognises a key in the account only that
    it came from. Facts are JSON, and `rows` among them is the number of messages whose outcome is known.
    """

    def __init__(
        self, journal: Journal, name: str, account: str, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self._journal, self._name, self._clock = journal, name, clock
        self._before = hashlib.sha256(f"{account}\n".encode())
        self._start = 0
        """Where the present block begins. `_before` is the hash of the keys before it."""
        self._keys: Sequence[str] = ()
        self._ahead = self._earlier = 0
        """How many messages may have been sent, and how many of them by earlier tries."""
        self._size = 0
        self._announced = self._written = clock()
        self._is_taken_over = False
        """Whether the entry now belongs to another try."""
        self.is_done = False
        """Whether an earlier try has sent all that there was. There may be more now."""

    def resume(self, keys: Iterable[str], nothing: Facts) -> Facts:
        """Return how far earlier tries have come, or `nothing` if none may have sent anything.

        `keys` are those of all messages, in their order. Raises TelecomInputError if they do not begin with
        the keys of the messages that may have been sent.
        """
        entry = self._journal.read(self._name)
        if entry is None or entry.state is State.PLANNED:
            return nothing
        facts = dict(entry.facts)
        rows, ahead, following = facts["rows"], facts.pop("ahead"), iter(keys)
        before = _hashed(self._before, islice(following, rows))
        if _hashed(before, islice(following, ahead - rows)).hexdigest() != entry.body:
            raise TelecomInputError(
                "recipients",
                f"a number, a text, the sender or the connection has changed for the first {ahead} "
                "recipients, who have got their message already, or may have. Nothing was sent now. Make "
                "them as they were (more recipients may follow after them), or give another dedupe_key, "
                "which sends to all of them again",
            )
        self._before, self._start = before, rows
        self._ahead = self._earlier = ahead
        self.is_done = entry.state is State.DONE
        return facts

    def block_size(self, chunk_size: int) -> int:
        """Return how many messages the next block should hold: a chunk at first, then more and more.

        The first block is not smaller than the one in which an earlier try was killed.
        """
        now = self._clock()
        took, self._announced = now - self._announced, now
        if not self._size:
            self._size = chunk_size
        elif took < EVERY_SECONDS / 2:
            self._size = min(2 * self._size, max(_LARGEST_BLOCK, chunk_size))
        elif took > 2 * EVERY_SECONDS:
            self._size = max(self._size // 2, chunk_size)
        return max(self._size, self._earlier - self._start - len(self._keys))

    def announce(self, facts: Facts, keys: Sequence[str]) -> None:
        """Write that the next messages, those with `keys`, may be sent from now on.

        Raises TelecomNotSentError if another try of the task has taken over.
        """
        self._before, self._start = _hashed(self._before, self._keys), self._start + len(self._keys)
        self._keys, self._ahead = keys, self._start + len(keys)
        try:
            self._journal.write_intent(self._name, self._entry(State.INTENT, facts))
        except TelecomNotSentError:
            self._is_taken_over = True
            raise
        self._written = self._clock()

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return self._clock() - self._written >= EVERY_SECONDS

    def advance(self, facts: Facts) -> None:
        """Write how far the present block has come."""
        self._write(State.INTENT, facts)

    def stop(self, facts: Facts, perhaps_sent: int) -> None:
        """Write that this try ends here.

        It may have sent up to `perhaps_sent` of the messages after the first `rows`, and certainly no more.
        """
        self._ahead = max(facts["rows"] + perhaps_sent, self._earlier)
        if not self._is_taken_over:
            self._write(State.INTENT if self._ahead else State.PLANNED, facts)

    def finish(self, facts: Facts) -> None:
        """Write that all was sent."""
        self._write(State.DONE, facts)

    def forget(self, nothing: Facts) -> None:
        """Write that no message was accepted, so that a later try may send anything."""
        self._journal.write(self._name, Entry(State.PLANNED, "", nothing))

    def _write(self, state: State, facts: Facts) -> None:
        self._journal.write(self._name, self._entry(state, facts))
        self._written = self._clock()

    def _entry(self, state: State, facts: Facts) -> Entry:
        content = _hashed(self._before, self._keys[: self._ahead - self._start])
        return Entry(state, content.hexdigest(), {**facts, "ahead": self._ahead})


def _hashed(before: _Hash, keys: Iterable[str]) -> _Hash:
    content = before.copy()
    for key in keys:
        content.update(f"{key}\n".encode())
    return content
