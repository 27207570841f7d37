"""Promos: campaigns to a list of the customer's own, by SMS, and in API v1 also by Viber and RCS.

A draft, its audience in chunks, and the start.
"""

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
from airflow_provider_telecom.calls.phone import are_canonical
from airflow_provider_telecom.calls.request import Form, FormFile, Idempotency, Request, Response
from airflow_provider_telecom.calls.responses import to_model, unreadable_response
from airflow_provider_telecom.vendors.kyivstar_open_telecom import arguments
from airflow_provider_telecom.vendors.kyivstar_open_telecom.arguments import (
    MAX_CHUNK_SIZE,
    MAX_INT32,
    promo_uuid,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.contents import (
    given,
    optional_text,
    optional_url,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.models import (
    Audience,
    ImageAdded,
    Promo,
    PromoList,
    PromoState,
    PromoStatistics,
)
from airflow_provider_telecom.vendors.kyivstar_open_telecom.requests import KyivstarRequests
from airflow_provider_telecom.vendors.kyivstar_open_telecom.responses import content, reader

Recipient = str | int | Sequence[Any]
"""A number, or a pair of a number and the params that fill the text's variables."""

_MAX_READS = 2
_MAX_PAGES = 100_000


class PromoCalls(KyivstarRequests):
    """Promos. A draft costs nothing and reaches nobody until `start_promo`. A promo can't be deleted."""

    @endpoint
    def create_promo(self, text: str, *, sender: str | None = None) -> Call[Promo]:
        """Create the draft of a promo and return it. The text may contain the variables ${1}, ${2}, ...

        Without `sender` (alpha name) the connection's is used. Raises TelecomInputError,
        TelecomRejectedError, and TelecomUnknownError: then an unknown draft may exist; leave it and create
        another one. A duplicate is one more draft, which costs nothing. Source: "/promo", POST.
        """
        return (yield from self._create_promo("SMS", text, sender, {}))

    @endpoint
    def create_viber_promo(
        self,
        text: str,
        *,
        sender: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        start_date: str | None = None,
        ttl_seconds: int | None = None,
    ) -> Call[Promo]:
        """Create the draft of a promo by Viber and return it; `add_promo_image` adds its picture.

        A button takes `caption` and `action_url`. `start_date` is the vendor's text, such as
        2026-01-31T08:00:00; its time zone is not known. `ttl_seconds` (30 to 1209600) is how long the vendor
        tries to deliver each message. For the rest see `create_promo`.

        Raises TelecomInputError also for a connection without API v1. A duplicate is one more draft, which
        costs nothing. Source: v1, "/promo", POST; found in a public client.
        """
        self.require_v1("promos by Viber")
        content = _button(caption, action_url) | _start(start_date)
        content["messageTtlSec"] = arguments.viber_ttl(ttl_seconds)
        return (yield from self._create_promo("VIBER", text, sender, content))

    @endpoint
    def create_rcs_promo(
        self,
        text: str,
        *,
        sender: str | None = None,
        title: str | None = None,
        content_type: str | None = None,
        caption: str | None = None,
        action_url: str | None = None,
        start_date: str | None = None,
        ttl_seconds: int | None = None,
    ) -> Call[Promo]:
        """Create the draft of a promo by RCS and return it; `add_promo_image` adds its picture.

        `content_type` is sent as `rcsContentType` as it is: its values are not known in public. For the rest
        see `create_viber_promo`. A duplicate is one more draft, which costs nothing.
        Source: v1, "/promo", POST; found in a public client.
        """
        self.require_v1("promos by RCS")
        content = {
            **_button(caption, action_url),
            **_start(start_date),
            "title": optional_text("title", title),
            "rcsContentType": optional_text("content_type", content_type),
            "messageTtlSec": arguments.viber_ttl(ttl_seconds),
        }
        return (yield from self._create_promo("RCS", text, sender, content))

    @endpoint
    def add_promo_image(self, promo_id: str, image: bytes) -> Call[ImageAdded]:
        """Add a picture (PNG or JPEG, at most 5 MB) to the draft of a promo by Viber or RCS.

        Raises TelecomInputError (also for a connection without API v1), TelecomNotFoundError,
        TelecomRejectedError, and TelecomUnknownError: then it is unknown whether the draft has the picture;
        leave it and create another one. A duplicate costs nothing.
        Source: v1, "/promo/{promoUUID}/image"; found in a public client.
        """
        self.require_v1("pictures of promos")
        name, content_type = arguments.image_format(image)
        file = FormFile(name, image, content_type)
        ids = {"promo_id": promo_uuid(promo_id)}
        path = self.options.prefix + "/promo/{promo_id}/image"
        body = Form({"file": file}, multipart=True)
        request = Request("POST", path, Idempotency.DRAFT, ids, body=body)
        return (yield from self._call(request, reader(ImageAdded)))

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
        """Return one page of the promos created through the API; its `rest` starts the call for the next one.

        The document does not say whether page numbers begin with 0 or with 1. Here page 0 is always the first
        one. A page reached by `rest` contains only promos that no earlier page contained, which may be none.
        Both dates are aware and select by the start. `sort_by` is a field in the vendor's spelling.
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
        """Return all promos created through the API, each once, as many as the vendor counts.

        Arguments as for `list_promos`. If pages shift while they are read, they are read once more.
        Raises TelecomInputError, TelecomAnswerError (promos are still missing). A read.
        Source: "/promo", GET.
        """
        query = _list_query(page_size, start_date_from, start_date_to, sort_by, sort_direction)
        found: dict[str, Promo] = {}
        for _ in range(_MAX_READS):
            total = yield from self._read_all(query, found)
            if len(found) >= total:
                return list(found.values())
        raise TelecomAnswerError(f"the vendor counts {total} promos and shows {len(found)}")

    @endpoint
    def get_promo(self, promo_id: str) -> Call[Promo]:
        """Return a promo with its status and the statuses that can follow.

        Raises TelecomInputError, TelecomNotFoundError. A read. Source: "/promo/{promoUUID}".
        """
        request = self._promo_request("GET", "", Idempotency.READ, promo_id)
        return (yield from self._call(request, lambda response: _promo(response, promo_id)))

    @endpoint
    def add_promo_audience(self, promo_id: str, recipients: Sequence[Recipient]) -> Call[Audience]:
        """Append at most 20,000 recipients to a draft: numbers, or pairs of a number and its params.

        Each needs as many params as the text has variables. A number that is given twice gets two SMS.
        Raises TelecomInputError, TelecomNotFoundError, TelecomRejectedError, and TelecomUnknownError: then
        it cannot be found out whether the chunk was added; leave the whole draft and create another one. A
        duplicate appends the recipients again. Source: "/promo/{promoUUID}/audience".
        """
        body = {"audience": self._audience(recipients)}
        request = self._promo_request("POST", "/audience", Idempotency.DRAFT, promo_id, body)
        return (yield from self._call(request, reader(Audience)))

    @endpoint
    def start_promo(self, promo_id: str) -> Call[Promo]:
        """Put a promo into the queue (status WAITING) and return it. The vendor then starts it.

        This call costs money and reaches people. Raises TelecomInputError, TelecomNotFoundError,
        TelecomRejectedError (its status does not allow it), and TelecomUnknownError (also for a response with
        an impossible status): then call `get_promo` first. A duplicate changes nothing, but a late one
        restarts a promo that was suspended since. Source: "/promo/{promoUUID}/status/{status}".
        """
        following = (PromoState.ACTIVE, PromoState.COMPLETED)
        return (yield from self._set_status(promo_id, PromoState.WAITING, *following))

    @endpoint
    def suspend_promo(self, promo_id: str) -> Call[Promo]:
        """Stop a promo (status SUSPENDED) and return it. Messages that were sent already are not recalled.

        Raises TelecomInputError, TelecomNotFoundError, TelecomRejectedError (its status does not allow it),
        and TelecomUnknownError: then call `get_promo` first. A duplicate changes nothing, but a late one
        stops a promo that was started again since. Source: "/promo/{promoUUID}/status/{status}".
        """
        return (yield from self._set_status(promo_id, PromoState.SUSPENDED, PromoState.COMPLETED))

    @endpoint
    def get_promo_statistics(self, promo_id: str) -> Call[PromoStatistics]:
        """Return how many messages of a promo were sent, and their states.

        Raises TelecomInputError, TelecomNotFoundError. A read. Source: "/promo/{promoUUID}/statistics".
        """
        request = self._promo_request("GET", "/statistics", Idempotency.READ, promo_id)
        return (yield from self._call(request, reader(PromoStatistics)))

    def _create_promo(
        self, campaign_type: str, text: str, sender: str | None, content: Mapping[str, object]
    ) -> Call[Promo]:
        is_viber = campaign_type == "VIBER"
        body = {
            "from": self._viber_sender(sender) if is_viber else self._sender(sender),
            "text": non_blank("text", text),
            "campaignType": campaign_type,
            **given(content),
        }
        request = self._request("POST", "/promo", Idempotency.DRAFT, body=body)
        return self._call(request, reader(Promo))

    def _set_status(self, promo_id: str, status: PromoState, *following: PromoState) -> Call[Promo]:
        """Set a status. A response with a status that cannot follow does not prove that it was set."""

        def read(response: Response) -> Promo:
            promo = _promo(response, promo_id)
            if promo.state not in (status, *following):
                raise unreadable_response("a status that cannot follow", response.body, response.status)
            return promo

        request = self._promo_request("PUT", f"/status/{status.value}", Idempotency.SET_STATE, promo_id, {})
        return self._call(request, read)

    def _promo_request(
        self,
        method: str,
        path: str,
        idempotency: Idempotency,
        promo_id: str,
        body: Mapping[str, object] | None = None,
    ) -> Request:
        ids = {"promo_id": promo_uuid(promo_id)}
        return self._request(method, f"/promo/{{promo_id}}{path}", idempotency, ids=ids, body=body)

    def _list(self, query: Mapping[str, str | int], number: int) -> Call[PromoList]:
        request = self._request("GET", "/promo", Idempotency.READ, query={**query, "pageNumber": number})
        return self._call(request, reader(PromoList))

    def _numbered_page(self, query: Mapping[str, str | int], number: int) -> Call[tuple[int, PromoList]]:
        """Return a page and its number. If the vendor has no page 0, page 1 is returned for it."""
        try:
            page = yield from self._list(query, number)
        except TelecomRejectedError:
            if number:
                raise
        else:
            if number or page.promos or page.total_elements == 0:
                return number, page
        return 1, (yield from self._list(query, 1))

    def _page(self, query: Mapping[str, str | int], number: int, known: frozenset[str]) -> Call[Page[Promo]]:
        number, page = yield from self._numbered_page(query, number)
        seen = known | {promo.id for promo in page.promos}
        new = [promo for promo in page.promos if promo.id not in known]
        following = partial(self._page, query, number + 1, seen)
        return Page(new, None if _is_last(number, page, len(known), len(seen)) else following)

    def _read_all(self, query: Mapping[str, str | int], found: dict[str, Promo]) -> Call[int]:
        """Add the promos of all pages to `found`, and return the vendor's count of promos."""
        total = number = 0
        while number < _MAX_PAGES:
            number, page = yield from self._numbered_page(query, number)
            known = len(found)
            found |= {promo.id: promo for promo in page.promos}
            total = total if page.total_elements is None else page.total_elements
            if _is_last(number, page, known, len(found)):
                break
            number += 1
        return total

    def _audience(self, recipients: Sequence[Recipient]) -> list[dict[str, object]]:
        if not isinstance(recipients, (list, tuple)):
            raise TelecomInputError("recipients", "must be a list")
        if are_canonical(non_empty("recipients", recipients, MAX_CHUNK_SIZE)):
            none: list[str] = []
            return [{"phoneNumber": number, "params": none} for number in recipients]
        pairs = [
            _pair(f"recipients[{index}]", entry)
            for index, entry in enumerate(non_empty("recipients", recipients, MAX_CHUNK_SIZE))
        ]
        if len({len(params) for _, _, params in pairs}) > 1:
            raise TelecomInputError("recipients", "must all have the same number of params")
        return [
            {"phoneNumber": self._msisdn(number, field), "params": params} for field, number, params in pairs
        ]


def _pair(field: str, entry: Recipient) -> tuple[str, str | int, list[str]]:
    """Return the field's name, the number and the params of a recipient."""
    if isinstance(entry, (str, int)):
        return field, entry, []
    if not isinstance(entry, (list, tuple)) or len(entry) != 2:
        raise TelecomInputError(field, "must be a number, or a pair of a number and a list of params")
    number, params = entry
    if not isinstance(params, (list, tuple)):
        raise TelecomInputError(field, "its params must be a list of strings")
    return field, number, [encodable(field, param) for param in params]


def _is_last(number: int, page: PromoList, known: int, seen: int) -> bool:
    """Return whether a page is the last one. `known` promos were found before it, `seen` with it.

    While promos are missing, one page more than the vendor announces is requested: it is the last one if page
    numbers begin with 1. Without an announcement, a page without new promos ends the list, but for page 1,
    which may be page 0 once more.
    """
    if not page.promos or (page.total_elements is not None and seen >= page.total_elements):
        return True
    if page.total_pages is not None:
        return number >= page.total_pages
    return seen == known and number > 1


def _promo(response: Response, promo_id: str) -> Promo:
    """Return a promo. The document promises that the response has its status, but not its id."""
    body = content(response)
    return to_model(Promo, {**body, "id": body.get("id") or promo_id}, response.body)


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


def _button(caption: str | None, action_url: str | None) -> dict[str, object]:
    if (caption is None) != (action_url is None):
        raise TelecomInputError("caption", "a button takes both caption and action_url")
    return {"caption": optional_text("caption", caption), "action": optional_url("action_url", action_url)}


def _start(start_date: str | None) -> dict[str, object]:
    return {} if start_date is None else {"startDate": arguments.start_date_text(start_date)}


def _rfc3339(field: str, moment: datetime) -> str:
    return aware_datetime(field, moment).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
