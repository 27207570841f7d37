"""Lists and reports in pages: whole, each row once, and loud when rows moved."""

from __future__ import annotations

import json
import random
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.calls.endpoint import all_pages
from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomNotFoundError,
    TelecomRejectedError,
)
from airflow_provider_telecom.calls.json_columns import JsonObjects
from airflow_provider_telecom.calls.request import Request, Response
from airflow_provider_telecom.vendors.novaconnect import consistent_read, reports
from tests.by_hand import drive
from tests.vendors.novaconnect.by_hand import ACTION, DAY, SESSION, SIM, ScriptedApi, ask, described, ok, sent


def sims(*ids: int) -> list[dict[str, Any]]:
    return [{**SIM, "id": number} for number in ids]


def page(*ids: int, total: int | None) -> Response:
    return ok(items=sims(*ids), count=len(ids), **({} if total is None else {"all_count": total}))


def pages_asked(requests: Sequence[Request]) -> list[int]:
    return [sent(request)["page"] for request in requests]


def test_a_list_is_read_to_its_count() -> None:
    requests, found = ask(ScriptedApi().all_sims, size=2, answers=[page(1, 2, total=3), page(3, total=3)])
    assert [sim.id for sim in found] == [1, 2, 3]
    assert pages_asked(requests) == [0, 1]
    assert all(sent(request)["sort"] == {"id": "ASC"} for request in requests)


def test_an_empty_list_takes_one_request() -> None:
    requests, found = ask(ScriptedApi().all_sims, answers=[page(total=0)])
    assert (len(requests), found) == (1, [])


def test_a_vendor_that_gives_smaller_pages_than_asked_for_loses_no_rows() -> None:
    answers = [page(1, 2, total=5), page(3, 4, total=5), page(5, total=5)]
    _, found = ask(ScriptedApi().all_sims, size=100, answers=answers)
    assert [sim.id for sim in found] == [1, 2, 3, 4, 5]


def test_without_a_count_an_empty_page_is_the_end() -> None:
    answers = [page(1, 2, total=None), page(3, total=None), page(total=None)]
    requests, found = ask(ScriptedApi().all_sims, size=2, answers=answers)
    assert ([sim.id for sim in found], len(requests)) == ([1, 2, 3], 3)


def test_rows_are_told_apart_by_id() -> None:
    answers = [page(1, 2, total=4), page(2, 3, total=4)]  # four rows came, but one of them twice
    answers += [page(1, 2, total=4), page(3, 4, total=4)]
    requests, found = ask(ScriptedApi().all_sims, size=2, answers=answers)
    assert [sim.id for sim in found] == [1, 2, 3, 4]
    assert pages_asked(requests) == [0, 1, 0, 1]


def test_a_count_that_falls_means_a_missed_row() -> None:
    moved = [page(1, 2, total=4), page(4, total=3)]  # 1 was removed: 3 is on page 0 now
    still = [page(2, 3, total=3), page(4, total=3)]
    requests, found = ask(ScriptedApi().all_sims, size=2, answers=[*moved, *still])
    assert [sim.id for sim in found] == [2, 3, 4]
    assert pages_asked(requests) == [0, 1, 0, 1]


def test_rows_missing_twice_are_an_error() -> None:
    short = [page(1, 2, total=5), page(3, total=5), page(total=5)]
    with pytest.raises(TelecomAnswerError, match="3 of 5 rows") as caught:
        ask(ScriptedApi().all_sims, size=2, answers=[*short, *short])
    assert caught.value.call == "POST /api/sim/list"


def test_a_vendor_that_does_not_turn_the_page_is_an_error_and_no_endless_loop() -> None:
    same = [page(1, 2, total=9)] * 4
    with pytest.raises(TelecomAnswerError, match="2 of 9 rows"):
        ask(ScriptedApi().all_sims, size=2, answers=same)


def nowhere(**body: Any) -> Response:
    return Response(404, {}, json.dumps(body).encode() if body else b"<html>404</html>")


def test_row_43_a_page_that_is_not_found_is_behind_the_end() -> None:
    for end in (ok(code=404, message="no such page"), nowhere(code=404), nowhere(error="no such page")):
        _, found = ask(
            ScriptedApi().all_sims, size=2, answers=[page(1, 2, total=None), page(3, total=None), end]
        )
        assert [sim.id for sim in found] == [1, 2, 3]
    with pytest.raises(TelecomNotFoundError):
        ask(ScriptedApi().all_sims, answers=[nowhere(code=404)])


