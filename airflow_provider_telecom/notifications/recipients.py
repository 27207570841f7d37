"""Recipients of alerts: one, a list, or a text with commas; at most ten."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomInputError

log = logging.getLogger(__name__)

MAX_RECIPIENTS = 10


def parse_recipients(value: Any) -> list[str | int]:
    """Return the list of recipients, without empty ones."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple, set)):
        value = [value]
    return [item for item in value if str(item).strip() not in ("", "None")]


def check_count(field: str, recipients: Sequence[str | int]) -> Sequence[str | int]:
    """Return the recipients. Raises TelecomInputError if there are none or too many."""
    if not 1 <= len(recipients) <= MAX_RECIPIENTS:
        raise TelecomInputError(field, f"has {len(recipients)} recipients; 1 to {MAX_RECIPIENTS} are allowed")
    return recipients


def first_recipients(field: str, recipients: Sequence[str | int], notifier: str) -> Sequence[str | int]:
    """Return all recipients, or the first of too many. Raises TelecomInputError if there are none."""
    if len(recipients) > MAX_RECIPIENTS:
        log.error("%s: only the first %d of %d recipients", notifier, MAX_RECIPIENTS, len(recipients))
    return check_count(field, recipients[:MAX_RECIPIENTS])
