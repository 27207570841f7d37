"""A bulk send from where earlier tries have stopped: announced to the journal block by block, then sent."""

from __future__ import annotations

import logging
from itertools import islice
from typing import TYPE_CHECKING

from airflow_provider_telecom.bulk.receipts import FinalStates
from airflow_provider_telecom.bulk.results_file import ResultsFile
from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import outcome_unknown
from airflow_provider_telecom.operators.ketchup_loyalty.outcome_lines import outcome_lines

if TYPE_CHECKING:
    from airflow.sdk import ObjectStoragePath

    from airflow_provider_telecom.bulk.audience import Audience, Group
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import Message, MessageKind
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_progress import BulkProgress
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_sender import BulkSender
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult

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
    is_assumed = _is_assumed_sent(kind, sender, audience, progress)
    if results is not None and not progress.counts.rows:
        ResultsFile(results).check_run(kind.origin.run)
    progress.begin()
    if results is not None:
        FinalStates(results).forget()
    kind.hook.wait_until_ready()
    try:
        if is_assumed:
            _assume_sent(kind, sender, audience, progress)
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
    sample = list(islice(sender.messages(audience, rows - known), 3))
    if kind.keys_work(sample) or sender.on_unknown == "resend":
        return False
    if sender.on_unknown == "fail":
        raise outcome_unknown(f"an earlier try may have sent {progress.in_doubt} messages")
    return True


def _assume_sent(
    kind: MessageKind, sender: BulkSender, audience: Audience | Group, progress: BulkProgress
) -> None:
    """Count the messages in doubt as of unknown outcome, and go on after them."""
    doubtful = list(islice(sender.messages(audience, progress.counts.rows), progress.in_doubt))
    progress.announce([kind.identity(message) for message in doubtful])
    progress.counts.add([None] * len(doubtful))
    unknown: list[tuple[Message, SendResult | None]] = [(message, None) for message in doubtful]
    progress.add_lines(outcome_lines(kind, unknown, sender.read_at))


def _send_blocks(
    kind: MessageKind, sender: BulkSender, audience: Audience | Group, progress: BulkProgress
) -> None:
    messages = sender.messages(audience, progress.counts.rows)
    while block := list(islice(messages, progress.block_size(sender.chunk_size, kind.is_keyed))):
        progress.counts.announced_keyed = kind.must_prove_keys and kind.is_keyed
        with sender.window():
            pass  # nothing is announced that would not be sent
        progress.announce(kind.identities(block))
        for part in sender.send(block, progress.counts):
            if progress.add_lines(outcome_lines(kind, part, sender.read_at)):
                log.info(progress.text(audience.count))
