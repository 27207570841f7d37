"""Applying the plan of a fleet: in order, once, and only to the fleet that it was made for."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from airflow.sdk.exceptions import AirflowSensorTimeout

from airflow_provider_telecom.calls.errors import TelecomInputError
from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.simulator.novaconnect import VendorState
from airflow_provider_telecom.triggers.polling import TelecomFailedError
from tests.operators.novaconnect.fleets import apply, changing, plan, results, tariffs
from tests.running import Run

DESIRED = [
    {"id": 1001, "blocked": True, "name": "Spare"},
    {"id": 1002, "package_kb": 20480, "auto_package": True, "blocked": False, "groups": ["Trucks", "New"]},
    {"id": 1041, "limit_mb": 500, "blocked": False},
    {"id": 1043, "limit_mb": 500},
    {"id": 1003, "package_kb": 25600, "auto_package": False},
]


@pytest.fixture(autouse=True)
def hook(hook_for: Callable[..., Any]) -> Any:
    return hook_for("novaconnect")


@pytest.fixture
def vendor_state(telecom_simulator: Any) -> VendorState:
    found: VendorState = telecom_simulator.state.vendor_state("novaconnect", VendorState)
    return prepared(found)


def prepared(state: VendorState) -> VendorState:
    for sim in (1001, 1003):
        state.sims[sim].block = "n"
    for sim in (1002, 1041, 1043):
        state.sims[sim].block = "u"
    state.sims[1002].groups = [next(iter(state.groups))]
    return state


@pytest.fixture
def planned(tmp_path: Path, vendor_state: VendorState, telecom_simulator: Any) -> Path:
    Run().execute(plan(tmp_path, DESIRED))
    telecom_simulator.state.requests.clear()
    return tmp_path


def new_plan(folder: Path, desired: Any = None) -> Any:
    return Run("again").execute(plan(folder / "again", DESIRED if desired is None else desired))


@pytest.mark.parametrize("deferrable", [False, True])
@pytest.mark.parametrize("polls", [0, 2], ids=["at_once", "in_time"])
def test_it_is_applied_in_a_safe_order(
    planned: Path, vendor_state: VendorState, telecom_simulator: Any, deferrable: bool, polls: int
) -> None:
    if polls:
        telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", polls)
    run, operator = Run(), apply(planned, deferrable=deferrable)
    xcom = run.execute(operator)
    assert changing(telecom_simulator) == [
        *("sim/block", "sim/group", "sim/limit", "sim/tariff", "sim/tariff", "sim/unblock", "sim/edit")
    ]
    counts = {"changed": 5, "unchanged": 0, "skipped": 0, "not_done": 0, "unknown": 0}
    assert xcom | counts == xcom
    assert {row["state"] for row in results(planned)} == {"changed"}
    assert len(results(planned)) == 9
    assert [vendor_state.sims[sim].block for sim in (1001, 1002, 1041, 1043)] == ["u", "n", "n", "u"]
    again = new_plan(planned)
    assert (again["changed"], again["skipped"], again["unchanged"]) == (0, 0, 5)
    telecom_simulator.state.requests.clear()
    assert run.execute(apply(planned)) == xcom
    assert telecom_simulator.state.requests == []


def test_another_plan_in_the_same_run_is_refused(planned: Path, telecom_simulator: Any) -> None:
    run = Run()
    run.execute(apply(planned))
    Run().execute(plan(planned, [{"id": 1001, "name": "B"}]))
    with pytest.raises(TelecomInputError, match="dedupe_key: this task has already sent something else"):
        run.execute(apply(planned))
    assert run.execute(apply(planned, dedupe_key="2"))["changed"] == 1


def test_a_plan_is_applied_by_one_run(planned: Path, telecom_simulator: Any) -> None:
    """Its tariffs may still wait in the vendor's queue, where the list of SIMs does not show them."""
    telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", 1000)
    run = Run("first")
    for _ in range(2):
        with pytest.raises(AirflowSensorTimeout):
            run.execute(apply(planned, wait_timeout=0.02))
    telecom_simulator.state.requests.clear()
    rule = "plan_path: the plan was applied, or began to be, by task apply of dag, run first; plan again"
    with pytest.raises(TelecomInputError, match=rule):
        Run("second").execute(apply(planned))
    assert changing(telecom_simulator) == []


