"""What NovaConnect's calls share: posting a JSON object, and lists in pages with a count."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TypeVar

from airflow_provider_telecom.calls.checks import within
from airflow_provider_telecom.calls.endpoint import Call, Page
from airflow_provider_telecom.calls.errors import TelecomAnswerError
from airflow_provider_telecom.calls.request import Json, Repeat, Request
from airflow_provider_telecom.vendors.api import Api
from airflow_provider_telecom.vendors.novaconnect.envelope import Envelope, Numbered, accepted, done
from airflow_provider_telecom.vendors.novaconnect.options import NovaConnectOptions

T = TypeVar("T")


RowT = TypeVar("RowT", bound=Numbered)

PAGE_SIZE = 100
READINGS = 2
_MOST = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Listing(Page[T]):
    """A page of a list, with the vendor's count of all rows (None when it gives none)."""

    rest: Callable[[], Call[Listing[T]]] | None = field(default=None, repr=False)
    total: int | None = None


def given(**values: object) -> dict[str, object]:
    """Return the values that were given: those that are not None."""
    return {name: value for name, value in values.items() if value is not None}


def paging(page: int, size: int) -> dict[str, object]:
    """Return which page is asked for: `page` from 0, of `size` rows."""
    return {"page": within("page", page, 0, _MOST), "size": within("size", size, 1, _MOST)}


class Posting(Api[NovaConnectOptions]):
    """Posts requests and reads lists to their end."""

    def _post(
        self, path: str, repeat: Repeat, body: Mapping[str, object], read: Callable[[Envelope], T]
    ) -> Call[T]:
        """Post a JSON object and return what `read` makes of a success."""
        request = Request("POST", self._path(path), repeat, query=self._query(), body=Json(body))
        opened = done if repeat.is_effect else accepted
        return self._call(request, lambda answer: read(opened(answer)))

    def _path(self, path: str) -> str:
        return f"{self.options.api_path}/{path}"

    def _query(self, **more: str) -> dict[str, str]:
        return {**({"lang": self.options.lang} if self.options.lang else {}), **more}

    def _listed(
        self, path: str, rows: type[list[T]], wanted: Mapping[str, object], page: int, size: int
    ) -> Call[Listing[T]]:
        """Return one page. How many rows stand before it is known for the first only."""
        return self._page(path, rows, {**paging(page, size), **wanted}, page, None if page else 0)

    def _page(
        self, path: str, rows: type[list[T]], body: dict[str, object], page: int, seen: int | None
    ) -> Call[Listing[T]]:
        items, total = yield from self._post(
            path, Repeat.READ, body, lambda envelope: (envelope.items(rows), envelope.total())
        )
        seen = None if seen is None else seen + len(items)
        over = not items or (total is not None and seen is not None and seen >= total)
        following = {**body, "page": page + 1}
        return Listing(
            items, None if over else lambda: self._page(path, rows, following, page + 1, seen), total
        )

    def _whole_list(
        self, path: str, rows: type[list[RowT]], wanted: Mapping[str, object], size: int
    ) -> Call[list[RowT]]:
        """Return all rows, each once; read a second time when rows were missed in the first.

        Rows move between pages when others come or go meanwhile. They were missed when fewer came than
        the vendor counts, or when the count fell while pages were read.
        """
        body = {**paging(0, size), **wanted}
        for _ in range(READINGS):
            found, totals = yield from _walked(self._page(path, rows, body, 0, 0))
            if not totals or (len(found) >= totals[-1] and totals == sorted(totals)):
                return found
        raise TelecomAnswerError(
            f"{len(found)} of {totals[-1]} rows came, in {READINGS} readings: the list changes as it is read",
            call=f"POST {self._path(path)}",
        )


def _walked(first: Call[Listing[RowT]]) -> Call[tuple[list[RowT], list[int]]]:
    """Return the rows of all pages, each once, and the count that came with each page.

    A page without a new row is taken for the end.
    """
    found: dict[int, RowT] = {}
    totals: list[int] = []
    page = yield from first
    while True:
        known = len(found)
        found.update({row.id: row for row in page.items})
        totals += [] if page.total is None else [page.total]
        if page.rest is None or len(found) == known:
            return list(found.values()), totals
        page = yield from page.rest()
