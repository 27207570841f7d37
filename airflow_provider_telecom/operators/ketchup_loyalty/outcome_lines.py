"""The lines of KetchUp's messages and look-ups in a file of outcomes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from airflow_provider_telecom.bulk.failover import NOT_SENT
from airflow_provider_telecom.bulk.outcomes import (
    ACCEPTED,
    DELIVERED,
    EXPIRED,
    KNOWN_BEFORE,
    OUTCOME_COLUMNS,
    READ,
    REFUSED,
    SEND_STATE,
    SILENT,
    UNDELIVERED,
    UNKNOWN,
    time_text,
)

if TYPE_CHECKING:
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import Message, MessageKind
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult

COLUMNS = frozenset({
    *OUTCOME_COLUMNS,
    *("id", "task_id", SEND_STATE, "status", "outcome", "network", "ported", "roaming"),
})
"""All names in the lines, except for those of the recipients' columns."""


def outcome_lines(
    kind: MessageKind,
    part: Iterable[tuple[Message, SendResult | None]],
    read_at: datetime,
) -> Iterator[dict[str, Any]]:
    """Return the lines of messages with their results; None for one that nobody can know.

    `read_at` is when the response was read, or when the task gave up waiting for it.
    """
    at = time_text(read_at)
    common = {**kind.origin.line("", UNKNOWN, sent_at=at), "id": None}
    for message, result in part:
        line = {
            **common,
            "msisdn": message.msisdn,
            "reference": message.reference,
            "variant": kind.variant(message),
            "segments": kind.segments(message),
        }
        if result is not None:
            state = KNOWN_BEFORE if result.duplicate else ACCEPTED if result.code is None else REFUSED
            line["state"], line["message_id"], line["code"] = state, result.id, result.code
            line["price"] = None if result.price is None else str(result.price)
            line["currency"], line["id"], line["task_id"] = result.currency, result.id, result.task_id
            if state == REFUSED:
                line["final_at"] = at
                if result.code == NOT_SENT:
                    line["sent_at"] = None
        yield line | kind.line(message) if kind.columns.results else line


def final_state(status: str | None) -> str:
    """Return the state of an outcome for the vendor's status of a message; `silent` without a final one."""
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageState

    found = MessageState.UNKNOWN if status is None else MessageState.of(status)
    named = {
        MessageState.DELIVERED: DELIVERED,
        MessageState.READ: READ,
        MessageState.EXPIRED: EXPIRED,
    }
    return named.get(found, UNDELIVERED if found.is_final else SILENT)


def now_text() -> str:
    """Return the present time as a file of outcomes has it."""
    return time_text(datetime.now(UTC))
