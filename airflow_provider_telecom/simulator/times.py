"""Reading of times in requests, for all simulated vendors."""

from __future__ import annotations

from datetime import datetime


def parse_time(text: object, format: str) -> datetime | None:
    """Return the time that a text shows in exactly this format (of `strptime`), or None."""
    try:
        moment = datetime.strptime(str(text), format)
    except ValueError:
        return None
    return moment if f"{moment:{format}}" == text else None  # strptime also reads 1-2-2026 as %d-%m-%Y
