"""Reading a report to its end, as one picture: page by page, each row once, and again when rows moved.

Reports know neither a sort nor a count. So a reading counts only when no two rows that say different things
have one key, and when the first page still says the same after the last. A row that came or went meanwhile
shows there, and the report is read anew. Nothing is held of a row but two short hashes.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import Generic, TypeVar

from airflow_provider_telecom.calls.endpoint import Call, Page
from airflow_provider_telecom.calls.errors import TelecomAnswerError

T = TypeVar("T")
RowHash = tuple[bytes, bytes]
"""What tells a row from others, and what it says: 64 bits of a hash of each."""
_SIZE, _BUCKETS = 8, 4096


@dataclass(frozen=True, slots=True)
class ConsistentPage(Page[T]):
    """The rows of a page that no page before it held.

    `restarted`: rows moved, and the report is read from its start. Earlier pages count for nothing.
    What came since then is the whole report once there is no `next_page`.
    """

    next_page: Callable[[], Call[ConsistentPage[T]]] | None = field(default=None, repr=False)
    restarted: bool = False


@dataclass(frozen=True)
class PagedReport(Generic[T]):
    """A report to be read: how its first page is asked for, with room for `size` rows, and told in errors."""

    first: Callable[[], Call[Page[T]]]
    size: int
    row_hash: Callable[[T], RowHash]
    call: str
    readings: int
    """After how many vain readings to give up."""


def row_hash(key: object, content: str) -> RowHash:
    """Return the mark of a row."""
    return _hashed(repr(key)), _hashed(content)


def _hashed(text: str) -> bytes:
    return blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_SIZE).digest()


def read_consistently(report: PagedReport[T]) -> Call[ConsistentPage[T]]:
    """Return the first page of a report that is read as one picture.

    It and its rests raise TelecomAnswerError when rows moved in all readings, and when a page does not turn.
    """
    return _start(report, 1)


def whole(report: PagedReport[T]) -> Call[list[T]]:
    """Return all rows of a report, each once. Raises TelecomAnswerError as `read_consistently` does."""
    found: list[T] = []
    page = yield from read_consistently(report)
    while True:
        if page.restarted:
            found.clear()
        found += page.items
        if page.next_page is None:
            return found
        page = yield from page.next_page()


def _start(report: PagedReport[T], number: int) -> Call[ConsistentPage[T]]:
    page = yield from report.first()
    return _Reading(report, number, [report.row_hash(row) for row in page.items]).taken(
        page, restarted=number > 1
    )


class _HashTable:
    """Marks by key, in 16 bytes each: a dictionary of a million of them would take ten times as much."""

    def __init__(self) -> None:
        self._buckets: dict[int, bytearray] = {}
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, key: bytes, content: bytes) -> None:
        self._buckets.setdefault(_bucket(key), bytearray()).extend(key + content)
        self._count += 1

    def get(self, key: bytes) -> bytes | None:
        shelf = self._buckets.get(_bucket(key), b"")
        place = shelf.find(key)
        while place % (2 * _SIZE) and place > 0:  # there it is a part of others
            place = shelf.find(key, place + 1)
        return bytes(shelf[place + _SIZE : place + 2 * _SIZE]) if place >= 0 else None


def _bucket(key: bytes) -> int:
    return int.from_bytes(key[:4], "big") % _BUCKETS


@dataclass
class _Reading(Generic[T]):
    """One reading, the `number`th: `head` is its first page, `last` the page before this one."""

    report: PagedReport[T]
    number: int
    head: list[RowHash]
    last: list[RowHash] = field(default_factory=list)
    pages: int = 0
    copies: int = 0
    seen: _HashTable = field(default_factory=_HashTable)
    moved: bool = False

    def taken(self, page: Page[T], restarted: bool = False) -> ConsistentPage[T]:
        marks = [self.report.row_hash(row) for row in page.items]
        turn = (
            self._after_duplicate_page(page) if marks and _keys(marks) == _keys(self.last) else page.next_page
        )
        self.last, self.pages = marks, self.pages + 1
        new = [row for row, one in zip(page.items, marks, strict=True) if self._is_new(*one)]
        self.moved = self.moved or bool(new and self.copies)
        if turn is not None and not self.moved:
            return ConsistentPage(new, lambda: self._next_page(turn), restarted)
        return ConsistentPage(new, None if self._is_one_page() else self._verify_first_page, restarted)

    def _after_duplicate_page(self, page: Page[T]) -> Callable[[], Call[Page[T]]] | None:
        """Return the turn after a page that is the one before it again.

        A vendor may show its last page for all pages behind it. So a second copy is the end. But when a full
        first page comes again, nothing tells such a vendor from one whose pages do not turn.
        """
        if self.pages == 1 and len(self.head) >= self.report.size:
            raise TelecomAnswerError(
                f"page {self.pages} is a copy of the one before it", call=self.report.call
            )
        self.copies += 1
        return page.next_page if self.copies == 1 else None

    def _is_new(self, key: bytes, content: bytes) -> bool:
        known = self.seen.get(key)
        if known is None:
            self.seen.add(key, content)
        self.moved = self.moved or known not in (None, content)
        return known is None

    def _is_one_page(self) -> bool:
        """Whether the first page had room for more rows and held all of them: nothing could move."""
        return not self.moved and len(self.seen) == len(self.head) < self.report.size

    def _next_page(self, turn: Callable[[], Call[Page[T]]]) -> Call[ConsistentPage[T]]:
        page = yield from turn()
        return self.taken(page)

    def _verify_first_page(self) -> Call[ConsistentPage[T]]:
        """Look at the first page again: end if it is the same, else begin anew."""
        again = yield from self.report.first()
        if not self.moved and [self.report.row_hash(row) for row in again.items] == self.head:
            return ConsistentPage([])
        if self.number < self.report.readings:
            return (yield from _start(self.report, self.number + 1))
        raise TelecomAnswerError(
            f"rows moved between pages in {self.number} readings: the report changes as it is read",
            call=self.report.call,
        )


def _keys(marks: list[RowHash]) -> list[bytes]:
    return [key for key, _ in marks]
