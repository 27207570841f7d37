"""SMS mailings to a list of one's own: a draft, its audience in chunks, and the commit that starts it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from typing import Any, Literal

from airflow_provider_telecom.calls.checks import (
    aware_datetime,
    encodable,
    in_range,
    non_blank,
    non_empty,
    one_of,
)
from airflow_provider_telecom.calls.endpoint import Call, Page, endpoint
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomInputError, TelecomRejectedError
from airflow_provider_telecom.calls.request import Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import MAX_INT32, promo_uuid
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    Audience,
    Promo,
    PromoList,
    PromoState,
    PromoStatistics,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import content, reader

Recipient = str | int | Sequence[Any]
"""A number, or a pair of a number and the params that fill the text's variables."""

MAX_CHUNK_SIZE = 20_000
_READINGS = 2
_MOST_PAGES = 100_000


class PromoCalls(KyivstarRequests):
    """Mailings. A draft costs nothing and reaches nobody until `start_promo`; none can be deleted."""

    @endpoint
    def create_promo(self, text: str, *, sender: str | None = None) -> Call[Promo]:
        """Create the draft of an SMS mailing and return it. The text may hold the variables ${1}, ${2}, ...

        Without `sender` (alpha name) the connection's is taken.
        Raises TelecomInputError, TelecomRejectedError, TelecomUnknownError: then a draft may stand there
        that nobody knows; leave it and make another. A copy is one more free draft. Source: "/promo", POST.
        """
        body = {"from": self._sender(sender), "text": non_blank("text", text), "campaignType": "SMS"}
        request = self._request("POST", "/promo", Idempotency.DRAFT, body=body)
        return (yield from self._call(request, reader(Promo)))

    @endpoint
    def list_promos(
        self,
        *,
        page_size: int = 100,
        page_number: int = 0,
        start_date_from: datetime | None = None,
        start_date_to: datetime | None = None,
        sort_by: str | None = None,
        sort_direction: Literal["ASC", "DESC"] | None = None,
    ) -> Call[Page[Promo]]:
        """Return one page of the mailings made through the API; its `rest` starts the call for the next.

        The document does not say whether pages are numbered from 0 or from 1. Page 0 is the first one either
        way, and whoever goes on by `rest` gets each mailing once: a page holds what the ones before it have
        not shown, which can be nothing. Both dates are aware and limit the start. `sort_by` is a field in the
        vendor's spelling.
        Raises TelecomInputError. A read. Source: "/promo", GET.
        """
        query = _list_query(page_size, start_date_from, start_date_to, sort_by, sort_direction)
        number = in_range("page_number", page_number, 0, MAX_INT32)
        return (yield from self._page(query, number, frozenset()))

    @endpoint
    def all_promos(
        self,
        *,
        page_size: int = 100,
        start_date_from: datetime | None = None,
        start_date_to: datetime | None = None,
        sort_by: str | None = None,
        sort_direction: Literal["ASC", "DESC"] | None = None,
    ) -> Call[list[Promo]]:
        """Return all mailings made through the API, each once, as many as the vendor counts.

        Arguments as for `list_promos`. If pages move while they are read, they are read once more.
        Raises TelecomInputError, TelecomAnswerError (mailings are missing still). A read.
        Source: "/promo", GET.
        """
        query = _list_query(page_size, start_date_from, start_date_to, sort_by, sort_direction)
        found: dict[str, Promo] = {}
        for _ in range(_READINGS):
            total = yield from self._gather(query, found)
            if len(found) >= total:
                return list(found.values())
        raise TelecomAnswerError(f"the vendor counts {total} mailings and shows {len(found)}")

    @endpoint
    def get_promo(self, promo_id: str) -> Call[Promo]:
        """Return a mailing with its present status and those that can follow.

        Raises TelecomInputError, TelecomNotFoundError. A read. Source: "/promo/{promoUUID}".
        """
        request = self._promo_request("GET", "", Idempotency.READ, promo_id)
        return (yield from self._call(request, lambda answer: _promo(answer, promo_id)))

    @endpoint
    def add_promo_audience(self, promo_id: str, recipients: Sequence[Recipient]) -> Call[Audience]:
        """Append at most 20,000 recipients to a draft: numbers, or pairs of a number and its params.

        All need as many params as the text has variables. A number given twice gets two SMS.
        Raises TelecomInputError, TelecomNotFoundError, TelecomRejectedError, TelecomUnknownError: then
        nobody can read whether the chunk is in; leave the whole draft and make another. A copy appends
        the recipients once more. Source: "/promo/{promoUUID}/audience".
        """
        body = {"audience": self._audience(recipients)}
        request = self._promo_request("POST", "/audience", Idempotency.DRAFT, promo_id, body)
        return (yield from self._call(request, reader(Audience)))

    @endpoint
    def start_promo(self, promo_id: str) -> Call[Promo]:
        """Put a mailing into the queue (status WAITING) and return it. It then starts by itself.

        This is what costs money and reaches people. Raises TelecomInputError, TelecomNotFoundError,
        TelecomRejectedError (its status does not allow it), TelecomUnknownError (also if the answer has a
        status that does not follow): then look with `get_promo` first. A copy changes nothing, but a late one
        restarts what somebody suspended.
        Source: "/promo/{promoUUID}/status/{status}".
        """
        return (
            yield from self._set_status(promo_id, PromoState.WAITING, PromoState.ACTIVE, PromoState.COMPLETED)
        )

    @endpoint
    def suspend_promo(self, promo_id: str) -> Call[Promo]:
        """Stop a mailing (status SUSPENDED) and return it. What went out stays out.

        Raises TelecomInputError, TelecomNotFoundError, TelecomRejectedError (its status does not allow
        it), TelecomUnknownError: then look with `get_promo` first. A copy changes nothing, but a late
        one stops what somebody started again. Source: "/promo/{promoUUID}/status/{status}".
        """
        return (yield from self._set_status(promo_id, PromoState.SUSPENDED, PromoState.COMPLETED))

    @endpoint
    def get_promo_statistics(self, promo_id: str) -> Call[PromoStatistics]:
        """Return how many messages of a mailing went out, and what became of them.

        Raises TelecomInputError, TelecomNotFoundError. A read. Source: "/promo/{promoUUID}/statistics".
        """
        request = self._promo_request("GET", "/statistics", Idempotency.READ, promo_id)
        return (yield from self._call(request, reader(PromoStatistics)))

    def _set_status(self, promo_id: str, status: PromoState, *following: PromoState) -> Call[Promo]:
        """Set a status. An answer with one that cannot have followed does not say that it is set."""

        def read(answer: Response) -> Promo:
            promo = _promo(answer, promo_id)
            if promo.state not in (status, *following):
                raise unreadable_response(
                    "a status that does not follow the one that was set", answer.body, answer.status
                )
            return promo

        request = self._promo_request("PUT", f"/status/{status.value}", Idempotency.SET_STATE, promo_id, {})
        return self._call(request, read)

    def _promo_request(
        self,
        method: str,
        rest: str,
        idempotency: Idempotency,
        promo_id: str,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        ids = {"promo_id": promo_uuid(promo_id)}
        return self._request(method, f"/promo/{{promo_id}}{rest}", idempotency, ids=ids, body=body)

    def _listed(self, query: Mapping[str, str | int], number: int) -> Call[PromoList]:
        request = self._request("GET", "/promo", Idempotency.READ, query={**query, "pageNumber": number})
        return self._call(request, reader(PromoList))

    def _first(self, query: Mapping[str, str | int], number: int) -> Call[tuple[int, PromoList]]:
        """Return a page and its number. For page 0 that is page 1 where the vendor has no page 0."""
        try:
            listed = yield from self._listed(query, number)
        except TelecomRejectedError:
            if number:
                raise
        else:
            if number or listed.promos or listed.total_elements == 0:
                return number, listed
        return 1, (yield from self._listed(query, 1))

    def _page(self, query: Mapping[str, str | int], number: int, before: frozenset[str]) -> Call[Page[Promo]]:
        number, listed = yield from self._first(query, number)
        seen = before | {promo.id for promo in listed.promos}
        new = [promo for promo in listed.promos if promo.id not in before]
        following = partial(self._page, query, number + 1, seen)
        return Page(new, None if _is_last(number, listed, len(before), len(seen)) else following)

    def _gather(self, query: Mapping[str, str | int], found: dict[str, Promo]) -> Call[int]:
        """Put the mailings of all pages into `found`; return how many there are by the vendor's count."""
        total: int | None = None
        number = 0
        while number < _MOST_PAGES:
            number, listed = yield from self._first(query, number)
            before = len(found)
            found |= {promo.id: promo for promo in listed.promos}
            total = total if listed.total_elements is None else listed.total_elements
            if _is_last(number, listed, before, len(found)):
                break
            number += 1
        return total or 0

    def _audience(self, recipients: Sequence[Recipient]) -> list[dict[str, Any]]:
        if not isinstance(recipients, (list, tuple)):
            raise TelecomInputError("recipients", "must be a list")
        entries = enumerate(non_empty("recipients", recipients, MAX_CHUNK_SIZE))
        audience = [self._recipient(place, entry) for place, entry in entries]
        if len({len(entry["params"]) for entry in audience}) > 1:
            raise TelecomInputError("recipients", "must all have the same number of params")
        return audience

    def _recipient(self, place: int, entry: Recipient) -> dict[str, Any]:
        field = f"recipients[{place}]"
        number, params = (entry, ()) if isinstance(entry, (str, int)) else _pair(field, entry)
        return {"phoneNumber": self._msisdn(number, field), "params": _params(field, params)}


def _pair(field: str, entry: Sequence[Any]) -> tuple[str | int, Sequence[str]]:
    if not isinstance(entry, (list, tuple)) or len(entry) != 2:
        raise TelecomInputError(field, "must be a number, or a pair of a number and a list of params")
    number, params = entry
    return number, params


def _params(field: str, params: Sequence[str]) -> list[str]:
    if not isinstance(params, (list, tuple)):
        raise TelecomInputError(field, "its params must be a list of strings")
    return [encodable(field, param) for param in params]


def _is_last(number: int, listed: PromoList, before: int, seen: int) -> bool:
    """Return whether a page is the last one. `seen` mailings are known after it, `before` were before it.

    One page more than the vendor announces is asked for while mailings are missing: that is the last one
    where pages are numbered from 1. Where none are announced, a page that shows nothing new ends the list,
    but for page 1, which may be page 0 once more.
    """
    if not listed.promos or (listed.total_elements is not None and seen >= listed.total_elements):
        return True
    if listed.total_pages is not None:
        return number >= listed.total_pages
    return seen == before and number > 1


def _promo(answer: Response, promo_id: str) -> Promo:
    """Return a mailing; the document promises its status here, and not its id."""
    found = content(answer)
    return to_model(Promo, {**found, "id": found.get("id") or promo_id}, answer.body)


def _list_query(
    page_size: int,
    start_date_from: datetime | None,
    start_date_to: datetime | None,
    sort_by: str | None,
    sort_direction: str | None,
) -> dict[str, str | int]:
    query: dict[str, str | int] = {"pageSize": in_range("page_size", page_size, 1, MAX_INT32)}
    if start_date_from is not None:
        query["startDateFrom"] = _rfc3339("start_date_from", start_date_from)
    if start_date_to is not None:
        query["startDateTo"] = _rfc3339("start_date_to", start_date_to)
    if sort_by is not None:
        query["sortBy"] = non_blank("sort_by", sort_by)
    if sort_direction is not None:
        query["sortDirection"] = one_of("sort_direction", sort_direction, ("ASC", "DESC"))
    return query


def _rfc3339(field: str, moment: datetime) -> str:
    return aware_datetime(field, moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
