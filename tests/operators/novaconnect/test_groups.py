"""Groups of SIMs, at a vendor that replaces them and at one that only adds."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest

from airflow_provider_telecom.calls.errors import (
    TelecomAnswerError,
    TelecomInputError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.novaconnect import NovaConnectSetGroupsOperator
from airflow_provider_telecom.sensors.novaconnect import NovaConnectQueueDoneSensor
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run

SIMS = [1001, 1002, 1003]
both_ways = pytest.mark.parametrize("deferrable", [False, True])


@pytest.fixture(params=["off", "on"], ids=["replaces", "adds"])
def adds(request: pytest.FixtureRequest, telecom_simulator: Any) -> bool:
    telecom_simulator.state.set_switch("novaconnect.groups_added", request.param)
    return str(request.param) == "on"


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    return found


@pytest.fixture
def groups(vendor_state: VendorState) -> tuple[int, int, int]:
    """Return three groups; the first SIM is in none, the second in one, the third in two of them."""
    almaty, astana, trucks = list(vendor_state.groups)[:3]
    for sim, held in zip(SIMS, ([], [almaty], [almaty, trucks]), strict=True):
        vendor_state.sims[sim].groups = held
    return almaty, astana, trucks


def group(**arguments: Any) -> NovaConnectSetGroupsOperator:
    given = {"task_id": "group", "sim_ids": SIMS, "poll_interval": 0.01, "wait_timeout": 60, **arguments}
    return NovaConnectSetGroupsOperator(**given)


def wait(**arguments: Any) -> NovaConnectQueueDoneSensor:
    given = {"task_id": "wait", "operation": "group", "sim_ids": SIMS, "poke_interval": 0.01, "timeout": 60}
    return NovaConnectQueueDoneSensor(**{**given, **arguments})


def asked(simulator: Any) -> int:
    return sum(seen.path.endswith("sim/group") for seen in simulator.state.requests)


@both_ways
def test_row_42_sims_get_a_group_and_stay_in_their_others(
    adds: bool, deferrable: bool, groups: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    almaty, astana, trucks = groups
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    operator = group(group_ids=[astana], wait_for_completion=True, deferrable=deferrable)
    outcome = Run().execute(operator)
    assert (outcome["changed"], outcome["reached"]) == (SIMS, 3)
    assert [set(vendor_state.sims[sim].groups) for sim in SIMS] == [
        {astana},
        {almaty, astana},
        {almaty, astana, trucks},
    ]
    assert asked(telecom_simulator) == 3  # one for all SIMs that are in the same others
    again = Run().execute(group(group_ids=[astana]))
    assert (again["changed"], again["unchanged"]) == ([], SIMS)
    assert asked(telecom_simulator) == 3


def test_sims_in_the_same_groups_take_one_request(
    adds: bool, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    for sim in SIMS:
        vendor_state.sims[sim].groups = []
    outcome = Run().execute(group(new_group_names=["Almaty", "New"]))
    assert outcome["queue_id"] in vendor_state.queues
    assert asked(telecom_simulator) == 1
    names = {one.name for one in vendor_state.groups.values()}
    assert "New" in names
    assert len({tuple(vendor_state.sims[sim].groups) for sim in SIMS}) == 1


def test_a_lost_answer_to_one_of_several_requests_is_settled_by_the_next_try(
    adds: bool, groups: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    _, astana, _ = groups
    telecom_simulator.fault("reset_after", "novaconnect", path="sim/group")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(group(group_ids=[astana]))
    outcome = run.execute(group(group_ids=[astana]))
    assert (outcome["changed"], outcome["skipped"]) == (SIMS, [])
    assert all(astana in vendor_state.sims[sim].groups for sim in SIMS)
    assert [len(vendor_state.sims[sim].groups) for sim in SIMS] == [1, 2, 3]
    done = telecom_simulator.state.ledger.of("novaconnect", "group")
    assert sorted(effect.facts["id"] for effect in done) == SIMS


def test_a_refusal_of_a_later_request_forgets_no_earlier_one(
    adds: bool, groups: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    _, astana, _ = groups
    body = '{"code": 400, "message": "no"}'
    run, operator = Run(), group(group_ids=[astana])
    send, requests = operator.hook.set_groups, []

    def second_refused(*arguments: Any, **more: Any) -> Any:
        requests.append(arguments)
        if len(requests) == 2:
            telecom_simulator.fault("body", "novaconnect", path="sim/group", body=body)
        return send(*arguments, **more)

    operator.hook.set_groups = second_refused
    with pytest.raises(TelecomRejectedError):
        run.execute(operator)
    outcome = run.execute(group(group_ids=[astana]))
    assert (outcome["changed"], outcome["unchanged"]) == (SIMS, [])
    done = telecom_simulator.state.ledger.of("novaconnect", "group")
    assert [effect.facts["id"] for effect in done] == SIMS


@both_ways
def test_row_42_exactly_these_groups_or_an_error_that_says_why_not(
    adds: bool, deferrable: bool, groups: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    _, astana, _ = groups
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    run, target = Run(), {"group_ids": [astana], "exact": True}
    operator = group(**target, wait_for_completion=True, deferrable=deferrable)
    if adds:
        with pytest.raises(TelecomFailedError, match=r"the vendor adds groups .* exact") as caught:
            run.execute(operator)
        assert "1001" not in str(caught.value), "the first SIM is in this group alone"
        assert "1002" in str(caught.value)
        with pytest.raises(TelecomFailedError, match=r"the vendor adds groups .* exact"):
            Run().execute(wait(desired_state=target, deferrable=deferrable))
    else:
        assert run.execute(operator)["reached"] == 3
        assert Run().execute(wait(desired_state=target, deferrable=deferrable))["reached"] == 3
        assert [vendor_state.sims[sim].groups for sim in SIMS] == [[astana]] * 3
    assert asked(telecom_simulator) == 1


@both_ways
def test_exactly_these_groups_where_nothing_is_to_be_added(
    adds: bool, deferrable: bool, groups: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    """Such a SIM looks like one that has not been processed yet."""
    almaty, _, _ = groups
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 5)
    target = {"group_ids": [almaty], "exact": True}
    operator = group(sim_ids=[1003], **target, wait_for_completion=True, deferrable=deferrable)
    if adds:
        with pytest.raises(TelecomFailedError, match="the vendor adds groups"):
            Run().execute(operator)
    else:
        assert Run().execute(operator)["reached"] == 1
        assert vendor_state.sims[1003].groups == [almaty]


def test_the_sensor_waits_for_groups_among_others(adds: bool, groups: Any, hook: Any) -> None:
    _, astana, _ = groups
    hook.set_groups(SIMS, [astana])
    assert Run().execute(wait(desired_state={"group_ids": [astana]}))["reached"] == 3


def test_a_second_try_says_that_the_vendor_adds(
    groups: Any, vendor_state: VendorState, telecom_simulator: Any
) -> None:
    _, astana, _ = groups
    telecom_simulator.state.set_switch("novaconnect.groups_added", "on")
    telecom_simulator.fault("reset_after", "novaconnect", path="sim/group")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(group(group_ids=[astana], exact=True))
    outcome = run.execute(group(group_ids=[astana], exact=True))
    assert outcome["changed"] == [1001]
    assert {one["sim_id"]: "the vendor adds groups" in one["reason"] for one in outcome["skipped"]} == {
        1002: True,
        1003: True,
    }


def test_a_list_without_groups_says_nothing_of_the_others(telecom_simulator: Any, hook: Any) -> None:
    shown = [{"id": 1001, "iccid": "8999700000000000001", "profile": "TD", "block": "n"}]
    body = json.dumps({"code": 200, "count": 1, "all_count": 1, "items": shown})
    telecom_simulator.fault("body", "novaconnect", path="sim/list", body=body, times=9)
    with pytest.raises(TelecomAnswerError, match=r"SIM 1001 .* groups"):
        Run().execute(group(sim_ids=[1001], new_group_names=["New"]))
    assert asked(telecom_simulator) == 0


# --- no groups


@both_ways
@pytest.mark.parametrize("reading", ["either", "left_out", "empty_list"])
def test_sims_leave_all_groups_or_an_error_says_why_not(
    adds: bool,
    deferrable: bool,
    reading: str,
    groups: Any,
    vendor_state: VendorState,
    telecom_simulator: Any,
) -> None:
    telecom_simulator.state.set_switch("novaconnect.no_groups", reading)
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    operator = group(groups=[], wait_for_completion=True, deferrable=deferrable)
    if adds:
        with pytest.raises(TelecomFailedError, match=r"1003.*it is still in 2 groups: the vendor adds"):
            Run().execute(operator)
        with pytest.raises(TelecomFailedError, match="it is still in"):
            Run().execute(wait(desired_state={"groups": []}, deferrable=deferrable))
    else:
        outcome = Run().execute(operator)
        assert (outcome["changed"], outcome["unchanged"], outcome["reached"]) == ([1002, 1003], [1001], 2)
        assert [vendor_state.sims[sim].groups for sim in SIMS] == [[], [], []]
        assert Run().execute(wait(desired_state={"groups": []}, deferrable=deferrable))["reached"] == 3
    assert asked(telecom_simulator) == (2 if reading == "empty_list" else 1)


def test_sims_leave_their_groups_once(groups: Any, vendor_state: VendorState, telecom_simulator: Any) -> None:
    almaty, _, _ = groups
    telecom_simulator.fault("reset_after", "novaconnect", path="sim/group")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(group(groups=[]))
    vendor_state.sims[1002].groups = [almaty]  # somebody puts it there again: that looks as before
    assert run.execute(group(groups=[]))["changed"] == [1002, 1003]
    assert run.execute(group(groups=[]))["changed"] == [1002, 1003]
    assert asked(telecom_simulator) == 2


@pytest.mark.parametrize(
    "arguments",
    [
        {},
        {"group_ids": []},
        {"group_ids": "[]", "new_group_names": []},
        {"groups": [1]},
        {"groups": "[]"},
        {"groups": [], "group_ids": [1]},
        {"groups": [], "new_group_names": ["A"]},
        {"groups": [], "exact": True},
    ],
)
def test_no_groups_must_be_said_and_nothing_else(arguments: dict[str, Any]) -> None:
    with pytest.raises(TelecomInputError, match="group"):
        group(**arguments)


@pytest.mark.parametrize("given", [{}, {"groups": [5]}, {"groups": [], "group_ids": [5]}])
def test_the_hook_clears_groups_only_when_told(hook: Any, telecom_simulator: Any, given: Any) -> None:
    with pytest.raises(TelecomInputError, match="group"):
        hook.set_groups(SIMS, **given)
    assert asked(telecom_simulator) == 0


def test_each_of_several_requests_has_its_queue_in_the_result(groups: Any, vendor_state: VendorState) -> None:
    _, astana, _ = groups
    outcome = Run().execute(group(group_ids=[astana]))
    assert outcome["queue_id"] == list(vendor_state.queues)
    assert len(outcome["queue_id"]) == 3
