"""Operations without a vendor: when their state is reached, and what prevents it."""

from __future__ import annotations

from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.calls.request import Json, Response
from airflow_provider_telecom.vendors.novaconnect.models import Sim
from airflow_provider_telecom.vendors.novaconnect.operations import (
    Block,
    Disconnect,
    Operation,
    Repackage,
    SendSms,
    SetLimit,
    SetTariff,
    parse_operation,
)
from airflow_provider_telecom.vendors.novaconnect.status import MAX_POLLS_UNCHANGED, sim_operation
from airflow_provider_telecom.vendors.poll_result import PollResult, Stage
from tests.by_hand import drive
from tests.vendors.novaconnect.by_hand import SIM, ScriptedApi

TD = {
    "profile": "TD",
    "limit": {"type": "p_unlim", "value": 20, "used": 1},
    "tariff": {"id": 1, "name": "TD", "change_lock": None, "package_auto": True},
}

TARIFF = SetTariff(20_480, True, None)


def sim(**changed: Any) -> Sim:
    return Sim(**{**SIM, **changed})


def check(*found: dict[str, Any], **arguments: Any) -> tuple[dict[str, Any], PollResult]:
    """Return the request and the result of one status check, if these are the vendor's SIMs."""
    import json

    body = {"code": 200, "message": "", "count": len(found), "all_count": len(found), "items": list(found)}
    answer = Response(200, {}, json.dumps(body).encode())
    (request,), progress = drive(sim_operation(ScriptedApi(), **arguments), [answer])
    assert isinstance(request.body, Json)
    return request.body.value, progress


def test_one_reading_of_the_list_answers_for_all() -> None:
    asked, progress = check(
        {**SIM, "id": 1, "block": "u"},
        {**SIM, "id": 2, "block": "n"},
        operation="block",
        sim_ids=[1, 2],
        queue_id="q-1",
    )
    assert (asked["page"], asked["sort"]) == (0, {"id": "ASC"})
    assert progress == PollResult(
        Stage.WAITING,
        {"operation": "block", "queue_id": "q-1", "reached": 1, "waiting": 1},
        {"sim_ids": [2], "done": 1},
    )
    _, progress = check({**SIM, "id": 2, "block": "u"}, operation="block", sim_ids=[2], done=1)
    assert progress.stage is Stage.SUCCEEDED
    assert progress.facts["reached"] == 2


@pytest.mark.parametrize("letter", ["m", "p", "f", "g", "z"])
def test_another_block_or_a_sim_that_is_gone_ends_the_waiting(letter: str) -> None:
    _, progress = check({**SIM, "id": 1, "block": letter}, operation="unblock", sim_ids=[1, 2])
    assert progress.stage is Stage.FAILED
    assert set(progress.facts["missed"]) == {"1", "2"}


def test_a_lock_does_not_end_the_waiting_for_a_tariff() -> None:
    locked = {**SIM, **TD, "tariff": {**TD["tariff"], "change_lock": 4_000_000_000}}
    target = {"package_kb": 15360, "auto_package": True}
    _, progress = check(locked, operation="tariff", sim_ids=[1001], desired_state=target)
    assert progress.stage is Stage.WAITING


@pytest.mark.parametrize(
    ("operation", "target", "changed", "reached"),
    [
        ("limit", {"limit_mb": 500}, {}, True),
        ("limit", {"limit_mb": 501}, {}, False),
        ("limit", {"limit_mb": 500}, {"limit": None}, False),
        ("limit", {"limit_type": "off"}, {}, False),
        ("limit", {"limit_type": "off"}, {"limit": {"type": "off", "value": None}}, True),
        ("tariff", {"package_kb": 20480, "auto_package": True}, TD, True),
        ("tariff", {"package_kb": 20480, "auto_package": False}, TD, False),
        ("tariff", {"package_kb": 25600, "auto_package": True}, TD, False),
        ("tariff", {"package_kb": 20480, "auto_package": True, "all_world": False}, TD, True),
        ("tariff", {"package_kb": 20480, "auto_package": True, "all_world": True}, TD, False),
        ("tariff", {"package_kb": 20480, "auto_package": True}, {**TD, "profile": "TC"}, False),
        ("tariff", {"package_kb": 20480, "auto_package": True}, {**TD, "tariff": {"id": 1}}, True),
        ("group", {"group_ids": [5]}, {}, True),
        ("group", {"new_group_names": ["Trucks"]}, {}, True),
        ("group", {"group_ids": [5, 6]}, {}, False),
        ("group", {"group_ids": [5]}, {"groups": None}, False),
        (
            "group",
            {"group_ids": [5], "exact": True},
            {"groups": [{"id": 5, "name": "A"}, {"id": 6, "name": "B"}]},
            False,
        ),
        ("group", {"new_group_names": [" Trucks"], "exact": True}, {}, True),
        (
            "group",
            {"group_ids": [5]},
            {"groups": [{"id": 5, "name": "A"}, {"id": 6, "name": "B"}]},
            True,
        ),
    ],
)
def test_when_a_desired_state_is_reached(
    operation: str, target: dict[str, Any], changed: dict[str, Any], reached: bool
) -> None:
    assert parse_operation(operation, target).is_reached(sim(**changed)) is reached


