"""Row 41: the vendor repeats a webhook for 37 hours, so it may be late, repeated, or in another order.

A report has the form of a status that is read. It is a value: nothing here keeps what was said before, so
what a status means never depends on the order in which statuses come.
"""

from __future__ import annotations

from itertools import permutations
from typing import Any

import pytest

from airflow_provider_telecom.vendors.ketchup_loyalty.models import MessageState
from tests.vendors.ketchup_loyalty.by_hand import A, ScriptedApi, result_of

WORDS = ("accepted", "sent", "delivered", "delivered", "read")
HLR_WORDS = ("sent", "active", "active")


def status(word: str) -> dict[str, Any]:
    return {"id": "1", "msisdn": A, "reference": "r1", "status": word, "time_dr": "2016-01-01 00:01:01"}


def test_row_41_a_status_means_the_same_in_whatever_order_it_comes() -> None:
    paper = ScriptedApi()
    for order in set(permutations(WORDS)):
        found = [result_of(paper.get_sms_by_reference("r1"), status(word)) for word in order]
        assert [one.state for one in found] == [MessageState(word) for word in order]
        assert {one.status for one in found if one.state.is_final} == {"delivered", "read"}


def test_row_41_a_look_up_means_the_same_in_whatever_order_it_comes() -> None:
    paper = ScriptedApi()
    for order in set(permutations(HLR_WORDS)):
        found = [result_of(paper.get_hlr_by_reference("r1"), status(word)) for word in order]
        assert [one.is_final for one in found] == [word == "active" for word in order]


def test_row_41_a_report_that_comes_twice_is_one_value() -> None:
    first, second = (result_of(ScriptedApi().get_viber(1), status("delivered")) for _ in range(2))
    assert first == second
    assert hash(first) == hash(second)


@pytest.mark.parametrize("state", MessageState)
def test_row_41_what_is_final_is_known_from_the_status_alone(state: MessageState) -> None:
    under_way = {"scheduled", "moderation", "accepted", "sending", "sent", "unknown"}
    assert state.is_final is (state.value not in under_way)


def test_row_41_a_late_report_is_dated_by_the_vendor_and_not_by_its_arrival() -> None:
    found = result_of(ScriptedApi().get_sms(1), status("delivered"))
    assert found.time_dr == "2016-01-01 00:01:01"
    moment = found.delivered_at("Europe/Kyiv")
    assert moment is not None
    assert moment.isoformat() == "2015-12-31T22:01:01+00:00"
    assert found.delivered_at(None) is None
