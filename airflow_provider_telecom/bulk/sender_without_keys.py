"""Sending to any number of recipients without idempotency keys: in batches, or one by one.

The vendor cannot detect a duplicate. So the journal knows, before the messages of a block are requested,
which ones these are, and afterwards what became of them. A message that may have been sent is never sent
again by itself.
"""

from __future__ import annotations

import logging
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from itertools import islice
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.bulk.outcomes import ACCEPTED, REFUSED, UNKNOWN
from airflow_provider_telecom.bulk.requests_without_keys import (
    Block,
    Requests,
    Result,
    TooManyUnknownError,
    now_text,
    results_from,
    stored_results,
)
from airflow_provider_telecom.calls.errors import TelecomUnknownError
from airflow_provider_telecom.journal.checkpoint import EVERY_SECONDS, Checkpoint
from airflow_provider_telecom.journal.unknown import OutcomeUnknownError

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.outcomes import OutcomeLine
    from airflow_provider_telecom.bulk.results_file import ResultsFile
    from airflow_provider_telecom.journal.unknown import OnUnknown

MessageT = TypeVar("MessageT")
_HANDED_OVER_AT_ONCE = 20_000
log = logging.getLogger(__name__)


@dataclass
class Counts:
    """What became of the first `rows` recipients. All of it is JSON, for the journal."""

    rows: int = 0
    accepted: int = 0
    refused: dict[str, int] = field(default_factory=dict)
    """By the vendor's code."""
    unknown: int = 0
    """Nobody knows whether these were sent: the response was lost, or leaves them out."""
    resent: int = 0
    """These were sent again after a lost response: a refusal does not settle the first request."""

    @property
    def handed_over(self) -> int:
        """How many have certainly got nothing because the connection has failed."""
        return self.refused.get(NOT_SENT, 0)

    @property
    def may_be_paid(self) -> int:
        """How many messages the vendor may have charged."""
        return self.accepted + self.unknown + self.resent

    def add(self, results: Sequence[Result]) -> None:
        """Count the results of the next recipients."""
        states = Counter(result.state for result in results)
        refused = Counter(self.refused)
        refused.update(str(result.code) for result in results if result.state == REFUSED)
        self.rows += len(results)
        self.accepted += states[ACCEPTED]
        self.unknown += states[UNKNOWN]
        self.refused = dict(refused)

    def merge(self, other: Counts) -> None:
        """Add the counts of other recipients."""
        self.rows += other.rows
        self.accepted += other.accepted
        self.unknown += other.unknown
        self.resent += other.resent
        self.refused = dict(Counter(self.refused) + Counter(other.refused))


class Messages(Protocol[MessageT]):
    """The messages to all recipients, in their order."""

    @property
    def noun(self) -> str:
        """What they are called, in the plural."""

    def __len__(self) -> int: ...

    def after(self, rows: int) -> Iterator[MessageT]:
        """Return the messages without the first `rows`."""

    def key(self, message: MessageT) -> str:
        """Return the name by which a later try recognizes a message. It depends on all that is sent."""

    def line(self, message: MessageT, result: Result) -> OutcomeLine:
        """Return the line of a message in the file of outcomes."""


CountsT = TypeVar("CountsT", bound=Counts)


