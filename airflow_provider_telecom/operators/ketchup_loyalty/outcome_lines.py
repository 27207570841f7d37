"""The lines of KetchUp's messages and look-ups in a file of outcomes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

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
from airflow_provider_telecom.vendors.ketchup_loyalty.models import AcceptedResults

if TYPE_CHECKING:
    from airflow_provider_telecom.operators.ketchup_loyalty.bulk_messages import MessageKind, Messages
    from airflow_provider_telecom.vendors.ketchup_loyalty.models import SendResult

COLUMNS = frozenset({
    *OUTCOME_COLUMNS,
    *("id", "task_id", SEND_STATE, "status", "outcome", "network", "ported", "roaming"),
})
"""All names in the lines, except for those of the recipients' columns."""


def outcome_columns(
    kind: MessageKind, messages: Messages, results: Sequence[SendResult | None], read_at: datetime
) -> Mapping[str, Sequence[object]]:
    """Return the columns of the lines of messages with their results; None for one that nobody can know.

    `read_at` is when the response was read, or when the task gave up waiting for it.
    """
    at, count = time_text(read_at), len(messages)
    line = {**kind.origin.line("", UNKNOWN, sent_at=at), "id": None, "task_id": None}
    columns: dict[str, Sequence[object]] = {name: [value] * count for name, value in line.items()}
    columns["msisdn"], columns["reference"] = messages.numbers, messages.references
    columns["variant"], columns["segments"] = kind.variants(messages), kind.segments(messages)
    columns |= _accepted(results) if isinstance(results, AcceptedResults) else _any(results, at)
    return {**columns, **kind.result_columns(messages)}


def _accepted(results: AcceptedResults) -> Mapping[str, Sequence[object]]:
    prices = {price: None if price is None else str(price) for price in set(results.prices)}
    return {
        "message_id": results.ids,
        "state": [ACCEPTED] * len(results),
        "price": [prices[price] for price in results.prices],
        "currency": results.currencies,
        "id": results.ids,
        "task_id": [results.task_id] * len(results),
    }


def _any(results: Sequence[SendResult | None], at: str) -> Mapping[str, Sequence[object]]:
    names = ("message_id", "state", "code", "price", "currency", "sent_at", "final_at", "id", "task_id")
    rows = [_cells(result, at) for result in results]
    return dict(zip(names, zip(*rows, strict=True), strict=True))


def _cells(result: SendResult | None, at: str) -> Sequence[str | None]:
    if result is None:
        return (None, UNKNOWN, None, None, None, at, None, None, None)
    state = KNOWN_BEFORE if result.duplicate else ACCEPTED if result.code is None else REFUSED
    price = None if result.price is None else str(result.price)
    sent_at = None if result.code == NOT_SENT else at
    final_at = at if state == REFUSED else None
    paid = price, result.currency
    return result.id, state, result.code, *paid, sent_at, final_at, result.id, result.task_id


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