def test_a_gateways_error_page_is_no_end() -> None:
    with pytest.raises(TelecomRejectedError, match="nothing at this address") as caught:
        ask(ScriptedApi().all_sims, size=2, answers=[page(1, 2, total=None), nowhere()])
    assert type(caught.value) is TelecomRejectedError
    with pytest.raises(TelecomRejectedError, match="nothing at this address"):
        ask(ScriptedApi().all_report_sessions, size=2, answers=[sessions(1, 2), nowhere()])


def test_row_43_after_a_short_first_page_pages_of_that_length_are_asked_for() -> None:
    """A vendor with a maximum may begin the next page a whole asked-for page later: rows would be lost."""
    answers = [page(1, 2, total=5), page(3, 4, total=5), page(5, total=5)]
    requests, _ = ask(ScriptedApi().all_sims, size=100, answers=answers)
    assert [(sent(one)["page"], sent(one)["size"]) for one in requests] == [(0, 100), (1, 2), (2, 2)]
    answers = [sessions(1, 2), sessions(3, 4), sessions(5), sessions(1, 2)]
    requests, _ = ask(ScriptedApi().all_report_sessions, size=500, answers=answers)
    assert [(sent(one)["page"], sent(one)["size"]) for one in requests] == [
        (0, 500),
        (1, 2),
        (2, 2),
        (0, 500),
    ]


def filtered(*answers: Response) -> tuple[list[Request], Any]:
    return ask(ScriptedApi().all_sims, profile="TC", size=2, answers=answers)


def test_row_43_the_count_of_a_filtered_list_may_be_that_of_all_rows() -> None:
    once = [page(1, 2, total=9), page(3, total=9), page(total=9)]
    requests, found = filtered(*once, *once, page(1, total=9))
    assert [sim.id for sim in found] == [1, 2, 3]
    assert "filter" not in sent(requests[-1])
    with pytest.raises(TelecomAnswerError, match="3 of 9 rows"):
        filtered(*once, *once, page(1, total=12))  # so nine passed the filter, and six are missing


@pytest.mark.parametrize(
    "second",
    [
        [page(1, 2, total=9), page(4, total=9), page(total=9)],
        [page(1, 2, total=8), page(3, total=8), page(total=8)],
        [page(1, 2, total=9), page(1, 2, total=9)],
    ],
)
def test_two_readings_that_differ_or_do_not_end_are_no_whole(second: list[Response]) -> None:
    once = [page(1, 2, total=9), page(3, total=9), page(total=9)]
    with pytest.raises(TelecomAnswerError, match="the list changes while it is read"):
        filtered(*once, *second)


def test_two_equal_readings_are_no_whole_unless_both_came_to_an_end() -> None:
    ended = [page(1, 2, total=9), page(3, total=9), page(total=9)]
    astray = [page(1, 2, total=9), page(3, total=9), page(1, 3, total=9)]
    for readings in ([*ended, *astray], [*astray, *ended]):
        with pytest.raises(TelecomAnswerError, match="3 of 9 rows"):
            filtered(*readings, page(1, total=9))


def test_without_a_count_pages_that_do_not_turn_are_an_error() -> None:
    with pytest.raises(TelecomAnswerError, match="2 of an unknown number of rows"):
        ask(ScriptedApi().all_sims, size=2, answers=[page(1, 2, total=None)] * 4)


def test_without_a_count_the_last_page_may_come_again() -> None:
    answers = [page(1, 2, total=None), page(3, 4, total=None), page(3, 4, total=None)]
    _, found = ask(ScriptedApi().all_sims, size=2, answers=answers)
    assert [sim.id for sim in found] == [1, 2, 3, 4]
    _, found = ask(ScriptedApi().all_sims, size=5, answers=[page(1, 2, total=None)] * 2)
    assert [sim.id for sim in found] == [1, 2]


def test_a_page_knows_the_count_and_the_way_on() -> None:
    _, first = ask(ScriptedApi().list_sims, 0, 2, answers=[page(1, 2, total=3)])
    assert (first.total, len(first.items)) == (3, 2)
    [request], second = drive(first.next_page(), [page(3, total=3)])
    assert isinstance(request, Request)
    assert sent(request)["page"] == 1
    assert second.next_page is None