DRIFTS: dict[str, Callable[[VendorState], object]] = {
    "a planned SIM": lambda state: setattr(state.sims[1041], "block", "n"),
    "another SIM": lambda state: setattr(state.sims[1030], "name", "Other"),
    "a new SIM": lambda state: state.add_sims(1),
    "a removed SIM": lambda state: state.sims.pop(1060),
    "a limit": lambda state: setattr(state.sims[1043].limit, "value", 3),
    "a group": lambda state: state.sims[1001].groups.append(next(iter(state.groups))),
}


@pytest.mark.parametrize("drift", DRIFTS.values(), ids=DRIFTS)
def test_a_fleet_that_has_changed_is_refused(
    planned: Path, vendor_state: VendorState, telecom_simulator: Any, drift: Callable[[VendorState], object]
) -> None:
    drift(vendor_state)
    with pytest.raises(TelecomInputError, match=r"plan_path: fleet: 1 SIMs have changed since .* plan again"):
        Run().execute(apply(planned))
    assert changing(telecom_simulator) == []


def test_other_sims_may_change_if_asked(planned: Path, vendor_state: VendorState) -> None:
    vendor_state.sims[1030].name = "Other"
    assert Run().execute(apply(planned, require_unchanged="planned"))["changed"] == 5


def test_planned_sims_must_be_unchanged(planned: Path, vendor_state: VendorState) -> None:
    vendor_state.sims[1001].name = "Other"
    with pytest.raises(TelecomInputError, match="1 SIMs have changed"):
        Run().execute(apply(planned, require_unchanged="planned"))


REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "too many": ({"max_changes": 4}, "max_changes: 5 SIMs would be changed, at most 4"),
    "too large a part": ({"max_change_percent": 8}, "max_change_percent: 5 of 60 SIMs"),
    "tariffs": ({"allow": ["disconnect"]}, r"allow: must contain 'tariff': .* \(2 SIMs\)"),
    "offline": ({"allow": ["tariff"]}, r"allow: must contain 'disconnect': .* \(1 SIMs\)"),
}


@pytest.mark.parametrize(("more", "rule"), REFUSED.values(), ids=REFUSED)
def test_what_is_not_allowed_is_refused(
    planned: Path, telecom_simulator: Any, more: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        Run().execute(apply(planned, **more))
    assert changing(telecom_simulator) == []
    assert Run().execute(apply(planned))["changed"] == 5


BAD_PLANS: dict[str, tuple[dict[str, Any], str]] = {
    "another company": ({"company_id": 5}, "company_id: the plan is for 5, the connection for 77"),
    "another version": ({"version": 2}, "version: is a plan of version 2"),
    "another file": ({"format": "other"}, "must be a plan of this operator"),
    "edited": ({"sha256": "0" * 64}, "sha256: the file was changed"),
}


@pytest.mark.parametrize(("change", "rule"), BAD_PLANS.values(), ids=BAD_PLANS)
def test_another_plan_is_refused(
    planned: Path, telecom_simulator: Any, change: dict[str, Any], rule: str
) -> None:
    from airflow_provider_telecom.journal.idempotency_keys import fingerprint

    stored = json.loads((planned / "plan.json").read_text()) | change
    if "sha256" not in change:
        del stored["sha256"]
        stored["sha256"] = fingerprint(stored)
    (planned / "plan.json").write_text(json.dumps(stored))
    with pytest.raises(TelecomInputError, match=f"plan_path: {rule}"):
        Run().execute(apply(planned))
    assert changing(telecom_simulator) == []


@pytest.mark.parametrize(
    ("path", "rule"), [("/tmp/results.csv", "must be a file whose name ends"), ("/proc/new/a.jsonl", "")]
)
def test_results_that_cannot_be_written_are_refused_first(
    planned: Path, telecom_simulator: Any, path: str, rule: str
) -> None:
    operator = apply(planned, results_path="{{ params.results }}")
    with pytest.raises(TelecomInputError, match=f"results_path: {rule}"):
        Run().execute(operator, params={"results": path})
    assert changing(telecom_simulator) == []


def test_a_file_that_is_no_plan_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TelecomInputError, match="plan_path: the file cannot be read"):
        Run().execute(apply(tmp_path))
    (tmp_path / "plan.json").write_text("{")
    with pytest.raises(TelecomInputError, match="plan_path: must be a plan of this operator; it is no JSON"):
        Run().execute(apply(tmp_path))


