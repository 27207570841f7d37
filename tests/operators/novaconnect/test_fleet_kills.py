"""A fleet's plan is applied by tries that are killed at each of their steps: nothing is paid for twice.

A step is a request to the vendor or to Airflow's task state store; a try dies before or after it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from airflow_provider_telecom.journal.journal import OutcomeUnknownError
from airflow_provider_telecom.simulator.novaconnect import VendorState
from tests.operators import test_kills
from tests.operators.novaconnect.fleets import apply, plan, results, tariffs
from tests.operators.test_kills import KilledError, KillingStore, Process, _killing  # noqa: F401 - a fixture
from tests.running import Run

DESIRED = [
    {"id": 1001, "blocked": True, "name": "Spare"},
    {"id": 1002, "package_kb": 20480, "auto_package": True, "blocked": False, "groups": ["Trucks", "New"]},
    {"id": 1003, "package_kb": 20480, "auto_package": True},
    {"id": 1004, "package_kb": 25600, "auto_package": False},
    {"id": 1041, "limit_mb": 500, "blocked": False},
]
TARIFFS = [1002, 1003, 1004]


def fresh(simulator: Any, adds: str = "off", preset: str = "default") -> VendorState:
    simulator.reset(preset=preset)
    simulator.state.set_switch("novaconnect.groups_added", adds)
    state: VendorState = simulator.state.vendor_state("novaconnect", VendorState)
    for sim, block in ((1001, "n"), (1002, "u"), (1003, "n"), (1004, "n"), (1041, "u")):
        state.sims[sim].block = block
    return state


def attempt(run: Run, operator: Any, point: int | None = None) -> BaseException | None:
    test_kills.process = Process(point)
    run.stores.setdefault("apply", KillingStore())
    try:
        run.execute(operator)
    except (Exception, KilledError) as error:
        return error
    return None


def killed(simulator: Any, folder: Path, point: int, adds: str, **more: Any) -> bool:
    """Kill a try at a point, try again, plan again where that is necessary. Return whether it was killed."""
    state, run = fresh(simulator, adds), Run()
    if not isinstance(attempt(run, apply(folder, **more), point), KilledError):
        return False
    error = attempt(run, apply(folder, **more))
    if isinstance(error, OutcomeUnknownError):
        assert "unknown" in {row["state"] for row in results(folder)}
        again = folder / "again"
        test_kills.process = Process()
        Run().execute(plan(again, DESIRED))
        error = attempt(Run("again"), apply(again, **more))
    assert error is None
    assert Counter(tariffs(simulator)) == Counter(TARIFFS), f"killed at step {point}"
    assert [state.sims[sim].block for sim in (1001, 1002, 1041)] == ["u", "n", "n"]
    test_kills.process = Process()
    left = Run().execute(plan(folder / "last", DESIRED))
    assert (left["changed"], left["skipped"]) == (0, 0)
    return True


def kill_at_each_step(simulator: Any, folder: Path, every: int, **more: Any) -> int:
    fresh(simulator)
    Run().execute(plan(folder, DESIRED))
    point, kills = 1, 0
    while killed(simulator, folder, point, **more):
        kills += 1
        point += every
    return kills


def test_a_killed_apply_pays_nothing_twice(telecom_simulator: Any, tmp_path: Path) -> None:
    assert kill_at_each_step(telecom_simulator, tmp_path, 19, adds="off", chunk_size=1) > 3


@pytest.mark.long
@pytest.mark.parametrize("adds", ["on", "off"], ids=["adds", "replaces"])
@pytest.mark.parametrize("chunk_size", [1, 2])
def test_an_apply_that_is_killed_at_each_step_pays_nothing_twice(
    telecom_simulator: Any, tmp_path: Path, adds: str, chunk_size: int
) -> None:
    assert kill_at_each_step(telecom_simulator, tmp_path, 1, adds=adds, chunk_size=chunk_size) > 80


@pytest.mark.long
@pytest.mark.parametrize("polls", [1, 3])
def test_an_apply_that_is_killed_while_the_queue_is_slow_continues_when_it_has_ended(
    telecom_simulator: Any, hook_for: Callable[..., Any], tmp_path: Path, polls: int
) -> None:
    """A tariff in doubt fails the tries until the list of SIMs shows it; then they go on, and pay nothing."""
    point, doubts, hook = 1, 0, hook_for("novaconnect")
    fresh(telecom_simulator)
    Run().execute(plan(tmp_path, DESIRED))
    while True:
        state, run = fresh(telecom_simulator), Run()
        telecom_simulator.state.set_transition("novaconnect.queue", "after_polls", polls)
        if not isinstance(attempt(run, apply(tmp_path, chunk_size=2), point), KilledError):
            break
        for _ in range(4):  # a request that was never sent stays in doubt
            error = attempt(run, apply(tmp_path, chunk_size=2))
            if not isinstance(error, OutcomeUnknownError):
                break
            assert "unknown" in {row["state"] for row in results(tmp_path)}
            test_kills.process, doubts = Process(), doubts + 1
            for _ in range(polls * 3):
                hook.all_sims()
        count = Counter(tariffs(telecom_simulator))
        assert max(count.values(), default=0) <= 1, f"killed at step {point}"
        if error is None:
            assert count == Counter(TARIFFS)
            assert [state.sims[sim].block for sim in (1001, 1002, 1041)] == ["u", "n", "n"]
        else:
            assert isinstance(error, OutcomeUnknownError)
        point += 5
    assert doubts


BLOCKS = st.sampled_from("nnnuuuppmfg")
SETTINGS = st.fixed_dictionaries(
    {},
    optional={
        "blocked": st.booleans(),
        "limit_mb": st.sampled_from([0, 5, 500, "off"]),
        "name": st.sampled_from(["A", "Tracker 1", "Name with ünïcode"]),
        "groups": st.lists(st.sampled_from(["Almaty", "Astana", "New", "Newer"]), unique=True, max_size=3),
        "package": st.tuples(st.sampled_from([15360, 20480, 102400]), st.booleans()),
    },
).filter(bool)
RULES = st.dictionaries(st.integers(1001, 1060), SETTINGS, min_size=1, max_size=12)


def rule_of(sim_id: int, wanted: dict[str, Any], exact: bool) -> dict[str, Any]:
    rule = {"id": sim_id, **wanted}
    if package := rule.pop("package", None):
        rule |= {"package_kb": package[0], "auto_package": package[1]}
    if rule.get("groups") and exact:
        rule["exact_groups"] = True
    return rule


def check_a_fleet(
    simulator: Any, folder: Path, seed: int, blocks: str, rules: Any, exact: bool, preset: str = "default"
) -> None:
    test_kills.process = Process()
    state = fresh(simulator, preset=preset)
    for place, sim in enumerate(state.sims.values()):
        sim.block = blocks[(place + seed) % len(blocks)]
        sim.groups = [*state.groups][: (place * seed) % 3]
        if (place + seed) % 7 == 0 and sim.tariff:
            sim.tariff.change_lock = state.now() + 1000
    desired = [rule_of(sim_id, wanted, exact) for sim_id, wanted in rules.items()]
    before = Run().execute(plan(folder, desired))
    applied = Run().execute(apply(folder))
    after = Run().execute(plan(folder, desired))
    assert (applied["changed"], applied["not_done"], applied["unknown"]) == (
        len({row["sim_id"] for row in results(folder) if row["state"] == "changed"} - skipped(folder)),
        *(0, 0),
    )
    assert after["changed"] == 0
    assert after["skipped"] == before["skipped"]
    assert len(tariffs(simulator)) == before["paid"]
    assert Run().execute(apply(folder))["changed"] == 0


def skipped(folder: Path) -> set[int]:
    return {row["sim_id"] for row in results(folder) if row["state"] == "skipped"}


FLEETS = given(st.integers(0, 50), st.text(BLOCKS, min_size=3, max_size=9), RULES, st.booleans())
RESETS = [HealthCheck.function_scoped_fixture, HealthCheck.too_slow]


@FLEETS
@settings(max_examples=8, suppress_health_check=RESETS, derandomize=True)
def test_planning_again_after_applying_shows_no_change(
    telecom_simulator: Any, tmp_path: Path, seed: int, blocks: str, rules: Any, exact: bool
) -> None:
    check_a_fleet(telecom_simulator, tmp_path, seed, blocks, rules, exact)


@pytest.mark.long
@FLEETS
@settings(max_examples=200, suppress_health_check=RESETS)
def test_planning_again_after_applying_shows_no_change_for_many_fleets(
    telecom_simulator: Any, tmp_path: Path, seed: int, blocks: str, rules: Any, exact: bool
) -> None:
    check_a_fleet(telecom_simulator, tmp_path, seed, blocks, rules, exact)


@pytest.mark.long
@FLEETS
@settings(max_examples=50, suppress_health_check=RESETS)
def test_planning_again_shows_no_change_under_the_opposite_readings_of_the_document(
    telecom_simulator: Any, tmp_path: Path, seed: int, blocks: str, rules: Any, exact: bool
) -> None:
    check_a_fleet(telecom_simulator, tmp_path, seed, blocks, rules, exact, "opposite")
