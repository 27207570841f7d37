"""How long a vendor asks us to wait: the parser of `Retry-After`, `X-Rate-Limit-Reset` and alike."""

from __future__ import annotations

import math
import re
import time
from collections.abc import Callable, Mapping
from datetime import UTC
from email.utils import parsedate_to_datetime

MAX_WAIT = 300.0
"""Seconds that a call waits in place. For a longer wait it raises TelecomThrottledError."""
MAX_RETRY_AFTER = 86_400.0
"""The maximum of the seconds after which Airflow retries, whatever a vendor asks for: a day."""

# So few digits stay finite as a float, and exact as a time of day in milliseconds.
_NUMBER = re.compile(r"(\d{1,14})(?:\.\d{0,9})?")
_INTEGER = re.compile(r"-?\d{1,14}")
_MAX_DATE_LENGTH = 64
# No vendor asks for a wait of 30 years. So a larger number is a Unix time: in seconds until the year 5138,
# in milliseconds from the year 1973.
_FIRST_EPOCH_SECONDS = 1e9
_FIRST_EPOCH_MILLISECONDS = 1e11


def parse_wait(text: str, wall_clock: Callable[[], float] = time.time) -> float | None:
    """Return the seconds that a header asks for, from 0 to MAX_RETRY_AFTER; None if it is not valid.

    A header gives seconds, a Unix time in seconds or milliseconds, or an HTTP date.
    """
    return clamp_wait(_parse(text.strip(), wall_clock))


def clamp_wait(seconds: float | None) -> float | None:
    """Return a wait that Airflow can schedule: from 0 to MAX_RETRY_AFTER; None for NaN."""
    return None if seconds is None or math.isnan(seconds) else min(max(seconds, 0.0), MAX_RETRY_AFTER)


def _parse(text: str, wall_clock: Callable[[], float]) -> float | None:
    if text.isascii() and _NUMBER.fullmatch(text):
        number = float(text)
        if number >= _FIRST_EPOCH_MILLISECONDS:
            return number / 1000 - wall_clock()
        return number - wall_clock() if number >= _FIRST_EPOCH_SECONDS else number
    if not 0 < len(text) <= _MAX_DATE_LENGTH:
        return None
    try:
        moment = parsedate_to_datetime(text)
        aware = moment if moment.tzinfo else moment.replace(tzinfo=UTC)
        return aware.timestamp() - wall_clock()
    except (TypeError, ValueError, ArithmeticError, LookupError):  # raised for texts that are no date
        return None


def retry_after(headers: Mapping[str, str], wall_clock: Callable[[], float] = time.time) -> float | None:
    """Return the seconds of `Retry-After`, else of `X-Rate-Limit-Reset`; None without either."""
    asked = parse_wait(headers.get("retry-after", ""), wall_clock)
    return parse_wait(headers.get("x-rate-limit-reset", ""), wall_clock) if asked is None else asked


def is_quota_exhausted(headers: Mapping[str, str]) -> bool:
    """Whether `X-Rate-Limit-Remaining` says that the next request would be refused."""
    remaining = headers.get("x-rate-limit-remaining", "").strip()
    return bool(remaining.isascii() and _INTEGER.fullmatch(remaining)) and int(remaining) <= 0
