"""The list of promos: filtered by start, sorted, and split into pages."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime

from airflow_provider_telecom.simulator.fields import Field, digits_between, one_of
from airflow_provider_telecom.simulator.kyivstar_open_telecom.responses import wrong
from airflow_provider_telecom.simulator.kyivstar_open_telecom.state import Promo
from airflow_provider_telecom.simulator.switches import Switches

_SORT_KEYS: dict[str, Callable[[Promo], str]] = {
    "id": lambda promo: promo.id,
    "status": lambda promo: promo.status,
    "startDate": lambda promo: promo.start.isoformat(),
    "endDate": lambda promo: promo.end.isoformat() if promo.end else "",
}


def moment(text: str) -> datetime | None:
    """Return an ISO 8601 day or time, in UTC if it has no offset; None if it is neither."""
    try:
        found = datetime.fromisoformat(text.replace("Z", "+00:00"))
    except ValueError:
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _is_moment(value: object) -> bool:
    return moment(str(value)) is not None


LIST_QUERY = {
    "pageSize": Field(digits_between(1, 999_999_999)),
    "pageNumber": Field(digits_between(0, 999_999_999)),
    "startDateFrom": Field(_is_moment, required=False),
    "startDateTo": Field(_is_moment, required=False),
    "sortBy": Field(one_of(*_SORT_KEYS), required=False),
    "sortDirection": Field(one_of("ASC", "DESC", "asc", "desc"), required=False),
}


def page(
    promos: Sequence[Promo], query: Mapping[str, str], switches: Switches
) -> tuple[list[Promo], dict[str, int]]:
    """Return the requested page, and the totals."""
    for name in ("startDateFrom", "startDateTo"):
        if switches["list_dates"] == "day" and len(query.get(name, "")) > len("2026-01-31"):
            raise wrong(name, "a day is expected")
    first, last = moment(query.get("startDateFrom", "")), moment(query.get("startDateTo", ""))
    chosen = [one for one in promos if (not first or one.start >= first) and (not last or one.start <= last)]
    if "sortBy" in query:
        chosen.sort(key=_SORT_KEYS[query["sortBy"]])
    if query.get("sortDirection", "").upper() == "DESC":
        chosen.reverse()
    size, number = int(query["pageSize"]), int(query["pageNumber"])
    place = _place(number, switches["first_page"])
    numbers = {
        "totalPages": -(-len(chosen) // size),
        "totalElements": len(chosen),
        "number": number,
        "size": size,
    }
    found = [] if place is None else chosen[place * size : (place + 1) * size]
    return found, numbers if switches["promo_totals"] == "given" else {}


def _place(number: int, first: str) -> int | None:
    """Return a page's position among all pages, from 0; None for a page that is always empty."""
    if first == "0" or number > 0:
        return number - (first != "0")
    if first == "1_refused":
        raise wrong("pageNumber")
    return None if first == "1_empty" else 0