class SenderWithoutKeys(Generic[MessageT, CountsT]):
    """Sends block after block, and keeps counts, checkpoint and results in step.

    A block is `block_size` messages. `requests` says how they are sent. `wait_until_ready` waits until a
    request may be sent; it runs before the journal is written.
    """

    def __init__(
        self,
        messages: Messages[MessageT],
        requests: Requests[MessageT],
        checkpoint: Checkpoint,
        results: ResultsFile | None,
        on_unknown: OnUnknown,
        block_size: int,
        wait_until_ready: Callable[[], object],
        counts: type[CountsT],
    ) -> None:
        self._messages, self._requests, self._on_unknown = messages, requests, on_unknown
        self._checkpoint, self._results, self._block_size = checkpoint, results, block_size
        self._wait_until_ready, self._nothing = wait_until_ready, counts
        self._earlier: Block[MessageT] = Block(())
        """What is left of the block in which an earlier try has stopped."""
        self._block: Block[MessageT] = Block(())
        self._counted = 0
        """How many messages of the block are counted."""
        self._announced_at: str | None = None
        """When the block was named in the journal."""
        self._logged = time.monotonic()
        self.counts = counts()

    def run(self, reserve: Callable[[CountsT, int], None] = lambda counts, in_doubt: None) -> None:
        """Send to all recipients that earlier tries have not sent to.

        `reserve` is called before the first message, with what was sent before and how many are in doubt.
        """
        self.resume()
        if not self.is_complete(len(self._messages)):
            reserve(self.counts, self.in_doubt)
            self.send()

    def resume(self) -> int:
        """Read how far earlier tries have come, before anything is sent; return how many are counted.

        Raises TelecomInputError for other messages than those that may have been sent, and
        OutcomeUnknownError if a person must decide about these.
        """
        keys = (self._messages.key(message) for message in self._messages.after(0))
        facts = dict(self._checkpoint.resume(keys, asdict(self._nothing())))
        results = results_from(facts.pop("known", {}))
        not_sent, self._announced_at = facts.pop("not_sent", ()), facts.pop("announced_at", None)
        self._requests.unknown_in_a_row = facts.pop("unknown_in_a_row", 0)
        self.counts = self._nothing(**facts)
        size = self._checkpoint.in_doubt
        in_doubt = {place for place in range(size) if place not in results and place not in not_sent}
        messages = list(islice(self._messages.after(self.counts.rows), size))
        self._earlier = Block(messages, results, in_doubt)
        if in_doubt and self._on_unknown == "fail" and not self._requests.goes_on:
            raise self._outcome_unknown("an earlier try may have sent it", len(in_doubt))
        return self.counts.rows

    @property
    def in_doubt(self) -> int:
        """How many messages may have been sent by earlier tries, so that nobody knows."""
        return len(self._earlier.in_doubt)

    def is_complete(self, recipients: int) -> bool:
        """Return whether earlier tries have sent to all recipients.

        If the last one was killed right after that, parts of its file of results are left: they are removed.
        """
        is_complete = self._checkpoint.is_done and self.counts.rows >= recipients
        if is_complete and self._results and self._results.path.exists():
            self._results.forget_parts()
        return is_complete

    def send(self) -> None:
        """Send to the others, once `resume` was called. Raises the errors of the requests."""
        if self._results:
            self._results.begin(self.counts.rows)
        self._wait_until_ready()
        try:
            self._send_blocks(self._earlier)
        except TooManyUnknownError:
            self._stop()
            raise self._too_many_unknown() from None
        except TelecomUnknownError as error:
            in_doubt = len(self._block.in_doubt)
            self._stop()
            if self._on_unknown == "resend":
                raise
            raise self._outcome_unknown(error.summary, in_doubt) from None
        except BaseException:
            self._stop()
            raise
        self._finish()

    def hand_over(self) -> None:
        """Record all recipients that are left, so that this task sends to none of them any more.

        Those in doubt are of unknown outcome. All others have certainly got nothing: another connection may
        send to them. Call `resume` before.
        """
        if self._results:
            self._results.begin(self.counts.rows)
        unsent = Result(REFUSED, code=NOT_SENT)
        in_doubt = Result(UNKNOWN, self._announced_at or now_text())
        try:
            for place, block in enumerate(self._blocks_left()):
                if place == 0:  # it also says that this try is at work
                    self._announce(block, may_be_sent=False)
                else:
                    self._begin(block)
                    self._checkpoint.pass_over(self._keys(block))
                for missing in block.missing:
                    block.settle(missing, in_doubt if missing in block.in_doubt else unsent)
                self._count()
        except BaseException:
            self._stop()
            raise
        self._finish()

    def _blocks_left(self) -> Iterator[Block[MessageT]]:
        messages = self._messages.after(self.counts.rows + len(self._earlier.messages))
        yield self._earlier if self._earlier.messages else Block(list(islice(messages, self._block_size)))
        while part := list(islice(messages, _HANDED_OVER_AT_ONCE)):
            yield Block(part)

    def _send_blocks(self, earlier: Block[MessageT]) -> None:
        """Send block by block, first what is left of the one in which an earlier try has stopped."""
        messages = self._messages.after(self.counts.rows + len(earlier.messages))
        if earlier.messages:
            at = self._announced_at or now_text()
            if self._on_unknown == "resend":  # stored before: a kill must not forget it
                self.counts.resent += len(earlier.in_doubt)
            self._announce(earlier)
            if self._on_unknown != "resend":
                for place in list(earlier.in_doubt):
                    earlier.settle(place, Result(UNKNOWN, at))
            self._send(earlier)
        is_first = not earlier.messages
        while block := list(islice(messages, self._block_size)):
            if not is_first:
                self._wait_until_ready()
            is_first = False
            self._announce(Block(block))
            self._send(self._block)

    def _announce(self, block: Block[MessageT], may_be_sent: bool = True) -> None:
        """Write into the journal that the messages of a block may be sent from now on, or will not be."""
        self._begin(block)
        known = stored_results(sorted(block.results.items()))
        not_sent = [] if may_be_sent else [place for place in block.missing if place not in block.in_doubt]
        more = {"known": known, "not_sent": not_sent}
        facts = {**self._facts(), **{name: value for name, value in more.items() if value}}
        self._checkpoint.announce(facts, self._keys(block))

    def _begin(self, block: Block[MessageT]) -> None:
        self._block, self._counted, self._announced_at = block, 0, now_text()

    def _keys(self, block: Block[MessageT]) -> Sequence[str]:
        return [self._messages.key(message) for message in block.messages]

    def _send(self, block: Block[MessageT]) -> None:
        self._requests.send(block, self._on_answer)
        self._count()
        if self._counted:
            self._advance()
        self._block_size = min(self._block_size, self._requests.max_size or self._block_size)

    def _on_answer(self) -> None:
        """Store new results: those of a batch at once, others every few seconds, as writing takes time."""
        if self._requests.goes_on and not self._checkpoint.is_due:
            return
        self._count()
        self._advance()

    def _count(self) -> None:
        """Count the results up to the first message without one, and write their lines."""
        block, first = self._block, self._counted
        while self._counted in block.results:
            self._counted += 1
        places = range(first, self._counted)
        results = [block.results[place] for place in places]
        self.counts.add(results)
        if self._results and results:
            self._results.add(self._messages.line(block.messages[p], block.results[p]) for p in places)
        if time.monotonic() - self._logged >= EVERY_SECONDS:
            self._logged = time.monotonic()
            log.info("%s of %s recipients", f"{self.counts.rows:,}", f"{len(self._messages):,}")

    def _advance(self) -> None:
        facts, known = self._facts(), self._known()
        self._checkpoint.advance({**facts, **({"known": known} if known else {})})

    def _known(self) -> dict[str, dict[str, Any]]:
        """Return the results after the first message without one, numbered from that one."""
        later = sorted(place for place in self._block.results if place > self._counted)
        return stored_results((place - self._counted, self._block.results[place]) for place in later)

    def _facts(self) -> dict[str, Any]:
        """Return the counts, once the file of results holds their lines."""
        if self._results:
            self._results.close_part(self.counts.rows)
        facts = asdict(self.counts)
        if self._requests.goes_on:
            facts["announced_at"] = self._announced_at
            facts["unknown_in_a_row"] = self._requests.unknown_in_a_row
        return facts

    def _stop(self) -> None:
        """Store where a send ends that has raised an error.

        If the results can't be written, what was stored last stays: it says that the present block may have
        been sent. The send's own error is the one to raise.
        """
        with suppress(OSError):
            self._count()
            block, first = self._block, self._counted
            last = max((*block.in_doubt, *block.results), default=-1)
            is_resumed = block is self._earlier  # the journal has all of it already
            end = len(block.messages) if is_resumed else max(last + 1, first)
            known, facts = self._known(), self._facts()
            unsettled = (place for place in range(first, end) if place not in block.results)
            not_sent = [place - first for place in unsettled if place not in block.in_doubt]
            more = {"known": known, "not_sent": not_sent}
            facts.update({name: value for name, value in more.items() if value})
            self._checkpoint.stop(facts, end - first)

    def _finish(self) -> None:
        facts = self._facts()
        if self._results:
            self._results.finish(self.counts.rows)
        if self.counts.may_be_paid or NOT_SENT in self.counts.refused:
            self._checkpoint.finish(facts)
        else:
            self._checkpoint.forget(asdict(self._nothing()))
        if self._results:
            self._results.forget_parts()

    def _outcome_unknown(self, why: str, messages: int) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            f"{why}: nobody can know whether {messages} {self._messages.noun} after the first "
            f"{self.counts.rows} were sent, and sending them again could send them twice. Ask the vendor, "
            "then clear the task with on_unknown='assume_sent' (they were sent: it goes on after them) or "
            "'resend' (they were not: it sends them again and goes on)"
        )

    def _too_many_unknown(self) -> OutcomeUnknownError:
        return OutcomeUnknownError(
            "too many responses in a row were lost (max_unknown), so nothing more was sent: nobody can know "
            f"whether {self.counts.unknown} of the first {self.counts.rows} {self._messages.noun} were sent. "
            "They are not sent again. Ask the vendor; the cleared task goes on after them"
        )
