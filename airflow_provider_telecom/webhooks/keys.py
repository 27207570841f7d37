"""The rows of the inbox: their keys, and the JSON that they hold.

The names of keys and fields are older than some names in the code. They stay, so that rows of an earlier
version can be read.
"""

from __future__ import annotations

from hashlib import sha256
from typing import Any, TypedDict

ENTRY = "entry:"
REFERENCES = "bound:"
DAY = "day:"
HEAD = "head"
PAGE_SIZE = 200
"""Posts in a page of the log. A reader reads one page at a time, and a writer replaces one."""

StoredEvent = dict[str, Any]
"""An entry: the facts of the last event, which the vendor's status check understands, and `final`."""


class DeduplicationRecord(TypedDict):
    """The last event about a subject. It distinguishes new events from duplicates and late ones."""

    state: str
    rank: float
    final: bool
    identity: str


class References(TypedDict):
    """The references of the messages that an address was made for."""

    references: list[str]


class LogLine(TypedDict):
    """A post in the log, with what became of it."""

    at: str
    vendor: str
    kind: str
    connection: str
    verdict: str
    state: str | None
    about: str
    why: str | None
    topics: list[str]


class Head(TypedDict):
    """The number of the next post in the log."""

    next: int


class DayCounts(TypedDict):
    """The posts of a day: by vendor and verdict, and final states by hour."""

    verdicts: dict[str, dict[str, int]]
    hours: dict[str, dict[str, int]]


def log_page_key(number: int) -> str:
    """Return the key of the log page that has the post with this number."""
    return f"log:{number // PAGE_SIZE:09d}"


def deduplication_key(topic: str, subject: str = "") -> str:
    """Return the key of the deduplication record of a subject."""
    return f"mark:{sha256(f'{topic}/{subject}'.encode()).hexdigest()}"


def references_key(topic: str) -> str:
    """Return the key of the references that an address was made for."""
    return REFERENCES + topic
