"""Names of the inbox's rows that readers must know too."""

from __future__ import annotations

from hashlib import sha256

ENTRY = "entry:"
REFERENCES = "bound:"
DAY = "day:"
HEAD = "head"
PAGE_SIZE = 200
"""Posts to a page of the log. A reader reads a page at a time, and a writer writes one whole."""


def log_page_key(number: int) -> str:
    """Return the key of the page of the log that has the post of this number."""
    return f"log:{number // PAGE_SIZE:09d}"


def deduplication_key(topic: str, subject: str = "") -> str:
    """Return the key of the mark of a thing that is told of under a topic."""
    return f"mark:{sha256(f'{topic}/{subject}'.encode()).hexdigest()}"


def references_key(topic: str) -> str:
    """Return the key of the references that an address was given out for."""
    return REFERENCES + topic
