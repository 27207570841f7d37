"""The checkpoint of a long send with idempotency keys: what is done, and what may have been sent.

Sending a message again with its key is safe, so a later try may start a little before the point where the
last one stopped. Sending another message in its place is not safe. So before a block of messages is sent, the
hash of all keys up to the end of that block is stored: a later try whose messages do not begin with the same
keys raises an error. A write costs as much as a call, so the blocks grow until one takes some seconds.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotSentError
from airflow_provider_telecom.journal.journal import Entry, Journal, State
from airflow_provider_telecom.journal.unknown import Facts

if TYPE_CHECKING:
    from hashlib import _Hash

EVERY_SECONDS = 5.0
_MAX_BLOCK = 20_000
_HASHED_AT_ONCE = 1_000


@dataclass(frozen=True)
class AudienceIdentity:
    """What must stay the same once anything may have been sent from an audience: hashes, and its path."""

    path: str
    recipients: str
    """The hash of the file."""
    selection: str
    """The hash of what is sent to of it."""
    text: str
    """The hash of the texts."""
    begin: Callable[[], None] | None = field(default=None, compare=False)
    """Called right before the first message is announced. It may raise an error: nothing is sent then."""

    @property
    def stored(self) -> Mapping[str, str]:
        """What the journal stores."""
        return {"recipients": self.recipients, "selection": self.selection, "text": self.text}


class Checkpoint:
    """The journal's entry of one long send.

    `account` names the account that sends: the vendor recognizes a key only there. Facts are JSON; their
    `rows` is the number of messages whose outcome is known. With an `audience`, a later try may not send from
    another one, even if it begins with the same messages.
    """

    def __init__(
        self,
        journal: Journal,
        name: str,
        account: str,
        clock: Callable[[], float] = time.monotonic,
        audience: AudienceIdentity | None = None,
    ) -> None:
        self._journal, self._name, self._clock, self._audience = journal, name, clock, audience
        self._first = self._before = hashlib.sha256(f"{account}\n".encode())
        """The hash of the keys before the current block."""
        self._start = 0
        """The number of messages before the current block."""
        self._keys: Sequence[str] = ()
        self._ahead = self._earlier = 0
        """How many messages may have been sent, and how many of them by earlier tries."""
        self._size = 0
        self._announced = self._written = clock()
        self._is_taken_over = False
        """Whether another try has written the entry since."""
        self.is_done = False
        """Whether an earlier try has sent all messages that it had. There may be more now."""

    def resume(self, keys: Iterable[str], nothing: Facts) -> Facts:
        """Return the facts of the earlier tries, or `nothing` if they certainly sent nothing.

        `keys` are those of all messages, in order. Raises TelecomInputError if they do not begin with the
        keys of the messages that may have been sent, and for another audience than theirs. May be called
        again after `stop`.
        """
        self._before, self._start, self._keys, self._ahead, self._earlier = self._first, 0, (), 0, 0
        self.is_done = False
        entry = self._journal.read(self._name)
        if entry is None or entry.state is State.PLANNED:
            return nothing
        facts = dict(entry.facts)
        if (earlier := facts.pop("audience", None)) is not None:
            _check_same_audience(earlier, self._audience)
        rows, ahead, following = facts["rows"], facts.pop("ahead"), iter(keys)
        before = _hashed(self._before, islice(following, rows))
        if _hashed(before, islice(following, ahead - rows)).hexdigest() != entry.body:
            raise TelecomInputError(
                "recipients",
                f"a number, a text, the sender or the connection has changed for the first {ahead} "
                "recipients, who have or may have got their message already. Nothing was sent now. Restore "
                "them (more recipients may follow after them), or give another dedupe_key, which sends to "
                "all of them again",
            )
        self._before, self._start = before, rows
        self._ahead = self._earlier = ahead
        self.is_done = entry.state is State.DONE
        return facts

    @property
    def in_doubt(self) -> int:
        """How many messages after the known ones earlier tries may have sent."""
        return max(0, self._earlier - self._start - len(self._keys))

    def block_size(self, chunk_size: int, may_grow: bool = True) -> int:
        """Return the size of the next block: one chunk at first, then up to what some seconds take.

        A message of the block in which a try is killed is in doubt, so without keys that are known to work
        blocks must not grow. The first block is at least as large as the one in which an earlier try was
        killed.
        """
        now = self._clock()
        took, self._announced = now - self._announced, now
        if not self._size or not may_grow:
            self._size = chunk_size
        elif took < EVERY_SECONDS / 2:
            self._size = min(2 * self._size, max(_MAX_BLOCK, chunk_size))
        elif took > 2 * EVERY_SECONDS:
            self._size = max(self._size // 2, chunk_size)
        return max(self._size, self.in_doubt)

    def announce(self, facts: Facts, keys: Sequence[str]) -> None:
        """Write that the messages with these keys may be sent from now on.

        Raises TelecomNotSentError if another try of the task has taken over, and what `begin` of the
        audience raises.
        """
        if not (self._start or self._keys or self._earlier) and self._audience and self._audience.begin:
            self._audience.begin()
        self.pass_over(keys)
        try:
            self._journal.write_intent(self._name, self._entry(State.INTENT, facts))
        except TelecomNotSentError:
            self._is_taken_over = True
            raise
        self._written = self._clock()

    def pass_over(self, keys: Sequence[str]) -> None:
        """Take the messages with these keys as the next block, of which none will be sent.

        The next write includes them. Until then a later try may send them.
        """
        self._before, self._start = _hashed(self._before, self._keys), self._start + len(self._keys)
        self._keys, self._ahead = keys, self._start + len(keys)

    @property
    def is_due(self) -> bool:
        """Whether it is time to write again."""
        return self._clock() - self._written >= EVERY_SECONDS

    def advance(self, facts: Facts) -> None:
        """Write the progress in the current block."""
        self._write(State.INTENT, facts)

    def stop(self, facts: Facts, maybe_sent: int) -> None:
        """Write that this try ends here.

        At most `maybe_sent` of the messages after the first `rows` may have been sent. If it ends before it
        has announced those that an earlier try may have sent, the entry stays as it is.
        """
        if self._is_taken_over or self.in_doubt:
            return
        self._ahead = max(facts["rows"] + maybe_sent, self._earlier)
        self._write(State.INTENT if self._ahead else State.PLANNED, facts)

    def finish(self, facts: Facts) -> None:
        """Write that all messages were sent."""
        self._write(State.DONE, facts)

    def forget(self, nothing: Facts) -> None:
        """Write that no message was accepted, so that a later try may send anything."""
        self._journal.write(self._name, Entry(State.PLANNED, "", nothing))

    def _write(self, state: State, facts: Facts) -> None:
        self._journal.write(self._name, self._entry(state, facts))
        self._written = self._clock()

    def _entry(self, state: State, facts: Facts) -> Entry:
        content = _hashed(self._before, self._keys[: self._ahead - self._start])
        audience = {} if self._audience is None else {"audience": self._audience.stored}
        return Entry(state, content.hexdigest(), {**facts, **audience, "ahead": self._ahead})


_CHANGES = {
    "recipients": "has another sha256: it is another audience, or has been prepared anew",
    "selection": "is the same, but `variants` or `shard` select others of its recipients",
    "text": "is the same, but the text, or that of a variant, has changed",
}


def _check_same_audience(earlier: Mapping[str, str], audience: AudienceIdentity | None) -> None:
    """Raise TelecomInputError unless it is the audience of which messages may have been sent."""
    now = {} if audience is None else audience.stored
    changed = next((name for name in _CHANGES if earlier.get(name) != now.get(name)), None)
    if changed is None:
        return
    what = "there is none now" if audience is None else f"{audience.path} {_CHANGES[changed]}"
    raise TelecomInputError(
        "variants or shard" if changed == "selection" else changed,
        f"an earlier try has sent, or may have sent, messages to an audience, and {what}. Once anything may "
        "have been sent, audience, selection and texts must stay the same. Nothing was sent now. Restore "
        "them, or give another dedupe_key, which sends to all of them again",
    )


def _hashed(before: _Hash, keys: Iterable[str]) -> _Hash:
    content, following = before.copy(), iter(keys)
    while batch := list(islice(following, _HASHED_AT_ONCE)):
        content.update("\n".join([*batch, ""]).encode())
    return content