@pytest.mark.parametrize(
    ("operation", "changed", "why"),
    [
        (SetLimit(5, "month1"), {"profile": "TD"}, "profile TD"),
        (SendSms("x"), {}, "profile TC"),
        (Block(), {"block": "m"}, "MSU"),
        (Repackage(False), {**TD, "block": "p"}, None),
        (Repackage(False), {**TD, "block": "f"}, "unpaid"),
        (Disconnect(), {"block": "f"}, None),
        (SetLimit(5, "month1"), {"block": "f"}, None),
        (
            TARIFF,
            {**TD, "tariff": {**TD["tariff"], "change_lock": 2_000}},
            "locked until 1970-01-01T00:33:20",
        ),
        (TARIFF, {**TD, "tariff": {**TD["tariff"], "change_lock": 500}}, None),
        (TARIFF, {**TD, "tariff": {**TD["tariff"], "change_lock": True}}, "no date"),
        (TARIFF, {**TD, "tariff": {**TD["tariff"], "change_lock": False}}, None),
        (TARIFF, {**TD, "tariff": None}, None),
    ],
)
def test_obstacles(operation: Operation, changed: dict[str, Any], why: str | None) -> None:
    found = operation.obstacle(sim(**changed), now=1_000.0)
    assert found is None if why is None else why in str(found)


@pytest.mark.parametrize(
    ("operation", "target", "field"),
    [
        ("ping", {}, "operation"),
        ("block", {"x": 1}, "desired_state"),
        ("limit", {}, "limit_mb"),
        ("limit", {"limit_mb": ""}, "limit_mb"),
        ("tariff", {"package_kb": 20480}, "desired_state"),
        ("tariff", {"package_kb": 20480, "auto_package": "true"}, "auto_package"),
        ("group", {"group_ids": "5"}, "group_ids"),
        ("group", {"new_group_names": "Trucks"}, "new_group_names"),
    ],
)
def test_invalid_desired_states(operation: str, target: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        parse_operation(operation, target)
    assert caught.value.field == field


TWO_GROUPS = {"groups": [{"id": 5, "name": "A"}, {"id": 6, "name": "B"}]}
EXACT = {"operation": "group", "sim_ids": [1001], "desired_state": {"group_ids": [5], "exact": True}}


def test_groups_that_were_added_end_the_waiting_once_the_vendor_says_that_it_is_done() -> None:
    for stored in (None, {"final": False, "process": 0}):
        assert check({**SIM, **TWO_GROUPS}, **EXACT, stored_webhook=stored)[1].stage is Stage.WAITING
    _, progress = check({**SIM, **TWO_GROUPS}, **EXACT, stored_webhook={"final": True})
    assert progress.stage is Stage.FAILED
    assert "the vendor adds groups" in progress.facts["missed"]["1001"]


def test_looks_at_added_groups_are_counted_in_a_row_and_not_while_the_vendor_is_at_it() -> None:
    arguments: dict[str, Any] = dict(EXACT)
    for _ in range(MAX_POLLS_UNCHANGED):
        _, progress = check({**SIM, **TWO_GROUPS}, **arguments)
        assert progress.stage is Stage.WAITING
        arguments |= progress.next_arguments
    assert check({**SIM, **TWO_GROUPS}, **arguments)[1].stage is Stage.FAILED
    running = check({**SIM, **TWO_GROUPS}, **arguments, stored_webhook={"final": False})[1]
    assert (running.stage, running.next_arguments.get("added")) == (Stage.WAITING, None)
    other = {**SIM, "id": 1002, "groups": []}
    two = check({**SIM, **TWO_GROUPS}, other, **{**arguments, "sim_ids": [1001, 1002]})[1]
    assert (two.stage, two.next_arguments.get("added")) == (Stage.WAITING, None), "the second still waits"