BAD_ARGUMENTS: dict[str, tuple[dict[str, Any], str]] = {
    "desired": ({"desired": [{"id": 1, "blocked": True}]}, "desired: must not be given"),
    "mode": ({"mode": "aply"}, "mode: must be one of"),
    "allow": ({"allow": ["tarif"]}, "allow: must be one of"),
    "a text": ({"allow": "tariff"}, "allow: must be a list"),
    "percent": ({"max_change_percent": 101}, "max_change_percent: must be a number of 0 to 100"),
    "plan": ({"plan_path": "plan.txt"}, "plan_path: must be a file whose name ends in .json"),
    "results": ({"results_path": "results.csv"}, "results_path: must be a file whose name ends in .jsonl"),
}


@pytest.mark.parametrize(("more", "rule"), BAD_ARGUMENTS.values(), ids=BAD_ARGUMENTS)
def test_bad_arguments_are_refused_when_the_dag_is_parsed(
    tmp_path: Path, more: dict[str, Any], rule: str
) -> None:
    with pytest.raises(TelecomInputError, match=rule):
        apply(tmp_path, **more)


@pytest.mark.parametrize("adds", ["on", "off"], ids=["adds", "replaces"])
def test_groups_at_a_vendor_that_adds_and_at_one_that_replaces(
    tmp_path: Path, vendor_state: VendorState, telecom_simulator: Any, adds: str
) -> None:
    almaty, astana, trucks = list(vendor_state.groups)[:3]
    telecom_simulator.state.set_switch("novaconnect.groups_added", adds)
    Run().execute(plan(tmp_path, [{"id": 1002, "groups": [trucks]}]))
    assert Run().execute(apply(tmp_path))["changed"] == 1
    assert set(vendor_state.sims[1002].groups) == {almaty, trucks}
    Run().execute(plan(tmp_path, [{"id": 1002, "groups": [astana], "exact_groups": True}]))
    if adds == "on":
        with pytest.raises(TelecomFailedError, match=r"1002.*the vendor adds groups"):
            Run().execute(apply(tmp_path))
        assert [row["state"] for row in results(tmp_path)] == ["skipped"]
    else:
        assert Run().execute(apply(tmp_path))["changed"] == 1
        assert vendor_state.sims[1002].groups == [astana]


@pytest.mark.parametrize("kind", ["reset_after", "reset_before"], ids=["done", "not_done"])
@pytest.mark.parametrize("call", ["sim/block", "sim/group", "sim/limit", "sim/unblock", "sim/edit"])
def test_a_lost_answer_is_read_back(planned: Path, telecom_simulator: Any, call: str, kind: Any) -> None:
    telecom_simulator.fault(kind, "novaconnect", path=f"/{call}", times=1)
    assert Run().execute(apply(planned))["changed"] == 5
    assert new_plan(planned)["changed"] == 0


def test_a_lost_answer_of_a_tariff_that_happened_is_read_back(planned: Path, telecom_simulator: Any) -> None:
    telecom_simulator.fault("reset_after", "novaconnect", path="/sim/tariff", times=1)
    assert Run().execute(apply(planned))["changed"] == 5
    assert tariffs(telecom_simulator) == [1002, 1003]


