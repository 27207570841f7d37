"""The short form of `make chaos`, and faults that are planted in the provider, all of which it finds.

The short form has the same seed each time. `make chaos` draws another one.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.chaos.plans import MANY_PLANS, conclude
from tests.chaos.processes import KillingProcess
from tests.chaos.scenario import ChaosError, Seed, World, play
from tests.chaos.scenarios import SCENARIOS
from tests.endpoints import rows

pytestmark = [pytest.mark.xdist_group("chaos")]
SHORT = {
    "kills.bulk_sms": 12,
    "kills.promo": 6,
    "kills.fleet": 6,
    "kills.ladder": 6,
    "plans.calls": 100,
    "plans.tasks": 20,
    "machine": 10,
}
"""How many of what it counts the short form of a scenario plays."""
MUTANTS = [(name, mutant) for name, each in SCENARIOS.items() for mutant in each.mutants]


@pytest.fixture(scope="module")
def world(
    telecom_simulator_server: Any, killing_process: KillingProcess, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[World]:
    made = World(telecom_simulator_server, tmp_path_factory.mktemp("chaos"), killing_process)
    logging.disable(logging.CRITICAL)
    yield made
    logging.disable(logging.NOTSET)


@pytest.mark.parametrize("name", SHORT)
def test_no_rule_is_broken(world: World, name: str) -> None:
    scenario = SCENARIOS[name]
    total = play(scenario, Seed(1), world, SHORT[name])
    assert total[scenario.counts] >= SHORT[name]
    assert total["intents"] > 0


@pytest.mark.parametrize(
    ("name", "mutant"),
    [pytest.param(*each, marks=[] if place == 0 else pytest.mark.long) for place, each in enumerate(MUTANTS)],
)
def test_a_fault_that_is_planted_in_the_provider_is_found(world: World, name: str, mutant: str) -> None:
    with pytest.raises(ChaosError, match="replay: python") as found:
        play(SCENARIOS[name], Seed(1), world, 300, mutant=mutant)
    assert "Traceback" not in str(found.value), "the scenario itself has failed"


def _ends(plans: int, **ends: int) -> Counter[str]:
    total = Counter({"plans": plans, **{f"{end}_calls": count for end, count in ends.items()}})
    return total + Counter(f"end {end} {row}" for row in rows() for end in ("refused", "unknown"))


def test_the_ends_of_the_calls_are_summed_up() -> None:
    total = _ends(MANY_PLANS, done=5000, refused=2000, unknown=2900, deceived=100)
    assert conclude(total) == "50% done, 20% refused, 29% unknown, 1% deceived"
    assert total["operations"] == total["operations_with_known_and_unknown_ends"] == len(rows())
    assert not [name for name in total if name.startswith("end ")]


def test_an_operation_that_always_ends_in_the_same_way_proves_too_little() -> None:
    few, many = _ends(MANY_PLANS - 1), _ends(MANY_PLANS)
    for total in (few, many):
        total["end deceived sunsim-get_vats_settings-get"] = 1
        del total["end refused sunsim-get_vats_settings-get"]
    conclude(few)
    assert few["operations_with_known_and_unknown_ends"] == len(rows()) - 1
    with pytest.raises(ChaosError, match=r"no unknown end of sunsim-get_vats_settings-get$"):
        conclude(many)
