"""How far a bulk send is: its counts, the journal's checkpoint and the file of results, kept in step."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.journal.checkpoint import Checkpoint
from airflow_provider_telecom.operators.ketchup_loyalty.results import SendCounts

if TYPE_CHECKING:
    from airflow_provider_telecom.bulk.results_file import ResultsFile
    from airflow_provider_telecom.journal.unknown import Facts


class BulkProgress:
    """Counts what was sent, and stores it so that a later try goes on after it.

    The checkpoint never counts more messages than the file of results has lines. Without a file, only the
    counts are stored.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        keys: Callable[[], Iterable[str]],
        results: ResultsFile | None,
    ) -> None:
        """Read how far earlier tries have come. `keys` and errors are as for `Checkpoint.resume`."""
        self._checkpoint, self._keys, self._results = checkpoint, keys, results
        self.resume()
        self._began, self._rows_before = time.monotonic(), self.counts.rows

    def resume(self) -> int:
        """Read from the journal how far the send is; return the number of counted messages."""
        self.counts = SendCounts(**self._checkpoint.resume(self._keys(), SendCounts().stored()))
        return self.counts.rows

    @property
    def in_doubt(self) -> int:
        """How many messages after the counted ones may have been sent by earlier tries."""
        return self._checkpoint.in_doubt

    def is_complete(self, recipients: int) -> bool:
        """Return whether an earlier try has sent to all recipients.

        If it was killed right after that, parts of its file of results are left: they are removed.
        """
        is_complete = self._checkpoint.is_done and self.counts.rows >= recipients
        if is_complete and self._results and self._results.path.exists():
            self._results.forget_parts()
        return is_complete

    def begin(self) -> None:
        """Open the file of results behind the lines of earlier tries. Raises TelecomInputError."""
        if self._results:
            self._results.begin(self.counts.rows)

    def block_size(self, chunk_size: int, may_grow: bool = True) -> int:
        """Return how many messages to announce next: a chunk, or if it may grow, some seconds' worth."""
        return self._checkpoint.block_size(chunk_size, may_grow)

    def announce(self, keys: Sequence[str]) -> None:
        """Store that the next messages, those with these keys, may be sent from now on."""
        self._checkpoint.announce(self._saved_counts(), keys)

    def pass_over(self, keys: Sequence[str]) -> None:
        """Take the next messages, those with these keys, of which none will be sent."""
        self._checkpoint.pass_over(keys)

    def text(self, recipients: int) -> str:
        """Return how far the send is, at which rate, and how long the others will take."""
        rows, seconds = self.counts.rows, max(time.monotonic() - self._began, 0.001)
        rate = (rows - self._rows_before) / seconds
        left = f", about {(recipients - rows) / rate:,.0f} s left" if rate else ""
        return f"{rows:,} of {recipients:,} recipients, {rate:,.1f} a second{left}"

    def add_results(self, columns: Callable[[], Mapping[str, Sequence[object]]]) -> bool:
        """Write the results that were counted last; store the counts if it is time. Return whether it was."""
        if self._results:
            self._results.add_columns(columns())
        if is_due := self._checkpoint.is_due:
            self._checkpoint.advance(self._saved_counts())
        return is_due

    def stop(self, possibly_sent: int) -> None:
        """Store where a send ends that has raised an error; `possibly_sent` is as for `Checkpoint.stop`.

        If the results can't be written, the last stored counts stay: their messages are sent again, under
        the same keys. The send's own error is the one to raise.
        """
        with suppress(OSError):
            self._checkpoint.stop(self._saved_counts(), possibly_sent)

    def finish(self) -> None:
        """Complete the file of results and store that all was sent, or that nothing was accepted.

        What was handed over is stored as well: this task must not send it any more.
        """
        facts = self._saved_counts()
        if self._results:
            self._results.finish(self.counts.rows)
        if self.counts.may_be_sent or NOT_SENT in self.counts.refused:
            self._checkpoint.finish(facts)
        else:
            self._checkpoint.forget(SendCounts().stored())
        if self._results:
            self._results.forget_parts()

    def _saved_counts(self) -> Facts:
        """Return the counts, once the file holds their lines."""
        if self._results:
            self._results.close_part(self.counts.rows)
        return self.counts.stored()
