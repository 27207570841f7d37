"""Reading lists and reports of many pages as one consistent result.

Rows move between pages when others are added or removed while the pages are read. A list has a sort and a
count (`all_count`), so missed rows can be counted. A report has neither. So a reading counts only if no two
different rows have the same key, and if the first page is unchanged after the last one; otherwise the report
is read again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from struct import Struct
from typing import Generic, TypeVar

from airflow_provider_telecom.calls.endpoint import Call, Page
from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.vendors.novaconnect.responses import HasIdT

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class ListPage(Page[T]):
    """A page of a list, with the vendor's count of all rows (None if it gives none)."""

    next_page: Callable[[], Call[ListPage[T]]] | None = field(default=None, repr=False)
    total: int | None = None


@dataclass(frozen=True, slots=True)
class ListReading(Generic[HasIdT]):
    """A list as it was read: each row once, the count that came with each page, and whether it had an end."""

    rows: list[HasIdT]
    totals: list[int]
    ended: bool

    @property
    def is_complete(self) -> bool:
        """Whether no row was missed, by the vendor's count; without a count, by the end.

        Rows were missed if fewer came than the vendor counts, or if the count fell while pages were read.
        """
        if not self.totals:
            return self.ended
        return len(self.rows) >= self.totals[-1] and self.totals == sorted(self.totals)

    def is_confirmed_by(self, before: ListReading[HasIdT] | None) -> bool:
        """Whether both readings came to their end and show the same."""
        return (
            before is not None
            and self.ended
            and before.ended
            and {row.id for row in self.rows} == {row.id for row in before.rows}
            and len({*self.totals, *before.totals}) == 1
        )


def read_pages(first: Call[ListPage[HasIdT]], size: int) -> Call[ListReading[HasIdT]]:
    """Read a list page by page, to its end or to a page without a new row.

    A page without a new row is the end if it is the last page again: some vendors send it for all pages after
    it. It is known to be the last one if pages have differed before, or if it had room for more rows.
    """
    found: dict[int, HasIdT] = {}
    totals: list[int] = []
    last: list[int] = []
    page, pages = (yield from first), 1
    while True:
        known, ids = len(found), [row.id for row in page.items]
        found.update(zip(ids, page.items, strict=True))
        totals += [] if page.total is None else [page.total]
        if page.next_page is None or len(found) == known:
            ended = page.next_page is None or (ids == last and (pages > 2 or len(ids) < size))
            return ListReading(list(found.values()), totals, ended)
        page, pages, last = (yield from page.next_page()), pages + 1, ids


RowHash = tuple[int, int]
"""The hash of a row's key and the hash of its content, 64 bits each."""
_BUCKETS = 32_768
_ENTRY, _KEY = Struct("=qq"), Struct("=q")


@dataclass(frozen=True, slots=True)
class ConsistentPage(Page[T]):
    """The rows of a page that no page before it had.

    If `restarted`, rows moved and the report is read again from the start: discard all earlier pages. The
    pages since then are the whole report once there is no `next_page`.
    """

    next_page: Callable[[], Call[ConsistentPage[T]]] | None = field(default=None, repr=False)
    restarted: bool = False


@dataclass(frozen=True)
class PagedReport(Generic[T]):
    """A report to read: the call for its first page of `size` rows, and its name in errors."""

    first: Callable[[], Call[Page[T]]]
    size: int
    hash_rows: Callable[[Sequence[T]], list[RowHash]]
    call: str
    max_reads: int
    """After this many readings in which rows moved, an error is raised."""


def row_hashes(keys: Iterable[str | bytes], contents: Iterable[str | bytes]) -> list[RowHash]:
    """Return the hashes of rows: Python's own, SipHash. It is the same within a process, and quick."""
    return list(zip(map(hash, keys), map(hash, contents), strict=True))


def read_consistently(report: PagedReport[T], reading: int = 1) -> Call[ConsistentPage[T]]:
    """Return the first page of a report that is read as one consistent result.

    It and the pages after it raise TelecomAnswerError if rows moved in all readings, or if each page is the
    same.
    """
    page = yield from report.first()
    first = report.hash_rows(page.items)
    return _Reading(report, reading, first).accept(page, restarted=reading > 1)


