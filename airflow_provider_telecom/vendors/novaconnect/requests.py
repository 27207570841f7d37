"""How NovaConnect's requests are built: a JSON object by POST, and the pages of lists and reports."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from airflow_provider_telecom.calls.checks import in_range
from airflow_provider_telecom.calls.endpoint import Call
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomNotFoundError
from airflow_provider_telecom.calls.request import Idempotency, Json, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.novaconnect.consistent_read import ListPage, ListReading, read_pages
from airflow_provider_telecom.vendors.novaconnect.options import NovaConnectOptions
from airflow_provider_telecom.vendors.novaconnect.responses import Envelope, HasIdT, read_effect, read_success

T = TypeVar("T")

PAGE_SIZE = 100
MAX_READS = 2
_MAX_INT = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Query(Generic[T]):
    """A page of a list or a report: its path, the type of its rows and the JSON body that asks for it.

    A list has a count, so it ends when that many rows came (`rows_before` is how many, None if unknown). A
    report has none: it ends with a page shorter than the one before it, whose length is `last_length`. That
    is not the requested size: the vendor may send fewer rows on every page.
    """

    path: str
    rows: type[list[T]]
    body: Mapping[str, object]
    is_counted: bool = True
    rows_before: int | None = 0
    last_length: int | None = None

    def is_last(self, length: int, total: int | None) -> bool:
        """Whether no page follows the one that this query has got."""
        if not self.is_counted:
            return not length or (self.last_length is not None and length < self.last_length)
        is_complete = (
            total is not None and self.rows_before is not None and self.rows_before + length >= total
        )
        return not length or is_complete

    def next(self, length: int) -> Query[T]:
        """Return the query of the next page.

        If the first page was shorter than requested, the vendor may have a maximum. The document does not say
        whether its next page then begins after these rows or after the requested size. Requesting pages of
        that length from then on makes both the same.
        """
        page, size = int(str(self.body["page"])), int(str(self.body["size"]))
        size = length if page == 0 and 0 < length < size else size
        rows_before = None if self.rows_before is None else self.rows_before + length
        body = {**self.body, "page": page + 1, "size": size}
        return replace(self, body=body, rows_before=rows_before, last_length=length)


def drop_none(**values: object) -> dict[str, object]:
    """Return the values that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def page_arguments(page: int, size: int) -> dict[str, object]:
    """Return the fields that ask for a page: `page` from 0, of `size` rows."""
    return {"page": in_range("page", page, 0, _MAX_INT), "size": in_range("size", size, 1, _MAX_INT)}


class NovaConnectCalls(Api[NovaConnectOptions]):
    """Base class of the endpoints: sends requests and reads lists."""

    def _post(
        self, path: str, idempotency: Idempotency, body: Mapping[str, object], read: Callable[[Envelope], T]
    ) -> Call[T]:
        """Post a JSON object and return what `read` makes of a success."""
        request = Request("POST", self._path(path), idempotency, query=self._query(), body=Json(body))
        envelope_of = read_effect if idempotency.is_effect else read_success
        return self._call(request, lambda response: read(envelope_of(response)))

    def _path(self, path: str) -> str:
        return f"{self.options.api_path}/{path}"

    def _query(self, **more: str) -> dict[str, str]:
        return {**({"lang": self.options.lang} if self.options.lang else {}), **more}

    def _list_page(
        self, path: str, rows: type[list[T]], selection: Mapping[str, object], page: int, size: int
    ) -> Call[ListPage[T]]:
        """Return one page of a list. How many rows come before it is known for the first page only."""
        body = {**page_arguments(page, size), **selection}
        return self._page(Query(path, rows, body, rows_before=None if page else 0))

    def _read_list(
        self, path: str, rows: type[list[HasIdT]], selection: Mapping[str, object], size: int
    ) -> Call[list[HasIdT]]:
        """Return all rows of a list, each once; read it a second time if rows were missed in the first.

        Rows move between pages when others are added or removed meanwhile. The count of a filtered list may
        be that of all rows: then two equal readings that came to an end are complete.
        """
        query, before = Query(path, rows, {**page_arguments(0, size), **selection}), None
        for _ in range(MAX_READS):
            reading = yield from read_pages(self._page(query), size)
            if reading.is_complete:
                return reading.rows
            if reading.is_confirmed_by(before) and (yield from self._count_ignores_filter(query, reading)):
                return reading.rows
            before = reading
        counted = f"{reading.totals[-1]} rows" if reading.totals else "an unknown number of rows"
        raise TelecomAnswerError(
            f"{len(reading.rows)} of {counted} came, in {MAX_READS} readings: the list changes while it is "
            "read, or each page is the same",
            call=f"POST {self._path(path)}",
        )

    def _count_ignores_filter(self, query: Query[HasIdT], reading: ListReading[HasIdT]) -> Call[bool]:
        if "filter" not in query.body:
            return False
        others = {name: value for name, value in query.body.items() if name != "filter"}
        page = yield from self._page(replace(query, body={**others, **page_arguments(0, 1)}))
        return page.total == reading.totals[-1]

    def _page(self, query: Query[T]) -> Call[ListPage[T]]:
        items, total = yield from self._post(
            query.path,
            Idempotency.READ,
            query.body,
            lambda envelope: (envelope.items(query.rows), envelope.total()),
        )
        if query.is_last(len(items), total):
            return ListPage(items, None, total)
        return ListPage(items, lambda: self._next_page(query.next(len(items)), total), total)

    def _next_page(self, query: Query[T], total: int | None) -> Call[ListPage[T]]:
        """Return a page that may be after the last one, which some vendors answer with "not found"."""
        try:
            return (yield from self._page(query))
        except TelecomNotFoundError:
            return ListPage([], None, total)
