"""Listing promos, and the status of one."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError, TelecomNotFoundError
from airflow_provider_telecom.operators.kyivstar_open_telecom import (
    KyivstarGetPromoOperator,
    KyivstarListPromosOperator,
)
from tests.running import Run

VENDOR = "kyivstar_open_telecom"


@pytest.fixture
def promo_ids(hook_for: Callable[..., Any]) -> list[str]:
    hook = hook_for(VENDOR)
    return [hook.create_promo(f"Hi ${{1}} {place}").id for place in range(5)]


def listed(**arguments: Any) -> Any:
    return Run().execute(KyivstarListPromosOperator(task_id="list", **arguments))


@pytest.mark.parametrize("first_page", ["0", "1", "1_empty", "1_refused"])
def test_all_promos_are_listed_once(telecom_simulator: Any, promo_ids: list[str], first_page: str) -> None:
    telecom_simulator.state.set_switch(f"{VENDOR}.first_page", first_page)
    found = listed(page_size=2)
    assert sorted(promo["promo_id"] for promo in found["promos"]) == sorted(promo_ids)
    assert (found["count"], found["has_more"]) == (5, False)
    assert found["promos"][0]["status"] == "DRAFT"
    assert found["promos"][0]["next_available_statuses"] == ["WAITING"]
    assert found["promos"][0]["param_count"] == 1
    assert not {"text_to_send", "author_username"} & set(found["promos"][0])


def test_the_filters_of_the_document(telecom_simulator: Any, promo_ids: list[str]) -> None:
    today = datetime.now(UTC).date()
    for bounds in (
        {"start_date_from": today},
        {"start_date_from": str(today), "start_date_to": str(today)},
        {"start_date_from": "{{ params.since }}"},
        {"start_date_to": datetime.now(UTC) + timedelta(hours=1)},
    ):
        operator = KyivstarListPromosOperator(task_id="list", **bounds)
        found = Run().execute(operator, params={"since": today.isoformat()})
        assert found["count"] == 5, bounds
    assert listed(start_date_to=today - timedelta(days=1))["count"] == 0
    assert listed(start_date_from=date(2099, 1, 1))["count"] == 0
    first, last = listed(sort_by="id"), listed(sort_by="id", sort_direction="DESC")
    assert [promo["promo_id"] for promo in first["promos"]] == sorted(promo_ids)
    assert first["promos"] == last["promos"][::-1]


def test_one_page(promo_ids: list[str]) -> None:
    pages = [listed(page_size=3, page_number=number) for number in range(3)]
    assert [page["count"] for page in pages] == [3, 2, 0]
    assert (pages[0]["has_more"], pages[2]["has_more"]) == (True, False)


def test_texts_are_returned_if_requested(promo_ids: list[str]) -> None:
    (promo,) = listed(page_size=1, page_number=0, fields=["text_to_send", "author_username"])["promos"]
    assert promo["text_to_send"].startswith("Hi ")
    assert promo["author_username"]


def test_the_list_is_never_cut_off(promo_ids: list[str]) -> None:
    assert listed(max_promos=5)["count"] == 5
    with pytest.raises(TelecomInputError, match="max_promos: 5 promos were found"):
        listed(max_promos=4)


@pytest.mark.parametrize(
    ("wrong", "field"),
    [
        ({"page_size": 0}, "page_size"),
        ({"page_number": -1}, "page_number"),
        ({"max_promos": 0}, "max_promos"),
        ({"sort_direction": "UP"}, "sort_direction"),
        ({"sort_by": ""}, "sort_by"),
        ({"fields": "text_to_send"}, "fields"),
        ({"fields": ["msisdn"]}, "fields"),
        ({"start_date_from": "yesterday"}, "start_date_from"),
        ({"start_date_to": datetime(2026, 1, 1)}, "start_date_to"),
    ],
)
def test_a_wrong_argument_is_refused_when_the_dag_is_parsed(wrong: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError, match=f"^{field}"):
        KyivstarListPromosOperator(task_id="list", **wrong)


def test_the_status_of_one(promo_ids: list[str]) -> None:
    found = Run().execute(KyivstarGetPromoOperator(task_id="get", promo_id=promo_ids[0]))
    assert (found["promo_id"], found["status"]) == (promo_ids[0], "DRAFT")
    assert set(found) == {
        "promo_id",
        "status",
        "next_available_statuses",
        "start_date",
        "end_date",
        "param_count",
    }
    unknown = KyivstarGetPromoOperator(task_id="get", promo_id="00000000-0000-0000-0000-000000000001")
    with pytest.raises(TelecomNotFoundError):
        Run().execute(unknown)
    with pytest.raises(TelecomInputError, match="promo_id"):
        KyivstarGetPromoOperator(task_id="get", promo_id="12")