def test_a_list_begun_in_the_middle_goes_on_to_an_empty_page() -> None:
    _, third = ask(ScriptedApi().list_sims, 2, 2, answers=[page(5, 6, total=6)])
    _, fourth = drive(third.next_page(), [page(total=6)])
    assert (fourth.items, fourth.next_page) == ([], None)


def sessions(*ids: int, **more: Any) -> Response:
    return ok(result={"items": [{**SESSION, "sid": number, **more} for number in ids]})


def sids(rows: Sequence[Any]) -> list[int]:
    return [row.sid for row in rows]


def test_a_report_ends_with_a_short_page_and_is_checked_by_the_first() -> None:
    answers = [sessions(1, 2), sessions(3), sessions(1, 2)]
    requests, rows = ask(ScriptedApi().all_report_sessions, size=2, answers=answers)
    assert (sids(rows), pages_asked(requests)) == ([1, 2, 3], [0, 1, 0])


def test_a_report_of_full_pages_ends_with_an_empty_one() -> None:
    answers = [sessions(1, 2), sessions(3, 4), sessions(), sessions(1, 2)]
    requests, rows = ask(ScriptedApi().all_report_sessions, size=2, answers=answers)
    assert (sids(rows), pages_asked(requests)) == ([1, 2, 3, 4], [0, 1, 2, 0])


def test_one_short_page_is_no_end_until_the_next_is_empty() -> None:
    requests, rows = ask(ScriptedApi().all_report_sessions, size=500, answers=[sessions(1, 2), sessions()])
    assert (sids(rows), pages_asked(requests)) == ([1, 2], [0, 1])
    capped = [sessions(1, 2), sessions(3, 4), sessions(5), sessions(1, 2)]
    _, rows = ask(ScriptedApi().all_report_sessions, size=500, answers=capped)
    assert sids(rows) == [1, 2, 3, 4, 5]


def test_an_empty_report_takes_one_request() -> None:
    requests, rows = ask(ScriptedApi().all_report_sessions, answers=[sessions()])
    assert (len(requests), rows) == (1, [])


def test_a_report_that_moved_is_read_again() -> None:
    moved = [sessions(2, 3), sessions(3, 4), sessions(), sessions(1, 2)]
    still = [sessions(1, 2), sessions(3, 4), sessions(), sessions(1, 2)]
    _, rows = ask(ScriptedApi().all_report_sessions, size=2, answers=[*moved, *still])
    assert sids(rows) == [1, 2, 3, 4]


def test_a_report_that_moves_twice_is_an_error() -> None:
    moved = [sessions(2, 3), sessions(4), sessions(1, 2)]
    with pytest.raises(TelecomAnswerError, match="rows moved") as caught:
        ask(ScriptedApi().all_report_sessions, size=2, answers=[*moved, *moved])
    assert caught.value.call == "POST /api/report/sessions"


def test_equal_rows_count_once_and_unequal_ones_of_one_key_are_an_error() -> None:
    answers = [sessions(1, 2), sessions(2, 3), sessions(), sessions(1, 2)]
    _, rows = ask(ScriptedApi().all_report_sessions, size=2, answers=answers)
    assert sids(rows) == [1, 2, 3]
    grown = [sessions(1, 2), sessions(2, value=9), sessions(1, 2)]
    with pytest.raises(TelecomAnswerError, match="rows moved"):
        ask(ScriptedApi().all_report_sessions, size=2, answers=[*grown, *grown])


def test_a_report_whose_page_does_not_turn_is_an_error() -> None:
    with pytest.raises(TelecomAnswerError, match="copy of the one before"):
        ask(ScriptedApi().all_report_sessions, size=2, answers=[sessions(1, 2), sessions(1, 2)])


def test_row_43_the_last_page_of_a_report_may_come_again() -> None:
    answers = [sessions(1, 2), sessions(3, 4), sessions(3, 4), sessions(3, 4), sessions(1, 2)]
    _, rows = ask(ScriptedApi().all_report_sessions, size=2, answers=answers)
    assert sids(rows) == [1, 2, 3, 4]
    _, rows = ask(ScriptedApi().all_report_sessions, size=9, answers=[sessions(1, 2)] * 3)
    assert sids(rows) == [1, 2]


