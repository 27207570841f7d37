"""Whom to tell: one, a list, or a text with commas; at most ten."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import Any

from airflow_provider_telecom.calls.errors import TelecomInputError

log = logging.getLogger(__name__)

MOST_RECIPIENTS = 10


def listed(value: Any) -> list[Any]:
    """Return a list of recipients, without blanks."""
    if isinstance(value, str):
        value = value.split(",")
    if not isinstance(value, (list, tuple, set)):
        value = [value]
    return [item for item in value if str(item).strip() not in ("", "None")]


def counted(field: str, recipients: Sequence[Any]) -> Sequence[Any]:
    """Return recipients that are neither none nor too many. Raises TelecomInputError."""
    if not 1 <= len(recipients) <= MOST_RECIPIENTS:
        raise TelecomInputError(
            field, f"has {len(recipients)} recipients; 1 to {MOST_RECIPIENTS} are allowed"
        )
    return recipients


def first_of(field: str, recipients: Sequence[Any], who: str) -> Sequence[Any]:
    """Return those who are told: all, or the first of too many. Raises TelecomInputError for none."""
    if len(recipients) > MOST_RECIPIENTS:
        log.error("%s: only the first %d of %d are told", who, MOST_RECIPIENTS, len(recipients))
    return counted(field, recipients[:MOST_RECIPIENTS])


def is_literal(value: Any) -> bool:
    """Whether recipients are known when the Dag is parsed: no template, no XCom."""
    text = str(value)
    return "{{" not in text and "{%" not in text and not hasattr(value, "resolve")
