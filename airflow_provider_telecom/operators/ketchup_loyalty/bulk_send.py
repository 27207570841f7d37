"""A bulk send from where earlier tries have stopped: announced to the journal block by block, then sent."""

from __future__ import annotations

import logging
from functools import partial
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.bulk.receipts import FinalStates
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import outcome_unknown
from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import outcome_columns
from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import MessageKind
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender

_HANDED_OVER_AT_ONCE = 20_000

log = logging.getLogger(__name__)


def send_rest(
    kind: MessageKind,
    sender: BulkSender,
    audience: Audience | Group,
    progress: BulkProgress,
    results: ObjectStoragePath | None,
) -> None:
    """Send to all recipients that earlier tries have not sent to. `results` is the file of all of them."""
    if progress.counts.rows:
        log.info("earlier tries have sent to %s recipients", f"{progress.counts.rows:,}")
    sender.possibly_sent = 0
    is_assumed = _is_assumed_sent(kind, sender, audience, progress)
    if results is not None and not progress.counts.rows:
        ResultsFile(results).check_run(kind.origin.run)
    progress.begin()
    if results is not None:
        FinalStates(results).forget()
    kind.hook.wait_until_ready()
    try:
        if is_assumed:
            _record_unsent(kind, sender, audience, progress, progress.in_doubt, None)
        _send_blocks(kind, sender, audience, progress)
    except Exception:
        progress.stop(sender.possibly_sent)
        raise
    progress.finish()


def _is_assumed_sent(
    kind: MessageKind, sender: BulkSender, audience: Audience | Group, progress: BulkProgress
) -> bool:
    """Return whether messages that earlier tries may have sent must count as sent.

    The messages in doubt are looked up by their keys. If one is found, sending again does no harm. If the
    process that sent them had seen that keys work, it is enough that a message before them is found.
    Raises OutcomeUnknownError.
    """
    if not progress.in_doubt:
        return False
    rows = progress.counts.rows
    known = min(rows, 2) if progress.counts.announced_keyed else 0
    sample = sender.first_messages(audience, rows - known, 3)
    if kind.keys_work(sample) or sender.on_unknown == "resend":
        return False
    if sender.on_unknown == "fail":
        raise outcome_unknown(f"an earlier try may have sent {progress.in_doubt} messages")
    return True


def hand_over(
    kind: MessageKind,
    sender: BulkSender,
    audience: Audience | Group,
    progress: BulkProgress,
    results: ObjectStoragePath,
) -> None:
    """Record all recipients that are left, so that this task sends to none of them any more.

    Those to whom an earlier try may have sent are of unknown outcome. All others have certainly got nothing:
    another connection may send to them.
    """
    progress.resume()
    if not progress.counts.rows:
        ResultsFile(results).check_run(kind.origin.run)
    progress.begin()
    FinalStates(results).forget()
    try:
        _record_unsent(kind, sender, audience, progress, progress.in_doubt, None)
        # The first ones are announced, which says that this try is at work. After a kill only these would
        # be in doubt.
        size, unsent = sender.chunk_size, SendResult(None, code=NOT_SENT)
        while left := min(audience.count - progress.counts.rows, size):
            _record_unsent(kind, sender, audience, progress, left, unsent, size == sender.chunk_size)
            size = _HANDED_OVER_AT_ONCE
    except Exception:
        progress.stop(0)
        raise
    progress.finish()


def _record_unsent(
    kind: MessageKind,
    sender: BulkSender,
    audience: Audience | Group,
    progress: BulkProgress,
    size: int,
    result: SendResult | None,
    is_announced: bool = True,
) -> None:
    """Count the next messages, which this task does not send, with this result; None: of unknown outcome."""
    if not size:
        return
    messages = sender.first_messages(audience, progress.counts.rows, size)
    if is_announced:
        progress.announce(kind.identities(messages))
    else:
        progress.pass_over(kind.identities(messages))
    results = [result] * len(messages)
    progress.counts.add(results)
    progress.add_results(partial(outcome_columns, kind, messages, results, sender.read_at))


def _send_blocks(
    kind: MessageKind, sender: BulkSender, audience: Audience | Group, progress: BulkProgress
) -> None:

    def size() -> int:
        return progress.block_size(sender.chunk_size, kind.is_keyed)

    for block in sender.messages(audience, progress.counts.rows, size):
        progress.counts.announced_keyed = kind.must_prove_keys and kind.is_keyed
        with sender.window():
            pass  # nothing is announced that would not be sent
        progress.announce(kind.identities(block))
        for part, results in sender.send(block, progress.counts):
            if progress.add_results(partial(outcome_columns, kind, part, results, sender.read_at)):
                log.info(progress.text(audience.count))
