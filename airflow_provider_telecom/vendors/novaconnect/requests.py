"""What NovaConnect's calls share: posting a JSON object, and lists in pages with a count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.endpoint import Call, Page
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomNotFoundError
from airflow_provider_telecom.calls.request import Idempotency, Json, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.novaconnect.options import NovaConnectOptions
from airflow_provider_telecom.vendors.novaconnect.responses import Envelope, HasId, read_effect, read_success

T = TypeVar("T")


RowT = TypeVar("RowT", bound=HasId)

PAGE_SIZE = 100
MAX_READS = 2
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class ListPage(Page[T]):
    """A page of a list, with the vendor's count of all rows (None when it gives none)."""

    next_page: Callable[[], Call[ListPage[T]]] | None = field(default=None, repr=False)
    total: int | None = None


def drop_none(**values: object) -> dict[str, object]:
    """Return the values that were given: those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def page_arguments(page: int, size: int) -> dict[str, object]:
    """Return which page is asked for: `page` from 0, of `size` rows."""
    return {"page": in_range("page", page, 0, _MOST), "size": in_range("size", size, 1, _MOST)}


class NovaConnectCalls(Api[NovaConnectOptions]):
    """Posts requests and reads lists to their end."""

    def _post(
        self, path: str, idempotency: Idempotency, body: Mapping[str, object], read: Callable[[Envelope], T]
    ) -> Call[T]:
        """Post a JSON object and return what `read` makes of a success."""
        request = Request("POST", self._path(path), idempotency, query=self._query(), body=Json(body))
        opened = read_effect if idempotency.is_effect else read_success
        return self._call(request, lambda answer: read(opened(answer)))

    def _path(self, path: str) -> str:
        return f"{self.options.api_path}/{path}"

    def _query(self, **more: str) -> dict[str, str]:
        return {**({"lang": self.options.lang} if self.options.lang else {}), **more}

    def _list_page(
        self, path: str, rows: type[list[T]], wanted: Mapping[str, object], page: int, size: int
    ) -> Call[ListPage[T]]:
        """Return one page. How many rows stand before it is known for the first only."""
        return self._page(path, rows, {**page_arguments(page, size), **wanted}, None if page else 0)

    def _page(
        self, path: str, rows: type[list[T]], body: Mapping[str, object], seen: int | None
    ) -> Call[ListPage[T]]:
        items, total = yield from self._post(
            path, Idempotency.READ, body, lambda envelope: (envelope.items(rows), envelope.total())
        )
        seen = None if seen is None else seen + len(items)
        over = not items or (total is not None and seen is not None and seen >= total)
        following = next_page_body(body, len(items))
        return ListPage(
            items, None if over else lambda: self._next(path, rows, following, seen, total), total
        )

    def _next(
        self,
        path: str,
        rows: type[list[T]],
        body: Mapping[str, object],
        seen: int | None,
        total: int | None,
    ) -> Call[ListPage[T]]:
        """Return a page that may lie behind the last one, which some vendors answer with "not found"."""
        try:
            return (yield from self._page(path, rows, body, seen))
        except TelecomNotFoundError:
            return ListPage([], None, total)

    def _read_list(
        self, path: str, rows: type[list[RowT]], wanted: Mapping[str, object], size: int
    ) -> Call[list[RowT]]:
        """Return all rows, each once; read a second time when rows were missed in the first.

        Rows move between pages when others come or go meanwhile. They were missed when fewer came than
        the vendor counts, or when the count fell while pages were read. The count of a filtered list may be
        that of all rows: then two equal readings that came to an end are the whole.
        """
        body, before = {**page_arguments(0, size), **wanted}, None
        for _ in range(MAX_READS):
            reading = yield from _read_pages(self._page(path, rows, body, 0), size)
            if reading.is_complete:
                return reading.rows
            if reading.is_confirmed_by(before) and (
                yield from self._count_ignores_filter(path, rows, reading, wanted)
            ):
                return reading.rows
            before = reading
        counted = f"{reading.totals[-1]} rows" if reading.totals else "an unknown number of rows"
        raise TelecomAnswerError(
            f"{len(reading.rows)} of {counted} came, in {MAX_READS} reads: the list changes as it is read, "
            "or its pages do not turn",
            call=f"POST {self._path(path)}",
        )

    def _count_ignores_filter(
        self, path: str, rows: type[list[RowT]], reading: _Reading[RowT], wanted: Mapping[str, object]
    ) -> Call[bool]:
        """Whether the count of a filtered list is that of the list without its filter."""
        if "filter" not in wanted:
            return False
        others = {name: value for name, value in wanted.items() if name != "filter"}
        page = yield from self._page(path, rows, {**page_arguments(0, 1), **others}, 0)
        return page.total == reading.totals[-1]


def next_page_body(body: Mapping[str, object], rows: int) -> dict[str, object]:
    """Return what asks for the page behind one that had so many rows.

    Where the first page was shorter than asked for, the vendor may have a maximum. Nobody knows whether its
    next page begins behind these rows or a whole asked-for page later. Asking for pages of that length from
    then on makes both the same.
    """
    page, size = body["page"], body["size"]
    if page == 0 and isinstance(size, int) and 0 < rows < size:
        size = rows
    return {**body, "page": int(str(page)) + 1, "size": size}


@dataclass(frozen=True, slots=True)
class _Reading(Generic[RowT]):
    """A list as it was read: each row once, the count that came with each page, and whether it had an end."""

    rows: list[RowT]
    totals: list[int]
    ended: bool

    @property
    def is_complete(self) -> bool:
        """Whether no row was missed, by the vendor's count; without one, by the end."""
        if not self.totals:
            return self.ended
        return len(self.rows) >= self.totals[-1] and self.totals == sorted(self.totals)

    def is_confirmed_by(self, before: _Reading[RowT] | None) -> bool:
        """Whether both readings came to their end and show the same."""
        return (
            before is not None
            and self.ended
            and before.ended
            and {row.id for row in self.rows} == {row.id for row in before.rows}
            and len({*self.totals, *before.totals}) == 1
        )


def _read_pages(first: Call[ListPage[RowT]], size: int) -> Call[_Reading[RowT]]:
    """Read a list page by page, to its end or to a page without a new row.

    A page without a new row is the end if it is the last page again, which some vendors show for all pages
    behind it. It is known to be the last if pages have turned before, or if it had room for more rows.
    """
    found: dict[int, RowT] = {}
    totals: list[int] = []
    last: list[int] = []
    page, pages = (yield from first), 1
    while True:
        known, ids = len(found), [row.id for row in page.items]
        found.update(zip(ids, page.items, strict=True))
        totals += [] if page.total is None else [page.total]
        if page.next_page is None:
            return _Reading(list(found.values()), totals, True)
        if len(found) == known:
            ended = ids == last and (pages > 2 or len(ids) < size)
            return _Reading(list(found.values()), totals, ended)
        page, pages, last = (yield from page.next_page()), pages + 1, ids
