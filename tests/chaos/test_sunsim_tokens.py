"""200 workers on three hosts, whose SunSim token is revoked again and again; and the check finds faults."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from airflow_provider_telecom.calls.request import Request
from tests.auth.rotating_world import World, quick
from tests.chaos.scenario import ChaosError
from tests.chaos.sunsim_tokens import Scene, conclude, rounds, violations


@pytest.mark.parametrize(
    ("seed", "workers", "kills"),
    [(1, 60, 9), *(pytest.param(seed, 200, 100, marks=pytest.mark.long) for seed in range(2, 12))],
)
def test_each_revocation_is_survived(seed: int, workers: int, kills: int) -> None:
    assert violations(list(rounds(Scene(seed, workers), kills))) == []


class ActsBeforeItAuthorizes(World):
    def answer(self, request: Request) -> Any:
        if request.path != "/create":
            self.act(request)
        return super().answer(request)


class ForgetsWhatIsPaid(World):
    def act(self, request: Request) -> None:
        pass


class SlowStore(World):
    def __init__(self, seed: int) -> None:
        super().__init__(seed)
        self.step_takes = 0.5


@pytest.mark.parametrize(
    ("scene", "problem"),
    [
        (Scene(1, 20, world=ActsBeforeItAuthorizes(1)), "20 twice"),
        (Scene(1, 20, world=ForgetsWhatIsPaid(1)), "20 lost"),
        (Scene(1, 20, timing=quick(lease=200.0)), "failed"),
        (Scene(1, 20, timing=quick(lease=50.0)), "death: recovery takes more than 60 s"),
        (Scene(1, 20, hosts=20, timing=quick(lease=0.0), world=SlowStore(1)), "rotations"),
    ],
)
def test_a_fault_is_found(scene: Scene, problem: str) -> None:
    assert problem in "\n".join(violations(list(rounds(scene, 9))))


def test_more_than_two_tokens_are_rare() -> None:
    most = {"revocations": 1000, "rotations_1": 900, "rotations_2": 90, "rotations_4": 10}
    assert conclude(Counter(most)) == "at most 4 tokens for a revocation; at most 2 for 99.00%"
    with pytest.raises(ChaosError, match="11 of 1000 revocations needed more than 2 tokens"):
        conclude(Counter(most | {"rotations_2": 89, "rotations_3": 1}))
    assert conclude(Counter(revocations=100, rotations_3=100)).startswith("at most 3 tokens")