def read_all(report: PagedReport[T]) -> Call[list[T]]:
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


class _HashTable:
    """Content hashes by key hash, 16 bytes each: a dict of a million of them takes ten times as much."""

    def __init__(self) -> None:
        self._buckets: list[bytearray] = [bytearray() for _ in range(_BUCKETS)]
        self._count = 0

    def __len__(self) -> int:
        return self._count

    def add(self, rows: Iterable[RowHash]) -> list[int | None]:
        """Add the rows whose keys are new; return for each row the content that its key had, or None."""
        found: list[int | None] = []
        for key, content in rows:
            entry = _ENTRY.pack(key, content)
            bucket = self._buckets[key % _BUCKETS]
            place = bucket.find(entry[: _KEY.size])
            while place > 0 and place % _ENTRY.size:  # found across two entries, not as a key
                place = bucket.find(entry[: _KEY.size], place + 1)
            if place < 0:
                bucket += entry
                found.append(None)
            else:
                found.append(_KEY.unpack_from(bucket, place + _KEY.size)[0])
        self._count += found.count(None)
        return found


@dataclass
class _Reading(Generic[T]):
    """One reading, the `number`th: `first` is its first page, `last` the page before the current one."""

    report: PagedReport[T]
    number: int
    first: list[RowHash]
    last: list[RowHash] = field(default_factory=list)
    pages: int = 0
    duplicate_pages: int = 0
    seen: _HashTable = field(default_factory=_HashTable)
    moved: bool = False

    def accept(self, page: Page[T], restarted: bool = False) -> ConsistentPage[T]:
        hashes = self.report.hash_rows(page.items)
        is_duplicate = bool(hashes) and _keys(hashes) == _keys(self.last)
        following = self._after_duplicate_page(page) if is_duplicate else page.next_page
        self.last, self.pages = hashes, self.pages + 1
        known = self.seen.add(hashes)
        new = page.items
        if any(one is not None for one in known):
            pairs = zip(known, hashes, strict=True)
            self.moved = self.moved or any(one not in (None, content) for one, (_, content) in pairs)
            new = [row for row, one in zip(page.items, known, strict=True) if one is None]
        self.moved = self.moved or bool(new and self.duplicate_pages)
        if following is not None and not self.moved:
            return ConsistentPage(new, lambda: self._next_page(following), restarted)
        return ConsistentPage(new, None if self._is_one_page() else self._verify_first_page, restarted)

    def _after_duplicate_page(self, page: Page[T]) -> Callable[[], Call[Page[T]]] | None:
        """Return the call after a page that has the same rows as the one before it.

        Some vendors send the last page for all pages after it, so a second duplicate is the end. But if a
        full first page comes twice, such a vendor is not distinguishable from one that always sends the first
        page.
        """
        if self.pages == 1 and len(self.first) >= self.report.size:
            raise TelecomAnswerError(
                f"page {self.pages} is a copy of the one before it", call=self.report.call
            )
        self.duplicate_pages += 1
        return page.next_page if self.duplicate_pages == 1 else None

    def _is_one_page(self) -> bool:
        """Whether the first page had room for more rows and held all of them: nothing could move."""
        return not self.moved and len(self.seen) == len(self.first) < self.report.size

    def _next_page(self, following: Callable[[], Call[Page[T]]]) -> Call[ConsistentPage[T]]:
        return self.accept((yield from following()))

    def _verify_first_page(self) -> Call[ConsistentPage[T]]:
        """Read the first page again: end if it is unchanged, otherwise read the report again."""
        again = yield from self.report.first()
        if not self.moved and self.report.hash_rows(again.items) == self.first:
            return ConsistentPage([])
        if self.number < self.report.max_reads:
            return (yield from read_consistently(self.report, self.number + 1))
        raise TelecomAnswerError(
            f"rows moved between pages in {self.number} readings: the report changes while it is read",
            call=self.report.call,
        )


def _keys(hashes: list[RowHash]) -> list[int]:
    return [key for key, _ in hashes]