def test_a_page_that_comes_again_and_is_not_the_last_is_no_end() -> None:
    moved = [sessions(1, 2), sessions(3, 4), sessions(3, 4), sessions(5), sessions(1, 2)]
    still = [sessions(1, 2), sessions(3, 4), sessions(5), sessions(1, 2)]
    _, rows = ask(ScriptedApi().all_report_sessions, size=2, answers=[*moved, *still])
    assert sids(rows) == [1, 2, 3, 4, 5]


def test_a_session_may_stand_on_several_days() -> None:
    def days(*pairs: tuple[int, int]) -> Response:
        return ok(result={"items": [{**DAY, "sid": sid, "day": day} for sid, day in pairs]})

    answers = [days((1, 86400), (1, 172800)), days((2, 86400)), days((1, 86400), (1, 172800))]
    _, rows = ask(ScriptedApi().all_report_days, size=2, answers=answers)
    assert [row.key for row in rows] == [(1, 86400), (1, 172800), (2, 86400)]


def test_rows_of_one_sim_are_different_rows() -> None:
    answers = [ok(result={"items": [ACTION, {**ACTION, "sid": 2}]}), ok(result={"items": []})]
    _, rows = ask(ScriptedApi().all_report_calls_and_sms, answers=answers)
    assert [(row.sid, row.id) for row in rows] == [(1, 1001), (2, 1001)]


@pytest.mark.parametrize(
    "begin",
    [
        lambda paper: described(paper.report_sessions)(size=2),
        lambda paper: described(paper.report_sessions)(size=2, page=0),
    ],
)
def test_pages_of_a_report_follow_one_another(begin: Callable[[ScriptedApi], Any]) -> None:
    steps, rows = drive(all_pages(begin(ScriptedApi())), [sessions(1, 2), sessions(3, 4), sessions(5)])
    assert sids(rows) == [1, 2, 3, 4, 5]
    assert [sent(step)["page"] for step in steps if isinstance(step, Request)] == [0, 1, 2]


VALUES: st.SearchStrategy[Any] = st.sampled_from([
    *(
        None,
        True,
        False,
        0,
        1,
        -1,
        -2,
        2**63,
        2**64,
        "",
        "1",
        "null",
        "true",
        "\ud800",
        'a"\n',
        [1],
        {"a": 1},
    ),
    *(Decimal("1.0"), Decimal("1.5"), Decimal("1e3"), "1.5", [], {}),
])
RECORDS = st.lists(st.dictionaries(st.sampled_from(["sid", "a", "b"]), VALUES), min_size=1, max_size=4)


@settings(max_examples=200, deadline=None)
@given(RECORDS, st.randoms())
def test_records_have_the_same_hash_only_if_they_are_equal(records: list[Any], dice: random.Random) -> None:
    """Whatever other records are on the page, and in whatever order the fields are."""

    def shuffled(record: dict[str, Any]) -> dict[str, Any]:
        return dict(dice.sample(list(record.items()), len(record)))

    def written(record: dict[str, Any]) -> str:
        return repr(sorted(record.items()))

    together = reports._record_hashes(JsonObjects(records), ("sid",))
    alone = [reports._record_hashes([shuffled(record)], ("sid",))[0] for record in records]
    assert alone == together
    same = {(written(record), content) for record, (_, content) in zip(records, together, strict=True)}
    assert len(same) == len(dict(same)) == len({content for _, content in same})


def test_a_row_with_a_list_is_another_one_if_a_number_becomes_a_text() -> None:
    rows = [{"sid": 1, "cost": cost, "parts": [cost]} for cost in (Decimal("1.5"), "1.5", Decimal("1.50"))]
    assert len({content for _, content in reports._record_hashes(rows, ("sid",))}) == len(rows)


def test_a_key_is_not_found_in_the_bytes_of_two_other_entries() -> None:
    table = consistent_read._HashTable()
    (_, content), (second, _) = rows = [(0, 9 << 48), (3 << 16 | 5 << 32, 7)]
    assert table.add(rows) == [None, None]
    between = content >> 32 | second % (1 << 32) << 32  # the end of one entry and the beginning of the next
    assert {key % consistent_read._BUCKETS for key in (0, second, between)} == {0}
    assert table.add([(between, 5), (between, 6), (second, 8)]) == [None, 5, 7]
    assert len(table) == 3