def test_a_tariff_that_may_have_happened_is_not_sent_again(
    planned: Path, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    telecom_simulator.fault("close_before", "novaconnect", path="/sim/tariff", times=1)
    run = Run()
    for _ in range(2):
        with pytest.raises(
            OutcomeUnknownError, match=r"the tariff of 1 SIMs was changed \(100[23]\); it may"
        ):
            run.execute(apply(planned))
    assert tariffs(telecom_simulator) == []
    assert changing(telecom_simulator).count("sim/tariff") == 1
    states = [row["state"] for row in results(planned) if row["setting"] == "tariff"]
    assert sorted(states) == ["not_done", "unknown"]
    assert vendor_state.sims[1002].block == "u"  # nothing after it was sent
    new_plan(planned)
    assert Run("again").execute(apply(planned / "again"))["changed"] == 4
    assert tariffs(telecom_simulator) == [1002, 1003]


def test_what_somebody_changes_meanwhile_is_left_alone(
    planned: Path, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    telecom_simulator.fault("status", "novaconnect", path="/sim/unblock", times=1, status=403)
    run = Run()
    with pytest.raises(Exception, match="403"):
        run.execute(apply(planned))
    vendor_state.sims[1041].limit.value = 7
    vendor_state.sims[1001].name = "Mine"
    xcom = run.execute(apply(planned))
    assert (xcom["changed"], xcom["skipped"]) == (3, 2)
    assert vendor_state.sims[1041].block == "u"
    assert vendor_state.sims[1001].name == "Mine"
    reasons = {(row["sim_id"], row["setting"]): row["reason"] for row in results(planned) if row["reason"]}
    assert reasons[1001, "name"] == "somebody else has changed it since it was planned"


def test_a_sim_is_not_unblocked_if_somebody_has_lifted_its_limit_between_two_tries(
    tmp_path: Path, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    limit = vendor_state.sims[1041].limit
    limit.type, limit.value = "month1", 500
    Run().execute(plan(tmp_path, [{"id": 1041, "limit_mb": 500, "blocked": False}]))
    telecom_simulator.fault("status", "novaconnect", path="/sim/unblock", times=1, status=403)
    run = Run()
    with pytest.raises(Exception, match="403"):
        run.execute(apply(tmp_path))
    limit.type, limit.value = "off", None
    assert run.execute(apply(tmp_path))["skipped"] == 1
    assert vendor_state.sims[1041].block == "u"


@pytest.mark.parametrize(
    ("change", "more", "rule"),
    [
        (lambda state: state.company.update(id=78), {}, "company_id: the plan is for 77"),
        (lambda state: None, {"allow": ["disconnect"]}, "allow: must contain 'tariff'"),
    ],
    ids=["another company", "no longer allowed"],
)
def test_a_later_try_is_checked_as_well(
    planned: Path, telecom_simulator: Any, vendor_state: VendorState, change: Any, more: Any, rule: str
) -> None:
    telecom_simulator.fault("status", "novaconnect", path="/sim/group", times=1, status=403)
    run = Run()
    with pytest.raises(Exception, match="403"):
        run.execute(apply(planned))
    sent = changing(telecom_simulator)
    change(vendor_state)
    with pytest.raises(TelecomInputError, match=rule):
        run.execute(apply(planned, **more))
    assert changing(telecom_simulator) == sent


SLOW = [{"id": 1002, "package_kb": 20480, "auto_package": True, "blocked": False}]


def slow_and_locked(folder: Path, simulator: Any, vendor_state: VendorState, error: type[Exception]) -> Run:
    """Let a try fail while a tariff waits in the vendor's queue; then its lock shows, and it does not yet."""
    Run().execute(plan(folder, SLOW))
    simulator.state.set_transition("novaconnect.queue", "after_polls", 1000)
    run = Run()
    with pytest.raises(error):
        run.execute(apply(folder, wait_timeout=0.02))
    vendor_state.sims[1002].tariff.change_lock = vendor_state.now() + 1000
    return run


def test_a_tariff_that_waits_in_the_queue_is_not_skipped_because_it_is_locked(
    tmp_path: Path, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    run = slow_and_locked(tmp_path, telecom_simulator, vendor_state, AirflowSensorTimeout)
    for _ in range(2):
        (row,) = (row for row in results(tmp_path) if row["setting"] == "tariff")
        assert row["state"] == "unknown"
        assert "the vendor has accepted it" in row["reason"]
        with pytest.raises(AirflowSensorTimeout):
            run.execute(apply(tmp_path, wait_timeout=0.02))
    assert changing(telecom_simulator) == ["sim/tariff"]
    vendor_state.sims[1002].tariff.change_lock = None
    telecom_simulator.state.set_transition("novaconnect.queue", "immediate")
    assert run.execute(apply(tmp_path))["changed"] == 1
    assert tariffs(telecom_simulator) == [1002]


def test_a_lock_does_not_show_that_a_tariff_has_happened(
    tmp_path: Path, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    telecom_simulator.fault("reset_after", "novaconnect", path="/sim/tariff", times=1)
    run = slow_and_locked(tmp_path, telecom_simulator, vendor_state, OutcomeUnknownError)
    with pytest.raises(OutcomeUnknownError):
        run.execute(apply(tmp_path))
    assert [row["state"] for row in results(tmp_path) if row["setting"] == "tariff"] == ["unknown"]


def test_sims_that_were_left_out_of_a_tariff_are_not_in_doubt(
    tmp_path: Path, telecom_simulator: Any, vendor_state: VendorState
) -> None:
    desired = [{**SLOW[0], "id": sim} for sim in (1002, 1003)]
    Run().execute(plan(tmp_path, desired))
    run = Run()
    telecom_simulator.fault("status", "novaconnect", path="/sim/tariff", times=1, status=403)
    with pytest.raises(Exception, match="403"):
        run.execute(apply(tmp_path))
    vendor_state.sims[1003].tariff.change_lock = vendor_state.now() + 1000
    telecom_simulator.fault("reset_after", "novaconnect", path="/sim/tariff", times=1)
    xcom = run.execute(apply(tmp_path))
    assert (xcom["changed"], xcom["skipped"]) == (1, 1)
    assert tariffs(telecom_simulator) == [1002]
