"""NovaConnect's set-state operators: which SIMs they change, and what a later try does."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from airflow.sdk.execution_time.task_runner import _serialize_rendered_fields

from airflow_provider_telecom.calls.errors import (
    TelecomAuthError,
    TelecomInputError,
    TelecomNotSentError,
    TelecomRejectedError,
    TelecomUnknownError,
)
from airflow_provider_telecom.operators.novaconnect import (
    NovaConnectBlockSimsOperator,
    NovaConnectListSimsOperator,
    NovaConnectRenameSimOperator,
    NovaConnectSetGroupsOperator,
    NovaConnectSetLimitOperator,
    NovaConnectUnblockSimsOperator,
)
from airflow_provider_telecom.simulator import credentials
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.running import Run, Store

# The first SIMs: of TD 1001 n, 1002 n, 1003 n, 1004 u, 1008 p, 1009 f, 1010 g; of TC 1041 n, 1042 n,
# 1043 u, 1045 m.


NO_QUEUE = {"queue_id": None, "callback_key": None}


@pytest.fixture(autouse=True)
def _connected(hook_for: Callable[..., Any]) -> None:
    hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> Any:
    return telecom_simulator.state.vendor_state("novaconnect", VendorState)


@pytest.fixture
def done_to(telecom_simulator: Any) -> Callable[[str], list[int]]:
    """Return a function that returns the SIMs that an operation was done to, in order."""
    return lambda kind: [
        effect.facts["id"] for effect in telecom_simulator.state.ledger.of("novaconnect", kind)
    ]


@pytest.fixture
def asked(telecom_simulator: Any) -> Callable[[str], int]:
    """Return a function that counts the requests for a path."""
    return lambda path: sum(seen.path.endswith(path) for seen in telecom_simulator.state.requests)


def block(**arguments: Any) -> NovaConnectBlockSimsOperator:
    return NovaConnectBlockSimsOperator(task_id="block", **arguments)


def limit(**arguments: Any) -> NovaConnectSetLimitOperator:
    return NovaConnectSetLimitOperator(task_id="limit", **arguments)


# --- what is sent


def test_only_sims_in_another_state_are_changed(done_to: Any) -> None:
    outcome = Run().execute(block(sim_ids=[1004, 1002, 1001, 1008, 1009, 1010, 1045]))
    assert outcome.pop("queue_id")
    skipped = {one["sim_id"]: one["reason"] for one in outcome.pop("skipped")}
    assert outcome == {"callback_key": None, "changed": [1001, 1002], "unchanged": [1004]}
    assert set(skipped) == {1008, 1009, 1010, 1045}
    assert "package" in skipped[1008]
    assert "unpaid" in skipped[1009]
    assert "operator" in skipped[1010]
    assert "MSU" in skipped[1045]
    assert done_to("block") == [1001, 1002]


def test_unblocking_lifts_our_block_only(done_to: Any) -> None:
    outcome = Run().execute(
        NovaConnectUnblockSimsOperator(task_id="unblock", sim_ids=[1001, 1004, 1008, 1009, 1010, 1045])
    )
    assert (outcome["changed"], outcome["unchanged"]) == ([1004], [1001])
    assert [one["sim_id"] for one in outcome["skipped"]] == [1008, 1009, 1010, 1045]
    assert done_to("unblock") == [1004]


def test_nothing_is_sent_if_all_sims_are_in_the_state(asked: Any) -> None:
    outcome = Run().execute(block(sim_ids=[1004, 1006], wait_for_completion=True))
    assert outcome == {**NO_QUEUE, "changed": [], "unchanged": [1004, 1006], "skipped": []}
    assert asked("sim/block") == 0


def test_a_limit_is_for_tc_and_compared_by_its_megabytes(vendor_state: Any, done_to: Any) -> None:
    vendor_state.sims[1042].limit.type, vendor_state.sims[1042].limit.value = "month1", 500
    vendor_state.sims[1043].limit.type, vendor_state.sims[1043].limit.value = "month1", 499
    outcome = Run().execute(
        limit(sim_ids=[1041, 1042, 1043, 1001], limit_mb="{{ params.mb }}"), params={"mb": 500}
    )
    assert (outcome["changed"], outcome["unchanged"]) == ([1041, 1043], [1042])
    assert outcome["skipped"] == [{"sim_id": 1001, "reason": "profile TD: limit is for TC only"}]
    assert done_to("limit") == [1041, 1043]
    off = NovaConnectSetLimitOperator(task_id="off", sim_ids=[1041, 1044], limit_type="off")
    assert Run().execute(off)["changed"] == [1041]


def test_groups_are_compared_by_id_and_name(vendor_state: Any, done_to: Any) -> None:
    almaty, astana = list(vendor_state.groups)[:2]
    vendor_state.sims[1001].groups, vendor_state.sims[1002].groups, vendor_state.sims[1003].groups = (
        [almaty],
        [almaty, astana],
        [],
    )

    def group(**arguments: Any) -> dict[str, Any]:
        operator = NovaConnectSetGroupsOperator(task_id="group", sim_ids=[1001, 1002, 1003], **arguments)
        outcome: dict[str, Any] = Run().execute(operator)
        return outcome

    assert group(group_ids=[almaty], exact=True)["changed"] == [1002, 1003]
    assert done_to("group") == [1002, 1003]
    assert group(new_group_names=[" Almaty "], exact=True)["unchanged"] == [1001, 1002, 1003]
    vendor_state.sims[1002].groups = [almaty, astana]
    assert group(group_ids=[almaty])["changed"] == []
    assert group(group_ids=[almaty], new_group_names=["New one"])["changed"] == [1001, 1002, 1003]
    assert {name.name for name in vendor_state.groups.values()} >= {"New one"}


@pytest.mark.parametrize(
    ("select", "chosen"),
    [
        ({"profile": "TC"}, [1041, 1042]),
        ({"blocked": False, "profile": "TD"}, [1001]),
        ({"msu_block": True}, []),
    ],
)
def test_a_vendor_that_filters_nothing_has_no_other_sim_changed(
    telecom_simulator: Any, hook_for: Any, select: dict[str, Any], chosen: list[int]
) -> None:
    shown = [
        sim for sim in hook_for("novaconnect").list_sims(size=60).items if sim.id in (1001, 1004, 1041, 1042)
    ]
    items = [sim.model_dump(mode="json") for sim in shown]
    body = json.dumps({"code": 200, "count": 4, "all_count": 4, "items": items})
    telecom_simulator.fault("body", "novaconnect", path="sim/list", body=body, times=9)
    outcome = Run().execute(block(select=select))
    assert outcome["changed"] == chosen
    assert outcome["unchanged"] == []


def test_renaming_one_sim(vendor_state: Any, done_to: Any) -> None:
    def rename() -> NovaConnectRenameSimOperator:
        return NovaConnectRenameSimOperator(
            task_id="rename", sim_id="{{ params.sim }}", name="{{ params.who }}"
        )

    values = {"sim": 1001, "who": "Truck of Test Person"}
    run, operator = Run(), rename()
    outcome = run.execute(operator, params=values)
    assert outcome == {**NO_QUEUE, "changed": [1001], "unchanged": [], "skipped": []}
    assert run.execute(rename(), params=values) == outcome
    assert vendor_state.sims[1001].name == "Truck of Test Person"
    assert done_to("rename") == [1001]
    assert Run().execute(rename(), params=values)["unchanged"] == [1001]
    assert "Person" not in str(_serialize_rendered_fields(operator)) + str(run.stores["rename"].texts)


def test_a_list_that_is_empty_at_run_time_is_no_error(asked: Any) -> None:
    assert Run().execute(block(sim_ids="{{ params.found }}"), params={"found": []})["changed"] == []
    assert asked("sim/block") == 0


# --- which SIMs


def test_sims_by_profile_group_and_query(vendor_state: Any) -> None:
    group = vendor_state.add_group("Chosen")
    for sim_id in (1001, 1004, 1041):
        vendor_state.sims[sim_id].groups = [group.id]
    by_name = {"group": "Chosen", "profile": "TD"}
    assert Run().execute(block(select=by_name))["changed"] == [1001]
    by_id = {"group": "{{ params.group }}", "blocked": False}
    assert Run().execute(block(select=by_id), params={"group": group.id})["changed"] == [1041]
    assert Run().execute(block(select={"query": vendor_state.sims[1002].iccid}))["changed"] == [1002]
    operator = block(select={"query": "{{ params.number }}"})
    assert Run().execute(operator, params={"number": "77000000002"})["changed"] == [1003]
    assert "77000000002" not in str(_serialize_rendered_fields(operator))
    with pytest.raises(TelecomInputError, match="no such group"):
        Run().execute(block(select={"group": "Chose"}))


@pytest.mark.parametrize("given", ["[1001, 1002]", ["1001", "{{ params.second }}"], [1001, 1002]])
def test_ids_from_templates(given: Any) -> None:
    assert Run().execute(block(sim_ids=given), params={"second": 1002})["changed"] == [1001, 1002]


def test_unknown_sims_are_refused_unless_they_may_be_skipped(done_to: Any) -> None:
    with pytest.raises(TelecomInputError, match="2 unknown SIMs, so nothing was sent: 9001, 9002"):
        Run().execute(block(sim_ids=[9001, 1001, 9002]))
    assert done_to("block") == []
    outcome = Run().execute(block(sim_ids=[9001, 1001], on_unknown_sims="skip"))
    assert outcome["changed"] == [1001]
    assert outcome["skipped"] == [{"sim_id": 9001, "reason": "no such SIM"}]


def test_too_many_changes_are_refused_before_anything_is_sent(done_to: Any) -> None:
    sims = [1001, 1002, 1003, 1004]
    with pytest.raises(TelecomInputError, match="3 SIMs would be changed, at most 2 are allowed"):
        Run().execute(block(sim_ids=sims, max_changes=2))
    assert done_to("block") == []
    assert len(Run().execute(block(sim_ids=sims, max_changes=3))["changed"]) == 3


# --- tries


def test_a_later_try_sends_nothing_again(vendor_state: Any, done_to: Any, asked: Any) -> None:
    run = Run()
    first = run.execute(block(sim_ids=[1001, 1004]))
    vendor_state.sims[1001].block = "n"  # somebody lifts it
    lists = asked("sim/list")
    assert run.execute(block(sim_ids=[1004, 1001])) == first
    assert (done_to("block"), asked("sim/list")) == ([1001], lists)
    assert run.execute(block(sim_ids=[1004, 1001], dedupe_key="2"))["changed"] == [1001]
    assert run.execute(block(sim_ids=[1002]))["changed"] == [1002]


@pytest.mark.parametrize("fault", ["reset_after", "half_body", "garbage", "status_after"])
def test_after_an_unknown_outcome_what_has_happened_is_seen(
    telecom_simulator: Any, done_to: Any, asked: Any, fault: str
) -> None:
    telecom_simulator.fault(fault, "novaconnect", path="sim/block")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(block(select={"blocked": False, "profile": "TC"}))
    changed = done_to("block")
    assert changed
    outcome = run.execute(block(select={"blocked": False, "profile": "TC"}))
    assert outcome == {**NO_QUEUE, "changed": changed, "unchanged": [], "skipped": []}
    assert (done_to("block"), asked("sim/block")) == (changed, 1)
    assert run.execute(block(select={"blocked": False, "profile": "TC"})) == outcome


def test_what_never_arrived_is_sent_by_the_next_try(telecom_simulator: Any, done_to: Any) -> None:
    telecom_simulator.fault("reset_before", "novaconnect", path="sim/limit")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(limit(sim_ids=[1041, 1042], limit_mb=5))
    assert done_to("limit") == []
    assert run.execute(limit(sim_ids=[1041, 1042], limit_mb=5))["changed"] == [1041, 1042]
    assert done_to("limit") == [1041, 1042]


def test_the_next_try_sends_for_the_rest_and_leaves_alone_what_others_have_changed(
    telecom_simulator: Any, vendor_state: Any, done_to: Any
) -> None:
    telecom_simulator.fault("reset_before", "novaconnect", path="sim/limit")
    sims, run = [1041, 1042, 1043, 1044, 1046], Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(limit(sim_ids=sims, limit_mb=5))
    for sim_id, megabytes in ((1041, 5), (1042, 7)):
        vendor_state.sims[sim_id].limit.type, vendor_state.sims[sim_id].limit.value = "month1", megabytes
    del vendor_state.sims[1043]
    outcome = run.execute(limit(sim_ids=sims, limit_mb=5))
    assert outcome["changed"] == [1041, 1044, 1046]
    assert [one["sim_id"] for one in outcome["skipped"]] == [1042, 1043]
    assert done_to("limit") == [1044, 1046]
    assert vendor_state.sims[1042].limit.value == 7


class Deadly(Store):
    """A store that the task does not live to write to for the `last` time."""

    def __init__(self, last: int) -> None:
        super().__init__()
        self.last = last

    def set(self, key: str, value: Any, *, retention: Any = None) -> None:
        if self.writes + 1 == self.last:
            self.last = 0
            raise KeyboardInterrupt
        super().set(key, value)


@pytest.mark.parametrize("last", [1, 2])
def test_a_killed_try_is_settled_by_the_next(done_to: Any, asked: Any, last: int) -> None:
    run = Run()
    run.stores["block"] = Deadly(last)
    with pytest.raises(KeyboardInterrupt):
        run.execute(block(sim_ids=[1001, 1002]))
    assert run.execute(block(sim_ids=[1001, 1002]))["changed"] == [1001, 1002]
    assert done_to("block") == [1001, 1002]
    assert asked("sim/block") == 1


def test_sims_in_doubt_are_not_forgotten_for_others(telecom_simulator: Any, done_to: Any) -> None:
    """Else a block that never arrived is missing, and the task is green."""
    telecom_simulator.fault("reset_before", "novaconnect", path="/sim/block")
    run = Run()
    with pytest.raises(TelecomUnknownError):
        run.execute(block(sim_ids=[1001, 1002]), map_index=0)
    with pytest.raises(TelecomInputError, match=r"nobody knows whether it has: 1001, 1002\."):
        run.execute(block(sim_ids=[1003]), map_index=0)
    assert run.execute(block(sim_ids=[1003, 1002, 1001]), map_index=0)["changed"] == [1001, 1002, 1003]
    assert done_to("block") == [1001, 1002, 1003]


def test_sims_that_were_refused_may_be_taken_out(telecom_simulator: Any, done_to: Any) -> None:
    telecom_simulator.fault("status", "novaconnect", path="/sim/block", status=400)
    run = Run()
    with pytest.raises(TelecomRejectedError):
        run.execute(block(sim_ids=[1001, 1002]))
    assert run.execute(block(sim_ids=[1002]))["changed"] == [1002]
    assert done_to("block") == [1002]


def test_what_was_not_sent_is_sent_by_the_next_try(telecom_simulator: Any, done_to: Any) -> None:
    run = Run()
    with telecom_simulator.refusing(), pytest.raises(TelecomNotSentError):
        run.execute(block(sim_ids=[1001]))
    assert run.execute(block(sim_ids=[1001]))["changed"] == [1001]
    assert done_to("block") == [1001]


def test_a_user_who_is_no_administrator_is_refused(
    telecom_simulator: Any, monkeypatch: pytest.MonkeyPatch, done_to: Any
) -> None:
    import json

    connection = telecom_simulator.connection("novaconnect")
    connection["password"] = credentials.NOVACONNECT_USER_TOKEN
    monkeypatch.setenv("AIRFLOW_CONN_PLAIN", json.dumps(connection))
    with pytest.raises(TelecomAuthError):
        Run().execute(block(sim_ids=[1001], conn_id="plain"))
    assert done_to("block") == []


def test_an_unknown_group_is_refused_by_the_vendor(done_to: Any) -> None:
    operator = NovaConnectSetGroupsOperator(task_id="group", sim_ids=[1001], group_ids=[1])
    with pytest.raises(TelecomRejectedError):
        Run().execute(operator)
    assert done_to("group") == []


# --- waiting


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_until_the_sims_show_it(telecom_simulator: Any, asked: Any, deferrable: bool) -> None:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1)
    operator = block(
        sim_ids=[1001, 1002, 1004], wait_for_completion=True, deferrable=deferrable, poll_interval=0.01
    )
    outcome = Run().execute(operator)
    assert (outcome["changed"], outcome["unchanged"], outcome["reached"]) == ([1001, 1002], [1004], 2)
    assert outcome["queue_id"]
    assert asked("sim/list") > 2


@pytest.mark.parametrize("deferrable", [False, True])
def test_waiting_fails_if_a_sim_can_never_reach_the_state(
    telecom_simulator: Any, vendor_state: Any, deferrable: bool
) -> None:
    telecom_simulator.state.set_transition("novaconnect.queue", "after_seconds", 3600)
    run, arguments = Run(), {"sim_ids": [1001, 1002], "deferrable": deferrable, "poll_interval": 0.01}
    run.execute(block(**arguments))
    vendor_state.sims[1002].block = "f"
    with pytest.raises(TelecomFailedError, match=r"missed: \{'1002': 'blocked for unpaid bills"):
        run.execute(block(**arguments, wait_for_completion=True))


def test_a_try_after_a_lost_wait_waits_on_and_sends_nothing(
    telecom_simulator: Any, done_to: Any, asked: Any
) -> None:
    run = Run()
    run.execute(limit(sim_ids=[1041], limit_mb=5))
    outcome = run.execute(limit(sim_ids=[1041], limit_mb=5, wait_for_completion=True, poll_interval=0.01))
    assert outcome["reached"] == 1
    assert asked("sim/limit") == 1


# --- bad input


@pytest.mark.parametrize(
    ("arguments", "field"),
    [
        ({}, "sim_ids"),
        ({"sim_ids": [1], "select": {"profile": "TD"}}, "sim_ids"),
        ({"sim_ids": []}, "sim_ids"),
        ({"sim_ids": [1, 1]}, "sim_ids"),
        ({"sim_ids": ["one"]}, "sim_ids"),
        ({"sim_ids": "1001 1002"}, "sim_ids"),
        ({"select": {}}, "select"),
        ({"select": {"id": 1}}, "select"),
        ({"select": {"profile": "XX"}}, "select.profile"),
        ({"select": {"blocked": "no"}}, "select.blocked"),
        ({"select": {"group": " "}}, "select.group"),
        ({"select": {"group": True}}, "select.group"),
        ({"sim_ids": [1], "max_changes": 0}, "max_changes"),
        ({"sim_ids": [1], "on_unknown_sims": "ignore"}, "on_unknown_sims"),
        ({"sim_ids": [1], "callback_url": "ftp://example.com/told"}, "callback_url"),
        ({"sim_ids": [1], "callback_url": "http://user@example.com/told"}, "callback_url"),
        ({"sim_ids": [1], "include_package_empty": "yes"}, "include_package_empty"),
    ],
)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(arguments: dict[str, Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        block(**arguments)
    assert caught.value.field == field


@pytest.mark.parametrize(
    ("make", "field"),
    [
        (lambda: limit(sim_ids=[1]), "limit_mb"),
        (lambda: limit(sim_ids=[1], limit_mb=-1), "limit_mb"),
        (lambda: limit(sim_ids=[1], limit_mb=1, limit_type="day"), "limit_type"),
        (lambda: NovaConnectSetGroupsOperator(task_id="t", sim_ids=[1]), "group_ids"),
        (lambda: NovaConnectSetGroupsOperator(task_id="t", sim_ids=[1], group_ids=[0]), "group_ids"),
        (lambda: NovaConnectRenameSimOperator(task_id="t", sim_id=1, name=" "), "name"),
        (lambda: NovaConnectRenameSimOperator(task_id="t", sim_id=0, name="A"), "sim_ids"),
        (
            lambda: NovaConnectRenameSimOperator(task_id="t", sim_id=1, name="A", select={"query": "a"}),
            "select",
        ),
        (
            lambda: NovaConnectRenameSimOperator(task_id="t", sim_id=1, name="A", wait_for_completion=True),
            "wait_for_completion",
        ),
    ],
)
def test_bad_targets_are_refused_when_the_dag_is_parsed(make: Callable[[], Any], field: str) -> None:
    with pytest.raises(TelecomInputError) as caught:
        make()
    assert caught.value.field == field


@pytest.mark.parametrize("rendered", ["", "None", "many", "-1"])
def test_a_limit_from_a_template_is_checked_before_anything_is_asked(
    telecom_simulator: Any, rendered: str
) -> None:
    with pytest.raises(TelecomInputError, match="limit_mb"):
        Run().execute(limit(sim_ids=[1041], limit_mb="{{ params.mb }}"), params={"mb": rendered})
    assert telecom_simulator.state.requests == []


def test_a_callback_from_a_template_is_checked_first_and_never_shown(telecom_simulator: Any) -> None:
    operator = block(sim_ids=[1001], callback_url="{{ params.url }}")
    with pytest.raises(TelecomInputError, match="callback_url"):
        Run().execute(operator, params={"url": "http://example.com/x"})
    assert telecom_simulator.state.requests == []
    operator, run = block(sim_ids=[1001], callback_url="{{ params.url }}"), Run()
    run.execute(operator, params={"url": "https://example.com/hidden-path"})
    assert "hidden-path" not in str(_serialize_rendered_fields(operator)) + str(run.stores["block"].texts)


def test_plain_http_is_for_connections_that_allow_it(telecom_simulator: Any, hook_for: Any) -> None:
    url = "http://hooks.example.com/told"
    with pytest.raises(TelecomInputError, match=r"callback_url: must begin with https.*allow_http_webhooks"):
        Run().execute(block(sim_ids=[1001], callback_url=url))
    assert telecom_simulator.state.requests == []
    hook_for("novaconnect", allow_http_webhooks=True)
    Run().execute(block(sim_ids=[1001], callback_url=url))
    vendor_state = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    assert [queue.callback_url for queue in vendor_state.queues.values()] == [url]


# --- SIMs whose package ran out


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("blocks", [False, True])
def test_a_sim_whose_package_ran_out_is_blocked_if_wanted(
    telecom_simulator: Any, vendor_state: Any, done_to: Any, blocks: bool, deferrable: bool
) -> None:
    telecom_simulator.state.set_switch("novaconnect.block_over_package", "on" if blocks else "off")
    assert Run().execute(block(sim_ids=[1001, 1008]))["skipped"][0]["sim_id"] == 1008
    waiting = {"wait_for_completion": True, "deferrable": deferrable, "poll_interval": 0.01}
    operator = block(sim_ids=[1002, 1008, 1009], include_package_empty=True, **waiting)
    if blocks:
        outcome = Run().execute(operator)
        assert (outcome["changed"], outcome["reached"]) == ([1002, 1008], 2)
        assert [one["sim_id"] for one in outcome["skipped"]] == [1009]
        assert vendor_state.sims[1008].block == "u"
    else:
        with pytest.raises(TelecomFailedError, match=r"missed: \{'1008': 'its package ran out \(p\), and"):
            Run().execute(operator)
    assert done_to("block") == [1001, 1002, *([1008] if blocks else [])]


# --- the list


def listed(**arguments: Any) -> Any:
    return Run().execute(NovaConnectListSimsOperator(task_id="list", **arguments))


def test_a_list_holds_ids_and_what_is_asked_for(vendor_state: Any) -> None:
    assert listed() == {"count": 60, "sim_ids": list(range(1001, 1061))}
    found = listed(select={"profile": "TC", "blocked": True}, fields=("block", "limit"))
    assert found["count"] == len(found["sim_ids"]) == len(found["sims"])
    assert found["sims"][0]["id"] == 1043
    assert set(found["sims"][0]) == {"id", "block", "limit"}
    assert "89997" not in str(found)
    import json

    json.dumps(listed(fields=NovaConnectListSimsOperator.FIELDS))


def test_a_list_that_is_too_long_is_refused_whole() -> None:
    with pytest.raises(TelecomInputError, match="60 SIMs were found, which is more than 59"):
        listed(max_sims=59)
    assert listed(max_sims=60)["count"] == 60


@pytest.mark.parametrize("fields", ["iccid", ["token"], ["id"]])
def test_fields_that_there_are_not(fields: Any) -> None:
    with pytest.raises(TelecomInputError, match="fields"):
        listed(fields=fields)
