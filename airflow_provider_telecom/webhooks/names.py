"""Names of the inbox's rows that readers must know too."""

from __future__ import annotations

from hashlib import sha256

ENTRY = "entry:"
DAY = "day:"
HEAD = "head"
PAGE_SIZE = 50


def page_key(number: int) -> str:
    """Return the key of the page of the log that has the post of this number."""
    return f"log:{number // PAGE_SIZE:09d}"


def mark_key(topic: str, subject: str = "") -> str:
    """Return the key of the mark of a thing that is told of under a topic."""
    return f"mark:{sha256(f'{topic}/{subject}'.encode()).hexdigest()}"
