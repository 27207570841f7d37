"""The list of promos: pages, their end, and whether all are there."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_telecom.calls.endpoint import all_pages
from airflow_provider_telecom.calls.errors import TelecomAnswerError, TelecomRejectedError
from airflow_provider_telecom.calls.request import Request, Response
from tests.by_hand import drive
from tests.vendors.kyivstar_open_telecom.by_hand import answer, describe


def promo(number: int) -> dict[str, str]:
    return {"id": f"{number:08d}-0000-0000-0000-000000000000", "status": "DRAFT"}


def page(*numbers: int, pages: int | None = None, total: int | None = None) -> Response:
    return answer({
        "reqId": "r",
        "promos": [promo(number) for number in numbers],
        "totalPages": pages,
        "totalElements": total,
    })


def listed(method: str, *pages: Response) -> tuple[list[Any], list[int]]:
    """Return the page numbers that were asked for and the numbers of the promos found."""
    call = describe(method, page_size=2)
    steps, found = drive(all_pages(call) if method == "list_promos" else call, pages)
    numbers = [step.query["pageNumber"] for step in steps if isinstance(step, Request)]
    return numbers, [int(promo.id[:8]) for promo in found]


@pytest.mark.parametrize("method", ["list_promos", "all_promos"])
def test_pages_are_read_to_the_announced_end(method: str) -> None:
    pages = page(1, 2, pages=2, total=3), page(3, pages=2, total=3)
    assert listed(method, *pages) == ([0, 1], [1, 2, 3])


@pytest.mark.parametrize("method", ["list_promos", "all_promos"])
def test_an_empty_page_is_the_end_where_none_is_announced(method: str) -> None:
    assert listed(method, page(1, 2), page(3), page()) == ([0, 1, 2], [1, 2, 3])
    assert listed(method, page(), page()) == ([0, 1], [])


@pytest.mark.parametrize("method", ["list_promos", "all_promos"])
def test_no_promos_are_an_empty_list(method: str) -> None:
    assert listed(method, page(pages=0, total=0)) == ([0], [])


def test_the_rest_of_a_page_is_not_yet_requested() -> None:
    steps, first = drive(describe("list_promos", page_size=2), [page(1, 2, pages=2, total=3)])
    assert len(steps) == 1
    assert first.next_page is not None
    steps, second = drive(first.next_page(), [page(3, pages=2, total=3)])
    assert (len(second.items), second.next_page) == (1, None)


@pytest.mark.parametrize("method", ["list_promos", "all_promos"])
@pytest.mark.parametrize("totals", [{"pages": 2, "total": 3}, {"pages": 2}, {"total": 3}, {}], ids=str)
@pytest.mark.parametrize(
    "zero",
    [
        page(1, 2, pages=2, total=3),
        page(pages=2, total=3),
        page(),
        answer({"reqId": "r", "errorCode": 1010, "errorMsg": "pageNumber"}, 422),
        answer({"reqId": "r", "errorCode": 1070, "errorMsg": "no such page"}, 404),
    ],
    ids=["the same", "empty", "empty without totals", "refused", "not found"],
)
def test_pages_numbered_from_one_lose_nothing(method: str, totals: dict[str, int], zero: Response) -> None:
    pages = zero, page(1, 2, **totals), page(3, **totals), page(**totals)
    numbers, found = listed(method, *pages)
    assert found == [1, 2, 3]
    assert numbers[:3] == [0, 1, 2]


def test_a_page_that_was_requested_by_number_is_not_replaced_by_another() -> None:
    steps, found = drive(describe("list_promos", page_size=2, page_number=3), [page()])
    assert (len(steps), found.items, found.next_page) == (1, [], None)
    refused = answer({"reqId": "r", "errorCode": 1010, "errorMsg": "pageNumber"}, 422)
    with pytest.raises(TelecomRejectedError):
        drive(describe("list_promos", page_size=2, page_number=3), [refused])


def test_what_is_refused_for_another_reason_is_refused() -> None:
    refused = answer({"reqId": "r", "errorCode": 1010, "errorMsg": "sortBy: wrong"}, 422)
    with pytest.raises(TelecomRejectedError, match="sortBy"):
        listed("all_promos", refused, refused)


@pytest.mark.parametrize("method", ["list_promos", "all_promos"])
def test_a_vendor_that_has_one_page_for_all_numbers_ends_too(method: str) -> None:
    assert listed(method, *[page(1, 2)] * 3) == ([0, 1, 2], [1, 2])


def test_a_promo_that_moved_between_pages_is_listed_once_and_none_is_lost() -> None:
    before = page(1, 2, pages=2, total=3)
    moved = page(2, 3, pages=2, total=4)  # 0 was made in between and stands first
    again = page(0, 1, pages=2, total=4)
    numbers, found = listed("all_promos", before, moved, page(), again)
    assert sorted(found) == [0, 1, 2, 3]
    assert numbers == [0, 1, 2, 0]


def test_a_list_that_stays_short_is_an_error() -> None:
    short = [page(1, 2, pages=1, total=3), page()]
    with pytest.raises(TelecomAnswerError, match="counts 3 promos and shows 2"):
        listed("all_promos", *short, *short)


def test_a_vendor_that_repeats_its_only_page_does_not_hold_us_for_ever() -> None:
    with pytest.raises(TelecomAnswerError):
        listed("all_promos", *[page(1, 2, pages=1, total=3)] * 4)
